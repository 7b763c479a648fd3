"""What a request must hold beside its schema: sizes, versions, no password, an identity that stays. Pure, but for the library's types."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from scim2_models import Error, SCIMException

from idp.declarants.identite import fold
from partners.scim.refus import ScimError

LONGEST = 255
"""Characters of `externalId`."""
LONGEST_TEXT, MOST_MEMBERS, MOST_NAMES = 4000, 100, 30
"""Characters of any text, members of a list or of an object, names in `attributes` or `excludedAttributes`."""
NAMING = frozenset({"attributes", "excludedattributes"})


def told_by(error: ValidationError | SCIMException) -> ScimError:
    """What the schema library refuses."""
    found = Error.from_validation_errors(error)[0] if isinstance(error, ValidationError) else error.to_error()
    detail = (found.detail or "").partition("\n")[0] if isinstance(error, ValidationError) else str(found.detail or "")
    return ScimError(found.status or 400, _sentence(detail), found.scim_type or "")


def _sentence(detail: str) -> str:
    """A value that cannot be read is told without the page of its library."""
    return "a value is not of the type of its attribute" if "\n" in detail else detail[:300]


@dataclass(frozen=True, slots=True)
class Preconditions:
    """RFC 7644 section 3.14: the versions that a request names."""

    match: str = ""
    none_match: str = ""

    def hold(self, version: str) -> bool:
        return not self.match or self._names(self.match, version)

    def unchanged(self, version: str) -> bool:
        return bool(self.none_match) and self._names(self.none_match, version)

    @staticmethod
    def _names(header: str, version: str) -> bool:
        return header.strip() == "*" or version in [one.strip() for one in header.split(",")]


def plain(path: Any) -> str:
    """An attribute without its schema, in lower case."""
    return str(path).rpartition(":")[2].lower()


def check_sizes(given: Any) -> None:
    """Before the schema library reads anything, as its time grows with what it is given. Raises ScimError."""
    if isinstance(given, str) and len(given) > LONGEST_TEXT:
        raise ScimError(400, f"a text has {LONGEST_TEXT} characters at most", "invalidValue")
    if isinstance(given, (Mapping, list)) and len(given) > MOST_MEMBERS:
        raise ScimError(400, f"a list or an object has {MOST_MEMBERS} members at most", "tooMany")
    if isinstance(given, Mapping):
        for name, value in given.items():
            check_sizes(name)
            if name.lower().replace("_", "") in NAMING and _names_in(value) > MOST_NAMES:
                raise ScimError(400, f"attributes and excludedAttributes have {MOST_NAMES} names at most", "tooMany")
    for one in given.values() if isinstance(given, Mapping) else given if isinstance(given, list) else ():
        check_sizes(one)


def _names_in(value: Any) -> int:
    """A query has them in one text, with commas; a member of a list may have some too."""
    return sum(str(one).count(",") + 1 for one in (value if isinstance(value, list) else [value]))


def no_password() -> ScimError:
    return ScimError(400, "password: the person alone chooses it, by the link of the invitation", "mutability")


def check_no_password(given: Any) -> None:
    """Wherever it is written: as an attribute, as the path of an operation or within its value. Raises ScimError."""
    if isinstance(given, dict):
        if any(str(name).lower().rpartition(":")[2] == "password" for name in given):
            raise no_password()
        path = next((value for name, value in given.items() if str(name).lower() == "path"), "")
        if str(path).strip().lower().rpartition(":")[2] == "password":
            raise no_password()
    for one in given.values() if isinstance(given, dict) else given if isinstance(given, list) else ():
        check_no_password(one)


def check_given(given: Mapping[str, Any]) -> None:
    """A resource, or operations. Raises ScimError."""
    check_sizes(given)
    check_no_password(given)


def external(user: Any) -> str | None:
    external_id: str | None = user.external_id
    if external_id is not None and (len(external_id) > LONGEST or not external_id.isprintable()):
        raise ScimError(400, f"externalId: at most {LONGEST} printable characters", "invalidValue")
    return external_id or None


def settle(after: Any, before: Any) -> None:
    """An identity spelt otherwise, an address whose letters are of another case: the same."""
    if after.name is not None and _folded(after.name) == _folded(before.name):
        after.name = before.name.model_copy()
    theirs, ours = ({str(one.value).casefold() for one in user.emails or ()} for user in (after, before))
    if theirs == ours:
        after.emails = before.emails
    if str(after.Declarant.siret).replace(" ", "") == before.Declarant.siret:
        after.Declarant = before.Declarant.model_copy()


def _folded(name: Any) -> tuple[str, str]:
    return fold(str(name.family_name)), fold(str(name.given_name))
