"""Acts of administrators: chosen, simulated, confirmed; and what was done, undone for 24 hours.

A form is posted twice to one address: to be shown what would happen, then to do it, if nothing changed meanwhile. So a doubled
confirmation finds that what it would do is done, and does nothing.
"""

from flask import Blueprint, current_app, render_template, request
from flask.typing import ResponseReturnValue

from idp import http, visitor
from idp.database import db
from idp.declarants.models import Declarant
from idp.errors import RefusedError
from idp.habilitations.droits import Grain, words
from idp.habilitations.espace import models
from idp.habilitations.espace.gestes import actes
from idp.habilitations.espace.gestes import models as operations
from idp.habilitations.espace.gestes.acte import Acte, Demande, TooManyPlacesError, too_many
from idp.habilitations.espace.gestes.dossiers import PortefeuilleChangedError, version
from idp.habilitations.espace.gestes.reprise import reprise
from idp.habilitations.espace.gestes.simulation import MOST_TOLD, simuler
from idp.habilitations.espace.lecture import SIZE, Lecteur
from idp.habilitations.espace.portee import Portee
from idp.habilitations.espace.saisie import Coches, Filtre, number, targets
from idp.habilitations.fichiers import accord, gestes
from idp.habilitations.fichiers.messages import PLACE
from idp.habilitations.fichiers.models import FichierDroits
from idp.habilitations.fichiers.statuts import Etat
from idp.habilitations.fichiers.tableur import TableurError
from idp.habilitations.gesture import AttributionRefusedError
from idp.habilitations.historique.annulation import UNDOABLE
from idp.habilitations.models import Operation
from idp.seals import random_token

bp = Blueprint("gestes", __name__)
PURPOSE = "droits-geste"
HOME = "/equipe/droits"
MOVED = "Les droits ont changé depuis l'aperçu : rien n'a été fait. Relisez, puis confirmez."


def _demande(found: visitor.Visitor) -> Demande:
    mag = http.mag()
    fields = request.form.to_dict(flat=False)
    return Demande(Portee.of(found.person), Lecteur(mag.connections, mag.catalogue(), http.now(), mag.annuaire), fields)


def _back(text: str) -> str:
    """A page of rights to go back to, whatever the form says."""
    return text if text.startswith(HOME) and "//" not in text and "\\" not in text and len(text) < 500 else HOME


# ----------------------------------------------------------------------------------------------------------------- choosing


@bp.get("/equipe/droits/personnes/<uid>/agir")
def on_person(uid: str) -> ResponseReturnValue:
    """What to do for somebody: on the targets ticked, on all that the filter finds, or on those to be typed."""
    found = visitor.administrator()
    portee = Portee.of(found.person)
    person = portee.person(uid)
    coches = Coches.parse(request.args, request.args.to_dict(flat=False))
    return _choices(found, portee, [person], coches, Filtre.parse(request.args), f"{HOME}/personnes/{uid}")


@bp.get("/equipe/droits/etablissements/<int:cible>/agir")
def on_establishment(cible: int) -> ResponseReturnValue:
    """What to do for the people ticked, on one target."""
    found = visitor.administrator()
    portee = Portee.of(found.person)
    back = f"{HOME}/etablissements/{cible}"
    people = [portee.person(uid) for uid in dict.fromkeys(request.args.getlist("personne")[:100])]
    if not people or not targets([str(cible)]):
        return visitor.see(back, choix="personne")
    return _choices(found, portee, people, Coches(cibles=(cible,)), Filtre(), back)


def _choices(
    found: visitor.Visitor, portee: Portee, people: list[Declarant], coches: Coches, filtre: Filtre, back: str
) -> ResponseReturnValue:
    return render_template(
        "droits/agir.html",
        visitor=found,
        portee=portee,
        people=people,
        coches=coches,
        filtre=filtre,
        noms=models.noms(coches.cibles[:SIZE]),
        services=http.mag().catalogue().offered,
        words=words,
        Grain=Grain,
        back=back,
        csrf=http.csrf_token(PURPOSE),
    )


# ------------------------------------------------------------------------------------------------------ simulating, doing


@bp.post("/equipe/droits/gestes")
def act() -> ResponseReturnValue:
    """What would happen; then, confirmed, it happens."""
    found = visitor.administrator()
    http.check_csrf(PURPOSE)
    demande = _demande(found)
    try:
        if request.form.get("etape") == "confier":
            return _leave(gestes.confier(demande, demande.un("depot", 40)))
        acte = actes.lire(demande)
        if request.form.get("etape") == "confirmer" and acte.complete:
            return _confirm(found, demande)
        return _preview(found, demande, acte) if acte.complete else _too_large(found, demande, acte.resume, acte.retour)
    except TooManyPlacesError:
        db.session.rollback()
        return _too_large(found, demande, "", _back(demande.un("retour", 500)))
    except PortefeuilleChangedError as error:
        db.session.rollback()
        return _changed(found, demande, error)
    except (AttributionRefusedError, TableurError) as error:
        db.session.rollback()
        return _refused(found, demande, error)


def _preview(found: visitor.Visitor, demande: Demande, acte: Acte, problem: str = "", status: int = 200) -> ResponseReturnValue:
    """Changes nothing."""
    simulation = simuler(demande, acte)
    db.session.rollback()
    deja = accord.deja(found.person.id, demande.now)
    page = render_template(
        "droits/simulation.html",
        visitor=found,
        acte=acte,
        simulation=simulation,
        repeated=demande.repeated,
        problem=problem,
        most=MOST_TOLD,
        threshold=_threshold(),
        needed=gestes.needs_agreement(demande.un("acte", 40), simulation, _threshold(), deja),
        deja=deja,
        depot=random_token(16),
        csrf=http.csrf_token(PURPOSE),
    )
    return page, status


