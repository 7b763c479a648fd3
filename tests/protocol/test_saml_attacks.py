"""What service providers, and whoever speaks in their name, are refused (docs/securite.md C64). Each test is named after its attack."""

import base64
import copy
import hashlib
import hmac
import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote_plus, unquote

import pytest
from lxml import etree
from werkzeug.test import Client, TestResponse

from idp.saml.bindings import INFLATED, from_post, inflate
from idp.saml.errors import MessageRefusedError
from idp.saml.reading import DEEPEST, read_message, text_of
from idp.saml.signature import Signer, sign_element, verify_element
from idp.saml.vocabulary import PREFIXES, Element, child, instant, named
from tests.saml import KEYS, SSO, Posted, Site, certificate, deflated, new_id, path_of, register, unsigned

wsgi_app = pytest.fixture(lambda standing_app: standing_app)
SITE = Site("attaque")
DS = PREFIXES["ds"]


@pytest.fixture(scope="module", autouse=True)
def registered(standing_app: Any) -> None:
    """The site, and one whose requests need not be signed."""
    register(standing_app, SITE)
    register(standing_app, Site("ouvert"), require_signed=False)


def posted(client: Client, xml: bytes | Element, relay_state: str = "") -> TestResponse:
    raw = xml if isinstance(xml, bytes) else etree.tostring(xml)
    form = {"SAMLRequest": base64.b64encode(raw).decode(), "RelayState": relay_state}
    return client.post("/saml/sso", data=form, headers={"Origin": "https://attaque.test"})


def signed(request: Element | None = None) -> Element:
    made = SITE.request() if request is None else request
    sign_element(made, SITE.signer, 1)
    return made


def is_refused(answer: TestResponse) -> bool:
    """By a page, and nobody is redirected."""
    assert answer.status_code == 400, answer.text
    return "Location" not in answer.headers and 'id="retour"' not in answer.text


def evil() -> Element:
    """What the attacker would have believed: another consumer, another identifier."""
    return SITE.request(AssertionConsumerServiceURL=f"{SITE.acs}/2")


def signature_of(request: Element) -> Element:
    found = request.find(named("ds:Signature"))
    assert found is not None
    return found


def test_a_signed_request_is_accepted_which_every_attack_below_starts_from(client: Client) -> None:
    assert posted(client, signed()).status_code == 303


# --------------------------------------------------------------------------------------------------- signature wrapping (XSW)


def xsw1() -> Element:
    """The original, whole, inside the signature of the forged one."""
    original, forged = signed(), evil()
    moved = copy.deepcopy(signature_of(original))
    child(moved, "ds:Object").append(without_signature(original))
    forged.insert(1, moved)
    return forged


def xsw2() -> Element:
    """The original beside a detached signature."""
    original, forged = signed(), evil()
    forged.insert(1, copy.deepcopy(signature_of(original)))
    forged.append(without_signature(original))
    return forged


def xsw3() -> Element:
    """The original, with its signature, as the first child."""
    forged = evil()
    forged.insert(0, signed())
    return forged


def xsw4() -> Element:
    """The original, with its signature, as the last child."""
    forged = evil()
    forged.append(signed())
    return forged


def xsw5() -> Element:
    """The original altered, its unsigned copy at the end."""
    forged = signed()
    kept = without_signature(forged)
    forged.set("AssertionConsumerServiceURL", f"{SITE.acs}/2")
    forged.set("ID", new_id())
    forged.append(kept)
    return forged


def xsw6() -> Element:
    """The original altered, its unsigned copy inside the signature."""
    forged = signed()
    kept = without_signature(forged)
    forged.set("AssertionConsumerServiceURL", f"{SITE.acs}/2")
    forged.set("ID", new_id())
    signature_of(forged).append(kept)
    return forged


def xsw7() -> Element:
    """The original in Extensions."""
    forged, original = evil(), signed()
    child(forged, "samlp:Extensions").append(original)
    return forged


