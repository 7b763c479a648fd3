"""/representant: a legal representative reads what is asked, and agrees or refuses. The key is the whole proof; reading spends nothing."""

from typing import Any

from flask import Blueprint, Response, make_response, render_template, request
from flask.typing import ResponseReturnValue

from idp import http, visitor
from idp.authentication.throttle import Attempt
from idp.config import HOUR
from idp.database import db
from idp.declarants.activation import read_key
from idp.declarants.controles.representants import accord, messages
from idp.declarants.controles.representants.accord import AccordDeadError
from idp.declarants.controles.representants.models import AccordRepresentant
from idp.declarants.models import Declarant
from idp.declarants.statuts import By
from idp.entreprises.models import Etablissement
from idp.ephemeral import Counter
from idp.errors import RefusedError
from idp.notifications.models import Mail
from idp.oidc.suspension import Author
from idp.support import review
from idp.support.review import Decision

bp = Blueprint("representants", __name__, template_folder="../templates")
CSRF = "representant"
TRIES = 30
"""Keys that one network may type in an hour."""


class TooManyKeysError(RefusedError):
    """One network types far too many keys."""

    code = "cles_freinees"
    number = "M200113"
    remedy = "Réessayez dans une heure."
    status = 429
    public = "Trop de clés ont été essayées depuis votre réseau. Réessayez dans une heure."
    retry_after = HOUR


@bp.get("/representant")
def ask() -> ResponseReturnValue:
    """The form for the key of a letter."""
    return _form("", 200)


def _form(refused: str, status: int) -> Response:
    return make_response(render_template("controles/representant_cle.html", refused=refused, csrf=http.csrf_token(CSRF)), status)


@bp.post("/representant")
def find() -> ResponseReturnValue:
    """The right key leads to the request."""
    http.way_back(http.path("/representant"))
    http.check_csrf(CSRF)
    block = Attempt("", http.client_address()).blocks[0]
    if http.mag().ephemeral.count(Counter(f"repr:{block}", HOUR))[0] > TRIES:
        raise TooManyKeysError(block)
    key = read_key(request.form.get("cle", ""))
    try:
        accord.find(http.mag().keyring, key, http.now())
    except AccordDeadError as error:
        return _form(error.public, 422)
    return visitor.see(f"/representant/{key}")


@bp.get("/representant/<key>")
def show(key: str) -> ResponseReturnValue:
    """Spends nothing: mail scanners follow links (C44)."""
    asked = accord.find(http.mag().keyring, key, http.now())
    return make_response(render_template("controles/representant.html", **_what(asked), key=read_key(key), csrf=http.csrf_token(CSRF)))


def _what(asked: AccordRepresentant) -> dict[str, Any]:
    """Raises AccordDeadError."""
    person = _person(asked)
    controle, known = review.find(asked.controle_id).controle, http.mag().catalogue().services
    place = Etablissement.find(asked.siret)
    return {
        "asked": asked,
        "person": person,
        "card": place.carte() if place else None,
        "services": [known[code].libelle for code in controle.services if code in known],
    }


def _person(asked: AccordRepresentant) -> Declarant:
    """Raises AccordDeadError when an operator settled it, or time did."""
    person = db.session.get(Declarant, asked.declarant_id)
    if person is None or not review.find(asked.controle_id).waits:
        raise AccordDeadError(f"accord {asked.id}: settled")
    return person


@bp.post("/representant/<key>")
def answer(key: str) -> ResponseReturnValue:
    """Once. An agreement opens the account when nothing else is against; a refusal erases the identity."""
    http.way_back(http.path(f"/representant/{read_key(key)}"))
    http.check_csrf(CSRF)
    now, says = http.now(), request.form.get("reponse", "")
    asked = accord.find(http.mag().keyring, key, now)
    person = _person(asked)
    if says not in (accord.ACCORD, accord.REFUS):
        return visitor.see(f"/representant/{read_key(key)}")
    agrees = says == accord.ACCORD
    accord.answer(asked, agrees, now)
    page = render_template("controles/representant_fait.html", agrees=agrees)
    _settle(asked, person, agrees)
    db.session.commit()
    return page


def _settle(asked: AccordRepresentant, person: Declarant, agrees: bool) -> None:
    mag, now, found = http.mag(), http.now(), review.find(asked.controle_id)
    author = Author(By.CONTROLES, accord.actor_of(asked))
    who = f"{asked.full_name}, {asked.qualite}, représentant légal"
    if not agrees:
        review.settle(mag.settings, mag.catalogue(), found, Decision.ECARTER, f"Refus de {who}.", author, now)
    elif accord.settles(found.controle):
        review.settle(mag.settings, mag.catalogue(), found, Decision.VALIDER, f"Accord de {who}.", author, now)
    elif person.email:
        message = messages.agreed(mag.settings.issuer, person.full_name, accord.place_of(person))
        Mail.write("accord_donne", person.email, message, now, person.id)
