"""Answers encrypted under the key of a client. OpenID Connect Core sections 5.3.2 and 10.2, RFC 7516, RFC 7518 sections 4 and 5."""

from itertools import product
from types import SimpleNamespace

import orjson
import pytest
from joserfc import jwe, jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, KeySet, OKPKey, RSAKey

from idp.keys import ALGORITHMS
from idp.oidc.client import CONTENT_ENCS, KEY_ALGS, Encryption
from idp.oidc.encryption import Encrypter, NoClientKeyError, fits
from tests.protocol.relying import answer_of

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
KINDS = {"ECDH-ES": ("EC", "P-256"), "RSA-OAEP-256": ("RSA", 2048), "RSA-OAEP": ("RSA", 2048)}
RSA = RSAKey.generate_key(2048, {"kid": "chiffre-rsa", "use": "enc"})
EC = ECKey.generate_key("P-256", {"kid": "chiffre-ec", "use": "enc"})
KEYS = {"EC": EC, "RSA": RSA}


def public(*keys) -> dict:
    return {"keys": [key.as_dict(private=False) for key in keys]}


def encrypted(member: str, alg: str = "ECDH-ES", enc: str = "A256GCM") -> dict:
    return {f"{member}_encrypted_response_alg": alg, f"{member}_encrypted_response_enc": enc}


def opened(text: str, key) -> jwe.CompactEncryption:
    """joserfc is the oracle."""
    return jwe.decrypt_compact(text, key, algorithms=[*KEY_ALGS, *CONTENT_ENCS])


def verified(partner, text: str) -> jwt.Token:
    return jwt.decode(text, KeySet.import_key_set(partner.call("/jwks", "GET").json), algorithms=list(ALGORITHMS))


# ------------------------------------------------------------------------------------------------------------ ID tokens


@pytest.mark.parametrize(("alg", "enc"), product(KEY_ALGS, CONTENT_ENCS))
def test_10_2_an_id_token_is_signed_then_encrypted(partner, code_flow, alg, enc):
    key = KEYS[KINDS[alg][0]]
    portail = partner(jwks=public(RSA, EC), id_token_signed_response_alg="ES256", **encrypted("id_token", alg, enc))
    tokens = code_flow(portail)
    outside = opened(tokens.id_token, key)
    inside = verified(portail, outside.plaintext.decode())

    assert {name: outside.headers()[name] for name in ("alg", "enc", "cty", "kid")} == {
        "alg": alg,
        "enc": enc,
        "cty": "JWT",
        "kid": key.kid,
    }
    assert inside.claims["aud"] == "portail"
    assert inside.claims["sub"] == portail.introspect(tokens.access_token).json["sub"]


def test_10_2_so_is_the_refreshed_one(partner, code_flow):
    portail = partner(jwks=public(EC), **encrypted("id_token"))
    first = code_flow(portail)
    second = portail.tokens(portail.refresh(first.refresh_token))

    before, after = (verified(portail, opened(t.id_token, EC).plaintext.decode()).claims for t in (first, second))
    assert (before["sub"], before["auth_time"]) == (after["sub"], after["auth_time"])


def test_7591_2_enc_is_a128cbc_hs256_for_who_names_the_key_alone(partner, code_flow):
    tokens = code_flow(partner(jwks=public(EC), id_token_encrypted_response_alg="ECDH-ES"))

    assert opened(tokens.id_token, EC).headers()["enc"] == "A128CBC-HS256"


# -------------------------------------------------------------------------------------------------------------- userinfo


def test_5_3_2_userinfo_signed_and_encrypted(partner, code_flow):
    portail = partner(jwks=public(RSA), userinfo_signed_response_alg="PS256", **encrypted("userinfo", "RSA-OAEP-256"))
    answer = portail.userinfo(code_flow(portail, scope="openid email").access_token)
    outside = opened(answer.text, RSA)
    claims = verified(portail, outside.plaintext.decode()).claims

    assert (answer.content_type, outside.headers()["cty"]) == ("application/jwt", "JWT")
    assert (claims["iss"], claims["aud"], claims["email"]) == ("https://mag.test", "portail", "anne.lefevre@exemple.fr")


def test_5_3_2_userinfo_encrypted_alone_holds_the_claims_themselves(partner, code_flow):
    portail = partner(jwks=public(EC), **encrypted("userinfo"))
    answer = portail.userinfo(code_flow(portail, scope="openid email").access_token)
    outside = opened(answer.text, EC)

    assert (answer.content_type, "cty" in outside.headers()) == ("application/jwt", False)
    assert orjson.loads(outside.plaintext)["email"] == "anne.lefevre@exemple.fr"


