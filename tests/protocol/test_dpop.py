"""DPoP: proofs at the token endpoint, at resources and at the deposit of requests; tokens bound to keys. RFC 9449; check C31b."""

import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Barrier

import orjson
import pytest
import time_machine
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from redis import Redis

from idp.oidc.dpop import CHECKS, jkt_of, read_proof
from idp.seals import b64
from tests.protocol.relying import altered, answer_of, challenge_of
from wsgi import create_wsgi

ONLY_SQLITE = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
MACHINE = {"grant_types": ["client_credentials"], "redirect_uris": [], "scope": "api:lire"}
KEY, OTHER = ECKey.generate_key("P-256"), ECKey.generate_key("P-256")
RSA = RSAKey.generate_key(2048)
with warnings.catch_warnings(action="ignore"):
    WEAK = RSAKey.generate_key(1024)
ED = OKPKey.generate_key("Ed25519")


@pytest.fixture
def machine(partner):
    return replace(partner("machine", **MACHINE), dpop=KEY)


@pytest.fixture
def portail(partner):
    """A public client, whose tokens are always bound."""
    return replace(partner(token_endpoint_auth_method="none", dpop_bound_access_tokens=True), dpop=KEY)


def asked(machine, *proofs: str):
    """A token request that bears these proofs."""
    headers = [*machine.credentials()[0].items(), *(("DPoP", proof) for proof in proofs)]
    return machine.call("/token", data={"grant_type": "client_credentials"}, headers=headers)


def is_refused(response, error: str = "invalid_dpop_proof") -> bool:
    """RFC 9449 section 5."""
    return (response.status_code, response.json["error"]) == (400, error) and "access_token" not in response.json


def read(portail, token: str, *proofs: str, scheme: str = "DPoP", method: str = "GET"):
    headers = [("Authorization", f"{scheme} {token}"), *(("DPoP", proof) for proof in proofs)]
    return portail.call("/userinfo", method, headers=headers)


def is_challenged(response, error: str) -> bool:
    """RFC 9449 section 7.1."""
    said = response.headers["WWW-Authenticate"]
    return (
        response.status_code == 401
        and said.startswith("DPoP ")
        and f'error="{error}"' in said
        and 'algs="ES256 PS256 EdDSA Ed25519"' in said
    )


# ------------------------------------------------------------------------------------------------- what a proof must be


