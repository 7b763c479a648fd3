"""Pages where a person answers what is asked elsewhere: the code of a device, and what partners ask through the backchannel.

Nothing here decides; `device.py` and `ciba.py` do. Every page works without JavaScript.
"""

import threading
from collections.abc import Collection
from datetime import UTC, datetime
from urllib.parse import urlsplit

from flask import Blueprint, Response, make_response, render_template, request
from flask.typing import ResponseReturnValue

from idp import http, visitor
from idp.audit import journal
from idp.audit.events import BackchannelApproved, BackchannelRefused, DeviceApproved, DeviceCodesBraked, DeviceRefused
from idp.authentication.demande import Demande, open_demande, seal_demande
from idp.authentication.session import Session
from idp.database import db
from idp.declarants.models import Declarant
from idp.demands import demanded
from idp.entreprises.models import Entreprise
from idp.errors import ForbiddenError
from idp.habilitations.disclosure import services_of_scope
from idp.notifications.messages import in_words
from idp.oidc.client import Client
from idp.oidc.decoupled import ciba, device
from idp.oidc.decoupled.awaited import Awaited
from idp.oidc.decoupled.device import Asking, TooManyCodesError
from idp.oidc.decoupled.models import BackchannelDemande
from idp.oidc.rights import known_services
from idp.oidc.told import Told, told
from idp.seals import digest
from idp.visitor import Visitor, see

bp = Blueprint("decoupled", __name__)
DEAD = "Ce code n'est pas valable, ou ne l'est plus. Vérifiez-le, ou demandez-en un autre sur l'appareil."
UNREADABLE = "Un code compte huit lettres, par exemple BCDF-GHJK. Recopiez celui qui s'affiche sur l'appareil."
LONGEST_SHOWN = 40
"""Characters of a code typed that the page shows again."""


# ------------------------------------------------------------------------------------------------------------ who answers


def _company(person: Declarant) -> str | None:
    company = Entreprise.find(person.siret.siren)
    return company.nom_affiche if company else None


def _seal(client: Client, code: str) -> str:
    """A sign-in in progress that comes back to the question, in this browser alone (C38)."""
    mag = http.mag()
    asked = Demande(
        target="/device/confirmation",
        parameters={"code": code},
        client_id=client.client_id,
        client_name=client.client_name,
        client_host=_host(client),
        client_logo=client.logo_uri,
        asked_at=int(http.now().timestamp()),
    )
    return seal_demande(mag.ephemeral, mag.keyring, asked, http.binding(), mag.settings.demande_lifetime)


def _host(client: Client) -> str:
    """What a person recognises; a device has no redirect URI."""
    return client.host or urlsplit(client.client_uri).netloc


def _lacks(client: Client, scope: Collection[str], session: Session) -> bool:
    """A policy of MAG calls for two factors before this partner is told of anybody, or of this, on whichever screen they answer."""
    return demanded(http.mag(), client.client_id, services_of_scope(scope), session, http.now())


def _to_second_factor(token: str) -> Response:
    return see("/connexion/second-facteur", demande=token)


def _to_sign_in(token: str) -> Response:
    return see("/connexion", demande=token)


def _show_logo(client: Client) -> None:
    logo = urlsplit(client.logo_uri)
    http.page_policy(image=f"{logo.scheme}://{logo.netloc}" if client.logo_uri else "")


def _told(scope: tuple[str, ...]) -> Told:
    return told(scope, known_services(http.mag().catalogue()))


def _instant(at: int) -> str:
    return in_words(datetime.fromtimestamp(at, UTC))


# ------------------------------------------------------------------------------------------------------- a device's code


@bp.get("/device")
def device_code() -> ResponseReturnValue:
    """RFC 8628 sections 3.3 and 3.3.1: a code that came with the address is shown, never taken for granted."""
    return _code_page(request.args.get("user_code", ""))


