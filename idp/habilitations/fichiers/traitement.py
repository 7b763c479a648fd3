"""What a job does of a mass file, or of an act of the pages: check it, apply it, undo it. One transaction each: all or nothing, once.

It ends with the job. A worker that died leaves nothing; the next one starts again. One that lost its lease while it worked finds its job
taken at the end, and keeps nothing either. The caller commits.
"""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from idp.audit import journal
from idp.database import db
from idp.entreprises.siret import Siret
from idp.errors import MagError, RefusedError
from idp.habilitations.confies.models import take_time
from idp.habilitations.droits import Catalogue
from idp.habilitations.espace.gestes.acte import Demande
from idp.habilitations.espace.portee import Portee
from idp.habilitations.fichiers import gestes, messages, releve
from idp.habilitations.fichiers.events import FichierApplied, FichierFailed, FichierUndone
from idp.habilitations.fichiers.gestes import Reads
from idp.habilitations.fichiers.models import FichierContenu, FichierDroits, FichierLigne, TravailFichier
from idp.habilitations.fichiers.places import models as written
from idp.habilitations.fichiers.releve import Beat, Lecture, Releve
from idp.habilitations.fichiers.statuts import STATE_OF, Etat, Travail
from idp.habilitations.fichiers.tableur import TableurError
from idp.habilitations.gesture import Gesture
from idp.habilitations.historique import annulation
from idp.habilitations.models import DroitDirect, Operation, PortefeuilleClient
from idp.notifications.models import Mail

MOVED = "Des droits ont changé depuis la vérification : relisez le compte rendu, puis appliquez-le de nouveau."


class LostLeaseError(MagError):
    """The job is another worker's by now: nothing of this one is kept."""

    code = "travail_perdu"
    number = "M900301"
    remedy = "Aucune : un autre processus a repris ce travail."


