"""Who calls a machine endpoint: the method that the client registered, and that one alone.

RFC 6749 section 2.3, RFC 7523 section 3, RFC 8725. Each way in is tried at every endpoint that authenticates.
"""

import base64
import hmac
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Barrier
from urllib.parse import quote_plus

import orjson
import pytest
import time_machine
from joserfc import jws
from joserfc.jwk import ECKey, KeySet, OctKey, OKPKey, RSAKey
from redis import Redis

from idp.database import db
from idp.logs import configure
from idp.seals import b64, digest
from partners import onboarding
from tests.protocol.relying import ASSERTION_TYPE, altered, unverified_claims

ONLY_SQLITE = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
MACHINE = {"grant_types": ["client_credentials"], "redirect_uris": [], "scope": "api:lire api:ecrire"}
ENDPOINTS = ("/token", "/token/introspection", "/token/revocation")
FORM = {"grant_type": "client_credentials", "token": "x"}


def basic(pair: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


def is_refused(response) -> bool:
    """RFC 6749 section 5.2; the same answer whatever was wrong."""
    return (response.status_code, response.json) == (
        401,
        {"error": "invalid_client", "error_description": "client authentication failed"},
    ) and response.headers["WWW-Authenticate"].startswith("Basic ")


# -------------------------------------------------------------------------------------------------------------- refusals


@ONLY_SQLITE
@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize(
    ("headers", "fields"),
    [
        pytest.param({}, {}, id="2.3-nothing"),
        pytest.param(basic("machine:faux"), {}, id="2.3.1-wrong-secret"),
        pytest.param(basic("machine:"), {}, id="2.3.1-empty-secret"),
        pytest.param(basic("machine"), {}, id="2.3.1-no-colon"),
        pytest.param(basic(":"), {}, id="2.3.1-empty"),
        pytest.param(basic("inconnu:faux"), {}, id="2.3.1-unknown-client"),
        pytest.param(basic("é:\0"), {}, id="2.3.1-nonsense"),
        pytest.param({"Authorization": "Basic"}, {}, id="2.3.1-no-value"),
        pytest.param({"Authorization": "Basic ===="}, {}, id="2.3.1-not-base64"),
        pytest.param({"Authorization": "Basic /w=="}, {}, id="2.3.1-not-utf-8"),
        pytest.param({"Authorization": "Bearer machine"}, {}, id="2.3.1-another-scheme"),
        pytest.param({}, {"client_id": "machine"}, id="2.3-public-where-confidential"),
        pytest.param({}, {"client_id": "machine", "client_secret": "{secret}"}, id="2.3-post-where-basic"),
        pytest.param({}, {"client_secret": "{secret}"}, id="2.3.1-secret-of-nobody"),
        pytest.param({}, {"client_assertion_type": ASSERTION_TYPE, "client_assertion": "x"}, id="7523-not-a-jwt"),
        pytest.param({}, {"client_assertion_type": "autre", "client_assertion": "x"}, id="7523-another-type"),
        pytest.param({}, {"client_assertion": "x"}, id="7523-no-type"),
        pytest.param({}, {"client_assertion_type": ASSERTION_TYPE}, id="7523-no-assertion"),
        pytest.param(basic("machine:{secret}"), {"client_secret": "{secret}"}, id="2.3-two-methods"),
        pytest.param(basic("machine:{secret}"), {"client_assertion": "x"}, id="2.3-basic-and-assertion"),
        pytest.param(basic("machine:{secret}"), {"client_id": "autre"}, id="2.3-two-identities"),
    ],
)
def test_a_caller_who_is_not_who_it_says_is_refused(partner, path, headers, fields):
    machine = partner("machine", **MACHINE)
    partner("autre")
    if "{secret}" in base64.b64decode(headers.get("Authorization", "")[6:] + "====", validate=False).decode(errors="replace"):
        headers = basic(f"machine:{quote_plus(machine.secret)}")
    sent = {name: value.replace("{secret}", machine.secret) for name, value in fields.items()}

    assert is_refused(machine.call(path, data={**FORM, **sent}, headers=headers))


@ONLY_SQLITE
@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize("method", ["client_secret_post", "private_key_jwt", "none"])
def test_another_method_than_the_registered_one_is_refused_even_with_a_good_secret(partner, path, method):
    caller = partner("machine", token_endpoint_auth_method=method)
    headers = basic(f"machine:{quote_plus(caller.secret)}")

    assert is_refused(caller.call(path, data=FORM, headers=headers))
    if method != "client_secret_post":
        assert is_refused(caller.call(path, data={**FORM, "client_id": "machine", "client_secret": caller.secret}))


@ONLY_SQLITE
def test_C22_a_public_client_may_not_introspect(partner, code_flow):
    public = partner(token_endpoint_auth_method="none")

    assert is_refused(public.introspect(code_flow(public).access_token))


# --------------------------------------------------------------------------------------------------------------- secrets


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
@pytest.mark.parametrize("secret", ["a+b %c:d-e/f=g&h", "%2B%25%3A" * 5, "é€😀" * 12])
def test_38_each_part_of_basic_is_form_decoded(partner, method, secret):
    machine = partner("machine", secret=secret, token_endpoint_auth_method=method, **MACHINE)

    assert machine.token("client_credentials").status_code == 200


@ONLY_SQLITE
def test_seen_a_client_that_encodes_what_need_not_be_is_understood(partner):
    """openid-client sends `-` as %2D."""
    machine = partner("machine-a", **MACHINE)
    encoded = "".join(f"%{byte:02X}" for byte in machine.secret.encode())

    assert machine.call("/token", data=FORM, headers=basic(f"machine%2Da:{encoded}")).status_code == 200


@ONLY_SQLITE
@pytest.mark.parametrize("scheme", ["basic", "BASIC", "BaSiC"])
def test_50_the_scheme_has_no_case(partner, scheme):
    machine = partner("machine", **MACHINE)
    value = machine.credentials()[0]["Authorization"].replace("Basic", scheme)

    assert machine.call("/token", data={**FORM, "client_id": "machine"}, headers={"Authorization": value}).status_code == 200


def test_two_secrets_live_side_by_side_and_the_older_one_ends(partner, wsgi_app):
    machine = partner("machine", **MACHINE)
    before = machine.secret

    def change(act):
        with wsgi_app.flask.app_context():
            answer = act(onboarding.client_named("machine"))
            db.session.commit()
        wsgi_app.mag.versions.refresh()
        return answer

    def statuses(*secrets):
        return [machine.call("/token", data=FORM, headers=basic(f"machine:{quote_plus(s)}")).status_code for s in secrets]

    after = change(lambda client: onboarding.rotate_secret(client, datetime.now(UTC), overlap=timedelta(hours=1)))
    assert statuses(before, after, "faux") == [200, 200, 401]
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=1, seconds=1)):
        assert statuses(before, after) == [401, 200]
    change(lambda client: onboarding.retire_secrets(client, datetime.now(UTC)))
    assert statuses(before, after) == [401, 200]


