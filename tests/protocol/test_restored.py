"""After a restore: what operators are told to run ends what the old database would take for alive."""

import re
from pathlib import Path

import pytest
from sqlalchemy import text

from idp.database import db
from tests.protocol.relying import answer_of

OPERATION = (Path(__file__).parents[2] / "docs" / "exploitation.md").read_text("utf-8")


@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
def test_C79_a_refresh_token_of_a_restored_database_is_refused_once_families_are_closed(partner, code_flow, app):
    portail = partner()
    tokens = code_flow(portail)
    (statement,) = re.findall(r"```sql\n\s*(.*?)\s*```", OPERATION, re.S)
    with app.app_context():
        db.session.execute(text(statement))
        db.session.commit()

    assert portail.refresh(tokens.refresh_token).json["error"] == "invalid_grant"


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_C79_without_redis_the_table_that_is_emptied_holds_the_sessions(partner, signed_in, app):
    portail = partner()
    assert "`DELETE FROM ephemeres;`" in OPERATION
    assert "code" in answer_of(portail.ask(signed_in, prompt="none"))[1]
    with app.app_context():
        db.session.execute(text("DELETE FROM ephemeres"))
        db.session.commit()

    assert answer_of(portail.ask(signed_in, prompt="none"))[1]["error"] == "login_required"
