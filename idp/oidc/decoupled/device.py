"""Devices without a browser or a keyboard: the device authorization request and the code that a person types elsewhere.

Implements RFC 8628 sections 3.1, 3.2, 3.3.1, 5.1 and 6.1. A user code is 8 letters of twenty, 34 bits that live ten minutes;
the store knows it by a keyed digest, and guesses are counted by browser and by address. Left out on purpose: section 3.3.1's
page that answers at once, since a link that somebody else sends must not save the person from comparing codes (section 5.4).
"""

import secrets
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from authlib.oauth2.rfc6749.errors import InvalidScopeError, OAuth2Error, UnauthorizedClientError

from idp.audit.journal import circumstances
from idp.authentication.session import Session
from idp.authentication.throttle import Attempt
from idp.config import Settings
from idp.ephemeral import Counter, Ephemeral, beyond
from idp.errors import RefusedError
from idp.logs import note
from idp.oidc.client import Client
from idp.oidc.client_auth import ClientAuthenticator
from idp.oidc.decoupled import awaited as waiting
from idp.oidc.decoupled.awaited import INTERVAL, Awaited
from idp.oidc.details import check_no_details
from idp.oidc.resources import opened_resources
from idp.oidc.wire import Answer, Environ, json_answer, read_form
from idp.seals import Seals, b64, digest

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:device_code"
KIND, USER_CODE = "appareil", "appareil-code"
LIFETIME = 600
"""Seconds, of both codes."""
ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
"""RFC 8628 section 6.1: no vowel, hence no word; no digit that looks like a letter."""
LENGTH = 8
WINDOW, MOST_BY_BROWSER, MOST_BY_ADDRESS, MOST_ASKED = 600, 10, 50, 60
"""Seconds; wrong codes in them; requests of public clients from one address in them."""


class TooManyRequestsError(OAuth2Error):
    """ours: nobody authenticates a public client, so that its requests are counted by address."""

    error = "temporarily_unavailable"
    status_code = 429


class TooManyCodesError(RefusedError):
    """Too many wrong codes from this browser, or from this block of addresses (section 5.1)."""

    code = "codes_freines"
    number = "M500003"
    remedy = "Réessayez dans dix minutes."
    status = 429
    public = "Trop de codes erronés ont été saisis. Réessayez dans dix minutes."
    retry_after = WINDOW


class DeviceAuthorization:
    """The device authorization endpoint, for one process. `supported_scopes`: those that MAG knows now."""

    def __init__(
        self,
        settings: Settings,
        authenticate: ClientAuthenticator,
        store: Ephemeral,
        seals: Seals,
        supported_scopes: Callable[[], frozenset[str]],
    ) -> None:
        self.settings, self.authenticate, self.store, self.seals = settings, authenticate, store, seals
        self.supported_scopes = supported_scopes

    def __call__(self, environ: Environ) -> Answer:
        """Section 3.1; a public client names itself by `client_id`."""
        form = read_form(environ)
        client = self.authenticate(environ, form)
        if GRANT_TYPE not in client.grant_types:
            raise UnauthorizedClientError("this client may not use this grant_type")
        check_no_details(form)
        scope = asked_scope(client, form.get("scope", ""), self.supported_scopes())
        resource = opened_resources(client, form.get("resource", ""))
        if client.is_public:
            self._brake()
        return json_answer(self._asked(client, scope, resource, datetime.now(UTC)))

    def _brake(self) -> None:
        if beyond(self.store, {Counter(f"appareil:d:{_block(circumstances.get().address)}", WINDOW): MOST_ASKED}):
            raise TooManyRequestsError("too many requests from this address")

    def _asked(self, client: Client, scope: list[str], resource: Sequence[str], now: datetime) -> Mapping[str, Any]:
        """Section 3.2."""
        at = int(now.timestamp())
        until = at + LIFETIME
        awaited = Awaited(client_id=client.client_id, scope=tuple(scope), resource=tuple(resource), asked_at=at, expires_at=until)
        device_code, user_code = waiting.ask(self.store, KIND, awaited), self._free_code()
        self.store.put(USER_CODE, name_of(self.seals, user_code), digest(device_code), LIFETIME)
        note("device authorization asked", client_id=client.client_id)
        where = f"{self.settings.issuer}/device"
        return {
            "device_code": device_code,
            "user_code": shown(user_code),
            "verification_uri": where,
            "verification_uri_complete": f"{where}?{urlencode({'user_code': shown(user_code)})}",
            "expires_in": LIFETIME,
            "interval": INTERVAL,
        }

    def _free_code(self) -> str:
        while self.store.get(USER_CODE, name_of(self.seals, code := new_user_code())) is not None:
            continue
        return code


