"""A service provider of tests: its keys, its metadata, its requests signed; what it reads of responses, verified by xmlsec's own rules."""

import base64
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from html import unescape
from typing import Any
from urllib.parse import parse_qs, quote_plus, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from lxml import etree
from werkzeug.test import Client, TestResponse

from idp.database import db
from idp.saml import keyring
from idp.saml.bindings import by_post, by_redirect
from idp.saml.provider import ServiceProvider
from idp.saml.signature import Signer, sign_element
from idp.saml.vocabulary import PREFIXES, Element, child, instant, root
from partners import onboarding as partenaires
from partners.models import Partenaire
from partners.saml import onboarding
from tests.conftest import ISSUER

SSO, SLO = f"{ISSUER}/saml/sso", f"{ISSUER}/saml/slo"
KEYS = [rsa.generate_private_key(65537, 2048) for _ in range(2)]
"""Of one site, and of somebody else."""


def certificate(key: Any, name: str = "sp.test", days: int = 365) -> bytes:
    subject, now = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]), datetime.now(UTC)
    built = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=days))
    return built.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


@dataclass
class Site:
    """One service provider."""

    code: str = "site"
    key: Any = field(default_factory=lambda: KEYS[0])
    days: int = 365
    alg: str = "RS256"

    @cached_property
    def host(self) -> str:
        return f"https://{self.code}.test"

    @property
    def entity_id(self) -> str:
        return f"{self.host}/saml/metadata"

    @property
    def acs(self) -> str:
        return f"{self.host}/saml/acs"

    @cached_property
    def certificate(self) -> bytes:
        return certificate(self.key, days=self.days)

    @cached_property
    def signer(self) -> Signer:
        return Signer(self.alg, self.key, self.certificate)

    def metadata(self, inside: str = "", head: str = "", slo: str = "Redirect") -> bytes:
        """With two consumers, a logout service, and a key for everything."""
        key = base64.b64encode(self.certificate).decode()
        logout = f'<md:SingleLogoutService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-{slo}" Location="{self.host}/saml/slo"/>'
        return f"""<?xml version="1.0" encoding="UTF-8"?>
<!-- métadonnées d'essai -->
<md:EntityDescriptor xmlns:md="{PREFIXES["md"]}" xmlns:ds="{PREFIXES["ds"]}" entityID="{self.entity_id}" {head}>
 <md:SPSSODescriptor protocolSupportEnumeration="{PREFIXES["samlp"]}" AuthnRequestsSigned="true">
  <md:KeyDescriptor><ds:KeyInfo><ds:X509Data><ds:X509Certificate>{key}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>
  {logout if slo else ""}
  <md:AssertionConsumerService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="{self.acs}" index="0" isDefault="true"/>
  <md:AssertionConsumerService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="{self.acs}/2" index="1"/>
  {inside}
 </md:SPSSODescriptor>
</md:EntityDescriptor>""".encode()

    # ------------------------------------------------------------------------------------------------------------- what it sends

    def request(self, inside: Mapping[str, str] | None = None, *, issuer: str = "", **attributes: str) -> Element:
        """An AuthnRequest, not signed; an empty attribute is left out."""
        head = {"ID": new_id(), "Version": "2.0", "IssueInstant": instant(datetime.now(UTC)), "Destination": SSO, **attributes}
        made = root("samlp:AuthnRequest", {name: value for name, value in head.items() if value}, "samlp saml")
        child(made, "saml:Issuer", issuer or self.entity_id)
        return made

    def address(
        self, message: Element, relay_state: str = "", to: str = SSO, signer: Signer | None = None, kind: str = "SAMLRequest"
    ) -> str:
        """Of a signed redirect."""
        return by_redirect(kind, message, relay_state, to, signer or self.signer).url

    def form(self, message: Element, relay_state: str = "", kind: str = "SAMLRequest", to: str = SSO) -> dict[str, str]:
        """A signed post."""
        sign_element(message, self.signer, 1)
        return dict(by_post(kind, message, relay_state, to).fields)


def new_id() -> str:
    from idp.seals import random_token

    return "_" + random_token(20)


def unsigned(message: Element, to: str = SSO) -> str:
    return f"{to}?SAMLRequest={quote_plus(base64.b64encode(deflated(etree.tostring(message))).decode())}"


def deflated(raw: bytes) -> bytes:
    machine = zlib.compressobj(9, zlib.DEFLATED, -15)
    return machine.compress(raw) + machine.flush()


def register(wsgi_app: Any, site: Site, raw: bytes = b"", **choices: Any) -> ServiceProvider:
    """The site in the registry, MAG's keys made."""
    now, mag = datetime.now(UTC), wsgi_app.mag
    with wsgi_app.flask.app_context():
        keyring.initialise(mag.keyring, mag.settings, now)
        owner = Partenaire.with_code("essais") or partenaires.register_partenaire("essais", "Essais", "contact@site.test", now)
        given = {"scope": ["profile", "email", "siret"], **choices}
        onboarding.register(mag.settings, owner, site.code, f"Site {site.code}", raw or site.metadata(), given, now)
        db.session.commit()
    mag.versions.refresh()
    found = mag.saml.providers.with_code(site.code)
    assert found is not None
    return found  # type: ignore[no-any-return]


# ----------------------------------------------------------------------------------------------------------------- what it reads


@dataclass(frozen=True)
class Posted:
    """The form that leads back to a service provider."""

    action: str
    fields: Mapping[str, str]

    @classmethod
    def of(cls, page: TestResponse) -> "Posted":
        assert page.status_code == 200, page.text
        form = re.search(r'<form method="post" action="([^"]*)" id="retour"(.*?)</form>', page.text, re.DOTALL)
        assert form is not None, page.text
        return cls(unescape(form[1]), cls.hidden(form[2]))

    @staticmethod
    def hidden(text: str) -> dict[str, str]:
        return {name: unescape(value) for name, value in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', text)}

    @cached_property
    def xml(self) -> bytes:
        return base64.b64decode(self.fields.get("SAMLResponse") or self.fields["SAMLRequest"])

    @cached_property
    def root(self) -> Element:
        return etree.fromstring(self.xml)

    def find(self, path: str) -> Element:
        found = self.root.find(path, PREFIXES)
        assert found is not None, f"{path} in {self.xml.decode()}"
        return found

    def text(self, path: str) -> str:
        return self.find(path).text or ""

    @property
    def statuses(self) -> list[str]:
        return [one.get("Value", "").rpartition(":")[2] for one in self.root.iter(f"{{{PREFIXES['samlp']}}}StatusCode")]

    @property
    def attributes(self) -> dict[str, list[str]]:
        found = self.root.iter(f"{{{PREFIXES['saml']}}}Attribute")
        return {one.get("FriendlyName", ""): [value.text or "" for value in one] for one in found}


def redirected(page: TestResponse) -> Element:
    """The message of a redirect."""
    query = parse_qs(urlsplit(page.headers["Location"]).query)
    raw = (query.get("SAMLRequest") or query["SAMLResponse"])[0]
    return etree.fromstring(zlib.decompress(base64.b64decode(raw), -15))


def path_of(address: str) -> str:
    return address.removeprefix(ISSUER)


def answered(browser: Client, address: str) -> Posted:
    return Posted.of(browser.get(path_of(address)))
