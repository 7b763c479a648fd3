"""The edge of people's pages: components, headers, anti-forgery, refusals. Machines' endpoints have `oidc/wire.py`.

A MagError that reaches this file is rolled back, answered with its `public` text and nothing else; an unknown exception
becomes a plain 500 with an incident number.
"""

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, lru_cache
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode, urlsplit

from flask import Flask, Response, current_app, g, make_response, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import DBAPIError
from werkzeug.exceptions import HTTPException

from idp.audit.journal import Circumstances, circumstances
from idp.authentication.demande import BINDING, FRAME_BINDING, binding_of
from idp.config import Settings
from idp.database import Connections, Kept, Versions, db
from idp.ephemeral import Ephemeral
from idp.errors import (
    AddressError,
    FileError,
    ForbiddenError,
    InvalidRequestError,
    MagError,
    MethodError,
    StoreUnavailableError,
    TooLargeError,
    UnexpectedError,
    UnknownPageError,
)
from idp.habilitations.annuaire.noms import Annuaire
from idp.habilitations.droits import Catalogue
from idp.habilitations.usages.carnet import Carnet
from idp.keys import Keyring
from idp.logs import logger
from idp.notifications.messages import insecable
from idp.seals import b64, digest

if TYPE_CHECKING:
    from idp.authentication.factors.policy import Policies
    from idp.oidc.client_auth import Clients
    from idp.oidc.delivery.messenger import Messenger
    from idp.oidc.signals.outbox import SignalOutbox
    from idp.oidc.tokens import Mint
    from idp.saml.sso import Saml

View = TypeVar("View", bound=Callable[..., Any])
BODY_LIMIT = 64 * 1024
FILE_LIMIT = "mag_file_limit"
FRAME_AGE = 600
"""Seconds: what a frame needs for one sign-in."""
STATIC_AGE = 365 * 24 * 3600
"""Seconds: addresses of static files change with their content."""
PERMISSIONS = (
    "accelerometer=(), autoplay=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), midi=(), "
    "payment=(), usb=(), publickey-credentials-get=(self), publickey-credentials-create=(self)"
)


@dataclass(frozen=True, slots=True)
class Mag:
    """The components of one process, made by `wsgi.py`."""

    settings: Settings
    connections: Connections
    versions: Versions
    ephemeral: Ephemeral
    keyring: Keyring
    registry: "Clients"
    catalogue: Kept[Catalogue]
    annuaire: Annuaire
    carnet: Carnet
    policies: Kept["Policies"]
    mint: "Mint"
    messenger: "Messenger"
    """Wake it after the commit of a sign-out."""
    signals: "SignalOutbox"
    """What partners are sent of what happens to accounts."""
    saml: "Saml"


def mag() -> Mag:
    """The components of the current application."""
    return current_app.extensions["mag"]  # type: ignore[no-any-return]  # Flask's extension dict is untyped


def now() -> datetime:
    """The instant of this request: one for all it does."""
    if "now" not in g:
        g.now = datetime.now(UTC)
    return g.now  # type: ignore[no-any-return]  # flask.g is untyped


def address_of(environ: dict[str, Any], trusted_proxies: int) -> str:
    """The client's address: that of the connection, or what the nearest `trusted_proxies` proxies wrote (C50)."""
    address = str(environ.get("REMOTE_ADDR") or "")
    if trusted_proxies:
        chain = [part.strip() for part in str(environ.get("HTTP_X_FORWARDED_FOR", "")).split(",") if part.strip()]
        if len(chain) >= trusted_proxies:
            address = chain[-trusted_proxies]
    return _canonical(address)


@lru_cache(maxsize=4096)
def _canonical(address: str) -> str:
    """One way to write an address. Remembered: partners' machines call from few of them, and reading one costs more than a document."""
    try:
        return str(ip_address(address))
    except ValueError:
        return "0.0.0.0"  # noqa: S104  # an unreadable address, not a binding


def client_address() -> str:
    return address_of(request.environ, mag().settings.trusted_proxies)


