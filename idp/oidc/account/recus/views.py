"""/verifier: anybody who was given a receipt learns whether MAG signed it, and when. Tells nothing that the receipt does not say."""

from flask import Blueprint, make_response, render_template, request
from flask.typing import ResponseReturnValue

from idp import http
from idp.authentication.throttle import Attempt
from idp.config import HOUR
from idp.declarants.parcours import recu
from idp.ephemeral import Counter
from idp.errors import RefusedError
from idp.notifications.messages import in_words
from idp.oidc import receipts
from idp.oidc.receipts import LONGEST, Proof

bp = Blueprint("recus", __name__, template_folder="../../templates")
CSRF = "verifier"
TRIES = 120
"""Receipts that one network may show in an hour."""


class TooManyReceiptsError(RefusedError):
    """One network shows far too many receipts."""

    code = "recus_freines"
    number = "M500501"
    remedy = "Réessayez dans une heure."
    status = 429
    public = "Trop de comptes rendus ont été vérifiés depuis votre réseau. Réessayez dans une heure."
    retry_after = HOUR


@bp.get("/verifier")
def ask() -> ResponseReturnValue:
    return render_template("recus/verifier.html", text="", said=None, refused="", csrf=http.csrf_token(CSRF))


@bp.post("/verifier")
def verify() -> ResponseReturnValue:
    """As it was pasted: spaces and new lines are not part of it."""
    http.way_back(http.path("/verifier"))
    http.check_csrf(CSRF)
    block = Attempt("", http.client_address()).blocks[0]
    if http.mag().ephemeral.count(Counter(f"recu:{block}", HOUR))[0] > TRIES:
        raise TooManyReceiptsError(block)
    text, mag = request.form.get("recu", ""), http.mag()
    found = receipts.genuine(mag.keyring.published(), mag.settings.issuer, text)
    page = render_template(
        "recus/verifier.html",
        text="" if found else text[:LONGEST],
        said=found.facts if found else None,
        signed=in_words(recu.instant(found.claims["iat"])) if found else "",
        by_copy=found is not None and found.proof is Proof.COPIE,
        refused=not found,
        csrf=http.csrf_token(CSRF),
    )
    return make_response(page, 200 if found else 422)
