"""Machines' requests and answers on plain WSGI: parse once, answer bytes.

A request that cannot be read without doubt (a parameter twice, a broken encoding, another content type) is refused here,
before anything sees it (C02, C55b, C56, C57).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_to_bytes

import orjson
from authlib.oauth2.rfc6749.errors import InvalidRequestError, OAuth2Error

from idp.authentication.levels import TWO_FACTORS
from idp.oidc.profiles import STRONG_ALGS, by_every_name

BODY_LIMIT = 64 * 1024
FIELDS_LIMIT = 100
Environ = dict[str, Any]
NO_STORE = (("Cache-Control", "no-store"), ("Pragma", "no-cache"))
SAFE = (("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "no-referrer"))
STATUSES = {
    200: "200 OK",
    201: "201 Created",
    202: "202 Accepted",
    204: "204 No Content",
    303: "303 See Other",
    304: "304 Not Modified",
    400: "400 Bad Request",
    401: "401 Unauthorized",
    403: "403 Forbidden",
    404: "404 Not Found",
    405: "405 Method Not Allowed",
    407: "407 Proxy Authentication Required",
    409: "409 Conflict",
    411: "411 Length Required",
    412: "412 Precondition Failed",
    413: "413 Content Too Large",
    415: "415 Unsupported Media Type",
    422: "422 Unprocessable Content",
    429: "429 Too Many Requests",
    500: "500 Internal Server Error",
    501: "501 Not Implemented",
    503: "503 Service Unavailable",
}


DPOP_ALGS = by_every_name(STRONG_ALGS)
"""RFC 9449 section 5.1; ours: those of FAPI 2.0."""
DPOP_NONCE = "mag.dpop_nonce"
"""Where a request carries the nonce that its answer will give (RFC 9449 section 8)."""


class UnreadableRequestError(OAuth2Error):
    """The request as a whole, not one of its parameters: 413, 415…"""

    error = "invalid_request"

    def __init__(self, description: str, status: int) -> None:
        super().__init__(description=description, status_code=status)


@dataclass(slots=True)
class Answer:
    """What goes back: a body already encoded."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = NO_STORE
    lines: list[tuple[str, str]] | None = None
    """Every header but those of one request, once sent: the answer of a document serves again."""

    def send(self, start_response: Callable[..., Any], *more: tuple[str, str]) -> list[bytes]:
        if self.lines is None:
            self.lines = self._lines()
        start_response(STATUSES[self.status], [*self.lines, *more])
        return [self.body]

    def _lines(self) -> list[tuple[str, str]]:
        kind = (("Content-Type", self.content_type),) if self.body or self.content_type != "application/json" else ()
        length = (("Content-Length", str(len(self.body))),) if self.status not in (204, 304) else ()
        return [*kind, *self.headers, *SAFE, *length]


def json_answer(value: Any, status: int = 200, headers: tuple[tuple[str, str], ...] = NO_STORE) -> Answer:
    return Answer(status, orjson.dumps(value), headers=headers)


def error_answer(error: OAuth2Error) -> Answer:
    """RFC 6749 section 5.2."""
    headers: tuple[tuple[str, str], ...] = NO_STORE
    if error.status_code == 401:
        headers = (*NO_STORE, ("WWW-Authenticate", f'Basic realm="mag", error="{error.error}"'))
    body = {"error": error.error}
    if error.description:
        body["error_description"] = error.description
    return Answer(error.status_code, orjson.dumps(body), headers=headers)


def challenge(error: str, *, dpop: bool = False) -> Answer:
    """RFC 6750 section 3, RFC 9449 section 7.1; without an error, both schemes are named."""
    status = 403 if error == "insufficient_scope" else 401
    algs = f'algs="{" ".join(DPOP_ALGS)}"'
    value = f'{"DPoP" if dpop else "Bearer"} realm="mag"' + (f', error="{error}"' if error else f", DPoP {algs}")
    value += f", {algs}" if dpop else ""
    return Answer(status, orjson.dumps({"error": error or "invalid_token"}), headers=(*NO_STORE, ("WWW-Authenticate", value)))


