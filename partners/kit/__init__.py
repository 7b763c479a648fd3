"""What a Flask partner installs to sign people in with MAG: three lines in its application, its routes, one decorator.

    mag = MagKit(app, issuer="https://mag.example.fr", base_url="https://portail.example.fr", client_id="…", client_secret="…",
                 scope="openid profile siret habilitations:dsn")

    @app.get("/espace")
    @require_mag()
    def espace():
        return f"Bonjour {current_identity().full_name}"

Stands alone: imports nothing else of MAG, so that the folder may be copied. Needs Flask, Authlib, joserfc and requests.

    config          what the partner says of itself
    habilitations   pure: the claim `hab`, and whether someone may
    identity        pure: who is signed in
    tokens          pure: what an ID token, a claim page must hold
    signals         pure: what an event of security must hold
    sealing         cookies of transactions, sessions at rest
    sessions        sessions, on the server
    transport       HTTP to MAG
    assertion       who the partner is, by its own key
    provider        MAG's endpoints
    account         the life of one session: opened, checked again, ended
    origins         where a request comes from, where one may be sent
    transactions    sign-ins in progress, in cookies
    words           pure: what pages say, in French and in English
    widget          MAG's scripts: the button, the end of a popup
    answers         redirects, pages, words for scripts
    blueprint       routes, decorator

Left out on purpose: encrypted tokens; requests that are signed or deposited beforehand.
"""

from .blueprint import MagKit, current_identity, require_mag
from .config import KitConfigError
from .identity import Identity
from .provider import MagUnavailableError
from .sessions import Sessions, SqliteSessions
from .signals import SecurityEvent

__all__ = [
    "Identity",
    "KitConfigError",
    "MagKit",
    "MagUnavailableError",
    "SecurityEvent",
    "Sessions",
    "SqliteSessions",
    "current_identity",
    "require_mag",
]
