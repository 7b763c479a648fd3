"""Public pages of a partner's developer: the button composed by a form that GET sends, its style sheet, and where a trial ends.

Nothing secret is on them: of a client, what its own sign-in page already tells anybody.
"""

from dataclasses import dataclass

from flask import Blueprint, Response, make_response, render_template, request
from flask.typing import ResponseReturnValue

from idp import http
from idp.oidc.client import Client
from idp.oidc.responses import origin
from widget.developpeurs.contraste import ink, measured
from widget.developpeurs.forms import COLOURS, LABELS, MODES, Choix
from widget.releases import releases, tag

bp = Blueprint("developpeurs", __name__, template_folder="templates")
SERVERS = {"flask": "Flask (le kit)", "php": "PHP", "node": "Node.js"}
TOLD = ("mode", "flow", "return_to", "login_hint", "domain_hint")
"""Parameters that the button sends to `start`, and that the trial shows."""


@dataclass(frozen=True, slots=True)
class Faits:
    """What anybody may know of a client."""

    nom: str
    host: str
    origins: tuple[str, ...]

    @classmethod
    def of(cls, client: Client) -> "Faits":
        return cls(client.client_name, client.host, tuple(dict.fromkeys(origin(uri) for uri in client.redirect_uris)))


@bp.get("/developpeurs/widget")
def composer() -> ResponseReturnValue:
    """The button as it is chosen, and what to copy."""
    choix, settings, release = Choix.parse(request.args), http.mag().settings, releases()[0]
    client = http.mag().registry.find(choix.client) if choix.client else None
    return render_template(
        "developpeurs/widget.html",
        choix=choix,
        colours=COLOURS,
        labels=LABELS,
        modes=MODES,
        servers=SERVERS,
        server=request.args.get("serveur") if request.args.get("serveur") in SERVERS else "flask",
        client=Faits.of(client) if client else None,
        measures=measured(choix.couleurs),
        release=release,
        tag=tag(settings.issuer, release),
        settings=settings,
        query=request.query_string.decode("ascii", "replace"),
    )


@bp.get("/developpeurs/widget.css")
def style() -> ResponseReturnValue:
    """The chosen colours as a style sheet: pages of MAG hold no style of their own (Content-Security-Policy)."""
    choix = Choix.parse(request.args)
    page = choix.couleurs.get("page", "")
    response = make_response(render_template("developpeurs/widget.css", choix=choix, page=page, ink=ink(page) if page else ""))
    response.mimetype = "text/css"
    return response


@bp.get("/developpeurs/widget/essai")
def trial() -> ResponseReturnValue:
    """Where the button of the page leads: a partner's server would ask MAG for a sign-in. A script learns that nothing starts here."""
    if request.args.get("mode") in ("fedcm", "inline"):
        return Response("{}", mimetype="application/json")
    told = {name: request.args[name][:200] for name in TOLD if request.args.get(name)}
    return render_template("developpeurs/essai.html", told=told, popup=told.get("mode") == "popup")
