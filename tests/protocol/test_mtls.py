"""Client certificates: who may say which one a connection bore, authentication by them, tokens bound to them. RFC 8705."""

import base64
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from joserfc.jwk import ECKey

from idp.errors import SettingError
from idp.oidc.client_metadata import InvalidClientMetadataError
from tests.protocol.certificates import HEADER, PROXY, SETTINGS, VERIFIED, Held, held
from tests.protocol.relying import answer_of, register

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
MACHINE = {"grant_types": ["client_credentials"], "redirect_uris": [], "scope": "api:lire"}
DN = "CN=Paie en ligne,O=Éditeur\\, SARL,C=FR"
BY_NAME = {**MACHINE, "token_endpoint_auth_method": "tls_client_auth"}


@pytest.fixture
def settings(settings):
    return replace(settings, **SETTINGS)


@pytest.fixture
def named(partner):
    """A client known by the name in its certificate."""
    return replace(partner("machine", **BY_NAME, tls_client_auth_subject_dn=DN), connection=held().connection())


@pytest.fixture
def keyed(partner):
    """A client known by the key of its self-signed certificate."""
    jwks = {"keys": [held().jwk]}
    found = partner("machine", **MACHINE, token_endpoint_auth_method="self_signed_tls_client_auth", jwks=jwks)
    return replace(found, connection=held().connection(VERIFIED="FAILED:self-signed certificate"))


def status(machine, **connection) -> int:
    """Of a token request, when the connection is as these say."""
    response = replace(machine, connection=held().connection(**connection)).token("client_credentials")
    assert response.status_code == 200 or response.json["error"] == "invalid_client"
    return response.status_code


# ------------------------------------------------------------------------------------------------ who may say what a header says


@pytest.mark.parametrize("method", ["tls_client_auth", "self_signed_tls_client_auth"])
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param({}, 200, id="from-the-proxy"),
        pytest.param({"REMOTE_ADDR": "::ffff:10.0.0.7"}, 200, id="from-the-proxy-mapped"),
        pytest.param({"REMOTE_ADDR": "10.0.1.7"}, 401, id="from-elsewhere"),
        pytest.param({"REMOTE_ADDR": "127.0.0.1"}, 401, id="from-this-machine"),
        pytest.param({"REMOTE_ADDR": "10.0.1.7", "HTTP_X_FORWARDED_FOR": PROXY}, 401, id="from-who-says-to-be-the-proxy"),
        pytest.param({"REMOTE_ADDR": ""}, 401, id="from-nowhere"),
        pytest.param({"REMOTE_ADDR": "x"}, 401, id="from-nonsense"),
        pytest.param({HEADER: None}, 401, id="no-certificate"),
        pytest.param({HEADER: ""}, 401, id="empty"),
        pytest.param({HEADER: "x"}, 401, id="nonsense"),
        pytest.param({HEADER: ":x:"}, 401, id="9440-not-base64"),
        pytest.param({HEADER: "::"}, 401, id="9440-empty"),
        pytest.param({HEADER: ":AAAA:"}, 401, id="9440-not-a-certificate"),
        pytest.param({HEADER: "é" * 20}, 401, id="accents"),
        pytest.param({HEADER: "%00%FF" * 10}, 401, id="bytes"),
        pytest.param({HEADER: "A" * 13_000}, 401, id="long"),
        pytest.param({HEADER: "-----BEGIN%20CERTIFICATE-----%0AAAAA%0A-----END%20CERTIFICATE-----"}, 401, id="pem-of-nothing"),
        pytest.param({"HTTP_CLIENT_CERT": "x"}, 200, id="another-header"),
    ],
)
def test_a_certificate_comes_from_the_proxy_alone(partner, method, change, expected):
    known = {"jwks": {"keys": [held().jwk]}} if method.startswith("self") else {"tls_client_auth_subject_dn": DN}
    machine = partner("machine", **MACHINE, token_endpoint_auth_method=method, **known)

    assert status(machine, **change) == expected


def test_9440_2_2_a_certificate_between_colons_is_read(named, keyed):
    value = f":{base64.b64encode(held().der).decode()}:"

    assert status(keyed, **{HEADER: value}) == 200


def test_two_certificates_are_none(named):
    value = f":{base64.b64encode(held().der).decode()}:"

    assert status(named, **{HEADER: f"{value},{value}"}) == 401


