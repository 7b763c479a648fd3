"""`/charte/<code>`: the text in force, and the answer of whoever is signed in, by whichever means (fact 68)."""

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from idp import http, visitor
from idp.audit import journal
from idp.authentication.levels import in_french
from idp.database import db
from idp.declarants.chartes.events import CharteAccepted
from idp.declarants.chartes.models import CharteAcceptee
from idp.declarants.chartes.textes import Charte, in_force
from idp.errors import UnknownPageError
from idp.notifications.messages import in_words
from idp.visitor import Visitor

bp = Blueprint("chartes", __name__, template_folder="templates")


def _named(code: str) -> Charte:
    found = in_force().get(code)
    if found is None:
        raise UnknownPageError(f"charte {code[:20]}")
    return found


def _purpose(found: Visitor, charte: Charte) -> str:
    return f"charte|{found.session.sid}|{charte.code}|{charte.version}"


@bp.get("/charte/<code>")
def read(code: str) -> ResponseReturnValue:
    """The text; when it was accepted, if it was."""
    charte, found = _named(code), visitor.required()
    kept = CharteAcceptee.of(found.person.id, charte.code, charte.version)
    return render_template(
        "chartes/charte.html",
        charte=charte,
        visitor=found,
        accepted=in_words(kept.accepted_at) if kept else "",
        means=in_french(found.session.amr),
        csrf=http.csrf_token(_purpose(found, charte)),
    )


@bp.post("/charte/<code>")
def accept(code: str) -> ResponseReturnValue:
    """Once; sent twice, it changes nothing."""
    charte, found, now = _named(code), visitor.required(back=f"/charte/{code}"), http.now()
    http.check_csrf(_purpose(found, charte))
    if request.form.get("accord") == "oui":
        amr, person = " ".join(found.session.amr), found.person
        known = {"code": charte.code, "version": charte.version, "sha256": charte.sha256, "amr": amr}
        if CharteAcceptee(declarant_id=person.id, accepted_at=now, **known).keep():
            journal.record(CharteAccepted(declarant_id=person.id, siret=int(person.siret), sid=found.session.sid, **known), now)
        db.session.commit()
    return visitor.see(f"/charte/{code}")