def path(name: str) -> str:
    """A path of this application, under its own path."""
    return str(current_app.config["MAG_PATH"]) + name


def asset(name: str) -> str:
    """Address of a static file, which changes with its content."""
    return f"{path('/static/')}{name}?v={_version(current_app.static_folder or '', name)}"


@cache
def _version(folder: str, name: str) -> str:
    return sha256((Path(folder) / name).read_bytes()).hexdigest()[:12]


def own_host() -> str:
    """What people must read in the address bar."""
    return urlsplit(str(current_app.config["MAG_ORIGIN"])).netloc


# ----------------------------------------------------------------------------------------------------------- anti-forgery


def _binding_cookie() -> str:
    """A frame on the page of a partner has one of its own."""
    return FRAME_BINDING if framed_by() else BINDING


def binding() -> str:
    """128 random bits known to this browser alone; the cookie is set when absent."""
    if "binding" not in g:
        given = request.cookies.get(_binding_cookie(), "")
        made = request.environ.get("mag.binding", given)
        g.binding = binding_of(made)
        g.binding_is_new = g.binding != given
    return g.binding  # type: ignore[no-any-return]  # flask.g is untyped


def csrf_token(purpose: str) -> str:
    """What a form of this browser must send back in `csrf`."""
    return b64(mag().keyring.mac("csrf", f"{purpose}|{digest(binding())}".encode()))


def check_csrf(purpose: str) -> None:
    """Raises ForbiddenError when the form does not come from our own page in this browser (C39)."""
    origin = request.headers.get("Origin")
    # Our own Referrer-Policy makes browsers write `null` for our own forms (Fetch, "append a request Origin header").
    if origin not in (None, "null", current_app.config["MAG_ORIGIN"]):
        raise ForbiddenError(f"foreign origin for {purpose}")
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        raise ForbiddenError(f"cross-site request for {purpose}")
    if _binding_cookie() not in request.cookies:
        raise ForbiddenError(
            f"no browser binding for {purpose}",
            public="Votre navigateur n'a pas renvoyé le cookie de sécurité. Autorisez les cookies de ce site puis recommencez.",
        )
    given = request.form.get("csrf", "").encode("utf-8", "surrogatepass")
    expected = (b64(mac).encode() for mac in mag().keyring.macs("csrf", f"{purpose}|{digest(binding())}".encode()))
    matches = [hmac.compare_digest(given, e) for e in expected]
    if not any(matches):
        raise ForbiddenError(
            f"anti-forgery value for {purpose}", public="Ce formulaire n'est plus valable. Rechargez la page puis recommencez."
        )


def set_cookie(response: Response, name: str, value: str, max_age: int | None = None, *, crosses: bool = False) -> None:
    """`__Host-`: Secure, whole site, no Domain; HttpOnly and Lax (C65), unless it is the half that crosses sites.

    Those of a frame cross sites too, and stay with the site of the page that holds it (CHIPS, `Partitioned`): they say nothing elsewhere.
    """
    framed = bool(framed_by())
    samesite = "None" if crosses or framed else "Lax"
    response.set_cookie(name, value, max_age=max_age, secure=True, httponly=True, samesite=samesite, path="/", partitioned=framed)


# ---------------------------------------------------------------------------------------------------------------- headers


def page_policy(form_action: str = "", image: str = "") -> None:
    """Let this page's form end, by redirects, at the origin of this transaction; show one image of another origin."""
    g.form_action = form_action
    g.image = image


def allow_frames(origins: str) -> None:
    """Let this page hold frames of these origins, separated by spaces, and of none other."""
    g.frames = origins


def be_framed_by(origin: str, refusal_page: str) -> None:
    """Let pages of this origin, and of none other, hold this one. Should this request be refused, `refusal_page` says it there."""
    g.framed_by = origin
    g.refusal_page = refusal_page


def framed_by() -> str:
    """The origin whose page holds this one; empty for none."""
    return str(g.get("framed_by", ""))


