"""Who lets a client register itself, and on what terms: an initial access token, a software statement, or settings.

Implements RFC 7591 sections 2.3 (software statements) and 3 (initial access tokens). Without a token and with both settings
on, the registration is open, and a sandbox client is had by asking for the profile `sandbox`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from idp.audit import journal
from idp.audit.events import PartenaireChanged
from idp.config import Settings
from idp.database import Version, db
from idp.ephemeral import Ephemeral
from idp.errors import RefusedError
from idp.oidc.profiles import SIGNING_ALGS
from idp.oidc.software_statement import SoftwareStatementError, Trusted, unverified_issuer, verified_members
from idp.seals import digest, random_token
from partners import onboarding, sandbox
from partners.models import InitialToken, Partenaire, Publisher
from partners.outgoing import OutgoingRefusedError
from partners.published_keys import read_keys
from partners.registry import VERSION
from partners.terms import OPEN_PROFILE, Terms

OPEN_CODE, OPEN_NOM = "enregistrement-libre", "Clients enregistrés librement"
OPEN_TERMS = Terms((OPEN_PROFILE, "standard", "strict", "fapi2", "fapi2-message"))
"""The standard, or stricter."""
STATEMENT = "software_statement"


class NotAdmittedError(RefusedError):
    """No token, or not one of ours: RFC 6750 section 3.1. `shown` says whether one came."""

    code = "enregistrement_refuse"
    number = "M600004"
    remedy = "Partenaire : présentez un jeton d'enregistrement valable."
    status = 401

    def __init__(self, reason: str, *, shown: bool) -> None:
        super().__init__(reason)
        self.shown = shown


@dataclass(frozen=True, slots=True)
class Admission:
    """The door is open: for whose client, on which terms, until when it lives."""

    origin: str
    """`initial_token`, `statement`, `open` or `sandbox`."""
    partenaire: Partenaire
    terms: Terms
    statement: Mapping[str, Any] | None = None
    """Members that a software statement fixes: they win over the request's own."""
    initial: InitialToken | None = None
    expires_at: datetime | None = None


def admit(settings: Settings, store: Ephemeral, address: str, token: str | None, given: Mapping[str, Any], now: datetime) -> Admission:
    """Raises NotAdmittedError, SoftwareStatementError, SandboxFullError."""
    initial = usable_token(token, now) if token is not None else None
    publisher, members = read_statement(given, now)
    if initial is not None:
        return Admission("initial_token", initial.partenaire, Terms.load(initial.terms), members, initial)
    if publisher is not None:
        return Admission("statement", publisher.partenaire, Terms.load(publisher.terms), members)
    if settings.open_registration and not (settings.sandbox and given.get("profile") == sandbox.PROFILE):
        return Admission("open", house_partenaire(OPEN_CODE, OPEN_NOM, now), OPEN_TERMS)
    if not settings.sandbox:
        raise NotAdmittedError("no initial access token", shown=False)
    expires_at = sandbox.admit(store, address, now)
    return Admission("sandbox", house_partenaire(sandbox.CODE, sandbox.NOM, now), sandbox.TERMS, expires_at=expires_at)


def house_partenaire(code: str, nom: str, now: datetime) -> Partenaire:
    """The partner that clients of nobody in particular belong to; disabling it stops them all. Raises NotAdmittedError when it is."""
    found = Partenaire.with_code(code)
    if found is None:
        made = Partenaire.ensure(code, nom, now)
        found = onboarding.partenaire_named(code)
        if made:
            _told(found, "registered", now)
    if not found.enabled:
        raise NotAdmittedError(f"partner {code} is disabled", shown=False)
    return found


def usable_token(token: str, now: datetime) -> InitialToken:
    """Raises NotAdmittedError: unknown, expired, used up, or of a disabled partner."""
    found = InitialToken.with_hash(digest(token))
    if found is None or found.expires_at <= now or found.uses_left <= 0 or not found.partenaire.enabled:
        raise NotAdmittedError("initial access token", shown=True)
    return found


