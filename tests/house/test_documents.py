"""What the documents name exists: tests that show a rule, files that links point to."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])


def test_every_test_that_conformance_names_exists() -> None:
    text = (ROOT / "docs" / "conformance.md").read_text()
    named = set(re.findall(r"`(?:[a-z]+/)?((?:test_)?[a-z_*]+\.py)`", text))

    assert len(named) > 15
    assert not [name for name in named if not list((ROOT / "tests").rglob(name))]


def test_every_link_between_documents_leads_somewhere() -> None:
    dead = []
    for document in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", document.read_text()):
            if not re.match(r"[a-z]+:", target) and not (document.parent / target).exists():
                dead.append(f"{document.relative_to(ROOT)} → {target}")

    assert not dead
