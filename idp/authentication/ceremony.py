"""The ceremony of sign-in: who is it, and is it really them. One answer for every failure.

Unknown SIRET, wrong name, wrong password, no password, suspended, not yet active, braked: the same work is done in the same
order, and the same error comes out; only the journal knows. Counted before tried, so that parallel attempts do not slip
through. What remains after a right password (second factor, a password to be changed…) is `entree.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from idp.audit import journal
from idp.audit.events import ConnexionBraked, ConnexionOpened, ConnexionRefused
from idp.audit.models import AuditEvent
from idp.authentication import devices
from idp.authentication.denial import denial_link
from idp.authentication.device_words import UNKNOWN
from idp.authentication.devices import Device, Kind, network_of
from idp.authentication.factors import messages as factor_messages
from idp.authentication.factors.models import KnownDevice
from idp.authentication.levels import AMR, level_of
from idp.authentication.passwords import Decoys, Passwords, Stored
from idp.authentication.session import Birth, Session, open_session
from idp.authentication.throttle import DAY, Attempt, Throttle, TooManyAttemptsError, Verdict, account_of, sprayed
from idp.config import Settings
from idp.database import Connections, db
from idp.declarants.identite import Identite, compared
from idp.declarants.models import Declarant
from idp.declarants.statuts import Statut
from idp.ephemeral import Counter, Ephemeral
from idp.errors import RefusedError
from idp.notifications import messages
from idp.notifications.models import Mail
from idp.seals import Seals

NOBODY = 0
"""Stands for the identifier of whoever does not exist, so that the same work is done for nobody."""


class IdentificationRefusedError(RefusedError):
    """The one answer. The exception's own text is for the journal."""

    code = "identification_refusee"
    number = "M400001"
    remedy = "Vérifiez les quatre informations ; sinon, adressez-vous à l'administrateur de votre entreprise."
    status = 422
    public = "Nous n'avons pas pu vous connecter. Vérifiez le SIRET, le nom, le prénom et le mot de passe."


class ChallengeRequiredError(RefusedError):
    """A proof of work of so many bits must come with the next attempt. Depends on address and input, never on who exists."""

    code = "preuve_demandee"
    number = "M400002"
    remedy = "Saisissez à nouveau votre mot de passe ; sans JavaScript, suivez le lien reçu par courrier électronique."
    status = 422
    public = (
        "Beaucoup de tentatives de connexion échouent en ce moment. Votre navigateur fait une courte vérification "
        "automatique : saisissez à nouveau votre mot de passe."
    )

    def __init__(self, bits: int) -> None:
        super().__init__(f"{bits} bits")
        self.bits = bits


@dataclass(frozen=True, slots=True)
class Means:
    """What the ceremony works with."""

    settings: Settings
    connections: Connections
    store: Ephemeral
    seals: Seals
    passwords: Passwords
    decoys: Decoys
    throttle: Throttle


@dataclass(frozen=True, slots=True)
class Candidate:
    """One attempt, as it came in."""

    identite: Identite
    password: str
    device: Device
    address: str
    proven_bits: int = 0
    """Of the proof of work it brought, checked."""
    client_id: str | None = None
    statuts: frozenset[Statut] = frozenset({Statut.ACTIF})
    """Who may pass: those who may sign in, unless a page is for those who may not yet."""
    email: str | None = None
    """Of whoever waits: several may under one name, whom their address tells apart. None at a sign-in."""


def identify(means: Means, candidate: Candidate, now: datetime) -> Declarant:
    """Whoever this is. Raises IdentificationRefusedError, ChallengeRequiredError, TooManyAttemptsError, OverloadedError.

    All but the last may leave a line of journal or a mail for the caller to commit. One sign-in too many is refused before
    any look-up or count.
    """
    with means.passwords.place():
        return _identify(means, candidate, now)