WRONG = [
    pytest.param({"header": {"typ": None}}, id="4.3-4-typ-missing"),
    pytest.param({"header": {"typ": "JWT"}}, id="4.3-4-typ"),
    pytest.param({"header": {"typ": "DPOP+JWT"}}, id="4.3-4-typ-case"),
    pytest.param({"header": {"alg": None}}, id="4.3-5-alg-missing"),
    pytest.param({"header": {"alg": ["ES256"]}}, id="4.3-5-alg-list"),
    pytest.param({"header": {"jwk": None}}, id="4.3-7-jwk-missing"),
    pytest.param({"header": {"jwk": "x"}}, id="4.3-7-jwk-text"),
    pytest.param({"header": {"jwk": KEY.as_dict(private=True)}}, id="4.3-7-private-key"),
    pytest.param({"header": {"jwk": {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}}}, id="4.3-6-not-on-the-curve"),
    pytest.param({"header": {"jwk": {"kty": "EC", "crv": "P-256"}}}, id="4.3-7-no-point"),
    pytest.param({"header": {"jwk": {"kty": "EC", "crv": "P-256", "x": 1, "y": []}}}, id="4.3-7-numbers"),
    pytest.param({"header": {"jwk": {"kty": "RSA", "n": "AQAB", "e": "AQAB"}}}, id="4.3-7-another-kind-of-key"),
    pytest.param({"header": {"jwk": {"kty": "oct", "k": "AQAB"}}}, id="4.3-7-symmetric"),
    pytest.param({"header": {"jwk": OTHER.as_dict(private=False)}}, id="4.3-6-another-key"),
    pytest.param({"header": {"crit": ["exp"]}}, id="7515-4.1.11-crit"),
    pytest.param({"header": {"b64": False}}, id="7797-b64"),
    pytest.param({"key": WEAK}, id="FAPI-5.4.1-short-key"),
    pytest.param({"key": RSA, "header": {"jwk": {**RSA.as_dict(private=False), "n": "A" * 900}}}, id="FAPI-5.4.1-modulus"),
    pytest.param({"key": RSA, "header": {"jwk": {**RSA.as_dict(private=False), "e": "_" * 40}}}, id="ours-exponent"),
    pytest.param({"key": RSA, "header": {"jwk": {"kty": "RSA", "n": 7}}}, id="4.3-7-rsa-numbers"),
    pytest.param({"key": ED, "header": {"jwk": {"kty": "OKP", "crv": "Ed448", "x": "AA"}}}, id="4.3-7-another-curve"),
    pytest.param({"jti": None}, id="4.3-3-jti-missing"),
    pytest.param({"jti": ""}, id="4.3-3-jti-empty"),
    pytest.param({"jti": 7}, id="4.3-3-jti-number"),
    pytest.param({"jti": "x" * 301}, id="ours-jti-long"),
    pytest.param({"htm": None}, id="4.3-3-htm-missing"),
    pytest.param({"htm": "GET"}, id="4.3-8-htm"),
    pytest.param({"htm": "post"}, id="4.3-8-htm-case"),
    pytest.param({"htu": None}, id="4.3-3-htu-missing"),
    pytest.param({"htu": "https://mag.test/userinfo"}, id="4.3-9-another-endpoint"),
    pytest.param({"htu": "https://mag.test/token/"}, id="4.3-9-slash"),
    pytest.param({"htu": "https://mag.test/TOKEN"}, id="4.3-9-case-of-path"),
    pytest.param({"htu": "https://autre.test/token"}, id="4.3-9-another-host"),
    pytest.param({"htu": "http://mag.test/token"}, id="4.3-9-another-scheme"),
    pytest.param({"htu": "https://mag.test:8443/token"}, id="4.3-9-another-port"),
    pytest.param({"htu": "https://x@mag.test/token"}, id="4.3-9-user"),
    pytest.param({"htu": "https://mag.test:x/token"}, id="4.3-9-no-address"),
    pytest.param({"htu": "/token"}, id="4.3-9-relative"),
    pytest.param({"htu": ["https://mag.test/token"]}, id="4.3-9-list"),
    pytest.param({"iat": None}, id="4.3-3-iat-missing"),
    pytest.param({"iat": "hier"}, id="4.3-3-iat-text"),
    pytest.param({"iat": True}, id="4.3-3-iat-bool"),
    pytest.param({"iat": 10**400}, id="4.3-11-iat-huge"),
]


@ONLY_SQLITE
@pytest.mark.parametrize("change", WRONG)
def test_C31b_76_a_proof_that_is_not_right_is_refused(machine, change):
    changed = dict(change)
    if isinstance(changed.get("iat"), int) and changed["iat"] > 10**300:
        changed["iat"] = 1e300

    assert is_refused(asked(machine, machine.proof(**changed)))


@ONLY_SQLITE
@pytest.mark.parametrize("seconds", [-3600, -60, 31, 3600])
def test_C31b_76_a_proof_of_another_time_is_refused(machine, seconds):
    assert is_refused(asked(machine, machine.proof(iat=int(time.time()) + seconds)))


@ONLY_SQLITE
def test_C31b_76_algorithms_that_are_not_announced_are_refused(machine):
    """Signed truly where the key allows it: the algorithm alone is wrong."""
    proof = machine.proof()
    truly = [
        machine.proof(key=RSA, header={"alg": "RS256"}),
        machine.proof(header={"alg": "HS256"}, signed_with=OctKey.import_key(orjson.dumps(KEY.as_dict(private=False)))),
    ]
    heads = [{"typ": "dpop+jwt", "alg": alg, "jwk": KEY.as_dict(private=False)} for alg in ("none", "None", "ES384", "Ed25519", "es256")]
    rewritten = [f"{b64(orjson.dumps(head))}.{proof.partition('.')[2]}" for head in heads]

    assert [is_refused(asked(machine, one)) for one in (*truly, *rewritten)] == [True] * 7


