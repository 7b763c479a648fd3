"""npm's openid-client, the certified client of the JavaScript world: every feature it has that MAG has, against a served MAG.

Each journey is a file of `javascript/openid_client/`. Two things of the library are left out: signed metadata, which MAG does
not publish, and the aliases of mutual TLS, since MAG's certificates come by the same addresses.
"""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from joserfc.jwk import ECKey, RSAKey

from tests import factories, services
from tests.interop.conftest import OUT, REDIRECT, secret_of

pytestmark = pytest.mark.interop
Journey = Callable[..., dict[str, Any]]

KEY = ECKey.generate_key("P-256", {"kid": "k1", "alg": "ES256", "use": "sig"})
EC_ENC = ECKey.generate_key("P-256", {"kid": "k2", "use": "enc"})
RSA_ENC = RSAKey.generate_key(2048, {"kid": "k3", "use": "enc"})
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
SIGNS_OF_FORMS = "+ %:&é"
CIBA = "urn:openid:params:grant-type:ciba"
NOTICES = services.free_port()
"""Where the site that is told of sign-outs listens."""


def certificate() -> x509.Certificate:
    """Self-signed, on KEY."""
    name, now = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "portail.test")]), datetime.now(UTC)
    built = x509.CertificateBuilder(name, name, KEY.public_key, x509.random_serial_number(), now, now + timedelta(days=1))
    return built.sign(KEY.private_key, hashes.SHA256())


CERTIFICATE = certificate()
DER = CERTIFICATE.public_bytes(serialization.Encoding.DER)


def jwks(*keys: ECKey | RSAKey) -> dict[str, Any]:
    return {"keys": [key.as_dict(private=False) for key in keys]}


SIGNS = {"token_endpoint_auth_method": "private_key_jwt", "jwks": jwks(KEY)}
ES256 = {"id_token_signed_response_alg": "ES256"}


def encrypted(alg: str, enc: str) -> dict[str, str]:
    answers = ("id_token", "userinfo", "introspection", "authorization")
    found = {f"{answer}_signed_response_alg": "ES256" for answer in answers}
    found |= {f"{answer}_encrypted_response_alg": alg for answer in answers}
    return found | {f"{answer}_encrypted_response_enc": enc for answer in answers}


SHOWN: dict[str, dict[str, Any]] = {
    "secret": {"id_token_signed_response_alg": "RS256"},
    "corps": {"token_endpoint_auth_method": "client_secret_post", "id_token_signed_response_alg": "PS256"},
    "symetrique": {"token_endpoint_auth_method": "client_secret_jwt", "id_token_signed_response_alg": "EdDSA"},
    "cle": {**SIGNS, **ES256, "userinfo_signed_response_alg": "ES256", "introspection_signed_response_alg": "ES256"},
    "depose": {**SIGNS, **ES256, "authorization_signed_response_alg": "ES256", "require_pushed_authorization_requests": True},
    "signe": {**SIGNS, **ES256, "authorization_signed_response_alg": "ES256", "require_signed_request_object": True},
    "fapi": {**SIGNS, **ES256, "profile": "fapi2"},
    "lie": {**ES256, "dpop_bound_access_tokens": True},
    "certificat": {
        **ES256,
        "token_endpoint_auth_method": "self_signed_tls_client_auth",
        "tls_client_certificate_bound_access_tokens": True,
        "jwks": {"keys": [{**KEY.as_dict(private=False), "x5c": []}]},
    },
    "ecdh": {**SIGNS, "jwks": jwks(KEY, EC_ENC), **encrypted("ECDH-ES", "A256GCM")},
    "rsa": {**SIGNS, "jwks": jwks(KEY, RSA_ENC), **encrypted("RSA-OAEP-256", "A128CBC-HS256")},
    "hybride": {**ES256, "response_types": ["code", "code id_token", "id_token"]},
    "averti": {**ES256, "backchannel_logout_uri": f"http://127.0.0.1:{NOTICES}/fin"},
    "appareil": {**ES256, "token_endpoint_auth_method": "none"},
    "ciba": {**SIGNS, **ES256, "backchannel_token_delivery_mode": "poll", "backchannel_authentication_request_signing_alg": "ES256"},
    "portail": {**SIGNS, **ES256, "audience": ["https://paie.test"]},
    "paie": {**ES256, "exchange": ["https://dsn.test"], "introspect": ["https://paie.test", "https://dsn.test"]},
    "caisse": {**ES256, "exchange": ["https://caisse.test"], "introspect": ["https://dsn.test", "https://caisse.test"]},
}
"""What each client tells MAG, and the library."""
GRANTS: dict[str, list[str]] = {
    "hybride": ["authorization_code", "refresh_token", "implicit"],
    "appareil": [DEVICE, "refresh_token"],
    "ciba": [CIBA],
    "paie": [EXCHANGE],
    "caisse": [EXCHANGE],
    "portail": ["authorization_code", "refresh_token", BEARER],
}
PLAIN = ["authorization_code", "refresh_token", "client_credentials"]


