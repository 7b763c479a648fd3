"""Rights to look at from time to time: nobody uses them, or several people seem to; promotions proposed; joiners and leavers."""

from datetime import datetime, timedelta

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from idp import http, visitor
from idp.audit import journal
from idp.audit.models import AuditEvent
from idp.authentication.factors.models import KnownDevice
from idp.database import db
from idp.declarants.equipe.models import People
from idp.declarants.models import Declarant
from idp.declarants.saisie import shown
from idp.errors import UnknownPageError
from idp.habilitations.droits import NOTHING, words
from idp.habilitations.espace import models as noms
from idp.habilitations.espace.gestes.acte import Geste
from idp.habilitations.espace.lecture import SIZE
from idp.habilitations.espace.portee import Portee
from idp.habilitations.espace.saisie import number, position
from idp.habilitations.espace.suivi import models
from idp.habilitations.espace.suivi.events import PromotionDeclined
from idp.habilitations.espace.suivi.heritage import origins
from idp.habilitations.espace.suivi.indices import MANY_DEVICES, SHARED_NAMES, Compte, indices
from idp.habilitations.espace.suivi.inusite import inusites
from idp.habilitations.perimetre import Position
from idp.habilitations.plat.promotion import refuser
from idp.habilitations.usages.models import Releve, Usage

bp = Blueprint("suivi", __name__)
ACTS, REFUSAL = "droits-geste", "droits-promotion"
MONTHS = (3, 6, 12)
MOST = 10_000


@bp.get("/equipe/droits/suivi")
def report() -> ResponseReturnValue:
    """Rights unused since a while, accounts that look shared, portfolios and establishments that serve nobody; how many rows say it all."""
    found = visitor.administrator()
    portee, (months, since) = Portee.of(found.person), _since()
    after = {name: number(request.args.get(name, "")) for name in ("suite", "partages", "portefeuilles")}
    unused = models.unused_since(portee.sirets, since, after=after["suite"], limit=SIZE + 1)
    shared, others = _shared(portee, after["partages"])
    idle = models.idle_portfolios(portee.siren, after=after["portefeuilles"], limit=SIZE + 1)
    closed = models.closed_establishments(portee.sirets, after=position(request.args.get("fermes", "")) or Position(), limit=SIZE)
    held = models.held_sets(portee.sirets, portee.siren, http.now(), MOST)
    return render_template(
        "droits/suivi.html",
        visitor=found,
        unused=unused[:SIZE],
        seen=AuditEvent.latest("ConnexionOpened", [one.id for one in unused[:SIZE]]),
        months=months,
        choices=MONTHS,
        shared=shared,
        idle=idle[:SIZE],
        closed=closed.rangees,
        noms=noms.noms([cible for _, cible in closed.rangees]),
        following={
            "suite": unused[SIZE - 1].id if len(unused) > SIZE else 0,
            "partages": others,
            "portefeuilles": idle[SIZE - 1][0].id if len(idle) > SIZE else 0,
            "fermes": closed.following,
        },
        begun=[name for name in (*after, "fermes") if request.args.get(name)],
        explicit=models.explicit(portee.sirets, portee.siren, MOST),
        inherits=origins(http.mag().catalogue(), held.values()),
        waiting=models.count_promotions(portee.sirets, MOST),
        most=MOST,
    )