def read_statement(given: Mapping[str, Any], now: datetime) -> tuple[Publisher | None, dict[str, Any] | None]:
    """The publisher of a software statement and the members it fixes; nothing without one. Raises SoftwareStatementError."""
    statement = given.get(STATEMENT)
    if statement is None:
        return None, None
    publisher = Publisher.with_iss(unverified_issuer(statement))
    if publisher is None or not publisher.enabled or not publisher.partenaire.enabled:
        raise SoftwareStatementError("this software publisher is not known here", "unapproved_software_statement")
    members = verified_members(str(statement), Trusted(publisher.iss, publisher.alg, publisher.jwks), now)
    return publisher, members | {STATEMENT: statement}


# ------------------------------------------------------------------------------------------------------- what operators do


def make_initial_token(partenaire: Partenaire, terms: Terms, uses: int, lifetime: timedelta, now: datetime) -> str:
    """A token that registers `uses` clients of a partner: shown now or never."""
    token = random_token()
    db.session.add(
        InitialToken(
            partenaire=partenaire, token_hash=digest(token), terms=terms.dump(), uses_left=uses, created_at=now, expires_at=now + lifetime
        )
    )
    _told(partenaire, "initial token made", now)
    return token


def withdraw_initial_token(number: int, now: datetime) -> None:
    """It opens nothing any more; clients already registered stay. Raises RegistrationRefusedError."""
    found = db.session.get(InitialToken, number)
    if found is None:
        raise onboarding.RegistrationRefusedError(f"Aucun jeton initial ne porte le numéro {number}.")
    partenaire = found.partenaire
    db.session.delete(found)
    _told(partenaire, "initial token withdrawn", now)


def register_publisher(partenaire: Partenaire, iss: str, alg: str, jwks: Mapping[str, Any], terms: Terms, now: datetime) -> Publisher:
    """Believe the statements of a publisher from now on, or change how. Raises RegistrationRefusedError."""
    if alg not in SIGNING_ALGS:
        raise onboarding.RegistrationRefusedError(f"L'algorithme « {alg} » n'est pas l'un de : {', '.join(SIGNING_ALGS)}.")
    if not 0 < len(iss) <= 300 or not iss.isprintable():
        raise onboarding.RegistrationRefusedError("Le nom de l'éditeur (iss) est vide, trop long ou illisible.")
    try:
        read_keys(cast(Any, jwks))
    except OutgoingRefusedError:
        raise onboarding.RegistrationRefusedError("Le fichier ne contient aucune clé publique lisible.") from None
    found = Publisher.with_iss(iss)
    if found is not None and found.partenaire_id != partenaire.id:
        raise onboarding.RegistrationRefusedError(f"L'éditeur « {iss} » est celui du partenaire « {found.partenaire.code} ».")
    if found is None:
        found = Publisher(partenaire=partenaire, iss=iss, created_at=now)
        db.session.add(found)
    found.alg, found.jwks, found.terms, found.enabled = alg, dict(jwks), terms.dump(), True
    _told(partenaire, f"software publisher {iss}"[:200], now)
    return found


def stop_publisher(iss: str, now: datetime) -> None:
    """Believe it no more; clients already registered stay. Raises RegistrationRefusedError."""
    found = Publisher.with_iss(iss)
    if found is None or not found.enabled:
        raise onboarding.RegistrationRefusedError(f"Aucun éditeur « {iss} » n'est reconnu.")
    found.enabled = False
    _told(found.partenaire, f"software publisher stopped {iss}"[:200], now)


def _told(partenaire: Partenaire, change: str, now: datetime) -> None:
    db.session.flush()
    journal.record(PartenaireChanged(partenaire=partenaire.code, change=change, actor=onboarding.ACTOR), now)
    Version.bump(VERSION)