def xsw8() -> Element:
    """The original in an Object of a signature that stands in the forged one."""
    original, forged = signed(), evil()
    holder = copy.deepcopy(signature_of(original))
    child(holder, "ds:Object").append(original)
    forged.insert(1, holder)
    return forged


def without_signature(request: Element) -> Element:
    found = copy.deepcopy(request)
    found.remove(signature_of(found))
    return found


@pytest.mark.parametrize("wrap", [xsw1, xsw2, xsw3, xsw4, xsw5, xsw6, xsw7, xsw8])
def test_C64_signature_wrapping(client: Client, wrap: Callable[[], Element]) -> None:
    assert is_refused(posted(client, wrap()))


def test_two_elements_with_one_identifier(client: Client) -> None:
    forged = signed()
    forged.append(without_signature(forged))

    assert is_refused(posted(client, forged))


def test_what_is_used_is_what_was_signed() -> None:
    """The element handed on comes out of what was canonicalised, not out of what arrived."""
    request = signed()
    found = verify_element(read_message(etree.tostring(request)), (SITE.certificate,))

    assert found is not request
    assert found.get("ID") == request.get("ID")


# ------------------------------------------------------------------------------------------------------------------ signatures


def test_C64_a_signature_stripped(client: Client) -> None:
    assert is_refused(posted(client, without_signature(signed())))
    assert is_refused(client.get(path_of(SITE.address(SITE.request())).partition("&SigAlg")[0]))
    assert is_refused(client.get(path_of(unsigned(SITE.request()))))


def test_an_altered_message(client: Client) -> None:
    assert is_refused(posted(client, etree.tostring(signed()).replace(b"<saml:Issuer>", b"<saml:Issuer> ")))


def test_a_redirect_of_which_one_parameter_was_altered_or_given_twice(client: Client) -> None:
    address = path_of(SITE.address(SITE.request(), "etat"))

    assert client.get(address).status_code in (200, 303)
    other = path_of(SITE.address(SITE.request(), "autre"))
    assert is_refused(client.get(address.replace("RelayState=etat", "RelayState=autre")))
    assert is_refused(client.get(address + "&RelayState=autre"))
    assert is_refused(client.get(address.replace("&RelayState=etat", "")))
    assert is_refused(client.get(address.partition("&")[0] + "&" + other.partition("&")[2]))
    assert is_refused(client.get(address.replace("rsa-sha256", "rsa-sha1")))


def test_octets_beyond_ascii_in_a_signed_query(client: Client) -> None:
    """As bytes that no browser sends: they are octets like others, and no signature is of them."""
    address = path_of(SITE.address(SITE.request(), "etat"))

    assert is_refused(client.get(address.replace("RelayState=etat", "RelayState=\u00e9")))
    assert is_refused(client.get(address.replace("SAMLRequest=", "SAMLRequest=\u00e9")))


def test_C64_a_foreign_key_in_key_info(client: Client) -> None:
    """A signature that is right, by the certificate that it brings along."""
    request, stranger = SITE.request(), Signer("RS256", KEYS[1], certificate(KEYS[1]))
    sign_element(request, stranger, 1)

    assert is_refused(posted(client, request))
    assert is_refused(client.get(path_of(SITE.address(SITE.request(), signer=stranger))))


def with_algorithm(method: str, digest: str = "", sign: Callable[[bytes], bytes] | None = None) -> Element:
    """The whole of a signature made again, under another algorithm."""
    request = signed()
    signature = signature_of(request)
    method_element, value = signature.find(f".//{{{DS}}}SignatureMethod"), signature.find(f"{{{DS}}}SignatureValue")
    info = signature.find(f"{{{DS}}}SignedInfo")
    assert method_element is not None
    assert value is not None
    assert info is not None
    method_element.set("Algorithm", method)
    if digest:
        request.remove(signature)
        computed = hashlib.sha1(etree.tostring(request, method="c14n", exclusive=True)).digest()
        request.insert(1, signature)
        info.find(f".//{{{DS}}}DigestMethod").set("Algorithm", digest)  # type: ignore[union-attr]
        info.find(f".//{{{DS}}}DigestValue").text = base64.b64encode(computed).decode()  # type: ignore[union-attr]
    if sign:
        value.text = base64.b64encode(sign(etree.tostring(info, method="c14n", exclusive=True))).decode()
    return request