@pytest.mark.parametrize("change", [{"tls_certificate_header": "", "tls_verified_header": ""}, {"trusted_proxies": 0}])
def test_ours_without_the_settings_no_certificate_is_read(settings, compose, change):
    if "trusted_proxies" in change:
        with pytest.raises(SettingError, match="MAG_TLS_CERTIFICATE_HEADER needs"):
            replace(settings, **change)
        return
    doors = compose(replace(settings, **change))
    machine = register(doors, "machine", **BY_NAME, tls_client_auth_subject_dn=DN)

    assert status(machine) == 401


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"tls_proxies": ()}, "MAG_TLS_PROXIES"),
        ({"tls_proxies": ("partout",)}, "MAG_TLS_PROXIES"),
        ({"tls_certificate_header": "X Client"}, "names of headers"),
        ({"tls_certificate_header": ""}, "MAG_TLS_VERIFIED_HEADER needs"),
    ],
)
def test_ours_settings_that_would_trust_anyone_prevent_the_start(settings, change, said):
    with pytest.raises(SettingError, match=said):
        replace(settings, **change)


# ------------------------------------------------------------------------------------------------------- by name (section 2.1)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(DN, 200, id="4514-as-written"),
        pytest.param("cn=PAIE  en ligne, o=éditeur\\2C sarl, c=fr", 200, id="4517-case-spaces-escapes"),
        pytest.param("2.5.4.3=Paie en ligne,2.5.4.10=Éditeur\\, SARL,2.5.4.6=FR", 200, id="4514-2.3-object-identifiers"),
        pytest.param("C=FR,O=Éditeur\\, SARL,CN=Paie en ligne", 401, id="4514-2.1-another-order"),
        pytest.param("CN=Paie en ligne,C=FR", 401, id="2.1.2-a-part"),
        pytest.param("CN=Paie en ligne+O=Éditeur\\, SARL,C=FR", 401, id="4514-2.2-one-relative-name"),
        pytest.param("CN=Paie,O=Éditeur\\, SARL,C=FR", 401, id="2.1.2-another"),
    ],
)
def test_2_1_2_the_subject_is_compared_as_a_name(partner, value, expected):
    assert status(partner("machine", **BY_NAME, tls_client_auth_subject_dn=value)) == expected


def test_5280_7_1_attributes_of_one_relative_name_have_no_order(partner):
    one, two = (x509.NameAttribute(NameOID.COMMON_NAME, "Paie"), x509.NameAttribute(NameOID.ORGANIZATION_IDENTIFIER, "NTRFR-732829320"))
    country = x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.COUNTRY_NAME, "FR")])
    certificate = Held(country, x509.RelativeDistinguishedName([one, two]))

    for name in ("CN=Paie+organizationIdentifier=NTRFR-732829320,C=FR", "organizationIdentifier=NTRFR-732829320+CN=Paie,C=FR"):
        machine = partner("machine", **BY_NAME, tls_client_auth_subject_dn=name)
        assert replace(machine, connection=certificate.connection()).token("client_credentials").status_code == 200


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("san_dns", "PAIE.exemple.fr", 200),
        ("san_dns", "exemple.fr", 401),
        ("san_dns", "*.exemple.fr", 401),
        ("san_uri", "https://paie.exemple.fr/client", 200),
        ("san_uri", "https://paie.exemple.fr/CLIENT", 401),
        ("san_ip", "192.0.2.7", 200),
        ("san_ip", "192.0.2.8", 401),
        ("san_ip", "paie", 401),
        ("san_email", "paie@EXEMPLE.fr", 200),
        ("san_email", "PAIE@exemple.fr", 401),
        ("san_email", "exemple.fr", 401),
    ],
)
def test_2_1_2_alternative_names_are_compared_each_by_its_kind(partner, kind, value, expected):
    assert status(partner("machine", **BY_NAME, **{f"tls_client_auth_{kind}": value})) == expected


@pytest.mark.parametrize("said", ["NONE", "FAILED:unable to verify the first certificate", "", "success", None])
def test_ours_a_chain_that_the_proxy_did_not_verify_proves_no_name(named, said):
    assert status(named, **{VERIFIED: said}) == 401


