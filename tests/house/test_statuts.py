"""The table of statuses: docs/statuts.md says what the code enforces, and one path alone changes a status or a role."""

import ast
from pathlib import Path

import pytest

from idp.declarants.statuts import TABLE, Act, Statut, table

ROOT = Path(__file__).parents[2]
PATHS = {"idp/declarants/transitions.py", "idp/declarants/inscription.py"}
"""Where a status or a role is given."""


def assigned(tree: ast.AST) -> list[int]:
    """Lines that give a `.statut` or a `.role` to something, or to rows at once."""
    found: list[int] = []
    for node in ast.walk(tree):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AugAssign | ast.AnnAssign) else []
        for target in targets:
            found += [one.lineno for one in ast.walk(target) if isinstance(one, ast.Attribute) and one.attr in ("statut", "role")]
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "values":
            found += [keyword.value.lineno for keyword in node.keywords if keyword.arg in ("statut", "role")]
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "setattr" and isinstance(node.args[1], ast.Constant):
            found += [node.lineno] if node.args[1].value in ("statut", "role") else []
    return found


def test_the_document_says_what_the_code_enforces() -> None:
    text = (ROOT / "docs" / "statuts.md").read_text("utf-8")

    assert text.endswith(table() + "\n"), "write it again: mag declarants statuts"


def test_the_command_prints_the_table(app) -> None:
    assert app.test_cli_runner().invoke(args=["declarants", "statuts"]).output == table() + "\n"


test_the_command_prints_the_table = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)(test_the_command_prints_the_table)


def test_one_path_changes_a_status_or_a_role() -> None:
    found = {
        f"{path.relative_to(ROOT)}:{line}"
        for folder in ("idp", "partners", "widget")
        for path in (ROOT / folder).rglob("*.py")
        if str(path.relative_to(ROOT)) not in PATHS
        for line in assigned(ast.parse(path.read_text("utf-8")))
    }

    assert found == set()


@pytest.mark.parametrize(
    "planted",
    ["person.statut = x", "a.statut, a.role = 1, 2", "update(Declarant).values(statut=1)", "setattr(one, 'role', 2)"],
)
def test_another_path_is_noticed(planted: str) -> None:
    assert assigned(ast.parse(planted)) != []


def test_each_act_is_in_the_table_and_each_status_is_reached() -> None:
    assert {line.act for line in TABLE} == set(Act)
    assert {line.after for line in TABLE} - {None} == set(Statut)
