"""Metadata: what service providers say of themselves, read; what MAG says of itself, signed (SAML metadata section 2).

Of their pages, what SAML metadata extensions for login and discovery section 2.1 (mdui) lets them say, in French where they do.

Read is what the protocol uses, checked as strictly as a request is: addresses are https (http on this very machine), keys strong
enough. `validUntil` is watched. Left out on purpose: entity attributes, extensions, contacts, artifact resolution.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from lxml import etree

from idp.errors import RefusedError
from idp.saml.attributes import KNOWN, name_of
from idp.saml.encryption import OAEP, OAEP_11
from idp.saml.errors import MessageRefusedError
from idp.saml.provider import AttributeService, Consumer, LogoutService
from idp.saml.reading import every, is_true, moment, number, one, read_metadata_document, text_of
from idp.saml.signature import Signer, is_rsa, key_info, read_certificate, sign_element, verify_element
from idp.saml.vocabulary import PERSISTENT, POST, REDIRECT, SAMLP, SHA256, TRANSIENT, URI, Element, child, instant, named, root

VALID = timedelta(days=14)
CACHED = "P1D"
"""For how long a service provider may keep ours without asking again."""
PAGES = {"logo": "mdui:Logo", "policy": "mdui:PrivacyStatementURL"}
MOST = 1024
"""Characters of an entityID (core section 8.3.6)."""


class MetadataRefusedError(RefusedError):
    """Not the metadata of a service provider that MAG can serve; the message says why."""

    code = "metadonnees_saml"
    number = "M600401"
    remedy = "Partenaire : la phrase affichée dit quoi corriger dans les métadonnées."

    def __init__(self, reason: str) -> None:
        super().__init__(reason, public=reason)


@dataclass(frozen=True, slots=True)
class Described:
    """A service provider, as its metadata describe it."""

    entity_id: str
    consumers: tuple[Consumer, ...]
    logouts: tuple[LogoutService, ...]
    signing: tuple[bytes, ...]
    encryption: bytes
    encryption_method: str
    attribute_services: tuple[AttributeService, ...]
    requests_signed: bool
    valid_until: datetime | None
    uris: Mapping[str, str] = field(default_factory=dict)
    """`logo` and `policy`, where it says some."""


def read_metadata(raw: bytes, now: datetime, *, pinned: bytes | None = None, hosts: Sequence[str] = ()) -> Described:
    """Of one entity. `pinned`: the certificate that must have signed them. Raises MetadataRefusedError."""
    try:
        document = read_metadata_document(raw)
        if document.tag != named("md:EntityDescriptor"):
            raise MetadataRefusedError(
                "Le document n'est pas un EntityDescriptor : donnez les métadonnées d'un seul fournisseur de service."
            )
        return _described(verify_element(document, (pinned,)) if pinned else document, now, frozenset(hosts))
    except MessageRefusedError as error:
        raise MetadataRefusedError(f"Métadonnées illisibles ou mal signées : {error}.") from None


def _described(entity: Element, now: datetime, hosts: frozenset[str]) -> Described:
    entity_id, role = entity.get("entityID", ""), _role(entity)
    if not entity_id or len(entity_id) > MOST or not entity_id.isprintable() or " " in entity_id:
        raise MetadataRefusedError("entityID est absent, trop long ou illisible.")
    if "://" not in entity_id and not entity_id.startswith("urn:"):
        raise MetadataRefusedError("entityID n'est pas une URI : « https://… » ou « urn:… ».")  # nor the sector of an OpenID client
    ends = [at for at in (moment(entity.get("validUntil")), moment(role.get("validUntil"))) if at is not None]
    if ends and min(ends) <= now:
        raise MetadataRefusedError(f"Les métadonnées ne sont plus valables depuis le {min(ends):%d/%m/%Y} (validUntil).")
    consumers = _consumers(role, hosts)
    signing, encryption = _keys(role, "signing"), [der for der in _keys(role, "encryption") if is_rsa(der)]
    attributes = tuple(_attribute_services(role))
    return Described(
        entity_id,
        consumers,
        tuple(_logouts(role, hosts)),
        signing,
        encryption[0] if encryption else b"",
        _encryption_method(role),
        attributes,
        is_true(role, "AuthnRequestsSigned"),
        min(ends) if ends else None,
        _uris(role, hosts),
    )


def _role(entity: Element) -> Element:
    roles = [found for found in every(entity, "md:SPSSODescriptor") if SAMLP in found.get("protocolSupportEnumeration", "").split()]
    if len(roles) != 1:
        raise MetadataRefusedError("Il faut un SPSSODescriptor de SAML 2.0, et un seul.")
    return roles[0]


def _consumers(role: Element, hosts: frozenset[str]) -> tuple[Consumer, ...]:
    posts = [found for found in every(role, "md:AssertionConsumerService") if found.get("Binding") == POST]
    read = [Consumer(number(one_, "index") or 0, address(one_.get("Location", ""), hosts), is_true(one_, "isDefault")) for one_ in posts]
    if not read:
        raise MetadataRefusedError("Aucun AssertionConsumerService en HTTP-POST : c'est là que MAG envoie ses réponses.")
    if len({consumer.index for consumer in read}) != len(read):
        raise MetadataRefusedError("Deux AssertionConsumerService portent le même index.")
    return tuple(read)


def _logouts(role: Element, hosts: frozenset[str]) -> list[LogoutService]:
    """The first of each binding, by order of preference: a redirect asks nothing of the person."""
    found: dict[str, LogoutService] = {}
    for service in every(role, "md:SingleLogoutService"):
        binding, url = service.get("Binding", ""), service.get("Location", "")
        if binding in (REDIRECT, POST):
            found.setdefault(binding, LogoutService(binding, address(url, hosts), address(service.get("ResponseLocation", url), hosts)))
    return [found[binding] for binding in (REDIRECT, POST) if binding in found]


def address(url: str, hosts: frozenset[str]) -> str:
    """Where messages with people's names go: https; http on this machine, or where the operator allows it. Raises MetadataRefusedError.

    Nor what would end a directive of the Content-Security-Policy that names its origin.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        host, parts = "", urlsplit("")
    local = host in ("127.0.0.1", "localhost", "::1") or host.endswith(".localhost") or parts.netloc.lower() in hosts or host in hosts
    allowed = parts.scheme == "https" or (parts.scheme == "http" and local)
    strange = any(c in url for c in ' \t"<>\\^`{|}*') or any(c in parts.netloc for c in ";,'")
    if (
        not host
        or not allowed
        or strange
        or parts.username is not None
        or parts.fragment
        or len(url) > 1000
        or not url.isascii()
        or not url.isprintable()
    ):
        raise MetadataRefusedError(f"L'adresse « {url[:200]} » n'est pas acceptable : https, sans identifiant ni fragment.")
    return url


