"""What goes wrong between MAG and a provider of identity: each its page, each its number, and never a session."""

from idp.errors import RefusedError

NOBODY = "Rien n'a été enregistré et aucune session n'a été ouverte."


class AmontError(RefusedError):
    """Of a provider. `str(error)` is for the journal."""

    code = "amont"
    number = "M600200"
    remedy = "Recommencez depuis la page de MAG d'où vous veniez."
    status = 400
    title = "Identité non reçue"


class FournisseurInconnuError(AmontError):
    """No such provider, or one that was cut off."""

    code = "fournisseur_inconnu"
    number = "M600201"
    remedy = "Choisissez un autre moyen. Exploitant : mag amont lister dit quels fournisseurs sont en service."
    status = 404
    title = "Fournisseur d'identité indisponible"
    public = f"Ce fournisseur d'identité n'est pas proposé, ou ne l'est plus. {NOBODY} Choisissez un autre moyen."


class RetourInconnuError(AmontError):
    """No request in progress goes with this answer: too old, of another browser, or made up."""

    code = "amont_retour_inconnu"
    number = "M600202"
    remedy = "Recommencez depuis MAG, dans un seul navigateur, cookies autorisés, en moins de dix minutes."
    public = (
        "Ce retour ne répond à aucune demande de ce navigateur : elle est trop ancienne, ou elle a commencé ailleurs. "
        f"{NOBODY} Recommencez depuis MAG, dans le même navigateur."
    )


class RetourRejoueError(AmontError):
    """The same answer came before."""

    code = "amont_retour_rejoue"
    number = "M600203"
    remedy = "N'utilisez pas le bouton Précédent pendant le passage chez le fournisseur : recommencez depuis MAG."
    public = "Ce retour a déjà servi. Si vous êtes revenu en arrière, reprenez depuis la page de MAG où vous en étiez."


class RetourEtrangerError(AmontError):
    """RFC 9207 section 2.4: another issuer answers than the one that was asked."""

    code = "amont_emetteur"
    number = "M600204"
    remedy = "Recommencez depuis MAG. Exploitant : l'adresse « iss » du retour n'est pas celle du fournisseur déclaré."
    status = 403
    public = f"La réponse reçue ne vient pas du fournisseur que vous aviez choisi. {NOBODY}"


class FournisseurInjoignableError(AmontError):
    """It does not answer, or not in time, or not what a provider answers."""

    code = "fournisseur_injoignable"
    number = "M600205"
    remedy = "Réessayez dans quelques minutes. Exploitant : mag amont verifier <code>."
    status = 503
    title = "Fournisseur d'identité injoignable"
    retry_after = 60

    def __init__(self, reason: str, nom: str) -> None:
        super().__init__(
            reason, public=f"« {nom} » ne répond pas en ce moment. {NOBODY} Réessayez dans quelques minutes, ou choisissez un autre moyen."
        )


class RefusChezFournisseurError(AmontError):
    """OpenID Connect Core section 3.1.2.6: it answers an error. `error` is its code, one of those that the specifications list."""

    code = "amont_refus"
    number = "M600206"
    remedy = "Recommencez et acceptez la demande du fournisseur, ou choisissez un autre moyen."
    status = 403
    title = "Identification interrompue"

    def __init__(self, error: str, nom: str) -> None:
        self.error = error
        words = SENTENCES.get(error, "« {nom} » n'a pas pu vous identifier.").format(nom=nom)
        super().__init__(f"answered {error}", public=f"{words} {NOBODY}")


