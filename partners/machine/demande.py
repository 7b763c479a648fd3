"""What a software sends to the machine door: five elements in order, and nothing else. Reads, and decides nothing.

    <identifiants><siret>…</siret><nom>…</nom><prenom>…</prenom><motdepasse>…</motdepasse><service>25</service></identifiants>

The parser is defusedxml (docs/decisions/0014): a DTD, an entity or anything external is refused before it is read, and nothing is
ever fetched. Left out on purpose: the variant `identifiant` + `motdepasse` of the agricultural scheme, an identifier MAG has not.
"""

from dataclasses import dataclass, field
from xml.etree.ElementTree import Element, ParseError

from defusedxml import ElementTree  # type: ignore[import-untyped]  # ships no types
from defusedxml.common import DefusedXmlException  # type: ignore[import-untyped]  # ships no types

from idp.declarants.identite import Identite, InvalidNameError, check_name
from idp.entreprises.siret import InvalidSiretError, Siret

LARGEST = 8 * 1024
"""Bytes."""
LONGEST_PASSWORD = 1024
"""Bytes of a password that is ever hashed (C48)."""
ROOT, MEMBERS = "identifiants", ("siret", "nom", "prenom", "motdepasse", "service")


class FormeError(ValueError):
    """It is not such a request."""


class DangereuseError(ValueError):
    """It holds what no such request needs, and what attacks are made of."""


@dataclass(frozen=True, slots=True)
class Demande:
    """A request, read."""

    identite: Identite
    password: str = field(repr=False)
    service: str


def read(body: bytes) -> Demande:
    """Raises FormeError, DangereuseError."""
    values = _values(_parsed(body))
    if len(values["motdepasse"].encode()) > LONGEST_PASSWORD or not values["motdepasse"]:
        raise FormeError("motdepasse")
    try:
        identite = Identite(Siret.parse(values["siret"]), check_name(values["nom"]), check_name(values["prenom"]))
    except (InvalidSiretError, InvalidNameError):
        raise FormeError("identite") from None
    return Demande(identite, values["motdepasse"], values["service"].strip())


def _parsed(body: bytes) -> Element:
    """UTF-8 whatever the document says of itself: a text has no other encoding."""
    try:
        root: Element = ElementTree.fromstring(body.decode("utf-8"), forbid_dtd=True, forbid_entities=True, forbid_external=True)
    except DefusedXmlException as error:
        raise DangereuseError(type(error).__name__) from None
    except (ParseError, UnicodeDecodeError, ValueError):
        raise FormeError("xml") from None
    return root


def _values(root: Element) -> dict[str, str]:
    """Those elements, in that order, each with a text alone."""
    if root.tag != ROOT or tuple(child.tag for child in root) != MEMBERS or root.attrib:
        raise FormeError("elements")
    if any(len(child) or child.attrib for child in root):
        raise FormeError("elements")
    return {child.tag: child.text or "" for child in root}
