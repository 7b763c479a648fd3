"""Second factors said lost: the queue of those that wait for somebody's agreement, and what an operator does about one."""

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from idp import http
from idp.authentication.factors import brake, losses
from idp.authentication.factors.models import FactorLoss
from idp.authentication.recours.accords import ChecksMissingError
from idp.authentication.session import close_every_session
from idp.database import db
from idp.declarants.models import Declarant
from idp.entreprises.models import Etablissement
from idp.errors import NotFoundError
from idp.oidc.backchannel.notices import tell_of_person
from idp.support import bureau, pertes
from idp.support.facts import by
from idp.support.models import Operateur
from idp.support.pertes import VERIFICATIONS, FileMissingError
from idp.visitor import see

bp = Blueprint("bureau_facteurs", __name__)
PAGE = 25


@bp.get("/facteurs")
def queue() -> ResponseReturnValue:
    """What waits for an agreement, the oldest first."""
    me, text = bureau.operator(bureau.PEOPLE), request.args.get("apres", "")
    after = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
    found = FactorLoss.awaiting(http.now(), after=after, limit=PAGE + 1)
    following = found[PAGE - 1][0].id if len(found) > PAGE else None
    return render_template("bureau/facteurs.html", rows=found[:PAGE], after=following, me=me)


@bp.get("/facteurs/<int(max=2147483647):loss_id>")
def one(loss_id: int) -> ResponseReturnValue:
    me = bureau.operator(bureau.PEOPLE)
    loss, person = pertes.find(loss_id, http.now())
    bureau.consulted(me, person)
    page = _page(loss, person, me, "", frozenset())
    db.session.commit()
    return page


def _page(loss: FactorLoss, person: Declarant, me: Operateur, refused: str, ticked: frozenset[str]) -> str:
    place = Etablissement.find(person.siret)
    return render_template(
        "bureau/facteur.html",
        loss=loss,
        person=person,
        place=place.carte() if place else None,
        checks=VERIFICATIONS,
        ticked=ticked,
        refused=refused,
        mine=loss.asked_by == me.actor,
        asked_by=by(loss.asked_by, "FactorLossAsked"),
        agreed_by=by(loss.agreed_by, "FactorLossAgreed") if loss.agreed_by else "",
    )


def _ticked() -> frozenset[str]:
    return frozenset(request.form.getlist("verification")[:10]) & {check.value for check in VERIFICATIONS}


@bp.post("/facteurs/<int(max=2147483647):loss_id>/accorder")
def agree(loss_id: int) -> ResponseReturnValue:
    """By another operator than the one who declared it; nothing is removed before the delay."""
    me, now = bureau.acting(bureau.PEOPLE), http.now()
    loss, person = pertes.find(loss_id, now)
    try:
        pertes.agree(http.mag().settings, loss, person, me, _ticked(), now)
    except ChecksMissingError as error:
        return _page(loss, person, me, error.public, _ticked()), error.status
    db.session.commit()
    return see(f"/facteurs/{loss_id}")


@bp.post("/facteurs/<int(max=2147483647):loss_id>/refuser")
def refuse(loss_id: int) -> ResponseReturnValue:
    """The request ends, and the factor stays."""
    me, now = bureau.acting(bureau.PEOPLE), http.now()
    loss, person = pertes.find(loss_id, now)
    losses.refuse(http.mag().settings, loss, person, now, operator=me.nom)
    db.session.commit()
    return see("/facteurs")


# ----------------------------------------------------------------------------------------------------- declared by telephone


@bp.get("/facteurs/declarer/<uid>")
def declaration(uid: str) -> ResponseReturnValue:
    """What to verify, before anything is declared."""
    me, person = bureau.operator(bureau.PEOPLE), _person(uid)
    pertes.declarable(person)
    live = FactorLoss.live(person.id, http.now())
    if live is not None:
        return see(f"/facteurs/{live.id}")
    bureau.consulted(me, person)
    page = _declaration(person, "", frozenset(), "")
    db.session.commit()
    return page


def _person(uid: str) -> Declarant:
    """Raises NotFoundError."""
    found = Declarant.with_uid(uid)
    if found is None:
        raise NotFoundError("person", public="Cette personne n'existe pas, ou plus.")
    return found


def _declaration(person: Declarant, refused: str, ticked: frozenset[str], reason: str) -> str:
    place = Etablissement.find(person.siret)
    known = {"person": person, "place": place.carte() if place else None, "checks": VERIFICATIONS}
    return render_template("bureau/facteur_declarer.html", **known, refused=refused, ticked=ticked, reason=reason)


@bp.post("/facteurs/declarer/<uid>")
def declare(uid: str) -> ResponseReturnValue:
    """Sessions end at once, at partners too: whoever holds the lost telephone may be in. Twice is once."""
    me, person, mag, now = bureau.acting(bureau.PEOPLE), _person(uid), http.mag(), http.now()
    live = FactorLoss.live(person.id, now)
    if live is not None:
        return see(f"/facteurs/{live.id}")
    reason = request.form.get("dossier", "")[:200]
    try:
        words = pertes.verified(person, _ticked(), reason)
    except (ChecksMissingError, FileMissingError) as error:
        return _declaration(person, error.public, _ticked(), reason), error.status
    close_every_session(mag.ephemeral, mag.settings, person)
    brake.release(mag.ephemeral, person.id)
    number = losses.ask(mag.settings, person, now, operator=me.nom, reason=words).id
    tell_of_person(mag.registry, mag.settings, person.id, now)
    bureau.commit_end()
    return see(f"/facteurs/{number}")