@ONLY_SQLITE
def test_2_3_credentials_accepted_once_open_nothing_else(partner, wsgi_app):
    """A process remembers them: for that client alone, and while it is enabled."""
    machine = partner("machine", **MACHINE)
    partner("autre")
    headers = basic(f"machine:{quote_plus(machine.secret)}")

    def status(**fields):
        return machine.call("/token", data={**FORM, **fields}, headers=headers).status_code

    assert [status(), status(), status(client_id="machine"), status(client_id="autre")] == [200, 200, 200, 401]
    with wsgi_app.flask.app_context():
        onboarding.switch(onboarding.client_named("machine"), datetime.now(UTC), enabled=False)
        db.session.commit()
    wsgi_app.mag.versions.refresh()
    assert status() == 401


# -------------------------------------------------------------------------------------------------------- private_key_jwt


@pytest.fixture
def machine(partner):
    return partner("machine", token_endpoint_auth_method="private_key_jwt", **MACHINE)


def with_assertion(machine, assertion: str, path: str = "/token"):
    return machine.call(path, data={**FORM, "client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion})


def compact(header: object, payload: object = b"{}", signature: bytes = b"x") -> str:
    def part(value: object) -> str:
        return b64(value if isinstance(value, bytes) else orjson.dumps(value))

    return ".".join(map(part, (header, payload, signature)))


@pytest.mark.parametrize("path", ENDPOINTS)
def test_an_assertion_opens_each_endpoint(machine, path):
    assert with_assertion(machine, machine.assertion(), path).status_code == 200


@ONLY_SQLITE
@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"iss": "autre"}, id="C25-iss"),
        pytest.param({"iss": None}, id="C25-iss-missing"),
        pytest.param({"sub": "autre"}, id="C25-sub"),
        pytest.param({"sub": None}, id="C25-sub-missing"),
        pytest.param({"sub": ["machine"]}, id="C25-sub-list"),
        pytest.param({"aud": "https://autre.test"}, id="C25-aud"),
        pytest.param({"aud": None}, id="C25-aud-missing"),
        pytest.param({"aud": ["https://mag.test", "https://autre.test"]}, id="C25-aud-several"),
        pytest.param({"aud": "https://mag.test/"}, id="C25-aud-slash"),
        pytest.param({"aud": "https://mag.test/userinfo"}, id="C25-aud-endpoint"),
        pytest.param({"aud": {"a": 1}}, id="C25-aud-object"),
        pytest.param({"exp": None}, id="C25-exp-missing"),
        pytest.param({"exp": -61}, id="C25-exp-past"),
        pytest.param({"exp": 10**6}, id="C25-exp-far"),
        pytest.param({"exp": "demain"}, id="C25-exp-text"),
        pytest.param({"exp": True}, id="C25-exp-bool"),
        pytest.param({"exp": float("nan")}, id="C25-exp-nan"),
        pytest.param({"exp": 10**400}, id="C25-exp-huge"),
        pytest.param({"iat": 90}, id="71-iat-ahead"),
        pytest.param({"iat": -(10**400)}, id="C25-iat-huge"),
        pytest.param({"iat": float("-inf")}, id="C25-iat-infinite"),
        pytest.param({"iat": "hier"}, id="C25-iat-text"),
        pytest.param({"nbf": 90}, id="71-nbf-ahead"),
        pytest.param({"jti": None}, id="C24-jti-missing"),
        pytest.param({"jti": ""}, id="C24-jti-empty"),
        pytest.param({"jti": 7}, id="C24-jti-number"),
        pytest.param({"jti": "x" * 301}, id="C24-jti-long"),
    ],
)
def test_a_claim_that_is_not_right_is_refused(machine, change):
    now = int(time.time())
    changed = {n: now + v if n in ("exp", "iat", "nbf") and type(v) is int and abs(v) < 10**9 else v for n, v in change.items()}

    assert is_refused(with_assertion(machine, machine.assertion(**changed)))