SENTENCES = {
    "access_denied": "Vous avez interrompu l'identification chez « {nom} », ou elle vous a été refusée.",
    "login_required": "« {nom} » demande que vous vous y connectiez.",
    "interaction_required": "« {nom} » demande que vous y terminiez une étape.",
    "consent_required": "« {nom} » demande votre accord.",
    "account_selection_required": "« {nom} » demande que vous y choisissiez un compte.",
    "unmet_authentication_requirements": "« {nom} » n'a pas pu vous identifier au niveau demandé.",
    "invalid_acr": "« {nom} » n'a pas pu vous identifier au niveau demandé.",
    "temporarily_unavailable": "« {nom} » est momentanément indisponible.",
    "server_error": "« {nom} » a rencontré un incident.",
}
WITHOUT_A_WORD = frozenset({"login_required", "interaction_required", "consent_required", "account_selection_required"})
"""OpenID Connect Core section 3.1.2.6: what `prompt=none` may answer. It is asked again, with a page this time."""
KNOWN = frozenset(SENTENCES) | {
    *("invalid_request", "unauthorized_client", "unsupported_response_type", "invalid_scope", "invalid_request_uri"),
    *("invalid_request_object", "request_not_supported", "request_uri_not_supported", "registration_not_supported"),
}
"""Codes that the journal names; another is a provider's own text, and stays there."""


class SilentRefusalError(RefusChezFournisseurError):
    """`prompt=none` was not enough: the page `back` may ask again, with a word this time."""

    code = "amont_silence"
    number = "M600212"
    remedy = "Recommencez depuis MAG : le fournisseur affichera cette fois sa page."

    def __init__(self, error: str, nom: str, back: str) -> None:
        super().__init__(error, nom)
        self.back = back


class JetonRefuseError(AmontError):
    """What it answered does not prove who comes: signature, audience, age, nonce, subject."""

    code = "amont_jeton"
    number = "M600207"
    remedy = "Recommencez. Exploitant : le journal dit quelle vérification a échoué."
    status = 403

    def __init__(self, reason: str, nom: str) -> None:
        super().__init__(reason, public=f"La réponse de « {nom} » n'a pas pu être vérifiée. {NOBODY} Recommencez dans quelques minutes.")


class HorlogeError(JetonRefuseError):
    """It dates its answer more than five minutes away from our clock."""

    code = "amont_horloge"
    number = "M600208"
    remedy = "Recommencez. Exploitant : l'écart d'horloge avec le fournisseur dépasse cinq minutes ; vérifiez la synchronisation (NTP)."


class NiveauError(AmontError):
    """Less was proved than what was asked."""

    code = "amont_niveau"
    number = "M600209"
    remedy = "Recommencez avec un moyen de connexion plus fort chez le fournisseur."
    status = 403
    title = "Niveau insuffisant"

    def __init__(self, reason: str, nom: str) -> None:
        super().__init__(
            reason, public=f"« {nom} » vous a identifié à un niveau inférieur à celui qui était demandé, ou trop ancien. {NOBODY}"
        )


class ArriveeInconnueError(AmontError):
    """The handle of an arrival: used, too old, of another browser or of another page."""

    code = "amont_arrivee"
    number = "M600210"
    remedy = "Reprenez depuis la page de MAG où vous en étiez."
    public = "Cette identification a déjà été prise en compte, ou elle est trop ancienne. Reprenez depuis la page où vous en étiez."


class TropDePassagesError(AmontError):
    """Too many departures from one network."""

    code = "amont_trop"
    number = "M600213"
    remedy = "Réessayez dans dix minutes."
    status = 429
    title = "Trop d'essais"
    public = "Trop de passages chez ce fournisseur depuis votre réseau. Réessayez dans dix minutes."
    retry_after = 600


class CompteNonRelieError(AmontError):
    """The account there signs nobody in here. The same for an account that may no longer enter."""

    code = "amont_non_relie"
    number = "M600214"
    remedy = "Connectez-vous avec votre mot de passe, puis reliez ce compte dans « Mes preuves d'identité »."
    status = 403
    title = "Compte non relié"

    def __init__(self, reason: str, nom: str) -> None:
        super().__init__(
            reason,
            public=f"Ce compte {nom} ne connecte aucune identité de MAG. Connectez-vous avec votre mot de passe : vous pourrez ensuite le "
            "relier, depuis « Mes preuves d'identité ».",
        )


class FournisseurRefuseError(RefusedError):
    """What an operator declares of a provider cannot be. The message says why, in French."""

    code = "fournisseur_refuse"
    number = "M600211"
    remedy = "Exploitant : la phrase affichée dit quoi corriger."

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence, public=sentence)