@dataclass(frozen=True, slots=True)
class Claimed:
    """A job, held for a while."""

    id: int
    fichier_id: int
    genre: Travail
    tries: int
    worker: str


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What jobs need of their process."""

    catalogue: Callable[[], Catalogue]
    issuer: str
    reads: Reads


def faire(job: Claimed, around: Surroundings, beat: Beat, now: datetime) -> None:
    """Do the job, in this transaction. Raises LostLeaseError; refusals become the state of the file."""
    fichier = _found(job)
    if fichier is None or fichier.etat is not STATE_OF[job.genre]:
        _end(job, now)
        return
    take_time()
    gesture = Gesture(fichier.by_id, around.catalogue(), now)
    acts = {Travail.VERIFIER: verifier, Travail.APPLIQUER: appliquer, Travail.ANNULER: annuler}
    if fichier.est_geste:
        acts |= {Travail.VERIFIER: verifier_geste, Travail.APPLIQUER: appliquer_geste}
    acts[job.genre](job, fichier, gesture, around, beat)


def abandonner(job: Claimed, around: Surroundings, reason: str, public: str, now: datetime) -> None:
    """The job cannot be done: the file says why, and its author is told."""
    fichier = _found(job)
    if fichier is not None and fichier.hold() is STATE_OF[job.genre]:
        _fail(job, fichier, around, reason, public, now)
    TravailFichier.end(job.id, job.worker, now, reason[:200])


def _found(job: Claimed) -> FichierDroits | None:
    return db.session.get(FichierDroits, job.fichier_id, populate_existing=True)


def _end(job: Claimed, now: datetime) -> None:
    """In the transaction of what was done. Raises LostLeaseError."""
    if not TravailFichier.end(job.id, job.worker, now):
        raise LostLeaseError(f"job {job.id}")


def _hold(job: Claimed, fichier: FichierDroits) -> None:
    """Keep the file until the end. Raises LostLeaseError when it is elsewhere by now."""
    if fichier.hold() is not STATE_OF[job.genre]:
        raise LostLeaseError(f"job {job.id}: file is {fichier.etat}")


def _portee(fichier: FichierDroits) -> Portee:
    """What its author administers today. Raises RefusedError."""
    if not fichier.author.may_administer(Siret.of(fichier.siret)):
        raise RefusedError("author", public="L'auteur du fichier n'administre plus cet établissement.")
    return Portee.of(fichier.author)


def _read(fichier: FichierDroits, gesture: Gesture, beat: Beat) -> Lecture:
    """The file as a temporary one. Raises TableurError, RefusedError."""
    portee = _portee(fichier)
    with tempfile.TemporaryDirectory(prefix="mag-fichier-") as folder:
        path = Path(folder) / "droits"
        path.write_bytes(FichierContenu.read(fichier.id))
        return releve.lire(gesture, portee, path, beat)


def _compare(fichier: FichierDroits, gesture: Gesture, lecture: Lecture, beat: Beat) -> Releve:
    return releve.comparer(gesture, _portee(fichier), lecture, beat)


# ----------------------------------------------------------------------------------------------------------------- check


def verifier(job: Claimed, fichier: FichierDroits, gesture: Gesture, around: Surroundings, beat: Beat) -> None:
    """Every line is looked at; nothing is changed but what is known of the file."""
    try:
        found = _compare(fichier, gesture, _read(fichier, gesture, beat), beat)
    except TableurError as error:
        _hold(job, fichier)
        fichier.become(Etat.ILLISIBLE, gesture.now, error.public)
        _end(job, gesture.now)
        return
    except RefusedError as error:
        abandonner(job, around, str(error), error.public, gesture.now)
        return
    _hold(job, fichier)
    gestes.montrer(fichier, found, gesture.now)
    _end(job, gesture.now)


# ----------------------------------------------------------------------------------------------------------------- apply


def appliquer(job: Claimed, fichier: FichierDroits, gesture: Gesture, around: Surroundings, beat: Beat) -> None:
    """The changes that were shown, under one operation; shown again instead when they are no longer the same."""
    try:
        lecture = _read(fichier, gesture, beat)
    except RefusedError as error:
        abandonner(job, around, str(error), error.public, gesture.now)
        return
    _hold(job, fichier)
    people, portefeuilles = FichierLigne.holders(fichier.id)
    written.hold(people, portefeuilles)
    db.session.expire_all()
    found = _compare(fichier, gesture, lecture, lambda *_: None)
    if found.empreinte != fichier.empreinte:
        gestes.montrer(fichier, found, gesture.now, MOVED)
    else:
        _write(fichier, gesture, found)
        _tell_applied(fichier, around, gesture.now)
    _end(job, gesture.now)


def _write(fichier: FichierDroits, gesture: Gesture, found: Releve) -> None:
    operation_id = gesture.trace("importer_fichier", releve.given(found, gesture.catalogue))
    db.session.get_one(Operation, operation_id).resume = f"Fichier « {fichier.nom} » : {messages.summary(found.bilan)}"[:300]
    for genre, kind in (("d", DroitDirect), ("c", PortefeuilleClient)):
        changed = ((who.id, cible, before.held, after.held) for who, cible, before, after in found.places if who.genre == genre)
        written.write_rows(kind, (one for one in changed if one[2] != one[3]), operation_id)
    exclusions = ((who.id, cible, after.excluded) for who, cible, before, after in found.places if after.excluded != before.excluded)
    written.write_exclusions(exclusions, operation_id)
    written.count_clients({who.id for who, *_ in found.places if who.genre == "c"})
    _applied(fichier, operation_id, found.bilan, gesture.now)


def _applied(fichier: FichierDroits, operation_id: int, bilan: Mapping[str, int], now: datetime) -> None:
    fichier.become(Etat.APPLIQUE, now)
    fichier.operation_id, fichier.applied_at = operation_id, now
    if fichier.decided_by is None and not bilan.get("libre"):
        Operation.alone(operation_id, bilan["droits"])
    journal.record(
        FichierApplied(
            declarant_id=fichier.by_id,
            siret=fichier.siret,
            fichier=fichier.reference,
            operation_id=operation_id,
            given=bilan["donnes"],
            withdrawn=bilan["retires"],
        ),
        now,
    )


def _tell_applied(fichier: FichierDroits, around: Surroundings, now: datetime) -> None:
    author = fichier.author
    if author.email:
        message = messages.applied(around.issuer, author.full_name, fichier.mot, fichier.nom, fichier.bilan, fichier.reference)
        Mail.write("fichier_applique", author.email, message, now, author.id)


# ------------------------------------------------------------------------------------------------------- acts of the pages


def verifier_geste(job: Claimed, fichier: FichierDroits, gesture: Gesture, around: Surroundings, beat: Beat) -> None:
    """What the act would change, place by place; nothing is changed."""
    try:
        demande = _demande(fichier, gesture, around)
        effet = gestes.verifier(demande, _beside(beat))
    except RefusedError as error:
        abandonner(job, around, str(error), error.public, gesture.now)
        return
    _hold(job, fichier)
    fichier.nom = gestes.titre(demande, effet.acte)
    gestes.montrer(fichier, effet, gesture.now)
    _end(job, gesture.now)


def appliquer_geste(job: Claimed, fichier: FichierDroits, gesture: Gesture, around: Surroundings, beat: Beat) -> None:
    """What was shown, under one operation; shown again instead when it is no longer the same. Rows are held from here on."""
    _hold(job, fichier)
    try:
        demande = _demande(fichier, gesture, around)
        effet = gestes.verifier(demande, _beside(beat), hold=True)
        same = effet.empreinte == fichier.empreinte
        operation_id = gestes.appliquer(demande, effet) if same else 0
    except RefusedError as error:
        abandonner(job, around, str(error), error.public, gesture.now)
        return
    if operation_id:
        _applied(fichier, operation_id, fichier.bilan, gesture.now)
        _tell_applied(fichier, around, gesture.now)
    else:
        gestes.montrer(fichier, effet, gesture.now, MOVED)
    _end(job, gesture.now)


def _beside(beat: Beat) -> Beat:
    """An act is looked at by doing it, then taking it back. SQLite has one writer: nobody can take the job, nor be told how far it is."""
    return beat if db.session.get_bind().dialect.name == "postgresql" else lambda _done, _total: None


def _demande(fichier: FichierDroits, gesture: Gesture, around: Surroundings) -> Demande:
    """Raises RefusedError."""
    return gestes.relire(fichier, _portee(fichier), gesture.catalogue, around.reads, gesture.now)


# ------------------------------------------------------------------------------------------------------------------ undo


def annuler(job: Claimed, fichier: FichierDroits, gesture: Gesture, _around: Surroundings, _beat: Beat) -> None:
    """Its operation is undone, unless others wrote on the same places since: then it stays applied, and says so."""
    _hold(job, fichier)
    operation_id = fichier.operation_id or 0
    try:
        annulation.annuler(gesture, operation_id)
    except RefusedError as error:
        fichier.become(Etat.APPLIQUE, gesture.now, error.public)
        _end(job, gesture.now)
        return
    fichier.become(Etat.ANNULE, gesture.now)
    undone = FichierUndone(declarant_id=fichier.by_id, siret=fichier.siret, fichier=fichier.reference, operation_id=operation_id)
    journal.record(undone, gesture.now)
    _end(job, gesture.now)


def _fail(job: Claimed, fichier: FichierDroits, around: Surroundings, reason: str, public: str, now: datetime) -> None:
    """A file whose undoing failed stays applied."""
    fichier.become(Etat.APPLIQUE if job.genre is Travail.ANNULER else Etat.ECHEC, now, public)
    journal.record(FichierFailed(declarant_id=fichier.by_id, siret=fichier.siret, fichier=fichier.reference, reason=reason[:200]), now)
    author = fichier.author
    if author.email and job.genre is not Travail.ANNULER:
        Mail.write(
            "fichier_echec",
            author.email,
            messages.failed(around.issuer, author.full_name, fichier.mot, fichier.nom, public, fichier.reference),
            now,
            author.id,
        )
