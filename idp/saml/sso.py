"""Web Browser SSO (SAML profiles section 4.1): from a request to a response, or to the page that is needed first.

The session, the mire, the second factor and the agreement are those of OpenID Connect; a request in progress travels as theirs do
(`authentication/demande.py`), and comes back here. ours: responses go by HTTP-POST alone; a request is answered by one assertion.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Protocol
from urllib.parse import urlsplit

from idp.authentication.demande import Demande
from idp.authentication.factors.policy import Policies
from idp.authentication.session import Session
from idp.config import Settings
from idp.database import Connections, Kept
from idp.demands import demanded
from idp.ephemeral import Ephemeral
from idp.habilitations.disclosure import services_of_scope
from idp.habilitations.droits import Catalogue
from idp.keys import Keyring
from idp.saml.assertion import Statement, assertion, response
from idp.saml.attributes import attributes
from idp.saml.bindings import Arrived, Departure, by_post
from idp.saml.checks import AGE, CHECKS, SKEW, TRUST, Received, consumer_of, context_of
from idp.saml.dispatch import Progress, Step, next_step
from idp.saml.encryption import OAEP, encrypted
from idp.saml.errors import RESPONDER, SUCCESS, UNKNOWN_PRINCIPAL, SamlError, StaleMessageError, UnknownProviderError
from idp.saml.keyring import Published, SamlKeys
from idp.saml.metadata import Self, write_metadata
from idp.saml.provider import ServiceProvider, ServiceProviders, Teller, Told
from idp.saml.request import AuthnRequest, issuer_of, read_request
from idp.saml.signature import Signer, sign_element
from idp.saml.vocabulary import PERSISTENT, UNSPECIFIED, Element
from idp.seals import b64, digest, random_token

ANSWERED = "saml_repondu"
TARGET = "/saml/sso"


@dataclass(frozen=True)
class Saml:
    """What the protocol needs of outside: who the service providers are, what is told, the keys."""

    providers: ServiceProviders
    teller: Teller
    keys: SamlKeys


class Components(Protocol):
    """What the endpoint needs of the process."""

    @property
    def settings(self) -> Settings: ...
    @property
    def connections(self) -> Connections: ...
    @property
    def ephemeral(self) -> Ephemeral: ...
    @property
    def keyring(self) -> Keyring: ...
    @property
    def catalogue(self) -> Kept[Catalogue]: ...
    @property
    def policies(self) -> Kept[Policies]: ...
    @property
    def saml(self) -> Saml: ...


def new_id() -> str:
    """Core section 1.3.4: 160 bits, and a letter first."""
    return "_" + random_token(20)


@dataclass(frozen=True)
class Signon:
    """One request that is its service provider's, at one instant."""

    mag: Components
    request: AuthnRequest
    provider: ServiceProvider
    now: datetime

    # ------------------------------------------------------------------------------------------------------------- arriving

    @classmethod
    def receive(cls, mag: Components, arrived: Arrived, now: datetime) -> "Signon":
        """Verified: from here on, what is read is what was signed. Raises MessageRefusedError, UnknownProviderError, StaleMessageError."""
        provider = provider_of(mag.saml, issuer_of(arrived.root))
        root = arrived.verified(provider.signing) if arrived.signed else arrived.root
        request = read_request(root, arrived.relay_state)
        found = cls(mag, request, provider, now)
        received = Received(request, provider, found.endpoint, arrived.signed, now)
        for check in TRUST:
            check(received)
        return found

    @classmethod
    def resume(cls, mag: Components, kept: Mapping[str, str], now: datetime) -> "Signon":
        """A request that was verified before. Raises UnknownProviderError when its service provider left meanwhile."""
        request = AuthnRequest.load(kept)
        found = cls(mag, request, provider_of(mag.saml, request.issuer), now)
        consumer_of(found.received)
        return found

    @classmethod
    def unasked(cls, mag: Components, code: str, relay_state: str, now: datetime) -> "Signon":
        """Profiles section 4.1.5: MAG begins, where the operator allows it. Raises UnknownProviderError."""
        provider = mag.saml.providers.with_code(code)
        if provider is None or not provider.idp_initiated:
            raise UnknownProviderError(f"no service provider {code!r} that MAG may begin with")
        return cls(mag, AuthnRequest(id="", issuer=provider.entity_id, relay_state=relay_state), provider, now)

    # -------------------------------------------------------------------------------------------------------------- deciding

    @property
    def endpoint(self) -> str:
        return self.mag.settings.issuer + TARGET

    @cached_property
    def received(self) -> Received:
        return Received(self.request, self.provider, self.endpoint, True, self.now)

    @cached_property
    def recipient(self) -> str:
        return consumer_of(self.received).url

    @cached_property
    def scope(self) -> list[str]:
        return self.mag.saml.teller.scopes(self.provider)

    def step(self, session: Session | None, progress: Progress) -> Step:
        """Raises SamlError."""
        for check in CHECKS:
            check(self.received)
        context, scope = context_of(self.request), frozenset(self.scope)
        return next_step(self.request, context, session, progress, scope=scope, first_party=self.provider.first_party)

    def demanded(self, session: Session | None) -> bool:
        """Whether a policy calls for two factors: by service provider, by what it is told."""
        services = services_of_scope(self.scope)
        return session is not None and demanded(self.mag, self.provider.client_id, services, session, self.now)

    def demande(self, presented: str) -> Demande:
        """This request, while a page asks something of the person. `presented`: tells one session cookie from another."""
        at = urlsplit(self.recipient)
        return Demande(
            target=TARGET,
            parameters=self.request.dump(),
            client_id=self.provider.client_id,
            client_name=self.provider.name,
            client_host=at.netloc,
            client_logo=self.provider.uris.get("logo", ""),
            form_action=f"{at.scheme}://{at.netloc}",
            asked_at=int(self.now.timestamp()),
            before=presented,
        )

    # ------------------------------------------------------------------------------------------------------------- answering

    def check_first(self) -> None:
        """A request is answered by one assertion, whatever is sent again. Raises StaleMessageError."""
        if not self.request.id:
            return
        made_at = (self.request.issued_at or self.now).timestamp()
        lifetime = self.mag.settings.demande_lifetime + int((AGE + 2 * SKEW).total_seconds())
        if not self.mag.ephemeral.add(ANSWERED, digest(f"{self.provider.entity_id}\0{self.request.id}"), lifetime, made_at=made_at):
            raise StaleMessageError(f"request {self.request.id} was answered already")

    def told(self, session: Session) -> Told:
        """Raises SamlError for somebody who may no longer enter."""
        told = self.mag.saml.teller.tell(self.provider, session, self.now)
        if told is None:
            raise SamlError(RESPONDER, UNKNOWN_PRINCIPAL, "the person may no longer sign in")
        return told

    def issue(self, session: Session) -> tuple[Departure, dict[str, object]]:
        """The response, signed, and the row that says who takes part in the session. Raises SamlError, StaleMessageError."""
        told = self.told(session)
        self.check_first()
        form = self._name_id_format()
        name = told.subject if form == PERSISTENT else self._transient(session)
        statement = self._statement(session, told, name, form)
        self.mag.saml.teller.keep(self.provider, told, statement)
        made = assertion(statement)
        row: dict[str, object] = {
            "sid": session.sid,
            "client_id": self.provider.client_id,
            "declarant_id": session.declarant_id,
            "name_id": name,
            "name_id_format": form,
            "opened_at": self.now,
            "expires_at": datetime.fromtimestamp(session.expires_at, UTC),
        }
        return self._post(self._signed(made)), row

    def refuse(self, error: SamlError) -> Departure:
        """Core section 3.2.2: why there is no assertion; signed, so that nobody else says so."""
        answer = self._response(error.status, error.second, message=error.message)
        sign_element(answer, self._signer, 1)
        return self._post(answer)

    @property
    def _signer(self) -> Signer:
        return self.mag.saml.keys.published().signer(self.provider.alg)

    def _name_id_format(self) -> str:
        asked = self.request.name_id_format
        return self.provider.name_id_formats[0] if asked in ("", UNSPECIFIED) else asked

    def _transient(self, session: Session) -> str:
        """Core section 8.3.8: of one session, and nothing that two service providers, or two sessions, could compare."""
        return "_" + b64(self.mag.keyring.mac("saml-transient", f"{session.sid}|{self.provider.client_id}".encode()))

    def _statement(self, session: Session, told: Told, name: str, form: str) -> Statement:
        context = context_of(self.request).answered(session.acr)
        return Statement(
            id=told.assertion_id or new_id(),
            issuer=self.mag.settings.issuer,
            audience=self.provider.entity_id,
            recipient=self.recipient,
            in_response_to=self.request.id,
            name_id=name,
            name_id_format=form,
            name_qualifier=self.provider.sector or self.provider.entity_id,
            session_index=session.sid,
            signed_in_at=datetime.fromtimestamp(session.auth_time, UTC),
            session_until=datetime.fromtimestamp(session.expires_at, UTC),
            context=context or "",
            attributes=attributes(told.values, self.provider.attributes(self.request.attributes)),
            now=self.now,
        )

    def _signed(self, made: Element) -> Element:
        """The assertion signed before it is encrypted, the response after (core section 6.2)."""
        provider = self.provider
        if "assertion" in provider.sign:
            sign_element(made, self._signer, 1)
        answer = self._response(SUCCESS)
        answer.append(encrypted(made, provider.encryption, provider.encryption_method or OAEP) if provider.encrypt else made)
        if "response" in provider.sign:
            sign_element(answer, self._signer, 1)
        return answer

    def _response(self, *statuses: str, message: str = "") -> Element:
        issuer, to = self.mag.settings.issuer, self.recipient
        return response("samlp:Response", new_id(), issuer, to, self.request.id, self.now, *statuses, message=message)

    def _post(self, answer: Element) -> Departure:
        return by_post("SAMLResponse", answer, self.request.relay_state, self.recipient)


def provider_of(saml: Saml, entity_id: str) -> ServiceProvider:
    """Raises UnknownProviderError."""
    found = saml.providers.find(entity_id)
    if found is None:
        raise UnknownProviderError(f"no service provider {entity_id[:200]!r}")
    return found


def metadata_of(mag: Components, now: datetime) -> bytes:
    """What MAG publishes of itself."""
    issuer = mag.settings.issuer

    def write(published: Published) -> bytes:
        said = Self(issuer, issuer + TARGET, f"{issuer}/saml/slo", published.certificates, "MAG", issuer)
        return write_metadata(said, published.signer("RS256"), new_id(), now)

    return mag.saml.keys.document(write, now)