def registered(client_id: str) -> dict[str, Any]:
    grants = GRANTS.get(client_id, PLAIN)
    redirected = (
        {"redirect_uris": [REDIRECT], "post_logout_redirect_uris": [OUT]} if "authorization_code" in grants else {"response_types": []}
    )
    scope = "openid profile email siret habilitations:dsn offline_access api:lire"
    return {"grant_types": grants, "scope": scope, **redirected, **SHOWN[client_id]}


@pytest.fixture(scope="module")
def issuer(serve: Callable[..., str]) -> str:
    return serve(
        "postgresql",
        {client_id: registered(client_id) for client_id in SHOWN},
        signs=SIGNS_OF_FORMS,
        MAG_CLIENT_SECRET_JWT="1",
        MAG_DPOP_NONCE="fapi2",
        MAG_FRONT_CHANNEL_TOKENS="1",
        MAG_OPEN_REGISTRATION="1",
        MAG_OUTGOING_HOSTS=f"127.0.0.1:{NOTICES}",
        MAG_TRUSTED_PROXIES="1",
        MAG_TLS_PROXIES="127.0.0.1",
        MAG_TLS_CERTIFICATE_HEADER="X-Client-Cert",
    )


def as_client(issuer: str, client_id: str, **more: Any) -> dict[str, Any]:
    """What a journey is told."""
    shown = {name: value for name, value in SHOWN[client_id].items() if name not in ("jwks", "token_endpoint_auth_method")}
    return {
        "issuer": issuer,
        "client_id": client_id,
        "secret": secret_of(client_id, SIGNS_OF_FORMS),
        "method": SHOWN[client_id].get("token_endpoint_auth_method", "client_secret_basic"),
        "key": KEY.as_dict(private=True),
        "metadata": shown,
        "redirect_uri": REDIRECT,
        "out": OUT,
        "scope": "openid profile email siret",
        **more,
    }


@pytest.mark.parametrize("client_id", ["secret", "corps", "symetrique", "cle", "fapi"])
def test_sign_in_refresh_second_site_revocation_sign_out(play: Journey, issuer: str, client_id: str) -> None:
    """By each way of authenticating, each with another signature; `cle` also reads userinfo and introspection as JWT.

    `fapi` lives under FAPI 2.0: pushed requests, DPoP with the nonces that MAG gives, refresh tokens that stay.
    """
    bound = client_id == "fapi"
    seen = play("openid_client/basic.mjs", **as_client(issuer, client_id, dpop=bound))

    assert seen["userinfo"]["siret"] == factories.SIRET
    assert seen["userinfo"]["email"] == "anne@exemple.fr"
    assert seen["introspection"]["active"] is True
    assert seen["refreshed"] == {"sub": seen["claims"]["sub"], "auth_time": seen["claims"]["auth_time"], "rotated": not bound}
    assert seen["hop"] == {"sub": seen["claims"]["sub"], "password_asked": False}
    assert seen["revoked"] == {"active": False}
    assert seen["machine"] == {"token_type": "dpop" if bound else "bearer", "scope": "api:lire"}
    assert seen["signed_out"] == f"{OUT}?state=fini"
    assert seen["after"] == "login_required"
    assert seen["dead"] == 401


def test_claims_level_age_resource_prompts_and_hints(play: Journey, issuer: str) -> None:
    seen = play("openid_client/asked.mjs", **as_client(issuer, "portail", resource="https://paie.test"))

    assert seen["signed_metadata"] is False
    assert seen["claims"]["siret"] == factories.SIRET
    assert seen["claims"]["acr"] == "eidas1"
    assert seen["email"] == "anne@exemple.fr"
    assert (seen["audience"], seen["elsewhere"]) == ("https://paie.test", 401)
    assert (seen["passwords"], seen["moved"], seen["hinted"]) == (2, True, True)
    assert seen["level"] == "unmet_authentication_requirements"


def test_pushed_requests_signed_requests_and_signed_answers(play: Journey, issuer: str) -> None:
    """RFC 9126, RFC 9101, JARM."""
    seen = play("openid_client/pushed.mjs", **as_client(issuer, "depose"))

    assert seen["asked"] == ["client_id", "request_uri"]
    assert seen["answered"] == ["response"]
    assert seen["signed"] == seen["pushed"]


def test_signed_requests_by_the_browser(play: Journey, issuer: str) -> None:
    """RFC 9101 section 5.1, JARM sections 2.3.1 and 2.3.3."""
    seen = play("openid_client/signed.mjs", **as_client(issuer, "signe"))

    assert seen["query"] == seen["form"]


def test_tokens_bound_to_a_key(play: Journey, issuer: str) -> None:
    """RFC 9449. The library names Ed25519 as RFC 9864 does."""
    seen = play("openid_client/bound.mjs", **as_client(issuer, "lie"))

    bound = {"token_type": "dpop", "sub": True, "read": 200, "bound": "DPoP", "rotated": False, "other_key": 401, "no_key": 401}
    assert seen == {"ES256": bound, "PS256": bound, "Ed25519": bound}


