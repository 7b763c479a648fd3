"""How a request of the kit is answered: a redirect, a page, the last page of a popup, or a few words for a script.

A refusal is told three times over: to the person in plain words, to the script by a code, to the application's journal with
its cause. The same reference is in all three. No token, no code and no secret is in any.
"""

import json
import logging
import secrets
from typing import Any
from urllib.parse import urlsplit

from flask import Response, current_app, jsonify, make_response, redirect, render_template, request

from .config import KitConfig
from .transactions import Mode, Transaction
from .widget import Widget
from .words import KINDS, LANGUAGES, LINKS

PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; font-src 'self'; form-action 'self' {mag}; base-uri 'none'; "
    "frame-ancestors 'none'"
)
"""A form may end at MAG: that is how one signs out."""
POPUP_POLICY = (
    "default-src 'none'; script-src {mag}; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)


class RefusedError(Exception):
    """A request that is not granted: the `kind` of page, and the cause, for the journal alone."""

    def __init__(self, kind: str, cause: str, error: str = "") -> None:
        super().__init__(cause)
        self.kind, self.error = kind, error or KINDS[kind].error
        self.reference = secrets.token_hex(4)

    def log(self) -> None:
        """What a person decided, or a link that anybody wrote, is no worry of whoever runs the site."""
        level = logging.INFO if self.kind in ("annulee", "invalide") else logging.WARNING
        current_app.logger.log(level, "MAG sign-in %s [%s]: %s", self.error, self.reference, self)


def language(asked: str = "") -> str:
    """Of what was asked, then of what the browser prefers."""
    for tag in asked.lower().split():
        if tag[:2] in LANGUAGES:
            return tag[:2]
    return request.accept_languages.best_match(LANGUAGES) or "fr"


class Answers:
    """Answers in the partner's name."""

    def __init__(self, config: KitConfig, widget: Widget) -> None:
        self._config, self._widget = config, widget
        issuer = urlsplit(config.issuer)
        self._mag = f"{issuer.scheme}://{issuer.netloc}"

    def signed_in(self, transaction: Transaction) -> Response:
        """The session is open: to where the person was going."""
        if transaction.mode is Mode.POPUP:
            return self._popup("connecte", transaction, {"return_to": transaction.return_to})
        if transaction.mode.is_scripted:
            return jsonify(return_to=transaction.return_to)
        return make_response(redirect(transaction.return_to, 303))

    def refused(self, refusal: RefusedError, transaction: Transaction | None = None) -> Response:
        """In the way that whoever asked can read."""
        refusal.log()
        if is_read_by_script():
            return make_response(jsonify(error=refusal.error, correlation_id=refusal.reference), max(400, KINDS[refusal.kind].status))
        if transaction and transaction.mode is Mode.POPUP:
            return self._popup(refusal.kind, transaction, {"error": refusal.error, "correlation_id": refusal.reference})
        return self.page(refusal.kind, transaction, refusal.reference)

    def page(self, kind: str, transaction: Transaction | None = None, reference: str = "", **more: Any) -> Response:
        """A page that says what happened and what to do; the application may bring its own `mag_kit/refus.html`."""
        lang = transaction.lang if transaction else language(request.args.get("ui_locales", ""))
        config = self._config
        shown = {"kind": kind, "lang": lang, "words": KINDS[kind].words(lang), "links": LINKS[lang], "reference": reference}
        where = {"start": f"{config.prefix}/start", "home": config.home, "onward": config.home}
        if transaction:
            where["onward"] = transaction.return_to
        template = "mag_kit/fenetre.html" if more else "mag_kit/refus.html"
        response = make_response(render_template(template, **shown, **where, **more), KINDS[kind].status)
        response.headers["Content-Security-Policy"] = PAGE_POLICY.format(mag=self._mag)
        return response

    def _popup(self, kind: str, transaction: Transaction, message: dict[str, str]) -> Response:
        """The last page of a popup: MAG's script passes the message on to the page that opened it, and closes the window."""
        told = json.dumps({"flow": transaction.flow, **message}).replace("<", "\\u003c")
        response = self.page(kind, transaction, message.get("correlation_id", ""), message=told, done=self._widget.done)
        response.headers["Content-Security-Policy"] = POPUP_POLICY.format(mag=self._mag)
        return response


def is_read_by_script() -> bool:
    """Whether the page's own script asked the kit, and reads the answer."""
    if request.endpoint == "mag_kit.callback":
        return request.method == "POST"
    return request.endpoint == "mag_kit.start" and request.args.get("mode") in (Mode.FEDCM, Mode.INLINE)


def add_headers(response: Response) -> Response:
    """Nothing of the kit is kept or sniffed, and the address of its pages is told to nobody."""
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