def test_ours_without_a_header_that_says_so_no_name_is_proved(settings, compose):
    doors = compose(replace(settings, tls_verified_header=""))
    machine = register(doors, "machine", **BY_NAME, tls_client_auth_subject_dn=DN)

    assert status(machine) == 401


@pytest.mark.parametrize("value", ["Paie en ligne", "CN", "XX=a,CN=b", "CN=a,,O=b", "CN=a;O=b", "C=FRANCE", "CN=" + "é" * 100])
def test_2_1_2_a_subject_that_is_not_a_name_is_refused_at_registration(partner, value):
    with pytest.raises(InvalidClientMetadataError, match="tls_client_auth_subject_dn"):
        partner("machine", **BY_NAME, tls_client_auth_subject_dn=value)


# -------------------------------------------------------------------------------------------------------- by key (section 2.2)


@pytest.mark.parametrize("rsa_key", [False, True], ids=["EC", "RSA"])
@pytest.mark.parametrize("expired", [False, True], ids=["in-force", "expired"])
def test_2_2_a_registered_key_opens_whatever_the_rest_of_the_certificate_says(partner, rsa_key, expired):
    certificate = Held(rsa_key=rsa_key, expired=expired)
    given = {"token_endpoint_auth_method": "self_signed_tls_client_auth", "jwks": {"keys": [held().jwk, certificate.jwk]}}
    machine = replace(partner("machine", **MACHINE, **given), connection=certificate.connection(VERIFIED="NONE"))

    assert machine.token("client_credentials").status_code == 200


def test_2_2_another_key_is_refused(keyed):
    assert replace(keyed, connection=Held().connection()).token("client_credentials").status_code == 401


def test_2_2_2_a_key_registered_with_its_certificate_opens_by_that_one_alone(partner):
    mine = Held()
    again = Held()
    again.private = mine.private
    jwks = {"keys": [mine.jwk | {"x5c": [base64.b64encode(mine.der).decode()]}, again.jwk | {"kid": "2", "x5c": ["?"]}]}
    machine = partner("machine", **MACHINE, token_endpoint_auth_method="self_signed_tls_client_auth", jwks=jwks)

    assert replace(machine, connection=mine.connection()).token("client_credentials").status_code == 200


# ------------------------------------------------------------------------------------------------------------ the one method


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "private_key_jwt"])
def test_a_certificate_authenticates_nobody_registered_for_another_method(partner, method):
    machine = partner("machine", token_endpoint_auth_method=method, **MACHINE)
    response = replace(machine, method="none", connection=held().connection()).token("client_credentials")

    assert (response.status_code, response.json["error"]) == (401, "invalid_client")


@pytest.mark.parametrize("fields", [{"client_secret": "x"}, {"client_assertion": "x"}, {"client_id": None}])
def test_2_another_method_beside_a_certificate_is_refused(named, fields):
    response = named.token("client_credentials", **fields)

    assert (response.status_code, response.json["error"]) == (401, "invalid_client")


@pytest.mark.parametrize("path", ["/token/introspection", "/token/revocation"])
def test_2_a_certificate_opens_each_endpoint(named, path):
    assert named.post(path, {"token": "x"}).status_code == 200
    assert replace(named, connection={}).post(path, {"token": "x"}).status_code == 401


# --------------------------------------------------------------------------------------------- tokens bound to a certificate


@pytest.fixture
def bound(partner):
    """A client with a secret whose tokens are bound to its certificate (section 3.4: whatever its method)."""
    return replace(partner(tls_client_certificate_bound_access_tokens=True), connection=held().connection())


def test_3_1_the_token_says_which_certificate(bound, code_flow):
    tokens = code_flow(bound)

    assert tokens.access["cnf"] == {"x5t#S256": held().x5t}
    assert tokens.token_type == "Bearer"
    told = bound.introspect(tokens.access_token).json
    assert (told["cnf"], told["token_type"]) == ({"x5t#S256": held().x5t}, "Bearer")


def test_3_a_bound_token_needs_its_certificate(bound, code_flow):
    tokens = code_flow(bound)
    others = [{}, Held().connection(), held().connection(REMOTE_ADDR="192.0.2.9"), held().connection(**{HEADER: "x"})]

    assert bound.userinfo(tokens.access_token).status_code == 200
    for connection in others:
        response = replace(bound, connection=connection).userinfo(tokens.access_token)
        assert (response.status_code, response.json["error"]) == (401, "invalid_token")
        assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]


