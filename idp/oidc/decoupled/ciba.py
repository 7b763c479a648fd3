"""CIBA, poll and ping: a partner names a person who is not at its site; she answers in her MAG space.

Implements CIBA Core sections 7.1 to 7.3, 10.1, 10.2, 11 and 13. Somebody unknown is answered as somebody known is: section 13
allows `unknown_user_id`, and MAG never says it, since any client could ask whether a person has an account; the request is
accepted, nobody reads it, and it expires (section 15 has the same concern of hints). For the same reason requests are counted
by what the hint says, not by whom it finds: nobody is pestered into agreeing.

Left out on purpose: the push mode (section 10.3), whose tokens leave for an address rather than for an authenticated client.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
from authlib.oauth2.rfc6749.errors import OAuth2Error, UnauthorizedClientError

from idp.audit import journal
from idp.audit.events import BackchannelAsked
from idp.authentication.session import Session
from idp.config import Settings
from idp.database import Connections
from idp.declarants.identite import Identite, InvalidNameError, check_name
from idp.declarants.models import BEARER, COLUMNS
from idp.entreprises.siret import InvalidSiretError, Siret
from idp.ephemeral import Counter, Ephemeral, beyond
from idp.errors import RefusedError
from idp.keys import Keyring
from idp.logs import logger, note
from idp.notifications import messages
from idp.notifications.models import Mail
from idp.oidc.claims import Person
from idp.oidc.client import Client
from idp.oidc.client_auth import ClientAuthenticator, Clients
from idp.oidc.decoupled import awaited as waiting
from idp.oidc.decoupled.awaited import INTERVAL, Awaited
from idp.oidc.decoupled.backchannel_request import BackchannelRequest, Requests
from idp.oidc.decoupled.models import KEEP, WITH_EMAIL
from idp.oidc.people import People
from idp.oidc.sandbox import TestIdentities
from idp.oidc.tokens import Reader
from idp.oidc.wire import Answer, Environ, json_answer, read_form
from idp.seals import Seals, b64, digest, random_token, unb64

GRANT_TYPE = "urn:openid:params:grant-type:ciba"
KIND = "ciba"
WINDOW, MOST_FOR_ONE = 600, 5
"""Seconds; requests of one client for one person in them."""


NOBODY = 0
"""Stands for whoever the hint does not name, so that the same work is done."""


class TooManyRequestsError(OAuth2Error):
    """ours: a person who does not answer is not asked again and again."""

    error = "access_denied"
    status_code = 403


class Backchannel:
    """The backchannel authentication endpoint, for one process."""

    def __init__(
        self,
        settings: Settings,
        authenticate: ClientAuthenticator,
        requests: Requests,
        store: Ephemeral,
        connections: Connections,
        keyring: Keyring,
        people: People,
        reader: Reader,
    ) -> None:
        self.settings, self.authenticate, self.requests = settings, authenticate, requests
        self.store, self.connections, self.keyring, self.people, self.reader = store, connections, keyring, people, reader
        self.test_identities = TestIdentities(settings, connections)

    def __call__(self, environ: Environ) -> Answer:
        """Section 7.1."""
        form = read_form(environ)
        client = self.authenticate(environ, form)
        if GRANT_TYPE not in client.grant_types:
            raise UnauthorizedClientError("this client may not use this grant_type")
        asked = self.requests.read(client, form)
        self._brake(asked)
        return json_answer(self._accepted(asked, datetime.now(UTC)))

    def _brake(self, asked: BackchannelRequest) -> None:
        """A certification suite asks its test identities again and again."""
        identite = identity_of(asked.hint[1]) if asked.hint[0] == "login_hint" and "@" not in asked.hint[1] else None
        if identite is not None and self.test_identities.has(identite):
            return
        who = f"{asked.client.client_id}|{asked.hint[0]}|{self._named(asked)}"
        named = b64(self.keyring.mac("ciba", who.encode("utf-8", "surrogatepass"))[:16])
        if beyond(self.store, {Counter(f"ciba:{named}", WINDOW): MOST_FOR_ONE}):
            raise TooManyRequestsError("this person was asked too often")

    def _accepted(self, asked: BackchannelRequest, now: datetime) -> Mapping[str, Any]:
        """Section 7.3: the same for whoever the hint names, or nobody."""
        found = self._find(asked)
        person = self.people.find(found or NOBODY)
        at, auth_req_id = int(now.timestamp()), random_token()
        pinged = asked.client.backchannel_token_delivery_mode == "ping"
        awaited = Awaited(
            client_id=asked.client.client_id,
            scope=asked.scope,
            resource=asked.resource,
            asked_at=at,
            expires_at=at + asked.lifetime,
            ping=sealed_ping(self.keyring, auth_req_id, asked.notification_token) if pinged else "",
        )
        waiting.ask(self.store, KIND, awaited, auth_req_id)
        self._keep(asked, digest(auth_req_id), found if person else None, person, now)
        note("backchannel authentication asked", client_id=asked.client.client_id)
        return {"auth_req_id": auth_req_id, "expires_in": asked.lifetime, "interval": INTERVAL}

    def _keep(self, asked: BackchannelRequest, key: str, declarant_id: int | None, person: Person | None, now: datetime) -> None:
        """The row, the line of journal and the mail, all or nothing; for nobody the same, so that nobody costs as much."""
        scope, client_id = " ".join(asked.scope), asked.client.client_id
        until = datetime.fromtimestamp(int(now.timestamp()) + asked.lifetime, UTC)
        row = {"key": key, "declarant_id": declarant_id, "client_id": client_id, "scope": scope, "message": asked.message}
        event = BackchannelAsked(declarant_id=declarant_id, client_id=client_id, scope=scope, message=asked.message or None)
        with self.connections.transaction():
            self.connections.run(KEEP, **row, asked_at=now, expires_at=until)
            journal.write(self.connections, event, now)
            recipient, name = (person.email or "", f"{person.prenom} {person.nom}") if person else ("", "")
            message = messages.backchannel(self.settings.issuer, name, asked.client.client_name, asked.message, until)
            Mail.post(self.connections, "demande", recipient, message, now, declarant_id)

    # ------------------------------------------------------------------------------------------------------------ the hint

    def _named(self, asked: BackchannelRequest) -> str:
        """What the hint says, in one spelling: a person has many ID tokens, and a name is written in many ways."""
        name, text = asked.hint
        if name == "id_token_hint":
            claims = self._own_id_token(asked.client, text)
            return str(claims["sub"]) if claims else text
        identite = None if "@" in text else identity_of(text)
        return f"{identite.siret}|{identite.cle}" if identite else text

    def _find(self, asked: BackchannelRequest) -> int | None:
        """Whom the hint names; None for nobody, or more than one."""
        name, text = asked.hint
        if name == "id_token_hint":
            claims = self._own_id_token(asked.client, text)
            return self.reader.person_of_hint(claims) if claims else None
        return self._of_email(text) if "@" in text else self._of_identity(text)

    def _own_id_token(self, client: Client, text: str) -> Mapping[str, Any] | None:
        """Claims of an ID token that this client was given, expired or not."""
        claims = self.reader.id_token_hint(text)
        return claims if claims is not None and claims.get("aud") == client.client_id else None

    def _of_email(self, text: str) -> int | None:
        rows = self.connections.all(WITH_EMAIL, email=text) if text.isascii() and len(text) <= 254 else []
        return int(rows[0][0]) if len(rows) == 1 else None

    def _of_identity(self, text: str) -> int | None:
        identite = identity_of(text)
        row = self.connections.one(BEARER, siret=identite.siret, cle=identite.cle) if identite else None
        return int(row[COLUMNS.index("id")]) if row else None


def identity_of(text: str) -> Identite | None:
    """`siret|nom|prenom`, however it is spelt (OpenID Connect Core section 3.1.2.1 leaves the form to MAG)."""
    siret, nom, prenom = (*text.split("|"), "", "")[:3]
    try:
        return Identite(Siret.parse(siret), check_name(nom), check_name(prenom))
    except (InvalidSiretError, InvalidNameError):
        return None


# ------------------------------------------------------------------------------------------------- the answer, and the ping


def answer(store: Ephemeral, key: str, session: Session | None, now: datetime) -> Awaited | None:
    """The person agrees, with a session, or refuses; None when it is too late."""
    awaited = waiting.find(store, KIND, key)
    if awaited is None or not awaited.lives(now):
        return None
    if session is None:
        waiting.refuse(store, KIND, key, awaited, now)
    else:
        waiting.accept(store, KIND, key, awaited, session, now)
    return awaited


def sealed_ping(seals: Seals, auth_req_id: str, notification_token: str) -> str:
    """What the ping will say, readable by MAG alone: the store never holds an `auth_req_id`."""
    return b64(seals.seal("ciba-ping", orjson.dumps([auth_req_id, notification_token]), digest(auth_req_id)))


def ping(clients: Clients, seals: Seals, client: Client, key: str, awaited: Awaited) -> None:
    """Section 10.2: once, without redirects, whatever is answered. The client polls in any case."""
    auth_req_id, token = orjson.loads(seals.open("ciba-ping", unb64(awaited.ping), key))
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    where = {"client_id": client.client_id}
    try:
        status = clients.deliver(client.backchannel_client_notification_endpoint, orjson.dumps({"auth_req_id": auth_req_id}), headers)
        note("client pinged", **where, status=status)
    except RefusedError as error:
        logger.warning("client not pinged", extra={"fields": {**where, "reason": str(error)}})
