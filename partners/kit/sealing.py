"""Values sealed under the application's own secret key: only this application reads them, nobody changes them.

JWE compact, `dir` with A256GCM (RFC 7516): one key a purpose.
"""

import hashlib
import hmac
import json
import secrets
import time
from typing import Any

from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

HEADER = {"alg": "dir", "enc": "A256GCM"}
LONGEST = 64 * 1024


def random_text(size: int = 32) -> str:
    """`size` random bytes, as characters that fit in a cookie's name and in an address."""
    return secrets.token_urlsafe(size)


def digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class Box:
    """Seals JSON values for one purpose."""

    def __init__(self, secret_key: str | bytes, purpose: str) -> None:
        raw = secret_key.encode() if isinstance(secret_key, str) else secret_key
        self._key = OctKey.import_key(hmac.digest(raw, f"mag-kit:{purpose}".encode(), "sha256"))

    def seal(self, value: Any, lifetime: int) -> str:
        """`lifetime` in seconds."""
        inside = json.dumps({"v": value, "exp": int(time.time()) + lifetime}).encode()
        return jwe.encrypt_compact(HEADER, inside, self._key)

    def open(self, unverified: str) -> Any:
        """None when it is not ours, was changed, or is too old."""
        if not unverified or len(unverified) > LONGEST or not unverified.isascii():
            return None
        try:
            inside = json.loads(jwe.decrypt_compact(unverified.encode(), self._key, algorithms=["dir", "A256GCM"]).plaintext or b"")
        except (JoseError, ValueError, TypeError):
            return None
        return inside["v"] if inside["exp"] > time.time() else None
