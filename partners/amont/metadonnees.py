"""What a provider says of itself: fetched through the guard of outgoing calls, checked, kept, fetched again in time.

OpenID Connect Discovery section 4.3, RFC 8414 sections 3.1 and 3.3. A document that says another issuer is refused.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import orjson

from idp.logs import note
from partners.amont.models import Fournisseur
from partners.amont.refus import FournisseurInjoignableError
from partners.outgoing import Fetcher, OutgoingRefusedError

FRESH, STALE, QUIET = 3600.0, 24 * 3600.0, 30.0
"""Seconds during which a document is not asked again; serves when its provider is away; nobody tries again after a failure."""
MANY = 200
"""Documents kept."""


class MetadataError(ValueError):
    """The document cannot be used. The message says why, in French."""


@dataclass(frozen=True, slots=True)
class Metadonnees:
    """The members that MAG uses, checked."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str
    end_session_endpoint: str
    says_iss: bool
    """RFC 9207 section 3: it names itself in its answers."""
    document: Mapping[str, Any]

    @property
    def origin(self) -> str:
        """Where browsers are sent, for the policy of the page that sends them."""
        parts = urlsplit(self.authorization_endpoint)
        return f"{parts.scheme}://{parts.netloc}"


def addresses(issuer: str) -> tuple[str, str]:
    """Where the document may be: OpenID Connect Discovery section 4, then RFC 8414 section 3.1."""
    parts = urlsplit(issuer)
    return (
        f"{issuer.rstrip('/')}/.well-known/openid-configuration",
        f"{parts.scheme}://{parts.netloc}/.well-known/oauth-authorization-server{parts.path.rstrip('/')}",
    )


def read(issuer: str, document: Any, fetcher: Fetcher) -> Metadonnees:
    """Raises MetadataError; OutgoingRefusedError for an address that may not be called."""
    if not isinstance(document, dict):
        raise MetadataError("le document de découverte n'est pas un objet JSON")
    if document.get("issuer") != issuer:
        raise MetadataError(f"le document de découverte est celui d'un autre émetteur ({str(document.get('issuer'))[:100]})")
    if "code" not in _texts(document, "response_types_supported", ("code",)):
        raise MetadataError("le flux « code » n'est pas proposé")
    found = {name: _address(document, name, fetcher, needed=True) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")}
    found |= {name: _address(document, name, fetcher) for name in ("userinfo_endpoint", "end_session_endpoint")}
    says_iss = document.get("authorization_response_iss_parameter_supported") is True
    return Metadonnees(issuer=issuer, says_iss=says_iss, document=document, **found)


def _texts(document: Mapping[str, Any], name: str, otherwise: tuple[str, ...] = ()) -> tuple[str, ...]:
    given = document.get(name, otherwise)
    return tuple(one for one in given if isinstance(one, str)) if isinstance(given, list | tuple) else ()


def _address(document: Mapping[str, Any], name: str, fetcher: Fetcher, *, needed: bool = False) -> str:
    given = document.get(name)
    if given is None and not needed:
        return ""
    if not isinstance(given, str) or "#" in given:
        raise MetadataError(f"« {name} » manque, ou n'est pas une adresse")
    fetcher.check(given)
    return given


@dataclass(slots=True)
class _Kept:
    found: Metadonnees | None = None
    fetched_at: float = float("-inf")
    tried_at: float = float("-inf")
    reason: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)


class Discovery:
    """Documents of providers, for one process."""

    def __init__(self, fetcher: Fetcher, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.fetcher, self._clock = fetcher, clock
        self._kept: dict[str, _Kept] = {}
        self._lock = threading.Lock()

    def of(self, fournisseur: Fournisseur) -> Metadonnees:
        """Raises FournisseurInjoignableError. Whoever comes while it is fetched waits, or has the last one known."""
        with self._lock:
            kept = self._kept.setdefault(fournisseur.issuer, _Kept())
            while len(self._kept) > MANY:
                self._kept.pop(next(iter(self._kept)))
        with kept.lock:
            now = self._clock()
            if now - kept.fetched_at >= FRESH and now - kept.tried_at >= QUIET:
                self._fetch(fournisseur, kept)
            if kept.found is None or self._clock() - kept.fetched_at >= STALE:
                raise FournisseurInjoignableError(kept.reason or "too old", fournisseur.nom)
            return kept.found

    def origin(self, fournisseur: Fournisseur) -> str:
        """Where browsers are sent, as far as is known without asking: a page must not wait for a provider."""
        kept = self._kept.get(fournisseur.issuer)
        parts = urlsplit(fournisseur.issuer)
        return kept.found.origin if kept is not None and kept.found is not None else f"{parts.scheme}://{parts.netloc}"

    def _fetch(self, fournisseur: Fournisseur, kept: _Kept) -> None:
        try:
            kept.found = self.fetch(fournisseur.issuer)
            kept.fetched_at, kept.tried_at = self._clock(), float("-inf")
            note("provider metadata fetched", fournisseur=fournisseur.code)
        except (OutgoingRefusedError, MetadataError) as error:
            kept.reason, kept.tried_at = str(error), self._clock()
            note("provider metadata not fetched", fournisseur=fournisseur.code, reason=str(error))

    def fetch(self, issuer: str) -> Metadonnees:
        """Now, whatever is kept. Raises OutgoingRefusedError, MetadataError."""
        self.fetcher.check(issuer)
        for address in addresses(issuer):
            answer = self.fetcher.ask("GET", address, {"Accept": "application/json"})
            if answer.status == 200:
                try:
                    return read(issuer, orjson.loads(answer.body), self.fetcher)
                except orjson.JSONDecodeError:
                    raise MetadataError("le document de découverte n'est pas du JSON") from None
        raise MetadataError("aucun document de découverte à cette adresse")
