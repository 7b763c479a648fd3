"""« Demandes en attente »: who asks to administer, since when; agreed or refused. `cooptation.py` decides (facts 31, 34, 36)."""

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from idp import http, visitor
from idp.audit import journal
from idp.database import db
from idp.declarants import cooptation
from idp.declarants.cooptation import CollusionError
from idp.declarants.equipe import messages
from idp.declarants.equipe.authority import NoLongerAdministratorError, set_aside, sirets_of
from idp.declarants.equipe.models import PAGE, Candidature
from idp.declarants.equipe.saisie import place_in
from idp.declarants.events import AdministratorReplaced
from idp.declarants.models import Declarant
from idp.declarants.statuts import Statut
from idp.entreprises.models import Etablissement
from idp.errors import InvalidRequestError, UnknownPageError
from idp.habilitations import depart, premiers_droits
from idp.habilitations.depart import Destin, Settlement
from idp.habilitations.gesture import Gesture
from idp.notifications.models import Mail
from idp.oidc import removal

bp = Blueprint("demandes", __name__)
LONGEST_PROOF = 200


def _found(administrator: Declarant, reference: str) -> Candidature:
    """A candidacy that he may decide; of another company, none (C60)."""
    found = Candidature.with_reference(reference) if reference.isascii() and len(reference) <= 40 else None
    if found is None or not administrator.may_administer(found.siret):
        raise UnknownPageError(f"candidacy for declarant {administrator.id}")
    return found


@bp.get("/equipe/demandes")
def queue() -> ResponseReturnValue:
    """Who waits, a page at a time."""
    found, after = visitor.administrator(), place_in(request.args)
    within = sirets_of(found.person)
    waiting = Candidature.waiting(within, after)
    return render_template(
        "equipe/demandes.html",
        visitor=found,
        waiting=waiting[:PAGE],
        count=Candidature.count_waiting(within),
        after=after,
        following=waiting[PAGE - 1][0].id if len(waiting) > PAGE else 0,
    )


@bp.get("/equipe/demandes/<reference>")
def candidacy(reference: str) -> ResponseReturnValue:
    """One candidacy, and the two answers; or who was first."""
    visitor.administrator()
    found = visitor.recent()
    asked = _found(found.person, reference)
    candidate = db.session.get(Declarant, asked.declarant_id)
    if asked.decided_at or candidate is None or asked.expires_at <= http.now():
        raise cooptation.already(asked)
    replaceable = [one for one in Declarant.administrators(asked.siret) if one.siret == asked.siret]
    return render_template(
        "equipe/demande.html",
        visitor=found,
        asked=asked,
        candidate=candidate,
        etablissement=Etablissement.find(asked.siret),
        replaceable=replaceable,
        namesake=Declarant.find(candidate.identite) if candidate.is_namesake else None,
        own=_vouches_for_himself(found.person, candidate),
        csrf=http.csrf_token("equipe-demande"),
    )


def _vouches_for_himself(administrator: Declarant, candidate: Declarant) -> str:
    try:
        cooptation.check_decides(administrator, candidate)
    except CollusionError as error:
        return error.public
    return ""


@bp.post("/equipe/demandes/<reference>")
def decide(reference: str) -> ResponseReturnValue:
    """Agreed, agreed in the place of another, or refused: the first answer wins."""
    visitor.administrator()
    found = visitor.recent()
    asked, mag = _found(found.person, reference), http.mag()
    http.way_back(http.path("/equipe/demandes"))
    http.check_csrf("equipe-demande")
    answer, issuer = request.form.get("reponse", ""), mag.settings.issuer
    if answer == "refus":
        _hold(found.person, asked)
        name = cooptation.refuser(asked, found.person, http.now(), issuer=issuer)
        db.session.commit()
        return _receipt(asked, name)
    if answer != "accord":
        raise InvalidRequestError("no answer", public="Choisissez l'accord ou le refus.")
    replaced = _replaced(asked)
    if replaced is not None:
        return _replace(found.person, asked, replaced)
    _hold(found.person, asked)
    candidate = cooptation.coopter(asked, found.person, http.now(), issuer=issuer)
    premiers_droits.ouvrir(candidate, mag.catalogue(), http.now())
    db.session.commit()
    return _receipt(asked, candidate.full_name)


def _hold(administrator: Declarant, asked: Candidature) -> None:
    """His own row is kept: he may not lose the role while he answers."""
    Declarant.hold(asked.siret.siren, administrator.id, asked.declarant_id)
    db.session.refresh(administrator)
    if not administrator.may_administer(asked.siret):
        raise NoLongerAdministratorError(f"declarant {administrator.id}")


def _receipt(asked: Candidature, name: str, replaced: str = "") -> ResponseReturnValue:
    return render_template("equipe/demande_recu.html", asked=asked, name=name, replaced=replaced)


# --------------------------------------------------------------------------------------------------------------- replacing


def _replaced(asked: Candidature) -> Declarant | None:
    """The administrator whose place the candidate takes, and the act that says so."""
    uid = request.form.get("remplace", "")
    if not uid:
        return None
    found = next((one for one in Declarant.administrators(asked.siret) if one.uid == uid and one.siret == asked.siret), None)
    if found is None:
        raise InvalidRequestError("not an administrator there", public="Choisissez un administrateur en place de cet établissement.")
    if not _proof():
        raise InvalidRequestError(
            "no proof", public="Indiquez l'acte qui nomme le nouvel administrateur : arrêté, délibération, procès-verbal…"
        )
    return found


def _proof() -> str:
    return "".join(c for c in request.form.get("preuve", "") if c.isprintable()).strip()[:LONGEST_PROOF]


def _replace(administrator: Declarant, asked: Candidature, replaced: Declarant) -> ResponseReturnValue:
    """Agreed, and the former administrator is struck off in the same transaction: rights, sessions, tokens (fact 36)."""
    mag, now = http.mag(), http.now()
    candidate = db.session.get(Declarant, asked.declarant_id)
    if asked.decided_at or candidate is None or candidate.statut is not Statut.CANDIDAT:
        raise cooptation.already(asked)
    cooptation.check_decides(administrator, candidate)
    removal.end_sessions(mag.ephemeral, mag.settings, replaced)
    version = set_aside(replaced)
    _hold(administrator, asked)
    candidate = cooptation.coopter(asked, administrator, now, issuer=mag.settings.issuer)
    premiers_droits.ouvrir(candidate, mag.catalogue(), now)
    gesture, name, email = Gesture(administrator.id, mag.catalogue(), now), replaced.full_name, replaced.email
    settlement = Settlement(Destin.COLLEGUE, candidate)
    depart.partir(gesture, replaced, settlement, administrator=administrator, actor=administrator.actor)
    replaced.version = max(replaced.version, version)
    asked.replaced_id, asked.proof = replaced.id, _proof()
    event = AdministratorReplaced(
        declarant_id=replaced.id, siret=int(asked.siret), actor=administrator.actor, by_candidate=candidate.id, proof=_proof()
    )
    journal.record(event, now)
    removal.remove(mag.settings, mag.registry, replaced, now)
    if email:
        Mail.write("radiation", email, messages.struck_off(mag.settings.issuer, name, asked.siret, now), now, replaced.id)
    db.session.commit()
    mag.messenger.wake()
    return _receipt(asked, candidate.full_name, name)
