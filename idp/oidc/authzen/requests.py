"""What a partner asks of the decision point, read from JSON. AuthZEN Authorization API 1.0 sections 5 to 8, in MAG's profile.

A subject is a `compte`, named by the `sub` that the partner knows; a resource is an `etablissement` (SIRET) or an `entreprise`
(SIREN); an action is `<service>.<droit>`. What is not of the right form is an error of the request; what is of the right form and means
nothing here is a question whose answer is no. Unknown members are ignored.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from authlib.oauth2.rfc6749.errors import InvalidRequestError

from idp.habilitations.droits import Droit, is_siren, is_siret

ACCOUNT, ESTABLISHMENT, COMPANY = "compte", "etablissement", "entreprise"
MOST = 1000
"""Evaluations in one request; results in one page."""
PAGE = 100
LONGEST = 255
"""Characters of an identifier; a longer one names nobody."""
SEMANTICS = ("execute_all", "deny_on_first_deny", "permit_on_first_permit")
Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom the question is about. `token`: an access token of the person, which the partner holds."""

    kind: str
    sub: str
    token: str = ""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """May this subject, there. What is unknown is None: the answer is no, for that reason."""

    subject: Subject
    service: str
    droit: Droit | None
    cible: int | None

    @property
    def pair(self) -> tuple[str, Droit | None]:
        return self.service, self.droit


def read_evaluation(given: Json) -> Evaluation:
    """Section 5.1. Raises InvalidRequestError."""
    kind, identifier = read_entity(given, "resource")
    service, droit = read_action(given)
    return Evaluation(read_subject(given), service, droit, read_cible(kind, identifier))


def read_evaluations(given: Json) -> tuple[list[Evaluation], str]:
    """Section 6.1: the evaluations, each over the defaults beside them, and the semantic. Raises InvalidRequestError."""
    several, options = given.get("evaluations"), given.get("options", {})
    if several is None or several == []:
        return [read_evaluation(given)], ""
    if not isinstance(several, list) or not all(isinstance(one, dict) for one in several) or not isinstance(options, dict):
        raise InvalidRequestError("evaluations must be an array of objects, and options an object")
    if len(several) > MOST:
        raise InvalidRequestError(f"more than {MOST} evaluations")
    semantic = options.get("evaluations_semantic", SEMANTICS[0])
    if semantic not in SEMANTICS:
        raise InvalidRequestError("evaluations_semantic is not supported")
    return [read_evaluation({**given, **one}) for one in several], semantic


def read_subject(given: Json) -> Subject:
    kind, sub = read_entity(given, "subject")
    properties = given["subject"].get("properties", {})
    token = properties.get("access_token", "") if isinstance(properties, dict) else ""
    return Subject(kind, sub, token if isinstance(token, str) else "")


def read_entity(given: Json, name: str) -> tuple[str, str]:
    """`type` and `id`."""
    return read_text(given, name, "type"), read_text(given, name, "id")


def read_text(given: Json, name: str, member: str) -> str:
    value = given.get(name)
    text = value.get(member) if isinstance(value, dict) else None
    if not isinstance(text, str) or not text:
        raise InvalidRequestError(f"{name}.{member} is required")
    return text


def read_action(given: Json) -> tuple[str, Droit | None]:
    """`dsn.declarer`."""
    service, _, droit = read_text(given, "action", "name").rpartition(".")
    return service, Droit(droit) if droit in set(Droit) else None


def read_cible(kind: str, identifier: str) -> int | None:
    """The number of an establishment or of a company; None for anything else."""
    length = {ESTABLISHMENT: 14, COMPANY: 9}.get(kind)
    if len(identifier) != length or not (identifier.isascii() and identifier.isdigit()):
        return None
    number = int(identifier)
    return number if (is_siret if kind == ESTABLISHMENT else is_siren)(number) else None


@dataclass(frozen=True, slots=True)
class Page:
    """Section 8.2.1: how much, from where."""

    token: str = ""
    limit: int = PAGE


def read_page(given: Json) -> Page:
    """Raises InvalidRequestError."""
    page = given.get("page", {})
    if not isinstance(page, dict):
        raise InvalidRequestError("page must be an object")
    token, limit = page.get("token") or "", page.get("limit", PAGE)
    if not isinstance(token, str) or isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
        raise InvalidRequestError("page.token must be a text, and page.limit a number from 1")
    return Page(token, min(limit, MOST))
