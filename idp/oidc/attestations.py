"""A signed receipt of who was signed in, and how, when something was declared: `POST /attestations/v1` (facts 44, 45).

The partner shows the person's access token and the SHA-256 of what is declared; the answer is a compact JWS (RFC 7515) to keep with
the declaration. It has no expiry, and its `typ` is no token's. MAG never sees the declaration, and journals each receipt by its
`jti`, so that it can be found years after its key left the published set. Left out on purpose: qualified signatures (eIDAS).
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from authlib.oauth2.base import OAuth2Error
from authlib.oauth2.rfc6749.errors import InvalidRequestError

from idp.audit import journal
from idp.audit.events import DeclarationAttested
from idp.config import HOUR
from idp.database import Connections
from idp.entreprises.siret import Siret
from idp.ephemeral import Counter, Ephemeral
from idp.keys import Keyring
from idp.notifications.messages import in_words
from idp.oidc.alive import Alive
from idp.oidc.bearer import Bearers, Presented
from idp.oidc.claims import Person, claims_of_scope, select_claims
from idp.oidc.wire import Answer, Environ, read_form, shown_token
from idp.seals import random_token

TYP = "authentication-receipt+jwt"
ALG = "ES256"
TOLD = frozenset({"siret", "given_name", "usual_name"})
"""What a receipt says of the person, when the token's scope does."""
DIGEST = re.compile(r"[A-Za-z0-9_-]{43}")
"""SHA-256 in base64url, without padding."""
REFERENCE = re.compile(r"[\x21-\x7e]{1,100}")
AN_HOUR = 1200
"""Receipts of one person at one partner."""


class TooManyAttestationsError(OAuth2Error):
    """Far more receipts than a person declares."""

    error = "temporarily_unavailable"

    def __init__(self) -> None:
        super().__init__(description="too many receipts for this person in an hour", status_code=429)


class Attestations:
    """The endpoint, for one process."""

    def __init__(self, issuer: str, bearers: Bearers, alive: Alive, keyring: Keyring, store: Ephemeral, connections: Connections) -> None:
        self.issuer, self.bearers, self.alive = issuer, bearers, alive
        self.keyring, self.store, self.connections = keyring, store, connections

    def __call__(self, environ: Environ) -> Answer:
        """For the access token of a person who signed in. Raises OAuth2Error."""
        now = datetime.now(UTC)
        found = self.bearers.read(environ, shown_token(environ), now.timestamp())
        if isinstance(found, Answer):
            return found
        token = found.token
        person = self.alive.person_of(token) if token.handle.declarant_id else None
        if person is None or "auth_time" not in token.claims:
            return found.refused("invalid_token")
        if "openid" not in token.claims["scope"].split():
            return found.refused("insufficient_scope")
        asked = read(read_form(environ))
        if self.store.count(Counter(f"attestations:{found.client.client_id}:{token.handle.declarant_id}", HOUR))[0] > AN_HOUR:
            raise TooManyAttestationsError
        claims = self._claims(found, person, asked, now)
        event = DeclarationAttested(
            declarant_id=token.handle.declarant_id, client_id=found.client.client_id, jti=claims["jti"], empreinte=asked["empreinte"]
        )
        journal.write(self.connections, event, now)
        return Answer(200, self.keyring.published().signer(ALG).sign(claims, TYP).encode(), "application/jwt")

    def _claims(self, found: Presented, person: Person, asked: Mapping[str, str], now: datetime) -> dict[str, Any]:
        token = found.token
        scope = [name for name in token.claims["scope"].split() if name in found.client.scope]
        acr, amr = token.claims["acr"], token.claims["amr"]
        return {
            "iss": self.issuer,
            "aud": found.client.client_id,
            "iat": int(now.timestamp()),
            "jti": random_token(16),
            "sub": token.claims["sub"],
            "auth_time": token.claims["auth_time"],
            "acr": acr,
            "amr": amr,
            **select_claims(person, TOLD & set(claims_of_scope(scope)), idp_id=self.issuer, acr=acr, amr=amr),
            **({"sid": token.handle.sid} if token.handle.sid else {}),
            **asked,
        }


def facts(what: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The receipt in words, as far as it says."""
    name = " ".join(what[part] for part in ("given_name", "usual_name") if part in what)
    rows = [
        ("Personne", name),
        ("SIRET", Siret(what["siret"]).grouped if "siret" in what else ""),
        ("Connue du partenaire sous", what["sub"]),
        ("Partenaire", what["aud"]),
        ("Connectée depuis le", in_words(datetime.fromtimestamp(what["auth_time"], UTC))),
        ("Niveau de la connexion", f"{what['acr']} ({', '.join(what['amr'])})"),
        ("Empreinte SHA-256 de ce qui est déclaré", what["empreinte"]),
        ("Référence du partenaire", what.get("reference", "")),
        ("Numéro", what["jti"]),
    ]
    return [(name, value) for name, value in rows if value]


def read(form: Mapping[str, str]) -> dict[str, str]:
    """`empreinte`, and the partner's own `reference` if any. Raises InvalidRequestError."""
    digest, reference = form.get("empreinte", ""), form.get("reference")
    if not DIGEST.fullmatch(digest):
        raise InvalidRequestError("empreinte must be a SHA-256 in base64url, without padding: 43 characters")
    if reference is not None and not REFERENCE.fullmatch(reference):
        raise InvalidRequestError("reference must be 1 to 100 visible ASCII characters")
    return {"empreinte": digest, **({"reference": reference} if reference else {})}
