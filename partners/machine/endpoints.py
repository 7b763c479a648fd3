"""The machine door: a password against a token, for payroll software that knows no other way.

The same ceremony as the sign-in page, its brakes, its journal and its constant work; what this format makes MAG tell more is
written in docs/interops.md. A second factor is never passed over: an account that has one, or must have one, is answered as a wrong
password is. Each service code names a client of the registry (`MAG_MACHINE_DOOR`): tokens are that client's, which introspects them.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from idp.audit import journal
from idp.audit.journal import circumstances
from idp.authentication import ceremony
from idp.authentication.ceremony import Candidate, ChallengeRequiredError, IdentificationRefusedError, Means
from idp.authentication.devices import Device
from idp.authentication.levels import AMR, PASSWORD
from idp.authentication.password_policy import holds, in_force, own_words
from idp.authentication.throttle import TooManyAttemptsError
from idp.config import Settings
from idp.database import UNAVAILABLE, db
from idp.declarants.models import Declarant
from idp.declarants.parcours import conditions
from idp.errors import OverloadedError, StoreUnavailableError
from idp.habilitations.decision import services_of
from idp.habilitations.disclosure import SCOPE
from idp.logs import note
from idp.oidc.alive import Alive
from idp.oidc.client import Client
from idp.oidc.errors import TokenError
from idp.oidc.families import Grant
from idp.oidc.issuing import Issuer
from idp.oidc.tokens import Reader
from idp.oidc.wire import Answer, Environ, UnreadableRequestError, read_body
from idp.seals import random_token
from partners.machine import reponses
from partners.machine.demande import LARGEST, DangereuseError, Demande, FormeError, read
from partners.machine.events import MachineDoorOpened, MachineDoorRefused

if TYPE_CHECKING:
    from idp.http import Mag

PATH, TOKEN_PATH = "/authentifier/1.0/", "/authentifier/1.0/jeton"
KINDS = frozenset({"application/xml", "text/xml"})
TOLD = ("openid", "siret")
"""Scopes that a token has beside its service's, when its client has them."""
SCHEME, MEMBER = "dsnlogin", "jeton="
Context = Callable[[], AbstractContextManager[Any]]


@dataclass(frozen=True, slots=True)
class Porte:
    """One service of the door."""

    client_id: str
    service: str
    """Code of MAG's catalogue."""


def portes(settings: Settings) -> dict[str, Porte]:
    """By code of the format: `25:dsn-depot:dsn`."""
    parts = (text.split(":") for text in settings.machine_door)
    return {code: Porte(client_id, service) for code, client_id, service in parts}