def _code_page(typed: str, error: str = "", status: int = 200) -> Response:
    code = device.read_user_code(typed)
    given = device.shown(code) if code else "".join(c for c in typed if c.isprintable())[:LONGEST_SHOWN]
    page = render_template("oidc/appareil.html", code=given, error=error, csrf=http.csrf_token("appareil-code"))
    return make_response(page, status)


@bp.post("/device")
def type_code() -> ResponseReturnValue:
    """The device behind the code, then whoever is signed in here."""
    http.way_back(http.path("/device"))
    http.check_csrf("appareil-code")
    typed, mag = request.form.get("code", ""), http.mag()
    code = device.read_user_code(typed)
    if code is None:
        return _code_page(typed, UNREADABLE, 422)
    asking = _looked_up(code)
    client = mag.registry.find(asking.awaited.client_id) if asking else None
    if client is None:
        return _code_page(typed, DEAD, 422)
    return see("/device/confirmation", demande=_seal(client, code))


def _looked_up(code: str) -> Asking | None:
    """Guesses are counted by session, or by browser, and by address. Raises TooManyCodesError, told in the journal."""
    mag, signed_in = http.mag(), visitor.current()
    browser = signed_in.session.sid if signed_in else http.binding()
    try:
        counted = device.count_guess(mag.ephemeral, browser, http.client_address())
    except TooManyCodesError:
        journal.record(DeviceCodesBraked(declarant_id=signed_in.person.id if signed_in else None), http.now())
        db.session.commit()
        raise
    asking = device.find(mag.ephemeral, mag.keyring, code, http.now())
    if asking is not None:
        mag.ephemeral.count(*counted, by=-1)
    return asking


@bp.get("/device/confirmation")
def device_question() -> ResponseReturnValue:
    """RFC 8628 section 5.4: who asks, for what, with which code; whoever was sent a link must notice."""
    token = request.args.get("demande", "")
    code, mag = _code_of(token), http.mag()
    asking = device.find(mag.ephemeral, mag.keyring, code, http.now())
    client = mag.registry.find(asking.awaited.client_id) if asking else None
    if asking is None or client is None:
        return _code_page(code, DEAD, 422)
    signed_in = visitor.current()
    if "refus" in request.args:
        return _answered(code, client, None, signed_in.person if signed_in else None)
    if signed_in is None:
        return _to_sign_in(token)
    if _lacks(client, asking.awaited.scope, signed_in.session):
        return _answered(code, client, None, signed_in.person) if "niveau" in request.args else _to_second_factor(token)
    return _question(token, code, asking.awaited, client, signed_in)


def _code_of(token: str) -> str:
    """The code that this browser typed. Raises DemandeInvalidError, DemandeExpiredError."""
    mag = http.mag()
    http.way_back(http.path("/device"))
    asked = open_demande(mag.ephemeral, mag.keyring, token, http.binding(), http.now(), mag.settings.demande_lifetime)
    return asked.parameters.get("code", "")


def _question(token: str, code: str, awaited: Awaited, client: Client, found: Visitor) -> Response:
    _show_logo(client)
    page = render_template(
        "oidc/appareil_confirmation.html",
        demande=token,
        code=device.shown(code),
        client=client,
        host=_host(client),
        told=_told(awaited.scope),
        asked_at=_instant(awaited.asked_at),
        person=found.person,
        company=_company(found.person),
        csrf=http.csrf_token(_purpose(found.session, token)),
    )
    return make_response(page)


def _purpose(session: Session, token: str) -> str:
    return f"appareil|{session.sid}|{digest(token)}"


@bp.post("/device/confirmation")
def device_answer() -> ResponseReturnValue:
    """Yes or no, once: of two browsers with one code, the first one answers."""
    token, signed_in = request.form.get("demande", ""), visitor.current()
    code, mag = _code_of(token), http.mag()
    if signed_in is None:
        return _to_sign_in(token)
    http.check_csrf(_purpose(signed_in.session, token))
    asking = device.find(mag.ephemeral, mag.keyring, code, http.now())
    client = mag.registry.find(asking.awaited.client_id) if asking else None
    if asking is None or client is None:
        return _code_page(code, DEAD, 422)
    agreed = request.form.get("reponse") == "accepter"
    if agreed and _lacks(client, asking.awaited.scope, signed_in.session):
        return _to_second_factor(token)
    return _answered(code, client, signed_in.session if agreed else None, signed_in.person)


