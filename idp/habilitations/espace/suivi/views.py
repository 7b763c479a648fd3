"""Rights to look at from time to time: nobody uses them, or several people seem to; promotions proposed; joiners and leavers."""

from datetime import timedelta

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
from idp.habilitations.droits import words
from idp.habilitations.espace import models as noms
from idp.habilitations.espace.gestes.acte import Geste
from idp.habilitations.espace.lecture import SIZE
from idp.habilitations.espace.portee import Portee
from idp.habilitations.espace.saisie import number
from idp.habilitations.espace.suivi import models
from idp.habilitations.espace.suivi.events import PromotionDeclined
from idp.habilitations.espace.suivi.indices import Compte, indices
from idp.habilitations.plat.promotion import refuser

bp = Blueprint("suivi", __name__)
ACTS, REFUSAL = "droits-geste", "droits-promotion"
MONTHS = (3, 6, 12)
MOST = 10_000


@bp.get("/equipe/droits/suivi")
def report() -> ResponseReturnValue:
    """Rights unused since a while, accounts that look shared, portfolios and establishments that serve nobody; how many rows say it all."""
    found = visitor.administrator()
    portee, after = Portee.of(found.person), number(request.args.get("suite", ""))
    months = number(request.args.get("mois", "")) if number(request.args.get("mois", "")) in MONTHS else MONTHS[1]
    unused = models.unused_since(portee.sirets, http.now() - timedelta(days=365 * months // 12), after=after, limit=SIZE + 1)
    people = People(portee.sirets).page()
    return render_template(
        "droits/suivi.html",
        visitor=found,
        unused=unused[:SIZE],
        seen=AuditEvent.latest("ConnexionOpened", [one.id for one in unused[:SIZE]]),
        months=months,
        choices=MONTHS,
        after=after,
        following=unused[SIZE - 1].id if len(unused) > SIZE else 0,
        shared=_shared(people[:SIZE], portee),
        idle=models.idle_portfolios(portee.siren, SIZE),
        closed=_closed(portee),
        explicit=models.explicit(portee.sirets, portee.siren, MOST),
        inherits=_inheritances(),
        waiting=len(models.promotions(portee.sirets, SIZE)),
        most=MOST,
    )


def _shared(people: list[Declarant], portee: Portee) -> list[tuple[Declarant, list[str]]]:
    """Hints, about the first people by name."""
    same = models.same_address([one.email for one in people if one.email], portee.sirets)
    devices = {one.id: len(KnownDevice.of(one.id)) for one in people}
    hints = ((one, indices(Compte(one.nom, one.prenom, one.email or "", devices[one.id], same.get(one.email or "", 0)))) for one in people)
    return [(one, said) for one, said in hints if said]


def _closed(portee: Portee) -> list[tuple[int, noms.Nom, int]]:
    rows = models.closed_establishments(portee.sirets, SIZE)
    known = noms.noms([cible for cible, _ in rows])
    return [(cible, known[cible], many) for cible, many in rows]


def _inheritances() -> list[tuple[str, int]]:
    """Services whose rights come by themselves from others, and from how many rights: nobody needs to give them (fact 59)."""
    catalogue = http.mag().catalogue()
    sources: dict[str, int] = {}
    for (code, _), accepted in catalogue.accepted.items():
        others = accepted.minus(catalogue.services[code].masks)
        sources[code] = sources.get(code, 0) + sum(map(len, catalogue.held(others).values()))
    return [(catalogue.services[code].libelle, many) for code, many in sources.items() if many]


@bp.get("/equipe/droits/promotions")
def promotions() -> ResponseReturnValue:
    """Rights alike on every establishment of the company: would one right on the company do?"""
    found = visitor.administrator()
    portee, catalogue = Portee.of(found.person), http.mag().catalogue()
    rows = models.promotions(portee.sirets, SIZE)
    said = [(p, person, [(catalogue.services[c].libelle, words(d)) for c, d in catalogue.held(p.masks).items()]) for p, person in rows]
    return render_template(
        "droits/promotions.html",
        visitor=found,
        whole=portee.whole,
        rows=said,
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
    if (person.id, siren) not in {(p.declarant_id, p.siren) for p, _ in models.promotions(portee.sirets, MOST)}:
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