def _threshold() -> int:
    return http.mag().settings.mass_approval


def _too_large(found: visitor.Visitor, demande: Demande, resume: str, back: str) -> ResponseReturnValue:
    """A job looks at what a page cannot; what it found is confirmed there, as a file is."""
    return render_template(
        "droits/grand_geste.html",
        visitor=found,
        resume=resume,
        back=back,
        most=demande.most,
        repeated=demande.repeated,
        depot=random_token(16),
        csrf=http.csrf_token(PURPOSE),
    )


def _leave(fichier: FichierDroits) -> ResponseReturnValue:
    """Its page says where it stands."""
    reference = fichier.reference
    db.session.commit()
    current_app.extensions["mag_fichiers"].wake()
    return visitor.see(f"{PLACE}/{reference}")


def _confirm(found: visitor.Visitor, demande: Demande) -> ResponseReturnValue:
    """Rows held, the preview made again and compared, then the act, under one operation."""
    acte = gestes.lire_tenu(demande)
    if not acte.complete:
        raise too_many(demande.most)
    simulation = simuler(demande, acte)
    if simulation.epreuve != demande.un("vu", 40):
        db.session.rollback()
        return _preview(found, demande, acte, MOVED, 409)
    if simulation.a_taper and "".join(demande.un("tape", 20).split()) != simulation.a_taper:
        db.session.rollback()
        return _preview(found, demande, acte, f"Tapez {simulation.a_taper} pour confirmer : rien n'a été fait.", 422)
    if gestes.needs_agreement(demande.un("acte", 40), simulation, _threshold(), accord.deja(found.person.id, demande.now)):
        kept = gestes.proposer(demande, acte, simulation, demande.un("depot", 40))
        if kept.etat is Etat.VERIFIE:
            accord.soumettre(kept, _threshold(), demande.now, issuer=http.mag().settings.issuer)
        return _leave(kept)
    if not simulation.changes:
        db.session.rollback()
        return visitor.see(acte.retour)
    operation_id = gestes.appliquer(demande, gestes.Effet(acte, simulation))
    if not operation_id:
        db.session.rollback()
        return _preview(found, demande, actes.lire(demande), MOVED, 409)
    if demande.un("acte", 40) not in gestes.FREE:
        Operation.alone(operation_id, simulation.droits)
    db.session.commit()
    return visitor.see(f"{HOME}/operations/{operation_id}", fait="1")


def _refused(found: visitor.Visitor, demande: Demande, error: RefusedError) -> ResponseReturnValue:
    page = render_template(
        "droits/refus_geste.html",
        visitor=found,
        message=error.public,
        number=error.number,
        back=_back(demande.un("retour", 500)),
        reprise=reprise(demande),
        services=demande.catalogue.offered,
        words=words,
        Grain=Grain,
        csrf=http.csrf_token(PURPOSE),
    )
    return page, error.status


def _changed(found: visitor.Visitor, demande: Demande, error: PortefeuilleChangedError) -> ResponseReturnValue:
    """Both changes: what others did, and what was asked, which can be asked again on the portfolio as it is."""
    portefeuille = demande.portee.portefeuille(error.portefeuille_id)
    repeated = [(name, value) for name, value in demande.repeated if name != "version"]
    page = render_template(
        "droits/conflit.html",
        visitor=found,
        portefeuille=portefeuille,
        others=operations.since(portefeuille.id, error.seen),
        names=actes.NOMS,
        asked=actes.lire(demande).resume,
        repeated=[*repeated, ("version", version(portefeuille, operations.last_on(portefeuille.id)))],
        public=error.public,
        csrf=http.csrf_token(PURPOSE),
    )
    return page, error.status


# ------------------------------------------------------------------------------------------------------------------- done


@bp.get("/equipe/droits/operations")
def done() -> ResponseReturnValue:
    """Who did what and when, the latest first."""
    found = visitor.administrator()
    portee, before = Portee.of(found.person), number(request.args.get("avant", ""))
    page = operations.operations(portee.sirets, before, SIZE + 1)
    shown = page[:SIZE]
    return render_template(
        "droits/operations.html",
        visitor=found,
        operations=shown,
        undone=operations.undone_by([one.id for one, _ in shown]),
        names=actes.NOMS,
        before=before,
        following=shown[-1][0].id if len(page) > SIZE else 0,
        since=http.now() - UNDOABLE,
    )


@bp.get("/equipe/droits/operations/<int:operation_id>")
def one_done(operation_id: int) -> ResponseReturnValue:
    """One operation: what it did, whether it can be undone."""
    found = visitor.administrator()
    operation, by = Portee.of(found.person).operation(operation_id)
    return render_template(
        "droits/operation.html",
        visitor=found,
        operation=operation,
        by=by,
        undone=operations.undone_by([operation_id]).get(operation_id),
        name=actes.NOMS.get(operation.kind, operation.kind),
        fait="fait" in request.args,
        until=operation.at + UNDOABLE,
        undoable=operation.at > http.now() - UNDOABLE,
        csrf=http.csrf_token(PURPOSE),
    )