class MachineDoor:
    """Both addresses, for one process."""

    def __init__(self, mag: "Mag", context: Context, means: Callable[[], Means], issuer: Issuer) -> None:
        self.mag, self.context, self.means, self.issuer = mag, context, means, issuer
        self.portes = portes(mag.settings)
        self.reader = Reader(mag.settings, mag.keyring)
        self.alive = Alive(mag.ephemeral, issuer.families, issuer.people)

    # ------------------------------------------------------------------------------------------------------ a password against a token

    def sign_in(self, environ: Environ) -> Answer:
        """One answer to whatever is wrong with an identity."""
        if str(environ.get("CONTENT_TYPE", "")).split(";", 1)[0].strip().lower() not in KINDS:
            return reponses.MALFORMED_ANSWER
        try:
            demande = read(read_body(environ, LARGEST))
        except (FormeError, UnreadableRequestError):
            return reponses.MALFORMED_ANSWER
        except DangereuseError as error:
            note("machine door refused a dangerous document", kind=str(error))
            return reponses.DANGEROUS_ANSWER
        porte = self.portes.get(demande.service)
        if porte is None:
            return reponses.MALFORMED_ANSWER
        client = self.mag.registry.find(porte.client_id)
        if client is None or client.sender_constrained or porte.service not in self.mag.catalogue().services:
            note("machine door has no such client or service", service=demande.service)
            return reponses.CLOSED_ANSWER
        return self._acted(demande, porte, client, software_of(environ))

    def _acted(self, demande: Demande, porte: Porte, client: Client, software: str | None) -> Answer:
        """One transaction; a refusal leaves its line too."""
        with self.context():
            try:
                answer = self._identified(demande, porte, client, software, datetime.now(UTC))
                db.session.commit()
            except OverloadedError:
                db.session.rollback()
                return reponses.CLOSED_ANSWER
            except UNAVAILABLE as error:
                db.session.rollback()
                raise StoreUnavailableError(f"database: {type(error).__name__}") from error
            except BaseException:
                db.session.rollback()
                raise
            return answer

    def _identified(self, demande: Demande, porte: Porte, client: Client, software: str | None, now: datetime) -> Answer:
        address = circumstances.get().address or "0.0.0.0"  # noqa: S104  # any address
        candidate = Candidate(demande.identite, demande.password, Device.read(""), address, client_id=client.client_id)
        try:
            person = ceremony.identify(self.means(), candidate, now)
        except IdentificationRefusedError as error:
            return reponses.BRAKED_ANSWER if str(error).startswith("L") else reponses.UNKNOWN_ANSWER
        except (ChallengeRequiredError, TooManyAttemptsError):
            return reponses.TOO_MANY_ANSWER
        subject: dict[str, Any] = {"declarant_id": person.id, "siret": int(person.siret), "client_id": client.client_id}
        subject |= {"service": porte.service, "software": software}
        if refused := self._lacking(person, demande.password, porte, client, now):
            reason, answer = refused
            journal.record(MachineDoorRefused(reason=reason, **subject), now)
            return answer
        try:
            token = self._token(person, porte, client, now)
        except TokenError as error:  # an agreement that names this client asks for what the format cannot show
            journal.record(MachineDoorRefused(reason=f"no token: {error.error}", **subject), now)
            note("machine door gives no token", service=porte.service, client_id=client.client_id, why=error.description)
            return reponses.CLOSED_ANSWER
        journal.record(MachineDoorOpened(**subject), now)
        note("token issued", grant="machine-door", client_id=client.client_id, declarant_id=person.id)
        made = self.reader.issued(token)
        return reponses.given(token, datetime.fromtimestamp(made.claims["exp"], UTC)) if made else reponses.CLOSED_ANSWER

    def _lacking(self, person: Declarant, password: str, porte: Porte, client: Client, now: datetime) -> tuple[str, Answer] | None:
        """What a right password does not settle, and its answer, in this order."""
        held = services_of(self.mag.connections, self.mag.catalogue(), person.id, now)
        rights = {code: frozenset(str(droit) for droit in droits) for code, droits in held.items()}
        if person.second_factor or self._needs_factor(person, rights, porte, client, now):
            return "second factor", reponses.UNKNOWN_ANSWER
        if not holds(password, in_force(self.mag.settings), own_words(person.siret, person.nom, person.prenom)):
            return "weak password", reponses.PASSWORD_OVER_ANSWER
        if conditions.to_accept(person, now) is not None:
            return "conditions", reponses.TO_ACCEPT_ANSWER
        if porte.service not in held:
            return "no right", reponses.NOT_ENROLLED_ANSWER
        return None

    def _needs_factor(self, person: Declarant, rights: Mapping[str, frozenset[str]], porte: Porte, client: Client, now: datetime) -> bool:
        """Two factors are asked of this person, or for this service."""
        policies = self.mag.policies()
        deadline = policies.deadline(person.role, rights, person.opened_at)
        services = {porte.service}
        asked = policies.demands(client.client_id, services, now) or policies.demands_for_rights(rights, services, now)
        return asked or person.renforcer_at is not None or (deadline is not None and deadline <= now)

    def _token(self, person: Declarant, porte: Porte, client: Client, now: datetime) -> str:
        scope = [one for one in (*TOLD, SCOPE + porte.service) if one in client.scope]
        context = {
            **{"uid": person.uid, "version": person.version, "scope": scope, "auth_time": int(now.timestamp())},
            **{"acr": PASSWORD, "amr": list(AMR), "nonce": "", "id_token": [], "userinfo": []},
        }
        grant = Grant(person.id, "", True, random_token(16), context)
        return str(self.issuer.for_bearer(client, grant, scope, None, kind="machine-door")["access_token"])

    # --------------------------------------------------------------------------------------------------------------- is it still good

    def check(self, environ: Environ) -> Answer:
        """A token shown as the format does: whether it still is one, and until when."""
        scheme, _, rest = str(environ.get("HTTP_AUTHORIZATION", "")).partition(" ")
        text = rest.strip().removeprefix(MEMBER)
        token = self.reader.issued(text) if scheme.lower() == SCHEME and rest.strip().startswith(MEMBER) else None
        if token is None or token.claims["client_id"] not in {porte.client_id for porte in self.portes.values()}:
            return reponses.NO_TOKEN_ANSWER
        if token.claims["exp"] <= datetime.now(UTC).timestamp():
            return reponses.TOKEN_OVER_ANSWER
        if not token.handle.declarant_id or self.alive.person_of(token) is None:
            return reponses.NO_TOKEN_ANSWER
        return Answer(204, b"", reponses.TEXT, (reponses.expires(datetime.fromtimestamp(token.claims["exp"], UTC)),))


def software_of(environ: Environ) -> str | None:
    """`Client-DSN (logiciel/version; éditeur)`, as it calls itself."""
    named = str(environ.get("HTTP_USER_AGENT", ""))[:120]
    return named if named.isascii() and named.isprintable() and named else None
