"""Keys that sign tokens: made, published, used, retired.

Signing keys live in the database, sealed, in three states: *next* (published, not used), *active* (signs), *retired*
(published until whatever it signed has expired). A key is published a day before it signs, so that no partner's cache
misses it (C71). Moving a key from one state to another is `key_states.py`.

Left out on purpose: hardware modules; `load_signer` is where one would answer.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Self, cast

import orjson
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from joserfc.jwk import KeySet
from sqlalchemy import Index, LargeBinary, String, bindparam, select, text, update
from sqlalchemy.orm import Mapped, mapped_column

from idp.config import Settings
from idp.database import Connections, Json, Kept, Model, Statement, Versions, db
from idp.errors import RefusedError
from idp.seals import Seals, b64

ALGORITHMS = ("ES256", "RS256", "PS256", "EdDSA")
"""RFC 7518 section 3.1, RFC 8037 section 3.1 (Ed25519 alone)."""
REQUIRED = frozenset({"ES256", "RS256"})
"""What MAG cannot go without: access tokens by default, and the default of OpenID Connect. The others are offered once they have a key."""


class KeyState(StrEnum):
    NEXT = "next"
    ACTIVE = "active"
    RETIRED = "retired"


class RotatedKey:
    """What tables of keys share: one active and one next at most for an algorithm, the others retired; the private part is sealed."""

    kid: Mapped[str] = mapped_column(String(64), primary_key=True)
    alg: Mapped[str] = mapped_column(String(10))
    state: Mapped[str] = mapped_column(String(10))
    private_sealed: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]
    activated_at: Mapped[datetime | None]
    retired_at: Mapped[datetime | None]

    @classmethod
    def every(cls) -> list[Self]:
        """By algorithm, the oldest first."""
        return list(db.session.scalars(select(cls).order_by(cls.alg, cls.created_at)))

    @classmethod
    def in_state(cls, alg: str, state: KeyState) -> Self | None:
        """The key of an algorithm that is active, or next: there is one at most."""
        return db.session.scalar(select(cls).filter_by(alg=alg, state=state))

    def move(self, before: KeyState, after: KeyState, now: datetime) -> bool:
        """Change state, unless another process just did: of two rotations at once, one alone finds the state it saw."""
        moment = {"activated_at": now} if after is KeyState.ACTIVE else {"retired_at": now}
        moving = update(type(self)).where(type(self).kid == self.kid, type(self).state == before)
        moved: Any = db.session.execute(moving.values(state=after, **moment), execution_options={"synchronize_session": "fetch"})
        return bool(moved.rowcount == 1)


class SigningKey(RotatedKey, Model):
    """One signing key."""

    __tablename__ = "signing_keys"
    __table_args__ = (
        Index(
            "uq_signing_keys_active", "alg", unique=True, postgresql_where=text("state = 'active'"), sqlite_where=text("state = 'active'")
        ),
        Index("uq_signing_keys_next", "alg", unique=True, postgresql_where=text("state = 'next'"), sqlite_where=text("state = 'next'")),
    )

    public_jwk: Mapped[dict[str, Any]] = mapped_column(Json)

    @classmethod
    def retired_before(cls, limit: datetime) -> list[Self]:
        return list(db.session.scalars(select(cls).where(cls.state == KeyState.RETIRED, cls.retired_at < limit)))


class SealedSecret(Model):
    """A secret that must outlive the master secrets, such as the salt of pairwise subjects; sealed."""

    __tablename__ = "sealed_secrets"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)


PUBLISHED = Statement(
    lambda: select(
        SigningKey.kid,
        SigningKey.alg,
        SigningKey.state,
        SigningKey.public_jwk,
        SigningKey.private_sealed,
        SigningKey.activated_at,
        SigningKey.retired_at,
    )
)
SEALED = Statement(lambda: select(SealedSecret.sealed).where(SealedSecret.name == bindparam("name", type_=String)))


# --------------------------------------------------------------------------------------------------------- signing keys

PSS = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
"""RFC 7518 section 3.5: the salt is as long as the hash."""
ECDSA_SHA256 = ec.ECDSA(hashes.SHA256())
PRIVATE_KEYS: Mapping[str, Callable[[], Any]] = {
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "RS256": lambda: rsa.generate_private_key(65537, 3072),
    "PS256": lambda: rsa.generate_private_key(65537, 3072),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}


@dataclass(frozen=True)
class Signer:
    """One private key, parsed once, and the headers it writes."""

    kid: str
    alg: str
    key: Any
    headers: dict[str, str] = field(default_factory=dict, compare=False)
    """Already written, by `typ`; those are words of the code, and few."""

    def sign(self, claims: Mapping[str, Any], typ: str) -> str:
        """Compact JWS (RFC 7515 section 3.1), assembled by hand: a third of the cost of a general library, checked against one in tests."""
        header = self.headers.get(typ) or self._header(typ)
        message = f"{header}.{b64(orjson.dumps(claims))}"
        return f"{message}.{b64(self._signature(message.encode()))}"

    def _header(self, typ: str) -> str:
        self.headers[typ] = header = b64(orjson.dumps({"alg": self.alg, "kid": self.kid, "typ": typ}))
        return header

    def _signature(self, message: bytes) -> bytes:
        if self.alg == "ES256":
            return _concatenated(self.key.sign(message, ECDSA_SHA256))
        if self.alg == "EdDSA":
            return cast(bytes, self.key.sign(message))
        return cast(bytes, self.key.sign(message, PSS if self.alg == "PS256" else padding.PKCS1v15(), hashes.SHA256()))


def _concatenated(der: bytes) -> bytes:
    """R and S of a P-256 signature, 32 bytes each, out of their DER (RFC 7518 section 3.4): two short integers, one after the other."""
    r, s = der[4 : 4 + der[3]], der[6 + der[3] :]
    return r[-32:].rjust(32, b"\0") + s[-32:].rjust(32, b"\0")


@dataclass(frozen=True)
class PublishedKeys:
    """Everything about signing that a process keeps: immutable, replaced whole when a key changes."""

    signers: Mapping[str, Signer]
    jwks: bytes
    keyset: KeySet
    pairwise_salt: bytes
    activated_at: Mapping[str, datetime]
    """Since when each algorithm has its key."""
    retired_at: datetime | None
    """Of the oldest retired key still published."""

    @property
    def algorithms(self) -> tuple[str, ...]:
        """What MAG can sign with today."""
        return tuple(alg for alg in ALGORITHMS if alg in self.signers)

    def signer(self, alg: str) -> Signer:
        """Raises NoKeyError."""
        try:
            return self.signers[alg]
        except KeyError:
            raise NoKeyError(f"no active {alg} key: run `mag cles init`") from None


class NoKeyError(RefusedError):
    """`mag cles init` was never run."""

    code = "cle_absente"
    number = "M900003"
    remedy = "Exploitant : lancez mag cles init."
    status = 503
    title = "Service indisponible"


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
        if not signers.keys() >= REQUIRED:
            raise NoKeyError("no active signing key: run `mag cles init`")
        sealed = self._connections.one(SEALED, name="pairwise")
        if sealed is None:
            raise NoKeyError("no pairwise salt: run `mag cles init`")
        salt = self.open("sealed_secrets", bytes(sealed[0]), "pairwise")
        keyset = KeySet.import_key_set(cast(Any, {"keys": public}))
        activated_at = {row[1]: row[5] for row in rows if row[2] == KeyState.ACTIVE}
        retired_at = min((row[6] for row in rows if row[2] == KeyState.RETIRED), default=None)
        return PublishedKeys(signers, orjson.dumps({"keys": public}), keyset, salt, activated_at, retired_at)

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
    """A new key pair, sealed; its `kid` is its thumbprint, so that no two keys share one."""
    private = PRIVATE_KEYS[alg]()
    jwk = public_jwk(private.public_key())
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


def public_jwk(public: Any) -> dict[str, str]:
    """The members that a key type requires, and no other. RFC 7518 sections 6.2 and 6.3, RFC 8037 section 2."""
    if isinstance(public, ed25519.Ed25519PublicKey):
        return {"crv": "Ed25519", "kty": "OKP", "x": b64(public.public_bytes_raw())}
    numbers = public.public_numbers()
    if isinstance(public, ec.EllipticCurvePublicKey):
        return {"crv": "P-256", "kty": "EC", "x": b64(numbers.x.to_bytes(32, "big")), "y": b64(numbers.y.to_bytes(32, "big"))}
    return {"e": b64(numbers.e.to_bytes(3, "big")), "kty": "RSA", "n": b64(numbers.n.to_bytes((numbers.n.bit_length() + 7) // 8, "big"))}


class CertificateRefusedError(RefusedError):
    """Not a certificate of this key."""

    code = "certificat_refuse"
    number = "M900004"
    remedy = "Exploitant : donnez une chaîne PEM qui commence par le certificat de cette clé."


def certify(key: SigningKey, pem: bytes, now: datetime) -> None:
    """Publish certificates with a key: `x5c`, the key's own first (RFC 7517 section 4.7). Raises CertificateRefusedError."""
    try:
        chain = x509.load_pem_x509_certificates(pem)
        certified = public_jwk(chain[0].public_key())
    except (ValueError, AttributeError) as error:
        raise CertificateRefusedError(str(error), public="Ce fichier ne contient pas de certificat X.509 lisible (PEM).") from None
    if thumbprint(certified) != key.kid:
        raise CertificateRefusedError("another key", public="Le premier certificat n'est pas celui de cette clé.")
    if not chain[0].not_valid_before_utc <= now <= chain[0].not_valid_after_utc:
        raise CertificateRefusedError("out of date", public="Ce certificat n'est pas en cours de validité.")
    encoded = [base64.b64encode(one.public_bytes(serialization.Encoding.DER)).decode() for one in chain]
    key.public_jwk = {**key.public_jwk, "x5c": encoded}
