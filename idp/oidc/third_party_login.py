"""A sign-in that somebody else starts: MAG's home page sends a person to a partner, who comes back to ask who it is.

Implements OpenID Connect Core section 4: `iss` is told, `login_hint` and `target_link_uri` are left out on purpose: the session
tells who it is, and the partner knows where it begins.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from idp.oidc.client import Client


@dataclass(frozen=True, slots=True)
class Lieu:
    """Where a person may go from here."""

    nom: str
    host: str
    address: str


def lieux(clients: Iterable[Client], issuer: str) -> list[Lieu]:
    """First-party clients that a sign-in may be started at, by name. Whoever registered itself is not one of them."""
    found = (Lieu(c.client_name, urlsplit(c.initiate_login_uri).netloc, address(c, issuer)) for c in clients if _is_listed(c))
    return sorted(found, key=lambda lieu: (lieu.nom.casefold(), lieu.address))


def _is_listed(client: Client) -> bool:
    return bool(client.initiate_login_uri) and client.first_party and not client.profile.test_identities


def address(client: Client, issuer: str) -> str:
    """Section 4: parameters join those the address has already."""
    joined = "&" if urlsplit(client.initiate_login_uri).query else "?"
    return f"{client.initiate_login_uri}{joined}{urlencode({'iss': issuer})}"
