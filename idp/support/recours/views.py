"""Recoveries by the assistance: a first operator verifies and proposes, another confirms. `authentication/recours` decides."""

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from idp import http
from idp.authentication.recours import accords
from idp.authentication.recours.accords import ChecksMissingError
from idp.authentication.recours.models import Recours
from idp.authentication.recours.voies import CHECKS, Check, Etape
from idp.database import db
from idp.entreprises.models import Etablissement
from idp.support import bureau
from idp.support.models import Operateur
from idp.visitor import see

bp = Blueprint("bureau_recours", __name__)
ETAPES = {
    Etape.OUVERT: "À vérifier",
    Etape.PROPOSE: "À confirmer par un second opérateur",
    Etape.CONFIRME: "Accord donné, délai en cours",
    Etape.REMIS: "Lien remis",
}


@bp.get("/recours")
def queue() -> ResponseReturnValue:
    """What is under way, the oldest first."""
    me = bureau.operator(bureau.PEOPLE)
    return render_template("bureau/recours_liste.html", rows=Recours.for_operators(http.now()), etapes=ETAPES, me=me)


@bp.get("/recours/<int(max=2147483647):recours_id>")
def one(recours_id: int) -> ResponseReturnValue:
    me = bureau.operator(bureau.PEOPLE)
    _, declarant = accords.for_operator(recours_id, http.now())
    bureau.consulted(me, declarant)
    page = _page(recours_id, me, "", frozenset())
    db.session.commit()
    return page


def _page(recours_id: int, me: Operateur, refused: str, ticked: frozenset[str]) -> str:
    recours, declarant = accords.for_operator(recours_id, http.now())
    place = Etablissement.find(declarant.siret)
    return render_template(
        "bureau/recours.html",
        recours=recours,
        person=declarant,
        place=place.carte() if place else None,
        etapes=ETAPES,
        checks=CHECKS,
        Etape=Etape,
        refused=refused,
        ticked=ticked,
        beside=Recours.beside(recours, http.now()),
        mine=recours.proposed_by == me.actor,
    )


@bp.post("/recours/<int(max=2147483647):recours_id>/proposer")
def propose(recours_id: int) -> ResponseReturnValue:
    """All the checks, each ticked."""
    me = bureau.acting(bureau.PEOPLE)
    recours, _ = accords.for_operator(recours_id, http.now())
    ticked = frozenset(request.form.getlist("verification")[:10]) & {check.value for check in Check}
    try:
        accords.propose(recours, me.actor, [Check(one) for one in sorted(ticked)], http.now())
    except ChecksMissingError as error:
        return _page(recours_id, me, error.public, ticked), error.status
    db.session.commit()
    return see(f"/recours/{recours_id}")


@bp.post("/recours/<int(max=2147483647):recours_id>/confirmer")
def confirm(recours_id: int) -> ResponseReturnValue:
    """By another operator than the one who proposed."""
    me, mag = bureau.acting(bureau.PEOPLE), http.mag()
    recours, _ = accords.for_operator(recours_id, http.now())
    accords.confirm(mag.settings, recours, me.actor, http.now())
    db.session.commit()
    return see(f"/recours/{recours_id}")


@bp.post("/recours/<int(max=2147483647):recours_id>/refuser")
def refuse(recours_id: int) -> ResponseReturnValue:
    me, mag = bureau.acting(bureau.PEOPLE), http.mag()
    recours, _ = accords.for_operator(recours_id, http.now())
    accords.refuse(mag.settings, recours, me.actor, http.now())
    db.session.commit()
    return see("/recours")
