"""Mass files above the threshold, of establishments with one administrator: read, agreed to or refused. `accord.py` decides."""

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from idp import http
from idp.database import db
from idp.errors import UnknownPageError
from idp.habilitations.fichiers import accord
from idp.habilitations.fichiers.messages import summary
from idp.habilitations.fichiers.models import FichierDroits, FichierLigne
from idp.habilitations.fichiers.statuts import Etat
from idp.support import bureau
from idp.visitor import see

bp = Blueprint("bureau_fichiers", __name__)
SHOWN = 200


def _found(reference: str) -> FichierDroits:
    """Raises UnknownPageError: an administrator answers for the others."""
    found = FichierDroits.find(reference) if reference.isascii() and len(reference) <= 40 else None
    if found is None or not found.bureau or found.etat is not Etat.A_APPROUVER:
        raise UnknownPageError("file")
    return found


@bp.get("/fichiers")
def queue() -> ResponseReturnValue:
    """The oldest first."""
    bureau.operator(bureau.REVIEWS)
    rows = [(one, one.author, summary(one.bilan)) for one in FichierDroits.for_bureau(http.now())]
    return render_template("bureau/fichiers.html", rows=rows)


@bp.get("/fichiers/<reference>")
def one(reference: str) -> ResponseReturnValue:
    operator, found = bureau.operator(bureau.REVIEWS), _found(reference)
    bureau.consulted(operator, found.author)
    page = _page(found)
    db.session.commit()
    return page


def _page(found: FichierDroits, refused: str = "") -> str:
    lines = FichierLigne.page(found.id, refusee=False, after=0, limit=SHOWN)
    known = {"author": found.author, "said": summary(found.bilan), "most": SHOWN, "services": http.mag().catalogue().services}
    return render_template("bureau/fichier.html", fichier=found, lines=lines, refused=refused, **known)


@bp.post("/fichiers/<reference>/decision")
def settle(reference: str) -> ResponseReturnValue:
    """Agreed to: a job of the public application applies it. Refused: its author reads why."""
    operator, mag, now = bureau.acting(bureau.REVIEWS), http.mag(), http.now()
    found, reason = _found(reference), request.form.get("motif", "")
    if request.form.get("decision") == "accord":
        accord.accorder(found, operator.actor, now, issuer=mag.settings.issuer)
    elif request.form.get("decision") == "refus" and reason.strip():
        accord.refuser(found, operator.actor, reason, now, issuer=mag.settings.issuer)
    else:
        return _page(found, "Choisissez d'accepter, ou de refuser en disant pourquoi : l'auteur le lira."), 422
    db.session.commit()
    return see("/fichiers")