@ONLY_SQLITE
def test_76_two_proofs_nonsense_and_a_changed_signature_are_refused(machine):
    good = machine.proof()
    forged = [
        "x",
        "..",
        "a.b.c",
        good[:-1],
        altered(good),
        good + ".x",
        good.rsplit(".", 1)[0] + ".",
        "é",
        "x" * 9000,
        "e30.e30.e30",
        "W10.W10.W10",
    ]

    for proofs in [[one] for one in forged] + [[machine.proof(), machine.proof()]]:
        assert is_refused(asked(machine, *(p.encode().decode("latin-1") for p in proofs))), proofs
    assert asked(machine, good).status_code == 200


@ONLY_SQLITE
@pytest.mark.parametrize(
    "change",
    [
        pytest.param({}, id="plain"),
        pytest.param({"htu": "https://mag.test/token?a=b"}, id="77-query"),
        pytest.param({"htu": "https://mag.test/token#a"}, id="77-fragment"),
        pytest.param({"htu": "HTTPS://MAG.TEST/token"}, id="77-case"),
        pytest.param({"htu": "https://mag.test:443/token"}, id="77-default-port"),
        pytest.param({"htu": "https://mag.test/%74oken"}, id="3986-6.2.2.2-escaped"),
        pytest.param({"iat": 10}, id="77-iat-ahead"),
        pytest.param({"iat": -10}, id="77-iat-before"),
        pytest.param({"iat": 0.5}, id="7519-2-fraction"),
        pytest.param({"nbf": 0, "exp": 30, "autre": {"a": [1]}}, id="77-unknown-claims"),
        pytest.param({"exp": -3600}, id="77-exp-is-not-read"),
        pytest.param({"nonce": "quelconque"}, id="4.3-10-nonce-nobody-asked"),
        pytest.param({"header": {"kid": "x"}}, id="7515-kid"),
        pytest.param({"key": RSA}, id="PS256"),
        pytest.param({"key": ED}, id="EdDSA"),
        pytest.param({"key": ED, "header": {"alg": "Ed25519"}}, id="9864-2.2-Ed25519"),
    ],
)
def test_77_what_honest_clients_send_is_accepted(machine, change):
    now = int(time.time())
    given = {n: now + v if n in ("iat", "nbf", "exp") else v for n, v in change.items()}
    response = asked(machine, machine.proof(**given))

    assert response.status_code == 200, response.json
    assert response.json["token_type"] == "DPoP"


# --------------------------------------------------------------------------------------------------------------- bindings


@ONLY_SQLITE
@pytest.mark.parametrize("key", [KEY, RSA, ED], ids=["ES256", "PS256", "EdDSA"])
def test_6_1_the_token_says_which_key(machine, key):
    tokens = machine.tokens(asked(machine, machine.proof(key=key)))

    assert tokens.access["cnf"] == {"jkt": key.thumbprint()}
    told = machine.introspect(tokens.access_token).json
    assert (told["cnf"], told["token_type"]) == ({"jkt": key.thumbprint()}, "DPoP")


def test_a_thumbprint_is_the_one_of_rfc9449():
    """The key of the examples, and the thumbprint in figure 8 (section 6.1)."""
    jwk = {
        "kty": "EC",
        "x": "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
        "y": "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA",
        "crv": "P-256",
    }

    assert ECKey.import_key(jwk).thumbprint() == "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"


RFC9449_4_1 = (
    "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldW"
    "QVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2M"
    "ybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-Fd"
    "WP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg"
)


