"""Proof of possession: what a new token is bound to, and whether who presents a token holds what it is bound to.

RFC 9449 sections 5 and 7, RFC 8705 sections 3 and 4, FAPI 2.0 Security Profile section 5.3.2.1. The checks of a DPoP proof are
`dpop.py`'s, those of a certificate `mtls.py`'s.
"""

import hmac

from authlib.oauth2.rfc6749.errors import InvalidRequestError

from idp.config import Settings
from idp.ephemeral import Ephemeral
from idp.keys import Keyring
from idp.oidc.client import Client
from idp.oidc.confirmation import Confirmation
from idp.oidc.dpop import InvalidProofError, NonceNeededError, Proofs
from idp.oidc.mtls import Certificates
from idp.oidc.wire import Answer, Environ, Shown, challenge


class Possession:
    """Asks for proofs, for one process."""

    def __init__(self, settings: Settings, keyring: Keyring, store: Ephemeral) -> None:
        self.proofs, self.certificates = Proofs(settings, keyring, store), Certificates(settings)

    def at_token(self, environ: Environ, client: Client) -> Confirmation | None:
        """What the tokens of this answer will be bound to; None for plain bearer tokens.

        Any client may send a proof. Raises InvalidProofError, NonceNeededError, or InvalidRequestError where a client that
        must be bound proves nothing.
        """
        jkt = self.proofs.thumbprint_of(environ, client) or ""
        certificate = self.certificates.of(environ) if _binds_to_certificate(client, jkt) else None
        x5t = certificate.x5t if certificate else ""
        if client.tls_client_certificate_bound_access_tokens and not x5t:
            raise InvalidRequestError("this client must present its certificate")
        if (client.dpop_bound_access_tokens and not jkt) or (client.sender_constrained and not (jkt or x5t)):
            raise InvalidProofError("this client must prove possession of a key")
        return Confirmation(jkt, x5t) if jkt or x5t else None

    def refusal(self, environ: Environ, shown: Shown, confirmation: Confirmation | None, client: Client) -> Answer | None:
        """Why a token presented at a resource is refused, as an answer; None when its holder holds all that it is bound to."""
        if confirmation is None or not confirmation.jkt:
            if shown.is_dpop:
                return challenge("invalid_token", dpop=True)
        elif not shown.is_dpop:
            return challenge("invalid_token", dpop=True)
        else:
            try:
                jkt = self.proofs.thumbprint_of(environ, client, shown.token)
            except (InvalidProofError, NonceNeededError) as error:
                return challenge(error.error, dpop=True)
            if jkt is None:
                return challenge("invalid_dpop_proof", dpop=True)
            if not hmac.compare_digest(jkt, confirmation.jkt):
                return challenge("invalid_token", dpop=True)
        return self._certificate_refusal(environ, confirmation)

    def _certificate_refusal(self, environ: Environ, confirmation: Confirmation | None) -> Answer | None:
        """RFC 8705 section 3."""
        if confirmation is None or not confirmation.x5t:
            return None
        certificate = self.certificates.of(environ)
        holds = certificate is not None and hmac.compare_digest(certificate.x5t, confirmation.x5t)
        return None if holds else challenge("invalid_token")


def _binds_to_certificate(client: Client, jkt: str) -> bool:
    """RFC 8705 section 3.4; ours: also those that must be bound and sent no DPoP proof."""
    return client.tls_client_certificate_bound_access_tokens or (client.sender_constrained and not jkt)
