"""How messages travel: by redirect or by post (SAML bindings sections 3.4 and 3.5). What arrives is read octet by octet.

A redirect's signature is of the raw characters of the query, in the order that the binding fixes; a parameter given twice is
refused. Left out on purpose: artifacts, SOAP.
"""

import base64
import binascii
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote_plus, unquote_to_bytes

from lxml import etree

from idp.saml.errors import MessageRefusedError
from idp.saml.reading import LONGEST, read_message
from idp.saml.signature import Signer, is_signed, sign_query, verify_element, verify_octets
from idp.saml.vocabulary import Element

INFLATED = 128 * 1024
"""Bytes of a message that was deflated."""
RELAY_STATE = 80
"""Bytes (bindings section 3.4.3)."""
DEFLATE = "urn:oasis:names:tc:SAML:2.0:bindings:URL-Encoding:DEFLATE"
BASE64 = re.compile(rb"[A-Za-z0-9+/\s]+={0,2}\s*")
READ = ("SAMLRequest", "SAMLResponse", "SAMLEncoding", "RelayState", "SigAlg", "Signature")


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message, read and not yet believed; what says who signed it."""

    kind: str
    """`SAMLRequest` or `SAMLResponse`."""
    root: Element
    relay_state: str
    signed: bool
    octets: bytes = b""
    """What a redirect's signature is of."""
    method: str = ""
    signature: bytes = b""

    def verified(self, certificates: tuple[bytes, ...]) -> Element:
        """The element that was signed, alone to be used. Raises MessageRefusedError."""
        if self.octets:
            verify_octets(self.octets, self.method, self.signature, certificates)
            if is_signed(self.root):
                raise MessageRefusedError("signed twice")
            return self.root
        return verify_element(self.root, certificates)


def from_redirect(query: str) -> Arrived:
    """Section 3.4.4. Raises MessageRefusedError."""
    raw: dict[str, str] = {}
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        if name in READ and name in raw:
            raise MessageRefusedError(f"{name} is given twice")
        raw[name] = value
    kind = _kind(raw)
    if _decoded(raw.get("SAMLEncoding", "")) not in (b"", DEFLATE.encode()):
        raise MessageRefusedError("another encoding than DEFLATE")
    root = read_message(inflate(_bytes(_decoded(raw[kind]))))
    relay_state = _text(_decoded(raw.get("RelayState", "")))
    if "Signature" not in raw:
        if "SigAlg" in raw:
            raise MessageRefusedError("an algorithm without a signature")
        return Arrived(kind, root, relay_state, is_signed(root))
    octets = "&".join(f"{name}={raw[name]}" for name in (kind, "RelayState", "SigAlg") if name in raw)
    method, signature = _text(_decoded(raw.get("SigAlg", ""))), _bytes(_decoded(raw["Signature"]))
    return Arrived(kind, root, relay_state, True, octets.encode("latin-1"), method, signature)


def from_post(form: Mapping[str, str]) -> Arrived:
    """Section 3.5.4. Raises MessageRefusedError."""
    kind = _kind(form)
    root = read_message(_bytes(form[kind].encode("utf-8", "surrogatepass")))
    return Arrived(kind, root, _text(form.get("RelayState", "").encode("utf-8", "surrogatepass")), is_signed(root))


def _kind(given: Mapping[str, str]) -> str:
    kinds = [kind for kind in ("SAMLRequest", "SAMLResponse") if given.get(kind)]
    if len(kinds) != 1:
        raise MessageRefusedError("neither a request nor a response, or both")
    return kinds[0]


def _decoded(value: str) -> bytes:
    """Octets that came without percent-encoding stay as they are."""
    return unquote_to_bytes(value.replace("+", " ").encode("latin-1"))


def _text(raw: bytes) -> str:
    try:
        found = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise MessageRefusedError("not UTF-8") from None
    if not found.isprintable():
        raise MessageRefusedError("characters that are not to be shown")
    return found


def _bytes(value: bytes) -> bytes:
    """Base64, line breaks allowed (RFC 2045)."""
    if len(value) > LONGEST * 2 or not BASE64.fullmatch(value):
        raise MessageRefusedError("not base64, or too long")
    try:
        return base64.b64decode(b"".join(value.split()), validate=True)
    except binascii.Error:
        raise MessageRefusedError("not base64") from None


def inflate(deflated: bytes) -> bytes:
    """Piece by piece, so that a bomb is refused before it is held (C64). Raises MessageRefusedError."""
    machine = zlib.decompressobj(-15)
    try:
        found = machine.decompress(deflated, INFLATED + 1)
    except zlib.error:
        raise MessageRefusedError("not deflated") from None
    if len(found) > INFLATED or machine.unconsumed_tail:
        raise MessageRefusedError("inflates beyond what a message may be")
    if not machine.eof or machine.unused_data:
        raise MessageRefusedError("deflated by half, or followed by something")
    return found


def check_relay_state(relay_state: str) -> None:
    """Section 3.4.3. Raises MessageRefusedError."""
    if len(relay_state.encode()) > RELAY_STATE:
        raise MessageRefusedError("RelayState is longer than 80 bytes")


# ------------------------------------------------------------------------------------------------------------- what leaves


@dataclass(frozen=True, slots=True)
class Departure:
    """A message on its way to a service provider: an address to go to, or a form to post."""

    url: str
    fields: Mapping[str, str]
    """Empty: the address holds everything."""
    ends: bool = False
    """It answers whoever asked: nothing comes back."""


def by_redirect(kind: str, root: Element, relay_state: str, url: str, signer: Signer) -> Departure:
    """Section 3.4.4.1; a signature would not survive inside."""
    machine = zlib.compressobj(9, zlib.DEFLATED, -15)
    deflated = machine.compress(etree.tostring(root)) + machine.flush()
    query = f"{kind}={quote_plus(base64.b64encode(deflated).decode())}"
    if relay_state:
        query += f"&RelayState={quote_plus(relay_state)}"
    return Departure(url + ("&" if "?" in url else "?") + sign_query(query, signer), {}, kind == "SAMLResponse")


def by_post(kind: str, root: Element, relay_state: str, url: str) -> Departure:
    """Section 3.5.4: what is posted was signed inside."""
    encoded = base64.b64encode(etree.tostring(root, xml_declaration=True, encoding="UTF-8")).decode()
    return Departure(url, {kind: encoded, **({"RelayState": relay_state} if relay_state else {})}, kind == "SAMLResponse")