def test_the_example_of_rfc9449_section_4_1_passes_every_check():
    """Vector: figure 2, as read at its time and address."""
    proof = read_proof(RFC9449_4_1, htm="POST", htu="https://server.example.com/token", now=1562262620.0, nonces=())
    for check in CHECKS:
        check(proof)

    assert jkt_of(proof) == "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"


@ONLY_SQLITE
def test_without_a_proof_a_client_that_need_not_has_a_bearer_token(partner):
    tokens = partner("machine", **MACHINE).token("client_credentials").json

    assert tokens["token_type"] == "Bearer"


@ONLY_SQLITE
@pytest.mark.parametrize(
    "demand", [{"dpop_bound_access_tokens": True}, {"profile": "fapi2", "token_endpoint_auth_method": "private_key_jwt"}]
)
def test_81_no_token_without_a_proof_of_possession(partner, demand):
    machine = partner("machine", **{**MACHINE, **demand})

    assert is_refused(machine.token("client_credentials"))
    assert replace(machine, dpop=KEY).token("client_credentials").json["token_type"] == "DPoP"


@ONLY_SQLITE
def test_the_client_is_authenticated_before_its_proof_is_read(machine):
    response = machine.call("/token", data={"grant_type": "client_credentials", "client_id": "machine"}, headers={"DPoP": machine.proof()})

    assert (response.status_code, response.json["error"]) == (401, "invalid_client")


# -------------------------------------------------------------------------------------------------------------- resources


@ONLY_SQLITE
@pytest.mark.parametrize("scheme", ["DPoP", "dpop", "DPOP"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_50_a_bound_token_with_its_proof_is_read(portail, code_flow, scheme, method):
    token = code_flow(portail).access_token
    response = read(portail, token, portail.proof("/userinfo", method, access_token=token), scheme=scheme, method=method)

    assert response.status_code == 200
    assert response.json["sub"]


@ONLY_SQLITE
def test_C31b_a_bound_token_as_bearer_is_refused(portail, code_flow):
    token = code_flow(portail).access_token
    proof = portail.proof("/userinfo", "GET", access_token=token)

    assert is_challenged(read(portail, token, scheme="Bearer"), "invalid_token")
    assert is_challenged(read(portail, token, proof, scheme="Bearer"), "invalid_token")
    assert is_challenged(portail.call("/userinfo", data={"access_token": token}), "invalid_token")
    assert is_challenged(portail.call("/userinfo", data={"access_token": token}, headers={"DPoP": proof}), "invalid_token")


@ONLY_SQLITE
@pytest.mark.parametrize(
    ("change", "error"),
    [
        pytest.param({"ath": None}, "invalid_dpop_proof", id="4.3-12-ath-missing"),
        pytest.param({"ath": challenge_of("autre")}, "invalid_dpop_proof", id="4.3-12-ath-of-another-token"),
        pytest.param({"ath": 7}, "invalid_dpop_proof", id="4.3-12-ath-number"),
        pytest.param({"ath": "é"}, "invalid_dpop_proof", id="4.3-12-ath-accents"),
        pytest.param({"key": OTHER}, "invalid_token", id="7.1-another-key"),
        pytest.param({"method": "POST"}, "invalid_dpop_proof", id="4.3-8-htm"),
        pytest.param({"path": "/token"}, "invalid_dpop_proof", id="4.3-9-htu"),
        pytest.param({"iat": 1_000_000_000}, "invalid_dpop_proof", id="4.3-11-old"),
    ],
)
def test_76_a_proof_that_is_not_right_opens_no_resource(portail, code_flow, change, error):
    token = code_flow(portail).access_token
    given = {"path": "/userinfo", "method": "GET", "access_token": token, **change}

    assert is_challenged(read(portail, token, portail.proof(**given)), error)


@ONLY_SQLITE
def test_76_no_proof_two_proofs_and_a_proof_used_before_open_no_resource(portail, code_flow):
    token = code_flow(portail).access_token
    proof, second = (portail.proof("/userinfo", "GET", access_token=token) for _ in range(2))

    assert is_challenged(read(portail, token), "invalid_dpop_proof")
    assert is_challenged(read(portail, token, proof, second), "invalid_dpop_proof")
    assert read(portail, token, proof).status_code == 200
    assert is_challenged(read(portail, token, proof), "invalid_dpop_proof")


@ONLY_SQLITE
def test_7_1_a_token_that_is_bound_to_no_key_is_not_one_of_dpop(partner, code_flow):
    portail = partner()
    token = code_flow(portail).access_token
    proof = portail.proof("/userinfo", "GET", access_token=token, key=KEY)

    assert is_challenged(read(portail, token, proof), "invalid_token")
    assert read(portail, token, proof, scheme="Bearer").status_code == 200


@ONLY_SQLITE
def test_7_1_without_a_token_both_schemes_are_named(partner):
    said = partner().call("/userinfo", "GET").headers["WWW-Authenticate"]

    assert said.startswith("Bearer ")
    assert 'DPoP algs="ES256 PS256 EdDSA Ed25519"' in said


# ------------------------------------------------------------------------------------------------------- once, and in races


def test_C24_78_a_proof_serves_once(machine):
    proof = machine.proof()

    assert asked(machine, proof).status_code == 200
    assert is_refused(asked(machine, proof))
    assert is_refused(asked(machine, machine.proof(jti="1"), machine.proof(jti="1")))
    assert [asked(machine, machine.proof(jti="1", key=key)).status_code for key in (KEY, KEY, OTHER)] == [200, 400, 200]


def test_C24_twenty_at_once_serve_once(machine):
    proof, barrier = machine.proof(), Barrier(20)

    def act(_):
        barrier.wait(30)
        return asked(machine, proof).status_code

    with ThreadPoolExecutor(20) as pool:
        assert sorted(pool.map(act, range(20))) == [200] + [400] * 19


@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
@pytest.mark.parametrize("ahead", [0, 25])
def test_C24_after_redis_was_emptied_no_proof_serves_again(machine, redis_server, ahead):
    proof = machine.proof(iat=int(time.time()) + ahead)
    assert asked(machine, proof).status_code == 200
    with Redis.from_url(redis_server.url) as client:
        client.flushall()

    assert is_refused(asked(machine, proof))
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=40)):
        assert asked(machine, machine.proof()).status_code == 200


