"""Web Browser SSO of SAML 2.0 (profiles section 4.1), by redirect and by post."""

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from lxml import etree
from signxml import XMLVerifier
from signxml.verifier import SignatureConfiguration
from werkzeug.test import Client

from idp.database import db
from idp.saml import keyring
from idp.saml.vocabulary import PERSISTENT, PREFIXES, TRANSIENT, UNSPECIFIED, child
from partners import onboarding as partenaires
from partners.models import Partenaire
from partners.saml import onboarding
from partners.saml.models import FournisseurDeService
from tests import factories
from tests.saml import KEYS, Posted, Site, answered, certificate, path_of, register

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
AC = "urn:oasis:names:tc:SAML:2.0:ac:classes:"
SAML = f"{{{PREFIXES['saml']}}}"


def certificates(raw: bytes) -> list[str]:
    return [one.text or "" for one in etree.fromstring(raw).iter(f"{{{PREFIXES['ds']}}}X509Certificate")]


@pytest.fixture
def site(wsgi_app: Any) -> Site:
    found = Site()
    register(wsgi_app, found)
    return found


def verify(wsgi_app: Any, found: Posted, path: str = "") -> Any:
    """By signxml, with the certificate of MAG's metadata; the signed element."""
    der = wsgi_app.mag.saml.keys.published().certificates[0]
    element = found.find(path) if path else found.root
    expected = SignatureConfiguration(location="./")
    given = {"x509_cert": x509.load_der_x509_certificate(der), "id_attribute": "ID"}
    return XMLVerifier().verify(etree.fromstring(etree.tostring(element)), **given, expect_config=expected).signed_xml


def test_whoever_is_signed_in_goes_straight_to_the_service_provider(wsgi_app: Any, site: Site, signed_in: Client) -> None:
    request = site.request()
    page = signed_in.get(path_of(site.address(request, "état <b>")))
    found = Posted.of(page)

    assert found.action == site.acs
    assert found.fields["RelayState"] == "état <b>"
    assert "état &lt;b&gt;" in page.text
    assert f"form-action 'self' {site.host};" in page.headers["Content-Security-Policy"]
    assert found.statuses == ["Success"]
    assert found.root.get("InResponseTo") == request.get("ID")
    assert verify(wsgi_app, found).tag == found.root.tag
    assert verify(wsgi_app, found, "saml:Assertion").get("ID") == found.find("saml:Assertion").get("ID")
    assert found.text(".//saml:Audience") == site.entity_id
    data = found.find(".//saml:SubjectConfirmationData")
    assert (data.get("Recipient"), data.get("InResponseTo")) == (site.acs, request.get("ID"))
    assert found.find(".//saml:NameID").get("Format") == PERSISTENT
    assert found.text(".//saml:AuthnContextClassRef") == AC + "PasswordProtectedTransport"
    assert found.attributes["email"] == ["anne.lefevre@exemple.fr"]
    assert found.attributes["siret"] == ["73282932000074"]
    assert "phone_number" not in found.attributes


def test_a_request_may_be_posted_from_the_site(site: Site, signed_in: Client) -> None:
    kept = signed_in.post("/saml/sso", data=site.form(site.request(), "abc"), headers={"Origin": site.host, "Sec-Fetch-Site": "cross-site"})

    assert kept.status_code == 303
    found = Posted.of(signed_in.get(kept.headers["Location"]))
    assert (found.statuses, found.fields["RelayState"]) == (["Success"], "abc")


def test_a_stranger_signs_in_at_the_mire_and_comes_back(site: Site, wsgi_app: Any, client: Client) -> None:
    factories.un_declarant(wsgi_app.flask)
    request = site.request()
    mire = client.get(path_of(site.address(request)))
    assert mire.headers["Location"].startswith("/connexion?demande=")
    page = client.get(mire.headers["Location"])
    assert "Site site" in page.text
    back = factories.se_connecter(client, demande=mire.headers["Location"].partition("demande=")[2])
    found = Posted.of(client.get(back.headers["Location"]))
    assert found.statuses == ["Success"]
    assert found.root.get("InResponseTo") == request.get("ID")


def test_a_persistent_identifier_is_of_one_site_and_stays(wsgi_app: Any, site: Site, signed_in: Client) -> None:
    other = Site("autre")
    register(wsgi_app, other)
    one, again, elsewhere = (answered(signed_in, s.address(s.request())).text(".//saml:NameID") for s in (site, site, other))

    assert one == again
    assert one != elsewhere