@ONLY_SQLITE
@pytest.mark.parametrize("ahead", [{"iat": 8}, {"nbf": 8}, {"iat": 55, "exp": 300}, {"iat": None}, {"aud": "token"}, {"aud": ["issuer"]}])
def test_44_71_what_honest_clocks_and_libraries_send_is_accepted(machine, ahead):
    now = int(time.time())
    change = {n: now + v if isinstance(v, int) else v for n, v in ahead.items()}
    if "aud" in change:
        change["aud"] = "https://mag.test/token" if change["aud"] == "token" else ["https://mag.test"]

    assert with_assertion(machine, machine.assertion(**change)).status_code == 200


@ONLY_SQLITE
@pytest.mark.parametrize(
    "header",
    [
        pytest.param({"jwk": {"kty": "EC"}}, id="C23-jwk"),
        pytest.param({"jku": "https://mal.test/jwks"}, id="C23-jku"),
        pytest.param({"x5u": "https://mal.test/cert"}, id="C23-x5u"),
        pytest.param({"x5c": ["AAAA"]}, id="C23-x5c"),
        pytest.param({"crit": ["exp"], "exp": 1}, id="C23-crit"),
        pytest.param({"b64": False, "crit": ["b64"]}, id="C23-b64"),
        pytest.param({"zip": "DEF"}, id="C23-zip"),
        pytest.param({"kid": ["cle-machine"]}, id="C23-kid-list"),
        pytest.param({"kid": "inconnue"}, id="C23-kid-unknown"),
    ],
)
def test_a_header_that_brings_keys_or_extensions_is_refused(machine, header):
    """Signed by hand: a library would refuse to write most of these."""
    claims = jws.extract_compact(machine.assertion().encode()).payload
    signing_input = compact({"alg": "ES256", **header}, claims).rsplit(".", 1)[0].encode()
    signature = jws.JWSRegistry.algorithms["ES256"].sign(signing_input, machine.key)
    forged = f"{signing_input.decode()}.{b64(signature)}"

    assert is_refused(with_assertion(machine, forged))