# ------------------------------------------------------------------------------------------------------------- renewing


@ONLY_SQLITE
def test_C31b_5_a_refresh_token_of_a_public_client_is_bound_to_its_key(portail, code_flow):
    tokens = code_flow(portail)
    refused = [
        replace(portail, dpop=OTHER).refresh(tokens.refresh_token),
        portail.refresh(tokens.refresh_token.replace(KEY.thumbprint(), OTHER.thumbprint())),
        portail.refresh(tokens.refresh_token.replace(f".{KEY.thumbprint()}", "")),
    ]

    assert [(r.status_code, r.json["error"]) for r in refused] == [(400, "invalid_grant")] * 3
    assert is_refused(replace(portail, dpop=None).refresh(tokens.refresh_token))
    renewed = portail.tokens(portail.refresh(tokens.refresh_token))
    assert renewed.refresh_token != tokens.refresh_token
    assert renewed.access["cnf"] == {"jkt": KEY.thumbprint()}
    assert portail.userinfo(renewed.access_token).status_code == 200


@ONLY_SQLITE
def test_5_a_public_client_that_need_not_is_bound_as_soon_as_it_proves_a_key(partner, code_flow):
    plain = partner(token_endpoint_auth_method="none")
    first = code_flow(plain)
    second = plain.tokens(replace(plain, dpop=KEY).refresh(first.refresh_token))

    assert (first.token_type, second.token_type) == ("Bearer", "DPoP")
    assert plain.refresh(second.refresh_token).json["error"] == "invalid_grant"
    assert replace(plain, dpop=OTHER).refresh(first.refresh_token).json["error"] == "invalid_grant"
    assert replace(plain, dpop=KEY).refresh(second.refresh_token).status_code == 200


