"""What was agreed with each partner about accounts, as the operator registered it with one of its clients.

`linking_return_uris` opens the link, `linking_initiate_uri` lets it begin at MAG, `linking_max_acr` says what a sign-in there is worth
here, `linking_several` lets several accounts of the partner's be one identity. The first client that has them speaks for its partner.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from idp.errors import RefusedError
from idp.oidc.client import Client, origin_of
from idp.oidc.client_auth import Clients
from partners.rattachement.refus import PartenaireSansAccordError, RetourInconnuError


@dataclass(frozen=True, slots=True)
class Accord:
    """An agreement in force: an enabled client of an enabled partner."""

    client: Client

    @property
    def code(self) -> str:
        return self.client.partenaire

    @property
    def nom(self) -> str:
        return self.client.client_name

    @property
    def navigates(self) -> bool:
        """Whether its word opens sessions."""
        return bool(self.client.linking_max_acr)

    @property
    def origins(self) -> str:
        """Where answers may end (Content-Security-Policy)."""
        addresses = (*self.client.linking_return_uris, self.client.linking_initiate_uri)
        return " ".join(dict.fromkeys(origin_of(address) for address in addresses if address))

    def check_return(self, address: str) -> None:
        """Character for character (RFC 9700 section 2.1). Raises RetourInconnuError."""
        if address not in self.client.linking_return_uris:
            raise RetourInconnuError(f"{self.client.client_id}: {address[:100]!r}")


def every(clients: Iterable[Client]) -> list[Accord]:
    """One for each partner, by name."""
    found: dict[str, Client] = {}
    for client in sorted(clients, key=lambda one: one.client_id):
        if client.linking_return_uris and client.partenaire:
            found.setdefault(client.partenaire, client)
    return sorted(map(Accord, found.values()), key=lambda accord: (accord.nom.casefold(), accord.code))


def of_partner(clients: Clients, code: str) -> Accord:
    """Raises PartenaireSansAccordError."""
    found = next((accord for accord in every(clients.every()) if accord.code == code), None)
    if found is None:
        raise PartenaireSansAccordError(f"partner {code[:60]!r}")
    return found


def of_client(clients: Clients, client_id: object) -> Accord:
    """Of the client that signed. Raises PartenaireSansAccordError."""
    client = clients.find(client_id) if isinstance(client_id, str) and client_id.isascii() and len(client_id) <= 100 else None
    if client is None or not client.linking_return_uris:
        raise PartenaireSansAccordError(f"client {str(client_id)[:60]!r}")
    found = of_partner(clients, client.partenaire)
    if found.client.client_id != client.client_id:
        raise PartenaireSansAccordError(f"{client.client_id} does not speak for {client.partenaire}")
    return found


def exists(clients: Clients, code: str) -> bool:
    """Whether accounts of this partner still lead anywhere."""
    try:
        of_partner(clients, code)
    except RefusedError:
        return False
    return True
