"""The SCIM 2.0 API of a partner's software: `/scim/v2`, for the people of the companies that entrusted them to it.

Implements RFC 7644 sections 2, 3.2, 3.11, 3.13 and 4: who may, addresses, methods. With an access token of the partner's own
(`client_credentials`, scope `scim`, which an operator gives). ours: 600 requests a minute for each client, of which 60 change something;
discovery is open to all, as it says nothing of anybody. Left out on purpose: `/Bulk`, `/Me` and `/.search` at the root, which answer 501.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import orjson

from idp.ephemeral import Counter, beyond
from idp.logs import note
from idp.oidc.bearer import Bearers
from idp.oidc.client import Client
from idp.oidc.errors import TokenError
from idp.oidc.metadata import SCIM, SCIM_SCOPE
from idp.oidc.refusals import refusal
from idp.oidc.wire import Answer, Environ, read_body, read_pairs
from partners.scim.refus import MEDIA, ScimError, not_found, of_edge, of_request
from partners.transaction import Context, transaction

if TYPE_CHECKING:
    from idp.http import Mag
    from partners.scim.utilisateurs import Utilisateurs

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
A_MINUTE, CHANGES = 600, 60
DISCOVERY = frozenset({"ServiceProviderConfig", "ResourceTypes", "Schemas"})
ABSENT = frozenset({"Me", "Bulk", ".search"})
"""Section 3: addresses that a provider may leave out, and says so."""
READING = frozenset({"GET", "HEAD"})
DEEPEST = 20
"""Levels of a body."""


class Scim:
    """For one process."""

    def __init__(self, mag: "Mag", bearers: Bearers, context: Context) -> None:
        self.mag, self.bearers, self.context = mag, bearers, context
        self.at, self.prefix = mag.settings.issuer + SCIM, f"{mag.settings.issuer_path}{SCIM}/"

    def answer(self, environ: Environ) -> Answer:
        """One way out for what is refused: the error of section 3.12."""
        try:
            return self._answer(environ)
        except ScimError as error:
            return error.answer()
        except TokenError as error:
            return of_request(error).answer()
        except Exception as error:
            return of_edge(refusal(error, environ["mag.request_id"], environ.get("PATH_INFO")))

    def _answer(self, environ: Environ) -> Answer:
        where, _, identifier = str(environ["PATH_INFO"]).removeprefix(self.prefix).partition("/")
        if where in DISCOVERY:
            return self._discovery(environ, where, identifier)
        found = self.bearers.machine(environ, datetime.now(UTC).timestamp(), SCIM_SCOPE, self.at)
        if isinstance(found, Answer):
            return of_edge(found)
        if where in ABSENT:
            raise ScimError(501, "this is not served here: see ServiceProviderConfig")
        if where != "Users":
            raise not_found()
        return self._users(environ, found.client, identifier)

    def _discovery(self, environ: Environ, where: str, identifier: str) -> Answer:
        """Section 4."""
        from partners.scim.schema import discovery

        if environ["REQUEST_METHOD"] not in READING:
            raise not_allowed("GET, HEAD")
        if any(name == "filter" for name, _ in parse_qsl(str(environ.get("QUERY_STRING", "")))):
            raise ScimError(403, "these are not filtered")
        told = discovery(self.at).get(f"{where}/{identifier}" if identifier else where)
        if told is None:
            raise not_found()
        return Answer(200, orjson.dumps(told), MEDIA, (("Cache-Control", "public, max-age=300"),))

    # ------------------------------------------------------------------------------------------------------------------ users

    def _users(self, environ: Environ, client: Client, identifier: str) -> Answer:
        """One transaction, once it is known whose software asks."""
        from partners.scim.gestes import Entourage
        from partners.scim.regles import Preconditions
        from partners.scim.utilisateurs import Utilisateurs

        method, searching = environ["REQUEST_METHOD"], identifier == ".search"
        limits = {Counter(f"scim:{client.client_id}", 60): A_MINUTE}
        if method not in READING and not searching:
            limits[Counter(f"scim-actes:{client.client_id}", 60)] = CHANGES
        if beyond(self.mag.ephemeral, limits):
            raise ScimError(429, "too many requests in a minute", Retry_After="60")
        asked = read_query(environ)
        given = Preconditions(str(environ.get("HTTP_IF_MATCH", "")), str(environ.get("HTTP_IF_NONE_MATCH", "")))
        mag = self.mag
        around = Entourage(mag.settings, mag.ephemeral, mag.keyring, mag.registry, mag.catalogue, mag.mint.subjects)
        users = Utilisateurs(around, client, self.at, datetime.now(UTC))
        act = self._act(users, method, identifier, environ, asked, given)
        with transaction(self.context):
            answered = users.answer(act)
        if method not in READING and not searching:
            note("people managed", client_id=client.client_id, method=method, status=answered.status)
            self.mag.messenger.wake()
        return answered

    def _act(
        self, users: "Utilisateurs", method: str, identifier: str, environ: Environ, asked: dict[str, Any], given: Any
    ) -> Callable[[], Answer]:
        """Section 3.2, table 2."""
        if identifier == ".search":
            if method != "POST":
                raise not_allowed("POST")
            body = read_message(environ)
            return lambda: users.search(body)
        if not identifier:
            if method in READING:
                return lambda: users.search(asked)
            if method != "POST":
                raise not_allowed("GET, HEAD, POST")
            body = read_message(environ)
            return lambda: users.create(body, asked)
        if method in READING:
            return lambda: users.read(identifier, asked, given)
        if method == "DELETE":
            return lambda: users.delete(identifier, given)
        if method not in ("PUT", "PATCH"):
            raise not_allowed("GET, HEAD, PUT, PATCH, DELETE")
        body, change = read_message(environ), users.replace if method == "PUT" else users.patch
        return lambda: change(identifier, body, asked, given)


def not_allowed(methods: str) -> ScimError:
    """RFC 9110 section 15.5.6."""
    return ScimError(405, f"the methods here are {methods}", Allow=methods)


def read_query(environ: Environ) -> dict[str, Any]:
    """Section 3.4.2. An empty `cursor` asks for the first page (RFC 9865 section 2); anything else that is empty is as if absent."""
    query = str(environ.get("QUERY_STRING", ""))
    asked: dict[str, Any] = dict(read_pairs(query))
    if "cursor" in (pair.partition("=")[0] for pair in query.split("&")):
        asked.setdefault("cursor", "")
    return asked


def read_message(environ: Environ) -> dict[str, Any]:
    """Section 3.1: a JSON object, of either media type. Raises ScimError, UnreadableRequestError."""
    kind = str(environ.get("CONTENT_TYPE", "")).partition(";")[0].strip().lower()
    if kind not in (MEDIA, "application/json"):
        raise ScimError(415, f"the content type must be {MEDIA}")
    try:
        given = orjson.loads(read_body(environ))
    except ValueError:
        raise ScimError(400, "the body is not JSON", "invalidSyntax") from None
    if not isinstance(given, dict):
        raise ScimError(400, "the body is not a JSON object", "invalidSyntax")
    if too_deep(given):
        raise ScimError(400, f"the body holds more than {DEEPEST} levels", "invalidSyntax")
    if not storable(given):
        raise ScimError(400, "a text holds a NUL character", "invalidValue")
    return given


def too_deep(given: dict[str, Any]) -> bool:
    """More levels than anything here has: what comes next reads them one within another."""
    level: list[Any] = [given]
    for _ in range(DEEPEST):
        within = [one for held in level for one in (held.values() if isinstance(held, dict) else held)]
        level = [one for one in within if isinstance(one, (dict, list))]
    return bool(level)


def storable(given: Any) -> bool:
    """No database keeps a NUL character."""
    if isinstance(given, dict):
        return all(storable(one) for pair in given.items() for one in pair)
    if isinstance(given, list):
        return all(storable(one) for one in given)
    return "\0" not in given if isinstance(given, str) else True
