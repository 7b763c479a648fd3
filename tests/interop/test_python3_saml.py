"""python3-saml (libxmlsec1, strict, XML schemas): sign-on and sign-out both ways, encrypted, over a change of MAG's key."""

import base64
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from onelogin.saml2.auth import OneLogin_Saml2_Auth
from onelogin.saml2.idp_metadata_parser import OneLogin_Saml2_IdPMetadataParser
from onelogin.saml2.utils import OneLogin_Saml2_Utils
from onelogin.saml2.xml_utils import OneLogin_Saml2_XML
from werkzeug.test import Client

from idp.database import db
from idp.saml import keyring
from tests import factories
from tests.conftest import ISSUER
from tests.saml import KEYS, Posted, Site, path_of, register

pytestmark = [pytest.mark.interop, pytest.mark.parametrize("backend", ["sqlite"], indirect=True)]
POST, REDIRECT = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST", "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
SITE = Site("python")
EMAIL = "urn:oid:0.9.2342.19200300.100.1.3"


@pytest.fixture
def settings_of(client: Client) -> Callable[..., dict[str, Any]]:
    """`settings_of()`: those of a site that read MAG's metadata just now."""

    def make(**security: Any) -> dict[str, Any]:
        key = KEYS[0].private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        ours = {
            "strict": True,
            "sp": {
                "entityId": SITE.entity_id,
                "assertionConsumerService": {"url": SITE.acs, "binding": POST},
                "singleLogoutService": {"url": f"{SITE.host}/saml/slo", "binding": REDIRECT},
                "NameIDFormat": "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent",
                "x509cert": base64.b64encode(SITE.certificate).decode(),
                "privateKey": base64.b64encode(key).decode(),
            },
            "security": {
                "authnRequestsSigned": True,
                "logoutRequestSigned": True,
                "logoutResponseSigned": True,
                "wantMessagesSigned": True,
                "wantAssertionsSigned": True,
                "rejectDeprecatedAlgorithm": True,
                **security,
            },
        }
        read = OneLogin_Saml2_IdPMetadataParser.parse(client.get("/saml/metadata").text, required_slo_binding=REDIRECT)
        return OneLogin_Saml2_IdPMetadataParser.merge_settings(ours, read)  # type: ignore[no-any-return]

    return make


def auth(settings: dict[str, Any], path: str, *, get: dict[str, str] | None = None, post: dict[str, str] | None = None) -> Any:
    request = {"https": "on", "http_host": "python.test", "script_name": path, "get_data": get or {}, "post_data": post or {}}
    return OneLogin_Saml2_Auth(request, settings)


def sign_on(browser: Client, settings: dict[str, Any], answer: Posted | None = None) -> Any:
    """What the site makes of MAG's response."""
    asking = auth(settings, "/")
    address = asking.login(return_to="https://python.test/page")
    found = answer or Posted.of(browser.get(path_of(address)))
    read = auth(settings, "/saml/acs", post=dict(found.fields))
    read.process_response(request_id=None if answer else asking.get_last_request_id())
    assert read.get_errors() == [], read.get_last_error_reason()
    return read


@pytest.fixture
def person(wsgi_app: Any, client: Client) -> Client:
    """Signed in at the mire."""
    factories.un_declarant(wsgi_app.flask, email="anne@exemple.fr")
    factories.se_connecter(client)
    return client


def test_sign_on_both_ways_and_sign_out(wsgi_app: Any, person: Client, settings_of: Callable[..., dict[str, Any]]) -> None:
    register(wsgi_app, SITE, SITE.metadata(), idp_initiated=True)
    settings = settings_of()
    read = sign_on(person, settings)
    again = sign_on(person, settings, Posted.of(person.get("/saml/vers/python")))

    assert read.get_attributes()[EMAIL] == ["anne@exemple.fr"]
    assert read.get_nameid() == again.get_nameid()
    named = {"name_id": read.get_nameid(), "session_index": read.get_session_index(), "nq": read.get_nameid_nq()}
    leaving = auth(settings, "/")
    address = leaving.logout(**named, spnq=read.get_nameid_spnq(), name_id_format=read.get_nameid_format())
    answer = person.get(path_of(address)).headers["Location"]
    done = auth(settings, "/saml/slo", get=query_of(answer))
    done.process_slo(request_id=leaving.get_last_request_id())
    assert done.get_errors() == [], done.get_last_error_reason()
    assert person.get("/compte").status_code == 303


def test_a_sign_out_by_mag_is_believed(wsgi_app: Any, person: Client, settings_of: Callable[..., dict[str, Any]]) -> None:
    from html import unescape

    register(wsgi_app, SITE)
    settings = settings_of()
    sign_on(person, settings)
    page = person.post("/deconnexion", data={"csrf": factories.csrf_in(person.get("/").text.partition('action="/deconnexion"')[2])}).text
    onward = unescape(page.partition('id="retour"')[2].partition('href="')[2].partition('"')[0])
    told = auth(settings, "/saml/slo", get=query_of(onward))
    back = told.process_slo()
    assert told.get_errors() == [], told.get_last_error_reason()
    end = person.get(person.get(path_of(back)).headers["Location"])

    assert "Site python" in end.text
    assert "pas confirmé" not in end.text


def test_encrypted_and_over_a_change_of_key(wsgi_app: Any, person: Client, settings_of: Callable[..., dict[str, Any]]) -> None:
    register(wsgi_app, SITE, encrypt=True)
    settings = settings_of(wantAssertionsEncrypted=True)
    assert sign_on(person, settings).get_attributes()[EMAIL] == ["anne@exemple.fr"]
    with wsgi_app.flask.app_context():
        keyring.rotate(wsgi_app.mag.keyring, wsgi_app.mag.settings, "RS256", datetime.now(UTC), emergency=True)
        db.session.commit()
    wsgi_app.mag.versions.refresh()
    assert sign_on(person, settings).get_attributes()[EMAIL] == ["anne@exemple.fr"]


def test_metadata_keep_the_schema_and_their_signature(wsgi_app: Any, client: Client) -> None:
    register(wsgi_app, SITE)
    raw = client.get("/saml/metadata").text
    der = wsgi_app.mag.saml.keys.published().certificates[0]

    assert not isinstance(OneLogin_Saml2_XML.validate_xml(raw, "saml-schema-metadata-2.0.xsd"), str)
    assert OneLogin_Saml2_Utils.validate_metadata_sign(raw, cert=OneLogin_Saml2_Utils.format_cert(base64.b64encode(der).decode()))
    assert ISSUER in raw


def query_of(address: str) -> dict[str, str]:
    from urllib.parse import parse_qsl, urlsplit

    return dict(parse_qsl(urlsplit(address).query))