@ONLY_SQLITE
def test_a_bound_refresh_token_narrows_and_is_revoked_as_any_other(portail, code_flow):
    tokens = code_flow(portail, scope="openid email")

    assert replace(portail, dpop=OTHER).refresh(tokens.refresh_token, scope="openid").json["error"] == "invalid_grant"
    narrowed = portail.tokens(portail.refresh(tokens.refresh_token, scope="openid"))
    assert narrowed.scope == "openid"
    assert replace(portail, dpop=None).revoke(narrowed.refresh_token).status_code == 200
    assert portail.refresh(narrowed.refresh_token).json["error"] == "invalid_grant"


def test_81_81b_a_confidential_client_may_bring_a_new_key_and_its_refresh_token_stays(partner, code_flow, signed_in):
    portail = replace(partner(dpop_bound_access_tokens=True), dpop=KEY)
    tokens = code_flow(portail)
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=40)):
        renewed = portail.tokens(replace(portail, dpop=OTHER).refresh(tokens.refresh_token))
        again = portail.tokens(portail.refresh(tokens.refresh_token))

    assert tokens.refresh_token == renewed.refresh_token == again.refresh_token
    assert renewed.access["cnf"] == {"jkt": OTHER.thumbprint()}


@ONLY_SQLITE
def test_81b_what_does_not_rotate_is_refused_to_others_and_after_its_end(partner, code_flow):
    portail, other = (replace(partner(name, dpop_bound_access_tokens=True), dpop=KEY) for name in ("portail", "autre"))
    tokens = code_flow(portail)

    assert other.refresh(tokens.refresh_token).json["error"] == "invalid_grant"
    assert portail.refresh(altered(tokens.refresh_token)).json["error"] == "invalid_grant"
    assert portail.refresh(tokens.refresh_token).status_code == 200
    portail.revoke(tokens.refresh_token)
    assert portail.refresh(tokens.refresh_token).json["error"] == "invalid_grant"


# ------------------------------------------------------------------------------------------------------- binding the code


@ONLY_SQLITE
@pytest.mark.parametrize(("shown", "status"), [(KEY, 200), (OTHER, 400), (None, 400)], ids=["same", "other", "none"])
def test_C13_10_80_dpop_jkt_binds_the_code(partner, signed_in, shown, status):
    portail = partner()
    code = portail.code(signed_in, dpop_jkt=KEY.thumbprint())
    response = replace(portail, dpop=shown).redeem(code)

    assert response.status_code == status
    assert status == 200 or response.json["error"] == "invalid_grant"


def pushed(portail, **changes):
    return portail.post("/request", portail.request(**changes))


@ONLY_SQLITE
@pytest.mark.parametrize(("shown", "status"), [(KEY, 200), (OTHER, 400), (None, 400)], ids=["same", "other", "none"])
def test_C13_10_1_80_a_proof_that_comes_with_a_pushed_request_binds_the_code(partner, signed_in, shown, status):
    portail = replace(partner(), dpop=KEY)
    request_uri = pushed(portail).json["request_uri"]
    _, answer = answer_of(signed_in.get("/authorize", query_string={"client_id": "portail", "request_uri": request_uri}))
    response = replace(portail, dpop=shown).redeem(answer["code"])

    assert response.status_code == status, response.json


@ONLY_SQLITE
def test_10_1_80_a_proof_and_a_dpop_jkt_that_differ_are_refused_at_the_deposit(partner):
    portail = replace(partner(), dpop=KEY)

    assert pushed(portail, dpop_jkt=KEY.thumbprint()).status_code == 201
    assert (pushed(portail, dpop_jkt=OTHER.thumbprint()).json["error"]) == "invalid_request"
    assert (pushed(portail, dpop_jkt="x").json["error"]) == "invalid_request"
    assert is_refused(
        portail.call("/request", data=portail.request(), headers={**portail.credentials()[0], "DPoP": portail.proof("/token")})
    )


