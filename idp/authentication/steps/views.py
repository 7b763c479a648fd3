"""What is asked after a right password, page by page; a passkey of the mire; a factor said lost. Nothing here decides what is next."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import wraps
from urllib.parse import urlencode

from flask import Blueprint, Response, make_response, render_template, request
from flask.typing import ResponseReturnValue

from idp import http, qr
from idp.arrival import (
    Arrival,
    Asked,
    as_json,
    factor_deadline,
    keep_codes,
    means,
    place,
    proceed,
    see,
    take_codes,
    to_password,
)
from idp.audit import journal
from idp.authentication import entree, totp
from idp.authentication.denial import denial_link
from idp.authentication.entree import Entree, EntreeDeadError, Step
from idp.authentication.factors import brake, enrolment, losses, messages, passkeys, proof
from idp.authentication.factors.enrolment import Offered, tell
from idp.authentication.factors.events import FactorBraked, FactorRefused, PasskeyRegressed, RecoveryCodeUsed
from idp.authentication.factors.models import FactorLoss, Passkey, RecoveryCode, TotpCredential
from idp.authentication.factors.passkeys import PasskeyRefusedError, PasskeyRegressedError, Purpose
from idp.authentication.factors.proof import FactorBrakedError, FactorRefusedError
from idp.authentication.levels import TWO_FACTORS
from idp.authentication.new_password import NewPassword
from idp.authentication.password_change import change_password, words_of
from idp.authentication.password_policy import in_force
from idp.authentication.throttle import BLOCK_WINDOW, Attempt, TooManyAttemptsError
from idp.config import HOUR
from idp.database import db
from idp.declarants.models import Declarant
from idp.declarants.parcours import conditions
from idp.ephemeral import Counter, beyond
from idp.errors import DeadLinkError, MagError, RefusedError
from idp.notifications.messages import in_words
from idp.notifications.models import OneTimeLink
from idp.oidc.backchannel.notices import tell_of_person
from idp.seals import digest, random_token
from idp.visitor import RECENT, person_of, session_here

bp = Blueprint("steps", __name__)
ANSWERS = 60
"""Answers of passkeys that one block of addresses may send in ten minutes."""
CHOICE, CHOICE_LIFETIME = "choix_cle", 300


class ChoiceDeadError(RefusedError):
    """Identities of a passkey, shown too long ago."""

    code = "choix_fini"
    number = "M400429"
    remedy = "Recommencez la connexion avec votre clé d'accès."
    status = 409
    public = "Ce choix n'est plus valable. Recommencez la connexion avec votre clé d'accès."


class LossLinkDeadError(DeadLinkError):
    """The mail's link was used, or the request ended."""

    code = "lien_facteur_mort"
    number = "M400430"
    remedy = "Rien à faire : la demande n'est plus en cours."
    public = "Ce lien n'est plus valable : la demande a déjà été annulée, ou elle est terminée."


def for_script(view: Callable[..., Response]) -> Callable[..., ResponseReturnValue]:
    """A door for scripts: its refusals are sentences, in JSON."""

    @wraps(view)
    def answered(*args: object, **kw: object) -> ResponseReturnValue:
        try:
            return view(*args, **kw)
        except MagError as error:
            db.session.rollback()
            return make_response({"erreur": error.public, "numero": error.number}, error.status)

    return answered


# ----------------------------------------------------------------------------------------------------------- second factor


@bp.get("/connexion/second-facteur")
def second_factor() -> ResponseReturnValue:
    """The code of the application, a passkey, a recovery code; also for a session that a partner wants raised."""
    if "entree" not in request.args:
        return _step_up(Asked.read(request.args.get("demande", "")))
    return _second_page(Arrival.read(Step.SECOND_FACTOR))


def _step_up(asked: Asked) -> Response:
    """From the dispatcher (RFC 9470 section 5): the session is there, one factor short.

    A word from elsewhere, a partner's or a provider's above MAG, opens no way to a person's factors: the password is typed first.
    """
    session, now = session_here(), http.now()
    person = person_of(session)
    if session is None or person is None or asked.demande is None or session.vouched:
        return see(f"{http.path('/connexion')}{'?' + urlencode({'demande': asked.token}) if asked.token else ''}")
    if session.acr == TWO_FACTORS:
        return asked.onward()
    if not person.second_factor:
        if "souhait" in request.args:
            return asked.onward(niveau="passer")
        if session.elsewhere or now.timestamp() - session.auth_time > RECENT:
            return to_password(asked.token)
    found = Entree(declarant_id=person.id, version=person.version, amr=session.amr, demande=asked.token, raised=session.sid)
    return proceed(person, found)


