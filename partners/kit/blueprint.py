"""The partner's side of a sign-in, as Flask routes: start, callback, session, logout, logged-out, backchannel-logout; and the
decorator of its pages.

Implements OpenID Connect Core section 3.1 (code flow) and 4 (third-party initiated login), RFC 7636 (S256), RFC 9207 (`iss`),
RP-Initiated Logout, Back-Channel Logout. Each sign-in in progress has a cookie of its own, so several tabs do not disturb each other.
"""

import hmac
import re
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, ParamSpec
from urllib.parse import urlencode

from flask import (
    Blueprint,
    Flask,
    Response,
    abort,
    after_this_request,
    current_app,
    g,
    jsonify,
    make_response,
    redirect,
    render_template,
    request,
)
from flask.typing import ResponseReturnValue

from .account import Accounts, Record
from .config import KitConfig, KitConfigError
from .identity import Identity
from .provider import EndedError, ExchangeRefusedError, MagUnavailableError, Provider
from .sealing import Box, digest, random_text
from .sessions import Sessions, SqliteSessions
from .tokens import InvalidTokenError

P = ParamSpec("P")
SESSION = "__Host-mag-session"
TRANSACTION = "__Host-mag-tx-"
LOGOUT = "__Host-mag-out-"
TRANSACTION_LIFETIME = 600
TRANSACTIONS_KEPT = 5
"""Sign-ins in progress in one browser; more would make its cookies too long for servers."""
STATE = re.compile(r"[A-Za-z0-9_-]{43}")
HINTS = ("login_hint", "siret_hint", "prompt", "ui_locales")
"""Parameters that a link to `start` may pass on to MAG."""
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


