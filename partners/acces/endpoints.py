"""The API of signed links: `/acces/v1/liens`, for a partner's software alone.

With an access token of its own (`client_credentials`, scope `acces:liens`). A link of another partner does not exist. ours: 600
requests a minute for each client; a hundred links a page.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from idp.entreprises.siret import Siret
from idp.logs import note
from idp.oidc.bearer import Bearers
from idp.oidc.client import Client
from idp.oidc.link_prefixes import SCOPE
from idp.oidc.metadata import LINKS
from idp.oidc.wire import Answer, Environ, json_answer, read_json, read_pairs
from partners.acces import creation, signature
from partners.acces.models import Lien
from partners.liens_api import NOT_FOUND, PAGE, LiensApi
from partners.transaction import Context

if TYPE_CHECKING:
    from idp.http import Mag

PATH = f"{LINKS}/liens"


class Liens(LiensApi):
    """Both addresses: the collection, and one link of it."""

    scope, resource, brake = SCOPE, LINKS, "acces-liens"

    def __init__(self, mag: "Mag", bearers: Bearers, context: Context) -> None:
        super().__init__(mag.settings, mag.ephemeral, bearers, context)
        self.mag = mag

    def collection(self, environ: Environ) -> Answer:
        return self.acted({"POST": self._make, "GET": self._list}[environ["REQUEST_METHOD"]], environ)

    def one(self, environ: Environ) -> Answer:
        return self.acted({"GET": self._read, "DELETE": self._revoke}[environ["REQUEST_METHOD"]], environ)

    # --------------------------------------------------------------------------------------------------------------- acts

    def _make(self, client: Client, environ: Environ, now: datetime) -> Answer:
        lien = creation.make(client, self.mag.registry.every(), creation.read(read_json(environ)), now)
        note("link made", client_id=client.client_id, lien=lien.id)
        return json_answer(self._told(lien, client), 201)

    def _list(self, client: Client, environ: Environ, _now: datetime) -> Answer:
        """A page of the partner's links, the latest first; `apres` is the last one of the page before."""
        found = Lien.of(client.partenaire, read_pairs(str(environ.get("QUERY_STRING", ""))).get("apres", ""), PAGE + 1)
        told = [self._told(lien, client) for lien in found[:PAGE]]
        return json_answer({"liens": told, **({"suite": found[PAGE - 1].id} if len(found) > PAGE else {})})

    def _read(self, client: Client, environ: Environ, _now: datetime) -> Answer:
        lien = self._named(client, environ)
        return json_answer(self._told(lien, client)) if lien else NOT_FOUND

    def _revoke(self, client: Client, environ: Environ, now: datetime) -> Answer:
        lien = self._named(client, environ)
        if lien is None:
            return NOT_FOUND
        creation.revoke(lien, now, client_id=client.client_id)
        note("link revoked", client_id=client.client_id, lien=lien.id)
        return Answer(204, b"")

    def _named(self, client: Client, environ: Environ) -> Lien | None:
        identifier = str(environ["PATH_INFO"]).removeprefix(self.prefix)
        return Lien.named(identifier, client.partenaire) if identifier.isascii() and len(identifier) == signature.IDENTIFIER else None

    def _told(self, lien: Lien, client: Client) -> dict[str, Any]:
        """A link as its partner reads it."""
        told: dict[str, Any] = {
            "id": lien.id,
            "url": signature.address(self.mag.keyring, self.mag.settings.issuer, client.partenaire, lien.id),
            "client_id": lien.client_id,
            "ressource": lien.ressource,
            "libelle": lien.libelle,
            "siret": str(Siret.of(lien.siret)) if lien.siret is not None else None,
            "sub": lien.sub,
            "usage_unique": lien.usage_unique,
            "created_at": int(lien.created_at.timestamp()),
            "expires_at": int(lien.expires_at.timestamp()),
            "used_at": int(lien.used_at.timestamp()) if lien.used_at else None,
            "revoked_at": int(lien.revoked_at.timestamp()) if lien.revoked_at else None,
        }
        return {name: value for name, value in told.items() if value is not None}
