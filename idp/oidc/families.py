"""Families of refresh tokens: opened with a code, rotated at each use, closed on reuse (RFC 9700 section 4.14.2).

A token reads `family.secret.tag`, or `family.secret.key.tag` when it is bound to a key of a public client (RFC 9449 section 5).
The tag proves that MAG issued it, so an old token tells a replay from a guess, and a wrong key spends nothing. Within the grace
of a rotation the token before gives the same successor: the answer may have been lost on the way (ours). The tokens of
confidential clients that prove a key are not rotated (FAPI 2.0 Security Profile section 5.3.2.1).
"""

import hmac
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from authlib.oauth2.rfc6749.errors import InvalidGrantError

from idp.audit import journal
from idp.audit.events import RefreshTokenReplayed
from idp.authentication.session import Session
from idp.config import Settings
from idp.database import Connections
from idp.ephemeral import Ephemeral
from idp.keys import Keyring
from idp.oidc.client import Client
from idp.oidc.codes import Granted
from idp.oidc.confirmation import Confirmation
from idp.oidc.details import Acting
from idp.oidc.models import BURY_FAMILY, CLOSE_FAMILY, FIND_FAMILY, IN_USE, OPEN_FAMILY, ROTATE
from idp.seals import UnsealError, b64, digest, random_token, seal_under, unseal_under


def guard_of_family(family_id: str) -> str:
    return f"fam:{family_id}"


class Grant(NamedTuple):
    """What the tokens of a family repeat, whoever asks again."""

    declarant_id: int
    sid: str
    offline: bool
    family_id: str
    context: dict[str, Any]
    """uid, version, scope, auth_time, acr, amr, nonce, id_token and userinfo claims; resource, if some were named; acting, for one
    establishment.
    """

    @property
    def acting(self) -> Acting | None:
        """RFC 9396: the one establishment that its tokens are about."""
        return Acting.load(self.context.get("acting"))

    def narrowed(self, acting: Acting | None) -> "Grant":
        """The same for one token alone, about less."""
        return self._replace(context={**self.context, "acting": acting.dump()}) if acting else self


def bound_key(client: Client, confirmation: Confirmation | None) -> str:
    """What a new refresh token is bound to. RFC 9449 section 5, RFC 8705 section 4: a public client has no other proof to give."""
    return confirmation.key if confirmation is not None and client.is_public else ""


def key_of(token: str) -> str:
    """The thumbprint in a token that MAG issued; empty when it is bound to no key."""
    parts = token.split(".")
    return parts[2] if len(parts) == 4 else ""


def context_of(session: Session, granted: Granted) -> dict[str, Any]:
    return {
        "uid": session.uid,
        "version": session.version,
        "scope": list(granted.scope),
        "auth_time": session.auth_time,
        "acr": session.acr,
        "amr": list(session.amr),
        "nonce": granted.nonce,
        "id_token": list(granted.id_token_claims),
        "userinfo": list(granted.userinfo_claims),
        **({"link": session.link} if session.link else {}),
        **({"resource": list(granted.resource)} if granted.resource else {}),
        **({"acting": granted.acting.dump()} if granted.acting else {}),
    }


def grant_of(session: Session, granted: Granted, *, offline: bool) -> Grant:
    """What a sign-in gives a client."""
    return Grant(session.declarant_id, session.sid, offline, granted.family_id, context_of(session, granted))


