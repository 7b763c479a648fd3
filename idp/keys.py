"""Keys that sign tokens: made, published, used, retired.

Signing keys live in the database, sealed, in three states: *next* (published, not used), *active* (signs), *retired*
(published until whatever it signed has expired). A key is published a day before it signs, so that no partner's cache
misses it (C71).

Left out on purpose: hardware modules; `load_signer` is where one would answer.
"""

import base64
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import Any, Self, cast

import orjson
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from joserfc.jwk import KeySet
from sqlalchemy import Index, LargeBinary, String, bindparam, select, text
from sqlalchemy.orm import Mapped, mapped_column

from idp.config import Settings
from idp.database import Connections, Json, Kept, Model, Statement, Version, Versions, db
from idp.errors import RefusedError
from idp.seals import Seals, b64

PUBLISHED_BEFORE_USE = timedelta(hours=24)
PUBLISHED_AFTER_USE = timedelta(hours=26)
"""Longer than any token lives, plus what a partner's cache and clock may add."""
ALGORITHMS = ("ES256", "RS256")


class KeyState(StrEnum):
    NEXT = "next"
    ACTIVE = "active"
    RETIRED = "retired"


class SigningKey(Model):
    """One signing key; the private part is sealed."""

    __tablename__ = "signing_keys"
    __table_args__ = (
        Index(
            "uq_signing_keys_active", "alg", unique=True, postgresql_where=text("state = 'active'"), sqlite_where=text("state = 'active'")
        ),
        Index("uq_signing_keys_next", "alg", unique=True, postgresql_where=text("state = 'next'"), sqlite_where=text("state = 'next'")),
    )

    kid: Mapped[str] = mapped_column(String(64), primary_key=True)
    alg: Mapped[str] = mapped_column(String(10))
    state: Mapped[str] = mapped_column(String(10))
    public_jwk: Mapped[dict[str, Any]] = mapped_column(Json)
    private_sealed: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]
    activated_at: Mapped[datetime | None]
    retired_at: Mapped[datetime | None]

    @classmethod
    def every(cls) -> list[Self]:
        """By algorithm, the oldest first."""
        return list(db.session.scalars(select(cls).order_by(cls.alg, cls.created_at)))


class SealedSecret(Model):
    """A secret that must outlive the master secrets, such as the salt of pairwise subjects; sealed."""

    __tablename__ = "sealed_secrets"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)


PUBLISHED = Statement(
    lambda: select(
        SigningKey.kid, SigningKey.alg, SigningKey.state, SigningKey.public_jwk, SigningKey.private_sealed, SigningKey.retired_at
    )
)
SEALED = Statement(lambda: select(SealedSecret.sealed).where(SealedSecret.name == bindparam("name", type_=String)))


# --------------------------------------------------------------------------------------------------------- signing keys


@dataclass(frozen=True)
class Signer:
    """One private key, parsed once, and the headers it writes."""

    kid: str
    alg: str
    key: Any

    def sign(self, claims: Mapping[str, Any], typ: str) -> str:
        """Compact JWS (RFC 7515 section 3.1), assembled by hand: a third of the cost of a general library, checked against one in tests."""
        message = self._header(typ) + b"." + base64.urlsafe_b64encode(orjson.dumps(claims)).rstrip(b"=")
        return (message + b"." + base64.urlsafe_b64encode(self._signature(message)).rstrip(b"=")).decode("ascii")

    @lru_cache(maxsize=16)  # noqa: B019  # signers are few and live as long as the process
    def _header(self, typ: str) -> bytes:
        return base64.urlsafe_b64encode(orjson.dumps({"alg": self.alg, "kid": self.kid, "typ": typ})).rstrip(b"=")

    def _signature(self, message: bytes) -> bytes:
        if self.alg == "ES256":
            r, s = decode_dss_signature(self.key.sign(message, ec.ECDSA(hashes.SHA256())))
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")
        return cast(bytes, self.key.sign(message, padding.PKCS1v15(), hashes.SHA256()))


@dataclass(frozen=True)
class PublishedKeys:
    """Everything about signing that a process keeps: immutable, replaced whole when a key changes."""

    signers: Mapping[str, Signer]
    jwks: bytes
    keyset: KeySet
    pairwise_salt: bytes

    @cached_property
    def etag(self) -> str:
        return f'"{hashlib.sha256(self.jwks).hexdigest()[:16]}"'

    def signer(self, alg: str) -> Signer:
        return self.signers[alg]


class NoKeyError(RefusedError):
    """`mag cles init` was never run."""

    code = "cle_absente"
    status = 503


