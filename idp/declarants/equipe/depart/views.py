"""The departure wizard: what somebody holds, what to do with it, what will happen, then the end of the account (facts 38, 39).

Nothing is kept between the pages but what the form says again; the last one is refused when the rights changed meanwhile.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from flask import Blueprint, make_response, render_template, request
from flask.typing import ResponseReturnValue

from idp import http, visitor
from idp.database import db
from idp.declarants.equipe import invitation as invitations
from idp.declarants.equipe.authority import OwnAccountError, person_of, set_aside
from idp.declarants.equipe.invitation import Invited
from idp.declarants.equipe.models import People
from idp.declarants.equipe.saisie import InvitationForm
from idp.declarants.identite import InvalidNameError
from idp.declarants.inscription import HomonymeError, InvalidEmailError
from idp.declarants.models import Declarant
from idp.declarants.saisie import shown
from idp.declarants.statuts import Act, By, Statut, transition
from idp.declarants.transitions import check_not_last
from idp.errors import RefusedError
from idp.habilitations.depart import Destin, Settlement, holdings
from idp.habilitations.gesture import Gesture, spoken
from idp.oidc import removal
from idp.oidc.people import People as Profiles

bp = Blueprint("depart", __name__)
FIELDS: tuple[tuple[type[RefusedError], str], ...] = ((InvalidNameError, "nom"), (HomonymeError, "prenom"), (InvalidEmailError, "email"))


class RightsChangedError(RefusedError):
    """Between the preview and the confirmation, the rights changed."""

    code = "droits_changes"
    number = "M200211"
    remedy = "Relisez l'aperçu, puis confirmez."
    status = 409
    title = "Les droits ont changé"
    public = "Les droits de cette personne ont changé depuis l'aperçu : rien n'a été fait. Relisez l'aperçu avant de confirmer."


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen for the rights. Without `errors`, it can be done."""

    destin: Destin | None = None
    colleague: Declarant | None = None
    nom: str = ""
    prenom: str = ""
    email: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)

    def refused(self, name: str, message: str) -> "Choice":
        return Choice(self.destin, self.colleague, self.nom, self.prenom, self.email, {**self.errors, name: message})


def _read(leaver: Declarant) -> Choice:
    """The form, checked against who is there."""
    raw, errors = request.form, {}
    destin = Destin(raw["destin"]) if raw.get("destin") in set(Destin) else None
    typed = InvitationForm.parse(raw)
    colleague = Declarant.with_uid(raw.get("collegue", "")[:40]) if destin is Destin.COLLEGUE else None
    if destin is None:
        errors["destin"] = "Choisissez ce que deviennent les droits."
    if destin is Destin.COLLEGUE and not _takes_over(colleague, leaver):
        errors["collegue"] = "Choisissez un collègue dans la liste."
    if destin is Destin.NOUVEAU:
        errors |= {name: typed.errors[name] for name in ("nom", "prenom", "email") if name in typed.errors}
    choice = Choice(destin, colleague, typed.nom, typed.prenom, typed.email, errors)
    return _checked(choice, leaver) if destin is Destin.NOUVEAU and not errors else choice


def _takes_over(colleague: Declarant | None, leaver: Declarant) -> bool:
    if colleague is None or colleague.id == leaver.id:
        return False
    return colleague.siret.siren == leaver.siret.siren and colleague.statut is Statut.ACTIF


def _checked(choice: Choice, leaver: Declarant) -> Choice:
    try:
        invitations.check(_invited(choice, leaver), http.now())
    except RefusedError as error:
        db.session.rollback()
        return choice.refused(next((name for kind, name in FIELDS if isinstance(error, kind)), "nom"), error.public)
    return choice


def _invited(choice: Choice, leaver: Declarant) -> Invited:
    return Invited(leaver.siret, choice.nom, choice.prenom, choice.email)


def _leaver(administrator: Declarant, uid: str) -> Declarant:
    """Somebody else of his people, who may be struck off. Raises OwnAccountError, StatutRefusedError, UnknownPageError."""
    found = person_of(administrator, uid)
    if found.id == administrator.id:
        raise OwnAccountError(f"declarant {found.id}")
    transition(found.statut, Act.RADIER, By.ADMINISTRATEUR)
    return found