def asked_scope(client: Client, text: str, supported: frozenset[str]) -> list[str]:
    """RFC 6749 section 3.3: what is registered and known of what is asked; ours: `openid` for who asks nothing."""
    asked = list(dict.fromkeys(text.split())) or ["openid"]
    scope = [s for s in asked if s in client.scope and s in supported]
    if not scope:
        raise InvalidScopeError("none of these scopes is registered for this client")
    return scope


# ------------------------------------------------------------------------------------------------------------- user codes


def new_user_code() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


def read_user_code(unverified_text: str) -> str | None:
    """However it is written: lower case, spaces, dashes or none (section 6.1)."""
    text = unicodedata.normalize("NFKC", unverified_text[:100]).upper()
    letters = "".join(c for c in text if c.isalnum())
    return letters if len(letters) == LENGTH and all(c in ALPHABET for c in letters) else None


def shown(user_code: str) -> str:
    """`BCDF-GHJK`."""
    return f"{user_code[:4]}-{user_code[4:]}"


def name_of(seals: Seals, user_code: str) -> str:
    """How the store knows a user code: too short for a plain digest, which would be guessed from a copy of the store."""
    return b64(seals.mac("user-code", user_code.encode()))


def count_guess(store: Ephemeral, browser: str, address: str) -> tuple[Counter, Counter]:
    """Section 5.1: counted before it is looked up, taken back when it was right. Raises TooManyCodesError."""
    counters = Counter(f"appareil:n:{digest(browser)[:32]}", WINDOW), Counter(f"appareil:a:{_block(address)}", WINDOW)
    by_browser, by_address = store.count(*counters)
    if by_browser > MOST_BY_BROWSER or by_address > MOST_BY_ADDRESS:
        raise TooManyCodesError(f"from {_block(address)}")
    return counters


def _block(address: str | None) -> str:
    """The narrow block of an address: IPv4, or /64."""
    return Attempt("", address or "0.0.0.0").blocks[0]  # noqa: S104  # an unreadable address, not a binding


# ------------------------------------------------------------------------------------------------------------- the answer


@dataclass(frozen=True, slots=True)
class Asking:
    """The device whose code was typed."""

    key: str
    awaited: Awaited


def find(store: Ephemeral, seals: Seals, user_code: str, now: datetime) -> Asking | None:
    """None when the code is unknown, was answered, or has expired."""
    key = store.get(USER_CODE, name_of(seals, user_code))
    awaited = waiting.find(store, KIND, key) if key else None
    return Asking(key, awaited) if key and awaited and awaited.lives(now) else None


def answer(store: Ephemeral, seals: Seals, user_code: str, session: Session | None, now: datetime) -> Asking | None:
    """The person agrees, with a session, or refuses; None when somebody answered before, or it is too late."""
    key = store.take(USER_CODE, name_of(seals, user_code))
    awaited = waiting.find(store, KIND, key) if key else None
    if not key or awaited is None or not awaited.lives(now):
        return None
    if session is None:
        waiting.refuse(store, KIND, key, awaited, now)
    else:
        waiting.accept(store, KIND, key, awaited, session, now)
    return Asking(key, awaited)