def _second_page(arrival: Arrival, status: int = 200, *, notice: str = "", method: str = "") -> Response:
    mag, person, now = http.mag(), arrival.person, http.now()
    keys = Passkey.of(person.id)
    credential = TotpCredential.of(person.id)
    loss = FactorLoss.live(person.id, now)
    page = render_template(
        "facteurs/second_facteur.html",
        asked=arrival.asked,
        arrival=arrival,
        notice=notice,
        method=method or request.args.get("moyen", "") or ("totp" if credential else "passkey" if keys else "recovery"),
        has_totp=credential is not None,
        has_passkey=bool(keys),
        has_codes=RecoveryCode.left(person.id) > 0,
        braked=brake.is_braked(mag.ephemeral, person.id, proof.TOTP),
        loss=in_words(loss.effective_at) if loss else "",
        csrf=http.csrf_token(arrival.purpose),
    )
    return make_response(page, status)


@bp.post("/connexion/second-facteur")
def prove() -> ResponseReturnValue:
    """A code that was typed. C40: after too many, the password step is required anew."""
    arrival = Arrival.read(Step.SECOND_FACTOR)
    http.check_csrf(arrival.purpose)
    mag, person, now = http.mag(), arrival.person, http.now()
    typed = request.form.get("code", "")
    factor = proof.RECOVERY if request.form.get("moyen") == proof.RECOVERY else proof.TOTP
    if not typed.strip():
        return _second_page(arrival, 422, notice="Saisissez le code.", method=factor)
    try:
        _try(factor, person, typed, now)
    except FactorRefusedError as error:
        journal.record(FactorRefused(declarant_id=person.id, siret=int(person.siret), factor=factor, reason=str(error)), now)
        return _refused(arrival, error, factor)
    except FactorBrakedError:
        entree.drop(mag.ephemeral, arrival.token)
        journal.record(FactorBraked(declarant_id=person.id, siret=int(person.siret), factor=factor), now)
        db.session.commit()
        raise
    response = arrival.proven(*proof.AMR[factor])
    if factor == proof.RECOVERY:
        _code_used(person, now)
    return response


def _try(factor: str, person: Declarant, typed: str, now: datetime) -> None:
    mag = http.mag()
    if factor == proof.RECOVERY:
        proof.by_recovery(mag.connections, mag.ephemeral, mag.keyring, person.id, typed, now)
        return
    credential = TotpCredential.of(person.id)
    if credential is None:
        raise FactorRefusedError("no application")
    proof.by_totp(mag.connections, mag.ephemeral, mag.keyring, credential, typed, now)


def _refused(arrival: Arrival, error: FactorRefusedError, factor: str) -> ResponseReturnValue:
    if not error.closes:
        db.session.commit()
        return _second_page(arrival, error.status, notice=error.public, method=factor)
    mag, person, now = http.mag(), arrival.person, http.now()
    entree.drop(mag.ephemeral, arrival.token)
    if mag.ephemeral.count(Counter(f"mail:l7:{person.id}", HOUR)) == [1]:
        message = messages.codes_guessed(mag.settings.issuer, person.full_name, now, denial_link(mag.settings, person, now))
        tell(person, "codes_faux", message, now)
    db.session.commit()
    raise FactorBrakedError(f"{factor}: the last try failed")


def _code_used(person: Declarant, now: datetime) -> None:
    left = RecoveryCode.left(person.id)
    journal.record(RecoveryCodeUsed(declarant_id=person.id, siret=int(person.siret), left=left), now)
    tell(person, "code_secours", messages.code_used(http.mag().settings.issuer, person.full_name, left, now), now)
    db.session.commit()


@bp.post("/connexion/second-facteur/cle/options")
@for_script
def second_options() -> Response:
    arrival = Arrival.read(Step.SECOND_FACTOR)
    http.check_csrf(arrival.purpose)
    keys = [key for key, _ in Passkey.of(arrival.person.id)]
    return make_response(passkeys.request_options(place(), Purpose.SECOND, keys, http.now()))


@bp.post("/connexion/second-facteur/cle")
@for_script
def second_by_passkey() -> Response:
    """A passkey of this very identity, after the password."""
    arrival = Arrival.read(Step.SECOND_FACTOR)
    http.check_csrf(arrival.purpose)
    passkey = _proven(Purpose.SECOND, arrival.person)
    if arrival.person.id not in {bearer.id for bearer in passkey.bearers()}:
        raise PasskeyRefusedError("of another identity")
    return as_json(arrival.proven(*proof.AMR[proof.PASSKEY]))


