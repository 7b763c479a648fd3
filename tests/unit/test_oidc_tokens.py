"""Signatures, thumbprints and what is read back: joserfc is the oracle of what MAG assembles by hand. RFC 7515, 7638, 8725, 9068."""

import base64
import json
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jws, jwt
from joserfc.jwk import ECKey, KeySet, OctKey

from idp.config import Secret
from idp.keys import ALGORITHMS, KeyState, Signer, make_key, thumbprint
from idp.oidc.tokens import half_hash, verified_claims
from idp.seals import Seals, b64

VECTORS = Path(__file__).parent / "vectors"
SEALS = Seals((Secret("essai", bytes(range(32))),))


def made(alg: str) -> tuple[Signer, dict]:
    """A signer as the keyring makes it, and its public key as the JWKS says it."""
    row = make_key(SEALS, alg, KeyState.ACTIVE, datetime.now(UTC))
    private = serialization.load_der_private_key(SEALS.open("signing_keys", row.private_sealed, row.kid), None)
    return Signer(row.kid, alg, private), {**row.public_jwk, "kid": row.kid, "alg": alg, "use": "sig"}


SIGNERS = {alg: made(alg) for alg in ALGORITHMS}
KEYS = KeySet.import_key_set({"keys": [public for _, public in SIGNERS.values()]})


def test_7638_3_1_a_thumbprint():
    vector = json.loads((VECTORS / "rfc7638-3.1.json").read_text())

    assert thumbprint(vector["jwk"]) == vector["thumbprint"]


def test_core_A_3_at_hash():
    vector = json.loads((VECTORS / "oidc-core-A.3.json").read_text())

    assert half_hash(vector["access_token"], "RS256") == vector["at_hash"]


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_a_key_is_named_by_its_thumbprint_and_says_nothing_private(alg):
    _, public = SIGNERS[alg]
    [key] = [key for key in KEYS.keys if key.kid == public["kid"]]

    assert key.thumbprint() == public["kid"]
    assert not key.is_private
    assert alg in ("ES256", "EdDSA") or key.raw_value.key_size == 3072


JSON = st.dictionaries(st.text(max_size=10), st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=30), max_size=5)


@settings(deadline=None, max_examples=50)
@pytest.mark.parametrize("alg", ALGORITHMS)
@given(claims=JSON, typ=st.sampled_from(["JWT", "at+jwt"]))
def test_7515_what_is_signed_by_hand_is_what_a_library_reads(alg, claims, typ):
    signer, _ = SIGNERS[alg]
    found = jwt.decode(signer.sign(claims, typ), KEYS, algorithms=[alg])

    assert found.claims == claims
    assert found.header == {"alg": alg, "kid": signer.kid, "typ": typ}


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_what_is_signed_is_read_back_under_its_own_type_alone(alg):
    token = SIGNERS[alg][0].sign({"exp": 1}, "JWT")

    assert verified_claims(token, KEYS, "JWT") == {"exp": 1}
    assert verified_claims(token, KEYS, "at+jwt") is None
    assert verified_claims(token, KeySet.import_key_set({"keys": [made(alg)[1]]}), "JWT") is None


def forged(header: dict, payload: dict, signature: bytes = b"x") -> str:
    return ".".join((b64(orjson.dumps(header)), b64(orjson.dumps(payload)), b64(signature)))


def test_8725_no_other_algorithm_nor_key_is_believed():
    signer, public = SIGNERS["ES256"]
    stranger = ECKey.generate_key("P-256", {"kid": signer.kid})
    claims, header = {"exp": 1}, {"typ": "JWT", "kid": signer.kid}
    pem = next(key for key in KEYS.keys if key.kid == public["kid"]).as_pem(private=False)
    texts = [
        forged({**header, "alg": "none"}, claims),
        forged({**header, "alg": "none"}, claims, b""),
        forged({**header, "alg": "ES256"}, claims, bytes(64)),
        jws.serialize_compact({**header, "alg": "ES256"}, b'{"exp":1}', stranger),
        jws.serialize_compact({**header, "alg": "ES256", "jwk": stranger.as_dict(private=False)}, b'{"exp":1}', stranger),
        jws.serialize_compact({**header, "alg": "HS256"}, b'{"exp":1}', OctKey.import_key(b64(pem)), algorithms=["HS256"]),
        signer.sign({"exp": 1}, "JWT")[:-1],
        signer.sign({"exp": 1}, "JWT") + "A",
        signer.sign({"exp": True}, "JWT") + ".",
    ]

    assert [verified_claims(text, KEYS, "JWT") for text in texts] == [None] * len(texts)


@pytest.mark.parametrize("claims", [[], "x", None, {}, {"exp": None}, {"exp": "1"}, {"exp": 1.5}])
def test_a_payload_without_an_end_is_not_believed(claims):
    assert verified_claims(SIGNERS["ES256"][0].sign(claims, "JWT"), KEYS, "JWT") is None


@settings(deadline=None)
@given(st.text(max_size=200) | st.binary(max_size=100).map(lambda raw: base64.urlsafe_b64encode(raw).decode() + ".e30.eA"))
def test_any_text_is_not_a_token(text):
    assert verified_claims(text, KEYS, "JWT") is None


@pytest.mark.parametrize(
    "text", ["x" * 8193, "é.é.é", "", "..", "[" * 6000, b64(b"[" * 4000) + ".e30.eA", "e30." + b64(b"[" * 5000) + ".eA"]
)
def test_C53_what_is_too_long_or_too_deep_is_not_a_token(text):
    assert verified_claims(text, KEYS, "JWT") is None
