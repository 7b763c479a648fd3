"""Machines' door of the registry: `/reg` (RFC 7591) and `/reg/<client_id>` (RFC 7592).

Requests are JSON, bounded and read without doubt; refusals are those of RFC 7591 section 3.2.2. Not a hot path: it works
through the same operations as the operator's commands, in an application context of its own. Each address has a limit.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson

from idp.audit import journal
from idp.audit.events import RegistrationRefused
from idp.audit.journal import circumstances
from idp.config import HOUR
from idp.ephemeral import Counter
from idp.errors import RefusedError
from idp.logs import note
from idp.oidc.client_metadata import InvalidClientMetadataError
from idp.oidc.software_statement import SoftwareStatementError
from idp.oidc.wire import NO_STORE, Answer, Environ, UnreadableRequestError, bearer_token, json_answer, read_body
from partners import registration
from partners.admission import NotAdmittedError, admit
from partners.onboarding import RegistrationRefusedError
from partners.outgoing import Fetcher
from partners.registration import Means, Registered
from partners.sandbox import SandboxFullError, block_of
from partners.transaction import Context, transaction

if TYPE_CHECKING:
    from idp.http import Mag

REQUESTS_AN_HOUR = 600
"""Of one block of addresses."""
LATER = (*NO_STORE, ("Retry-After", str(HOUR)))
LARGEST_NUMBER = 2**53 - 1
"""What JSON keeps exactly everywhere (RFC 7493 section 2.2)."""


class Registrations:
    """Both addresses. `context` opens an application context: the database session of one request."""

    def __init__(self, mag: "Mag", context: Context) -> None:
        self.mag, self.context = mag, context
        self.prefix = f"{mag.settings.issuer_path}/reg/"
        self.means = Means(mag.settings, mag.keyring, Fetcher(mag.settings).json)

    def register(self, environ: Environ) -> Answer:
        """RFC 7591 section 3.1."""
        return self._acted(partial(self._register, environ))

    def manage(self, environ: Environ) -> Answer:
        """RFC 7592 section 2."""
        act = {"GET": self._read, "PUT": self._replace, "DELETE": self._remove}[environ["REQUEST_METHOD"]]
        return self._acted(partial(act, environ))

    def _acted(self, act: Callable[[], Answer]) -> Answer:
        """One transaction, and one way out for refusals."""
        if self._braked():
            return json_answer({"error": "temporarily_unavailable", "error_description": "too many requests from this network"}, 429, LATER)
        try:
            with transaction(self.context):
                answer = act()
        except RefusedError as error:
            self._note(error)
            return refusal(error)
        self.mag.versions.refresh()
        return answer

    def _note(self, error: RefusedError) -> None:
        """Whoever shows a token or a statement that is not good is in the journal; nonsense is in the log."""
        note("registration refused", code=error.code, reason=str(error)[:300])
        if isinstance(error, SoftwareStatementError) or (isinstance(error, NotAdmittedError) and error.shown):
            journal.write(self.mag.connections, RegistrationRefused(reason=error.code))

    def _braked(self) -> bool:
        """Before anything is read."""
        block = block_of(circumstances.get().address or "")
        return self.mag.ephemeral.count(Counter(f"reg:{block}", HOUR))[0] > REQUESTS_AN_HOUR

    # --------------------------------------------------------------------------------------------------------------- acts

    def _register(self, environ: Environ) -> Answer:
        token, given, now = presented(environ), read_object(environ), datetime.now(UTC)
        address = circumstances.get().address or ""
        admission = admit(self.mag.settings, self.mag.ephemeral, address, token, given, now)
        made = registration.register(admission, given, self.means, now)
        note("client registered itself", client_id=made.client.client_id, origin=admission.origin)
        return self._told(made, 201)

    def _found(self, environ: Environ, now: datetime) -> Registered:
        return registration.find(environ["PATH_INFO"].removeprefix(self.prefix), presented(environ), now)

    def _read(self, environ: Environ) -> Answer:
        """Section 2.1."""
        return self._told(self._found(environ, datetime.now(UTC)), 200)

    def _replace(self, environ: Environ) -> Answer:
        """Section 2.2."""
        now = datetime.now(UTC)
        held = self._found(environ, now)
        changed = registration.replace(held, read_object(environ), self.means, now)
        note("client changed its registration", client_id=changed.client.client_id)
        return self._told(changed, 200)

    def _remove(self, environ: Environ) -> Answer:
        """Section 2.3."""
        now = datetime.now(UTC)
        client = self._found(environ, now).client
        registration.remove(client, now)
        note("client removed its registration", client_id=client.client_id)
        return Answer(204, b"")

    def _told(self, registered: Registered, status: int) -> Answer:
        return json_answer(registered.told(self.mag.settings.issuer), status)


# ------------------------------------------------------------------------------------------------------------------ reading


def presented(environ: Environ) -> str | None:
    """The token of the header, or None without a header. Raises NotAdmittedError on a header that is something else."""
    token = bearer_token(environ)
    if token is None and environ.get("HTTP_AUTHORIZATION"):
        raise NotAdmittedError("not a bearer token", shown=True)
    return token


def read_object(environ: Environ) -> dict[str, Any]:
    """The body as one JSON object, no member twice. Raises InvalidClientMetadataError, UnreadableRequestError (413, 415)."""
    kind = str(environ.get("CONTENT_TYPE", "")).partition(";")[0].strip().lower()
    if kind != "application/json":
        raise UnreadableRequestError("the content type must be application/json", 415)
    try:
        given = json.loads(read_body(environ).decode("utf-8"), object_pairs_hook=_once, parse_int=_number, parse_constant=_constant)
    except (ValueError, RecursionError):
        raise InvalidClientMetadataError("the body is not JSON that can be read without doubt") from None
    if not isinstance(given, dict):
        raise InvalidClientMetadataError("the body must be a JSON object")
    return given


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """RFC 8259 section 4 lets duplicates mean anything: here they are an error."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member is repeated")
    return found


def _number(text: str) -> int:
    if len(text) > 17 or abs(int(text)) > LARGEST_NUMBER:
        raise ValueError("a number is too large")
    return int(text)


def _constant(text: str) -> Any:
    raise ValueError(f"{text} is not JSON")


# ------------------------------------------------------------------------------------------------------------------ refusing


def refusal(error: RefusedError) -> Answer:
    """RFC 7591 section 3.2.2, RFC 6750 section 3 for tokens."""
    if isinstance(error, NotAdmittedError):
        return unauthorised(shown=error.shown)
    if isinstance(error, SandboxFullError):
        headers = (*NO_STORE, ("Retry-After", str(error.retry_after)))
        return json_answer({"error": "temporarily_unavailable", "error_description": error.public}, error.status, headers)
    if isinstance(error, InvalidClientMetadataError | SoftwareStatementError):
        return json_answer({"error": error.error, "error_description": ascii_of(error.public)}, 400)
    if isinstance(error, RegistrationRefusedError):
        return json_answer({"error": "invalid_client_metadata", "error_description": "this registration is not possible"}, 400)
    raise error


def unauthorised(*, shown: bool) -> Answer:
    """The same for an unknown client, another's token and one that is over: nothing tells them apart."""
    value = 'Bearer realm="mag"' + (', error="invalid_token"' if shown else "")
    return Answer(401, orjson.dumps({"error": "invalid_token"}), headers=(*NO_STORE, ("WWW-Authenticate", value)))


def ascii_of(text: str) -> str:
    """RFC 7591 section 3.2.2: ASCII; ours: without what quotes, and short."""
    return "".join(c if " " <= c <= "~" and c not in '"\\' else "?" for c in text[:300])
