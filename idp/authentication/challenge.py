"""A proof of work: a puzzle for machines, asked of places from where too many sign-ins fail. Nobody has to see anything.

MAG signs `bits.expiry.nonce`; the browser looks for a number such that SHA-256 of `challenge.number` begins with that many
zero bits. Single use, five minutes, for the browser that received it. Without JavaScript, the link of the mail remains.
"""

import hashlib
import hmac
from datetime import datetime

from idp.ephemeral import Ephemeral
from idp.seals import Seals, b64, digest, random_token

LIFETIME = 300
"""Seconds."""
LONGEST = 200
"""Characters of a challenge or of a number."""


def make_challenge(seals: Seals, bits: int, binding: str, now: datetime) -> str:
    """A signed challenge of so many bits, for one browser."""
    text = f"{bits}.{int(now.timestamp()) + LIFETIME}.{random_token(12)}"
    return f"{text}.{_signature(seals.mac('challenge', _bound(text, binding)))}"


def proven_bits(store: Ephemeral, seals: Seals, unverified_challenge: str, unverified_number: str, binding: str, now: datetime) -> int:
    """The bits of a work that was done, in this browser, in time, and never shown before; 0 otherwise."""
    bits = asked_bits(seals, unverified_challenge, binding)
    if not bits or len(unverified_number) > LONGEST:
        return 0
    expires_at = int(unverified_challenge.split(".")[1])
    if expires_at < now.timestamp() or zero_bits(f"{unverified_challenge}.{unverified_number}") < bits:
        return 0
    return bits if store.add("challenge", digest(unverified_challenge), LIFETIME + 60, made_at=expires_at - LIFETIME) else 0


def asked_bits(seals: Seals, unverified_challenge: str, binding: str) -> int:
    """The bits of a challenge that we signed for this browser; 0 when we did not."""
    text, _, signature = unverified_challenge.rpartition(".")
    if len(unverified_challenge) > LONGEST or not unverified_challenge.isascii():
        return 0
    matches = [hmac.compare_digest(_signature(mac), signature) for mac in seals.macs("challenge", _bound(text, binding))]
    return int(text.split(".")[0]) if any(matches) else 0


def zero_bits(text: str) -> int:
    """How many zero bits the SHA-256 of a text begins with."""
    return 256 - int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest(), "big").bit_length()


def _bound(text: str, binding: str) -> bytes:
    return f"{text}|{digest(binding)}".encode()


def _signature(mac: bytes) -> str:
    return b64(mac[:16])