def _policy() -> str:
    frames = f"frame-src {g.frames}; " if g.get("frames") else ""
    form = " ".join(filter(None, ("'self'", g.get("form_action", ""))))
    image = " ".join(filter(None, ("'self'", g.get("image", ""))))
    ancestors = framed_by() or "'none'"
    return (
        f"default-src 'none'; script-src 'self'; style-src 'self'; img-src {image}; connect-src 'self'; {frames}"
        f"base-uri 'none'; frame-ancestors {ancestors}; form-action {form}; require-trusted-types-for 'script'; trusted-types 'none'"
    )


SAFE_HEADERS = (("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "no-referrer"))
PAGE_HEADERS = (
    ("X-Frame-Options", "DENY"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Permissions-Policy", PERMISSIONS),
    ("Cache-Control", "no-store"),
)

FRAME_HEADERS = (
    ("Cross-Origin-Embedder-Policy", "require-corp"),
    ("Cross-Origin-Resource-Policy", "cross-origin"),
    ("Permissions-Policy", PERMISSIONS.replace("(self)", "()")),
    ("Cache-Control", "no-store"),
)
"""Of a page in a frame: an isolated page may hold it (COEP), and no key is asked for there."""


def redirection_headers(settings: Settings) -> list[tuple[str, str]]:
    """Of a redirect that no page made."""
    strict = [("Strict-Transport-Security", "max-age=63072000; includeSubDomains")] if settings.issuer.startswith("https") else []
    policy = ("Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
    return [*PAGE_HEADERS, policy, ("Vary", "Cookie"), *strict]


def add_headers(response: Response) -> Response:
    """Every answer of the page door; no view sets these, so that they are added without looking for them."""
    headers = response.headers
    if request.endpoint != "static":
        headers.extend(FRAME_HEADERS if framed_by() else PAGE_HEADERS)
        headers.add("Content-Security-Policy", _policy())
        response.vary.add("Cookie")
    headers.extend(SAFE_HEADERS)
    headers.add("X-Request-ID", g.get("request_id", ""))
    if current_app.config["MAG_ORIGIN"].startswith("https"):
        headers.add("Strict-Transport-Security", "max-age=63072000; includeSubDomains")
    if g.get("binding_is_new"):
        set_cookie(response, _binding_cookie(), g.binding, max_age=FRAME_AGE if framed_by() else None)
    return response


# --------------------------------------------------------------------------------------------------------------- refusals


def way_back(address: str) -> None:
    """Should this request be refused, the page offers to go on with the sign-in in progress."""
    g.way_back = address


def on_behalf_of(client_id: str) -> None:
    """Should this request be refused, the assistance is told through which client the person came."""
    g.client_id = client_id


def support_link(number: str) -> str:
    """Where the assistance is, told the client, the error and the trace; empty without the setting."""
    address = mag().settings.support_url
    if not address:
        return ""
    known = {"client": g.get("client_id") or request.args.get("client_id", "")[:100], "code": number, "trace": g.get("request_id", "")}
    query = urlencode({name: value for name, value in known.items() if value})
    return address + ("&" if urlsplit(address).query else "?") + query


def refusal(error: MagError) -> Response:
    """A page that says what was refused, what to do next, and what to tell the assistance."""
    known = {"incident": g.get("request_id", ""), "back": g.get("way_back", ""), "support": support_link(error.number)}
    template = g.get("refusal_page", "refus.html")
    page = render_template(template, title=error.title, text=error.public, status=error.status, number=error.number, **known)
    response = make_response(page, error.status)
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    return response


def answer_mag_error(error: MagError) -> ResponseReturnValue:
    db.session.rollback()
    logger.log(
        30 if error.status < 500 else 40,
        "refused",
        extra={
            "fields": {
                "code": error.code,
                "number": error.number,
                "status": error.status,
                "reason": str(error),
                "request_id": g.get("request_id"),
                "endpoint": request.endpoint,
            }
        },
    )
    return refusal(error)


HTTP_ERRORS = {404: UnknownPageError, 405: MethodError, 413: TooLargeError}


def answer_http_error(error: HTTPException) -> ResponseReturnValue:
    """What Flask refuses by itself; statuses without a page of their own read as a request that is not valid."""
    db.session.rollback()
    status = error.code or 500
    found = HTTP_ERRORS.get(status, InvalidRequestError)()
    found.status = status
    response = refusal(found)
    if status == 405 and (allow := dict(error.get_headers()).get("Allow")):
        response.headers["Allow"] = allow
    return response


def answer_database_error(error: DBAPIError) -> ResponseReturnValue:
    """The database went away, or would not do it in time: 503, and nothing is half done."""
    if type(error).__name__ in ("OperationalError", "InterfaceError", "InternalError"):
        return answer_mag_error(StoreUnavailableError(f"database: {type(error.orig).__name__}"))
    return answer_unknown(error)


def answer_unknown(error: Exception) -> ResponseReturnValue:
    db.session.rollback()
    logger.error("unexpected error", exc_info=error, extra={"fields": {"request_id": g.get("request_id"), "endpoint": request.endpoint}})
    if current_app.testing and current_app.config.get("PROPAGATE_EXCEPTIONS"):
        raise error
    return refusal(UnexpectedError(type(error).__name__))


def _begin() -> None:
    g.request_id = request.environ.get("mag.request_id") or secrets.token_hex(8)
    g.circumstances = circumstances.set(Circumstances(client_address(), g.request_id))
    limit = getattr(current_app.view_functions.get(request.endpoint or ""), FILE_LIMIT, 0)
    if limit:
        request.max_content_length = limit + BODY_LIMIT
    elif request.mimetype.startswith("multipart/"):
        raise HTTPException(response=refusal(FileError()))
    if not _is_readable(request.query_string) or not _is_readable(request.path.encode("utf-8", "surrogatepass")):
        raise HTTPException(response=refusal(AddressError()))
    if _holds_nul():
        raise HTTPException(response=refusal(InvalidRequestError("NUL", public="Ce formulaire contient un caractère interdit.")))


def accepts_file(limit: int) -> Callable[[View], View]:
    """A view that takes a file of that many bytes at most; every other one refuses them."""

    def mark(view: View) -> View:
        setattr(view, FILE_LIMIT, limit)
        return view

    return mark


def _holds_nul() -> bool:
    """Read before it is decoded, and kept: some endpoints read the body themselves."""
    if request.mimetype != "application/x-www-form-urlencoded":
        return False
    body = request.get_data(parse_form_data=False)
    return b"\0" in body or b"%00" in body


def _is_readable(address: bytes) -> bool:
    """UTF-8 without NUL: anything else would be read one way here and another way there."""
    try:
        address.decode()
    except UnicodeDecodeError:
        return False
    return b"\0" not in address and b"%00" not in address


def _end(_error: BaseException | None) -> None:
    if "circumstances" in g:
        circumstances.reset(g.pop("circumstances"))


def install(app: Flask, address: str) -> None:
    """Wire the edge to an application that browsers know by this address, without a trailing slash."""
    parts = urlsplit(address)
    app.config.update(MAG_ORIGIN=f"{parts.scheme}://{parts.netloc}", MAG_PATH=parts.path, SEND_FILE_MAX_AGE_DEFAULT=STATIC_AGE)
    app.config["MAX_CONTENT_LENGTH"] = BODY_LIMIT
    app.config["MAX_FORM_MEMORY_SIZE"] = BODY_LIMIT
    app.config["MAX_FORM_PARTS"] = 100
    app.before_request(_begin)
    app.after_request(add_headers)
    app.teardown_request(_end)
    app.register_error_handler(MagError, answer_mag_error)
    app.register_error_handler(HTTPException, answer_http_error)
    app.register_error_handler(DBAPIError, answer_database_error)
    app.register_error_handler(Exception, answer_unknown)
    app.jinja_env.filters["insecable"] = insecable
    app.jinja_env.globals.update(csrf_token=csrf_token, path=path, asset=asset, issuer_host=own_host, framed_by=framed_by)