class Families:
    """Operations on families, for machines' endpoints."""

    def __init__(self, settings: Settings, connections: Connections, store: Ephemeral, keyring: Keyring) -> None:
        self.settings, self.connections, self.store, self.keyring = settings, connections, store, keyring

    def _token(self, family_id: str, key: str = "") -> str:
        text = ".".join(filter(None, (family_id, random_token(), key)))
        return f"{text}.{b64(self.keyring.mac('refresh', text.encode())[:16])}"

    def family_of(self, token: str) -> str | None:
        """The family of a token that MAG did issue; None for anything else."""
        text, _, tag = token.rpartition(".")
        parts = text.split(".")
        if not (token.isascii() and len(token) <= 200 and tag and len(parts) in (2, 3) and all(parts)):
            return None
        expected = (b64(mac[:16]) for mac in self.keyring.macs("refresh", text.encode()))
        matches = [hmac.compare_digest(tag, e) for e in expected]
        return parts[0] if any(matches) else None

    def _shown(self, token: str, confirmation: Confirmation | None) -> str:
        """The family of a token, shown by who holds its key. Raises InvalidGrantError."""
        family_id, key = self.family_of(token), key_of(token)
        if family_id is None or (key and key != (confirmation.key if confirmation else "")):
            raise InvalidGrantError("the refresh token is not valid")
        return family_id

    def open(self, client: Client, session: Session, grant: Grant, *, now: datetime, key: str = "") -> str:
        """A first refresh token, bound to a key or to none. Raises InvalidGrantError when the person is no longer active."""
        token = self._token(grant.family_id, key)
        row = self._row(client, session, grant, now)
        opened = self.connections.run(OPEN_FAMILY[self.connections.dialect.name], **row, new_current_hash=digest(token))
        if opened != 1:
            raise InvalidGrantError("the account is no longer active")
        return token

    def _row(self, client: Client, session: Session, grant: Grant, now: datetime) -> dict[str, Any]:
        kept = self.settings.software_lifetime if client.is_software else self.settings.offline_lifetime
        life = kept if grant.offline else min(self.settings.refresh_token_lifetime, max(1, session.expires_at - int(now.timestamp())))
        return {
            "new_id": grant.family_id,
            "new_client_id": client.client_id,
            "new_declarant_id": session.declarant_id,
            "new_sid": session.sid,
            "new_offline": grant.offline,
            "new_version": session.version,
            "new_context": grant.context,
            "new_opened_at": now,
            "new_expires_at": now + timedelta(seconds=life),
        }

    def bury(self, client: Client, session: Session, granted: Granted, now: datetime) -> None:
        """Close what a code gave, or is about to give: its replay may be quicker than its first use (C16)."""
        row = self._row(client, session, grant_of(session, granted, offline=False), now)
        closed = {"new_current_hash": "", "new_closed_at": now, "new_closed_reason": "code_replay"}
        self.connections.run(BURY_FAMILY[self.connections.dialect.name], **row, **closed)
        self.end_access(granted.family_id)

    def context(self, client: Client, token: str, now: datetime, confirmation: Confirmation | None) -> dict[str, Any] | None:
        """What a token in force of this client stands for, without using it. Raises InvalidGrantError."""
        row = self.connections.one(FIND_FAMILY, family_id=self._shown(token, confirmation), now=now)
        return row[4] if row and row[0] == client.client_id and row[8] == digest(token) else None

    def refresh(self, client: Client, token: str, now: datetime, confirmation: Confirmation | None) -> tuple[Grant, str]:
        """The grant and the token to use next, the same for a client whose tokens do not rotate.

        Raises InvalidGrantError; a replay closes the family first.
        """
        family_id = self._shown(token, confirmation)
        known = {"family_id": family_id, "shown_hash": digest(token), "of_client": client.client_id, "now": now}
        if client.rotates:
            successor = self._token(family_id, bound_key(client, confirmation))
            row = self.connections.one(ROTATE, **known, next_hash=digest(successor), sealed=seal_under(token, successor.encode()))
        else:
            successor, row = token, self.connections.one(IN_USE, **known)
        if row is not None:
            return Grant(row[0], row[1], row[2], family_id, row[3]), successor
        grant, successor = self._again(client, token, family_id, now)
        self._shown(successor, confirmation)
        return grant, successor

    def _again(self, client: Client, token: str, family_id: str, now: datetime) -> tuple[Grant, str]:
        """A token that is not in force: the one before, within its grace, or a replay."""
        row = self.connections.one(FIND_FAMILY, family_id=family_id, now=now)
        if row is None or row[0] != client.client_id:
            raise InvalidGrantError("the refresh token is not valid")
        _, declarant_id, sid, offline, context, previous_hash, sealed, rotated_at, _ = row
        if previous_hash == digest(token) and sealed and now - rotated_at <= timedelta(seconds=self.settings.refresh_grace):
            try:
                return Grant(declarant_id, sid, offline, family_id, context), unseal_under(token, bytes(sealed)).decode()
            except UnsealError:
                raise InvalidGrantError("the refresh token is not valid") from None
        self._replayed(client, family_id, declarant_id, now)
        raise InvalidGrantError("the refresh token was already used")

    def _replayed(self, client: Client, family_id: str, declarant_id: int, now: datetime) -> None:
        with self.connections.transaction():
            self.connections.run(CLOSE_FAMILY, family_id=family_id, now=now, reason="replay")
            journal.write(
                self.connections, RefreshTokenReplayed(declarant_id=declarant_id, client_id=client.client_id, family_id=family_id), now
            )
        self.end_access(family_id)

    def close(self, family_id: str, reason: str, now: datetime) -> int:
        """Close a family and everything it gave; how many were open."""
        closed = self.connections.run(CLOSE_FAMILY, family_id=family_id, now=now, reason=reason)
        self.end_access(family_id)
        return closed

    def end_access(self, family_id: str) -> None:
        """Access tokens of the family die now; the mark outlives them."""
        self.store.end(guard_of_family(family_id), lifetime=self.settings.access_token_lifetime + 60)

    def owner(self, family_id: str) -> tuple[str, int] | None:
        """Client and person of an open family."""
        row = self.connections.one(FIND_FAMILY, family_id=family_id, now=datetime.now(UTC))
        return (row[0], row[1]) if row else None

    def is_open(self, family_id: str) -> bool:
        return self.connections.one(FIND_FAMILY, family_id=family_id, now=datetime.now(UTC)) is not None
