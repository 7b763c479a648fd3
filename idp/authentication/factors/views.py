"""« Sécurité »: the second factors of whoever is signed in. Each change asks for a recent sign-in, with the factor when there is one."""

from collections.abc import Callable
from functools import wraps

from flask import Blueprint, Response, make_response, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from idp import http, qr
from idp.arrival import as_json, keep_codes, place, raise_here
from idp.authentication import totp
from idp.authentication.factors import enrolment, losses, passkeys, proof
from idp.authentication.factors.enrolment import Offered
from idp.authentication.factors.models import FactorLoss, Passkey, PasskeyIdentity, RecoveryCode, TotpCredential
from idp.authentication.factors.passkeys import Purpose
from idp.authentication.factors.proof import FactorRefusedError
from idp.authentication.levels import MFA
from idp.database import db
from idp.declarants.models import Declarant
from idp.errors import ForbiddenError, MagError, NotFoundError
from idp.notifications.messages import in_words
from idp.seals import digest
from idp.visitor import Visitor, administrator, recent, required, see, to_sign_in

bp = Blueprint("factors", __name__)
PAGE = "/compte/securite"


def strong(back: str = "") -> Visitor:
    """Signed in less than five minutes ago, with the second factor when there is one (C42). The sign-in comes back here, or to `back`."""
    visitor = recent(back=back)
    if visitor.person.second_factor and MFA not in visitor.session.amr:
        raise HTTPException(response=to_sign_in(visitor, back=back))
    return visitor


def _purpose(visitor: Visitor) -> str:
    return f"securite|{visitor.session.sid}"


def for_script(view: Callable[..., Response]) -> Callable[..., ResponseReturnValue]:
    """A door for scripts: refusals are sentences in JSON; a sign-in that is too old is one."""

    @wraps(view)
    def answered(*args: object, **kw: object) -> ResponseReturnValue:
        try:
            return view(*args, **kw)
        except MagError as error:
            db.session.rollback()
            return make_response({"erreur": error.public, "numero": error.number}, error.status)
        except HTTPException:
            db.session.rollback()
            return make_response({"erreur": "Votre connexion date de plus de cinq minutes. Rechargez la page pour la confirmer."}, 403)

    return answered


@bp.get(PAGE)
def security() -> ResponseReturnValue:
    """What protects the account."""
    visitor, now = required(), http.now()
    person = visitor.person
    credential, loss = TotpCredential.of(person.id), FactorLoss.live(person.id, now)
    keys = [(key, link, in_words(link.added_at), in_words(key.used_at) if key.used_at else "") for key, link in Passkey.of(person.id)]
    return render_template(
        "facteurs/securite.html",
        person=person,
        credential=credential,
        confirmed=in_words(credential.confirmed_at) if credential else "",
        used=in_words(credential.used_at) if credential and credential.used_at else "",
        keys=keys,
        left=RecoveryCode.left(person.id),
        loss=in_words(loss.effective_at) if loss else "",
        agreements=len(_agreements(visitor)) if person.role.administers else 0,
        done=request.args.get("fait", ""),
        csrf=http.csrf_token(_purpose(visitor)),
    )


# -------------------------------------------------------------------------------------------------------------- application


@bp.get(f"{PAGE}/application")
def application() -> ResponseReturnValue:
    """Set up an application of codes, or replace it."""
    return _application_page(strong())


def _application_page(visitor: Visitor, offered: Offered | None = None, status: int = 200, *, notice: str = "") -> Response:
    person, now = visitor.person, http.now()
    offered = offered or Offered.new(http.mag().keyring, person.id, visitor.session.sid, now)
    uri = totp.provisioning_uri(offered.secret, f"{person.full_name} {person.siret.grouped}", "MAG")
    page = render_template(
        "facteurs/application.html",
        offered=offered,
        notice=notice,
        uri=uri,
        drawn=qr.svg(uri),
        key=totp.in_groups(offered.secret),
        hour=in_words(now),
        replaces=TotpCredential.of(person.id) is not None,
        csrf=http.csrf_token(_purpose(visitor)),
    )
    return make_response(page, status)


@bp.post(f"{PAGE}/application")
def activate() -> ResponseReturnValue:
    """Confirmed by a code; sent twice, done once. The session gains what was just proven, and another identifier."""
    visitor = strong()
    http.check_csrf(_purpose(visitor))
    mag, person, now, typed = http.mag(), visitor.person, http.now(), request.form.get("code", "")
    offered = Offered.read(mag.keyring, person.id, visitor.session.sid, request.form.get("enrolement", ""), now)
    try:
        enrolment.check_totp(offered.secret, typed, now)
    except FactorRefusedError as error:
        return _application_page(visitor, offered, error.status, notice=error.public)
    if not mag.ephemeral.add("totp-offer", digest(offered.sealed), enrolment.LIFETIME + 60, made_at=now.timestamp()):
        return see(PAGE)
    response = see(PAGE, fait="application")
    raise_here(response, visitor.session, *proof.AMR[proof.TOTP])
    codes = enrolment.activate_totp(mag.settings, mag.keyring, person, offered.secret, typed, now)
    db.session.commit()
    if codes:
        response.headers["Location"] = keep_codes(codes, response.headers["Location"])
    return response


@bp.post(f"{PAGE}/application/retirer")
def remove_application() -> ResponseReturnValue:
    visitor = strong(PAGE)
    http.check_csrf(_purpose(visitor))
    enrolment.remove_totp(http.mag().settings, visitor.person, http.now())
    db.session.commit()
    return see(PAGE, fait="retrait")


