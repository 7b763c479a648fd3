"""Looking a person up, exactly, and what an operator does about an account: suspend, reinstate, end sessions, lift a brake."""

from flask import Blueprint, Response, render_template, request
from flask.typing import ResponseReturnValue

from idp import http
from idp.audit import journal
from idp.audit.events import BrakeLifted, SessionsClosed
from idp.authentication.factors.models import FactorLoss
from idp.authentication.session import close_every_session
from idp.authentication.throttle import Throttle, account_of
from idp.database import db
from idp.declarants import cooptation
from idp.declarants.controles.models import Controle
from idp.declarants.equipe.models import Candidature
from idp.declarants.identite import Identite, fold
from idp.declarants.models import Declarant
from idp.declarants.statuts import Act, By, Role, Statut, transition
from idp.entreprises.models import Etablissement
from idp.entreprises.siret import Siret
from idp.errors import MagError, NotFoundError
from idp.habilitations import premiers_droits
from idp.notifications.models import Mail
from idp.oidc import suspension
from idp.oidc.backchannel.notices import tell_of_person
from idp.oidc.suspension import Author
from idp.support import bureau, messages
from idp.support.facts import by, told
from idp.support.models import last_facts, people_at, people_writing_from
from idp.visitor import see

ROLES = {role: role.words.capitalize() for role in Role}
STATUTS = {statut: statut.words.capitalize() for statut in Statut}
bp = Blueprint("bureau_personnes", __name__)
MOST = 50
HISTORY = 50


@bp.get("/personnes")
def search() -> ResponseReturnValue:
    """By SIRET, with names or without, or by e-mail address: exactly, so that nobody leafs through people."""
    bureau.operator(bureau.PEOPLE)
    asked = {name: request.args.get(name, "").strip()[:254] for name in ("siret", "nom", "prenom", "email")}
    if not any(asked.values()):
        return render_template("bureau/personnes.html", asked=asked, found=None, refused="", titres=STATUTS, most=MOST)
    try:
        found, refused = _find(asked), ""
    except MagError as error:
        found, refused = [], error.public
    page = render_template("bureau/personnes.html", asked=asked, found=found, refused=refused, titres=STATUTS, most=MOST)
    return page, 422 if refused else 200


def _find(asked: dict[str, str]) -> list[Declarant]:
    """Raises InvalidSiretError, and NotFoundError when too little was typed."""
    if asked["siret"]:
        siret = Siret.parse(asked["siret"])
        nom, prenom = fold(asked["nom"]), fold(asked["prenom"])
        nobody = bool(asked["nom"]) > bool(nom) or bool(asked["prenom"]) > bool(prenom)
        return [] if nobody else people_at(siret, nom, prenom, MOST)
    if asked["email"]:
        return people_writing_from(asked["email"], MOST)
    raise NotFoundError("names alone", public="Un nom seul ne suffit pas : donnez aussi le SIRET, ou une adresse électronique.")


@bp.get("/personnes/<uid>")
def person(uid: str) -> ResponseReturnValue:
    """Status, history, and what may be done."""
    operator, declarant = bureau.operator(bureau.PEOPLE), _person(uid)
    place = Etablissement.find(declarant.siret)
    history = [(event, told(event.kind), by(event.actor, event.kind)) for event in last_facts(declarant.id, HISTORY)]
    page = render_template(
        "bureau/personne.html",
        person=declarant,
        place=place.carte() if place else None,
        history=history,
        controles=Controle.of(declarant.id),
        titres=STATUTS,
        roles=ROLES,
        by=by,
        loss=FactorLoss.live(declarant.id, http.now()),
        candidacy=_left_to_operators(declarant),
        acts={act: _allowed(declarant, act) for act in (Act.SUSPENDRE, Act.REACTIVER)},
        done=DONE.get(request.args.get("fait", ""), ""),
    )
    bureau.consulted(operator, declarant)
    db.session.commit()
    return page


def _left_to_operators(declarant: Declarant) -> bool:
    """Somebody asks to administer, and no administrator can answer."""
    return declarant.statut is Statut.CANDIDAT and not Declarant.administrators(declarant.siret)


