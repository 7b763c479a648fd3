"""Time-based one-time passwords (RFC 6238): six digits, thirty seconds, SHA-1, as every authenticator application has them.

A code serves once: its step must be after the last one used, which the caller keeps with one conditional write. One step
before and one after are accepted (RFC 6238 section 5.2). The only home of pyotp. Left out on purpose: how many tries are
allowed (`factors/brake.py`), and where the secret is kept.
"""

import hmac
from datetime import datetime

import pyotp

PERIOD = 30
"""Seconds."""
DIGITS = 6
DRIFT = 1
"""Steps before and after the current one that are accepted."""


def new_secret() -> str:
    """160 random bits, in base32 (RFC 4226 section 4, requirement R6)."""
    return pyotp.random_base32(32)


def provisioning_uri(secret: str, label: str, issuer: str) -> str:
    """`otpauth://totp/…`, as authenticator applications read it."""
    return pyotp.TOTP(secret, digits=DIGITS, interval=PERIOD).provisioning_uri(name=label, issuer_name=issuer)


def step_at(at: datetime) -> int:
    return int(at.timestamp()) // PERIOD


def matching_step(secret: str, unverified_code: str, at: datetime, last_step: int | None) -> int | None:
    """The step of a code that holds now and is after `last_step`; None otherwise. Takes as long whatever matches.

    `unverified_code` may hold spaces, as applications show it.
    """
    typed = "".join(unverified_code.split())
    if len(typed) != DIGITS or not (typed.isascii() and typed.isdigit()):
        return None
    totp, now = pyotp.TOTP(secret, digits=DIGITS, interval=PERIOD), step_at(at)
    found = None
    for step in range(max(0, now - DRIFT), now + DRIFT + 1):
        holds = hmac.compare_digest(totp.generate_otp(step), typed)
        if holds and (last_step is None or step > last_step):
            found = step if found is None else found
    return found


def in_groups(secret: str) -> str:
    """The secret in groups of four, for whoever types it."""
    return " ".join(secret[at : at + 4] for at in range(0, len(secret), 4))


def drift(secret: str, unverified_code: str, at: datetime, furthest: int = 40) -> int | None:
    """By how many seconds the clock that made this code differs from ours, when a nearby step explains it: a hint, never a proof."""
    typed = "".join(unverified_code.split())
    totp, now = pyotp.TOTP(secret, digits=DIGITS, interval=PERIOD), step_at(at)
    around = sorted(range(-furthest, furthest + 1), key=abs)
    return next((ahead * PERIOD for ahead in around if now + ahead >= 0 and totp.generate_otp(now + ahead) == typed), None)