@ONLY_SQLITE
def test_C23_keys_and_algorithms_that_are_not_the_client_s_are_refused(machine):
    own = machine.assertion()
    public = machine.key.as_pem(private=False)
    payload = jws.extract_compact(own.encode()).payload
    stolen = ECKey.generate_key("P-256", {"kid": "cle-machine"})
    hmac_keys = [public, public.strip(), machine.key.as_der(private=False), orjson.dumps(machine.key.as_dict(private=False))]
    hmac_keys += [machine.secret.encode(), b""]
    forged = [
        machine.assertion(key=stolen),
        altered(own),
        own[: own.rindex(".") + 1],
        own[:-1],
        own + "A",
        own + ".A",
        f" {own}",
        compact({"alg": "none"}, payload, b""),
        compact({"alg": "None"}, payload, b""),
        compact({"alg": "nOnE"}, payload),
        compact({}, payload),
        compact({"alg": ["ES256"]}, payload),
        compact({"alg": None}, payload),
        compact([], payload),
        compact(b"\xff", payload),
        compact(b"[" * 4000, payload),
        compact({"alg": "ES256"}, b"[" * 4000),
        compact({"alg": "ES256"}, b'{"sub":' * 600),
        compact({"alg": "ES256"}, b"null"),
        compact({"alg": "ES256"}, b"not json"),
        "é.è.à",
        "..",
        "." * 50,
        "x" * 9000,
        orjson.dumps({"payload": "e30", "signatures": [{"protected": "e30", "signature": "x"}]}).decode(),
        orjson.dumps(jws.serialize_json({"protected": {"alg": "ES256"}}, payload, machine.key)).decode(),
    ]
    signing_input = compact({"alg": "HS256", "kid": "cle-machine"}, payload).rsplit(".", 1)[0]
    forged += [f"{signing_input}.{b64(hmac.digest(key, signing_input.encode(), 'sha256'))}" for key in hmac_keys]

    assert [is_refused(with_assertion(machine, one)) for one in forged] == [True] * len(forged)
    assert with_assertion(machine, own).status_code == 200


@ONLY_SQLITE
def test_C23_the_algorithm_is_the_one_registered(partner):
    rsa = RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig"})
    given = {**MACHINE, "token_endpoint_auth_method": "private_key_jwt", "jwks": KeySet([rsa]).as_dict(private=False)}
    free, bound = partner("libre", **given), partner("lie", token_endpoint_auth_signing_alg="PS256", **given)

    for alg, expected in (("RS256", [200, 401]), ("PS256", [200, 200]), ("RS512", [401, 401])):
        answers = [with_assertion(c, c.assertion(header={"alg": alg, "kid": "rsa"}, key=rsa)) for c in (free, bound)]
        assert [a.status_code for a in answers] == expected, alg


@ONLY_SQLITE
def test_an_assertion_of_another_client_is_refused(machine, partner):
    other = partner("autre", token_endpoint_auth_method="private_key_jwt", **MACHINE)
    form = {**FORM, "client_assertion_type": ASSERTION_TYPE, "client_assertion": other.assertion(), "client_id": "machine"}

    assert is_refused(machine.call("/token", data=form))
    assert is_refused(with_assertion(machine, machine.assertion(key=other.key)))


@ONLY_SQLITE
@pytest.mark.parametrize("curve", ["P-256", "brainpoolP256r1"])
def test_C23_a_client_whose_keys_cannot_be_read_is_refused_without_a_5xx(partner, curve):
    unreadable = {"keys": [{"kty": "EC", "crv": curve, "x": "?", "y": "?"}]}
    broken = partner("machine", token_endpoint_auth_method="private_key_jwt", jwks=unreadable, **MACHINE)

    assert is_refused(with_assertion(broken, broken.assertion(key=ECKey.generate_key("P-256"))))


@ONLY_SQLITE
def test_2_3_an_assertion_and_a_secret_are_two_methods_at_once(machine):
    fields = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": machine.assertion(), "client_secret": "x"}

    assert is_refused(machine.call("/token", data={**FORM, **fields}))


@ONLY_SQLITE
def test_a_registered_key_that_cannot_be_read_does_not_hide_the_others(partner):
    key = ECKey.generate_key("P-256", {"kid": "bonne", "use": "sig"})
    unknown = key.as_dict(private=False) | {"crv": "brainpoolP256r1", "kid": "courbe"}
    jwks = {"keys": [unknown, key.as_dict(private=False)]}
    software = partner("logiciel", token_endpoint_auth_method="private_key_jwt", jwks=jwks, **MACHINE)

    assert with_assertion(software, software.assertion(key=key)).status_code == 200


