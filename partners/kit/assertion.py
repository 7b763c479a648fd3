"""How a partner that shares no secret with MAG proves who it is: RFC 7523 section 2.2."""

from typing import Any

from authlib.oauth2.rfc7523 import PrivateKeyJWT
from authlib.oauth2.rfc7523.assertion import private_key_jwt_sign

ASSERTION_ALGS = {"EC": "ES256", "RSA": "RS256", "OKP": "EdDSA"}
"""How each type of key signs."""


class Assertion(PrivateKeyJWT):
    """RFC 7523 section 2.2: for the issuer alone, one minute, a new `jti` each time."""

    def __init__(self, issuer: str, key: Any, alg: str) -> None:
        super().__init__(token_endpoint=issuer, alg=alg)
        self._key = key

    def sign(self, auth: Any, token_endpoint: str) -> str:
        return str(
            private_key_jwt_sign(
                self._key,
                client_id=auth.client_id,
                token_endpoint=token_endpoint,
                alg=self.alg,
                header={"kid": self._key.kid},
                expires_in=60,
            )
        )
