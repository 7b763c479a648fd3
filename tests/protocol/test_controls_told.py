"""The scope `controles`: what MAG checked of a person, told to partners whom an operator lets ask (fact 73)."""

from datetime import UTC, datetime

from sqlalchemy import select

from idp.database import db
from idp.declarants.controles.dossier import Moment, Outcome, Subject
from idp.declarants.controles.models import Controle
from idp.declarants.controles.verdict import Verdict
from idp.declarants.models import Declarant
from idp.entreprises.siret import Siret
from partners.terms import Terms, settled_scope
from tests.protocol.relying import unverified_claims

EXAMINED = datetime(2026, 11, 2, 9, tzinfo=UTC)


def declarant_of(app):
    with app.app_context():
        return db.session.scalars(select(Declarant.id)).one()


def examined(app, declarant_id, verdict, moment="inscription", decision=""):
    with app.app_context():
        subject = Subject(Siret("73282932000074"), "Lefèvre", "Anne", "a@exemple.fr", moment=Moment(moment))
        row = Controle.keep(declarant_id, Outcome(subject, Verdict(verdict), ()), EXAMINED)
        if decision:
            row.settle(decision, "Vu au bureau.", "operateur:Aline Roux", EXAMINED)
        db.session.commit()


def test_the_verdicts_of_the_controls_are_told_to_whoever_may_ask_and_only_there(partner, code_flow, app):
    portail = partner(scope="openid controles")
    tokens = code_flow(portail, scope="openid controles")
    number = declarant_of(app)
    assert "controles" not in portail.userinfo(tokens.access_token).json, "nobody was examined"
    examined(app, number, "warn")
    examined(app, number, "manual", decision="valider")
    examined(app, number, "pass", "declaration")
    at = int(EXAMINED.timestamp())

    assert portail.userinfo(tokens.access_token).json["controles"] == {
        "inscription": {"verdict": "manual", "examined_at": at, "decision": "valider", "decided_at": at},
        "declaration": {"verdict": "pass", "examined_at": at},
    }
    assert "controles" not in unverified_claims(tokens.id_token) | unverified_claims(tokens.access_token)


def test_an_old_inscription_is_told_however_many_declarations_followed(partner, code_flow, app):
    portail = partner(scope="openid controles")
    tokens = code_flow(portail, scope="openid controles")
    number = declarant_of(app)
    examined(app, number, "warn")
    for verdict in ("pass", "warn") * 6:
        examined(app, number, verdict, "declaration")
    told = portail.userinfo(tokens.access_token).json["controles"]

    assert {moment: one["verdict"] for moment, one in told.items()} == {"inscription": "warn", "declaration": "warn"}


def test_the_verdicts_of_the_controls_are_not_told_without_their_scope(partner, code_flow, app):
    portail = partner(scope="openid profile")
    tokens = code_flow(portail, scope="openid profile controles")
    examined(app, declarant_of(app), "pass")

    assert "controles" not in portail.userinfo(tokens.access_token).json


def test_a_client_does_not_give_itself_the_verdicts_of_the_controls():
    asked = settled_scope({"scope": "openid controles"}, Terms()), settled_scope({}, Terms())

    assert asked[0] == "openid"
    assert "controles" not in asked[1].split()