@bp.get(f"{PAGE}/codes")
def ask_codes() -> ResponseReturnValue:
    """Before ten new codes: those of before will be worth nothing."""
    visitor = strong()
    return render_template("facteurs/nouveaux_codes.html", csrf=http.csrf_token(_purpose(visitor)))


@bp.post(f"{PAGE}/codes")
def new_codes() -> ResponseReturnValue:
    visitor = strong()
    http.check_csrf(_purpose(visitor))
    mag = http.mag()
    if not visitor.person.second_factor:
        return see(PAGE)
    codes = enrolment.regenerate_codes(mag.settings, mag.keyring, visitor.person, http.now())
    db.session.commit()
    response = see(PAGE, fait="codes")
    response.headers["Location"] = keep_codes(codes, response.headers["Location"])
    return response


# ----------------------------------------------------------------------------------------------------------------- passkeys


@bp.get(f"{PAGE}/cles")
def passkey_page() -> ResponseReturnValue:
    """Add a passkey, made here or already held for another identity."""
    visitor = strong()
    return render_template("facteurs/cles.html", lier="lier" in request.args, csrf=http.csrf_token(_purpose(visitor)))


@bp.post(f"{PAGE}/cles/ajouter/options")
@for_script
def creation_options() -> Response:
    visitor = strong()
    http.check_csrf(_purpose(visitor))
    keys = [key for key, _ in Passkey.of(visitor.person.id)]
    return make_response(passkeys.creation_options(place(), visitor.person, keys, http.now()))


@bp.post(f"{PAGE}/cles/ajouter")
@for_script
def add_passkey() -> Response:
    visitor = strong()
    http.check_csrf(_purpose(visitor))
    passkeys.register(place(), visitor.person, request.form.get("reponse", ""), request.form.get("nom", ""), http.now())
    return _passkey_added(visitor)


@bp.post(f"{PAGE}/cles/lier/options")
@for_script
def link_options() -> Response:
    visitor = strong()
    http.check_csrf(_purpose(visitor))
    return make_response(passkeys.request_options(place(), Purpose.LINK, (), http.now()))


@bp.post(f"{PAGE}/cles/lier")
@for_script
def link_passkey() -> Response:
    """A passkey of another identity of the same person opens this one too: whoever is here holds it, and its finger or code."""
    visitor = strong()
    http.check_csrf(_purpose(visitor))
    passkey = passkeys.proven(place(), http.mag().connections, Purpose.LINK, request.form.get("reponse", ""), http.now())
    if len(Passkey.of(visitor.person.id)) >= passkeys.MOST:
        raise passkeys.TooManyPasskeysError("link")
    passkeys.attach(passkey, visitor.person, request.form.get("nom", ""), http.now())
    return _passkey_added(visitor)


def _passkey_added(visitor: Visitor) -> Response:
    """Commits. The key was made, or used, under the eyes of a recent sign-in: the session counts two factors from now on."""
    mag = http.mag()
    codes = enrolment.passkey_added(mag.settings, mag.keyring, visitor.person, http.now())
    db.session.commit()
    response = see(PAGE, fait="cle")
    raise_here(response, visitor.session, *proof.AMR[proof.PASSKEY])
    db.session.commit()
    if codes:
        response.headers["Location"] = keep_codes(codes, response.headers["Location"])
    return as_json(response)


@bp.post(f"{PAGE}/cles/<int(max=2147483647):number>")
def change_passkey(number: int) -> ResponseReturnValue:
    """Another name, or no longer of this identity. A passkey of somebody else is not found (C60)."""
    visitor = strong(PAGE)
    http.check_csrf(_purpose(visitor))
    person, now = visitor.person, http.now()
    passkey = db.session.get(Passkey, number)
    if passkey is None or db.session.get(PasskeyIdentity, (number, person.id)) is None:
        raise NotFoundError(f"passkey {number}")
    if request.form.get("acte") == "retirer":
        enrolment.remove_passkey(http.mag().settings, person, passkey, now)
        done = "retrait"
    else:
        enrolment.rename(person, number, request.form.get("nom", ""))
        done = "nom"
    db.session.commit()
    return see(PAGE, fait=done)


# --------------------------------------------------------------------------------------- agreements between administrators


def _agreements(visitor: Visitor) -> list[tuple[FactorLoss, Declarant]]:
    """Requests that this administrator may answer: never their own."""
    return FactorLoss.awaiting(http.now(), by=visitor.person)


@bp.get(f"{PAGE}/accords")
def agreements() -> ResponseReturnValue:
    visitor = administrator()
    waiting = [(loss, who, in_words(loss.asked_at), in_words(loss.expires_at)) for loss, who in _agreements(visitor)]
    done = request.args.get("fait", "")
    return render_template("facteurs/accords.html", waiting=waiting, done=done, csrf=http.csrf_token(_purpose(visitor)))


@bp.post(f"{PAGE}/accords/<int(max=2147483647):number>")
def answer(number: int) -> ResponseReturnValue:
    """Four eyes: agree, or refuse, which ends the request."""
    visitor = strong()
    http.check_csrf(_purpose(visitor))
    if not visitor.person.role.administers:
        raise ForbiddenError("not an administrator")
    found = next(((loss, who) for loss, who in _agreements(visitor) if loss.id == number), None)
    if found is None:
        raise NotFoundError(f"loss {number}")
    if request.form.get("reponse") == "accord":
        losses.agree(http.mag().settings, *found, http.now(), by=visitor.person)
    else:
        losses.refuse(http.mag().settings, *found, http.now(), by=visitor.person)
    db.session.commit()
    return see(f"{PAGE}/accords", fait="1")
