"""What SCIM refuses, in its own words (RFC 7644 section 3.12), and the rules of MAG told in them. Knows nothing of the schema library."""

from collections.abc import Mapping
from typing import Any

import orjson

from idp.declarants.equipe.authority import NoLongerAdministratorError, OwnAccountError, SuspendedForSecurityError
from idp.declarants.equipe.invitation import AlreadyInvitedError, InvitationDeadError, TooManyInvitationsError
from idp.declarants.identite import InvalidNameError
from idp.declarants.inscription import HomonymeError, InvalidEmailError
from idp.declarants.statuts import StatutRefusedError
from idp.declarants.transitions import LastAdministratorError
from idp.entreprises.siret import InvalidSiretError
from idp.errors import RefusedError
from idp.oidc.errors import TokenError
from idp.oidc.wire import NO_STORE, Answer

MEDIA = "application/scim+json"
SCHEMA = "urn:ietf:params:scim:api:messages:2.0:Error"
EDGE = {
    401: "the access token is missing, expired or of no use here",
    403: "the access token lacks the scope scim",
    500: "a mistake of ours: it is kept under the number of X-Request-ID",
    503: "try again in a few seconds",
}
"""What is refused before SCIM is spoken, or because it could not be."""


class ScimError(Exception):
    """Section 3.12: a status, a keyword where the table has one, a sentence."""

    def __init__(self, status: int, detail: str, scim_type: str = "", **headers: str) -> None:
        """`headers`: with an underscore for each hyphen."""
        super().__init__(detail)
        self.status, self.detail, self.scim_type = status, detail, scim_type
        self.headers = tuple((name.replace("_", "-"), value) for name, value in headers.items())

    def answer(self, headers: tuple[tuple[str, str], ...] = NO_STORE) -> Answer:
        told: dict[str, Any] = {"schemas": [SCHEMA], "status": str(self.status), "detail": self.detail}
        if self.scim_type:
            told["scimType"] = self.scim_type
        return Answer(self.status, orjson.dumps(told), MEDIA, (*headers, *self.headers))


def not_found() -> ScimError:
    """Also what is of a company that did not entrust its people to whoever asks."""
    return ScimError(404, "no such resource")


RULES: Mapping[type[RefusedError], tuple[int, str, str]] = {
    HomonymeError: (409, "uniqueness", "somebody of this name is inscribed for this establishment, or left it lately"),
    AlreadyInvitedError: (409, "uniqueness", "somebody of this name is invited already"),
    InvalidNameError: (400, "invalidValue", "name: letters are expected, 80 characters at most"),
    InvalidEmailError: (400, "invalidValue", "emails: not an address that a mail can be sent to"),
    InvalidSiretError: (400, "invalidValue", "siret: not a SIRET"),
    TooManyInvitationsError: (429, "", "this establishment sent too many invitations today"),
    LastAdministratorError: (403, "", "the last administrator of an establishment stays"),
    OwnAccountError: (403, "", "whoever entrusted the people to this partner is managed by other administrators alone"),
    NoLongerAdministratorError: (403, "", "whoever entrusted the people to this partner administers no longer"),
    SuspendedForSecurityError: (403, "", "an operator suspended this account: an operator alone reinstates it"),
    StatutRefusedError: (409, "", "the account changed meanwhile"),
    InvitationDeadError: (404, "", "no such resource"),
}


def of_rule(error: RefusedError) -> ScimError:
    """A rule of MAG's domain, as SCIM tells it."""
    for kind, (status, scim_type, detail) in RULES.items():
        if isinstance(error, kind):
            return ScimError(status, detail, scim_type, **({"Retry_After": "3600"} if status == 429 else {}))
    return ScimError(400, "MAG's rules do not allow this", "invalidValue")


def of_request(error: TokenError) -> ScimError:
    """A request that could not be read."""
    status = int(error.status_code or 400)
    return ScimError(status, str(error.description or "the request cannot be read"), "invalidSyntax" if status == 400 else "")


def of_edge(answer: Answer) -> Answer:
    """The challenge (RFC 6750 section 3) and the delay stay, under a body of SCIM's."""
    if answer.status not in EDGE:
        return answer
    return ScimError(answer.status, EDGE[answer.status]).answer(answer.headers)
