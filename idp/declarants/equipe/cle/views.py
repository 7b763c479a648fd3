"""/activation: where a candidate's request stands, the key by post asked for, the key typed. `activation.py` decides.

The candidate has no session: SIRET, nom, prénom, e-mail address and password, under the brakes of every sign-in, open a ticket
of a quarter of an hour, known to this browser alone. One answer for every failure, as at the mire.
"""

from flask import Blueprint, Response, make_response, render_template, request
from flask.typing import ResponseReturnValue

from idp import http, visitor
from idp.arrival import asked_bits, device_here, means, new_challenge, padded, proven_bits
from idp.audit import journal
from idp.authentication import ceremony
from idp.authentication.ceremony import Candidate, ChallengeRequiredError, IdentificationRefusedError
from idp.authentication.throttle import TooManyAttemptsError
from idp.database import db
from idp.declarants import activation
from idp.declarants.activation import Answer, MaskedAddressError
from idp.declarants.equipe.cle.forms import Identity
from idp.declarants.equipe.models import Candidature
from idp.declarants.events import ActivationOpened
from idp.declarants.models import Declarant
from idp.declarants.statuts import Statut
from idp.habilitations import premiers_droits
from idp.seals import digest, random_token

bp = Blueprint("cle", __name__)
COOKIE, KIND, LIFETIME = "__Host-mag_a", "activation", 15 * 60
WAITING = frozenset({Statut.PRIMO, Statut.CANDIDAT})
SAID = {
    Answer.WRONG: "Cette clé n'est pas la bonne. Recopiez-la telle qu'elle est imprimée : les tirets et les majuscules ne comptent pas.",
    Answer.NO_MORE: "Aucune clé ne peut plus être essayée : demandez une autre lettre, ou attendez la réponse à votre demande.",
    Answer.TOO_LATE: "Votre demande a été réglée entre-temps. Si elle a été acceptée, vous pouvez vous connecter.",
}


def _key(token: str) -> str:
    """A ticket copied into another browser is worth nothing."""
    return digest(f"{token}|{http.binding()}")


def _waiting() -> Declarant | None:
    """Whose ticket this browser holds, while they wait."""
    token = request.cookies.get(COOKIE, "")
    found = http.mag().ephemeral.get(KIND, _key(token)) if token and len(token) <= 100 and token.isascii() else None
    person = db.session.get(Declarant, int(found)) if found else None
    return person if person is not None and person.statut in WAITING else None


@bp.get("/activation")
def show() -> ResponseReturnValue:
    """The state of the request, for whoever holds a ticket; else the form that gives one."""
    person = _waiting()
    return _form(Identity()) if person is None else _state(person)


def _form(form: Identity, status: int = 200, *, notice: str = "", bits: int = 0) -> Response:
    text = render_template(
        "equipe/activation.html",
        form=form,
        notice=notice,
        challenge=new_challenge(bits),
        csrf=http.csrf_token("activation"),
    )
    return make_response(padded(text) if request.method == "POST" else text, status)


@bp.post("/activation")
def identify() -> ResponseReturnValue:
    """Every failure has one answer."""
    http.way_back(http.path("/activation"))
    http.check_csrf("activation")
    form, mag, now = Identity.parse(request.form), http.mag(), http.now()
    if form.identite is None:
        return _form(form, 422)
    here = (device_here(), http.client_address(), proven_bits())
    candidate = Candidate(form.identite, form.password, *here, statuts=WAITING, email=form.email)
    try:
        person = ceremony.identify(means(), candidate, now)
    except IdentificationRefusedError as error:
        db.session.commit()
        return _form(form, error.status, notice=error.public, bits=asked_bits())
    except ChallengeRequiredError as error:
        db.session.commit()
        return _form(form, error.status, notice=error.public, bits=error.bits)
    except TooManyAttemptsError:
        db.session.commit()
        raise
    token = random_token()
    mag.ephemeral.put(KIND, _key(token), str(person.id), LIFETIME)
    journal.record(ActivationOpened(declarant_id=person.id, siret=int(person.siret)), now)
    db.session.commit()
    response = visitor.see("/activation")
    http.set_cookie(response, COOKIE, token, max_age=LIFETIME)
    return response


def _state(person: Declarant, status: int = 200, *, error: str = "") -> Response:
    try:
        address, masked = activation.address_of(person), ""
    except MaskedAddressError as refused:
        address, masked = (), refused.public
    page = render_template(
        "equipe/activation_etat.html",
        person=person,
        asked=Candidature.of(person.id),
        state=activation.state_of(person),
        address=address,
        masked=masked,
        candidate=person.statut is Statut.CANDIDAT,
        by_post=activation.by_post(person),
        now=http.now(),
        error=error,
        sent="lettre" in request.args,
        most=activation.MOST_LETTERS,
        csrf=http.csrf_token("activation-etat"),
    )
    return make_response(page, status)


def _ticket() -> Declarant | None:
    http.way_back(http.path("/activation"))
    http.check_csrf("activation-etat")
    return _waiting()


@bp.post("/activation/lettre")
def ask_letter() -> ResponseReturnValue:
    """A letter leaves for the address of the directory."""
    person = _ticket()
    if person is None or not activation.by_post(person):
        return visitor.see("/activation")
    activation.ask_key(person, http.now(), seals=http.mag().keyring, issuer=http.mag().settings.issuer)
    db.session.commit()
    return visitor.see("/activation", lettre="1")


@bp.post("/activation/cle")
def type_key() -> ResponseReturnValue:
    """The key of the letter; each try counts, whatever becomes of it."""
    person, mag = _ticket(), http.mag()
    if person is None:
        return visitor.see("/activation")
    answer = activation.activate(person, request.form.get("cle", ""), http.now(), seals=mag.keyring, issuer=mag.settings.issuer)
    if answer is Answer.OPENED:
        premiers_droits.ouvrir(person, mag.catalogue(), http.now())
    db.session.commit()
    if answer is not Answer.OPENED:
        waiting = _waiting()
        return _state(waiting, 422, error=SAID[answer]) if waiting is not None else visitor.see("/activation")
    response = make_response(render_template("equipe/activation_faite.html", person=person))
    http.set_cookie(response, COOKIE, "", max_age=0)
    return response


@bp.post("/activation/quitter")
def leave() -> ResponseReturnValue:
    """The ticket is torn up."""
    http.check_csrf("activation-etat")
    token = request.cookies.get(COOKIE, "")
    if token and len(token) <= 100 and token.isascii():
        http.mag().ephemeral.delete(KIND, _key(token))
    response = visitor.see("/")
    http.set_cookie(response, COOKIE, "", max_age=0)
    return response