def test_sha_1(client: Client) -> None:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

    def old(message: bytes) -> bytes:
        return KEYS[0].sign(message, padding.PKCS1v15(), hashes.SHA1())

    assert is_refused(posted(client, with_algorithm(DS + "rsa-sha1", DS + "sha1", old)))
    assert is_refused(posted(client, with_algorithm(DS + "rsa-sha1", "", old)))


def test_hmac_under_the_public_key(client: Client) -> None:
    def confused(message: bytes) -> bytes:
        return hmac.new(SITE.certificate, message, "sha256").digest()

    assert is_refused(posted(client, with_algorithm("http://www.w3.org/2001/04/xmldsig-more#hmac-sha256", "", confused)))


def test_a_signature_that_chooses_what_it_covers(client: Client) -> None:
    for before, after in (
        (b'URI="#', b'URI="#x'),
        (b"enveloped-signature", b"base64"),
        (b"<ds:Transforms>", b'<ds:Transforms><ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xslt-19991116"/>'),
        (b"<ds:KeyInfo>", b'<ds:KeyInfo><ds:RetrievalMethod URI="http://127.0.0.1/"/>'),
    ):
        assert is_refused(posted(client, etree.tostring(signed()).replace(before, after, 1)))
    empty = signed()
    empty.find(f".//{{{DS}}}Reference").set("URI", "")  # type: ignore[union-attr]
    assert is_refused(posted(client, empty))


# ------------------------------------------------------------------------------------------------------------------------- XML