def _person(uid: str) -> Declarant:
    """Raises NotFoundError."""
    found = Declarant.with_uid(uid)
    if found is None:
        raise NotFoundError("person", public="Cette personne n'existe pas, ou plus.")
    return found


def _allowed(declarant: Declarant, act: Act) -> bool:
    try:
        transition(declarant.statut, act, By.OPERATEUR)
    except MagError:
        return False
    return True


@bp.post("/personnes/<uid>/suspendre")
def suspend(uid: str) -> ResponseReturnValue:
    """No sign-in any more; sessions and tokens end, partners are told."""
    operator, declarant, mag = bureau.acting(bureau.PEOPLE), _person(uid), http.mag()
    now = http.now()
    mail = ("bureau_suspendre", messages.suspended(mag.settings.issuer, declarant.full_name, now))
    suspension.suspend(mag.ephemeral, mag.settings, mag.registry, declarant, Author(By.OPERATEUR, operator.actor), mail, now)
    return _ended(declarant, "suspendre")


@bp.post("/personnes/<uid>/reactiver")
def reinstate(uid: str) -> ResponseReturnValue:
    operator, declarant, now = bureau.acting(bureau.PEOPLE), _person(uid), http.now()
    mail = ("bureau_reactiver", messages.reactivated(http.mag().settings.issuer, declarant.full_name, now))
    suspension.reinstate(declarant, Author(By.OPERATEUR, operator.actor), mail, now)
    return _ended(declarant, "reactiver")


@bp.post("/personnes/<uid>/autoriser")
def let_in(uid: str) -> ResponseReturnValue:
    """A candidate whom no administrator can answer, all being suspended; the rights asked for open as with their agreement."""
    operator, declarant, mag = bureau.acting(bureau.PEOPLE), _person(uid), http.mag()
    asked = Candidature.of(declarant.id)
    if asked is None:
        raise NotFoundError("candidacy", public="Cette personne n'attend pas d'accord.")
    cooptation.autoriser(asked, operator.actor, http.now(), issuer=mag.settings.issuer)
    premiers_droits.ouvrir(declarant, mag.catalogue(), http.now())
    db.session.commit()
    return see(f"/personnes/{declarant.uid}", fait="autoriser")


@bp.post("/personnes/<uid>/deconnecter")
def disconnect(uid: str) -> ResponseReturnValue:
    """Every session ends, at MAG and at partners."""
    operator, declarant, mag = bureau.acting(bureau.PEOPLE), _person(uid), http.mag()
    close_every_session(mag.ephemeral, mag.settings, declarant)
    journal.record(SessionsClosed(declarant_id=declarant.id, siret=int(declarant.siret), actor=operator.actor), http.now())
    tell_of_person(mag.registry, mag.settings, declarant.id, http.now())
    if declarant.email:
        message = messages.disconnected(mag.settings.issuer, declarant.full_name, http.now())
        Mail.write("bureau_deconnecter", declarant.email, message, http.now(), declarant.id)
    return _ended(declarant, "deconnecter")


@bp.post("/personnes/<uid>/liberer")
def release(uid: str) -> ResponseReturnValue:
    """The brake that failures put on an identity is lifted."""
    operator, declarant, mag = bureau.acting(bureau.PEOPLE), _person(uid), http.mag()
    Throttle(mag.ephemeral).release(account_of(mag.keyring, Identite(declarant.siret, declarant.nom, declarant.prenom)))
    journal.record(BrakeLifted(declarant_id=declarant.id, siret=int(declarant.siret), actor=operator.actor), http.now())
    db.session.commit()
    return see(f"/personnes/{declarant.uid}", fait="liberer")


def _ended(declarant: Declarant, what: str) -> Response:
    bureau.commit_end()
    return see(f"/personnes/{declarant.uid}", fait=what)


DONE = {
    "autoriser": "L'accord est donné : la personne administre l'établissement, et elle est prévenue.",
    "suspendre": "Le compte est suspendu, ses sessions sont fermées, et la personne est prévenue.",
    "reactiver": "La suspension est levée, et la personne est prévenue.",
    "deconnecter": "Toutes les sessions sont fermées, et la personne est prévenue.",
    "liberer": "Le frein est levé : les prochaines tentatives ne seront plus ralenties.",
}
