"""The client side of OAuth, by Authlib, every call of it through the guard of outgoing calls.

RFC 6749 sections 4.1.1 and 4.1.3, RFC 7636 (S256 alone), RFC 7523 section 2.2. Ours: client_secret_basic encodes what it joins, as
RFC 6749 section 2.3.1 asks; an assertion names the issuer as its audience and lives a minute.
"""

import base64
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus, urlencode

import orjson
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.client import OAuth2Client
from authlib.oauth2.rfc7523 import PrivateKeyJWT

from idp.seals import Seals
from partners.amont import cles
from partners.amont.metadonnees import Metadonnees
from partners.amont.models import SECRET, Fournisseur
from partners.amont.refus import FournisseurInjoignableError, JetonRefuseError, RefusChezFournisseurError
from partners.outgoing import Answer, Fetcher, OutgoingRefusedError

ASSERTION_LIFE = 60
"""Seconds."""


class BadAnswerError(ValueError):
    """Not an answer of a token endpoint."""


@dataclass(frozen=True, slots=True)
class Said:
    """An answer, as Authlib reads it."""

    answer: Answer

    @property
    def status_code(self) -> int:
        return self.answer.status

    def json(self) -> Any:
        return orjson.loads(self.answer.body)

    def raise_for_status(self) -> None:
        """Called by Authlib for what is no answer of OAuth."""
        raise BadAnswerError(f"answered {self.answer.status}")


class Guarded:
    """What Authlib takes for a session."""

    def __init__(self, fetcher: Fetcher) -> None:
        self.fetcher = fetcher

    def post(self, url: str, *, data: Mapping[str, str], headers: Mapping[str, str], auth: Any) -> Said:
        uri, sent, body = auth.prepare("POST", url, dict(headers), urlencode(data))
        return Said(self.fetcher.ask("POST", uri, sent, body.encode("ascii")))


def basic(client: Any, _method: str, uri: str, headers: dict[str, str], body: str) -> tuple[str, dict[str, str], str]:
    """RFC 6749 section 2.3.1: both are form-encoded before they are joined."""
    joined = f"{quote_plus(client.client_id)}:{quote_plus(client.client_secret)}"
    return uri, headers | {"Authorization": f"Basic {base64.b64encode(joined.encode()).decode()}"}, body


def client_of(fournisseur: Fournisseur, known: Metadonnees, fetcher: Fetcher, seals: Seals, redirect_uri: str) -> OAuth2Client:
    """MAG, as this provider knows it."""
    sealed, method = fournisseur.secret_sealed, fournisseur.auth_method
    secret: Any = seals.open(SECRET, sealed, fournisseur.code).decode() if sealed and method != "private_key_jwt" else None
    if method == "private_key_jwt":
        secret = cles.signing(seals, fournisseur)
    client = OAuth2Client(
        Guarded(fetcher),
        fournisseur.client_id,
        secret,
        token_endpoint_auth_method=method,
        scope=" ".join(fournisseur.scopes),
        redirect_uri=redirect_uri,
        code_challenge_method="S256",
    )
    client.register_client_auth_method(("client_secret_basic", basic))
    if method == "private_key_jwt":
        header = {"kid": secret.kid}
        claims = {"exp": int(time.time()) + ASSERTION_LIFE}
        client.register_client_auth_method(PrivateKeyJWT(known.issuer, claims=claims, headers=header, alg=cles.SIGNING_ALG))
    return client


def address(client: OAuth2Client, known: Metadonnees, state: str, verifier: str, parameters: Mapping[str, str]) -> str:
    """Where the browser goes. Without a verifier, no PKCE: an operator said that this provider refuses it, and `nonce` stands alone."""
    found, _ = client.create_authorization_url(known.authorization_endpoint, state, verifier or None, **parameters)
    return found


def redeem(client: OAuth2Client, fournisseur: Fournisseur, known: Metadonnees, code: str, verifier: str) -> Mapping[str, Any]:
    """The tokens of a code. Raises FournisseurInjoignableError, RefusChezFournisseurError, JetonRefuseError."""
    proof = {"code_verifier": verifier} if verifier else {}
    try:
        found = client.fetch_token(known.token_endpoint, grant_type="authorization_code", code=code, **proof)
    except (OutgoingRefusedError, BadAnswerError) as error:
        raise FournisseurInjoignableError(f"token endpoint: {error}", fournisseur.nom) from error
    except OAuth2Error as error:
        raise RefusChezFournisseurError(f"token_{error.error}"[:60], fournisseur.nom) from error
    except (ValueError, TypeError) as error:
        raise FournisseurInjoignableError(f"token endpoint: {type(error).__name__}", fournisseur.nom) from error
    if not isinstance(found, Mapping):
        raise FournisseurInjoignableError(f"token endpoint: {type(found).__name__}", fournisseur.nom)
    access = found.get("access_token")
    if not isinstance(access, str) or not access.isascii() or not access.isprintable():
        raise JetonRefuseError("no access token", fournisseur.nom)
    return dict(found)
