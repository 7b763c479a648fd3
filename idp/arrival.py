"""Arriving at the page door: what every page that signs somebody in shares. What is asked, who is there, the next step, the session.

Only this file opens sessions, and only when no step remains (C42). Steps are pages of their own (`authentication/steps`): each
ends by `proceed`, which alone knows what is next.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol
from urllib.parse import urlencode, urlsplit

import orjson
from flask import Response, current_app, make_response, render_template, request

from idp import http
from idp.audit import journal
from idp.authentication import ceremony, challenge, devices, entree, remembered, split_cookie
from idp.authentication.ceremony import Candidate, ChallengeRequiredError, IdentificationRefusedError, Means, Opened
from idp.authentication.demande import Demande, open_demande
from idp.authentication.device_words import device_words
from idp.authentication.devices import Device
from idp.authentication.entree import Entree, EntreeDeadError, Step, next_step
from idp.authentication.factors import losses
from idp.authentication.factors.events import SessionRaised
from idp.authentication.factors.passkeys import Place
from idp.authentication.identification import Identification
from idp.authentication.levels import AMR, level_of
from idp.authentication.liees import reliure
from idp.authentication.password_policy import holds, in_force, own_words
from idp.authentication.remembered import Remembered
from idp.authentication.session import COOKIE, Session, raise_session, row_of
from idp.authentication.split_cookie import Half
from idp.authentication.throttle import TooManyAttemptsError
from idp.database import db
from idp.declarants.identite import Identite
from idp.declarants.models import Declarant
from idp.declarants.parcours import conditions
from idp.declarants.preuves.models import Preuve
from idp.declarants.statuts import Statut
from idp.habilitations.decision import services_of
from idp.oidc import logout
from idp.saml import slo
from idp.saml.bindings import Departure
from idp.saml.events import LogoutSpread
from idp.seals import b64, digest, random_token, seal_under, unb64, unseal_under
from idp.visitor import session_here


class Exit(Protocol):
    """Where a session above MAG ends: of which provider, and the address."""

    @property
    def nom(self) -> str: ...
    @property
    def address(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Asked:
    """The sign-in in progress: its sealed word, and what it says; a person may also come by themselves."""

    token: str
    demande: Demande | None

    @classmethod
    def read(cls, token: str) -> "Asked":
        """Raises DemandeInvalidError, DemandeExpiredError."""
        if not token:
            return cls("", None)
        mag = http.mag()
        found = open_demande(mag.ephemeral, mag.keyring, token, http.binding(), http.now(), mag.settings.demande_lifetime)
        http.on_behalf_of(found.client_id)
        logo = urlsplit(found.client_logo)
        http.page_policy(found.form_action, f"{logo.scheme}://{logo.netloc}" if found.client_logo else "")
        return cls(token, found)

    @property
    def purpose(self) -> str:
        """Anti-forgery values serve one sign-in (C39)."""
        return f"connexion|{digest(self.token)}"

    @property
    def client_id(self) -> str | None:
        return (self.demande.client_id or None) if self.demande else None

    def onward(self, **more: str) -> Response:
        """Back to whoever asked: the dispatcher alone knows the next step."""
        if self.demande is None:
            return see(http.path("/"))
        return see(f"{http.path(self.demande.target)}?{urlencode({'demande': self.token, **more})}")


def see(address: str) -> Response:
    response = make_response("", 303)
    response.headers["Location"] = address
    return response


def to_password(token: str) -> Response:
    """To the mire, which offers this time no provider above MAG and says why; it goes on with this sealed request."""
    return see(f"{http.path('/connexion')}?{urlencode({'demande': token, 'saisie': 1} if token else {'saisie': 1})}")


def telling_others(doing: slo.Logout, chain: slo.Chain) -> Response:
    """The service providers of SAML are told that a session ended, one after the other; then the page where `chain` ends.

    To be called after the commit of the sign-out. Commits.
    """
    chain, departure = doing.onward(chain)
    if departure is None or departure.ends:
        spread = {"sid": chain.sid, "client_id": chain.alone or None, "confirmed": len(chain.confirmed), "failed": len(chain.failed)}
        journal.record(LogoutSpread(**spread), doing.now)  # type: ignore[arg-type]  # a dict has one type of values
        db.session.commit()
    if departure is not None:
        return departing(departure, PARTED if chain.alone else SIGNED_OUT)
    ends, final = urlencode({"saml": slo.seal_ends(http.mag().keyring, chain, doing.now)}), chain.final or http.path("/deconnexion")
    return see(f"{final}{'&' if '?' in final else '?'}{ends}")


SIGNED_OUT = {
    "heading": "Déconnexion des autres sites",
    "lead": "Votre session MAG est fermée. Les sites que vous aviez ouverts sont prévenus l'un après l'autre.",
}
PARTED = {
    "heading": "Déconnexion du site",
    "lead": "C'est retiré. Le site est prévenu, puis vous revenez ici. Votre session MAG reste ouverte.",
}


def departing(departure: Departure, words: Mapping[str, str] = SIGNED_OUT) -> Response:
    """To one of them. After a form, by a page that goes on by itself: the policy of the form's page would stop a redirect elsewhere."""
    if departure.fields:
        at = urlsplit(departure.url)
        http.page_policy(f"{at.scheme}://{at.netloc}")
        return make_response(render_template("saml/envoi.html", action=departure.url, fields=departure.fields, method="post", **words))
    if request.method != "POST":
        return see(departure.url)
    return make_response(render_template("saml/sortie.html", url=departure.url, **words))


