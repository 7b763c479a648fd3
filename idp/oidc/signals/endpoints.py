"""The API of streams, for partners' machines: `/.well-known/ssf-configuration`, and what is under `/ssf/v1`.

Implements Shared Signals Framework 1.0 sections 7 and 8.1, RFC 8936 section 2.1. With an access token of the receiver's own
(`client_credentials`): `ssf.read` reads and fetches, `ssf.manage` does everything. ours: 600 requests a minute for each client; a second
stream for the same client is refused (409).
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from authlib.oauth2.rfc6749.errors import InvalidRequestError

from idp.ephemeral import Counter
from idp.logs import note
from idp.oidc.bearer import Bearers
from idp.oidc.client import Client
from idp.oidc.documents import PUBLIC
from idp.oidc.metadata import MANAGE_SIGNALS, READ_SIGNALS, SIGNALS
from idp.oidc.signals.management import StreamExistsError, StreamFillingError, StreamHeldError, Streams, StreamUnknownError, TooSoonError
from idp.oidc.signals.models import Stream
from idp.oidc.signals.polling import Asked, Polling, Transaction
from idp.oidc.signals.reading import METHODS
from idp.oidc.wire import NO_STORE, Answer, Environ, json_answer, read_json, read_pairs

if TYPE_CHECKING:
    from idp.http import Mag

POLLS = f"{SIGNALS}/poll/"
WELL_KNOWN = "/.well-known/ssf-configuration"
A_MINUTE = 600
ONE_OF_THEM = f"{READ_SIGNALS} {MANAGE_SIGNALS}"
DONE, NO_CONTENT = Answer(200, b"{}"), Answer(204, b"")
NOT_FOUND = json_answer({"error": "not_found", "error_description": "no such stream"}, 404)
THERE = json_answer({"error": "stream_exists", "error_description": "this client has a stream already"}, 409)
HELD = json_answer({"error": "stream_held", "error_description": "the transmitter paused this stream"}, 409)
TOO_MANY = json_answer({"error": "slow_down", "error_description": "too many requests"}, 429, (*NO_STORE, ("Retry-After", "60")))
FILLING = json_answer(
    {"error": "slow_down", "error_description": "this stream was just opened: its subjects are being gathered"},
    429,
    (*NO_STORE, ("Retry-After", "2")),
)
REFUSALS = {
    StreamUnknownError: NOT_FOUND,
    StreamExistsError: THERE,
    StreamHeldError: HELD,
    StreamFillingError: FILLING,
    TooSoonError: TOO_MANY,
}
"""What an act refuses before it changes anything, as it is answered."""
Act = Callable[[Client, Environ, datetime], Answer]


def configuration(issuer: str) -> dict[str, Any]:
    """Section 7.1."""
    at = f"{issuer}{SIGNALS}"
    return {
        "spec_version": "1_0",
        "issuer": issuer,
        "jwks_uri": f"{issuer}/jwks",
        "delivery_methods_supported": list(METHODS),
        "configuration_endpoint": f"{at}/streams",
        "status_endpoint": f"{at}/status",
        "add_subject_endpoint": f"{at}/subjects/add",
        "remove_subject_endpoint": f"{at}/subjects/remove",
        "verification_endpoint": f"{at}/verification",
        "critical_subject_members": ["user", "session"],
        "authorization_schemes": [{"spec_urn": "urn:ietf:rfc:6749"}, {"spec_urn": "urn:ietf:rfc:9449"}],
        "default_subjects": "ALL",
    }


class Api:
    """The acts, for one process."""

    def __init__(self, mag: "Mag", bearers: Bearers, transaction: Transaction) -> None:
        """`transaction` opens one of the page session, which commits at its end."""
        self.mag, self.bearers, self.transaction = mag, bearers, transaction
        self.streams = Streams(mag.settings, mag.keyring, mag.signals.audience)
        self.polling = Polling(mag.signals)
        self.acts: dict[str, dict[str, tuple[str, Act]]] = {
            "streams": {
                "GET": (ONE_OF_THEM, self._read),
                "POST": (MANAGE_SIGNALS, self._create),
                "PATCH": (MANAGE_SIGNALS, self._update),
                "PUT": (MANAGE_SIGNALS, self._replace),
                "DELETE": (MANAGE_SIGNALS, self._delete),
            },
            "status": {"GET": (ONE_OF_THEM, self._status), "POST": (MANAGE_SIGNALS, self._set_status)},
            "subjects/add": {"POST": (MANAGE_SIGNALS, self._add)},
            "subjects/remove": {"POST": (MANAGE_SIGNALS, self._remove)},
            "verification": {"POST": (MANAGE_SIGNALS, self._verify)},
        }

    @property
    def endpoints(self) -> dict[str, tuple[tuple[str, ...], Callable[[Environ], Answer]]]:
        """Methods and what answers, by path."""
        return {f"{SIGNALS}/{path}": (tuple(acts), self._door(acts)) for path, acts in self.acts.items()}

    @property
    def document(self) -> Answer:
        """Of both well-known addresses."""
        return json_answer(configuration(self.mag.settings.issuer), headers=PUBLIC)

    def _door(self, acts: dict[str, tuple[str, Act]]) -> Callable[[Environ], Answer]:
        """One transaction, once it is known whose software asks. Raises OAuth2Error."""

        def answer(environ: Environ) -> Answer:
            scope, act = acts[environ["REQUEST_METHOD"]]
            now, client = datetime.now(UTC), self._client(environ, scope)
            if isinstance(client, Answer):
                return client
            try:
                with self.transaction():
                    answered = act(client, environ, now)
            except tuple(REFUSALS) as error:
                return REFUSALS[type(error)]
            self.mag.versions.refresh()
            return answered

        return answer

    def _client(self, environ: Environ, scope: str) -> Client | Answer:
        found = self.bearers.machine(environ, datetime.now(UTC).timestamp(), scope, self.mag.settings.issuer + SIGNALS)
        if isinstance(found, Answer):
            return found
        if self.mag.ephemeral.count(Counter(f"ssf:{found.client.client_id}", 60))[0] > A_MINUTE:
            return TOO_MANY
        return found.client

    def poll(self, environ: Environ) -> Answer:
        """RFC 8936 section 2.1. Raises OAuth2Error."""
        client = self._client(environ, ONE_OF_THEM)
        if isinstance(client, Answer):
            return client
        stream_id = str(environ["PATH_INFO"]).rpartition("/")[2]
        found = self.polling.answer(self.transaction, client.client_id, stream_id, Asked.read(read_json(environ)))
        return NOT_FOUND if found is None else json_answer(found)

    # ------------------------------------------------------------------------------------------------------------ streams

    def _read(self, client: Client, environ: Environ, _now: datetime) -> Answer:
        """Section 8.1.1.2: one stream, or the list of them."""
        stream, named = Stream.of_client(client.client_id), read_pairs(str(environ.get("QUERY_STRING", ""))).get("stream_id")
        if named is None:
            return json_answer([self.streams.told(stream)] if stream else [])
        return json_answer(self.streams.told(stream)) if stream and stream.id == named else NOT_FOUND

    def _create(self, client: Client, environ: Environ, now: datetime) -> Answer:
        given = read_json(environ)
        if Stream.of_client(client.client_id) is not None:
            return THERE
        stream = self.streams.create(client, given, now)
        note("stream opened", client_id=client.client_id, stream=stream.id)
        return json_answer(self.streams.told(stream), 201)

    def _update(self, client: Client, environ: Environ, now: datetime) -> Answer:
        return self._changed(client, environ, now, self.streams.update)

    def _replace(self, client: Client, environ: Environ, now: datetime) -> Answer:
        return self._changed(client, environ, now, self.streams.replace)

    def _changed(self, client: Client, environ: Environ, now: datetime, act: Callable[[Stream, Any, datetime], None]) -> Answer:
        given = read_json(environ)
        stream = named_in(client, given)
        act(stream, given, now)
        return json_answer(self.streams.told(stream))

    def _delete(self, client: Client, environ: Environ, now: datetime) -> Answer:
        stream = named_in(client, read_pairs(str(environ.get("QUERY_STRING", ""))))
        self.streams.delete(stream, now)
        return NO_CONTENT

    # ------------------------------------------------------------------------------------------------- status and subjects

    def _status(self, client: Client, environ: Environ, _now: datetime) -> Answer:
        stream = named_in(client, read_pairs(str(environ.get("QUERY_STRING", ""))))
        return json_answer(self.streams.status(stream))

    def _set_status(self, client: Client, environ: Environ, now: datetime) -> Answer:
        given = read_json(environ)
        stream = named_in(client, given)
        self.streams.set_status(stream, given, now)
        return json_answer(self.streams.status(stream))

    def _add(self, client: Client, environ: Environ, _now: datetime) -> Answer:
        given = read_json(environ)
        stream = named_in(client, given)
        self.streams.unmute(stream, given)
        return DONE

    def _remove(self, client: Client, environ: Environ, _now: datetime) -> Answer:
        given = read_json(environ)
        stream = named_in(client, given)
        self.streams.mute(stream, given)
        return NO_CONTENT

    def _verify(self, client: Client, environ: Environ, now: datetime) -> Answer:
        given = read_json(environ)
        stream = named_in(client, given)
        self.streams.verify(stream, given, now)
        return NO_CONTENT


def named_in(client: Client, given: Any) -> Stream:
    """The stream that a request names. Raises InvalidRequestError when none is named, StreamUnknownError when it is not this client's."""
    named = given.get("stream_id")
    if not isinstance(named, str) or not named:
        raise InvalidRequestError("stream_id is required")
    stream = Stream.of_client(client.client_id, lock=True)
    if stream is None or stream.id != named:
        raise StreamUnknownError
    return stream
