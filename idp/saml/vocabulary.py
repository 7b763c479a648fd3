"""Names that SAML 2.0, XML Signature and XML Encryption give to things, spelt as they spell them; elements made with them. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime

from lxml import etree

Element = etree._Element

SAMLP = "urn:oasis:names:tc:SAML:2.0:protocol"
SAML = "urn:oasis:names:tc:SAML:2.0:assertion"
MD = "urn:oasis:names:tc:SAML:2.0:metadata"
DS = "http://www.w3.org/2000/09/xmldsig#"
XENC = "http://www.w3.org/2001/04/xmlenc#"
XENC11 = "http://www.w3.org/2009/xmlenc11#"
ALG = "urn:oasis:names:tc:SAML:metadata:algsupport"
MDUI = "urn:oasis:names:tc:SAML:metadata:ui"
XML = "http://www.w3.org/XML/1998/namespace"
PREFIXES = {"samlp": SAMLP, "saml": SAML, "md": MD, "ds": DS, "xenc": XENC, "xenc11": XENC11, "alg": ALG, "mdui": MDUI, "xml": XML}

REDIRECT = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
POST = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"

PERSISTENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
TRANSIENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"
UNSPECIFIED = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"
ENTITY = "urn:oasis:names:tc:SAML:2.0:nameid-format:entity"
BEARER = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
URI = "urn:oasis:names:tc:SAML:2.0:attrname-format:uri"

EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
ENVELOPED = DS + "enveloped-signature"
SHA256 = XENC + "sha256"
RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
ECDSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"


def named(name: str) -> str:
    """`saml:Issuer` as lxml writes it."""
    prefix, _, local = name.partition(":")
    return f"{{{PREFIXES[prefix]}}}{local}"


def root(name: str, attributes: Mapping[str, str], prefixes: str) -> Element:
    """A document's first element; `prefixes` are those it declares, separated by spaces."""
    return etree.Element(named(name), dict(attributes), {prefix: PREFIXES[prefix] for prefix in prefixes.split()})


def child(parent: Element, name: str, text: str | None = None, /, **attributes: str) -> Element:
    """One more element at the end of another. What people or partners wrote is escaped by the library."""
    made = etree.SubElement(parent, named(name), attributes)
    made.text = text
    return made


def instant(at: datetime) -> str:
    """SAML core section 1.3.3: UTC, to the second."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