class Keyring(Seals):
    """Master secrets and signing keys of one process."""

    def __init__(self, settings: Settings, connections: Connections, versions: Versions) -> None:
        super().__init__(settings.secrets)
        self._connections = connections
        self._private: dict[str, Any] = {}
        self.published = Kept(versions, "keys", self._load)

    def _load(self) -> PublishedKeys:
        rows = self._connections.all(PUBLISHED)
        public = [dict(row[3]) | {"kid": row[0], "alg": row[1], "use": "sig"} for row in sorted(rows, key=lambda row: (row[1], row[2]))]
        signers = {row[1]: Signer(row[0], row[1], self._private_key(row[0], row[4])) for row in rows if row[2] == KeyState.ACTIVE}
        if set(signers) != set(ALGORITHMS):
            raise NoKeyError("no active signing key: run `mag cles init`")
        sealed = self._connections.one(SEALED, name="pairwise")
        if sealed is None:
            raise NoKeyError("no pairwise salt: run `mag cles init`")
        salt = self.open("sealed_secrets", bytes(sealed[0]), "pairwise")
        return PublishedKeys(signers, orjson.dumps({"keys": public}), KeySet.import_key_set(cast(Any, {"keys": public})), salt)

    def _private_key(self, kid: str, sealed: bytes) -> Any:
        """Parsed once a process, and not validated: `make_key` made it and the seal says it is unchanged (validating costs 100 ms)."""
        if kid not in self._private:
            der = self.open("signing_keys", bytes(sealed), kid)
            self._private[kid] = serialization.load_der_private_key(der, None, unsafe_skip_rsa_key_validation=True)
        return self._private[kid]


def thumbprint(jwk: Mapping[str, str]) -> str:
    """Of a public key that has its required members alone. RFC 7638 section 3."""
    return b64(hashlib.sha256(json.dumps(jwk, separators=(",", ":"), sort_keys=True).encode()).digest())


def make_key(seals: Seals, alg: str, state: KeyState, now: datetime) -> SigningKey:
    """A new key pair, sealed; its `kid` is its thumbprint."""
    private: Any = ec.generate_private_key(ec.SECP256R1()) if alg == "ES256" else rsa.generate_private_key(65537, 3072)
    numbers = private.public_key().public_numbers()
    if alg == "ES256":
        jwk = {"crv": "P-256", "kty": "EC", "x": b64(numbers.x.to_bytes(32, "big")), "y": b64(numbers.y.to_bytes(32, "big"))}
    else:
        jwk = {"e": b64(numbers.e.to_bytes(3, "big")), "kty": "RSA", "n": b64(numbers.n.to_bytes((numbers.n.bit_length() + 7) // 8, "big"))}
    kid = thumbprint(jwk)
    der = private.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return SigningKey(
        kid=kid,
        alg=alg,
        state=state,
        public_jwk=jwk,
        private_sealed=seals.seal("signing_keys", der, kid),
        created_at=now,
        activated_at=now if state is KeyState.ACTIVE else None,
    )


def initialise(seals: Seals, now: datetime) -> list[SigningKey]:
    """Make what is missing: an active and a next key for each algorithm, and the pairwise salt. Idempotent."""
    made = []
    for alg in ALGORITHMS:
        for state in (KeyState.ACTIVE, KeyState.NEXT):
            if db.session.scalar(select(SigningKey).filter_by(alg=alg, state=state)) is None:
                made.append(make_key(seals, alg, state, now))
    if db.session.get(SealedSecret, "pairwise") is None:
        db.session.add(SealedSecret(name="pairwise", sealed=seals.seal("sealed_secrets", os.urandom(32), "pairwise")))
    db.session.add_all(made)
    Version.bump("keys")
    return made


class RotationRefusedError(RefusedError):
    """The next key has not been published for a day: partners' caches may not know it."""

    code = "rotation_refusee"


def rotate(seals: Seals, alg: str, now: datetime, *, emergency: bool = False) -> tuple[SigningKey, SigningKey]:
    """The next key signs, the active one retires, another next one is published: (now active, now next).

    Raises RotationRefusedError when the next key is younger than a day, unless `emergency`.
    """
    found = {
        key.state: key
        for key in db.session.scalars(
            select(SigningKey).where(SigningKey.alg == alg, SigningKey.state != KeyState.RETIRED).with_for_update()
        )
    }
    if KeyState.NEXT not in found or KeyState.ACTIVE not in found:
        raise RotationRefusedError(f"no next {alg} key", public=f"Il manque une clé {alg} : lancez d'abord « mag cles init ».")
    if now - found[KeyState.NEXT].created_at < PUBLISHED_BEFORE_USE and not emergency:
        public = f"La clé {alg} suivante est publiée depuis moins de 24 heures ; --urgence l'utilise malgré tout."
        raise RotationRefusedError(f"the next {alg} key is too young", public=public)
    old, new = found[KeyState.ACTIVE], found[KeyState.NEXT]
    old.state, old.retired_at = KeyState.RETIRED, now
    db.session.flush()
    new.state, new.activated_at = KeyState.ACTIVE, now
    db.session.flush()
    following = make_key(seals, alg, KeyState.NEXT, now)
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


def purge_retired(now: datetime) -> int:
    """Unpublish retired keys whose last token has expired; how many."""
    old = list(
        db.session.scalars(
            select(SigningKey).where(SigningKey.state == KeyState.RETIRED, SigningKey.retired_at < now - PUBLISHED_AFTER_USE)
        )
    )
    for key in old:
        db.session.delete(key)
    if old:
        Version.bump("keys")
    return len(old)
