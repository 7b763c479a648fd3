"""Master secrets: what seals values at rest, what turns identifiers into digests, and random values.

Everything derives from the settings' master secrets by HKDF (RFC 5869), one key a purpose. The first secret seals; the
others only open what they sealed, so that a secret is replaced without a stop.
"""

import base64
import binascii
import hashlib
from functools import lru_cache
from ssl import RAND_bytes

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from idp.config import Secret
from idp.errors import MagError


class UnsealError(MagError):
    """A sealed value cannot be opened: its master secret is gone, or it was moved or altered."""

    code = "sceau"
    number = "M900002"
    remedy = "Exploitant : un secret de MAG_SECRETS a été retiré trop tôt, ou la donnée vient d'ailleurs."


URL_SAFE = bytes.maketrans(b"+/", b"-_")


def b64(raw: bytes) -> str:
    """base64url without padding (RFC 7515 appendix C), in half the time of `base64`."""
    return binascii.b2a_base64(raw, newline=False).translate(URL_SAFE, b"=").decode("ascii")


def unb64(text_: str) -> bytes:
    return base64.urlsafe_b64decode(text_ + "=" * (-len(text_) % 4))


def random_bytes(size: int) -> bytes:
    """From OpenSSL's generator, seeded by the system. `os.urandom` would give its turn to another thread at each call."""
    return RAND_bytes(size)


def new_secret() -> str:
    """A value for MAG_SECRETS."""
    return f"k{random_bytes(3).hex()}:{b64(random_bytes(32))}"


def random_token(size: int = 32) -> str:
    """`size` random bytes, as base64url characters."""
    return b64(random_bytes(size))


def digest(secret: str) -> str:
    """SHA-256 of a random secret of 128 bits or more, in hexadecimal: how it is stored and looked up."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _derive(secret: Secret, purpose: str) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=b"mag:" + purpose.encode()).derive(secret.value)


class Mac:
    """HMAC-SHA-256 under one key. Both hashes (RFC 2104 section 4) have read the key already: each use copies them.

    `hmac.digest` would look the hash up in OpenSSL each time, and give its turn to another thread.
    """

    def __init__(self, key: bytes) -> None:
        block = (key if len(key) <= 64 else hashlib.sha256(key).digest()).ljust(64, b"\0")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))

    def __call__(self, data: bytes) -> bytes:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(data)
        outer.update(inner.digest())
        return outer.digest()


@lru_cache(maxsize=128)
def mac_under(key: bytes) -> Mac:
    return Mac(key)


class Seals:
    """AES-256-GCM and HMAC-SHA-256 under the master secrets. `purpose` separates keys; `bound` cannot be changed or moved."""

    def __init__(self, secrets: tuple[Secret, ...]) -> None:
        self._secrets = secrets
        self._by_id = {secret.id: secret for secret in secrets}
        self._ciphers: dict[tuple[str, str], AESGCM] = {}
        self._macs: dict[tuple[str, str], Mac] = {}
        """What was derived of a master secret, by its name, for a purpose; purposes are words of the code, and few."""

    def _cipher(self, secret: Secret, purpose: str) -> AESGCM:
        found = self._ciphers.get((secret.id, purpose))
        if found is None:
            found = self._ciphers[secret.id, purpose] = AESGCM(_derive(secret, purpose))
        return found

    def _mac(self, secret: Secret, purpose: str) -> Mac:
        found = self._macs.get((secret.id, purpose))
        if found is None:
            found = self._macs[secret.id, purpose] = Mac(_derive(secret, purpose))
        return found

    def seal(self, purpose: str, value: bytes, bound: str = "") -> bytes:
        """`id "." nonce ciphertext`."""
        secret, nonce = self._secrets[0], random_bytes(12)
        return secret.id.encode() + b"." + nonce + self._cipher(secret, purpose).encrypt(nonce, value, bound.encode())

    def open(self, purpose: str, sealed: bytes, bound: str = "") -> bytes:
        """Raises UnsealError."""
        identifier, dot, rest = sealed.partition(b".")
        secret = self._by_id.get(identifier.decode("ascii", "replace"))
        if secret is None or not dot or len(rest) < 28:
            raise UnsealError(f"{purpose}: unknown master secret")
        try:
            return self._cipher(secret, purpose).decrypt(rest[:12], rest[12:], bound.encode())
        except InvalidTag as error:
            raise UnsealError(f"{purpose}: altered") from error

    def mac(self, purpose: str, data: bytes, secret_id: str | None = None) -> bytes:
        """32 bytes. Under the current master secret, or the one named; raises UnsealError when that one is gone."""
        secret = self._secrets[0] if secret_id is None else self._by_id.get(secret_id)
        if secret is None:
            raise UnsealError(f"{purpose}: unknown master secret {secret_id}")
        return self._mac(secret, purpose)(data)

    def macs(self, purpose: str, data: bytes) -> list[bytes]:
        """Under every master secret, the current one first: to check what an older one made."""
        return [self.mac(purpose, data, secret.id) for secret in self._secrets]

    @property
    def current_id(self) -> str:
        return self._secrets[0].id


def _under(token: str) -> AESGCM:
    return AESGCM(hashlib.sha256(b"mag:under:" + token.encode()).digest())


def seal_under(token: str, value: bytes) -> bytes:
    """Seal under a random token of 128 bits or more: only who holds it reads the value."""
    nonce = random_bytes(12)
    return nonce + _under(token).encrypt(nonce, value, None)


def unseal_under(token: str, sealed: bytes) -> bytes:
    """Raises UnsealError."""
    try:
        return _under(token).decrypt(sealed[:12], sealed[12:], None)
    except (InvalidTag, ValueError) as error:
        raise UnsealError("sealed under another token") from error