@ONLY_SQLITE
@pytest.mark.filterwarnings("ignore:Key size")
def test_9_a_weak_key_of_a_client_signs_nothing(partner):
    """FAPI 2.0 Security Profile section 5.4.1, RFC 7518 section 3.3."""
    weak = RSAKey.generate_key(1024, {"kid": "faible"})
    jwks = {"keys": [weak.as_dict(private=False)]}
    software = partner("logiciel", token_endpoint_auth_method="private_key_jwt", jwks=jwks, **MACHINE)

    assert is_refused(with_assertion(software, software.assertion(header={"alg": "RS256"}, key=weak)))


def test_C24_an_assertion_serves_once(machine, journal):
    assertion = machine.assertion()

    assert with_assertion(machine, assertion).status_code == 200
    assert is_refused(with_assertion(machine, assertion))
    assert is_refused(with_assertion(machine, assertion, "/token/introspection"))
    assert is_refused(with_assertion(machine, machine.assertion(jti=unverified_claims(assertion)["jti"])))
    assert {line["client_id"] for line in journal("AssertionReplayed")} == {"machine"}


def test_C24_twelve_at_once_serve_once(machine):
    assertion, barrier = machine.assertion(), Barrier(12)

    def act(_):
        barrier.wait(30)
        return with_assertion(machine, assertion).status_code

    with ThreadPoolExecutor(12) as pool:
        assert sorted(pool.map(act, range(12))) == [200] + [401] * 11


@ONLY_SQLITE
def test_C24_two_clients_may_use_one_jti(machine, partner):
    other = partner("autre", token_endpoint_auth_method="private_key_jwt", **MACHINE)

    assert [with_assertion(c, c.assertion(jti="1")).status_code for c in (machine, other)] == [200, 200]


@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
@pytest.mark.parametrize("change", [{}, {"iat": 50}, {"iat": None, "exp": 330}], ids=["iat", "iat-ahead", "no-iat"])
def test_C24_after_redis_was_emptied_nothing_spent_serves_again(machine, redis_server, change):
    now = int(time.time())
    assertion = machine.assertion(**{n: v if v is None else now + v for n, v in change.items()})
    assert with_assertion(machine, assertion).status_code == 200
    with Redis.from_url(redis_server.url) as client:
        client.flushall()

    assert is_refused(with_assertion(machine, assertion))
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=65)):
        assert with_assertion(machine, machine.assertion()).status_code == 200


@ONLY_SQLITE
@pytest.mark.parametrize("path", ENDPOINTS)
def test_44_the_endpoint_called_may_be_the_audience(machine, path):
    assert with_assertion(machine, machine.assertion(aud=f"https://mag.test{path}"), path).status_code == 200
    elsewhere = next(other for other in ENDPOINTS[1:] if other != path)
    assert is_refused(with_assertion(machine, machine.assertion(aud=f"https://mag.test{elsewhere}"), path))


@ONLY_SQLITE
@pytest.mark.parametrize(
    ("audience", "status"),
    [
        pytest.param("https://mag.test", 400, id="70-issuer"),
        pytest.param(["https://mag.test"], 401, id="70-array"),
        pytest.param("https://mag.test/token", 401, id="70-token-endpoint"),
        pytest.param("https://mag.test/request", 401, id="70-par-endpoint"),
        pytest.param(["https://mag.test", "https://autre.test"], 401, id="70-several"),
    ],
)
def test_70_fapi2_takes_the_issuer_as_a_string_alone(partner, audience, status):
    """400: authenticated, then asked for the proof of possession that this profile wants."""
    bank = partner("banque", profile="fapi2", token_endpoint_auth_method="private_key_jwt", **MACHINE)

    assert with_assertion(bank, bank.assertion(aud=audience)).status_code == status


@ONLY_SQLITE
@pytest.mark.parametrize(("alg", "status"), [("RS256", 401), ("PS256", 400)])
def test_71_fapi2_refuses_rs256(partner, alg, status):
    rsa = RSAKey.generate_key(2048, {"kid": "rsa"})
    given = {**MACHINE, "token_endpoint_auth_method": "private_key_jwt", "jwks": KeySet([rsa]).as_dict(private=False)}
    bank = partner("banque", profile="fapi2", **given)

    assert with_assertion(bank, bank.assertion(header={"alg": alg, "kid": "rsa"}, key=rsa)).status_code == status


