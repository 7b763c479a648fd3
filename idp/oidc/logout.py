"""Ending a session at a partner's request (OpenID Connect RP-Initiated Logout 1.0).

A hint that MAG signed for this very session ends it at once. Without one, the person is asked: a link or an image must never
sign anybody out (C67). Partners that took part are told by `backchannel/`, and by frames of the page (`farewell.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from idp.audit import journal
from idp.audit.events import SessionClosed
from idp.authentication.session import Session, close_session, guard_of_session, was_closed
from idp.config import Settings
from idp.database import db
from idp.declarants.models import Declarant
from idp.ephemeral import Ephemeral
from idp.errors import RefusedError
from idp.oidc.authzen.models import SujetConnu
from idp.oidc.backchannel.notices import tell_of_session
from idp.oidc.client import Client
from idp.oidc.client_auth import Clients
from idp.oidc.models import RefreshFamily
from idp.oidc.sandbox import shown_name
from idp.oidc.tokens import Reader


class LogoutRefusedError(RefusedError):
    """The hint is forged, or the return address is not registered: nobody is redirected."""

    code = "deconnexion_refusee"
    number = "M500002"
    remedy = "Partenaire : id_token_hint n'est pas de MAG, ou post_logout_redirect_uri n'est pas inscrite à la lettre."
    status = 400
    public = (
        "Le site d'où vous venez a fait une demande de déconnexion que MAG ne peut pas accepter. "
        "Vous pouvez vous déconnecter depuis la page d'accueil de MAG."
    )


@dataclass(frozen=True, slots=True)
class LogoutRequest:
    """What the partner asks, checked: `redirect_uri` and `state` are empty unless they are its own."""

    parameters: Mapping[str, str]
    client_id: str
    client_name: str
    redirect_uri: str
    state: str
    sid: str
    """Session of the hint; empty without one."""
    hinted: bool

    @property
    def way_back(self) -> dict[str, str]:
        """What says where the person goes afterwards, to be checked again."""
        found = {"client_id": self.client_id, "post_logout_redirect_uri": self.redirect_uri, "state": self.state}
        return {name: value for name, value in found.items() if value}


def read_request(reader: Reader, clients: Clients, parameters: Mapping[str, str]) -> LogoutRequest:
    """Section 2. Raises LogoutRefusedError."""
    hint, client_id = parameters.get("id_token_hint", ""), parameters.get("client_id", "")
    sid = ""
    if hint:
        claims = reader.id_token_hint(hint)
        if claims is None:
            raise LogoutRefusedError("id_token_hint is not one of ours")
        if client_id and claims.get("aud") != client_id:
            raise LogoutRefusedError("client_id is not the audience of id_token_hint")
        client_id, sid = str(claims.get("aud", "")), str(claims.get("sid", ""))
    client = clients.find(client_id) if client_id.isascii() else None
    redirect_uri = parameters.get("post_logout_redirect_uri", "")
    if redirect_uri and (client is None or redirect_uri not in client.post_logout_redirect_uris):
        raise LogoutRefusedError(f"post_logout_redirect_uri is not registered by {client_id or 'a client that is not named'}")
    name = shown_name(client) if client else ""
    return LogoutRequest(
        dict(parameters), client.client_id if client else "", name, redirect_uri, parameters.get("state", ""), sid, bool(hint)
    )


def close(
    store: Ephemeral, settings: Settings, clients: Clients, session: Session | None, asked: LogoutRequest, now: datetime
) -> list[Client]:
    """End the session here and everywhere: its codes and access tokens by its guard, the rest in the database; who is told.

    Without a cookie, the hint alone names the session: whoever holds an ID token of it may end it. Once it is ended, asking
    again changes nothing, but for what a transaction that failed left undone.
    """
    sid = session.sid if session else asked.sid
    again = session is None and was_closed(store, sid)
    if session is not None:
        close_session(store, settings, session)
    elif not again:
        store.end(guard_of_session(sid), lifetime=settings.session_lifetime)
    return ended(clients, sid, session.declarant_id if session else None, asked.client_id or None, "partenaire", now, again=again)


def ended(
    clients: Clients, sid: str, declarant_id: int | None, client_id: str | None, reason: str, now: datetime, *, again: bool = False
) -> list[Client]:
    """What the database says of a session that the store has ended: its line, its refresh tokens, its notices; who is told.

    `again`: it was ended before; the journal says so once, unless something of it was still open.
    """
    closed = RefreshFamily.close_session(sid, "logout", now)
    SujetConnu.close_session(sid)
    if closed or not again:
        journal.record(SessionClosed(declarant_id=declarant_id, client_id=client_id, sid=sid, reason=reason), now)
    return tell_of_session(clients, sid, now)


def person_of(session: Session) -> Declarant | None:
    """Whose session it is, for pages."""
    return db.session.get(Declarant, session.declarant_id)