@pytest.mark.parametrize(
    "prologue",
    [
        pytest.param(b"<!DOCTYPE a>", id="document-type"),
        pytest.param(b'<!DOCTYPE a SYSTEM "http://127.0.0.1:1/a.dtd">', id="external-subset"),
        pytest.param(b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>', id="external-entity"),
        pytest.param(b'<!DOCTYPE a [<!ENTITY b "c"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>', id="entity-bomb"),
        pytest.param(b'<?xml version="1.0" encoding="UTF-7"?>', id="encoding"),
        pytest.param(b"<?xml-stylesheet href='http://127.0.0.1:1/'?>", id="instruction"),
        pytest.param(b"<!-- -->", id="comment"),
    ],
)
def test_document_types_entities_and_encodings(client: Client, prologue: bytes) -> None:
    assert is_refused(posted(client, prologue + etree.tostring(signed())))


def test_utf_16_hides_a_document_type(client: Client) -> None:
    assert is_refused(posted(client, ("<!DOCTYPE a>" + etree.tostring(signed()).decode()).encode("utf-16")))


def test_a_comment_in_a_name(client: Client) -> None:
    """`attaque.test<!-- -->.evil.test`: two programs would read two names."""
    request = etree.tostring(signed(SITE.request(issuer="https://attaque.test/saml/metadata.evil.test")))

    assert is_refused(posted(client, request.replace(b"metadata.evil", b"metadata<!-- -->.evil")))
    with pytest.raises(MessageRefusedError):
        read_message(b"<a>b<!-- c -->d</a>")
    with pytest.raises(MessageRefusedError):
        read_message(b"<a>b<![CDATA[c]]>d</a>")


def test_elements_inside_a_name() -> None:
    with pytest.raises(MessageRefusedError):
        text_of(read_message(b"<a>admin<b/>.evil</a>"))


def test_C64_nesting_without_end(client: Client) -> None:
    assert is_refused(posted(client, b"<a>" * 80 + b"</a>" * 80))
    assert read_message(b"<a>" * DEEPEST + b"</a>" * DEEPEST).tag == "a"
    with pytest.raises(MessageRefusedError, match="nested too deep"):
        read_message(b"<a>" * (DEEPEST + 1) + b"</a>" * (DEEPEST + 1))


def test_C64_a_deflate_bomb(client: Client) -> None:
    bomb = base64.b64encode(deflated(b"<a>" + b" " * (INFLATED * 40) + b"</a>")).decode()

    assert len(bomb) < 8000
    assert is_refused(client.get(f"/saml/sso?SAMLRequest={quote_plus(bomb)}"))
    assert len(inflate(deflated(b" " * INFLATED))) == INFLATED
    with pytest.raises(MessageRefusedError, match="inflates beyond"):
        inflate(deflated(b" " * (INFLATED + 1)))
    with pytest.raises(MessageRefusedError, match="inflates beyond"):
        inflate(base64.b64decode(bomb))
    with pytest.raises(MessageRefusedError, match="followed by something"):
        inflate(deflated(b"<a/>") + b"more")
    with pytest.raises(MessageRefusedError, match="not deflated"):
        inflate(zlib.compress(b"<a/>"))


def test_C64_a_message_beyond_measure(client: Client) -> None:
    assert posted(client, b"<a>" + b"b" * 300_000 + b"</a>").status_code == 413
    with pytest.raises(MessageRefusedError):
        from_post({"SAMLRequest": base64.b64encode(b"<a>" + b"b" * 300_000 + b"</a>").decode()})


@pytest.mark.parametrize("value", ["", "%", "PHNhbWw+", "a" * 99, "PGE+", "\ud800"])
def test_what_is_no_message(client: Client, value: str) -> None:
    assert is_refused(client.post("/saml/sso", data={"SAMLRequest": value.encode("utf-8", "surrogatepass")}))
    assert is_refused(client.get("/saml/sso", query_string={"SAMLRequest": value.encode("utf-8", "replace")}))


def test_neither_a_response_nor_both_at_once_are_read_as_a_request(client: Client) -> None:
    form = SITE.form(SITE.request())

    assert is_refused(client.post("/saml/sso", data={"SAMLResponse": form["SAMLRequest"]}))
    assert is_refused(client.post("/saml/sso", data={"SAMLResponse": form["SAMLRequest"], **form}))


# ------------------------------------------------------------------------------------------------ where, when, to whom, how often


def test_a_wrong_destination(client: Client) -> None:
    for destination in ("https://ailleurs.test/saml/sso", f"{SSO}/", f"{SSO}?a=b", ""):
        assert is_refused(posted(client, signed(SITE.request(Destination=destination))))


def test_a_request_of_another_time(client: Client) -> None:
    now = datetime.now(UTC)
    for at in (now - timedelta(minutes=7), now + timedelta(minutes=3)):
        assert is_refused(posted(client, signed(SITE.request(IssueInstant=instant(at)))))
    for text in ("hier", "2026-11-21T10:00:00", "2026-11-21T10:00:00+02:00", "9999-99-99T99:99:99Z"):
        assert is_refused(posted(client, signed(SITE.request(IssueInstant=text))))


def test_a_request_replayed(client: Client, browser_of: Callable[[int], Client], un_declarant: int) -> None:
    browser, address = browser_of(un_declarant), path_of(SITE.address(SITE.request()))

    assert Posted.of(browser.get(address)).statuses == ["Success"]
    assert is_refused(browser.get(address))
    assert "a déjà servi" in browser.get(address).text


def test_C64_a_foreign_consumer(client: Client) -> None:
    for url in (
        "https://evil.test/acs",
        f"{SITE.acs}/",
        f"{SITE.acs}?a=b",
        f"{SITE.acs}@evil.test",
        SITE.acs.upper(),
        "javascript:alert(1)",
    ):
        assert is_refused(posted(client, signed(SITE.request(AssertionConsumerServiceURL=url))))
    assert is_refused(posted(client, signed(SITE.request(AssertionConsumerServiceIndex="7"))))
    both = SITE.request(AssertionConsumerServiceIndex="0", AssertionConsumerServiceURL=SITE.acs)
    assert is_refused(posted(client, signed(both)))
    opened = Site("ouvert")
    assert is_refused(client.get(path_of(unsigned(opened.request(AssertionConsumerServiceURL="https://evil.test/acs")))))


def test_a_signed_request_for_another_site(client: Client) -> None:
    """A key of one site signs nothing for another, nor is a wrong signature ignored where none is required."""
    assert is_refused(posted(client, signed(SITE.request(issuer="https://inconnu.test"))))
    other = Site("ouvert", key=KEYS[1])
    request = other.request()
    sign_element(request, Signer("RS256", KEYS[1], certificate(KEYS[1])), 1)
    assert is_refused(posted(client, request))
    assert client.get(path_of(unsigned(Site("ouvert").request()))).status_code == 303


def test_an_assertion_says_its_audience_and_its_recipient(client: Client, browser_of: Callable[[int], Client], un_declarant: int) -> None:
    """Wrong Audience, wrong Recipient: what is for one site says so three times, under the signature."""
    found = Posted.of(browser_of(un_declarant).get(path_of(SITE.address(SITE.request()))))

    assert found.text(".//saml:Audience") == SITE.entity_id
    assert found.find(".//saml:SubjectConfirmationData").get("Recipient") == SITE.acs == found.root.get("Destination")
    ends = datetime.fromisoformat(found.find(".//saml:Conditions").get("NotOnOrAfter", ""))
    assert ends - datetime.now(UTC) <= timedelta(minutes=5)


@pytest.mark.parametrize("state", ['"><script>alert(1)</script>', "javascript:alert(1)", "' onfocus=alert(1) autofocus='"])
def test_html_in_relay_state(browser_of: Callable[[int], Client], un_declarant: int, state: str) -> None:
    page = browser_of(un_declarant).get(path_of(SITE.address(SITE.request(), state)))

    assert Posted.of(page).fields["RelayState"] == state
    assert "<script>alert" not in page.text
    assert "' onfocus" not in page.text
    assert "script-src 'self';" in page.headers["Content-Security-Policy"]


def test_a_relay_state_beyond_80_bytes(client: Client) -> None:
    assert client.get(path_of(SITE.address(SITE.request(), "é" * 40))).status_code == 303
    assert is_refused(client.get(path_of(SITE.address(SITE.request(), "é" * 41))))
    assert is_refused(posted(client, signed(), "a" * 81))


def test_a_sign_in_of_another_protocol_or_of_nobody(client: Client, partner: Callable[..., Any]) -> None:
    demande = unquote(partner("croise").ask(client).headers["Location"].partition("demande=")[2])

    assert is_refused(client.get("/saml/sso", query_string={"demande": demande}))
    assert is_refused(client.get("/saml/sso", query_string={"suite": "inconnue"}))
    assert is_refused(client.get("/saml/sso"))


def test_a_sign_in_begun_by_saml_is_not_one_of_openid(client: Client) -> None:
    demande = unquote(client.get(path_of(SITE.address(SITE.request()))).headers["Location"].partition("demande=")[2])

    assert client.get("/authorize", query_string={"demande": demande}).status_code == 400


def test_a_subject_or_conditions_in_a_request_are_not_ignored(browser_of: Callable[[int], Client], un_declarant: int) -> None:
    request = SITE.request()
    child(child(request, "saml:Subject"), "saml:NameID", "quelqu'un d'autre")

    assert Posted.of(browser_of(un_declarant).get(path_of(SITE.address(request)))).statuses == ["Requester", "RequestUnsupported"]