@ONLY_SQLITE
@pytest.mark.parametrize("profile", ["standard", "fapi2"])
@pytest.mark.parametrize(
    ("registered", "alg"),
    [("", "EdDSA"), ("", "Ed25519"), ("EdDSA", "EdDSA"), ("EdDSA", "Ed25519"), ("Ed25519", "EdDSA"), ("Ed25519", "Ed25519")],
)
def test_9864_2_2_eddsa_signs_assertions_too_by_either_name(partner, profile, registered, alg):
    key = OKPKey.generate_key("Ed25519", {"kid": "ed"})
    given = {**MACHINE, "token_endpoint_auth_method": "private_key_jwt", "jwks": KeySet([key]).as_dict(private=False)}
    software = partner("logiciel", profile=profile, dpop_bound_access_tokens=True, token_endpoint_auth_signing_alg=registered, **given)
    software.dpop = ECKey.generate_key("P-256")
    header = {"alg": alg, "kid": "ed"}
    response = software.post("/token", {"grant_type": "client_credentials"}, header=header, key=key)

    assert response.status_code == 200


@ONLY_SQLITE
@pytest.mark.parametrize("registered", ["EdDSA", "Ed25519"])
def test_9864_2_2_the_other_name_opens_no_other_key_nor_algorithm(partner, registered):
    key, rsa = OKPKey.generate_key("Ed25519", {"kid": "ed"}), RSAKey.generate_key(2048, {"kid": "rsa"})
    given = {**MACHINE, "token_endpoint_auth_method": "private_key_jwt", "jwks": KeySet([key, rsa]).as_dict(private=False)}
    software = partner("logiciel", token_endpoint_auth_signing_alg=registered, **given)

    assert is_refused(with_assertion(software, software.assertion(header={"alg": "PS256", "kid": "rsa"}, key=rsa)))
    assert is_refused(
        with_assertion(software, software.assertion(header={"alg": "EdDSA", "kid": "ed"}, key=OKPKey.generate_key("Ed25519")))
    )


@ONLY_SQLITE
def test_7515_4_1_4_without_a_kid_each_key_of_the_client_is_tried(partner):
    """A client may also have published a key for what is encrypted for it."""
    mine, other = ECKey.generate_key("P-256", {"kid": "a"}), RSAKey.generate_key(2048, {"kid": "b"})
    encryption = {**ECKey.generate_key("P-256").as_dict(private=False), "kid": "c", "use": "enc"}
    jwks = {"keys": [encryption, other.as_dict(private=False), mine.as_dict(private=False)]}
    software = partner("logiciel", token_endpoint_auth_method="private_key_jwt", jwks=jwks, **MACHINE)

    assert with_assertion(software, software.assertion(key=mine)).status_code == 200
    assert with_assertion(software, software.assertion(key=mine, header={"kid": "a"})).status_code == 200
    assert is_refused(with_assertion(software, software.assertion(key=mine, header={"kid": "b"})))
    assert is_refused(with_assertion(software, software.assertion(key=ECKey.generate_key("P-256"))))


# ------------------------------------------------------------------------------------------------------ client_secret_jwt


@pytest.fixture
def old_fashioned(settings, partner, compose):
    """A client of client_secret_jwt, and the doors of a server that still admits it."""
    machine = partner("machine", token_endpoint_auth_method="client_secret_jwt", **MACHINE)
    doors = compose(replace(settings, client_secret_jwt=True))
    return replace(machine, doors=doors)


@ONLY_SQLITE
@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
@pytest.mark.parametrize("path", ENDPOINTS)
def test_core_9_a_secret_signs_assertions_where_the_operator_allows_it(old_fashioned, alg, path):
    assert with_assertion(old_fashioned, old_fashioned.assertion(header={"alg": alg}), path).status_code == 200


@ONLY_SQLITE
def test_ours_client_secret_jwt_is_off_unless_the_operator_says_so(partner):
    machine = partner("machine", token_endpoint_auth_method="client_secret_jwt", **MACHINE)

    assert is_refused(with_assertion(machine, machine.assertion()))
    methods = machine.call("/.well-known/openid-configuration", "GET").json["token_endpoint_auth_methods_supported"]
    assert "client_secret_jwt" not in methods


