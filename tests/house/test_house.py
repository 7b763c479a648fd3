"""The house is kept: no rule is broken in the source, and each rule is shown to notice a planted violation."""

import shutil
import warnings
from pathlib import Path

import pytest

from tests.house import rules

ROOT = Path(__file__).parents[2]
PLANTED_DOCSTRING = '"""Planted."""\n'


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_the_house_is_kept(rule):
    assert "\n".join(map(str, dict.fromkeys(rule(rules.House(ROOT))))) == ""


def test_every_room_has_a_rank_and_a_docstring_that_tells_it():
    rooms = {path.name for path in (ROOT / "idp").iterdir() if (path / "__init__.py").exists()}
    chart = (ROOT / "idp" / "__init__.py").read_text("utf-8")

    assert rooms <= set(rules.RANKS)
    assert [room for room in sorted(rooms) if room not in chart] == []


def test_files_stay_short():
    """A guide, not a limit: it warns."""
    for path, lines in rules.long_files(ROOT).items():
        warnings.warn(f"{path} has {lines} lines: are they two files?", stacklevel=1)


# ------------------------------------------------------------------------------------------------------- planted violations


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """A copy of the source."""
    root = tmp_path_factory.mktemp("house")
    shutil.copy(ROOT / "wsgi.py", root)
    for floor in ("idp", "partners", "widget"):
        shutil.copytree(ROOT / floor, root / floor, ignore=shutil.ignore_patterns("__pycache__", "data", "static"))
    return root


@pytest.fixture(scope="module")
def known(model) -> set[rules.Violation]:
    return set(rules.violations(model))


@pytest.fixture
def plant(model, known, request):
    """Write a line at the end of a file of the copy, and tell which violations are new."""

    def add(path: str, line: str) -> list[str]:
        target = model / path
        kept = target.read_text("utf-8") if target.exists() else None
        request.addfinalizer(lambda: target.write_text(kept, "utf-8") if kept is not None else target.unlink())
        target.write_text((PLANTED_DOCSTRING if kept is None else kept) + line + "\n", "utf-8")
        return [str(found) for found in rules.violations(model) if found not in known]

    return add


def test_a_flask_import_in_siret_is_noticed(plant):
    """One line, which names the file and the rule."""
    assert plant("idp/entreprises/siret.py", "from flask import request") == [
        "idp/entreprises/siret.py: pure modules touch no state: imports flask",
    ]


PLANTED = [
    ("an-upward-import", "idp/declarants/planted.py", "from idp.oidc import tokens", "rooms look down: imports oidc, of a higher rank"),
    (
        "an-upward-import-inside-a-function",
        "idp/audit/planted.py",
        "def f():\n    import idp.declarants.models",
        "rooms look down: imports declarants, of a higher rank",
    ),
    (
        "a-relative-upward-import",
        "idp/audit/planted.py",
        "from ..declarants import models",
        "rooms look down: imports declarants, of a higher rank",
    ),
    ("a-foundation-that-looks-up", "idp/seals.py", "from idp.audit import events", "rooms look down: imports audit, of a higher rank"),
    (
        "a-stranger",
        "idp/habilitations/planted.py",
        "from idp.authentication import session",
        "strangers do not meet: imports authentication, of its own rank",
    ),
    ("a-room-without-rank", "idp/oidc/planted.py", "import idp.garage", "rooms have a rank: garage has none"),
    ("a-floor", "idp/oidc/planted.py", "from partners import registry", "floors look down: imports partners.registry"),
    ("a-view", "idp/oidc/planted.py", "from idp.authentication import views", "nobody imports the edge: imports idp.authentication.views"),
    (
        "the-forms-of-another-room",
        "idp/oidc/views.py",
        "import idp.authentication.recours.forms",
        "nobody imports the edge: imports idp.authentication.recours.forms",
    ),
    ("http-in-an-operation", "idp/oidc/planted.py", "from idp import http", "nobody imports the edge: imports idp.http"),
    ("redis-away-from-home", "idp/oidc/planted.py", "import redis.asyncio", "each library has one home: imports redis"),
    (
        "sqlalchemy-in-an-operation",
        "idp/oidc/planted.py",
        "from sqlalchemy.orm import Session",
        "each library has one home: imports sqlalchemy",
    ),
    ("flask-in-an-operation", "idp/oidc/planted.py", "from flask import g", "each library has one home: imports flask"),
    ("cryptography-away-from-home", "idp/oidc/planted.py", "import cryptography", "each library has one home: imports cryptography"),
    (
        "a-clock-in-a-pure-module",
        "idp/audit/events.py",
        "def f(): return datetime.now()",
        "pure modules touch no state: reads the clock (now)",
    ),
    ("chance-in-a-pure-module", "idp/audit/events.py", "import secrets", "pure modules touch no state: imports secrets"),
    (
        "a-table-in-a-pure-module",
        "idp/audit/events.py",
        "import idp.database",
        "pure modules touch no state: imports idp.database, which is not pure",
    ),
    ("a-cupboard", "idp/oidc/utils.py", "", "no cupboards: is called utils"),
    ("a-package-with-code", "idp/oidc/__init__.py", "VERSION = 1", "a package is a docstring: holds something else, or nothing"),
    (
        "a-portal-that-knows-mag",
        "partners/portals/planted.py",
        "from idp.config import Settings",
        "a partner's program stands alone: imports idp.config",
    ),
    (
        "a-silent-end-of-sessions",
        "idp/declarants/commands.py",
        "def planted():\n    close_every_session(1, 2, 3)",
        "partners are told: planted ends sessions in silence",
    ),
    ("a-to-do", "idp/oidc/planted.py", "# TO" + "DO later", "a to-do has a number: line 2"),
]


@pytest.mark.parametrize(("path", "line", "expected"), [pytest.param(*planted[1:], id=planted[0]) for planted in PLANTED])
def test_a_planted_violation_is_noticed_alone(plant, path, line, expected):
    assert plant(path, line) == [f"{path}: {expected}"]


def test_a_circle_is_noticed(plant, model):
    (model / "idp/oidc/planted_too.py").write_text('"""Planted."""\nimport idp.oidc.planted\n', "utf-8")
    try:
        found = plant("idp/oidc/planted.py", "import idp.oidc.planted_too")
    finally:
        (model / "idp/oidc/planted_too.py").unlink()

    assert found == [f"idp/oidc/{name}.py: no circle: imports what imports it" for name in ("planted", "planted_too")]


def test_a_numbered_to_do_and_an_own_form_are_fine(plant):
    assert plant("idp/oidc/planted.py", "# TODO(#12) later") == []
    assert plant("idp/oidc/planted.py", "from idp.errors import MagError\nfrom idp.audit import journal") == []


def test_a_long_file_is_told(plant, model):
    plant("idp/oidc/planted.py", "\n" * 301)

    assert rules.long_files(model)["idp/oidc/planted.py"] > rules.LONG_FILE