def beyond_here(final: str) -> Response | None:
    """The session of the provider above MAG where this browser's person was proved ends too, then `final`, a path of MAG; None: nowhere.

    To be called once MAG's own session is over: by a page that goes on by itself, since the provider may be away, and a form's policy
    would stop a redirect elsewhere.
    """
    take: Callable[..., Exit | None] = current_app.extensions["mag_sortie"]
    found = take(final, browser=http.binding())
    if found is None:
        return None
    response = make_response(render_template("authentication/sortie.html", nom=found.nom, url=found.address, final=final))
    set_session_cookie(response, "")
    return response


def means() -> Means:
    return current_app.extensions["mag_means"]  # type: ignore[no-any-return]  # Flask's extension dict is untyped


def remembered_here() -> Remembered:
    return Remembered.read(http.mag().keyring, request.cookies.get(remembered.COOKIE, ""))


def device_here() -> Device:
    return Device.read(request.cookies.get(devices.COOKIE, ""))


BUCKET = 1024
"""Bytes: answers to a sign-in are padded to a multiple, so that their length says nothing."""


def padded(text: str) -> str:
    """A page whose length tells nothing."""
    return text + " " * (-len(text.encode()) % BUCKET)


def new_challenge(bits: int) -> str:
    """The proof of work asked of this browser; empty when none is."""
    return challenge.make_challenge(http.mag().keyring, bits, http.binding(), http.now()) if bits else ""


def proven_bits() -> int:
    """What the form brings of a proof of work that was asked."""
    given, number, mag = request.form.get("defi", ""), request.form.get("preuve", ""), http.mag()
    return challenge.proven_bits(mag.ephemeral, mag.keyring, given, number, http.binding(), http.now()) if given else 0


def asked_bits() -> int:
    """A failure after a proof of work asks for another at once, rather than for the password twice."""
    return challenge.asked_bits(http.mag().keyring, request.form.get("defi", ""), http.binding())


@dataclass(frozen=True, slots=True)
class Unidentified:
    """Nobody, for now: what the page says, and the proof of work that it asks for."""

    status: int
    notice: str = ""
    bits: int = 0


def identified(asked: Asked, form: Identification) -> tuple[Declarant, Entree] | Unidentified:
    """Whoever typed this form, on the way in; the traces of a refusal are committed. Raises TooManyAttemptsError, OverloadedError."""
    if form.identite is None:
        return Unidentified(400 if form.too_long else 422)
    candidate = Candidate(form.identite, form.password, device_here(), http.client_address(), proven_bits(), asked.client_id)
    try:
        person = ceremony.identify(means(), candidate, http.now())
    except (IdentificationRefusedError, ChallengeRequiredError) as error:
        db.session.commit()
        bits = error.bits if isinstance(error, ChallengeRequiredError) else asked_bits()
        return Unidentified(error.status, error.public, bits)
    except TooManyAttemptsError:
        db.session.commit()
        raise
    arrived = Entree(declarant_id=person.id, version=person.version, amr=AMR, demande=asked.token, remember=form.remember)
    return person, replace(arrived, weak=_is_weak(person, form.password))


def _is_weak(person: Declarant, password: str) -> bool:
    """Imported with the rule of before MAG (fact 16), or become too common since: another one is chosen before anything opens."""
    return not holds(password, in_force(http.mag().settings), own_words(person.siret, person.nom, person.prenom))


def set_session_cookie(response: Response, cookie: str, identities: Remembered | None = None) -> None:
    """The SSO session lives as long as the browser, and no longer than the store says; `Set-Login` tells the browser (FedCM)."""
    http.set_cookie(response, COOKIE, cookie, max_age=None if cookie else 0)
    response.headers["Set-Login"] = "logged-in" if cookie else "logged-out"
    _keep_half(response, row_of(cookie), identities or remembered_here())


def show_session(response: Response) -> None:
    """The session of this browser, told to its chooser again: the other half may be missing, or older than what is remembered."""
    set_session_cookie(response, request.cookies.get(COOKIE, ""))


