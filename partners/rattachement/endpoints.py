"""The API of linked accounts: `/rattachement/v1/liens`, for a partner's software alone.

With an access token of its own (`client_credentials`, scope `rattachement:liens`). It reads the links of its partner's accounts, ends one,
and may take that back for a week. A link of another partner does not exist. ours: 600 requests a minute for each client; a hundred links
a page.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from idp.database import db
from idp.logs import note
from idp.oidc.bearer import Bearers
from idp.oidc.client import Client
from idp.oidc.metadata import LINKED
from idp.oidc.metadata import LINKED_SCOPE as SCOPE
from idp.oidc.wire import Answer, Environ, json_answer, read_pairs
from partners.liens_api import NOT_FOUND, PAGE, LiensApi
from partners.rattachement import association
from partners.rattachement.association import Place
from partners.rattachement.models import Rattachement, Side
from partners.rattachement.refus import DejaRattacheError
from partners.transaction import Context

if TYPE_CHECKING:
    from idp.http import Mag

PATH = f"{LINKED}/liens"
RESTORE = "/retablir"
IDENTIFIER = 22
"""Characters."""
CONFLICT = json_answer({"error": "conflict", "error_description": "the account, or the identity, is linked otherwise by now"}, 409)


class Liens(LiensApi):
    """The collection, one link of it, and its return."""

    scope, resource, brake = SCOPE, LINKED, "rattachement-liens"

    def __init__(self, mag: "Mag", bearers: Bearers, context: Context) -> None:
        super().__init__(mag.settings, mag.ephemeral, bearers, context)
        self.mag = mag

    def collection(self, environ: Environ) -> Answer:
        return self.acted(self._list, environ)

    def one(self, environ: Environ) -> Answer:
        method, back = environ["REQUEST_METHOD"], str(environ["PATH_INFO"]).endswith(RESTORE)
        if back != (method == "POST"):
            return NOT_FOUND
        return self.acted({"GET": self._read, "DELETE": self._end, "POST": self._restore}[method], environ)

    # --------------------------------------------------------------------------------------------------------------- acts

    def _list(self, client: Client, environ: Environ, _now: datetime) -> Answer:
        """A page of the partner's living links; `apres` is the last one of the page before, `compte` asks about one account."""
        query = read_pairs(str(environ.get("QUERY_STRING", "")))
        if compte := query.get("compte", ""):
            row = Rattachement.of_account(client.partenaire, compte[:255])
            return json_answer({"liens": [self._told(row, client)] if row else []})
        found = Rattachement.of_partner(client.partenaire, query.get("apres", ""), PAGE + 1)
        told = [self._told(row, client) for row in found[:PAGE]]
        return json_answer({"liens": told, **({"suite": found[PAGE - 1].id} if len(found) > PAGE else {})})

    def _read(self, client: Client, environ: Environ, _now: datetime) -> Answer:
        row = self._named(client, environ)
        return json_answer(self._told(row, client)) if row else NOT_FOUND

    def _end(self, client: Client, environ: Environ, now: datetime) -> Answer:
        """Twice changes nothing. The store first: sessions that this link opened end with it."""
        row = self._named(client, environ)
        if row is None:
            return NOT_FOUND
        if row.closed_at is None:
            place, store, who = self._place(now), self.mag.ephemeral, client.client_id
            ended = association.end_sessions(place, store, row, client_id=who)
            if association.delier(place, row, Side.PARTENAIRE, client_id=who):
                note("link of accounts ended", client_id=who, rattachement=row.id)
            db.session.commit()
            association.end_sessions(place, store, row, ended, client_id=who)
        self.mag.messenger.wake()
        return Answer(204, b"")

    def _restore(self, client: Client, environ: Environ, now: datetime) -> Answer:
        """Of a link that the partner itself ended, within a week."""
        row = self._named(client, environ)
        if row is None:
            return NOT_FOUND
        try:
            done = row.closed_at is None or association.retablir(self._place(now), row, Side.PARTENAIRE, client_id=client.client_id)
        except DejaRattacheError:
            return CONFLICT
        return json_answer(self._told(row, client)) if done else CONFLICT

    def _place(self, now: datetime) -> Place:
        return Place(self.mag.settings, self.mag.registry, now)

    def _named(self, client: Client, environ: Environ) -> Rattachement | None:
        identifier = str(environ["PATH_INFO"]).removeprefix(self.prefix).removesuffix(RESTORE)
        return Rattachement.named(identifier, code=client.partenaire) if identifier.isascii() and len(identifier) == IDENTIFIER else None

    def _told(self, row: Rattachement, client: Client) -> dict[str, Any]:
        """A link as its partner reads it."""
        told: dict[str, Any] = {
            "id": row.id,
            "compte": row.compte,
            "sub": self.mag.mint.subjects.of(client, row.declarant.uid),
            "origine": row.origine,
            "opened_at": int(row.opened_at.timestamp()),
            "used_at": int(row.used_at.timestamp()) if row.used_at else None,
            "closed_at": int(row.closed_at.timestamp()) if row.closed_at else None,
            "closed_by": row.closed_by,
        }
        return {name: value for name, value in told.items() if value is not None}
