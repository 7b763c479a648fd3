"""/compte/logiciels: software that acts in one's name, and a way to take each back."""

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from idp import http, visitor
from idp.database import db
from idp.oidc.account.logiciels.liste import logiciels, retirer
from idp.oidc.families import guard_of_family
from idp.oidc.rights import known_services
from idp.visitor import see

bp = Blueprint("logiciels", __name__, template_folder="../../templates")


@bp.get("/compte/logiciels")
def mine() -> ResponseReturnValue:
    found, mag = visitor.required(), http.mag()
    return render_template(
        "logiciels/liste.html",
        logiciels=logiciels(mag.registry, found.person, known_services(mag.catalogue()), http.now()),
        withdrawn="retrait" in request.args,
        csrf=http.csrf_token(f"logiciels|{found.session.sid}"),
    )


@bp.post("/compte/logiciels")
def withdraw() -> ResponseReturnValue:
    """Twice does nothing more; another person's does not exist."""
    found, mag = visitor.required(), http.mag()
    http.check_csrf(f"logiciels|{found.session.sid}")
    family_id = request.form.get("logiciel", "")[:32]
    if not retirer(found.person, family_id, http.now()):
        return see("/compte/logiciels")
    db.session.commit()
    mag.ephemeral.end(guard_of_family(family_id), lifetime=mag.settings.access_token_lifetime + 60)
    return see("/compte/logiciels", retrait="1")