def _proven(purpose: Purpose, person: Declarant | None = None) -> Passkey:
    """Raises PasskeyRefusedError, after a line of journal; TooManyAttemptsError."""
    _count_answers()
    mag, now = http.mag(), http.now()
    declarant_id = person.id if person else None
    try:
        return passkeys.proven(place(), mag.connections, purpose, request.form.get("reponse", ""), now)
    except PasskeyRegressedError as error:
        journal.record(PasskeyRegressed(passkey=error.passkey_id, declarant_id=declarant_id), now)
        db.session.commit()
        raise
    except PasskeyRefusedError as error:
        journal.record(FactorRefused(factor=proof.PASSKEY, reason=str(error), declarant_id=declarant_id), now)
        db.session.commit()
        raise


def _count_answers() -> None:
    """A stranger may send answers: so many from one block of addresses."""
    block = Attempt("", http.client_address()).blocks[0]
    if beyond(http.mag().ephemeral, {Counter(f"cle:{block}", BLOCK_WINDOW): ANSWERS}):
        raise TooManyAttemptsError(f"passkeys from {block}")


# ------------------------------------------------------------------------------------------------- a passkey, from the mire


@bp.post("/connexion/cle/options")
@for_script
def sign_in_options() -> Response:
    """Costs no store: a challenge is signed, and spent when it is answered."""
    asked = Asked.read(request.form.get("demande", ""))
    http.check_csrf(asked.purpose)
    return make_response(passkeys.request_options(place(), Purpose.SIGN_IN, (), http.now()))


@bp.post("/connexion/cle")
@for_script
def sign_in_by_passkey() -> Response:
    """A whole sign-in: the key, and the finger or the code that opens it. The identity is chosen afterwards when there are several."""
    asked = Asked.read(request.form.get("demande", ""))
    http.check_csrf(asked.purpose)
    passkey = _proven(Purpose.SIGN_IN)
    bearers = passkey.bearers()
    if not bearers:
        raise PasskeyRefusedError("nobody that may enter")
    if len(bearers) == 1:
        return as_json(_arrive(bearers[0], asked.token))
    word = random_token()
    mag = http.mag()
    mag.ephemeral.put(CHOICE, digest(word), f"{passkey.id} {digest(http.binding())} {asked.token}", CHOICE_LIFETIME)
    return make_response({"vers": f"{http.path('/connexion/identite')}?{urlencode({'choix': word})}"})


def _arrive(person: Declarant, token: str) -> Response:
    return proceed(person, Entree(declarant_id=person.id, version=person.version, amr=proof.AMR[proof.PASSKEY], demande=token))


@bp.get("/connexion/identite")
def identities() -> ResponseReturnValue:
    """Which of the identities that the passkey opens."""
    word = request.args.get("choix", "")
    passkey, token = _choice(http.mag().ephemeral.get(CHOICE, digest(word)))
    page = {"asked": Asked.read(token), "people": passkey.bearers(), "choix": word, "csrf": http.csrf_token(f"choix|{digest(word)}")}
    return render_template("facteurs/identite.html", **page)


@bp.post("/connexion/identite")
def choose_identity() -> ResponseReturnValue:
    word = request.form.get("choix", "")
    http.check_csrf(f"choix|{digest(word)}")
    passkey, token = _choice(http.mag().ephemeral.take(CHOICE, digest(word)))
    chosen = next((one for one in passkey.bearers() if one.uid == request.form.get("identite")), None)
    if chosen is None:
        raise ChoiceDeadError("not one of them")
    return _arrive(chosen, token)


def _choice(found: str | None) -> tuple[Passkey, str]:
    """Raises ChoiceDeadError."""
    http.way_back(http.path("/connexion"))
    number, held, token = (found or "0 - ").split(" ", 2)
    passkey = db.session.get(Passkey, int(number))
    if passkey is None or held != digest(http.binding()):
        raise ChoiceDeadError("unknown")
    return passkey, token


# --------------------------------------------------------------------------------------------------------- a factor is lost