def test_81_no_token_without_the_certificate(bound, signed_in):
    code = bound.code(signed_in)
    response = replace(bound, connection={}).redeem(code)

    assert (response.status_code, response.json["error"]) == (400, "invalid_request")
    assert bound.redeem(code).status_code == 200


def test_81b_a_confidential_client_may_bring_a_new_certificate_and_its_refresh_token_stays(bound, code_flow):
    tokens, another = code_flow(bound), Held()
    renewed = bound.tokens(replace(bound, connection=another.connection()).refresh(tokens.refresh_token))

    assert renewed.refresh_token == tokens.refresh_token
    assert renewed.access["cnf"] == {"x5t#S256": another.x5t}
    assert replace(bound, connection={}).refresh(tokens.refresh_token).json["error"] == "invalid_request"


def test_4_a_refresh_token_of_a_public_client_is_bound_to_its_certificate(partner, code_flow):
    public = partner(token_endpoint_auth_method="none", tls_client_certificate_bound_access_tokens=True)
    public = replace(public, connection=held().connection())
    tokens = code_flow(public)

    assert replace(public, connection=Held().connection()).refresh(tokens.refresh_token).json["error"] == "invalid_grant"
    assert public.refresh(tokens.refresh_token).status_code == 200


def test_both_a_key_and_a_certificate_are_needed_where_both_were_shown(bound, code_flow):
    both = replace(bound, dpop=ECKey.generate_key("P-256"))
    tokens = code_flow(both)

    assert tokens.access["cnf"] == {"jkt": both.dpop.thumbprint(), "x5t#S256": held().x5t}
    assert both.userinfo(tokens.access_token).status_code == 200
    assert replace(both, connection={}).userinfo(tokens.access_token).status_code == 401
    assert replace(both, dpop=None).userinfo(tokens.access_token).status_code == 401


def test_fapi_5_3_2_1_a_client_of_fapi2_with_a_certificate_has_tokens_bound_to_it(partner):
    machine = partner("machine", **BY_NAME, profile="fapi2", tls_client_auth_subject_dn=DN)
    response = replace(machine, connection=held().connection()).token("client_credentials")
    keyed = replace(machine, connection=held().connection(), dpop=ECKey.generate_key("P-256")).token("client_credentials")

    assert response.json["token_type"] == "Bearer"
    assert machine.verified(response.json["access_token"])["cnf"] == {"x5t#S256": held().x5t}
    assert machine.verified(keyed.json["access_token"])["cnf"].keys() == {"jkt"}


def test_a_client_that_need_not_is_not_bound_by_the_certificate_of_its_connection(partner, code_flow):
    portail = replace(partner(), connection=held().connection())

    assert "cnf" not in code_flow(portail).access


def test_fapi2_sign_in_with_a_certificate_from_the_pushed_request_to_userinfo(partner, signed_in):
    metadata = {"profile": "fapi2", "token_endpoint_auth_method": "self_signed_tls_client_auth", "jwks": {"keys": [held().jwk]}}
    portail = replace(partner(**metadata), connection=held().connection())
    request_uri = portail.post("/request", portail.request()).json["request_uri"]
    _, answer = answer_of(signed_in.get("/authorize", query_string={"client_id": "portail", "request_uri": request_uri}))
    tokens = portail.tokens(portail.redeem(answer["code"]))

    assert tokens.access["cnf"] == {"x5t#S256": held().x5t}
    assert portail.userinfo(tokens.access_token).json["sub"] == tokens.claims["sub"]


# ---------------------------------------------------------------------------------------------------------------- discovery


def test_3_3_discovery_says_what_the_settings_allow(settings, wsgi_app, partner, compose):
    told = partner().call("/.well-known/openid-configuration", "GET").json
    doors = compose(replace(settings, tls_certificate_header="", tls_verified_header="", tls_proxies=()))
    without = register(doors, "portail").call("/.well-known/openid-configuration", "GET").json

    assert {"tls_client_auth", "self_signed_tls_client_auth"} <= set(told["token_endpoint_auth_methods_supported"])
    assert told["tls_client_certificate_bound_access_tokens"] is True
    assert not {"tls_client_auth", "self_signed_tls_client_auth"} & set(without["token_endpoint_auth_methods_supported"])
    assert "tls_client_certificate_bound_access_tokens" not in without