class MagKit:
    """Signs people in. `parameters`: those of `KitConfig`. The application needs a `secret_key` of 32 characters or more."""

    def __init__(self, app: Flask | None = None, *, sessions: Sessions | None = None, **parameters: Any) -> None:
        self.config = KitConfig(**parameters)
        self.provider = Provider(self.config)
        self._sessions = sessions or SqliteSessions()
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        if len(app.secret_key or "") < 32:
            raise KitConfigError("app.secret_key must be set: 32 random characters or more")
        secret_key = app.secret_key or ""
        self.accounts = Accounts(self.config, self.provider, self._sessions, secret_key)
        self.box = Box(secret_key, "transaction")
        bp = Blueprint("mag_kit", __name__, template_folder="templates", url_prefix=self.config.prefix)
        for view in (self.start, self.callback, self.session, self.logged_out):
            bp.add_url_rule("/" + view.__name__.replace("_", "-"), view_func=view, methods=["GET"])
        bp.add_url_rule("/logout", view_func=self.logout, methods=["POST"])
        bp.add_url_rule("/backchannel-logout", view_func=self.backchannel_logout, methods=["POST"])
        bp.after_request(no_store)
        app.register_blueprint(bp)
        app.register_error_handler(MagUnavailableError, lambda _error: page(503, "indisponible"))
        app.extensions["mag_kit"] = self

    # ---------------------------------------------------------------------------------------------------------- routes

    def start(self) -> ResponseReturnValue:
        """To MAG. `return_to`: where to land, on this site. Also OpenID Connect Core section 4 (`iss`, `target_link_uri`)."""
        if request.args.get("iss", self.config.issuer) != self.config.issuer or request.args.get("mode", "redirect") != "redirect":
            return page(400, "invalide")
        wanted = request.args.get("return_to") or request.args.get("target_link_uri", "").removeprefix(self.config.base_url)
        state, nonce, verifier = random_text(), random_text(), random_text(48)
        hints = {name: request.args[name] for name in HINTS if request.args.get(name)}
        response = make_response(redirect(self.provider.authorization_url(state=state, nonce=nonce, verifier=verifier, **hints), 303))
        value = {"state": state, "nonce": nonce, "verifier": verifier, "return_to": same_origin_path(wanted, self.config.home)}
        set_cookie(response, TRANSACTION + state, self.box.seal(value, TRANSACTION_LIFETIME), TRANSACTION_LIFETIME)
        self._forget_old_transactions(response)
        return response

    def _forget_old_transactions(self, response: Response) -> None:
        names = [name for name in request.cookies if name.startswith((TRANSACTION, LOGOUT))]
        for name in names[:max(0, len(names) - TRANSACTIONS_KEPT + 1)]:
            set_cookie(response, name, "", 0)

    def callback(self) -> ResponseReturnValue:
        """From MAG: an answer to a question this very browser asked, and once."""
        state = request.args.get("state", "")
        transaction = self._transaction(TRANSACTION, state)
        if transaction is None or not self._is_answer():
            return page(400, "perdue")
        response = self._signed_in(transaction) if "code" in request.args else self._refused(request.args.get("error", ""))
        set_cookie(response, TRANSACTION + state, "", 0)
        return response

    def _transaction(self, kind: str, unverified_state: str) -> Mapping[str, str] | None:
        """What the cookie of this state holds."""
        if not STATE.fullmatch(unverified_state):
            return None
        value = self.box.open(request.cookies.get(kind + unverified_state, ""))
        return value if value and hmac.compare_digest(value["state"], unverified_state) else None

    def _is_answer(self) -> bool:
        """Each parameter once (RFC 6749 section 3.1), and MAG's own `iss` (RFC 9207 section 2.4)."""
        once = all(len(request.args.getlist(name)) == 1 for name in request.args)
        return once and hmac.compare_digest(request.args.get("iss", "").encode(), self.config.issuer.encode())

    def _signed_in(self, transaction: Mapping[str, str]) -> Response:
        """A new session under a new name: whatever the browser presented before is worth nothing."""
        try:
            name = self.accounts.open(request.args["code"], transaction["verifier"], transaction["nonce"])
        except (ExchangeRefusedError, InvalidTokenError, EndedError) as error:
            current_app.logger.warning("MAG sign-in refused: %s %s", type(error).__name__, error)
            return page(400, "perdue")
        self.accounts.end(request.cookies.get(SESSION, ""))
        response = make_response(redirect(transaction["return_to"], 303))
        set_cookie(response, SESSION, name)
        return response

    def _refused(self, unverified_error: str) -> Response:
        """RFC 6749 section 4.1.2.1: the person gave up, or MAG could not."""
        current_app.logger.info("MAG answered an error: %.60r", unverified_error)
        return page(200 if unverified_error == "access_denied" else 400, "annulee" if unverified_error == "access_denied" else "refusee")

    def session(self) -> ResponseReturnValue:
        """For scripts of the partner's own pages: whether someone is signed in, and a hint that changes with the session."""
        record = self.record()
        hint = digest(str(record.id_claims.get("sid", "")))[:12] if record else None
        return jsonify(active=record is not None, sid_hint=hint)

    def logout(self) -> ResponseReturnValue:
        """Out of this site, then out of MAG, then back. Only this site's own pages may ask (the session cookie is `Lax` too)."""
        if not is_same_origin(self.config.base_url):
            abort(403)
        record = self.accounts.read(request.cookies.get(SESSION, ""))
        self.accounts.end(request.cookies.get(SESSION, ""))
        wanted = same_origin_path(request.form.get("return_to", ""), self.config.home)
        if record is None:
            response = make_response(redirect(wanted, 303))
        else:
            self.provider.revoke(record.tokens.refresh_token)
            response = self._to_mag_logout(record, wanted)
        set_cookie(response, SESSION, "", 0)
        return response

    def _to_mag_logout(self, record: Record, return_to: str) -> Response:
        """RP-Initiated Logout section 2."""
        state = random_text()
        response = make_response(redirect(self.provider.logout_url(record.tokens.id_token, state), 303))
        value = {"state": state, "return_to": return_to}
        set_cookie(response, LOGOUT + state, self.box.seal(value, TRANSACTION_LIFETIME), TRANSACTION_LIFETIME)
        return response

    def logged_out(self) -> ResponseReturnValue:
        """Back from MAG: to where the sign-out was asked for, when this browser did ask."""
        state = request.args.get("state", "")
        transaction = self._transaction(LOGOUT, state)
        response = redirect(transaction["return_to"] if transaction else self.config.home, 303)
        if transaction:
            set_cookie(response, LOGOUT + state, "", 0)
        return response

    def backchannel_logout(self) -> ResponseReturnValue:
        """From MAG itself, not from a browser: a session ended (Back-Channel Logout sections 2.5 to 2.8)."""
        given = request.form.getlist("logout_token")
        try:
            if len(given) != 1:
                raise InvalidTokenError("logout_token must come once")
            self.accounts.told(given[0])
        except InvalidTokenError as error:
            current_app.logger.warning("logout token refused: %s", error)
            return jsonify(error="invalid_request", error_description="the logout token is not valid"), 400
        except MagUnavailableError as error:
            current_app.logger.warning("logout token not verified, MAG will send it again: %s", error)
            return jsonify(error="temporarily_unavailable"), 503
        return "", 200

    # ------------------------------------------------------------------------------------------------------- this page

    def record(self, *, fresh: bool = False) -> Record | None:
        """The session of this request, asked once. Raises MagUnavailableError."""
        if "mag_kit" not in g or (fresh and not g.mag_kit[1]):
            name = request.cookies.get(SESSION, "")
            g.mag_kit = (self.accounts.current(name, fresh=fresh), fresh)
            if name and g.mag_kit[0] is None:
                after_this_request(forget_session)
        return g.mag_kit[0]  # type: ignore[no-any-return]  # flask.g is untyped