def _identify(means: Means, candidate: Candidate, now: datetime) -> Declarant:
    bearer = Declarant.bearing(means.connections, candidate.identite)
    account = account_of(means.seals, candidate.identite)
    verdict = _count(means, candidate, bearer, account, now)
    declarant = bearer if candidate.email is None else Declarant.waiting(means.connections, candidate.identite, candidate.email)
    try:
        opened = means.passwords.verify(_compared_with(means, declarant, account), candidate.password)
    except RefusedError:
        _forgive(means, verdict)
        raise
    reason = _refusal(declarant, verdict, candidate.statuts, opened=opened)
    if reason or declarant is None:
        _refuse(means, candidate, bearer, account, verdict, reason, now)
        raise IdentificationRefusedError(reason)
    _forgive(means, verdict)
    _rehash(means, declarant, candidate.password)
    db.session.add(declarant)
    return declarant


def _count(means: Means, candidate: Candidate, declarant: Declarant | None, account: str, now: datetime) -> Verdict | None:
    """None for a test identity: its brakes are lifted by setting."""
    subject = (declarant.id, declarant.version) if declarant else (NOBODY, 1)
    known = candidate.device.knows(means.seals, *subject, now, declarant.forgotten_devices if declarant else devices.NONE)
    if _is_test_identity(means.settings, candidate.identite):
        return None
    device, siret = candidate.device.name if known else "", str(candidate.identite.siret)
    attempt = Attempt(account, candidate.address, device, siret, sprayed(means.seals, candidate.password))
    try:
        verdict = means.throttle.count(attempt)
    except TooManyAttemptsError:
        journal.record(ConnexionBraked(layer="L3", **_subject(candidate, declarant)), now)
        raise
    if verdict.bits > candidate.proven_bits:
        means.throttle.refund(verdict)
        _tell_owner(means, declarant, account, now)
        raise ChallengeRequiredError(verdict.bits)
    return verdict


def _subject(candidate: Candidate, declarant: Declarant | None) -> dict[str, Any]:
    """Whom a line of journal is about."""
    declarant_id = declarant.id if declarant else None
    return {"siret": int(candidate.identite.siret), "client_id": candidate.client_id, "declarant_id": declarant_id}


def _is_test_identity(settings: Settings, identite: Identite) -> bool:
    return identite.compared in map(compared, settings.test_identities)


def _compared_with(means: Means, declarant: Declarant | None, account: str) -> Stored:
    """The stored hash, or a decoy of the same price."""
    decoy = means.decoys.of(account.encode())
    if declarant is None or declarant.password_hash is None or declarant.pepper_id is None:
        return decoy
    return Stored(declarant.password_hash, declarant.pepper_id)


def _refusal(declarant: Declarant | None, verdict: Verdict | None, statuts: frozenset[Statut], *, opened: bool) -> str:
    """Why not, for the journal; empty when nothing is against it."""
    if verdict is not None and verdict.braked:
        return verdict.braked
    if declarant is None:
        return "unknown identity"
    if not opened:
        return "wrong password" if declarant.password_hash else "no password yet"
    if declarant.password_locked_at is not None and not declarant.second_factor:
        return "password locked"
    return "" if declarant.statut in statuts else f"statut {declarant.statut}"


def _refuse(
    means: Means, candidate: Candidate, declarant: Declarant | None, account: str, verdict: Verdict | None, reason: str, now: datetime
) -> None:
    """The trace of a refusal; whoever exists or not costs as much. The store first: on SQLite it writes through its own connection."""
    subject = _subject(candidate, declarant)
    if verdict is not None:
        means.throttle.failed(verdict)
    if verdict is None or not verdict.braked:
        journal.record(ConnexionRefused(reason=reason, **subject), now)
        return
    _tell_owner(means, declarant, account, now)
    journal.record(ConnexionBraked(layer=verdict.braked, **subject), now)


