"""« Partenaires »: an administrator lets a partner's software manage the people they administer, and takes that back; what it did lately.

Left out on purpose: what the software may do, which is the same for all (`gestes.py`), and who may have it, which operators decide.
"""

from dataclasses import dataclass

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from idp import http, visitor
from idp.database import db
from idp.declarants.equipe.authority import sirets_of
from idp.errors import UnknownPageError
from idp.notifications.messages import in_words
from partners.scim import accords
from partners.scim.models import Delegation

bp = Blueprint("scim", __name__, template_folder="templates")
PAGE = "/equipe/partenaires"
ACTS = {
    "inviter": "Invitation envoyée",
    "annuler": "Invitation annulée",
    "suspendre": "Compte suspendu",
    "reactiver": "Suspension levée",
    "radier": "Compte fermé",
}
DONE = {"confie": "La gestion est confiée à ce partenaire.", "retire": "La gestion est retirée à ce partenaire."}


@dataclass(frozen=True, slots=True)
class Accord:
    """What was entrusted to a partner, as an administrator reads it."""

    id: int
    place: str
    who: str
    since: str
    in_force: bool
    mine: bool
    """May be withdrawn by the visitor."""


@bp.get(PAGE)
def shown() -> ResponseReturnValue:
    """Every partner to whom people may be entrusted, and those to whom they are."""
    found = visitor.administrator()
    every = accords.possible(http.mag().registry.every())
    rows = [
        row for row in Delegation.here(found.person.siret) if found.person.at_head_office or row.giver.may_administer(found.person.siret)
    ]
    names = {one.code: one.nom for one in every} | {row.partenaire.code: row.partenaire.nom for row in rows}
    told = {code: [_accord(row, found) for row in rows if row.partenaire.code == code] for code in names}
    acts = Delegation.last_acts(list(names), sirets_of(found.person))
    return render_template(
        "scim/partenaires.html",
        visitor=found,
        partners=sorted(names.items(), key=lambda one: one[1]),
        accords=told,
        offered={one.code for one in every},
        reach=_reach(found),
        acts=[(in_words(line.at), ACTS.get(line.details["act"], ""), name, names[line.details["partenaire"]]) for line, name in acts],
        done=DONE.get(request.args.get("fait", ""), ""),
        csrf=http.csrf_token("equipe-partenaires"),
    )


def _reach(found: visitor.Visitor) -> str:
    return accords.place(found.person.siret, whole=found.person.at_head_office)


def _accord(row: Delegation, found: visitor.Visitor) -> Accord:
    whole = row.giver.at_head_office
    mine = found.person.may_administer(row.siret)
    return Accord(row.id, accords.place(row.siret, whole=whole), row.giver.full_name, in_words(row.opened_at), row.in_force, mine)


@bp.post(f"{PAGE}/confier")
def entrust() -> ResponseReturnValue:
    """For whoever typed a password a moment ago."""
    visitor.administrator()
    found, mag = visitor.recent(back=PAGE), http.mag()
    http.way_back(http.path(PAGE))
    http.check_csrf("equipe-partenaires")
    accords.confier(mag.registry.every(), found.person, request.form.get("partenaire", ""), http.now(), issuer=mag.settings.issuer)
    db.session.commit()
    return visitor.see(PAGE, fait="confie")


@bp.post(f"{PAGE}/retirer")
def withdraw() -> ResponseReturnValue:
    """At once; whatever its software asks next finds nobody."""
    found, number = visitor.administrator(), request.form.get("accord", "")
    http.way_back(http.path(PAGE))
    http.check_csrf("equipe-partenaires")
    row = db.session.get(Delegation, int(number)) if number.isascii() and number.isdigit() and len(number) < 10 else None
    if row is None or not found.person.may_administer(row.siret):
        raise UnknownPageError(f"delegation for declarant {found.person.id}")
    accords.retirer(found.person, row, http.now(), issuer=http.mag().settings.issuer)
    db.session.commit()
    return visitor.see(PAGE, fait="retire")
