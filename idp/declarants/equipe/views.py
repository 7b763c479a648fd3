"""« Espace administrateur »: the people of an establishment, one person's page, role, suspension. `gestion.py` decides.

Another company's people do not exist here (C60). Left out on purpose: candidacies, invitations and departures, beside.
"""

from collections.abc import Collection
from datetime import datetime

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from idp import http, visitor
from idp.audit.models import AuditEvent
from idp.database import db
from idp.declarants.equipe import gestion
from idp.declarants.equipe.authority import SuspendedForSecurityError, check_may_reinstate, person_of, sirets_of
from idp.declarants.equipe.gestion import TITLES
from idp.declarants.equipe.models import Candidature, Invitation, People
from idp.declarants.equipe.saisie import Filters
from idp.declarants.models import Declarant
from idp.declarants.statuts import Act, By, Role, Statut, transition
from idp.entreprises.models import Etablissement
from idp.errors import InvalidRequestError
from idp.habilitations import decision
from idp.habilitations.depart import holdings
from idp.habilitations.droits import Rights
from idp.habilitations.gesture import words
from idp.notifications.messages import in_words
from idp.oidc import suspension

bp = Blueprint("equipe", __name__, template_folder="templates")
STATES = {
    Statut.ACTIF: "Actif",
    Statut.PRIMO: "Vérification en cours",
    Statut.CANDIDAT: "En attente d'un accord",
    Statut.SUSPENDU: "Suspendu",
    Statut.RADIE: "Radié",
}
DONE = {
    "role": "Le rôle est changé.",
    "suspension": "Le compte est suspendu et ses connexions sont fermées.",
    "reactivation": "La suspension est levée.",
    "depart": "Le départ est enregistré : le compte est fermé et ses connexions aussi.",
}


@bp.app_template_global("in_words")
def instant(at: object) -> str:
    """`21 novembre 2026 à 14 h 05`; empty for nothing."""
    return in_words(at) if at else ""  # type: ignore[arg-type]  # templates are untyped


def last_sign_ins(people: Collection[Declarant]) -> dict[int, datetime]:
    """From the journal: `seen_at` is brought up to date by night alone."""
    return AuditEvent.latest("ConnexionOpened", [one.id for one in people])


@bp.get("/equipe")
def people() -> ResponseReturnValue:
    """Everybody: searched, filtered by the address, a page at a time."""
    found, filters = visitor.administrator(), Filters.parse(request.args)
    within, now = People(sirets_of(found.person)), http.now()
    page = within.page(text=filters.text, statut=filters.statut, role=filters.role, siret=filters.siret, after=filters.after)
    following = page[filters.size - 1].id if len(page) > filters.size else 0
    return render_template(
        "equipe/liste.html",
        visitor=found,
        people=page[: filters.size],
        seen=last_sign_ins(page[: filters.size]),
        following=following,
        filters=filters,
        counts=within.counts(),
        waiting=Candidature.count_waiting(sirets_of(found.person)),
        invited=Invitation.count_living(sirets_of(found.person)),
        several=found.person.at_head_office,
        states=STATES,
        titles=TITLES,
        now=now,
    )


@bp.get("/equipe/personnes/<uid>")
def person(uid: str) -> ResponseReturnValue:
    """One person: identity, role, status, what they hold."""
    found = visitor.administrator()
    shown, mag = person_of(found.person, uid), http.mag()
    held = holdings(shown.id, http.now())
    rights = decision.services_of(mag.connections, mag.catalogue(), shown.id, http.now())
    return render_template(
        "equipe/personne.html",
        visitor=found,
        person=shown,
        seen=last_sign_ins([shown]),
        held=held,
        services=_services(rights),
        etablissement=Etablissement.find(shown.siret),
        state=STATES[shown.statut],
        role=TITLES[shown.role],
        himself=shown.id == found.person.id,
        by_operator=_by_operator(shown),
        done=DONE.get(request.args.get("fait", ""), ""),
        Statut=Statut,
        candidature=Candidature.of(shown.id) if shown.statut is Statut.CANDIDAT else None,
    )