def test_jarm_2_2_an_authorization_answer_is_encrypted(partner, signed_in):
    portail = partner(jwks=public(EC), **encrypted("authorization"))
    _, answer = answer_of(portail.ask(signed_in, response_mode="query.jwt"))

    assert set(answer) == {"response"}
    assert "code" in verified(portail, opened(answer["response"], EC).plaintext.decode()).claims


@pytest.mark.parametrize("mode", ["query.jwt", "form_post.jwt"])
def test_jarm_2_2_an_answer_that_cannot_be_encrypted_goes_nowhere_and_may_be_asked_again(partner, signed_in, mode):
    """The request is right, the key is not there: the person is told to try again."""
    portail = partner(jwks_uri="https://portail.invalid/jwks", **encrypted("authorization"))
    response = portail.ask(signed_in, response_mode=mode)

    assert (response.status_code, "Location" in response.headers, "M500005" in response.text) == (503, False, True)
    assert response.headers["Retry-After"] == "30"


# ------------------------------------------------------------------------------------------------------ keys of a client


def without(key, **changes) -> dict:
    jwk = {**key.as_dict(private=False), **changes}
    return {name: value for name, value in jwk.items() if value is not None}


@pytest.mark.parametrize(
    "jwks",
    [
        pytest.param([without(RSA, kid="a")], id="7518-4.1-another-kind"),
        pytest.param([without(EC, use="sig")], id="7517-4.2-only-signs"),
        pytest.param([without(EC, alg="ECDH-ES+A256KW")], id="7517-4.4-kept-for-another"),
        pytest.param([without(EC, use=None, key_ops=["verify"])], id="7517-4.3-operations"),
        pytest.param([OKPKey.generate_key("Ed25519", {"kid": "b"}).as_dict(private=False)], id="8037-3.2-only-signs"),
    ],
)
def test_without_a_key_that_fits_nothing_leaves(partner, signed_in, jwks):
    """Never plaintext instead; and the client reads that the fault is not in its request."""
    portail = partner(jwks={"keys": jwks}, **encrypted("id_token"))
    answer = portail.redeem(portail.code(signed_in))

    assert (answer.status_code, answer.json["error"]) == (503, "temporarily_unavailable")
    assert "id_token" not in answer.text


def test_keys_that_cannot_be_fetched_are_no_reason_for_plaintext(partner, code_flow):
    portail = partner(jwks_uri="https://portail.invalid/jwks", **encrypted("userinfo"))
    answer = portail.userinfo(code_flow(portail).access_token)

    assert (answer.status_code, answer.json["error"]) == (503, "temporarily_unavailable")
    assert "Retry-After" in answer.headers


def test_a_key_that_says_it_encrypts_goes_before_one_that_says_nothing(partner, code_flow):
    other = ECKey.generate_key("P-256", {"kid": "autre"})
    signing = ECKey.generate_key("P-256", {"kid": "signe", "use": "sig"})
    portail = partner(jwks=public(signing, other, EC), **encrypted("id_token"))

    assert opened(code_flow(portail).id_token, EC).headers()["kid"] == "chiffre-ec"


@pytest.mark.parametrize("curve", ["P-384", "P-521", "X25519"])
def test_7518_4_6_other_curves_serve_too(curve, backend):
    kind = OKPKey if curve == "X25519" else ECKey
    key = kind.generate_key(curve, {"kid": "x"})
    clients = SimpleNamespace(keys=lambda client, kid: KeySet.import_key_set(public(key)))
    text = Encrypter(clients).encrypt(SimpleNamespace(client_id="x"), Encryption("ECDH-ES", "A128GCM"), b"secret")

    assert opened(text, key).plaintext == b"secret"


def test_7518_4_3_a_small_rsa_key_does_not_fit(backend):
    small = JWKRegistry.import_key(RSAKey.generate_key(1024, auto_kid=True).as_dict(private=False))

    assert not fits(small, "RSA-OAEP-256")
    clients = SimpleNamespace(keys=lambda client, kid: KeySet([small]))
    with pytest.raises(NoClientKeyError):
        Encrypter(clients).encrypt(SimpleNamespace(client_id="x"), Encryption("RSA-OAEP", "A128GCM"), b"secret")


@pytest.mark.parametrize("alg", ["RSA1_5", "dir", "A128KW", "none"])
def test_C24_no_other_way_to_encrypt_can_be_registered(partner, alg):
    from idp.errors import RefusedError

    with pytest.raises(RefusedError):
        partner(jwks=public(EC), id_token_encrypted_response_alg=alg)


def test_what_is_encrypted_is_not_a_token_of_ours(partner, code_flow):
    """A JWE brought back is neither an access token nor a hint: only what is inside is signed."""
    portail = partner(jwks=public(EC), **encrypted("id_token"))
    text = code_flow(portail).id_token

    assert portail.userinfo(text).status_code == 401
    assert portail.introspect(text).json == {"active": False}
    with pytest.raises(JoseError):
        jws.extract_compact(text.encode())
