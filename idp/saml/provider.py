"""A service provider, as the protocol sees it: what its metadata say, what the operator decided. Pure values; who finds them is outside."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from urllib.parse import urlsplit

from idp.authentication.session import Session
from idp.saml.assertion import Statement
from idp.saml.vocabulary import PERSISTENT, TRANSIENT

CODE = "saml:"
"""Before the short name of a service provider, wherever clients are named: the journal, agreements, policies."""


@dataclass(frozen=True, slots=True)
class Consumer:
    """An assertion consumer service of the POST binding (metadata section 2.4.4)."""

    index: int
    url: str
    default: bool = False


@dataclass(frozen=True, slots=True)
class LogoutService:
    """Where it is told of logouts, and where it is answered (metadata section 2.2.2)."""

    binding: str
    url: str
    response_url: str


@dataclass(frozen=True, slots=True)
class AttributeService:
    """A set of attributes that a request may name (metadata section 2.4.4.1)."""

    index: int
    names: tuple[str, ...]
    default: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceProvider:
    """One enabled service provider."""

    code: str
    entity_id: str
    name: str
    partenaire: str = ""
    consumers: tuple[Consumer, ...]
    logouts: tuple[LogoutService, ...] = ()
    signing: tuple[bytes, ...] = ()
    """Certificates, in DER."""
    encryption: bytes = b""
    encryption_method: str = ""
    """RSA-OAEP in the form that it announces; empty for the one that everybody reads."""
    attribute_services: tuple[AttributeService, ...] = ()
    require_signed: bool = True
    sign: tuple[str, ...] = ("response", "assertion")
    alg: str = "RS256"
    encrypt: bool = False
    name_id_formats: tuple[str, ...] = (PERSISTENT, TRANSIENT)
    """The first is what it gets when it does not choose."""
    scope: frozenset[str] = frozenset()
    """What it may be told, in the words of OpenID Connect."""
    sector: str = ""
    """Whose persistent identifiers it shares; its own when empty."""
    first_party: bool = True
    idp_initiated: bool = False
    hab_bound: int | None = None
    uris: Mapping[str, str] = field(default_factory=dict, hash=False)
    """`logo`, `policy` and `tos`, where it has some: of its metadata, or the operator's."""

    @property
    def client_id(self) -> str:
        return CODE + self.code

    @property
    def client_name(self) -> str:
        return self.name

    @property
    def host(self) -> str:
        """What a person recognises."""
        return urlsplit(self.default_consumer.url).netloc

    @property
    def default_consumer(self) -> Consumer:
        """Metadata section 2.4.4: the one marked so, else the first."""
        return next((one for one in self.consumers if one.default), self.consumers[0])

    def consumer(self, url: str, index: int | None) -> Consumer | None:
        """The one that a request names, to the letter; None when it is no consumer of this service provider."""
        if url:
            return next((one for one in self.consumers if one.url == url), None)
        if index is not None:
            return next((one for one in self.consumers if one.index == index), None)
        return self.default_consumer

    def attributes(self, index: int | None) -> frozenset[str] | None:
        """Names that a request asks for; None for all that may be told. Raises LookupError for an index that does not exist."""
        if index is None:
            found = next((one for one in self.attribute_services if one.default), None)
            return frozenset(found.names) if found else None
        return frozenset(next(one for one in self.attribute_services if one.index == index).names)


@dataclass(frozen=True, slots=True)
class Told:
    """What one service provider learns of a person: a stable name, and values by the names of claims."""

    subject: str
    values: Mapping[str, Any]
    agreement: str = ""
    """Code of the agreement between bodies that the assertion is made under, if there is one."""
    assertion_id: str = ""
    """Then, the name of the assertion: MAG alone reads in it whom it is about."""


class ServiceProviders(Protocol):
    """The registry."""

    def find(self, entity_id: str) -> ServiceProvider | None: ...
    def with_code(self, code: str) -> ServiceProvider | None: ...
    def every(self) -> Iterable[ServiceProvider]: ...


class Teller(Protocol):
    """Who decides what is told: the same as for OpenID Connect."""

    def tell(self, provider: ServiceProvider, session: Session, now: datetime) -> Told | None:
        """None for a person who may no longer enter. Raises SamlError when no agreement in force opens the service provider."""

    def keep(self, provider: ServiceProvider, told: Told, said: Statement) -> None:
        """Evidence of an assertion made under an agreement, before it leaves and before anything of the transaction is flushed."""

    def scopes(self, provider: ServiceProvider) -> list[str]:
        """What a person agrees to."""


class Site(Protocol):
    """What a person recognises of a partner, whatever its protocol."""

    @property
    def client_name(self) -> str: ...
    @property
    def host(self) -> str: ...


class Finder(Protocol):
    def find(self, client_id: str, /) -> Site | None: ...


@dataclass(frozen=True, slots=True)
class Sites:
    """Both registries, by the names that agreements and the journal have for partners."""

    clients: Finder
    providers: ServiceProviders

    def find(self, client_id: str, /) -> Site | None:
        if client_id.startswith(CODE):
            return self.providers.with_code(client_id.removeprefix(CODE))
        return self.clients.find(client_id)
