"""Authorization details of type `urn:mag:habilitation`: a person acts for one establishment, on some services and no more.

Implements RFC 9396 sections 2, 5, 6 and 7. A request names the establishment (`siret`), or leaves it to the person, who picks it on
a page of MAG; and the services (`services`), or leaves them to the scopes `habilitations:…`. What is granted says both, with the
letters of the rights held there at that moment: its size does not depend on how much the account holds.

ours: one object a request, since a token is for one establishment; an unknown member is an error (section 5).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import orjson
from authlib.oauth2.rfc6749.errors import OAuth2Error

from idp.entreprises.siret import InvalidSiretError, Siret
from idp.habilitations.disclosure import LETTERS, letters
from idp.habilitations.droits import Rights, written
from idp.oidc.claims import DETAILS

TYPE = "urn:mag:habilitation"
TYPES = frozenset({TYPE})
MEMBERS = frozenset({"type", "siret", "services"})
LONGEST = 6_000
"""Characters of the parameter."""
TO_PICK = 0
"""In the place of a SIRET: the person will say."""
ALL = "".join(LETTERS.values())


class InvalidDetailsValueError(ValueError):
    """Not authorization details that MAG understands; the message is plain ASCII, for the partner."""


class InvalidDetailsError(OAuth2Error):
    """Sections 5 and 6, where the partner asks by itself."""

    error = "invalid_authorization_details"


def check_no_details(parameters: Mapping[str, Any]) -> None:
    """Where a person could not be asked for which establishment: what would be left unread would give more than was asked."""
    if DETAILS in parameters:
        raise InvalidDetailsError("authorization_details is not taken here")


@dataclass(frozen=True, slots=True)
class Acting:
    """For which establishment, and the letters of the rights asked or granted on each service."""

    siret: int
    services: tuple[tuple[str, str], ...]
    """Codes in order, with their letters; empty in a request that leaves them to the scopes."""

    @property
    def codes(self) -> frozenset[str]:
        return frozenset(code for code, _ in self.services)

    @property
    def is_to_pick(self) -> bool:
        return self.siret == TO_PICK

    def dump(self) -> list[Any]:
        return [self.siret, self.services]

    @classmethod
    def load(cls, value: Sequence[Any] | None) -> Self | None:
        return cls(value[0], tuple((code, letters_) for code, letters_ in value[1])) if value else None

    @classmethod
    def granted_in(cls, claims: Mapping[str, Any]) -> Self | None:
        """What a token of ours holds."""
        found = claims.get(DETAILS)
        if not found or found[0]["type"] != TYPE:
            return None
        return cls(int(found[0]["siret"]), tuple(sorted(found[0]["services"].items())))

    def on(self, siret: int) -> "Acting":
        return Acting(siret, self.services)

    def among(self, codes: Collection[str]) -> "Acting":
        """Of these services alone."""
        return Acting(self.siret, tuple(one for one in self.services if one[0] in codes))

    def completed(self, codes: Iterable[str]) -> "Acting":
        """With these services, all their rights, when the request named none."""
        return self if self.services else Acting(self.siret, tuple((code, ALL) for code in sorted(codes)))

    def narrowed(self, asked: Self) -> "Acting":
        """Section 6: what a token request asks of what was granted. Raises InvalidDetailsValueError when it asks for more."""
        held = dict(self.services)
        if not asked.is_to_pick and asked.siret != self.siret:
            raise InvalidDetailsValueError("this establishment was not granted")
        if asked.codes - held.keys() or any(wanted != ALL and set(wanted) - set(held[code]) for code, wanted in asked.services):
            raise InvalidDetailsValueError("these services were not granted")
        services = tuple((code, common(wanted, held[code])) for code, wanted in asked.services)
        return Acting(self.siret, services or self.services)

    def told(self, rights: Rights) -> list[dict[str, Any]]:
        """Section 7.1: the details with what is held there now, within what was granted."""
        held = {code: common(wanted, found) for code, wanted in self.services if (found := letters(rights).get(code))}
        return [{"type": TYPE, "siret": written(self.siret), "services": {code: text for code, text in held.items() if text}}]


def common(wanted: str, held: str) -> str:
    """Letters of both, in the order of rights."""
    return "".join(letter for letter in ALL if letter in wanted and letter in held)


def read_details(text: str, types: Collection[str]) -> Acting | None:
    """Section 2, for a client that registered these types; None for none, or an empty array. Raises InvalidDetailsValueError."""
    if not text:
        return None
    if len(text) > LONGEST:
        raise InvalidDetailsValueError("authorization_details is too long")
    try:
        details = orjson.loads(text)
    except ValueError:
        raise InvalidDetailsValueError("authorization_details is not JSON") from None
    if not isinstance(details, list) or not all(isinstance(detail, dict) for detail in details):
        raise InvalidDetailsValueError("authorization_details is not an array of objects")
    known = TYPES & set(types)
    if any(not isinstance(detail.get("type"), str) or detail["type"] not in known for detail in details):
        raise InvalidDetailsValueError("this type is not supported for this client")
    if len(details) > 1:
        raise InvalidDetailsValueError("one object is expected: a token is for one establishment")
    return read_acting(details[0]) if details else None


def read_acting(detail: Mapping[str, Any]) -> Acting:
    """Section 5: members that are not of this type, and values that are not theirs, are errors."""
    if detail.keys() - MEMBERS:
        raise InvalidDetailsValueError("a member is not of this type")
    return Acting(read_siret(detail.get("siret")), read_services(detail.get("services")))


def read_siret(value: object) -> int:
    if value is None:
        return TO_PICK
    try:
        return int(Siret(value if isinstance(value, str) else ""))
    except InvalidSiretError:
        raise InvalidDetailsValueError("siret is not 14 digits whose key holds") from None


def read_services(value: object) -> tuple[tuple[str, str], ...]:
    """`["dsn"]`, all rights, or `{"dsn": "dp"}`, these alone."""
    if value is None:
        return ()
    named = dict.fromkeys(value, ALL) if isinstance(value, list) and all(isinstance(code, str) for code in value) else value
    if not isinstance(named, dict) or not named:
        raise InvalidDetailsValueError("services is not a list of codes, nor an object of letters")
    if not all(code and is_letters(wanted) for code, wanted in named.items()):
        raise InvalidDetailsValueError("services maps a code to letters among " + ALL)
    return tuple(sorted((code, common(wanted, ALL)) for code, wanted in named.items()))


def is_letters(value: object) -> bool:
    return isinstance(value, str) and bool(value) and set(value) <= set(ALL)
