"""What the documents name exists: tests that show a rule, files that links point to."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "partners/kit/README.md", *(ROOT / "docs").rglob("*.md")])


def test_every_test_that_conformance_names_exists() -> None:
    text = (ROOT / "docs" / "conformance.md").read_text()
    named = set(re.findall(r"`(?:[a-z]+/)?((?:test_)?[a-z_*]+\.py)`", text))

    assert len(named) > 15
    assert not [name for name in named if not list((ROOT / "tests").rglob(name))]


def lacking(text: str) -> list[str]:
    """Checks (C1…) that a line says a test shows, where that file has no such number."""
    found = []
    for name, said in re.findall(r"`(?:[a-z]+/)?(test_[a-z_0-9]+\.py)` \(([^)`]*)\)", text):
        shown = "".join(path.read_text() for path in (ROOT / "tests").rglob(name))
        found += [f"{name}: {check}" for check in re.findall(r"\bC\d+b?\b", said) if not re.search(rf"{check}(?![0-9b])", shown)]
    return found


def test_every_check_is_named_by_the_test_that_shows_it() -> None:
    rows = re.findall(r"^\| (C\d+b?) \|(.*)$", (ROOT / "docs" / "verifications.md").read_text(), re.M)
    said = [f"`{name}` ({check})" for check, row in rows for name in re.findall(r"`(?:[a-z]+/)?(test_[a-z_0-9]+\.py)`", row)]

    assert len(said) > 150
    assert lacking("\n".join([(ROOT / "docs" / "conformance.md").read_text(), *said])) == []
    nobodys = f"C{90 + 9}"
    assert lacking(f"`test_documents.py` ({nobodys})") == [f"test_documents.py: {nobodys}"]


def test_every_link_between_documents_leads_somewhere() -> None:
    dead = []
    for document in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", document.read_text()):
            if not re.match(r"[a-z]+:", target) and not (document.parent / target).exists():
                dead.append(f"{document.relative_to(ROOT)} → {target}")

    assert not dead


def headings(document: Path) -> set[str]:
    """Names that links may follow `#` with, as forges make them from headings."""
    text = re.sub(r"^```.*?^```", "", document.read_text(), flags=re.S | re.M)
    return {re.sub(r"[^\w\- ]", "", found.lower()).replace(" ", "-") for found in re.findall(r"^#+ (.*)$", text, re.M)}


def test_every_chapter_that_a_link_names_exists() -> None:
    lost = []
    for document in DOCUMENTS:
        for target, chapter in re.findall(r"\]\(([^)#: ]*)#([^)]+)\)", document.read_text()):
            if chapter not in headings(document.parent / target if target else document):
                lost.append(f"{document.relative_to(ROOT)} → {target}#{chapter}")

    assert not lost


def test_sequence_diagrams_can_be_drawn() -> None:
    """In Mermaid a semicolon ends a statement, even in the words of an arrow, and what follows is no statement."""
    broken = []
    for document in DOCUMENTS:
        for diagram in re.findall(r"^```mermaid\nsequenceDiagram\n(.*?)^```", document.read_text(), flags=re.S | re.M):
            broken += [f"{document.relative_to(ROOT)}: {line.strip()}" for line in diagram.splitlines() if re.search("[;#]", line)]

    assert not broken


# --------------------------------------------------------------------------------------------------------- security checks

WEB = [*(f"C{n}" for n in range(49, 56)), "C55b", *(f"C{n}" for n in range(56, 68))]
CHECKS = [*(f"C{n:02}" for n in range(1, 32)), "C31b", *(f"C{n}" for n in range(32, 49)), *WEB, *(f"C{n}" for n in range(68, 83))]
"""Of the protocol, sign-in, the web, faults and time."""


def rows_of_checks() -> list[tuple[str, str]]:
    """Number and tests of each row of docs/verifications.md."""
    return re.findall(r"^\| (C\d+b?) \|.*\| ([^|]+) \|$", (ROOT / "docs" / "verifications.md").read_text(), re.MULTILINE)


def bears(path: Path, number: str) -> bool:
    """Whether a file has a test, or an identifier of a case, with this number."""
    named = re.compile(rf'(def test_(?:\w+_)?|id="){number}(?![0-9a-z])')
    return bool(named.search(path.read_text()))


def test_the_table_of_checks_has_each_of_them_once_and_in_order() -> None:
    assert [number for number, _ in rows_of_checks()] == CHECKS


def test_every_test_that_the_table_of_checks_names_exists_and_bears_the_number() -> None:
    wrong = []
    for number, cell in rows_of_checks():
        named = [ROOT / "tests" / name for name in re.findall(r"`([a-z]+/test_[a-z0-9_]+\.py)`", cell)]
        wrong += [f"{number}: {path.name}" for path in named if not (path.exists() and bears(path, number))]
        wrong += [] if named or "**later**" in cell else [f"{number}: no test"]

    assert not wrong


def test_a_check_that_has_tests_is_not_for_later() -> None:
    later = [number for number, cell in rows_of_checks() if "**later**" in cell]

    assert not [(number, path.name) for number in later for path in (ROOT / "tests").rglob("test_*.py") if bears(path, number)]


def test_every_test_file_that_the_page_of_checks_names_exists() -> None:
    named = set(re.findall(r"`([a-z]+/test_[a-z0-9_]+\.py)`", (ROOT / "docs" / "verifications.md").read_text()))

    assert len(named) > 20
    assert not [name for name in named if not (ROOT / "tests" / name).exists()]
