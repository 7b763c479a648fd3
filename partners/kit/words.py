"""What the kit's pages say, in French and in English. Pure.

Each kind of page has its status, the error that scripts are told, and its words: what happened, and what to do.
"""

from collections.abc import Mapping
from dataclasses import dataclass

LANGUAGES = ("fr", "en")


@dataclass(frozen=True, slots=True)
class Words:
    """One page in one language."""

    title: str
    heading: str
    text: str


@dataclass(frozen=True, slots=True)
class Kind:
    """One page. `error` is what scripts are told."""

    status: int
    error: str
    fr: Words
    en: Words

    def words(self, lang: str) -> Words:
        return self.en if lang == "en" else self.fr


KINDS: Mapping[str, Kind] = {
    "annulee": Kind(
        200,
        "access_denied",
        Words("Connexion abandonnée", "Vous avez abandonné la connexion", "Aucune information n'a été transmise à ce site."),
        Words("Sign-in cancelled", "You cancelled the sign-in", "No information was sent to this site."),
    ),
    "indisponible": Kind(
        503,
        "temporarily_unavailable",
        Words(
            "Connexion momentanément indisponible",
            "La connexion est momentanément indisponible",
            "Le service d'authentification ne répond pas. Réessayez dans quelques instants.",
        ),
        Words(
            "Sign-in temporarily unavailable",
            "Sign-in is temporarily unavailable",
            "The authentication service does not answer. Try again in a moment.",
        ),
    ),
    "terminee": Kind(
        401,
        "login_required",
        Words(
            "Session terminée",
            "Votre session est terminée",
            "Vous vous êtes déconnecté, ou votre session a expiré\u00a0: rien n'a été enregistré. Reconnectez-vous puis recommencez.",
        ),
        Words(
            "Session ended",
            "Your session has ended",
            "You signed out, or your session expired: nothing was saved. Sign in, then start again.",
        ),
    ),
    "refusee": Kind(
        400,
        "server_error",
        Words(
            "Connexion interrompue",
            "La connexion n'a pas abouti",
            "Le service d'authentification n'a pas pu répondre à la demande de ce site. Réessayez\u00a0; si cela persiste, contactez "
            "l'assistance de ce site avec la référence ci-dessous.",
        ),
        Words(
            "Sign-in interrupted",
            "The sign-in did not succeed",
            "The authentication service could not answer this site's request. Try again; if it goes on, contact this site's support "
            "with the reference below.",
        ),
    ),
    "horloge": Kind(
        500,
        "clock_skew",
        Words(
            "Connexion interrompue",
            "L'horloge de ce site est déréglée",
            "Le service d'authentification vous a reconnu, mais le serveur de ce site n'est pas à l'heure et ne peut pas vérifier sa "
            "réponse. Votre appareil n'est pas en cause. Prévenez l'assistance de ce site, avec la référence ci-dessous.",
        ),
        Words(
            "Sign-in interrupted",
            "This site's clock is wrong",
            "The authentication service recognised you, but this site's server is not on time and cannot check the answer. Your device "
            "is not at fault. Tell this site's support, with the reference below.",
        ),
    ),
    "invalide": Kind(
        400,
        "invalid_request",
        Words("Lien non valable", "Ce lien n'est pas valable", "Il ne permet pas de se connecter à ce site."),
        Words("Link not valid", "This link is not valid", "It cannot be used to sign in to this site."),
    ),
    "etrangere": Kind(
        403,
        "invalid_request",
        Words("Demande refusée", "Cette demande ne vient pas de ce site", "Revenez à l'accueil de ce site et recommencez."),
        Words("Request refused", "This request does not come from this site", "Go back to this site's home page and start again."),
    ),
    "perdue": Kind(
        400,
        "transaction_lost",
        Words(
            "Connexion interrompue",
            "La connexion a été interrompue",
            "Elle a duré plus de dix minutes, elle a déjà servi, ou votre navigateur n'a pas gardé les cookies de ce site. "
            "Recommencez\u00a0: rien n'a été perdu.",
        ),
        Words(
            "Sign-in interrupted",
            "The sign-in was interrupted",
            "It took more than ten minutes, was used already, or your browser did not keep this site's cookies. "
            "Start again: nothing is lost.",
        ),
    ),
    "deja": Kind(
        200,
        "transaction_lost",
        Words("Déjà connecté", "Vous êtes déjà connecté", "Cette page a déjà servi. Votre session est ouverte\u00a0: continuez."),
        Words("Already signed in", "You are already signed in", "This page was used already. Your session is open: go on."),
    ),
    "connecte": Kind(
        200,
        "",
        Words("Connexion réussie", "Vous êtes connecté", "Cette fenêtre se ferme d'elle-même. Sinon, continuez ici."),
        Words("Signed in", "You are signed in", "This window closes by itself. If it does not, go on here."),
    ),
}

LINKS: Mapping[str, Mapping[str, str]] = {
    "fr": {"start": "Se connecter avec MAG", "home": "Retour à l'accueil", "continue": "Continuer", "reference": "Référence\u00a0:"},
    "en": {"start": "Sign in with MAG", "home": "Back to the home page", "continue": "Continue", "reference": "Reference:"},
}
