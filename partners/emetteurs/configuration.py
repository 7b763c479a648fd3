"""What a transmitter says of itself: its configuration document, fetched through the guard of outgoing calls, and read with suspicion.

Implements Shared Signals Framework 1.0 sections 7.1 and 7.2 (transmitter configuration metadata, and where it is). A document that says
another issuer is refused. Left out on purpose: opening the stream there (section 8.1.1), which an operator and the transmitter agree on.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from partners.outgoing import Fetcher, OutgoingRefusedError

WELL_KNOWN = "/.well-known/ssf-configuration"
LONGEST = 1000


class ConfigurationError(ValueError):
    """It cannot be used. The message says why, in French."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """The members that MAG uses, checked."""

    jwks_uri: str
    verification_endpoint: str
    """Empty for a transmitter that has none."""


def address(issuer: str) -> str:
    """Section 7.2: the well-known word comes before the path of the issuer."""
    parts = urlsplit(issuer)
    return f"{parts.scheme}://{parts.netloc}{WELL_KNOWN}{parts.path.rstrip('/')}"


def fetch(fetcher: Fetcher, issuer: str) -> Configuration:
    """Raises ConfigurationError."""
    try:
        return read(issuer, fetcher.json(address(issuer)), fetcher)
    except OutgoingRefusedError as error:
        raise ConfigurationError(f"le document de configuration ne peut pas être lu ({error.public})") from error


def read(issuer: str, document: Any, fetcher: Fetcher) -> Configuration:
    """Raises ConfigurationError; OutgoingRefusedError for an address that may not be called."""
    if not isinstance(document, Mapping):
        raise ConfigurationError("le document de configuration n'est pas un objet JSON")
    if document.get("issuer") != issuer:
        raise ConfigurationError(f"le document de configuration est celui d'un autre émetteur ({str(document.get('issuer'))[:100]})")
    jwks_uri = _address(document, "jwks_uri", fetcher)
    if not jwks_uri:
        raise ConfigurationError("« jwks_uri » manque au document de configuration")
    return Configuration(jwks_uri, _address(document, "verification_endpoint", fetcher))


def _address(document: Mapping[str, Any], name: str, fetcher: Fetcher) -> str:
    given = document.get(name)
    if given is None:
        return ""
    if not isinstance(given, str) or "#" in given or len(given) > LONGEST:
        raise ConfigurationError(f"« {name} » n'est pas une adresse")
    fetcher.check(given)
    return given