@bp.post("/connexion/second-facteur/perdu")
def lost() -> ResponseReturnValue:
    """Asked after a right password; done at a sign-in after the delay, here too."""
    arrival = Arrival.read(Step.SECOND_FACTOR)
    http.check_csrf(arrival.purpose)
    if arrival.entree.untyped:
        return to_password(arrival.entree.demande)
    mag, person, now = http.mag(), arrival.person, http.now()
    found = FactorLoss.live(person.id, now)
    if found is not None and losses.is_ripe(found, now):
        losses.carry_out(mag.settings, person, found, now)
        db.session.commit()
        return proceed(person, arrival.entree, arrival.token)
    if request.form.get("confirmer") == "oui":
        found = losses.ask(mag.settings, person, now)
        db.session.commit()
    page = {
        "wants_agreement": losses.wants_agreement(person),
        "loss": found,
        "until": in_words(found.effective_at if found else now + losses.DELAY),
    }
    return render_template(
        "facteurs/perdu.html", arrival=arrival, asked=arrival.asked, csrf=http.csrf_token(arrival.purpose), person=person, **page
    )


@bp.get("/connexion/second-facteur/annuler/<jeton>")
def show_cancel(jeton: str) -> ResponseReturnValue:
    """Spends nothing: mail scanners follow links (C44)."""
    if OneTimeLink.find(losses.PURPOSE, jeton, http.now()) is None:
        raise LossLinkDeadError("unknown link")
    return render_template("facteurs/annuler.html", jeton=jeton, done=False, csrf=http.csrf_token("facteur-perdu"))


@bp.post("/connexion/second-facteur/annuler/<jeton>")
def cancel_loss(jeton: str) -> ResponseReturnValue:
    http.check_csrf("facteur-perdu")
    link = OneTimeLink.spend(losses.PURPOSE, jeton, http.now())
    person = db.session.get(Declarant, link.declarant_id) if link and link.declarant_id else None
    if person is None:
        raise LossLinkDeadError("unknown link")
    losses.cancel(http.mag().settings, person, "link", http.now())
    db.session.commit()
    return render_template("facteurs/annuler.html", jeton="", done=True, csrf="")


# ------------------------------------------------------------------------------------------------------ password, conditions


@bp.get("/connexion/mot-de-passe")
def password() -> ResponseReturnValue:
    arrival = Arrival.read(Step.PASSWORD)
    return _password_page(arrival, NewPassword(policy=in_force(http.mag().settings)))


def _password_page(arrival: Arrival, form: NewPassword, status: int = 200) -> Response:
    page = {"arrival": arrival, "asked": arrival.asked, "form": form, "csrf": http.csrf_token(arrival.purpose)}
    return make_response(render_template("facteurs/mot_de_passe.html", **page), status)


@bp.post("/connexion/mot-de-passe")
def new_password() -> ResponseReturnValue:
    """The password is changed before anything opens; every other session ends."""
    arrival = Arrival.read(Step.PASSWORD)
    http.check_csrf(arrival.purpose)
    mag, person, now = http.mag(), arrival.person, http.now()
    form = NewPassword.parse(request.form, in_force(mag.settings), words_of(person))
    if form.errors:
        return _password_page(arrival, form, 422)
    entree.take(mag.ephemeral, arrival.token, http.binding())
    change_password(mag.ephemeral, mag.settings, means().passwords, person, form.password, now)
    tell_of_person(mag.registry, mag.settings, person.id, now)
    db.session.commit()
    mag.messenger.wake()
    return proceed(person, replace(arrival.entree, version=person.version, weak=False))


@bp.get("/connexion/conditions")
def terms() -> ResponseReturnValue:
    arrival = Arrival.read(Step.CONDITIONS)
    current = conditions.to_accept(arrival.person, http.now())
    page = {"arrival": arrival, "asked": arrival.asked, "conditions": current, "csrf": http.csrf_token(arrival.purpose)}
    return render_template("facteurs/conditions.html", missing="manque" in request.args, **page)


@bp.post("/connexion/conditions")
def accept_terms() -> ResponseReturnValue:
    arrival = Arrival.read(Step.CONDITIONS)
    http.check_csrf(arrival.purpose)
    current = conditions.to_accept(arrival.person, http.now())
    if current is None or request.form.get("conditions") != current.version or request.form.get("accord") != "oui":
        return see(f"{http.path('/connexion/conditions')}?{urlencode({'entree': arrival.token, 'manque': '1'})}")
    conditions.accept(arrival.person, current, http.now())
    db.session.commit()
    return proceed(arrival.person, arrival.entree, arrival.token)


# ---------------------------------------------------------------------------------------------------------- protection to add