def _keep_half(response: Response, row: str, identities: Remembered) -> None:
    mag = http.mag()
    bearers = [Declarant.bearing(mag.connections, identite) for identite in identities.identites] if row else []
    half = Half(row, tuple(person.id for person in bearers if person is not None))
    http.set_cookie(response, split_cookie.COOKIE, half.dump(mag.keyring) if row else "", max_age=None if row else 0, crosses=True)


def forget_remembered(response: Response, index: int) -> None:
    """This browser forgets one identity; its chooser too."""
    identities = remembered_here().without(index)
    keep_remembered(response, identities)
    half = Half.read(http.mag().keyring, request.cookies.get(split_cookie.COOKIE, ""))
    if half is not None:
        _keep_half(response, half.row, identities)


def keep_remembered(response: Response, identities: Remembered) -> None:
    if identities.identites:
        http.set_cookie(response, remembered.COOKIE, identities.dump(http.mag().keyring), max_age=remembered.LIFETIME)
    else:
        http.set_cookie(response, remembered.COOKIE, "", max_age=0)


# ------------------------------------------------------------------------------------------------------------------- steps


@dataclass(frozen=True, slots=True)
class Arrival:
    """Somebody between the password and the session: the page's word, what it says, and who."""

    token: str
    entree: Entree
    person: Declarant

    @classmethod
    def read(cls, step: Step | None = None) -> "Arrival":
        """From the page's word. Raises EntreeDeadError, also for whoever stands at another step (C43)."""
        token = request.form.get("entree", "") if request.method == "POST" else request.args.get("entree", "")
        http.way_back(http.path("/connexion"))
        found = entree.find(http.mag().ephemeral, token, http.binding())
        person = db.session.get(Declarant, found.declarant_id)
        if person is None or person.statut is not Statut.ACTIF or person.version != found.version:
            raise EntreeDeadError("the account changed")
        here = session_here() if found.raised else None
        if here is not None and here.vouched:
            raise EntreeDeadError("the session to raise is a partner's word")
        arrival = cls(token, found, person)
        if step is not None and remaining(person, found, http.now()) is not step:
            raise EntreeDeadError(f"not at {step}")
        return arrival

    @property
    def asked(self) -> Asked:
        """Raises DemandeInvalidError, DemandeExpiredError."""
        return Asked.read(self.entree.demande)

    @property
    def purpose(self) -> str:
        """Anti-forgery values serve one step of one sign-in."""
        return f"entree|{digest(self.token)}"

    def proven(self, *amr: str) -> Response:
        """One more factor was proven just now."""
        return proceed(self.person, replace(self.entree, amr=(*self.entree.amr, *amr)), self.token)


def remaining(person: Declarant, found: Entree, now: datetime) -> Step | None:
    """The next step; None: the session may open."""
    password_due = person.password_locked_at is not None or found.weak
    return next_step(
        person,
        found,
        password_due=password_due,
        conditions_due=not found.raised and conditions.to_accept(person, now) is not None,
        factor_due=bool(found.raised) or factor_deadline(person, now) is not None,
    )


def factor_deadline(person: Declarant, now: datetime) -> datetime | None:
    """Until when somebody who must hold a second factor may go without; None for whoever holds one, or need not."""
    policies = http.mag().policies()
    if person.second_factor:
        return None
    if person.renforcer_at is not None or not policies.rules:
        return person.renforcer_at
    rights = services_of(http.mag().connections, http.mag().catalogue(), person.id, now) if policies.look_at_rights else {}
    return policies.deadline(person.role, rights, person.opened_at)


def proceed(person: Declarant, found: Entree, token: str = "") -> Response:
    """To the next step, or into the session. `token`: the word of the step just done, which is worth nothing afterwards.

    Commits. To be called before anything is flushed: the store comes first.
    """
    mag, now = http.mag(), http.now()
    step = remaining(person, found, now)
    if token:
        entree.take(mag.ephemeral, token, http.binding())
    if step is Step.HERE:
        db.session.commit()
        return to_password(found.demande)
    if step is not None:
        word = entree.keep(mag.ephemeral, found, http.binding())
        db.session.commit()
        return see(f"{http.path('/connexion/' + step)}?{urlencode({'entree': word})}")
    return _raise(found) if found.raised else _open(person, found)


