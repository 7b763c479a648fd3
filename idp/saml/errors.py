"""What SAML refuses: to the person, when nobody is proved to have asked; else to the service provider, in its own words.

Status codes: SAML core section 3.2.2.2.
"""

from idp.errors import RefusedError

STATUS = "urn:oasis:names:tc:SAML:2.0:status:"
SUCCESS, REQUESTER, RESPONDER, VERSION_MISMATCH = STATUS + "Success", STATUS + "Requester", STATUS + "Responder", STATUS + "VersionMismatch"
AUTHN_FAILED, INVALID_ATTRIBUTE = STATUS + "AuthnFailed", STATUS + "InvalidAttrNameOrValue"
INVALID_NAME_ID, NO_CONTEXT, NO_PASSIVE = STATUS + "InvalidNameIDPolicy", STATUS + "NoAuthnContext", STATUS + "NoPassive"
PARTIAL_LOGOUT, DENIED, UNSUPPORTED = STATUS + "PartialLogout", STATUS + "RequestDenied", STATUS + "RequestUnsupported"
UNKNOWN_PRINCIPAL = STATUS + "UnknownPrincipal"


class MessageRefusedError(RefusedError):
    """A message that proves nothing: not SAML, not signed by whom it says, not for us, too old. Nobody is redirected."""

    code = "message_saml"
    number = "M500401"
    remedy = "Partenaire : le journal de MAG dit laquelle des vérifications de docs/saml.md a échoué (signature, adresses, date)."
    public = (
        "Le site d'où vous venez a envoyé à MAG une demande qui ne peut pas être acceptée. Revenez à ce site et recommencez ; si cela "
        "se répète, prévenez son assistance."
    )


class UnknownProviderError(RefusedError):
    """Nobody registered this entityID, or it is disabled."""

    code = "fournisseur_saml_inconnu"
    number = "M500402"
    remedy = "Partenaire : entityID doit être celui des métadonnées inscrites, à la lettre. Exploitant : mag saml lister."
    public = "Le site d'où vous venez n'est pas inscrit à MAG. Revenez à ce site et prévenez son assistance."


class StaleMessageError(RefusedError):
    """Issued too long ago, or in the future, or answered already."""

    code = "message_saml_perime"
    number = "M500403"
    remedy = (
        "Revenez au site d'où vous venez et recommencez. Partenaire : l'horloge doit être à l'heure, et une demande ne sert qu'une fois."
    )
    public = "Cette demande a déjà servi, ou date de trop longtemps. Revenez au site d'où vous venez et recommencez."


class SamlError(Exception):
    """A request that is the service provider's, and cannot be answered by an assertion: a Response says why (core section 3.2.2)."""

    def __init__(self, status: str, second: str, message: str) -> None:
        super().__init__(message)
        self.status, self.second, self.message = status, second, message
