"""The answers of the machine door, to the letter of the format that payroll software knows (docs/interops.md says what each tells)."""

from datetime import datetime
from email.utils import format_datetime

from idp.oidc.wire import NO_STORE, Answer

TEXT = "text/plain; charset=utf-8"
UNKNOWN = 'Basic realm="net-entreprises.fr"'
PASSWORD_OVER = 'Basic realm="Expiration du mot de passe"'
NOT_ENROLLED = 'DSNLogin realm="Utilisateur non-inscrit au service"'
NO_TOKEN = 'DSNLogin realm="Jeton manquant ou invalide"'
TOKEN_OVER = 'DSNLogin realm="Expiration du jeton"'


def text(status: int, sentence: str, *headers: tuple[str, str]) -> Answer:
    return Answer(status, f"{sentence}\n".encode(), TEXT, (*NO_STORE, *headers))


def challenge(realm: str, sentence: str) -> Answer:
    return text(401, sentence, ("WWW-Authenticate", realm))


def given(token: str, expires_at: datetime) -> Answer:
    """The token alone, without a new line."""
    return Answer(200, token.encode(), TEXT, (*NO_STORE, expires(expires_at)))


def expires(at: datetime) -> tuple[str, str]:
    """RFC 9110 section 5.6.7."""
    return ("Expires", format_datetime(at, usegmt=True))


UNKNOWN_ANSWER = challenge(UNKNOWN, "Identifiants inconnus.")
PASSWORD_OVER_ANSWER = challenge(PASSWORD_OVER, "Ce mot de passe doit être changé sur le site.")
NOT_ENROLLED_ANSWER = challenge(NOT_ENROLLED, "Utilisateur non inscrit à ce service.")
NO_TOKEN_ANSWER = challenge(NO_TOKEN, "Jeton manquant ou invalide.")
TOKEN_OVER_ANSWER = challenge(TOKEN_OVER, "Ce jeton a expiré.")
BRAKED_ANSWER = text(403, "Accès bloqué après plusieurs échecs. Réessayez plus tard.")
TO_ACCEPT_ANSWER = text(403, "Connectez-vous une fois sur le site : de nouvelles conditions d'utilisation sont à accepter.")
DANGEROUS_ANSWER = text(407, "Requête refusée.")
MALFORMED_ANSWER = text(422, "Requête mal formée.")
TOO_MANY_ANSWER = text(429, "Trop de requêtes. Réessayez plus tard.", ("Retry-After", "600"))
CLOSED_ANSWER = text(503, "Service indisponible. Réessayez plus tard.", ("Retry-After", "60"))