def _since() -> tuple[int, datetime]:
    """How many months back, and when that was."""
    asked = number(request.args.get("mois", ""))
    months = asked if asked in MONTHS else MONTHS[1]
    return months, http.now() - timedelta(days=365 * months // 12)


@bp.get("/equipe/droits/suivi/services")
def unused_services() -> ResponseReturnValue:
    """Services that people hold since a while, and that no partner used for them since."""
    found = visitor.administrator()
    portee, after, catalogue = Portee.of(found.person), number(request.args.get("suite", "")), http.mag().catalogue()
    months, since = _since()
    people = models.people(portee.sirets, after=after, limit=SIZE + 1)
    here = [one.id for one in people[:SIZE]]
    held, used, begun = models.held_since(here, since, http.now()), Usage.last(here), Releve.of_usages(http.now())
    known = begun <= since
    read = ((one, inusites(catalogue, held.get(one.id, NOTHING), used.get(one.id, {}), since.date(), known=known)) for one in people[:SIZE])
    return render_template(
        "droits/inusites.html",
        visitor=found,
        rows=[(one, several) for one, several in read if several],
        months=months,
        choices=MONTHS,
        known=known,
        begun=begun,
        after=after,
        following=people[SIZE - 1].id if len(people) > SIZE else 0,
    )


def _shared(portee: Portee, after: int) -> tuple[list[tuple[Declarant, list[str]]], int]:
    """Hints, about the people who come after somebody; after whom the list goes on, 0 at its end."""
    upto = models.last_looked_at(portee.sirets, after=after)
    devices = KnownDevice.crowds(portee.sirets, MANY_DEVICES, after=after, upto=upto)
    some = models.suspects(portee.sirets, SHARED_NAMES, devices, after=after, upto=upto)
    hints = ((one, indices(Compte(one.nom, one.prenom, one.email or "", devices.get(one.id, 0), same))) for one, same in some)
    told = [(one, said) for one, said in hints if said]
    return told[:SIZE], told[SIZE - 1][0].id if len(told) > SIZE else upto or 0


@bp.get("/equipe/droits/promotions")
def promotions() -> ResponseReturnValue:
    """Rights alike on every establishment of the company: would one right on the company do?"""
    found = visitor.administrator()
    portee, catalogue = Portee.of(found.person), http.mag().catalogue()
    after = position(request.args.get("apres", ""))
    rows = models.promotions(portee.sirets, after=after or Position(), limit=SIZE + 1)
    said = [
        (p, person, [(catalogue.services[c].libelle, words(d)) for c, d in catalogue.held(p.masks).items()]) for p, person in rows[:SIZE]
    ]
    return render_template(
        "droits/promotions.html",
        visitor=found,
        whole=portee.whole,
        rows=said,
        after=after,
        following=Position(rows[SIZE - 1][0].declarant_id, rows[SIZE - 1][0].siren) if len(rows) > SIZE else None,
        fait="fait" in request.args,
        csrf=http.csrf_token(ACTS),
        csrf_refusal=http.csrf_token(REFUSAL),
    )


@bp.post("/equipe/droits/promotions/refus")
def refuse() -> ResponseReturnValue:
    """Rights stay on each establishment; nobody's change. Refused twice, it is refused once."""
    found = visitor.administrator()
    http.check_csrf(REFUSAL)
    portee = Portee.of(found.person)
    person, siren = portee.person(request.form.get("personne", "")[:40]), number(request.form.get("siren", ""))
    portee.check_targets([siren])
    if not models.is_proposed(portee.sirets, person.id, siren):
        raise UnknownPageError("no proposal")
    portee.hold({person.id: person})
    refuser(Geste(found.person.id, http.mag().catalogue(), http.now()), person.id, siren)
    journal.record(PromotionDeclined(declarant_id=person.id, siren=siren, actor=found.actor), http.now())
    db.session.commit()
    return visitor.see("/equipe/droits/promotions", fait="1")


@bp.get("/equipe/droits/passation")
def handing_over() -> ResponseReturnValue:
    """Who gives, who receives, and what: a copy, a transfer, or everything withdrawn."""
    found = visitor.administrator()
    portee, wanted = Portee.of(found.person), shown(request.args.get("cherche", ""))[:80]
    uid = request.args.get("de", "")
    giver = portee.person(uid) if uid else None
    return render_template(
        "droits/passation.html",
        visitor=found,
        giver=giver,
        people=People(portee.sirets).successors(giver.id if giver else 0, wanted),
        wanted=wanted,
        csrf=http.csrf_token(ACTS),
    )
