"""A sign-in that somebody else starts: MAG's home page sends a person to a partner, who comes back to ask who it is.

Implements OpenID Connect Core section 4: `iss` is told; `target_link_uri`, and `login_hint` where the partner gave it, by links that
lead to a resource alone (`partners/acces`). From the home page, the session tells who it is, and the partner knows where it begins.
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


def address(client: Client, issuer: str, **more: str) -> str:
    """Section 4: parameters join those the address has already; `more` are `target_link_uri` and `login_hint`."""
    joined = "&" if urlsplit(client.initiate_login_uri).query else "?"
    return f"{client.initiate_login_uri}{joined}{urlencode({'iss': issuer, **more})}"
