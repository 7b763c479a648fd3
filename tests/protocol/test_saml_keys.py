"""Keys of service providers other than RSA with SHA-1's padding: elliptic ones that sign, RSA-OAEP with SHA-256 that decrypts."""

import base64
from typing import Any
from urllib.parse import quote_plus

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from lxml import etree
from werkzeug.test import Client

from idp.saml.encryption import OAEP_11
from idp.saml.vocabulary import ECDSA_SHA256, PREFIXES, SHA256
from tests.saml import KEYS, Posted, Site, answered, path_of, register

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
CURVES = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
"""Of one site, and of somebody else."""


@pytest.fixture
def site(wsgi_app: Any) -> Site:
    """It signs with a key of P-256, and publishes nothing to encrypt for."""
    found = Site("courbe", key=CURVES[0], alg="ES256")
    assert register(wsgi_app, found).encryption == b""
    return found


def test_a_redirect_signed_by_an_elliptic_key_is_accepted(site: Site, signed_in: Client) -> None:
    address = site.address(site.request())

    assert quote_plus(ECDSA_SHA256) in address
    assert answered(signed_in, address).statuses == ["Success"]


def test_a_post_signed_by_an_elliptic_key_is_accepted(site: Site, signed_in: Client) -> None:
    kept = signed_in.post("/saml/sso", data=site.form(site.request()), headers={"Origin": site.host})

    assert Posted.of(signed_in.get(kept.headers["Location"])).statuses == ["Success"]


@pytest.mark.parametrize(
    "liar",
    [
        pytest.param(Site("courbe", key=CURVES[1], alg="ES256"), id="another-curve-key"),
        pytest.param(Site("courbe", key=KEYS[0]), id="rsa-under-an-elliptic-certificate"),
    ],
)
def test_a_signature_of_another_key_is_refused_by_both_doors(site: Site, signed_in: Client, liar: Site) -> None:
    assert signed_in.get(path_of(liar.address(liar.request()))).status_code == 400
    assert signed_in.post("/saml/sso", data=liar.form(liar.request()), headers={"Origin": liar.host}).status_code == 400


@pytest.mark.parametrize("signature", ["", "AAAA", base64.b64encode(bytes(64)).decode()])
def test_a_signature_that_is_no_point_of_the_curve_is_refused(site: Site, signed_in: Client, signature: str) -> None:
    address = path_of(site.address(site.request())).partition("&Signature=")[0]

    assert signed_in.get(f"{address}&Signature={quote_plus(signature)}").status_code == 400


def test_a_key_is_wrapped_with_sha_256_where_metadata_announce_it(wsgi_app: Any, signed_in: Client) -> None:
    site = Site()
    method = f'<md:EncryptionMethod Algorithm="{OAEP_11}"><ds:DigestMethod Algorithm="{SHA256}"/></md:EncryptionMethod>'
    raw = site.metadata().replace(b"</md:KeyDescriptor>", f"{method}</md:KeyDescriptor>".encode())
    register(wsgi_app, site, raw, encrypt=True)
    found = answered(signed_in, site.address(site.request()))
    wrapped = found.find(".//xenc:EncryptedKey/xenc:EncryptionMethod")
    key, sealed = (base64.b64decode(one.text or "") for one in found.root.iter(f"{{{PREFIXES['xenc']}}}CipherValue"))

    assert wrapped.get("Algorithm") == OAEP_11
    assert [one.get("Algorithm") for one in wrapped] == [SHA256, PREFIXES["xenc11"] + "mgf1sha256"]
    opened = KEYS[0].decrypt(key, padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None))
    assert etree.fromstring(AESGCM(opened).decrypt(sealed[:12], sealed[12:], None)).tag == f"{{{PREFIXES['saml']}}}Assertion"
