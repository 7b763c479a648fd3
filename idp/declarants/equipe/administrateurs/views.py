"""« Qui est mon administrateur »: names, and a form that carries a message without showing anybody's address (fact 35)."""

import re

from flask import Blueprint, make_response, render_template, request
from flask.typing import ResponseReturnValue

from idp import http, visitor
from idp.audit import journal
from idp.database import db
from idp.declarants.equipe import messages
from idp.declarants.events import MessageRelayed
from idp.declarants.models import Declarant
from idp.ephemeral import Counter, beyond
from idp.errors import RefusedError
from idp.notifications.models import Mail

bp = Blueprint("administrateurs", __name__)
MOST, DAY = 5, 24 * 3600
LONGEST = 1000
"""Characters of a message."""
LINK = re.compile(r"https?:|www\.|://", re.IGNORECASE)


class TooManyMessagesError(RefusedError):
    """A person writes too often."""

    code = "trop_de_messages"
    number = "M200212"
    remedy = "Attendez demain, ou joignez votre administrateur autrement."
    status = 429
    public = f"Vous avez déjà envoyé {MOST} messages aujourd'hui. Attendez demain, ou joignez votre administrateur autrement."


@bp.get("/compte/administrateurs")
def show() -> ResponseReturnValue:
    """Names alone."""
    return _page(visitor.required())


def _page(found: visitor.Visitor, text: str = "", error: str = "", status: int = 200) -> ResponseReturnValue:
    page = render_template(
        "equipe/administrateurs.html",
        visitor=found,
        administrators=Declarant.administrators(found.person.siret),
        text=text,
        error=error,
        sent="envoye" in request.args,
        longest=LONGEST,
        csrf=http.csrf_token("administrateurs"),
    )
    return make_response(page, status)


@bp.post("/compte/administrateurs")
def write() -> ResponseReturnValue:
    """To one administrator, or to all of them."""
    found, mag, now = visitor.required(), http.mag(), http.now()
    http.way_back(http.path("/compte/administrateurs"))
    http.check_csrf("administrateurs")
    text = _kept(request.form.get("message", ""))
    error = _complaint(text)
    wanted = request.form.get("administrateur", "")
    recipients = [one for one in Declarant.administrators(found.person.siret) if one.email and one.id != found.person.id]
    recipients = [one for one in recipients if wanted in ("tous", one.uid)]
    if not error and not recipients:
        error = "Choisissez un administrateur à qui MAG peut écrire."
    if error:
        return _page(found, text, error, 422)
    if beyond(mag.ephemeral, {Counter(f"message:{found.person.id}", DAY): MOST}):
        raise TooManyMessagesError(f"declarant {found.person.id}")
    for one in recipients:
        message = messages.relayed(mag.settings.issuer, one.full_name, found.person.full_name, found.person.siret, text)
        Mail.write("message_administrateur", one.email or "", message, now, one.id)
    event = MessageRelayed(declarant_id=found.person.id, siret=int(found.person.siret), recipients=len(recipients))
    journal.record(event, now)
    db.session.commit()
    return visitor.see("/compte/administrateurs", envoye="1")


def _kept(text: str) -> str:
    lines = ("".join(c for c in line if c.isprintable()).strip() for line in text.replace("\r", "").split("\n"))
    return "\n".join(lines).strip()


def _complaint(text: str) -> str:
    if not text:
        return "Écrivez votre message."
    if len(text) > LONGEST:
        return f"Raccourcissez votre message : {LONGEST} caractères au plus."
    return "Retirez les adresses de sites : MAG ne transmet pas de lien." if LINK.search(text) else ""
