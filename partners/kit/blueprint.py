"""The partner's side of a sign-in, as Flask routes: start, callback, session, logout, logged-out, backchannel-logout, and signals
where they are wanted; and the decorator of its pages.

Implements OpenID Connect Core section 3.1 (code flow) and 4 (third-party initiated login), RFC 7636 (S256), RFC 9207 (`iss`),
RP-Initiated Logout, Back-Channel Logout, RFC 8935 (receiver).
"""

import hmac
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec
from urllib.parse import urlencode

from flask import Blueprint, Flask, Response, after_this_request, current_app, g, jsonify, make_response, redirect, request
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict

from .account import Accounts, Record
from .answers import Answers, RefusedError, add_headers, language
from .config import KitConfig, KitConfigError
from .identity import Identity
from .origins import is_own_script, is_same_origin, same_origin_path
from .provider import EndedError, ExchangeRefusedError, MagUnavailableError, Provider
from .sealing import digest, random_text
from .sessions import Sessions, SqliteSessions
from .signals import SecurityEvent, refusal
from .tokens import ClockError, InvalidTokenError
from .transactions import LOGOUT, TRANSACTION, Mode, Transaction, Transactions, set_cookie
from .widget import Widget

P = ParamSpec("P")
SESSION = "__Host-mag-session"
HINTS = ("login_hint", "siret_hint", "prompt", "ui_locales")
"""Parameters that a link to `start` may pass on to MAG."""
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
LONGEST_BODY = 64 * 1024
"""Bytes of what is posted to the kit."""