def _answered(code: str, client: Client, session: Session | None, person: Declarant | None) -> Response:
    mag, now = http.mag(), http.now()
    asking = device.answer(mag.ephemeral, mag.keyring, code, session, now)
    if asking is None:
        return _code_page(code, DEAD, 422)
    event = DeviceApproved if session else DeviceRefused
    scope, declarant_id = " ".join(asking.awaited.scope), person.id if person else None
    journal.record(event(declarant_id=declarant_id, client_id=client.client_id, scope=scope), now)
    db.session.commit()
    return make_response(render_template("oidc/appareil_fin.html", client=client, agreed=session is not None))


# ------------------------------------------------------------------------------------------------- what partners ask (CIBA)


@bp.get("/demandes")
def demandes() -> ResponseReturnValue:
    """What waits for the person's answer, the latest first."""
    return _demandes_page(visitor.required())


def _demandes_page(found: Visitor, notice: str = "", status: int = 200) -> Response:
    registry, person = http.mag().registry, found.person
    rows = BackchannelDemande.waiting_for(person.id, http.now())
    waiting = [(row, client, _told(tuple(row.scope.split()))) for row in rows if (client := registry.find(row.client_id))]
    page = render_template(
        "oidc/ciba.html",
        demandes=[(row, client, _host(client), said, in_words(row.asked_at), in_words(row.expires_at)) for row, client, said in waiting],
        person=person,
        company=_company(person),
        notice=notice,
        csrf=http.csrf_token(f"demandes|{found.session.sid}"),
    )
    return make_response(page, status)


@bp.post("/demandes")
def answer_demande() -> ResponseReturnValue:
    """Yes or no to one of them; a client that wants to know at once is told while nobody waits."""
    found, number = visitor.required(), request.form.get("demande", "")
    http.way_back(http.path("/demandes"))
    http.check_csrf(f"demandes|{found.session.sid}")
    if not (number.isascii() and number.isdigit() and len(number) <= 9):
        raise ForbiddenError("no such demande")
    agreed = request.form.get("reponse") == "accepter"
    row = next((one for one in BackchannelDemande.waiting_for(found.person.id, http.now()) if one.id == int(number)), None)
    client = http.mag().registry.find(row.client_id) if row else None
    if agreed and row and client and _lacks(client, row.scope.split(), found.session):
        return _to_second_factor(visitor.sealed("/demandes", {}))
    if not _answer(int(number), found.session, found.person, agreed=agreed):
        return _demandes_page(found, "Cette demande a expiré, ou vous y avez déjà répondu.", 422)
    return _demandes_page(found, "Votre accord est transmis." if agreed else "Votre refus est transmis.")


def _answer(number: int, session: Session, person: Declarant, *, agreed: bool) -> bool:
    """The row says who answers first; the store, what the client reads next."""
    mag, now = http.mag(), http.now()
    row = BackchannelDemande.answer(number, person.id, now)
    client = mag.registry.find(row.client_id) if row else None
    if row is None or client is None:
        db.session.rollback()
        return False
    event = BackchannelApproved if agreed else BackchannelRefused
    key = row.key
    journal.record(event(declarant_id=person.id, client_id=row.client_id, scope=row.scope), now)
    db.session.commit()
    awaited = ciba.answer(mag.ephemeral, key, session if agreed else None, now)
    if awaited is not None and awaited.ping:
        threading.Thread(target=ciba.ping, args=(mag.registry, mag.keyring, client, key, awaited), daemon=True).start()
    return awaited is not None
