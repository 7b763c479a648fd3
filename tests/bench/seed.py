"""What a bench needs in MAG: a migrated database, signing keys, two clients, three for MAG's own workloads, eight people with a password.

Left out on purpose, so that ratios compare like with like: rights (what decisions on them cost is `tests.bench.habilitations`),
and people's addresses, since MAG writes a mail for each sign-in from a browser it does not know.
"""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from joserfc.jwk import ECKey

from idp import key_states
from idp.authentication import password_change
from idp.authentication.ceremony import Means
from idp.config import Settings
from idp.database import db
from idp.declarants.identite import Identite
from idp.declarants.inscription import inscrire
from idp.entreprises.siret import Siret
from idp.seals import digest, new_secret
from migrations import upgrade
from partners.onboarding import register_client, register_partenaire
from tests import services
from tests.bench.grants import BEARER, CIBA, DEVICE, EXCHANGE

SIRET, PRENOM, PASSWORD = "73282932000074", "Banc", "cheval bleu sous la pluie"
NOMS = ("Alpha", "Bravo", "Charlie", "Delta", "Echo", "Foxtrot", "Golf", "Hotel")
CLIENT_ID, REDIRECT_URI, SCOPE = "banc", "https://rp.example/cb", "openid profile email"
ENDPOINTS = {
    "discovery": "/.well-known/openid-configuration",
    "jwks": "/jwks",
    "token": "/token",
    "authorize": "/authorize",
    "userinfo": "/userinfo",
    "introspect": "/token/introspection",
}
METADATA = {
    "client_name": "Banc d'essai",
    "redirect_uris": [REDIRECT_URI],
    "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
    "token_endpoint_auth_method": "client_secret_basic",
    "scope": SCOPE,
    "id_token_signed_response_alg": "ES256",
    "access_token_signing_alg": "ES256",
    "first_party": True,
}
DELEGATE_SCOPE = f"{SCOPE} offline_access"
BRIEF = METADATA | {"client_name": "Banc d'essai, sans renouvellement", "grant_types": ["authorization_code"]}
RS256 = METADATA | {"client_name": "Banc d'essai, RSA", "id_token_signed_response_alg": "RS256", "access_token_signing_alg": "RS256"}
SIGNER_ID, DELEGATE_ID, BRIEF_ID, RS256_ID = "banc-signataire", "banc-delegue", "banc-bref", "banc-rsa"


def own_clients(public_key: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The clients of MAG's own workloads: one authenticates by a key, one has the grants that act for somebody elsewhere."""
    common = {"scope": SCOPE, "id_token_signed_response_alg": "ES256", "first_party": True, "jwks": {"keys": [public_key]}}
    signer = {
        "client_name": "Banc d'essai, signataire",
        "grant_types": ["client_credentials"],
        "redirect_uris": [],
        "response_types": [],
        "token_endpoint_auth_method": "private_key_jwt",
    }
    delegate = {
        "client_name": "Banc d'essai, délégué",
        "redirect_uris": [REDIRECT_URI],
        "grant_types": ["authorization_code", "refresh_token", DEVICE, EXCHANGE, BEARER, CIBA],
        "token_endpoint_auth_method": "client_secret_basic",
        "scope": DELEGATE_SCOPE,
        "exchange": ["https://aval.example"],
        "introspect": [CLIENT_ID],
        "backchannel_token_delivery_mode": "poll",
    }
    return {SIGNER_ID: {**common, **signer}, DELEGATE_ID: {**common, **delegate}}


@dataclass(frozen=True)
class Seeded:
    """MAG ready to be served on `port`: its settings as an environment, and how load is sent to it."""

    port: int
    environ: dict[str, str]
    target: dict[str, Any]
    """In the terms of the outside harness: base, endpoints, client, users, form_marks; `brief`, the client of `hop`;
    `own`, for MAG's own workloads."""


def seed(database_url: str, redis_url: str) -> Seeded:
    """Fill an empty database. The throttles of the eight people are lifted by setting: the bench hammers on purpose."""
    port, client_secret, delegate_secret = services.free_port(), secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    environ = {
        "MAG_ISSUER": f"http://127.0.0.1:{port}",
        "MAG_SECRETS": new_secret(),
        "MAG_DATABASE_URL": database_url,
        "MAG_REDIS_URL": redis_url,
        "MAG_TEST_IDENTITIES": ",".join(f"{SIRET}|{nom}|{PRENOM}" for nom in NOMS),
        "MAG_LOG_LEVEL": "WARNING",
    }
    key = ECKey.generate_key("P-256", {"kid": "banc", "use": "sig"})
    upgrade(database_url)
    _fill(Settings.load(environ), client_secret, delegate_secret, key)
    target = {
        "base": environ["MAG_ISSUER"],
        "scope": SCOPE,
        "endpoints": ENDPOINTS,
        "client": {"id": CLIENT_ID, "secret": client_secret, "redirect_uri": REDIRECT_URI, "auth": "basic"},
        "brief": {"id": BRIEF_ID, "secret": f"{client_secret}-bref", "redirect_uri": REDIRECT_URI, "auth": "basic", "scope": SCOPE},
        "users": [{"siret": SIRET, "nom": nom, "prenom": PRENOM, "password": PASSWORD} for nom in NOMS],
        "form_marks": ['name="password"'],
        "own": {
            "key": key.as_dict(private=True),
            "signer": {"id": SIGNER_ID},
            "rs256": {"id": RS256_ID, "secret": f"{client_secret}-rsa", "scope": SCOPE},
            "delegate": {"id": DELEGATE_ID, "secret": delegate_secret, "scope": DELEGATE_SCOPE},
        },
    }
    return Seeded(port, environ, target)


def _fill(settings: Settings, client_secret: str, delegate_secret: str, key: ECKey) -> None:
    from wsgi import create_app

    app, now = create_app(settings), datetime.now(UTC)
    means: Means = app.extensions["mag_means"]
    with app.app_context():
        key_states.initialise(app.extensions["mag"].keyring, now)
        partenaire = register_partenaire(CLIENT_ID, "Banc d'essai", None, now)
        plain = {CLIENT_ID: (METADATA, ""), BRIEF_ID: (BRIEF, "-bref"), RS256_ID: (RS256, "-rsa")}
        for client_id, (metadata, mark) in plain.items():
            register_client(partenaire, metadata, now, client_id=client_id, secret_hashes=[digest(client_secret + mark)])
        for client_id, metadata in own_clients(key.as_dict(private=False)).items():
            hashes = [digest(delegate_secret)] if client_id == DELEGATE_ID else []
            register_client(partenaire, metadata, now, client_id=client_id, secret_hashes=hashes)
        for nom in NOMS:
            declarant = inscrire(Identite(Siret.parse(SIRET), nom, PRENOM), now)
            db.session.flush()
            password_change.change_password(means.store, settings, means.passwords, declarant, PASSWORD, now)
        db.session.commit()
        db.session.remove()
        db.engine.dispose()