# ----------------------------------------------------------------------------------------------------------------- nonces


@pytest.fixture
def demanding(settings, wsgi_app, partner, compose):
    """A client whose profile must use nonces."""
    doors = compose(replace(settings, dpop_nonce=("strict",)))
    machine = replace(partner("machine", profile="strict", **MACHINE), dpop=KEY)
    return replace(machine, doors=doors)


def test_C31b_79_a_nonce_is_asked_then_accepted_for_a_minute_or_two(demanding):
    first = asked(demanding, demanding.proof())
    nonce = first.headers["DPoP-Nonce"]

    assert is_refused(first, "use_dpop_nonce")
    assert is_refused(asked(demanding, demanding.proof(nonce="inventée")), "use_dpop_nonce")
    assert is_refused(asked(demanding, demanding.proof(nonce=[nonce])), "use_dpop_nonce")
    good = asked(demanding, demanding.proof(nonce=nonce))
    assert good.status_code == 200
    assert good.headers["DPoP-Nonce"]
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=58)):
        assert asked(demanding, demanding.proof(nonce=nonce)).status_code == 200
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=121)):
        assert is_refused(asked(demanding, demanding.proof(nonce=nonce)), "use_dpop_nonce")


@ONLY_SQLITE
def test_8_a_proof_with_a_nonce_is_fresh_whatever_its_clock_and_serves_once(demanding):
    nonce = asked(demanding, demanding.proof()).headers["DPoP-Nonce"]
    proof = demanding.proof(nonce=nonce, iat=int(time.time()) - 3600)

    assert asked(demanding, proof).status_code == 200
    assert is_refused(asked(demanding, proof))


@ONLY_SQLITE
def test_8_nobody_else_is_asked_for_a_nonce(demanding, partner):
    other = replace(partner("libre", **MACHINE), dpop=KEY, doors=demanding.doors)
    response = asked(other, other.proof())

    assert response.status_code == 200
    assert "DPoP-Nonce" not in response.headers


@ONLY_SQLITE
def test_8_79_the_deposit_of_a_request_asks_too(demanding, partner):
    portail = replace(partner(profile="strict"), dpop=KEY, doors=demanding.doors)
    response = pushed(portail)

    assert is_refused(response, "use_dpop_nonce")
    headers = {**portail.credentials()[0], "DPoP": portail.proof("/request", nonce=response.headers["DPoP-Nonce"])}
    assert portail.call("/request", data=portail.request(), headers=headers).status_code == 201


@ONLY_SQLITE
def test_9_79_a_resource_asks_in_its_challenge(demanding, partner, code_flow):
    """The nonce that came with the tokens serves there; without it, the challenge says so and brings one."""
    token = code_flow(replace(partner(dpop_bound_access_tokens=True), dpop=KEY)).access_token
    portail = replace(partner(profile="strict", dpop_bound_access_tokens=True), doors=demanding.doors, dpop=KEY)

    asked_for = read(portail, token, portail.proof("/userinfo", "GET", access_token=token))
    assert is_challenged(asked_for, "use_dpop_nonce")
    given = portail.proof("/userinfo", "GET", access_token=token, nonce=asked_for.headers["DPoP-Nonce"])
    assert read(portail, token, given).status_code == 200


def test_ours_a_profile_that_does_not_exist_prevents_the_start(settings):
    with pytest.raises(SystemExit, match="MAG_DPOP_NONCE"):
        create_wsgi(replace(settings, dpop_nonce=("fapi3",)))


# ------------------------------------------------------------------------------------------------------------------- pages


@ONLY_SQLITE
def test_C51_a_page_of_a_public_client_may_send_proofs_and_read_nonces(portail):
    headers = {"Origin": "https://portail.test", "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "dpop"}
    preflight = portail.call("/token", "OPTIONS", headers=headers)

    assert "dpop" in preflight.headers["Access-Control-Allow-Headers"].lower()
    assert "DPoP-Nonce" in preflight.headers["Access-Control-Expose-Headers"]