def insufficient(max_age: int | None, *, dpop: bool = False) -> Answer:
    """RFC 9470 section 3: what the sign-in lacks; the client asks for it at the authorization endpoint."""
    wanted = f'max_age="{max_age}"' if max_age is not None else f'acr_values="{TWO_FACTORS}"'
    value = f'{"DPoP" if dpop else "Bearer"} realm="mag", error="insufficient_user_authentication", '
    value += f'error_description="A stronger or more recent sign-in is required", {wanted}'
    headers = (*NO_STORE, ("WWW-Authenticate", value))
    return Answer(401, orjson.dumps({"error": "insufficient_user_authentication"}), headers=headers)


REPEATABLE = frozenset({"resource", "audience"})
"""May come several times (RFC 8707 section 2, RFC 8693 section 2.1): their values, which hold no space, are joined by one."""


def read_pairs(text: str) -> dict[str, str]:
    """Parameters of a form or a query, in ASCII; empty values are as if absent (RFC 6749 section 3.1), a repeated name is refused.

    Reads as `urllib.parse.parse_qsl` does, in a third of its time: most pairs hold nothing to decode.
    """
    if text.count("&") >= FIELDS_LIMIT:
        raise InvalidRequestError("the parameters cannot be read")
    values: dict[str, str] = {}
    for pair in filter(None, text.split("&")):
        name, _, value = pair.partition("=")
        if "%" in pair or "+" in pair or "\0" in pair:
            name = name if name.isidentifier() else _decoded(name)
            value = _decoded_again(value) if name in REGISTERED and len(value) <= SHORT else _decoded(value)
        if name in values:
            if name not in REPEATABLE:
                raise InvalidRequestError("a parameter is repeated")
            value = f"{values[name]} {value}"
        values[name] = value
    return {name: value for name, value in values.items() if value} if "" in values.values() else values


REGISTERED, SHORT = frozenset({"redirect_uri", "scope"}), 400
"""Parameters that a partner sends in the same words each time, and how long they are to be remembered (characters)."""
ESCAPES = {f"{high}{low}": chr(int(high + low, 16)) for high in "01234567" for low in "0123456789abcdefABCDEF"}
"""Of the characters of ASCII: what comes after the percent sign, and the character."""


def _decoded(text: str) -> str:
    """A name or a value of ASCII text. A percent sign that begins no escape stands for itself, as `urllib.parse` reads it."""
    first, *others = text.replace("+", " ").split("%")
    try:
        found = first + "".join([ESCAPES[other[:2]] + other[2:] for other in others]) if others else first
    except KeyError:
        found = _decoded_utf8(text)
    if "\0" in found:
        raise InvalidRequestError("a parameter holds a NUL character")
    return found


_decoded_again = lru_cache(maxsize=512)(_decoded)


def _decoded_utf8(text: str) -> str:
    try:
        return unquote_to_bytes(text.replace("+", " ")).decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidRequestError("the parameters cannot be read") from None


def prefers(environ: Environ, kind: str) -> bool:
    """Whether the caller would rather have this media type than JSON (RFC 9110 section 12.5.1); in doubt, JSON."""
    accept = str(environ.get("HTTP_ACCEPT", ""))
    if kind not in accept:
        return False
    ranges = [part.partition(";") for part in accept.split(",")]
    weights = {name.strip().lower(): _weight(parameters) for name, _, parameters in reversed(ranges)}
    ours, theirs = weights.get(kind, 0.0), weights.get("application/json", 0.0)
    names = [name.strip().lower() for name, _, _ in ranges]
    return ours > theirs or (ours == theirs > 0 and names.index(kind) < names.index("application/json"))


def _weight(parameters: str) -> float:
    """`q`, 1 when it is absent; what cannot be read weighs nothing."""
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            digits = value.strip()
            return float(digits) if digits.isascii() and digits.replace(".", "", 1).isdigit() else 0.0
    return 1.0


def holds(environ: Environ, etag: str) -> bool:
    """Whether the caller has this very version already (RFC 9110 section 13.1.2)."""
    held = environ.get("HTTP_IF_NONE_MATCH")
    return bool(held) and (held == "*" or etag in str(held))