def _keys(role: Element, use: str) -> tuple[bytes, ...]:
    found: list[bytes] = []
    for key in every(role, "md:KeyDescriptor"):
        if key.get("use", use) == use:
            found += [_certificate(text_of(written)) for written in key.iter(named("ds:X509Certificate"))]
    return tuple(dict.fromkeys(found))


def _certificate(text: str) -> bytes:
    try:
        der = base64.b64decode("".join(text.split()), validate=True)
        read_certificate(der)
    except (binascii.Error, ValueError) as error:
        raise MetadataRefusedError(f"Un certificat ne peut pas servir : {error}.") from None
    return der


def _encryption_method(role: Element) -> str:
    """RSA-OAEP with SHA-256 alone where it is announced; a list that holds no OAEP is not a reason to use something weaker."""
    for key in every(role, "md:KeyDescriptor"):
        for method in every(key, "md:EncryptionMethod"):
            digest = one(method, "ds:DigestMethod")
            if method.get("Algorithm") == OAEP_11 and (digest is None or digest.get("Algorithm") == SHA256):
                return OAEP_11
    return OAEP


def _attribute_services(role: Element) -> list[AttributeService]:
    found = []
    for service in every(role, "md:AttributeConsumingService"):
        names = [asked.get("Name", "") for asked in every(service, "md:RequestedAttribute")]
        found.append(AttributeService(number(service, "index") or 0, tuple(filter(None, names)), is_true(service, "isDefault")))
    return found


def _uris(role: Element, hosts: frozenset[str]) -> dict[str, str]:
    """mdui sections 2.1.5 and 2.1.7. An address that cannot serve is as if it were not there (a logo may be `data:`)."""
    extensions = one(role, "md:Extensions")
    shown = one(extensions, "mdui:UIInfo") if extensions is not None else None
    found: dict[str, str] = {}
    if shown is None:
        return found
    for name, element in PAGES.items():
        said = sorted(every(shown, element), key=lambda one_: one_.get(named("xml:lang")) != "fr")
        acceptable = (url for one_ in said if (url := text_of(one_)) and _serves(url, hosts))
        if (url := next(acceptable, "")) != "":
            found[name] = url
    return found


def _serves(url: str, hosts: frozenset[str]) -> bool:
    try:
        return bool(address(url, hosts))
    except MetadataRefusedError:
        return False


# ------------------------------------------------------------------------------------------------------------------- written


@dataclass(frozen=True, slots=True)
class Self:
    """What MAG says of itself."""

    entity_id: str
    sso: str
    slo: str
    certificates: tuple[bytes, ...]
    name: str
    url: str


def write_metadata(said: Self, signer: Signer, identifier: str, now: datetime) -> bytes:
    """Signed, valid for two weeks, to be read again each day: both keys of a change are there at any time."""
    head = {"ID": identifier, "entityID": said.entity_id, "validUntil": instant(now + VALID), "cacheDuration": CACHED}
    made = root("md:EntityDescriptor", head, "md ds saml")
    role = child(made, "md:IDPSSODescriptor", None, protocolSupportEnumeration=SAMLP, WantAuthnRequestsSigned="true")
    for certificate in said.certificates:
        key_info(child(role, "md:KeyDescriptor", None, use="signing"), certificate)
    for binding in (REDIRECT, POST):
        child(role, "md:SingleLogoutService", None, Binding=binding, Location=said.slo)
    for form in (PERSISTENT, TRANSIENT):
        child(role, "md:NameIDFormat", form)
    for binding in (REDIRECT, POST):
        child(role, "md:SingleSignOnService", None, Binding=binding, Location=said.sso)
    for claim in (*KNOWN, "siret", "siren", "roles", "uid", "hab"):
        child(role, "saml:Attribute", None, Name=name_of(claim), NameFormat=URI, FriendlyName=claim)
    organisation = child(made, "md:Organization")
    for part, text in (("OrganizationName", said.name), ("OrganizationDisplayName", said.name), ("OrganizationURL", said.url)):
        child(organisation, f"md:{part}", text).set("{http://www.w3.org/XML/1998/namespace}lang", "fr")
    sign_element(made, signer, 0)
    return bytes(etree.tostring(made, xml_declaration=True, encoding="UTF-8"))