class MagKit:
    """Signs people in. `parameters`: those of `KitConfig`. The application needs a `secret_key` of 32 characters or more."""

    def __init__(
        self,
        app: Flask | None = None,
        *,
        sessions: Sessions | None = None,
        on_event: Callable[[SecurityEvent], object] = lambda _event: None,
        **parameters: Any,
    ) -> None:
        """`on_event`: what the application does of an event, once; an exception, and MAG sends it again. Needs `signals=True`."""
        self.config = KitConfig(**parameters)
        self.provider = Provider(self.config)
        self.widget = Widget(self.config, self.provider)
        self.answers = Answers(self.config, self.widget)
        self._sessions, self._on_event = sessions or SqliteSessions(), on_event
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        if len(app.secret_key or "") < 32:
            raise KitConfigError("app.secret_key must be set: 32 random characters or more")
        secret_key = app.secret_key or ""
        self.accounts = Accounts(self.config, self.provider, self._sessions, secret_key)
        self.transactions = Transactions(secret_key)
        bp = Blueprint("mag_kit", __name__, template_folder="templates", static_folder="static", url_prefix=self.config.prefix)
        for view in (self.start, self.callback, self.session, self.logged_out):
            bp.add_url_rule("/" + view.__name__.replace("_", "-"), view_func=view, methods=["GET"])
        for view in (self.callback, self.logout, self.backchannel_logout):
            bp.add_url_rule("/" + view.__name__.replace("_", "-"), view_func=view, methods=["POST"])
        if self.config.signals:
            bp.add_url_rule("/signals", view_func=self.signals, methods=["POST"])
        bp.before_request(bound_body)
        bp.after_request(add_headers)
        app.register_blueprint(bp)
        app.register_error_handler(RefusedError, self.answers.refused)
        app.register_error_handler(MagUnavailableError, lambda error: self.answers.refused(RefusedError("indisponible", str(error))))
        app.extensions["mag_kit"] = self

    # ---------------------------------------------------------------------------------------------------------- routes

    def start(self) -> ResponseReturnValue:
        """To MAG, by the way that `mode` says. `return_to`: where to land, on this site; `flow`: what a popup answers to.

        Also OpenID Connect Core section 4 (`iss`, `target_link_uri`). Raises RefusedError, MagUnavailableError.
        """
        given = request.args
        wanted = given.get("return_to") or given.get("target_link_uri", "").removeprefix(self.config.base_url)
        transaction = Transaction.begin(
            given.get("mode", "redirect"),
            given.get("flow", ""),
            return_to=same_origin_path(wanted, self.config.home),
            lang=language(given.get("ui_locales", "")),
        )
        if transaction is None or given.get("iss", self.config.issuer) != self.config.issuer:
            raise RefusedError("invalide", "unknown mode, popup without a flow, or another issuer")
        response = self._question(transaction)
        self.transactions.keep(response, transaction)
        return response

    def _question(self, transaction: Transaction) -> Response:
        """A script of another site may not make transactions here; a link may, as all links do. FedCM has hints of its own."""
        asked = {"state": transaction.state, "nonce": transaction.nonce, "verifier": transaction.verifier}
        hints = {name: request.args[name] for name in HINTS if request.args.get(name)}
        if not transaction.mode.is_scripted:
            return make_response(redirect(self.provider.authorization_url(**asked, **hints), 303))
        if not is_same_origin(self.config.base_url):
            raise RefusedError("etrangere", "a script of another site asked to start")
        told = hints if transaction.mode is Mode.INLINE else {}
        return jsonify(callback=f"{self.config.prefix}/callback", params={**told, **self.provider.parameters(**asked)})

    def callback(self) -> ResponseReturnValue:
        """From MAG: an answer to a question this very browser asked, and once; posted by the page's script when it carried it."""
        posted = request.method == "POST"
        given = request.form if posted else request.args
        if posted and not is_own_script(self.config.base_url):
            raise RefusedError("etrangere", "an answer posted by another site")
        transaction = self.transactions.find(given.get("state", ""))
        if transaction is None or transaction.mode.is_scripted != posted:
            return self._unknown(posted)
        try:
            response = self._answered(transaction, given)
        except RefusedError as refusal:
            response = self.answers.refused(refusal, transaction)
            if refusal.kind == "indisponible":
                return response  # the page may be loaded again: MAG did not hear of the code
        set_cookie(response, TRANSACTION + transaction.state, "", 0)
        return response

    def _unknown(self, posted: bool) -> Response:
        """Too late, twice, or asked by another browser. Whoever is signed in already only went back in the history."""
        if not posted and self.accounts.read(request.cookies.get(SESSION, "")) is not None:
            return self.answers.page("deja")
        raise RefusedError("perdue", "no such transaction in this browser: over ten minutes, already used, or no cookies")

    def _answered(self, transaction: Transaction, given: "MultiDict[str, str]") -> Response:
        """Raises RefusedError."""
        if not self._is_answer(given):
            raise RefusedError("perdue", f"a parameter came twice, or iss is not MAG's: {given.get('iss', '')!r:.100}")
        if "code" in given:
            return self._signed_in(transaction, given["code"])
        error, described = given.get("error", ""), given.get("error_description", "")
        cause = f"MAG answered {error!r:.60} {described!r:.200}"
        if error == "temporarily_unavailable":
            raise RefusedError("indisponible", cause)
        raise RefusedError("annulee" if error == "access_denied" else "refusee", cause)

    def _is_answer(self, given: "MultiDict[str, str]") -> bool:
        """Each parameter once (RFC 6749 section 3.1), and MAG's own `iss` (RFC 9207 section 2.4)."""
        once = all(len(given.getlist(name)) == 1 for name in given)
        return once and hmac.compare_digest(given.get("iss", "").encode(), self.config.issuer.encode())

    def _signed_in(self, transaction: Transaction, code: str) -> Response:
        """A new session under a new name: whatever the browser presented before is worth nothing. Raises RefusedError."""
        try:
            name = self.accounts.open(code, transaction.verifier, transaction.nonce)
        except ClockError as error:
            raise RefusedError("horloge", f"is this server on time? {error}") from error
        except ExchangeRefusedError as error:
            kind = "refusee" if str(error) == "invalid_client" else "perdue"
            raise RefusedError(kind, f"the code was refused: {error}") from error
        except (InvalidTokenError, EndedError) as error:
            raise RefusedError("perdue", f"{type(error).__name__} {error}") from error
        except MagUnavailableError as error:
            raise RefusedError("indisponible", str(error)) from error
        self.accounts.end(request.cookies.get(SESSION, ""))
        response = self.answers.signed_in(transaction)
        set_cookie(response, SESSION, name)
        return response

    def session(self) -> ResponseReturnValue:
        """For scripts of the partner's own pages: whether someone is signed in, and a hint that changes with the session."""
        try:
            record = self.record()
        except MagUnavailableError:
            return jsonify(error="temporarily_unavailable"), 503
        hint = digest(str(record.id_claims.get("sid", "")))[:12] if record else None
        return jsonify(active=record is not None, sid_hint=hint)

    def logout(self) -> ResponseReturnValue:
        """Out of this site, then out of MAG, then back. Only this site's own pages may ask (the session cookie is `Lax` too)."""
        if not is_same_origin(self.config.base_url):
            return self.answers.page("etrangere")
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
        self.transactions.write(response, LOGOUT, {"state": state, "return_to": return_to})
        return response

    def logged_out(self) -> ResponseReturnValue:
        """Back from MAG: to where the sign-out was asked for, when this browser did ask."""
        state = request.args.get("state", "")
        transaction = self.transactions.read(LOGOUT, state)
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

    def signals(self) -> ResponseReturnValue:
        """From MAG itself: what happened to somebody (RFC 8935 sections 2.2 to 2.4)."""
        if request.mimetype != "application/secevent+jwt":
            return jsonify(err="invalid_request", description="application/secevent+jwt is expected"), 400
        try:
            self.accounts.signalled(request.get_data(as_text=True), self._on_event)
        except InvalidTokenError as error:
            current_app.logger.warning("security event refused: %s", error)
            return jsonify(err=refusal(error), description="the security event token is not valid"), 400
        except MagUnavailableError as error:
            current_app.logger.warning("security event not verified, MAG will send it again: %s", error)
            return jsonify(err="jws_unverified", description="try again"), 503
        return "", 202

    # ------------------------------------------------------------------------------------------------------- this page

    def record(self, *, fresh: bool = False) -> Record | None:
        """The session of this request, asked once. Raises MagUnavailableError."""
        if "mag_kit" not in g or (fresh and not g.mag_kit[1]):
            name = request.cookies.get(SESSION, "")
            g.mag_kit = (self.accounts.current(name, fresh=fresh), fresh)
            if name and g.mag_kit[0] is None:
                after_this_request(forget_session)
        return g.mag_kit[0]  # type: ignore[no-any-return]  # flask.g is untyped


def bound_body() -> None:
    """Whatever the application allows elsewhere."""
    request.max_content_length = LONGEST_BODY


def forget_session(response: Response) -> Response:
    """The browser need not keep the name of a session that is over; a new one opened meanwhile is left alone."""
    if not any(header.startswith(f"{SESSION}=") for header in response.headers.getlist("Set-Cookie")):
        set_cookie(response, SESSION, "", 0)
    return response


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
                return kit.answers.page("etrangere")
            if kit.record(fresh=fresh or is_act) is not None:
                return current_app.ensure_sync(view)(*args, **kwargs)  # type: ignore[no-any-return]  # Flask's own signature is untyped
            if is_act:
                return kit.answers.page("terminee")
            back = urlencode({"return_to": request.full_path.removesuffix("?")})
            return redirect(f"{kit.config.prefix}/start?{back}", 303)

        return guarded

    return decorate
