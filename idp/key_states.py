"""Signing keys through their states: made, put to use, retired, forgotten; by hand or by themselves.

A new key is *next* for a day or more before it signs, and stays published after it signed for longer than what it signed
lives (C71). Operations run in a page transaction (`db.session`) and never commit; several processes may run one at the same
time: each change is conditional, and one alone makes it.
"""

import os
from datetime import datetime, timedelta

from idp.database import Version, db
from idp.errors import RefusedError
from idp.keys import ALGORITHMS, KeyState, PublishedKeys, SealedSecret, SigningKey, make_key
from idp.seals import Seals

PUBLISHED_BEFORE_USE = timedelta(hours=24)
PUBLISHED_AFTER_USE = timedelta(hours=26)
"""Longer than any token lives, plus what a partner's cache and clock may add."""


def initialise(seals: Seals, now: datetime) -> list[SigningKey]:
    """Make what is missing: an active and a next key for each algorithm, and the pairwise salt. Idempotent."""
    missing = [(alg, state) for alg in ALGORITHMS for state in (KeyState.ACTIVE, KeyState.NEXT) if not SigningKey.in_state(alg, state)]
    made = [make_key(seals, alg, state, now) for alg, state in missing]
    if db.session.get(SealedSecret, "pairwise") is None:
        db.session.add(SealedSecret(name="pairwise", sealed=seals.seal("sealed_secrets", os.urandom(32), "pairwise")))
    if made:
        db.session.add_all(made)
        Version.bump("keys")
    return made


class RotationRefusedError(RefusedError):
    """The next key has not been published for a day: partners' caches may not know it."""

    code = "rotation_refusee"
    number = "M900005"
    remedy = "Exploitant : attendez que la clé suivante soit publiée depuis un jour, ou ajoutez --urgence."


def rotate(seals: Seals, alg: str, now: datetime, *, emergency: bool = False) -> tuple[SigningKey, SigningKey]:
    """The next key signs, the active one retires, another next one is published: (now active, now next).

    Raises RotationRefusedError when the next key is younger than a day, unless `emergency`; or when another process was quicker.
    """
    old, new = SigningKey.in_state(alg, KeyState.ACTIVE), SigningKey.in_state(alg, KeyState.NEXT)
    if old is None or new is None:
        raise RotationRefusedError(f"no next {alg} key", public=f"Il manque une clé {alg} : lancez d'abord « mag cles init ».")
    if now - new.created_at < PUBLISHED_BEFORE_USE and not emergency:
        public = f"La clé {alg} suivante est publiée depuis moins de 24 heures ; --urgence l'utilise malgré tout."
        raise RotationRefusedError(f"the next {alg} key is too young", public=public)
    following = make_key(seals, alg, KeyState.NEXT, now)
    if not (old.move(KeyState.ACTIVE, KeyState.RETIRED, now) and new.move(KeyState.NEXT, KeyState.ACTIVE, now)):
        raise RotationRefusedError(f"{alg} is being rotated", public=f"La clé {alg} vient d'être changée par un autre processus.")
    db.session.add(following)
    Version.bump("keys")
    return new, following


def withdraw(kid: str) -> SigningKey:
    """Unpublish a retired key now: what it signed is refused everywhere. Raises RotationRefusedError for a key in use."""
    key = db.session.get(SigningKey, kid)
    if key is None or key.state != KeyState.RETIRED:
        raise RotationRefusedError(f"{kid} is not a retired key", public=f"« {kid} » n'est pas une clé retirée.")
    db.session.delete(key)
    Version.bump("keys")
    return key


def purge_retired(now: datetime) -> list[str]:
    """Unpublish retired keys whose last token has expired; their `kid`."""
    old = SigningKey.retired_before(now - PUBLISHED_AFTER_USE)
    for key in old:
        db.session.delete(key)
    if old:
        Version.bump("keys")
    return [key.kid for key in old]


# ------------------------------------------------------------------------------------------------------------ by themselves


def is_due(published: PublishedKeys, now: datetime, days: int) -> bool:
    """Whether keys ask for something: one is missing, too old, or retired for long enough. `days` is how long a key signs."""
    too_old = now - timedelta(days=days)
    if set(ALGORITHMS) - published.signers.keys() or any(at <= too_old for at in published.activated_at.values()):
        return True
    return published.retired_at is not None and published.retired_at < now - PUBLISHED_AFTER_USE


def rotate_old(seals: Seals, now: datetime, days: int) -> list[SigningKey]:
    """Rotate each key that has signed for `days`, once its successor has been published for a day; the keys that changed."""
    changed: list[SigningKey] = []
    for alg in ALGORITHMS:
        active, following = SigningKey.in_state(alg, KeyState.ACTIVE), SigningKey.in_state(alg, KeyState.NEXT)
        if active is None or following is None or active.activated_at is None:
            continue
        if now - active.activated_at >= timedelta(days=days) and now - following.created_at >= PUBLISHED_BEFORE_USE:
            changed += rotate(seals, alg, now)
    return changed