def described(answer: Answer, address: str) -> Answer:
    """A challenge that says where the resource describes itself (RFC 9728 section 5.1)."""
    said = f'realm="mag", resource_metadata="{address}"'
    headers = tuple(
        (name, value.replace('realm="mag"', said, 1) if name == "WWW-Authenticate" else value) for name, value in answer.headers
    )
    return Answer(answer.status, answer.body, answer.content_type, headers)


def cookies_of(environ: Environ) -> dict[str, str]:
    """Of the browser that asks; of two of one name, the first."""
    parts = reversed(str(environ.get("HTTP_COOKIE", "")).split(";"))
    return dict([part.strip().partition("=")[::2] for part in parts])


def is_form(environ: Environ) -> bool:
    """Whether the body says it is a form."""
    kind = str(environ.get("CONTENT_TYPE", "")).split(";", 1)[0]
    return kind.strip().lower() == "application/x-www-form-urlencoded"


def is_form_or_empty(environ: Environ) -> bool:
    """As a browser posts a form, which may hold nothing."""
    said = ("CONTENT_TYPE", "HTTP_TRANSFER_ENCODING")
    return is_form(environ) or (not any(environ.get(name) for name in said) and environ.get("CONTENT_LENGTH") in (None, "", "0"))


def read_form(environ: Environ) -> dict[str, str]:
    """The body of a POST as a form. Raises InvalidRequestError or UnreadableRequestError."""
    if not is_form(environ):
        raise UnreadableRequestError("the content type must be application/x-www-form-urlencoded", 415)
    body = read_body(environ)
    try:
        return read_pairs(body.decode("ascii"))
    except UnicodeDecodeError:
        raise InvalidRequestError("the body must be percent-encoded ASCII") from None


def read_json(environ: Environ, limit: int = BODY_LIMIT) -> dict[str, Any]:
    """The body of a POST as a JSON object. Raises InvalidRequestError or UnreadableRequestError."""
    kind = str(environ.get("CONTENT_TYPE", "")).split(";", 1)[0]
    if kind.strip().lower() != "application/json":
        raise UnreadableRequestError("the content type must be application/json", 415)
    try:
        value = orjson.loads(read_body(environ, limit))
    except ValueError:
        raise InvalidRequestError("the body is not JSON") from None
    if not isinstance(value, dict):
        raise InvalidRequestError("the body is not a JSON object")
    return value


def read_body(environ: Environ, limit: int = BODY_LIMIT) -> bytes:
    """At most `limit` bytes. A chunked body without a length is read to the limit (the server has unframed it)."""
    length = str(environ.get("CONTENT_LENGTH") or "")
    if length and not (length.isascii() and length.isdigit()):
        raise InvalidRequestError("the content length is not a number")
    if len(length) > 9 or (length and int(length) > limit):
        raise UnreadableRequestError("the body is too large", 413)
    body: bytes = environ["wsgi.input"].read(int(length) if length else limit + 1)
    if len(body) > limit:
        raise UnreadableRequestError("the body is too large", 413)
    if length and len(body) != int(length):
        raise InvalidRequestError("the body is shorter than announced")
    return body


def bearer_token(environ: Environ) -> str | None:
    """RFC 6750 section 2.1; the scheme has no case."""
    scheme, _, token = str(environ.get("HTTP_AUTHORIZATION", "")).partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


@dataclass(frozen=True, slots=True)
class Shown:
    """An access token, and the scheme it came under: `bearer` or `dpop`."""

    token: str
    scheme: str = "bearer"

    @property
    def is_dpop(self) -> bool:
        return self.scheme == "dpop"


def shown_token(environ: Environ) -> Shown | None:
    """RFC 6750 section 2.1 and RFC 9449 section 7.1; a scheme has no case."""
    scheme, _, token = str(environ.get("HTTP_AUTHORIZATION", "")).partition(" ")
    known = scheme.lower() in ("bearer", "dpop") and token.strip()
    return Shown(token.strip(), scheme.lower()) if known else None