def test_a_site_shares_the_identifiers_of_an_openid_client_when_the_operator_says_so(
    wsgi_app: Any, signed_in: Client, partner: Callable[..., Any]
) -> None:
    portal = partner("portail", partenaire="essais")
    partner("ailleurs")
    with pytest.raises(onboarding.RegistrationRefusedError, match="secteur d'aucun client"):
        register(wsgi_app, Site("mixte"), sector=wsgi_app.mag.registry.find("ailleurs").sector)
    register(wsgi_app, site := Site("mixte"), sector=wsgi_app.mag.registry.find(portal.client_id).sector)
    tokens = portal.tokens(portal.redeem(portal.code(signed_in)))

    assert answered(signed_in, site.address(site.request())).text(".//saml:NameID") == tokens.claims["sub"]


def test_a_transient_identifier_changes_with_the_session(site: Site, browser_of: Callable[[int], Client], un_declarant: int) -> None:
    def name(browser: Client) -> str:
        request = site.request()
        child(request, "samlp:NameIDPolicy", None, Format=TRANSIENT)
        found = answered(browser, site.address(request))
        assert found.find(".//saml:NameID").get("Format") == TRANSIENT
        return found.text(".//saml:NameID")

    first, second = browser_of(un_declarant), browser_of(un_declarant)
    assert name(first) == name(first)
    assert name(first) != name(second)


def test_force_authn_asks_for_the_password_again(site: Site, signed_in: Client) -> None:
    page = signed_in.get(path_of(site.address(site.request(ForceAuthn="true"))))

    assert page.status_code == 303
    assert page.headers["Location"].startswith("/connexion?")


def test_force_authn_is_answered_once_the_password_was_typed_again(wsgi_app: Any, site: Site, client: Client) -> None:
    factories.un_declarant(wsgi_app.flask)
    factories.se_connecter(client)
    request = site.request(ForceAuthn="true")
    demande = client.get(path_of(site.address(request))).headers["Location"].partition("demande=")[2]
    assert client.get(f"/saml/sso?demande={demande}").headers["Location"].startswith("/connexion?"), "nobody typed anything yet"
    back = factories.se_connecter(client, demande=demande)
    found = Posted.of(client.get(back.headers["Location"]))

    assert (found.statuses, found.root.get("InResponseTo")) == (["Success"], request.get("ID"))


@pytest.mark.parametrize(("formats", "given"), [(["persistent", "transient"], PERSISTENT), (["transient"], TRANSIENT)])
def test_an_unspecified_name_is_of_the_first_format_of_the_site(wsgi_app: Any, signed_in: Client, formats: Any, given: str) -> None:
    register(wsgi_app, site := Site(), name_id=formats)
    request = site.request()
    child(request, "samlp:NameIDPolicy", None, Format=UNSPECIFIED)

    assert answered(signed_in, site.address(request)).find(".//saml:NameID").get("Format") == given


@pytest.mark.parametrize(
    ("attributes", "statuses"),
    [
        pytest.param({"IsPassive": "true"}, ["Responder", "NoPassive"], id="3.4.1-passive"),
        pytest.param({"Version": "1.1"}, ["VersionMismatch"], id="3.2.1-version"),
        pytest.param(
            {"ProtocolBinding": "urn:oasis:names:tc:SAML:2.0:bindings:PAOS"}, ["Requester", "RequestUnsupported"], id="3.4.1-binding"
        ),
        pytest.param({"AttributeConsumingServiceIndex": "9"}, ["Requester", "RequestUnsupported"], id="3.4.1-attributes"),
    ],
)
def test_what_cannot_be_given_is_told_in_a_status(wsgi_app: Any, site: Site, client: Client, attributes: Any, statuses: list[str]) -> None:
    found = answered(client, site.address(site.request(**attributes)))

    assert found.statuses == statuses
    assert found.root.find("saml:Assertion", PREFIXES) is None
    assert verify(wsgi_app, found) is not None


@pytest.mark.parametrize("form", ["urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress", "urn:x"])
def test_a_name_of_another_format_is_refused(site: Site, signed_in: Client, form: str) -> None:
    request = site.request()
    child(request, "samlp:NameIDPolicy", None, Format=form)

    assert answered(signed_in, site.address(request)).statuses == ["Requester", "InvalidNameIDPolicy"]