@ONLY_SQLITE
def test_C23_what_is_not_signed_by_a_live_secret_is_refused(old_fashioned, wsgi_app):
    """Neither by its digest, which is all that the table of secrets shows, nor by the secret once it has ended."""
    own = old_fashioned.assertion()
    key = ECKey.generate_key("P-256")
    refused = [
        old_fashioned.assertion(key=OctKey.import_key("un autre secret que le sien, assez long")),
        old_fashioned.assertion(key=OctKey.import_key(digest(old_fashioned.secret))),
        old_fashioned.assertion(header={"alg": "ES256"}, key=key),
        altered(own),
    ]

    assert [is_refused(with_assertion(old_fashioned, one)) for one in refused] == [True] * 4
    assert with_assertion(old_fashioned, own).status_code == 200
    assert is_refused(with_assertion(old_fashioned, own))
    basic_too = basic(f"machine:{quote_plus(old_fashioned.secret)}")
    assert is_refused(old_fashioned.call("/token", data=FORM, headers=basic_too))
    with wsgi_app.flask.app_context():
        client = onboarding.client_named("machine")
        onboarding.rotate_secret(client, datetime.now(UTC), overlap=timedelta(hours=1), seals=wsgi_app.mag.keyring)
        db.session.commit()
    old_fashioned.doors.mag.versions.refresh()
    assert with_assertion(old_fashioned, old_fashioned.assertion()).status_code == 200
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=1, seconds=1)):
        assert is_refused(with_assertion(old_fashioned, old_fashioned.assertion()))


@ONLY_SQLITE
def test_C23_the_registered_hash_alone_signs(settings, partner, compose):
    given = {"token_endpoint_auth_method": "client_secret_jwt", "token_endpoint_auth_signing_alg": "HS512", **MACHINE}
    machine = partner("machine", **given)
    doors = compose(replace(settings, client_secret_jwt=True))
    machine = replace(machine, doors=doors)

    assert is_refused(with_assertion(machine, machine.assertion(header={"alg": "HS256"})))
    assert with_assertion(machine, machine.assertion(header={"alg": "HS512"})).status_code == 200


# ------------------------------------------------------------------------------------------------------------- what is told


@pytest.fixture
def told(caplog):
    """What the log says of refused authentications."""
    configure("INFO")

    def lines():
        return [record.fields for record in caplog.records if record.getMessage() == "client authentication failed"]

    logger = logging.getLogger("mag")
    logger.addHandler(caplog.handler)
    yield lines
    logger.removeHandler(caplog.handler)


@ONLY_SQLITE
@pytest.mark.parametrize("path", ENDPOINTS)
def test_ours_each_refusal_is_told_with_its_reason_and_no_secret(partner, machine, told, path):
    keeper = partner("portail")
    shown = machine.assertion(aud="https://autre.test")
    callers = [
        ({}, {"client_id": "portail", "client_secret": "un secret très secret"}, "portail", "another method"),
        (basic("portail:un secret très secret"), {}, "portail", "wrong secret"),
        (basic(f"{quote_plus(keeper.secret)}:x"), {}, "secret-de-te...", "unknown client"),
        ({}, {"client_id": "inconnu\n"}, "inconnu?...", "unknown client"),
        ({}, {"client_assertion_type": ASSERTION_TYPE, "client_assertion": shown}, "machine", "aud of the assertion"),
        ({"Authorization": "Basic ===="}, {}, "", "cannot be read"),
    ]
    answers = [keeper.call(path, data={**FORM, **fields}, headers=headers) for headers, fields, _, _ in callers]

    assert [line["client_id"] for line in told()] == [client_id for *_, client_id, _ in callers]
    assert all(reason in line["reason"] for line, (*_, reason) in zip(told(), callers, strict=True))
    assert [line["request_id"] for line in told()] == [answer.headers["X-Request-ID"] for answer in answers]
    assert {line["path"] for line in told()} == {path}
    everything = str(told())
    assert not any(secret in everything for secret in ("très secret", keeper.secret, shown))


@ONLY_SQLITE
def test_ours_a_public_client_at_introspection_is_told_too(partner, told):
    partner(token_endpoint_auth_method="none").introspect("x")

    assert [line["client_id"] for line in told()] == ["portail"]
