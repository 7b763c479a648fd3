"""Pages of what MAG keeps about a person, and of the messages that they agreed to receive (facts 15, 42)."""

import orjson
from flask import Blueprint, make_response, render_template, request
from flask.typing import ResponseReturnValue

from idp import http, visitor
from idp.audit import journal
from idp.database import db
from idp.declarants.compte.events import DataExported
from idp.declarants.parcours.events import InformationConsent
from idp.declarants.parcours.models import ConsentementInformation
from idp.oidc.account import data
from idp.visitor import Visitor, see

bp = Blueprint("compte_donnees", __name__)


def _purpose(found: Visitor) -> str:
    return f"compte|{found.session.sid}"


@bp.get("/compte/donnees")
def data_page() -> ResponseReturnValue:
    found = visitor.recent()
    return render_template("compte/donnees.html", person=found.person, csrf=http.csrf_token(_purpose(found)))


@bp.post("/compte/donnees")
def export() -> ResponseReturnValue:
    """All that MAG keeps about the person, as a file."""
    found, mag, now = visitor.recent(), http.mag(), http.now()
    http.check_csrf(_purpose(found))
    sources = data.Sources(mag.settings, mag.connections, mag.ephemeral, mag.registry, mag.catalogue())
    document = data.everything(sources, found.person, now)
    journal.record(DataExported(declarant_id=found.person.id, siret=int(found.person.siret)), now)
    db.session.commit()
    response = make_response(orjson.dumps(document, option=orjson.OPT_INDENT_2))
    response.headers["Content-Type"] = "application/json; charset=utf-8"
    response.headers["Content-Disposition"] = f'attachment; filename="mag-mes-donnees-{now:%Y-%m-%d}.json"'
    return response


@bp.post("/compte/information")
def choose_information() -> ResponseReturnValue:
    """Yes or no to messages of information. Said again, it changes nothing."""
    found, now = visitor.required(), http.now()
    http.check_csrf(_purpose(found))
    person, given = found.person, request.form.get("information") == "oui"
    if ConsentementInformation.given_by(person.id) != given:
        ConsentementInformation.keep(person.id, given, now)
        journal.record(InformationConsent(declarant_id=person.id, siret=int(person.siret), given=given), now)
        db.session.commit()
    return see("/compte", fait="information")
