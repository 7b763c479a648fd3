"""Cards that are said to be false, the latest first, as the journal has them. The directory is corrected elsewhere."""

from datetime import timedelta

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from idp import http
from idp.audit.models import AuditEvent
from idp.declarants.parcours.events import CardContested
from idp.entreprises.models import Etablissement
from idp.entreprises.siret import Siret
from idp.support import bureau

bp = Blueprint("bureau_fiches", __name__)
PAGE, KEPT = 25, timedelta(days=90)


@bp.get("/fiches")
def contested() -> ResponseReturnValue:
    """Where the directory seems wrong, and who says so."""
    bureau.operator(bureau.REVIEWS)
    text = request.args.get("avant", "")
    before = int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None
    found = AuditEvent.of_kind(CardContested.__name__, http.now() - KEPT, before=before, limit=PAGE + 1)
    rows = [(event, siret, Etablissement.find(siret)) for event in found[:PAGE] for siret in [Siret.of(event.siret or 0)]]
    following = found[PAGE - 1].id if len(found) > PAGE else None
    return render_template("bureau/fiches.html", rows=rows, following=following)