# ------------------------------------------------------------------------------------------------------------------- pages


@bp.get("/equipe/personnes/<uid>/depart")
def ask(uid: str) -> ResponseReturnValue:
    """What they hold, and the choice."""
    visitor.administrator()
    found = visitor.recent()
    leaver = _leaver(found.person, uid)
    return _form(found, leaver, Choice())


def _form(found: visitor.Visitor, leaver: Declarant, choice: Choice, status: int = 200) -> ResponseReturnValue:
    http.way_back(http.path(f"/equipe/personnes/{leaver.uid}"))
    wanted = shown(request.values.get("cherche", ""))
    colleagues = People(leaver.siret.siren.sirets).successors(leaver.id, wanted)
    page = render_template(
        "equipe/depart.html",
        visitor=found,
        person=leaver,
        held=holdings(leaver.id, http.now()),
        spoken=_spoken(leaver),
        choice=choice,
        Destin=Destin,
        colleagues=colleagues,
        wanted=wanted,
        csrf=http.csrf_token("equipe-depart"),
    )
    return make_response(page, status)


def _spoken(leaver: Declarant) -> str:
    return spoken(http.mag().catalogue(), holdings(leaver.id, http.now()).masks)


@bp.post("/equipe/personnes/<uid>/depart")
def preview(uid: str) -> ResponseReturnValue:
    """What will happen, counted; nothing is done yet."""
    visitor.administrator()
    found = visitor.recent()
    leaver = _leaver(found.person, uid)
    http.way_back(http.path(f"/equipe/personnes/{uid}/depart"))
    http.check_csrf("equipe-depart")
    choice = _read(leaver)
    if choice.errors:
        return _form(found, leaver, choice, 422)
    check_not_last(leaver)
    held = holdings(leaver.id, http.now())
    return make_response(
        render_template(
            "equipe/depart_apercu.html",
            visitor=found,
            person=leaver,
            held=held,
            spoken=_spoken(leaver),
            choice=choice,
            Destin=Destin,
            csrf=http.csrf_token("equipe-depart"),
        )
    )


@bp.post("/equipe/personnes/<uid>/depart/confirmation")
def confirm(uid: str) -> ResponseReturnValue:
    """Rights settled, identity closed, sessions and tokens ended, partners and people told: all, or nothing."""
    visitor.administrator()
    found = visitor.recent()
    leaver, mag = _leaver(found.person, uid), http.mag()
    http.way_back(http.path(f"/equipe/personnes/{uid}/depart"))
    http.check_csrf("equipe-depart")
    choice = _read(leaver)
    if choice.errors:
        return _form(found, leaver, choice, 422)
    _check_before(leaver)
    removal.end_sessions(mag.ephemeral, mag.settings, leaver)
    version = set_aside(leaver)
    _depart(found.person, leaver, choice)
    leaver.version = max(leaver.version, version)
    db.session.commit()
    Profiles(mag.connections, mag.ephemeral).forget(leaver.id)
    mag.messenger.wake()
    return visitor.see(f"/equipe/personnes/{uid}", fait="depart")


def _check_before(leaver: Declarant) -> None:
    """Before sessions end; all but the count of rights is checked again once the rows are held."""
    if request.form.get("epoque", "") != str(leaver.epoque):
        raise RightsChangedError(f"declarant {leaver.id}")
    check_not_last(leaver)
    db.session.rollback()


def _depart(administrator: Declarant, leaver: Declarant, choice: Choice) -> None:
    mag, now = http.mag(), http.now()
    to, invitation_id = choice.colleague, None
    if choice.destin in (Destin.NOUVEAU, Destin.GARDE):
        to = administrator
    if choice.destin is Destin.NOUVEAU:
        sent = invitations.inviter(administrator, _invited(choice, leaver), now, issuer=mag.settings.issuer, keeper_id=administrator.id)
        invitation_id = sent.id
    gesture = Gesture(administrator.id, mag.catalogue(), now)
    settlement = Settlement(choice.destin or Destin.ABANDON, to, invitation_id)
    removal.by_administrator(mag.settings, mag.registry, gesture, administrator, leaver, settlement)