def _tell_owner(means: Means, declarant: Declarant | None, account: str, now: datetime) -> None:
    """Once a day, whose sign-in is braked, or asks for a proof of work, receives the link that lets their own browser in.

    Nobody costs as much. Without JavaScript, it is the way past the proof of work.
    """
    if means.store.count(Counter(f"mail:frein:{account}", DAY)) != [1]:
        return
    known = (declarant.id, declarant.version) if declarant else (NOBODY, 1)
    token = devices.make_link(means.store, *known)
    message = messages.brake(means.settings.issuer, token, declarant.full_name if declarant else "")
    recipient = declarant.email if declarant and declarant.statut is Statut.ACTIF else None
    mail = Mail.write("frein", recipient or "", message, now, declarant.id if declarant else None)
    if recipient is None:
        mail.discard()


def _forgive(means: Means, verdict: Verdict | None) -> None:
    if verdict is not None:
        means.throttle.refund(verdict)


def _rehash(means: Means, declarant: Declarant, password: str) -> None:
    """Parameters or pepper changed: today's take over while the password is known, unless it was changed meanwhile."""
    stored = Stored(declarant.password_hash or "", declarant.pepper_id or "")
    if means.passwords.needs_rehash(stored):
        renewed = means.passwords.hash(password)
        Declarant.renew_hash(means.connections, declarant.id, stored.hash, renewed.hash, renewed.pepper_id)


@dataclass(frozen=True, slots=True)
class Opened:
    """A sign-in that succeeded: the session, its cookie, and the device as it is now known."""

    session: Session
    cookie: str
    device: Device


def open_for(
    means: Means,
    declarant: Declarant,
    device: Device,
    now: datetime,
    *,
    amr: Sequence[str] = AMR,
    presented: str = "",
    client_id: str | None = None,
    words: str | None = None,
    address: str = "",
    acr: str = "",
    birth: Birth | None = None,
    link: str = "",
    switched: bool = False,
) -> Opened:
    """A new session under a new identifier, the device trusted, the journal written, the owner told of a new device.

    `presented`: the session cookie that the browser bore, worth nothing from now on. `words`: the device as its owner would call it.
    `acr`: where these means are worth less than usual. `birth`: of a sign-in made elsewhere, or before; a partner that vouches for
    somebody makes no device known. To be called once nothing remains to be proven (C42).
    """
    acr, vouched = acr or level_of(amr), bool(link)
    known = device.trusted(means.seals, declarant.id, declarant.version, now, declarant.forgotten_devices)
    store, settings = means.store, means.settings
    session, cookie = open_session(
        store, settings, declarant, amr=amr, acr=acr, now=now, presented=presented, born=birth, link=link, switched=switched
    )
    subject: dict[str, Any] = {"declarant_id": declarant.id, "siret": int(declarant.siret), "client_id": client_id}
    how: dict[str, Any] = {"amr": " ".join(amr), "acr": acr, "sid": session.sid, "version": session.version}
    event = ConnexionOpened(new_device=not known and not vouched, device=words, link=link or None, **how, **subject)
    alone = known and not vouched and not db.session.is_modified(declarant) and not db.session.new
    if not known and not vouched:
        _meet(means, declarant, device, now, words or UNKNOWN, network_of(address) if address else "")
    if alone:  # the transaction of a page costs more than all the rest here; that of a link says in one whether it still lives
        journal.write(means.connections, event, now)
    else:
        journal.record(event, now)
    trusted = device if vouched else device.with_entry(means.seals, Kind.TRUSTED, declarant.id, declarant.version, now)
    return Opened(session, cookie, trusted)


def _meet(means: Means, declarant: Declarant, device: Device, now: datetime, words: str, network: str) -> None:
    """A device that this account did not trust: its owner will find it in a list, and is told by mail, but for the first one ever."""
    KnownDevice.saw(declarant.id, device.hash, words, network, declarant.version, now)
    if declarant.email and AuditEvent.happened(ConnexionOpened.__name__, declarant.id):
        denial = denial_link(means.settings, declarant, now)
        message = factor_messages.new_device(means.settings.issuer, declarant.full_name, now, words, network or "inconnu", denial)
        Mail.write("nouvel_appareil", declarant.email, message, now, declarant.id)
