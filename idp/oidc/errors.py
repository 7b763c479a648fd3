"""Errors of the authorization endpoint: pages before the redirect URI is proved, redirects after.

Token errors are Authlib's classes. Descriptions are fixed ASCII English: no user input is ever put in one.
"""

from authlib.oauth2.rfc6749.errors import OAuth2Error

from idp.errors import RefusedError

TokenError = OAuth2Error
"""Whatever the token endpoint answers as JSON: for doors that speak another format."""


class UntrustedRequestError(RefusedError):
    """The client or the redirect URI is not proved: the person reads a page, nobody is redirected (C03)."""

    code = "demande_partenaire"
    number = "M500001"
    remedy = "Partenaire : client_id ou redirect_uri ne sont pas ceux inscrits ; le journal de MAG dit lequel."
    status = 400
    public = (
        "Le site d'où vous venez a fait une demande que MAG ne peut pas accepter. "
        "Revenez à ce site et recommencez ; si cela persiste, prévenez son assistance."
    )


class AuthorizationError(Exception):
    """An error that the partner reads at its redirect URI. `error` is a registered code."""

    def __init__(self, error: str, description: str = "") -> None:
        super().__init__(description or error)
        self.error, self.description = error, description
