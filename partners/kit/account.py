"""The life of one session at the partner: opened by a sign-in, checked again with MAG, ended.

What is shown is what MAG says now: `recheck` seconds at most after it said it, and at once before an act. A session that
MAG ended (sign-out elsewhere, account suspended, partner revoked) ends here at the next check, or as soon as MAG tells it.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from . import tokens
from .config import KitConfig
from .habilitations import Habilitations
from .identity import Identity
from .provider import EndedError, MagUnavailableError, Provider, Tokens
from .sealing import Box, digest, random_text
from .sessions import Sessions
from .signals import CLAIMS, ENDS, MEMORY, SecurityEvent
from .tokens import InvalidTokenError

EARLY = 10
"""Seconds before its end from which an access token is renewed."""
PAGES_KEPT = 200
PAGES_FRESH = 60.0
"""Large accounts whose groups are kept in memory, and for how many seconds: some rights open and end by date."""


@dataclass(frozen=True, slots=True)
class Record:
    """A session as it is stored. Instants in epoch seconds."""

    tokens: Tokens
    id_claims: Mapping[str, Any]
    claims: Mapping[str, Any]
    opened_at: float
    checked_at: float

    @classmethod
    def load(cls, value: Any) -> "Record":
        return cls(**{**value, "tokens": Tokens(**value["tokens"])})


class Accounts:
    """Opens, reads and ends sessions."""

    def __init__(self, config: KitConfig, provider: Provider, sessions: Sessions, secret_key: str | bytes) -> None:
        self.config, self.provider, self._sessions = config, provider, sessions
        self._box = Box(secret_key, "session")
        self._pages: OrderedDict[tuple[str, str], tuple[float, list[Any]]] = OrderedDict()
        self._lock = threading.Lock()

    def open(self, code: str, verifier: str, nonce: str) -> str:
        """The new session's name, for the cookie. Raises ExchangeRefusedError, InvalidTokenError, EndedError, MagUnavailableError."""
        given, now = self.provider.exchange(code, verifier), time.time()
        id_claims = self.provider.verified(given.id_token)
        tokens.check_id_token(
            id_claims,
            issuer=self.config.issuer,
            client_id=self.config.client_id,
            access_token=given.access_token,
            alg=self.config.id_token_alg,
            nonce=nonce,
            now=now,
        )
        record = Record(given, id_claims, self._userinfo(given.access_token, id_claims), now, now)
        name = random_text()
        self._sessions.put(digest(name), self._sealed(record), self._lifetime(record))
        return name

    def read(self, name: str) -> Record | None:
        """What was stored; MAG is not asked."""
        sealed = self._sessions.get(digest(name)) if name else None
        value = self._box.open(sealed) if sealed else None
        record = Record.load(value) if value else None
        return None if record is None or self._is_ended(record) else record

    def _is_ended(self, record: Record) -> bool:
        """MAG told that this session ended, or that all those of the person did."""
        if self._sessions.get(_ended(record.id_claims.get("sid", ""))):
            return True
        ended_at = self._sessions.get(_gone(record.id_claims["sub"])) if self.config.signals else None
        return ended_at is not None and record.opened_at < float(ended_at)

    def current(self, name: str, *, fresh: bool = False) -> Record | None:
        """The session, checked again with MAG when it is time; None when it is over. `fresh`: now, and MAG must answer.

        Raises MagUnavailableError.
        """
        record = self.read(name)
        if record is None:
            return None
        if not fresh and time.time() - record.checked_at < self.config.recheck and not self._has_moved(record):
            return record
        try:
            record = self._checked(record)
        except MagUnavailableError:
            if fresh or time.time() - record.checked_at > self.config.patience:
                raise
            return record
        except (EndedError, InvalidTokenError):
            self.end(name)
            return None
        return record if self._sessions.replace(digest(name), self._sealed(record), self._lifetime(record)) else None

    def end(self, name: str) -> None:
        self._sessions.delete(digest(name))

    def told(self, unverified_token: str) -> None:
        """MAG says that a session ended (Back-Channel Logout section 2.6): it is over here, even if it is only being opened.

        Raises InvalidTokenError, MagUnavailableError.
        """
        claims = self.provider.verified(unverified_token)
        header = tokens.header_of(unverified_token)
        tokens.check_logout_token(header, claims, issuer=self.config.issuer, client_id=self.config.client_id, now=time.time())
        came = digest(f"jti:{claims['jti']}")
        if self._sessions.get(came) is not None:
            raise InvalidTokenError("jti")
        self._sessions.put(came, "1", max(1, int(claims["exp"] - time.time()) + tokens.SKEW))
        self._sessions.put(_ended(claims["sid"]), "1", self.config.session_lifetime)

    def signalled(self, unverified_token: str, act: Callable[[SecurityEvent], object]) -> None:
        """MAG says what happened to somebody (RFC 8417): their sessions end here, or are asked about again; `act` does the rest.

        An event that came already counts once. Raises InvalidTokenError, MagUnavailableError.
        """
        claims, now = self.provider.verified(unverified_token), time.time()
        header = tokens.header_of(unverified_token)
        event = SecurityEvent.read(header, claims, issuer=self.config.issuer, client_id=self.config.client_id, now=now)
        came = digest(f"event:{event.jti}")
        if self._sessions.get(came) is not None:
            return
        if event.kind in ENDS and event.sid:
            self._sessions.put(_ended(event.sid), "1", self.config.session_lifetime)
        elif event.kind in ENDS and event.sub:
            key, until = _gone(event.sub), event.at + 1
            held = self._sessions.get(key)
            if held is None or float(held) < until:  # an older event may come last
                self._sessions.put(key, str(until), self.config.session_lifetime)
        elif event.kind == CLAIMS and event.sub:
            self._sessions.put(_moved(event.sub), str(now), self.config.session_lifetime)
        act(event)
        self._sessions.put(came, "1", MEMORY)

    def _has_moved(self, record: Record) -> bool:
        """MAG told that the person's rights changed since they were asked."""
        moved_at = self._sessions.get(_moved(record.id_claims["sub"])) if self.config.signals else None
        return moved_at is not None and record.checked_at < float(moved_at)

    def identity(self, record: Record) -> Identity:
        """Who it is; the groups of a large account are read from MAG when they are first needed."""
        return Identity(record.claims, Habilitations(record.claims.get("hab"), lambda: self._groups(record.claims)))

    # ------------------------------------------------------------------------------------------------------- checks

    def _checked(self, record: Record) -> Record:
        """Ask MAG again; renew the access token when it is about to end, or is refused."""
        if record.tokens.expires_at - EARLY <= time.time():
            record = self._refreshed(record)
        try:
            claims = self._userinfo(record.tokens.access_token, record.id_claims)
        except EndedError:
            record = self._refreshed(record)
            claims = self._userinfo(record.tokens.access_token, record.id_claims)
        return replace(record, claims=claims, checked_at=time.time())

    def _refreshed(self, record: Record) -> Record:
        given = self.provider.refresh(record.tokens.refresh_token)
        id_claims = record.id_claims
        if given.id_token:
            id_claims = self.provider.verified(given.id_token)
            tokens.check_refreshed(
                id_claims,
                record.id_claims,
                issuer=self.config.issuer,
                client_id=self.config.client_id,
                access_token=given.access_token,
                alg=self.config.id_token_alg,
                now=time.time(),
            )
        held = record.tokens
        kept = replace(given, refresh_token=given.refresh_token or held.refresh_token, id_token=given.id_token or held.id_token)
        return replace(record, tokens=kept, id_claims=id_claims)

    def _userinfo(self, access_token: str, id_claims: Mapping[str, Any]) -> dict[str, Any]:
        """OpenID Connect Core section 5.3.2: another `sub` is another person."""
        claims = self.provider.userinfo(access_token)
        if claims.get("sub") != id_claims["sub"]:
            raise InvalidTokenError("userinfo is another person's")
        return {**claims, "sid": id_claims.get("sid", "")}

    def _groups(self, claims: Mapping[str, Any]) -> list[Any]:
        """Form B: the pages that the distributed claim points to, kept while the version of the rights stays the same."""
        key = (str(claims.get("sub")), str(claims["hab"].get("e")))
        with self._lock:
            held = self._pages.get(key)
        if held is not None and time.monotonic() - held[0] < PAGES_FRESH:
            return held[1]
        name = (claims.get("_claim_names") or {}).get("habilitations")
        source = (claims.get("_claim_sources") or {}).get(name) or {}
        try:
            groups = list(self.provider.claim_pages(str(source.get("endpoint", "")), str(source.get("access_token", ""))))
        except (EndedError, InvalidTokenError) as error:
            raise MagUnavailableError("the pages of habilitations cannot be read") from error
        with self._lock:
            self._pages[key] = (time.monotonic(), groups)
            while len(self._pages) > PAGES_KEPT:
                self._pages.popitem(last=False)
        return groups

    # ------------------------------------------------------------------------------------------------------ storage

    def _lifetime(self, record: Record) -> int:
        return max(1, min(self.config.session_idle, int(record.opened_at + self.config.session_lifetime - time.time())))

    def _sealed(self, record: Record) -> str:
        return self._box.seal(asdict(record), self._lifetime(record))


def _ended(sid: str) -> str:
    """Where the store keeps that a session of MAG ended."""
    return digest(f"sid:{sid}")


def _gone(sub: str) -> str:
    """Where the store keeps when every session of a person ended, in epoch seconds: the whole second counts."""
    return digest(f"gone:{sub}")


def _moved(sub: str) -> str:
    """Where the store keeps when the rights of a person changed."""
    return digest(f"moved:{sub}")
