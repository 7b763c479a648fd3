"""XML read without trust: no document type, no entity, no network, bounded sizes and depth; one parser for what is verified and used.

C64, docs/securite.md. A protocol message holds elements and text alone: a comment or a processing instruction inside a name would
let two programs read two names (CVE-2017-11427). Metadata that an operator registers may hold comments, never a document type.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime

from lxml import etree

from idp.saml.errors import MessageRefusedError
from idp.saml.vocabulary import Element, named

LONGEST = 256 * 1024
"""Bytes of one message."""
LONGEST_METADATA = 1024 * 1024
DEEPEST = 64
DECLARATION = re.compile(rb"\s*<\?xml\s[^>]*\?>")
ENCODING = re.compile(rb"""encoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
IDS = ("ID", "Id", "id", named("xml:id"))
NCNAME = re.compile(r"[A-Za-z_][A-Za-z0-9._-]{0,199}")
INSTANT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d{1,12})?(?:Z|\+00:00)")


def read_message(raw: bytes) -> Element:
    """The root of a protocol message. Raises MessageRefusedError."""
    if len(raw) > LONGEST:
        raise MessageRefusedError("longer than a message may be")
    body = _without_declaration(raw)
    if b"<!" in body or b"<?" in body:
        raise MessageRefusedError("a document type, an entity, a comment, a section or an instruction")
    return _parsed(body)


def read_metadata_document(raw: bytes) -> Element:
    """The root of metadata, comments left out. Raises MessageRefusedError."""
    if len(raw) > LONGEST_METADATA:
        raise MessageRefusedError("longer than metadata may be")
    body = _without_declaration(raw)
    if re.search(rb"<!(?!--|\[CDATA\[)", body):
        raise MessageRefusedError("a document type or an entity")
    return _parsed(body)


def _without_declaration(raw: bytes) -> bytes:
    """UTF-8, said or not: another encoding would be read one way here and another way there."""
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        raise MessageRefusedError("not UTF-8") from None
    body = raw.removeprefix(b"\xef\xbb\xbf")
    declared = DECLARATION.match(body)
    if declared is None:
        return body.lstrip()
    encoding = ENCODING.search(declared[0])
    if encoding is not None and encoding[1].lower() not in (b"utf-8", b"us-ascii"):
        raise MessageRefusedError("another encoding than UTF-8")
    return body[declared.end() :]


def _parsed(body: bytes) -> Element:
    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        huge_tree=False,
        recover=False,
        remove_comments=True,
        remove_pis=True,
        strip_cdata=True,
        collect_ids=False,
    )
    try:
        root = etree.fromstring(body, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise MessageRefusedError(f"not XML: {type(error).__name__}") from None
    _check_depth(root)
    _check_ids(root)
    return root


def _check_depth(root: Element) -> None:
    level, deep = [root], 0
    while level:
        deep += 1
        if deep > DEEPEST:
            raise MessageRefusedError("nested too deep")
        level = [inner for element in level for inner in element]


def _check_ids(root: Element) -> None:
    """Of two elements with one identifier, a signature would be of one, and what is used the other."""
    seen: set[str] = set()
    for element in root.iter():
        for value in (element.get(name) for name in IDS):
            if value is not None and value in seen:
                raise MessageRefusedError("two elements bear the same identifier")
            seen.update([value] if value is not None else ())


# -------------------------------------------------------------------------------------------------------------- what is read


def text_of(element: Element | None) -> str:
    """All of the text of an element that holds nothing else. Raises MessageRefusedError."""
    if element is None:
        return ""
    if len(element):
        raise MessageRefusedError(f"{etree.QName(element).localname} holds something else than text")
    return (element.text or "").strip()


def one(parent: Element, name: str) -> Element | None:
    """The child of that name. Raises MessageRefusedError when there are two."""
    found = parent.findall(named(name))
    if len(found) > 1:
        raise MessageRefusedError(f"two {name}")
    return found[0] if found else None


def every(parent: Element, name: str) -> Iterator[Element]:
    return iter(parent.findall(named(name)))


def identifier(element: Element) -> str:
    """Its `ID`. Raises MessageRefusedError."""
    found = element.get("ID", "")
    if not NCNAME.fullmatch(found):
        raise MessageRefusedError("no identifier that may be one")
    return found


def is_true(element: Element, name: str) -> bool:
    """An attribute of type xs:boolean; absent, it is false. Raises MessageRefusedError."""
    value = element.get(name, "false").strip()
    if value not in ("true", "false", "1", "0"):
        raise MessageRefusedError(f"{name} is not a boolean")
    return value in ("true", "1")


def number(element: Element, name: str) -> int | None:
    """An attribute of type xs:unsignedShort. Raises MessageRefusedError."""
    value = element.get(name)
    if value is None:
        return None
    if not re.fullmatch(r"\d{1,5}", value.strip()):
        raise MessageRefusedError(f"{name} is not a number")
    return int(value)


def moment(text: str | None) -> datetime | None:
    """An xs:dateTime in UTC (core section 1.3.3). Raises MessageRefusedError."""
    if text is None:
        return None
    found = INSTANT.fullmatch(text.strip())
    try:
        return datetime.fromisoformat(found[1]).replace(tzinfo=UTC) if found else _refuse()
    except ValueError:
        return _refuse()


def _refuse() -> datetime:
    raise MessageRefusedError("not an instant in UTC")
