"""Pages of a portal: the first page, the space of whoever is signed in, the two acts that rights open, and a bench to try MAG's button.

Served by any WSGI server: `partners.portals.views:create`, with the path of a settings file in `PORTAIL`.
"""

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Response, current_app, render_template, request
from flask.typing import ResponseReturnValue
from markupsafe import Markup

from partners.kit import MagKit, SqliteSessions, current_identity, require_mag
from partners.kit.signals import PURGED, SecurityEvent
from partners.portals.comptes import Comptes, today
from partners.portals.essais import LABELS, LANGUAGES, MODES, ROUNDINGS, Essai
from partners.portals.portail import Acte, Portail, Tranche, matching, rows, unbroken, written

POLICY = (
    "default-src 'none'; script-src 'self' {mag}; connect-src 'self' {mag}; frame-src {mag}; style-src 'self'; img-src 'self'; "
    "form-action 'self' {mag}; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
"""MAG's button needs its script; to speak to MAG (`connect-src`) for FedCM alone; to hold its frame (`frame-src`) for `inline` alone."""
ACT_NAMES = {"declarer": "déclarer", "payer": "payer"}


def create() -> Flask:
    return create_portal(Portail.read(Path(os.environ["PORTAIL"]).read_text("utf-8")))


def create_portal(portail: Portail) -> Flask:
    """One portal, as a WSGI application."""
    app = Flask(__name__)
    app.secret_key = portail.secret_key
    app.config["MAX_CONTENT_LENGTH"] = 16 * 1024
    app.jinja_env.globals.update(portail=portail, written=written)
    comptes = Comptes(portail.sessions)
    kit = MagKit(app, sessions=SqliteSessions(portail.sessions), on_event=lambda event: told(comptes, event), **portail.kit)
    app.jinja_env.globals.update(kit=kit.config, widget=kit.widget)
    app.after_request(lambda response: add_headers(response, kit.config.issuer))
    app.register_error_handler(404, lambda _error: refusal(404, "Page introuvable", "Cette page n'existe pas."))
    app.register_error_handler(403, lambda _error: refusal(403, "Action refusée", "Cette demande ne vient pas d'une page de ce site."))
    app.jinja_env.filters["insecable"] = lambda text: Markup(unbroken(text))  # noqa: S704  # the text is a part of a page
    app.add_url_rule("/", view_func=home)
    app.add_url_rule("/espace", view_func=space)
    app.add_url_rule("/acte", view_func=act, methods=["POST"])
    app.add_url_rule("/essais", view_func=trials)
    app.add_url_rule("/essais.css", view_func=trial_style)
    app.extensions["portail"], app.extensions["comptes"] = portail, comptes
    return app


def told(comptes: Comptes, event: SecurityEvent) -> None:
    """MAG says what happened to somebody; the kit ended their sessions already."""
    if event.kind == PURGED:
        comptes.drop(event.sub)


def add_headers(response: Response, issuer: str) -> Response:
    """Scripts of this site and of MAG alone, none in a page; forms may end at MAG (sign-out). The kit's own pages have their own."""
    parts = urlsplit(issuer)
    response.headers.setdefault("Content-Security-Policy", POLICY.format(mag=f"{parts.scheme}://{parts.netloc}"))
    response.headers.setdefault("Referrer-Policy", "same-origin")
    response.headers["X-Content-Type-Options"] = "nosniff"
    if request.endpoint != "static":
        response.headers["Cache-Control"] = "no-store"
    return response


def refusal(status: int, title: str, text: str) -> ResponseReturnValue:
    return render_template("portails/refus.html", title=title, text=text, personne=None), status


def home() -> ResponseReturnValue:
    return render_template("portails/accueil.html", personne=current_identity(), attributes=button())


def button(**more: str | None) -> dict[str, str | None]:
    """Attributes of the button, on a page that leads to the space."""
    kit: MagKit = current_app.extensions["mag_kit"]
    config = kit.config
    start, session = f"{config.prefix}/start", f"{config.prefix}/session"
    return {"client-id": config.client_id, "start": start, "session": session, "return-to": "/espace", **more}


@require_mag()
def space() -> ResponseReturnValue:
    """Who is signed in, for which company, and what may be done for which establishments.

    The button is there too, unseen: it shows itself the day the session ends.
    """
    identity, portail = current_identity(), _portail()
    assert identity is not None  # noqa: S101  # the decorator sees to it
    lines, search = rows(portail, identity.habilitations.groups), request.args.get("recherche", "")[:100]
    tranche = Tranche.of(list(matching(lines, search)), request.args.get("page", ""))
    watch = button(**{"class": "veille", "heartbeat": None, "signed-in": None})
    since = current_app.extensions["comptes"].met(identity.sub, today())
    shown = {"since": since, "tranche": tranche, "recherche": search, "total": len(lines), "attributes": watch}
    return render_template("portails/espace.html", personne=identity, **shown)


def trials() -> ResponseReturnValue:
    """Every choice that the button leaves to a partner, and what it tells the page."""
    essai = Essai.read(request.args)
    choices = {"modes": MODES, "labels": LABELS, "languages": LANGUAGES, "roundings": ROUNDINGS}
    return render_template(
        "portails/essais.html", personne=current_identity(), essai=essai, attributes=button(**essai.attributes), **choices
    )


def trial_style() -> ResponseReturnValue:
    """The colours of a trial, as a sheet: no page has a style of its own."""
    return Response(Essai.read(request.args).style, mimetype="text/css")


@require_mag()
def act() -> ResponseReturnValue:
    """« Déclarer » or « Payer »: the button was shown, which proves nothing; the right is asked again, now."""
    identity, portail = current_identity(), _portail()
    assert identity is not None  # noqa: S101  # the decorator sees to it
    asked = Acte.parse(request.form.get("acte", ""), portail)
    if asked is None:
        return refusal(400, "Demande non valide", "Cette demande n'est pas valable. Revenez à votre espace et recommencez.")
    done = identity.peut(asked.acte, asked.service.code, asked.cible)
    page = render_template("portails/acte.html", personne=identity, asked=asked, verbe=ACT_NAMES[asked.acte], done=done)
    return page, 200 if done else 403


def _portail() -> Portail:
    found: Any = current_app.extensions["portail"]
    return found  # type: ignore[no-any-return]  # Flask's extension dict is untyped