@pytest.mark.parametrize(
    ("comparison", "asked", "answer"),
    [
        ("exact", AC + "PasswordProtectedTransport", AC + "PasswordProtectedTransport"),
        ("exact", "http://eidas.europa.eu/LoA/low", "http://eidas.europa.eu/LoA/low"),
        ("minimum", AC + "Password", AC + "Password"),
        ("exact", "http://eidas.europa.eu/LoA/substantial", ["Responder", "NoAuthnContext"]),
        ("better", "https://refeds.org/profile/mfa", ["Responder", "NoAuthnContext"]),
        ("exact", "https://refeds.org/profile/mfa", "/connexion/second-facteur?"),
        ("better", AC + "PasswordProtectedTransport", "/connexion/second-facteur?"),
        ("maximum", "https://refeds.org/profile/mfa", AC + "PasswordProtectedTransport"),
        ("maximum", AC + "Password", AC + "Password"),
        ("maximum", "http://eidas.europa.eu/LoA/substantial", ["Responder", "NoAuthnContext"]),
    ],
)
def test_a_context_is_answered_raised_or_refused(site: Site, signed_in: Client, comparison: str, asked: str, answer: Any) -> None:
    request = site.request()
    context = child(request, "samlp:RequestedAuthnContext", None, Comparison=comparison)
    child(context, "saml:AuthnContextClassRef", asked)
    page = signed_in.get(path_of(site.address(request)))

    if isinstance(answer, str) and answer.startswith("/"):
        assert page.headers["Location"].startswith(answer)
    elif isinstance(answer, str):
        assert Posted.of(page).text(".//saml:AuthnContextClassRef") == answer
    else:
        assert Posted.of(page).statuses == answer


@pytest.mark.parametrize(("asked", "policy"), [("saml:site", True), ("saml:autre", False)])
def test_a_rule_of_the_operator_calls_for_two_factors_at_one_site(
    wsgi_app: Any, site: Site, signed_in: Client, asked: str, policy: bool
) -> None:
    register(wsgi_app, Site("autre"))
    run = wsgi_app.flask.test_cli_runner()
    assert run.invoke(args=["facteurs", "politique", "exiger", "partenaire", asked, "--delai", "0"]).exit_code == 0
    wsgi_app.mag.versions.refresh()
    page = signed_in.get(path_of(site.address(site.request())))

    if not policy:
        assert Posted.of(page).statuses == ["Success"]
        return
    assert page.headers["Location"].startswith("/connexion/second-facteur?")
    assert answered(signed_in, site.address(site.request(IsPassive="true"))).statuses == ["Responder", "NoPassive"]


def test_a_set_of_attributes_may_be_named(wsgi_app: Any, signed_in: Client) -> None:
    asked = '<md:RequestedAttribute Name="urn:mag:siret"/><md:RequestedAttribute Name="urn:oid:2.5.4.4"/>'
    site = Site()
    register(wsgi_app, site, site.metadata(f'<md:AttributeConsumingService index="3">{asked}</md:AttributeConsumingService>'))
    found = answered(signed_in, site.address(site.request(AttributeConsumingServiceIndex="3")))

    assert set(found.attributes) == {"siret", "family_name"}


def test_rights_are_told_as_in_the_claim_hab(wsgi_app: Any, services: None, signed_in: Client, un_declarant: int) -> None:
    site = Site()
    register(wsgi_app, site, scope=["siret", "habilitations:dsn"])
    found = answered(signed_in, site.address(site.request()))

    assert found.attributes["hab"][0].startswith('{"v":1,"e":')


def test_an_assertion_is_encrypted_for_its_site_alone(wsgi_app: Any, signed_in: Client) -> None:
    site = Site()
    register(wsgi_app, site, encrypt=True, alg="RS256")
    found = answered(signed_in, site.address(site.request()))

    assert found.root.find("saml:Assertion", PREFIXES) is None
    assert b"lefevre" not in found.xml.lower()
    values = [one.text for one in found.root.iter(f"{{{PREFIXES['xenc']}}}CipherValue")]
    key = KEYS[0].decrypt(base64.b64decode(values[0]), padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None))
    sealed = base64.b64decode(values[1])
    plain = etree.fromstring(AESGCM(key).decrypt(sealed[:12], sealed[12:], None))
    assert plain.tag == SAML + "Assertion"
    assert plain.find("ds:Signature", PREFIXES) is not None


def test_an_elliptic_key_signs_for_whoever_asks(wsgi_app: Any, signed_in: Client) -> None:
    register(wsgi_app, site := Site(), alg="ES256")
    found = answered(signed_in, site.address(site.request()))
    methods = {one.get("Algorithm") for one in found.root.iter(f"{{{PREFIXES['ds']}}}SignatureMethod")}
    der = wsgi_app.mag.saml.keys.published().certificates[1]

    assert methods == {"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"}
    given = {"x509_cert": x509.load_der_x509_certificate(der), "id_attribute": "ID"}
    XMLVerifier().verify(etree.fromstring(found.xml), **given, expect_config=SignatureConfiguration(location="./"))