@bp.get("/connexion/protection")
def protection() -> ResponseReturnValue:
    """A second factor is wanted of who has none: shown how, at once."""
    return _protection_page(Arrival.read(Step.ENROLMENT))


def _protection_page(arrival: Arrival, offered: Offered | None = None, status: int = 200, *, notice: str = "") -> Response:
    mag, person, now = http.mag(), arrival.person, http.now()
    offered = offered or Offered.new(mag.keyring, person.id, _holder(arrival), now)
    deadline = factor_deadline(person, now)
    page = render_template(
        "facteurs/protection.html",
        arrival=arrival,
        asked=arrival.asked,
        notice=notice,
        offered=offered,
        uri=(uri := totp.provisioning_uri(offered.secret, f"{person.full_name} {person.siret.grouped}", "MAG")),
        drawn=qr.svg(uri),
        key=totp.in_groups(offered.secret),
        hour=in_words(now),
        later=in_words(deadline) if deadline and deadline > now and not arrival.entree.raised else "",
        csrf=http.csrf_token(arrival.purpose),
    )
    return make_response(page, status)


def _holder(arrival: Arrival) -> str:
    return digest(arrival.token)


@bp.post("/connexion/protection")
def protect() -> ResponseReturnValue:
    """The code of the application just set up, or « plus tard » while that is allowed."""
    arrival = Arrival.read(Step.ENROLMENT)
    http.check_csrf(arrival.purpose)
    mag, person, now = http.mag(), arrival.person, http.now()
    if request.form.get("choix") == "plus-tard":
        deadline = factor_deadline(person, now)
        if arrival.entree.raised or deadline is None or deadline <= now:
            raise EntreeDeadError("cannot be put off")
        return proceed(person, replace(arrival.entree, put_off=True), arrival.token)
    if request.form.get("choix") == "renoncer" and arrival.entree.raised:
        entree.drop(mag.ephemeral, arrival.token)
        return arrival.asked.onward(niveau="refus")
    offered = Offered.read(mag.keyring, person.id, _holder(arrival), request.form.get("enrolement", ""), now)
    try:
        enrolment.check_totp(offered.secret, request.form.get("code", ""), now)
    except FactorRefusedError as error:
        return _protection_page(arrival, offered, error.status, notice=error.public)
    entree.take(mag.ephemeral, arrival.token, http.binding())
    codes = enrolment.activate_totp(mag.settings, mag.keyring, person, offered.secret, request.form.get("code", ""), now)
    db.session.commit()
    return _with_codes(proceed(person, replace(arrival.entree, amr=(*arrival.entree.amr, *proof.AMR[proof.TOTP]))), list(codes))


@bp.post("/connexion/protection/cle/options")
@for_script
def protection_options() -> Response:
    arrival = Arrival.read(Step.ENROLMENT)
    http.check_csrf(arrival.purpose)
    return make_response(passkeys.creation_options(place(), arrival.person, (), http.now()))


@bp.post("/connexion/protection/cle")
@for_script
def protect_by_passkey() -> Response:
    """The answer of a browser that just made a passkey."""
    arrival = Arrival.read(Step.ENROLMENT)
    http.check_csrf(arrival.purpose)
    mag, person, now = http.mag(), arrival.person, http.now()
    passkeys.register(place(), person, request.form.get("reponse", ""), request.form.get("nom", ""), now)
    codes = enrolment.passkey_added(mag.settings, mag.keyring, person, now)
    db.session.commit()
    entered = replace(arrival.entree, amr=(*arrival.entree.amr, *proof.AMR[proof.PASSKEY]))
    response = proceed(person, entered, arrival.token)
    if codes:
        response.headers["Location"] = keep_codes(codes, response.headers["Location"])
    return as_json(response)


@bp.get("/connexion/codes")
def codes() -> ResponseReturnValue:
    """Recovery codes that a script could not show: once, in the browser that asked."""
    found = take_codes(request.args.get("mot", ""))
    if found is None:
        return see(http.path("/compte/securite"))
    return render_template("facteurs/codes.html", codes=found.codes, onward=found.onward, first=True)


def _with_codes(response: Response, codes: list[str]) -> Response:
    """The recovery codes before going on: this page alone ever shows them."""
    if not codes:
        return response
    page = make_response(render_template("facteurs/codes.html", codes=codes, onward=response.headers["Location"], first=True))
    for name in ("Set-Cookie", "Set-Login"):
        for value in response.headers.getlist(name):
            page.headers.add(name, value)
    return page
