"""Where a link leads: which client of the partner, which resource, for whom. Nothing here signs anybody in, or redirects.

A resource is held by the client whose prefix is the nearest. Clients of the sandbox lead nowhere: anybody may register one.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from idp.declarants.models import Declarant
from idp.entreprises.siret import Siret
from idp.oidc import third_party_login
from idp.oidc.client import Client
from idp.oidc.client_auth import Clients
from idp.oidc.link_prefixes import AmbiguousAddressError, longest_holding, read_place
from idp.oidc.responses import origin
from idp.oidc.subjects import Subjects
from idp.seals import Seals
from partners.acces import signature
from partners.acces.models import Lien
from partners.acces.refus import LienFiniError, LienInconnuError, RessourceEtrangereError, RessourceIllisibleError


@dataclass(frozen=True, slots=True)
class Chemin:
    """A way that is open."""

    client: Client
    ressource: str
    lien: Lien | None = None

    @property
    def host(self) -> str:
        """What a person must recognise."""
        return urlsplit(self.ressource).netloc

    @property
    def siret(self) -> str:
        """For which establishment, when the partner says so."""
        return str(Siret.of(self.lien.siret)) if self.lien and self.lien.siret else ""

    @property
    def origins(self) -> str:
        """Where the redirects of the sign-in may end (Content-Security-Policy)."""
        addresses = (self.ressource, self.client.initiate_login_uri, self.client.client_uri, *self.client.redirect_uris)
        return " ".join(dict.fromkeys(origin(address) for address in addresses if address))

    @property
    def back(self) -> str:
        """Where the partner begins, for whoever gives up."""
        return self.client.client_uri or f"{origin(self.ressource)}/"

    def onward(self, issuer: str) -> str:
        """OpenID Connect Core section 4; the resource itself, for a partner that takes no such sign-in."""
        if not self.client.initiate_login_uri:
            return self.ressource
        hint = {"login_hint": self.siret} if self.siret else {}
        return third_party_login.address(self.client, issuer, target_link_uri=self.ressource, **hint)

    def is_for(self, person: Declarant, subjects: Subjects, clients: Clients) -> bool:
        """Whether this is who the partner thought of; anybody, when it did not say."""
        if self.lien is None:
            return True
        if self.lien.siret is not None:
            return int(person.siret) == self.lien.siret
        maker = clients.find(self.lien.client_id)
        return self.lien.sub is None or maker is None or subjects.of(maker, person.uid) == self.lien.sub


def find(clients: Clients, seals: Seals, code: str, ressource: str, lien: str, now: datetime) -> Chemin:
    """The way that an address of MAG's asks for, by a signed link or a bare resource. Raises RefusedError."""
    ours = of_partner(clients.every(), code)
    if not ours:
        raise LienInconnuError(f"partner {code[:60]!r}")
    if not lien:
        return _led(ours, ressource)
    identifier = signature.read(seals, code, lien)
    found = Lien.named(identifier, code) if identifier else None
    if found is None:
        raise LienInconnuError("no such link")
    if not found.lives(now):
        raise LienFiniError(f"link {found.id}", found.partenaire.nom)
    return _led(ours, found.ressource, found)


def of_partner(clients: Iterable[Client], code: str) -> list[Client]:
    """Clients that links may lead to: the partner's own, which an operator registered."""
    return [client for client in clients if client.partenaire == code and client.link_prefixes and not client.profile.test_identities]


def _led(clients: list[Client], ressource: str, lien: Lien | None = None) -> Chemin:
    client = holder(clients, ressource)
    if client is None:
        raise RessourceEtrangereError(f"resource at {urlsplit(ressource).netloc[:100]!r}", clients[0].client_name)
    return Chemin(client, ressource, lien)


def holder(clients: Iterable[Client], ressource: str) -> Client | None:
    """Whose prefix is the nearest of an address. Raises RessourceIllisibleError."""
    try:
        place = read_place(ressource)
    except AmbiguousAddressError as error:
        raise RessourceIllisibleError(f"resource: {error}") from None
    ranked = [(longest_holding(client.link_prefixes, place), client) for client in clients]
    near = max((length for length, _ in ranked), default=-1)
    return min((client for length, client in ranked if length == near), key=lambda one: one.client_id) if near >= 0 else None