def test_mag_begins_only_where_the_operator_allows_it(wsgi_app: Any, site: Site, signed_in: Client) -> None:
    register(wsgi_app, other := Site("depart"), idp_initiated=True)
    found = Posted.of(signed_in.get("/saml/vers/depart"))

    assert (found.action, found.root.get("InResponseTo"), found.statuses) == (other.acs, None, ["Success"])
    assert signed_in.get("/saml/vers/site").status_code == 400
    assert signed_in.get("/saml/vers/inconnu").status_code == 400


def test_the_person_agrees_once_where_consent_is_asked(wsgi_app: Any, signed_in: Client) -> None:
    register(wsgi_app, site := Site(), first_party=False)
    address = path_of(site.address(site.request()))
    page = signed_in.get(address)
    assert "Ce qui sera transmis" in page.text
    fields = {name: Posted.hidden(page.text)[name] for name in ("csrf", "demande")}
    refused = signed_in.post("/saml/consentement", data={**fields, "reponse": "refuser"})
    assert Posted.of(signed_in.get(refused.headers["Location"])).statuses == ["Responder", "RequestDenied"]
    onward = signed_in.post("/saml/consentement", data={**fields, "reponse": "accepter"})
    assert Posted.of(signed_in.get(onward.headers["Location"])).statuses == ["Success"]
    assert answered(signed_in, site.address(site.request())).statuses == ["Success"]
    assert "Site site" in signed_in.get("/autorisations").text
    assert signed_in.post("/saml/consentement", data={**fields, "csrf": "x", "reponse": "accepter"}).status_code == 403


def test_the_agreement_shows_the_logo_and_the_policy_that_metadata_name(wsgi_app: Any, signed_in: Client) -> None:
    pages = (
        '<mdui:Logo height="9" width="9">data:image/png;base64,AAAA</mdui:Logo><mdui:Logo height="9" width="9">https://img.test/l.png</mdui:Logo>'
        '<mdui:PrivacyStatementURL xml:lang="en">https://site.test/privacy</mdui:PrivacyStatementURL>'
        '<mdui:PrivacyStatementURL xml:lang="fr">https://site.test/vie-privee</mdui:PrivacyStatementURL>'
    )
    said = f'<md:Extensions><mdui:UIInfo xmlns:mdui="{PREFIXES["mdui"]}">{pages}</mdui:UIInfo></md:Extensions>'
    register(wsgi_app, site := Site(), site.metadata(said), first_party=False, uris={"tos": "https://site.test/conditions"})
    page = signed_in.get(path_of(site.address(site.request())))

    assert 'href="https://site.test/vie-privee"' in page.text
    assert 'href="https://site.test/conditions"' in page.text
    assert 'src="https://img.test/l.png"' in page.text
    assert "https://img.test" in page.headers["Content-Security-Policy"]
    assert "data:image/png" not in page.text


def test_metadata_are_signed_and_hold_both_keys_of_a_change(wsgi_app: Any, site: Site, client: Client) -> None:
    page = client.get("/saml/metadata")
    before = certificates(page.data)
    assert client.get("/saml/metadata").data == page.data
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=61)):
        assert client.get("/saml/metadata").data != page.data
    assert page.mimetype == "application/samlmetadata+xml"
    with wsgi_app.flask.app_context():
        mag = wsgi_app.mag
        keyring.rotate(mag.keyring, mag.settings, "RS256", datetime.now(UTC), emergency=True)
        db.session.commit()
    mag.versions.refresh()
    after = certificates(client.get("/saml/metadata").data)

    assert len(set(before[1:])) == 4
    assert after[1] in before[1:]
    assert before[1] not in after
    with wsgi_app.flask.app_context(), pytest.raises(keyring.SamlRotationRefusedError):
        keyring.rotate(mag.keyring, mag.settings, "RS256", datetime.now(UTC))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda raw: raw.replace(b"https://site.test/saml/acs/2", b"http://site.test/saml/acs"), "n'est pas acceptable"),
        (lambda raw: raw.replace(b"HTTP-POST", b"HTTP-Artifact"), "Aucun AssertionConsumerService"),
        (lambda raw: raw.replace(b'index="1"', b'index="0"'), "même index"),
        (lambda raw: raw.replace(b"<md:EntityDescriptor", b'<md:EntityDescriptor validUntil="2020-01-01T00:00:00Z"'), "plus valables"),
        (lambda raw: raw.replace(b"?>", b'?><!DOCTYPE x [<!ENTITY a "b">]>', 1), "illisibles"),
        (lambda raw: raw.replace(b"MII", b"AAA", 1), "certificat"),
        (lambda raw: b"<a/>", "EntityDescriptor"),
    ],
)
def test_metadata_that_cannot_serve_are_refused(wsgi_app: Any, change: Any, words: str) -> None:
    from idp.errors import MagError

    with pytest.raises(MagError) as refused:
        register(wsgi_app, site := Site(), change(site.metadata()))

    assert words in refused.value.public


