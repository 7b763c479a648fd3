"""A sign-in in progress: what the partner asked, kept by the browser that asked it.

It travels sealed in the address, bound to the browser's own cookie (C38), so that showing the page costs no store. Only a
request too long for an address is kept in the store, under a random reference.
"""

import zlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

import orjson

from idp.ephemeral import Ephemeral
from idp.errors import RefusedError
from idp.seals import Seals, UnsealError, b64, digest, random_token, unb64

PURPOSE = "demande"
BINDING = "__Host-mag_b"
"""Cookie that ties forms and sign-ins in progress to one browser."""
FRAME_BINDING = "__Host-mag_i"
"""The same, for a frame on the page of a partner: with that page's site alone, for ten minutes, and never a session."""
LONGEST = 2_800
"""Characters of a sealed request in an address; beyond, the store keeps it."""
REFERENCE = "~"
"""First character of a reference to the store; base64url never holds it."""


class DemandeInvalidError(RefusedError):
    """Altered, unknown, or begun in another browser."""

    code = "demande_inconnue"
    number = "M400006"
    remedy = "Revenez au site d'où vous venez et recommencez, cookies autorisés, dans le même navigateur."
    public = (
        "Cette demande de connexion n'est pas valable dans ce navigateur. Revenez au site d'où vous venez et recommencez ; "
        "les cookies de MAG doivent être autorisés."
    )


class DemandeExpiredError(RefusedError):
    """Begun too long ago."""

    code = "demande_expiree"
    number = "M400007"
    remedy = "Revenez au site d'où vous venez et recommencez."
    public = "Cette demande de connexion a expiré. Revenez au site d'où vous venez et recommencez."


@dataclass(frozen=True, slots=True, kw_only=True)
class Demande:
    """What a partner asks of a person; every text was checked by the protocol that received it."""

    target: str
    """Path, under the issuer's, that takes over when the step is done."""
    parameters: dict[str, str]
    """The partner's request, as received."""
    client_id: str
    client_name: str
    client_host: str
    """What the page names, so that a person knows who asks."""
    client_logo: str = ""
    form_action: str = ""
    """Origin where the form's redirects end (Content-Security-Policy)."""
    login_hint: str = ""
    siret_hint: str = ""
    asked_at: int
    """Epoch seconds."""
    before: str = ""
    """Digest of the session cookie when the partner asked: a sign-in made since has another."""
    select: bool = False
    """The person must choose an identity."""
    establishments: bool = False
    """The choice is between establishments: the partner asked for it, or named one."""
    wanted: str = ""
    """What the person will find there, in the partner's words."""
    create: bool = False
    """The partner sends someone who has no identity yet."""

    @property
    def is_ours(self) -> bool:
        """MAG itself asks."""
        return not self.client_id

    def dump(self) -> bytes:
        return orjson.dumps(self)

    @classmethod
    def load(cls, raw: bytes) -> Self:
        values: dict[str, Any] = orjson.loads(raw)
        return cls(**values)


def binding_of(cookie: str) -> str:
    """128 random bits known to one browser alone: its cookie's, or new ones to be set."""
    return cookie if 20 <= len(cookie) <= 40 and cookie.isascii() else random_token(16)


def seal_demande(store: Ephemeral, seals: Seals, demande: Demande, binding: str, lifetime: int) -> str:
    """The request as one URL-safe word, for the browser that bears `binding` alone."""
    sealed = b64(seals.seal(PURPOSE, zlib.compress(demande.dump(), 9), digest(binding)))
    if len(sealed) <= LONGEST:
        return sealed
    reference = random_token(16)
    store.put(PURPOSE, digest(reference), sealed, lifetime)
    return REFERENCE + reference


def open_demande(store: Ephemeral, seals: Seals, token: str, binding: str, now: datetime, lifetime: int) -> Demande:
    """Raises DemandeInvalidError, or DemandeExpiredError `lifetime` seconds after it was asked."""
    if not token.isascii() or len(token) > LONGEST:
        raise DemandeInvalidError("not a sealed request")
    if token.startswith(REFERENCE):
        token = store.get(PURPOSE, digest(token[1:])) or ""
    if not token:
        raise DemandeExpiredError("the request is no longer kept")
    try:
        demande = Demande.load(zlib.decompress(seals.open(PURPOSE, unb64(token), digest(binding))))
    except (UnsealError, ValueError, TypeError) as error:
        raise DemandeInvalidError(f"{type(error).__name__}") from error
    if not 0 <= now.timestamp() - demande.asked_at + 60 <= lifetime + 60:
        raise DemandeExpiredError(f"asked at {demande.asked_at}")
    return demande
