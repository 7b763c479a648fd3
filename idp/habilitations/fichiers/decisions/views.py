"""A checked file is applied, agreed to, dropped or undone: a page that says what will happen, then one form. `accord.py` decides."""

from flask import Blueprint, current_app, render_template, request
from flask.typing import ResponseReturnValue

from idp import http, visitor
from idp.database import db
from idp.declarants.models import Declarant
from idp.entreprises.siret import Siret
from idp.errors import InvalidRequestError, UnknownPageError
from idp.habilitations.fichiers import accord
from idp.habilitations.fichiers.messages import PLACE, summary
from idp.habilitations.fichiers.models import FichierDroits
from idp.habilitations.fichiers.statuts import TITLES, Etat

bp = Blueprint("fichiers_decisions", __name__)


def _found(administrator: Declarant, reference: str) -> FichierDroits:
    """A file of an establishment that he administers (C60); refusals lead back to it. Raises UnknownPageError."""
    found = FichierDroits.find(reference) if reference.isascii() and len(reference) <= 40 else None
    if found is None or not administrator.may_administer(Siret.of(found.siret)):
        raise UnknownPageError(f"file for declarant {administrator.id}")
    http.way_back(http.path(f"{PLACE}/{found.reference}"))
    return found


def _page(act: str, fichier: FichierDroits, reason: str = "", wrong: str = "") -> str:
    """What is about to happen."""
    return render_template(
        "fichiers/decision.html",
        act=act,
        fichier=fichier,
        author=fichier.author.full_name,
        said=summary(fichier.bilan),
        needed=accord.needed(fichier, http.mag().settings.mass_approval, http.now()),
        others=accord.others(fichier),
        threshold=http.mag().settings.mass_approval,
        deja=accord.deja(fichier.by_id, http.now(), fichier.id),
        reason=reason,
        wrong=wrong,
        csrf=http.csrf_token(f"fichier-{act}"),
    )


def _check_state(fichier: FichierDroits, *states: Etat) -> None:
    """Raises FichierEtatError."""
    if fichier.etat not in states:
        raise accord.FichierEtatError(
            f"file {fichier.id}", public=f"Ce {fichier.mot} : {TITLES[fichier.etat].lower()}. Sa page dit où il en est."
        )


def _leave(reference: str, **query: str) -> ResponseReturnValue:
    db.session.commit()
    current_app.extensions["mag_fichiers"].wake()
    return visitor.see(f"{PLACE}/{reference}", **query)


@bp.get(f"{PLACE}/<reference>/application")
def ask_to_apply(reference: str) -> ResponseReturnValue:
    visitor.administrator()
    fichier = _found(visitor.recent().person, reference)
    _check_state(fichier, Etat.VERIFIE, Etat.REFUSE, Etat.EXPIRE)
    return _page("application", fichier)


@bp.post(f"{PLACE}/<reference>/application")
def apply(reference: str) -> ResponseReturnValue:
    """Applied by a job, at once or after an agreement."""
    visitor.administrator()
    found, mag = visitor.recent(), http.mag()
    fichier = _found(found.person, reference)
    http.check_csrf("fichier-application")
    accord.soumettre(fichier, mag.settings.mass_approval, http.now(), issuer=mag.settings.issuer)
    return _leave(reference)


@bp.get(f"{PLACE}/<reference>/accord")
def ask_to_agree(reference: str) -> ResponseReturnValue:
    visitor.administrator()
    found = visitor.recent()
    fichier = _found(found.person, reference)
    _check_state(fichier, Etat.A_APPROUVER)
    accord.check_may_answer(fichier, found.person)
    return _page("accord", fichier)


@bp.post(f"{PLACE}/<reference>/accord")
def answer(reference: str) -> ResponseReturnValue:
    """Another administrator agrees, or refuses and says why."""
    visitor.administrator()
    found, mag, now = visitor.recent(), http.mag(), http.now()
    fichier, reason = _found(found.person, reference), request.form.get("motif", "")
    http.check_csrf("fichier-accord")
    accord.check_may_answer(fichier, found.person)
    match request.form.get("reponse"):
        case "accord":
            accord.accorder(fichier, found.actor, now, issuer=mag.settings.issuer)
            return _leave(reference, fait="accord")
        case "refus" if reason.strip():
            accord.refuser(fichier, found.actor, reason, now, issuer=mag.settings.issuer)
            return _leave(reference, fait="refus")
        case "refus":
            return _page("accord", fichier, wrong="Dites pourquoi vous refusez : l'auteur le lira."), 422
    raise InvalidRequestError("no such answer", public="Choisissez d'accepter ou de refuser.")


@bp.get(f"{PLACE}/<reference>/annulation")
def ask_to_undo(reference: str) -> ResponseReturnValue:
    visitor.administrator()
    fichier = _found(visitor.recent().person, reference)
    _check_state(fichier, Etat.APPLIQUE)
    if not fichier.is_undoable(http.now()):
        raise accord.FichierEtatError(f"file {fichier.id}", public=f"Un {fichier.mot} ne s'annule que pendant 24 heures.")
    return _page("annulation", fichier)


@bp.post(f"{PLACE}/<reference>/annulation")
def undo(reference: str) -> ResponseReturnValue:
    """Undone by a job, unless others wrote on the same places since."""
    visitor.administrator()
    found = visitor.recent()
    fichier = _found(found.person, reference)
    http.check_csrf("fichier-annulation")
    accord.annuler(fichier, found.actor, http.now())
    return _leave(reference)


@bp.post(f"{PLACE}/<reference>/abandon")
def drop(reference: str) -> ResponseReturnValue:
    found = visitor.administrator()
    fichier = _found(found.person, reference)
    http.check_csrf("fichiers")
    accord.abandonner(fichier, found.actor, http.now())
    return _leave(reference, fait="abandon")