def _open(person: Declarant, found: Entree) -> Response:
    mag, now = http.mag(), http.now()
    asked, before = Asked.read(found.demande), session_here()
    opened = ceremony.open_for(
        means(),
        person,
        device_here(),
        now,
        amr=found.amr,
        presented=request.cookies.get(COOKIE, ""),
        client_id=asked.client_id,
        words=device_words(request.user_agent.string),
        address=http.client_address(),
        acr=found.acr,
        birth=found.birth,
        link=found.link,
        switched=found.switched,
    )
    if found.link:
        use: Callable[[str, datetime], None] = current_app.extensions["mag_lien"]
        use(found.link, now)
    if person.second_factor and found.is_strong:
        losses.cancel(mag.settings, person, "used", now)
        person.renforcer_at = None
    replaced = before if before is not None and before.declarant_id != person.id else None
    if replaced is not None:
        logout.ended(mag.registry, replaced.sid, replaced.declarant_id, None, "autre_personne", now)
    remember = Identite(person.siret, person.nom, person.prenom) if found.remember else None
    db.session.commit()
    if replaced is not None:
        mag.messenger.wake()
    return _signed_in(asked, opened, remember)


def _signed_in(asked: Asked, opened: Opened, remember: Identite | None) -> Response:
    response = asked.onward(**({"choix": "1"} if asked.demande and (asked.demande.select or asked.demande.establishments) else {}))
    identities = remembered_here().adding(remember) if remember is not None else None
    set_session_cookie(response, opened.cookie, identities)
    http.set_cookie(response, devices.COOKIE, opened.device.dump(), max_age=devices.LIFETIME)
    if identities is not None:
        keep_remembered(response, identities)
    return response


def _raise(found: Entree) -> Response:
    """The session of this browser, with two factors from now on. Raises EntreeDeadError when it is no longer there."""
    mag, session, asked = http.mag(), session_here(), Asked.read(found.demande)
    if session is None or session.sid != found.raised:
        raise EntreeDeadError("the session ended")
    response = asked.onward()
    raise_here(response, session, *found.amr)
    person = db.session.get(Declarant, found.declarant_id)
    if person is not None and person.second_factor:
        losses.cancel(mag.settings, person, "used", http.now())
    db.session.commit()
    return response


def close_ways_in(person: Declarant) -> None:
    """Whatever leads in without the password: accounts of partners and of providers above MAG, other identities. The caller commits.

    Whoever knew the password may have tied them, and would come back by them once the owner has chosen another. What was tied to a
    partner may be taken back for a week. To be called once the sessions have ended.
    """
    mag, now = http.mag(), http.now()
    reliure.delier(mag.settings.issuer, person, person, now)
    for proof in Preuve.of(person.id):
        proof.connexion_at = None
    leave: Callable[..., None] = current_app.extensions["mag_delier"]
    leave(mag.settings, mag.registry, person, now)


def raise_here(response: Response, session: Session, *amr: str) -> None:
    """The session of this browser gains what was proven just now, and another cookie (C37). The caller commits."""
    mag = http.mag()
    if session.vouched:
        raise EntreeDeadError("nothing of this session was proven here")
    whole = tuple(dict.fromkeys((*session.amr, *amr)))
    raised = raise_session(mag.ephemeral, mag.settings, session, amr=whole, acr=level_of(whole), presented=request.cookies.get(COOKIE, ""))
    if raised is None:
        raise EntreeDeadError("the session ended")
    event = SessionRaised(amr=" ".join(whole), acr=raised[0].acr, sid=session.sid, declarant_id=session.declarant_id)
    journal.record(event, http.now())
    set_session_cookie(response, raised[1])


def as_json(response: Response) -> Response:
    """The same answer for a script: where to go, and the cookies."""
    found = make_response({"vers": response.headers["Location"]})
    for name in ("Set-Cookie", "Set-Login"):
        for value in response.headers.getlist(name):
            found.headers.add(name, value)
    return found


def place() -> Place:
    """Where ceremonies of passkeys happen: this browser."""
    mag = http.mag()
    return Place(mag.settings, mag.ephemeral, mag.keyring, http.binding())


# ---------------------------------------------------------------------------------------------------------- codes shown once


@dataclass(frozen=True, slots=True)
class Shown:
    """Recovery codes that wait for their page, and where it leads."""

    codes: list[str]
    onward: str


CODES, CODES_LIFETIME = "codes_a_montrer", 300


def keep_codes(codes: Sequence[str], onward: str) -> str:
    """The address of the page that shows them once, in this browser alone. They are sealed under a word that the address carries."""
    word = random_token()
    sealed = seal_under(word, orjson.dumps([list(codes), onward, digest(http.binding())]))
    http.mag().ephemeral.put(CODES, digest(word), b64(sealed), CODES_LIFETIME)
    return f"{http.path('/connexion/codes')}?{urlencode({'mot': word})}"


def take_codes(unverified_word: str) -> Shown | None:
    """None when they were shown, or never were."""
    found = http.mag().ephemeral.take(CODES, digest(unverified_word))
    if found is None:
        return None
    codes, onward, held = orjson.loads(unseal_under(unverified_word, unb64(found)))
    return Shown(codes, onward) if held == digest(http.binding()) else None