def page(status: int, kind: str) -> Response:
    """A page that says what happened and what to do; the application may bring its own `mag_kit/refus.html`."""
    config = _kit().config
    return make_response(render_template("mag_kit/refus.html", kind=kind, start=f"{config.prefix}/start", home=config.home), status)


def no_store(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def set_cookie(response: Any, name: str, value: str, max_age: int | None = None) -> None:
    """`__Host-`: Secure, this host alone, whole site."""
    response.set_cookie(name, value, max_age=max_age, secure=True, httponly=True, samesite="Lax", path="/")


def forget_session(response: Response) -> Response:
    """The browser need not keep the name of a session that is over; a new one opened meanwhile is left alone."""
    if not any(header.startswith(f"{SESSION}=") for header in response.headers.getlist("Set-Cookie")):
        set_cookie(response, SESSION, "", 0)
    return response


def same_origin_path(unverified: str, default: str) -> str:
    """A path of this very site, or the default: never `//evil`, `/\\evil`, `javascript:…`, nor what browsers would read as such."""
    text = unverified if len(unverified) <= 1000 and unverified.isascii() and unverified.isprintable() else ""
    is_path = text.startswith("/") and not text.startswith("//") and "\\" not in text and " " not in text
    return text if is_path else default


def is_same_origin(origin: str) -> bool:
    """Whether this request comes from a page of this site, as browsers say: the first header if they send it, else the second."""
    site = request.headers.get("Sec-Fetch-Site")
    return site in ("same-origin", "none") if site is not None else request.headers.get("Origin", origin) == origin


def _kit() -> MagKit:
    kit: MagKit = current_app.extensions["mag_kit"]
    return kit


def current_identity() -> Identity | None:
    """Who is signed in here, as MAG sees it now; None when nobody is."""
    kit = _kit()
    record = kit.record()
    return kit.accounts.identity(record) if record else None


def require_mag(*, fresh: bool = False) -> Callable[[Callable[P, ResponseReturnValue]], Callable[P, ResponseReturnValue]]:
    """For pages of people who are signed in: others are sent to MAG and come back to the page.

    A POST is accepted from this site's own pages alone, and always asks MAG again; so does a page with `fresh`.
    """

    def decorate(view: Callable[P, ResponseReturnValue]) -> Callable[P, ResponseReturnValue]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
            kit, is_act = _kit(), request.method not in SAFE_METHODS
            if is_act and not is_same_origin(kit.config.base_url):
                abort(403)
            if kit.record(fresh=fresh or is_act) is not None:
                return current_app.ensure_sync(view)(*args, **kwargs)  # type: ignore[no-any-return]  # Flask's own signature is untyped
            if is_act:
                return page(401, "terminee")
            back = urlencode({"return_to": request.full_path.removesuffix("?")})
            return redirect(f"{kit.config.prefix}/start?{back}", 303)

        return guarded

    return decorate