def test_metadata_read_from_an_address_must_bear_the_pinned_signature(wsgi_app: Any) -> None:
    from idp.saml.metadata import MetadataRefusedError, read_metadata
    from idp.saml.signature import sign_element

    site, now = Site(), datetime.now(UTC)
    document = etree.fromstring(site.metadata(head='ID="_m"'))
    sign_element(document, site.signer, 0)
    signed = etree.tostring(document)

    assert read_metadata(signed, now, pinned=site.certificate).entity_id == site.entity_id
    for raw, pinned in (
        (signed, certificate(KEYS[1])),
        (site.metadata(), site.certificate),
        (signed.replace(b"acs/2", b"acs/3"), site.certificate),
    ):
        with pytest.raises(MetadataRefusedError):
            read_metadata(raw, now, pinned=pinned)


@pytest.mark.parametrize(
    "acs", ["https://sp.test;script-src-elem *;x/acs", "https://sp.test,x/acs", "https://*.test/acs", "https://sp.test:99999/acs"]
)
def test_an_address_that_would_add_to_a_policy_is_refused(wsgi_app: Any, acs: str) -> None:
    from idp.saml.metadata import MetadataRefusedError, address

    with pytest.raises(MetadataRefusedError):
        address(acs, frozenset())


def test_an_entity_has_a_uri_for_a_name(wsgi_app: Any) -> None:
    """Core section 8.3.6; else it would share the names of people with a client that bears it."""
    from idp.saml.metadata import MetadataRefusedError, read_metadata

    site, now = Site(), datetime.now(UTC)
    for name, accepted in (("portail.autre.fr", False), ("urn:exemple:site", True)):
        raw = site.metadata().replace(f'entityID="{site.entity_id}"'.encode(), f'entityID="{name}"'.encode())
        if accepted:
            assert read_metadata(raw, now).entity_id == name
        else:
            with pytest.raises(MetadataRefusedError, match="URI"):
                read_metadata(raw, now)


def test_a_partner_is_told_of_a_certificate_that_ends(wsgi_app: Any) -> None:
    register(wsgi_app, Site("bientot", days=20))
    with wsgi_app.flask.app_context():
        watched = [onboarding.watch(wsgi_app.mag.settings, lambda url: b"", datetime.now(UTC)).warned for _ in range(2)]
        assert FournisseurDeService.every()[0].warned_until is not None

    assert watched == [1, 0]


def test_a_key_of_the_site_may_be_changed_without_a_stop(wsgi_app: Any, site: Site, signed_in: Client) -> None:
    """Its metadata hold both certificates for a while."""
    new = Site(key=KEYS[1])
    whole, begins = new.metadata(), b"<md:KeyDescriptor>"
    second = whole[whole.index(begins) : whole.index(b"</md:KeyDescriptor>")] + b"</md:KeyDescriptor>"
    both = site.metadata().replace(begins, second + begins, 1)
    with wsgi_app.flask.app_context():
        assert onboarding.read_again(wsgi_app.mag.settings, onboarding.provider_named("site"), both, datetime.now(UTC))
        db.session.commit()
    wsgi_app.mag.versions.refresh()

    assert answered(signed_in, site.address(site.request())).statuses == ["Success"]
    assert answered(signed_in, new.address(new.request())).statuses == ["Success"]


def test_the_end_is_the_asked_one(site: Site, signed_in: Client) -> None:
    assert answered(signed_in, site.address(site.request(AssertionConsumerServiceIndex="1"))).action == f"{site.acs}/2"
    assert answered(signed_in, site.address(site.request(AssertionConsumerServiceURL=f"{site.acs}/2"))).action == f"{site.acs}/2"
    for unknown in ({"AssertionConsumerServiceIndex": "7"}, {"AssertionConsumerServiceURL": f"{site.acs}/7"}):
        assert signed_in.get(path_of(site.address(site.request(**unknown)))).status_code == 400


def test_the_sites_of_a_partner_that_is_disabled_receive_nothing(wsgi_app: Any, site: Site, signed_in: Client) -> None:
    with wsgi_app.flask.app_context():
        partenaires.switch(Partenaire.with_code("essais"), datetime.now(UTC), enabled=False)
        db.session.commit()
    wsgi_app.mag.versions.refresh()

    assert "M500402" in signed_in.get(path_of(site.address(site.request()))).text
