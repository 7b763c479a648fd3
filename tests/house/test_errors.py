"""Errors as people and partners see them: each has a number of its own, listed; what partners read is plain ASCII."""

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from pkgutil import walk_packages

import pytest
from authlib.oauth2 import OAuth2Error

import idp
import partners
from idp import errors
from idp.oidc.errors import AuthorizationError

ROOT = Path(__file__).parents[2]
ALPHABET = re.compile(r"[\x20-\x21\x23-\x5B\x5D-\x7E]*")
"""RFC 6749 appendices A.7 and A.8: neither accents, nor `"`, nor a backslash, nor a new line."""


@pytest.fixture(scope="module", autouse=True)
def loaded() -> None:
    """Every module of ours, so that every class is known."""
    for package in (idp, partners):
        for found in walk_packages(package.__path__, f"{package.__name__}."):
            if not found.name.startswith(("partners.kit", "partners.portals", "partners.demo")):
                importlib.import_module(found.name)


# ----------------------------------------------------------------------------------------------------------- what people read


def ours() -> list[type[errors.MagError]]:
    return [kind for kind in errors.every_error() if kind.__module__.startswith(("idp.", "partners."))]


def test_each_error_has_a_number_of_its_own_and_says_what_to_do() -> None:
    numbers: dict[str, str] = {}
    for kind in ours():
        own = vars(kind)
        assert re.fullmatch(r"M\d{6}", own.get("number", "")), f"{kind.__module__}.{kind.__name__} has no number of its own"
        assert own.get("remedy"), f"{kind.__module__}.{kind.__name__} does not say what to do"
        assert numbers.setdefault(kind.number, kind.__name__) == kind.__name__
        assert "|" not in kind.public + kind.remedy


def test_codes_are_unique_too() -> None:
    codes = [kind.code for kind in ours()]

    assert sorted(codes) == sorted(set(codes))


def test_the_document_lists_them_all() -> None:
    text = (ROOT / "docs" / "erreurs.md").read_text("utf-8")

    assert text.endswith(errors.table() + "\n"), "write it again: mag erreurs"


def test_the_rule_notices_an_error_without_number() -> None:
    class PlantedError(errors.RefusedError):
        code = "plante"

    assert "number" not in vars(PlantedError)
    assert PlantedError in errors.every_error()
    assert PlantedError not in ours()


# --------------------------------------------------------------------------------------------------------- what partners read


def is_told_to_partners(name: str, module: str) -> bool:
    """Whether a class of this name, as its module knows it, is an error of OAuth."""
    found = getattr(importlib.import_module(module), name, None)
    return isinstance(found, type) and issubclass(found, OAuth2Error | AuthorizationError)


def texts_of(node: ast.expr) -> Iterator[str]:
    """Constants of an expression, whatever is put between them."""
    for inside in ast.walk(node):
        if isinstance(inside, ast.Constant) and isinstance(inside.value, str | bytes):
            yield inside.value if isinstance(inside.value, str) else inside.value.decode()


def descriptions(path: Path) -> Iterator[tuple[int, str]]:
    """Where errors for partners are made, and their texts: calls of their classes, and `error_description` written by hand."""
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and is_told_to_partners(node.func.id, module):
            for argument in [*node.args, *(keyword.value for keyword in node.keywords)]:
                yield from ((node.lineno, text) for text in texts_of(argument))
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == "error_description":
                    yield from ((node.lineno, text) for text in texts_of(value))


def test_17_every_description_that_partners_read_is_plain_ascii() -> None:
    """RFC 6749 section 5.2; Authlib raises ValueError, so a 500, on anything else."""
    found = [
        (str(path.relative_to(ROOT)), line, text)
        for folder in ("idp/oidc", "partners")
        for path in sorted((ROOT / folder).rglob("*.py"))
        if path.name != "__init__.py" and not {"kit", "portals", "demo"} & set(path.parts)
        for line, text in descriptions(path)
    ]

    assert len(found) > 60
    assert [one for one in found if not ALPHABET.fullmatch(one[2])] == []


def test_17_the_rule_notices_an_accent(tmp_path: Path) -> None:
    planted = ROOT / "idp" / "oidc" / "checks.py"
    copy = tmp_path / "idp" / "oidc" / "checks.py"
    copy.parent.mkdir(parents=True)
    copy.write_text(planted.read_text("utf-8") + '\nraise AuthorizationError("invalid_request", "refusé")\n', "utf-8")
    module_texts = [
        text
        for node in ast.walk(ast.parse(copy.read_text("utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and is_told_to_partners(node.func.id, "idp.oidc.checks")
        for argument in node.args
        for text in texts_of(argument)
    ]

    assert [text for text in module_texts if not ALPHABET.fullmatch(text)] == ["refusé"]