def _by_operator(shown: Declarant) -> bool:
    """Whether an operator suspended them: nobody else lifts that."""
    try:
        check_may_reinstate(shown)
    except SuspendedForSecurityError:
        return shown.statut is Statut.SUSPENDU
    return False


def _services(rights: Rights) -> list[tuple[str, str]]:
    """`Compte AT/MP`, `consulter`."""
    catalogue = http.mag().catalogue()
    return sorted((catalogue.services[code].libelle, words(droits)) for code, droits in rights.items())


# -------------------------------------------------------------------------------------------------------------------- role


@bp.get("/equipe/personnes/<uid>/role")
def ask_role(uid: str) -> ResponseReturnValue:
    """Somebody who gives or takes the role of administrator typed a password a moment ago."""
    visitor.administrator()
    found = visitor.recent()
    shown = person_of(found.person, uid)
    transition(shown.statut, Act.CHANGER_ROLE, By.ADMINISTRATEUR)
    return render_template(
        "equipe/role.html",
        visitor=found,
        person=shown,
        roles=TITLES,
        himself=shown.id == found.person.id,
        csrf=http.csrf_token("equipe-role"),
    )


@bp.post("/equipe/personnes/<uid>/role")
def change_role(uid: str) -> ResponseReturnValue:
    """The role they have from now on: partners read it at the next token."""
    visitor.administrator()
    found = visitor.recent()
    shown, mag = person_of(found.person, uid), http.mag()
    http.way_back(http.path(f"/equipe/personnes/{uid}"))
    http.check_csrf("equipe-role")
    wanted = request.form.get("role", "")
    if wanted not in set(Role):
        raise InvalidRequestError("no such role", public="Choisissez un rôle dans la liste.")
    gestion.changer_role(found.person, shown, Role(wanted), http.now(), issuer=mag.settings.issuer)
    db.session.commit()
    return visitor.see(f"/equipe/personnes/{uid}", fait="role") if found.person.role.administers else visitor.see("/compte/administrateurs")


# -------------------------------------------------------------------------------------------------------------- suspension


@bp.get("/equipe/personnes/<uid>/suspension")
def ask_suspension(uid: str) -> ResponseReturnValue:
    """What a suspension does, or its end."""
    found = visitor.administrator()
    shown = person_of(found.person, uid)
    suspended = shown.statut is Statut.SUSPENDU
    transition(shown.statut, Act.REACTIVER if suspended else Act.SUSPENDRE, By.ADMINISTRATEUR)
    if suspended:
        http.way_back(http.path(f"/equipe/personnes/{uid}"))
        check_may_reinstate(shown)
    return render_template(
        "equipe/suspension.html", visitor=found, person=shown, suspended=suspended, csrf=http.csrf_token("equipe-suspension")
    )


@bp.post("/equipe/personnes/<uid>/suspension")
def suspend(uid: str) -> ResponseReturnValue:
    """Sessions and tokens end at once, everywhere; or the suspension is lifted."""
    found = visitor.administrator()
    shown, mag, now = person_of(found.person, uid), http.mag(), http.now()
    http.way_back(http.path(f"/equipe/personnes/{uid}"))
    http.check_csrf("equipe-suspension")
    if request.form.get("acte") == "reactiver":
        gestion.reactiver(found.person, shown, now, issuer=mag.settings.issuer)
        db.session.commit()
        return visitor.see(f"/equipe/personnes/{uid}", fait="reactivation")
    suspension.by_administrator(mag.ephemeral, mag.settings, mag.registry, found.person, shown, now)
    db.session.commit()
    mag.messenger.wake()
    return visitor.see(f"/equipe/personnes/{uid}", fait="suspension")
