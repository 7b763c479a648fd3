"""Pages that people read around the button: what MAG is, and the windows that the browser opens for FedCM.

These windows are top-level: the session's own cookie reaches them, and what they tell the browser counts (`Set-Login`).
"""

from collections.abc import Mapping

from flask import Blueprint, make_response, render_template, request
from flask.typing import ResponseReturnValue

from idp import visitor
from idp.arrival import show_session

bp = Blueprint("widget", __name__, template_folder="templates")
DONE = "/fedcm/fini"
EXPLAINED: Mapping[str, tuple[str, str]] = {
    "access_denied": (
        "Ce compte ne peut pas être utilisé ici",
        "La session qui l'avait ouvert a changé ou s'est terminée. Revenez au site, puis choisissez à nouveau votre compte.",
    ),
    "temporarily_unavailable": (
        "Trop de demandes en peu de temps",
        "Attendez une minute, puis recommencez depuis le site.",
    ),
    "login_required": (
        "Une nouvelle connexion est nécessaire",
        "Le site demande que vous veniez de vous connecter. Revenez-y et utilisez le lien « Se connecter avec MAG ».",
    ),
}
OTHERWISE = (
    "Ce site n'a pas fait une demande valable",
    "MAG ne peut pas vous y connecter de cette façon : ce n'est pas vous qui vous êtes trompé. Prévenez l'assistance du site.",
)


@bp.get("/qu-est-ce-que-mag")
def what_is_mag() -> ResponseReturnValue:
    """Where the link beside every button leads."""
    return render_template("widget/mag.html")


@bp.get("/fedcm/connexion")
def sign_in() -> ResponseReturnValue:
    """Opened by the browser when nobody is signed in as far as it knows, or when another account is wanted.

    Whoever is signed in all the same says so, or chooses.
    """
    where = "/connexion/choix" if visitor.current() is not None else "/connexion"
    return visitor.see(where, demande=visitor.sealed(DONE, {}, request.args.get("login_hint", "")[:100]))


@bp.get(DONE)
def signed_in() -> ResponseReturnValue:
    """The browser asks for the accounts again, and this window closes."""
    signed_in = visitor.current() is not None
    response = make_response(render_template("oidc/navigateur.html", account="", fields={}, signed_in=signed_in))
    if signed_in:
        show_session(response)
    return response


@bp.get("/fedcm/continue")
def go_on() -> ResponseReturnValue:
    """A choice that needs a page: the request waits at the authorization endpoint, which says so when it waits no more."""
    return visitor.see("/authorize", **{name: request.args.get(name, "") for name in ("client_id", "request_uri")})


@bp.get("/fedcm/aide")
def explain() -> ResponseReturnValue:
    """Where the browser's own error window leads."""
    title, text = EXPLAINED.get(request.args.get("erreur", ""), OTHERWISE)
    return render_template("widget/aide.html", title=title, text=text, trace=request.args.get("trace", "")[:40])