def test_tokens_bound_to_a_certificate(play: Journey, issuer: str) -> None:
    """RFC 8705."""
    pem = CERTIFICATE.public_bytes(serialization.Encoding.PEM).decode()
    seen = play("openid_client/certified.mjs", **as_client(issuer, "certificat", certificate=quote(pem, safe="")))

    assert seen["userinfo"] == seen["sub"]
    assert seen["bound"] == urlsafe_b64encode(hashlib.sha256(DER).digest()).rstrip(b"=").decode()
    assert (seen["machine"], seen["stolen"], seen["nobody"]) == ("api:lire", 401, 401)


@pytest.mark.parametrize(
    ("client_id", "key", "alg", "enc"),
    [
        pytest.param("ecdh", EC_ENC, "ECDH-ES", "A256GCM", id="ECDH-ES"),
        pytest.param("rsa", RSA_ENC, "RSA-OAEP-256", "A128CBC-HS256", id="RSA-OAEP-256"),
    ],
)
def test_answers_encrypted_under_the_client_s_key(play: Journey, issuer: str, client_id: str, key: Any, alg: str, enc: str) -> None:
    """The client must also sign its own assertions: its `key` stays the signing one there."""
    given = as_client(issuer, client_id, alg=alg, enc=enc, decryption=key.as_dict(private=True))
    seen = play("openid_client/encrypted.mjs", **given)

    assert seen["parts"] == [5, 5]
    assert (seen["siret"], seen["active"], seen["answered"]) == (factories.SIRET, True, seen["sub"])


def test_a_person_answers_on_another_screen(play: Journey, issuer: str) -> None:
    """RFC 8628; CIBA Core, poll, with signed requests."""
    hint = f"{factories.SIRET}|Lefèvre|Anne"
    seen = play(
        "openid_client/elsewhere.mjs",
        issuer=issuer,
        device=as_client(issuer, "appareil"),
        ciba=as_client(issuer, "ciba", hint=hint),
    )

    assert seen["device"] == {"siret": factories.SIRET, "refreshed": True, "refused": "access_denied"}
    assert seen["accepted"]["aud"] == "ciba"
    assert seen["refused"] == "access_denied"


def test_a_service_exchanges_a_token_and_a_software_acts_by_its_key(play: Journey, issuer: str) -> None:
    """RFC 8693, RFC 7523 section 2.1."""
    seen = play("openid_client/exchanged.mjs", issuer=issuer, portal=as_client(issuer, "portail"), service=as_client(issuer, "paie"))

    assert seen["type"] == "urn:ietf:params:oauth:token-type:access_token"
    assert seen["next"] == {"aud": "https://dsn.test", "scope": "email", "act": {"sub": "paie"}}
    assert seen["acted"] == "anne@exemple.fr"


def test_two_services_exchange_one_after_the_other_each_by_its_own_key(play: Journey, issuer: str) -> None:
    """RFC 8693 sections 2.2.2 and 4.1, RFC 9449 section 5."""
    parties = {name: as_client(issuer, client) for name, client in {"portal": "portail", "service": "paie", "next": "caisse"}.items()}

    seen = play("openid_client/chained.mjs", issuer=issuer, **parties)

    assert seen["types"] == ["dpop", "dpop", "dpop"]
    assert seen["told"] == {"aud": "https://caisse.test", "scope": "email", "act": {"sub": "caisse", "act": {"sub": "paie"}}}
    assert (seen["bound"], seen["no_longer"]) == (True, True)
    assert (seen["without_a_key"], seen["link_without_a_key"]) == ("invalid_request", "invalid_request")
    assert (seen["wrong_audience"], seen["not_aimed_at_it"]) == ("invalid_target", "invalid_request")


def test_a_client_registers_itself_works_and_is_removed(play: Journey, issuer: str) -> None:
    """RFC 7591, RFC 7592."""
    seen = play("openid_client/registered.mjs", issuer=issuer, redirect_uri=REDIRECT, scope="openid profile email")

    assert (seen["consents"], seen["alg"], seen["expires"], seen["refreshed"]) == (1, "RS256", 0, True)
    assert (seen["read"], seen["changed"]) == ("Client qui s’inscrit", "Client renommé")
    assert (seen["removed"], seen["after"]) == (204, 401)


def test_answers_through_the_browser(play: Journey, issuer: str) -> None:
    """Form post; hybrid and implicit, which a setting opens."""
    seen = play("openid_client/browser.mjs", **as_client(issuer, "hybride"))

    assert seen["siret"] == factories.SIRET
    assert seen["posted"] == seen["hybrid"] == seen["implicit"] == seen["alone"]


def test_a_site_is_told_of_a_sign_out(play: Journey, issuer: str) -> None:
    """OpenID Connect Back-Channel Logout section 2."""
    seen = play("openid_client/told.mjs", **as_client(issuer, "averti", port=NOTICES))

    assert (seen["url"], seen["type"], seen["fields"]) == ("/fin", "application/x-www-form-urlencoded", ["logout_token"])
    assert seen["events"] == {"http://schemas.openid.net/event/backchannel-logout": {}}
    assert (seen["nonce"], seen["alg"], seen["same"]) == (None, "ES256", True)
