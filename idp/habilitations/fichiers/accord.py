"""Above a threshold of rights, a file waits for somebody else: another administrator, or an operator where there is none. Callers commit.

Many small changes are one large change: what the same person changed alone during the last 24 hours, and did not undo, counts.

Whoever answers first decides. The agreement is given to the changes that were shown: should rights move before they are applied, the file
goes back to its author.
"""

from collections.abc import Sequence
from datetime import datetime

from idp.audit import journal
from idp.declarants.models import Declarant
from idp.entreprises.siret import Siret
from idp.errors import RefusedError
from idp.habilitations.fichiers import messages
from idp.habilitations.fichiers.events import FichierDecided, FichierSubmitted
from idp.habilitations.fichiers.models import FichierDroits, TravailFichier
from idp.habilitations.fichiers.statuts import ANSWER, CUMUL, TITLES, Etat, Travail
from idp.habilitations.models import Operation
from idp.notifications.messages import Message
from idp.notifications.models import Mail

LONGEST_REASON = 300


class FichierEtatError(RefusedError):
    """The file is no longer where this act finds it: somebody was faster, or a form was sent twice."""

    code = "fichier_ailleurs"
    number = "M300204"
    remedy = "Rechargez la page du fichier : elle dit où il en est."
    status = 409
    title = "Ce fichier a changé d'état"
    public = "Rien n'a été fait : ce fichier a changé d'état entre-temps. Sa page dit où il en est."


class OwnFileError(RefusedError):
    """An agreement is another's to give."""

    code = "accord_sur_son_fichier"
    number = "M300205"
    remedy = "Un autre administrateur de l'établissement, ou un opérateur s'il n'y en a pas, doit donner son accord."
    status = 409
    title = "Pas sur votre propre fichier"
    public = "L'accord doit venir d'une autre personne que l'auteur du fichier."


def must(fichier: FichierDroits, *states: Etat) -> None:
    """Keep the file, which must be in one of these states. Raises FichierEtatError."""
    if fichier.hold() not in states:
        raise FichierEtatError(
            f"file {fichier.id} is {fichier.etat}", public=f"Rien n'a été fait. Ce {fichier.mot} : {TITLES[fichier.etat].lower()}."
        )


def others(fichier: FichierDroits) -> Sequence[Declarant]:
    """The administrators who may agree: of its establishment, without its author."""
    return [one for one in Declarant.administrators(Siret.of(fichier.siret)) if one.id != fichier.by_id]


def deja(by_id: int, now: datetime, but: int = 0) -> int:
    """How many rights somebody changed alone lately, or is about to by files: `but`, one of them, left out."""
    return Operation.droits_since(by_id, now - CUMUL) + FichierDroits.promised(by_id, but)


def needed(fichier: FichierDroits, threshold: int, now: datetime) -> bool:
    """Whether what it changes, with what its author changed lately, is above the threshold; 0: never. Nor for an undo."""
    droits = 0 if fichier.bilan.get("libre") else fichier.bilan.get("droits", 0)
    return bool(threshold and droits) and droits + deja(fichier.by_id, now, fichier.id) > threshold


def soumettre(fichier: FichierDroits, threshold: int, now: datetime, *, issuer: str) -> bool:
    """Its author wants it applied; True: somebody must agree first. Raises FichierEtatError."""
    must(fichier, Etat.VERIFIE, Etat.EXPIRE, Etat.REFUSE)
    if not fichier.bilan.get("changees"):
        raise FichierEtatError(f"file {fichier.id} changes nothing", public=f"Ce {fichier.mot} ne change rien : il n'y a rien à appliquer.")
    Declarant.hold(fichier.author.siret.siren, fichier.by_id)  # two small files sent at once are counted one after the other
    fichier.decided_by, fichier.decided_at = None, None
    agreement = needed(fichier, threshold, now)
    journal.record(FichierSubmitted(declarant_id=fichier.by_id, siret=fichier.siret, fichier=fichier.reference, agreement=agreement), now)
    if not agreement:
        _to_apply(fichier, now)
        return False
    fichier.become(Etat.A_APPROUVER, now)
    fichier.expires_at = now + ANSWER
    asked = others(fichier)
    fichier.bureau = not asked
    for one in asked:
        if one.email:
            message = messages.agreement_asked(
                issuer,
                one.full_name,
                fichier.author.full_name,
                fichier.mot,
                fichier.nom,
                fichier.bilan,
                fichier.expires_at,
                fichier.reference,
            )
            Mail.write("fichier_accord", one.email, message, now, one.id)
    return True


def check_may_answer(fichier: FichierDroits, administrator: Declarant) -> None:
    """Raises OwnFileError."""
    if administrator.id == fichier.by_id:
        raise OwnFileError(f"file {fichier.id}")


def accorder(fichier: FichierDroits, actor: str, now: datetime, *, issuer: str) -> None:
    """It may be applied: a job does it. Raises FichierEtatError."""
    _decide(fichier, actor, "accord", now)
    _to_apply(fichier, now)
    _tell(fichier, now, "fichier_accepte", messages.agreed(issuer, fichier.author.full_name, fichier.mot, fichier.nom, fichier.reference))


def refuser(fichier: FichierDroits, actor: str, reason: str, now: datetime, *, issuer: str) -> None:
    """It is not applied, and its author is told why. Raises FichierEtatError."""
    reason = " ".join(reason.split())[:LONGEST_REASON]
    _decide(fichier, actor, "refus", now)
    fichier.become(Etat.REFUSE, now, reason or None)
    _tell(
        fichier,
        now,
        "fichier_refuse",
        messages.declined(issuer, fichier.author.full_name, fichier.mot, fichier.nom, reason, fichier.reference),
    )


def abandonner(fichier: FichierDroits, actor: str, now: datetime) -> None:
    """Its author, or a colleague, drops it. Raises FichierEtatError."""
    must(fichier, Etat.VERIFIE, Etat.A_APPROUVER, Etat.REFUSE, Etat.EXPIRE)
    fichier.become(Etat.ABANDONNE, now)
    journal.record(_decided(fichier, actor, "abandon"), now)


def expirer(now: datetime, *, issuer: str) -> int:
    """Files that nobody answered for in time; how many."""
    found = [one for one in FichierDroits.overdue(now) if one.hold() is Etat.A_APPROUVER]
    for fichier in found:
        fichier.become(Etat.EXPIRE, now)
        journal.record(_decided(fichier, "temps", "expire"), now)
        _tell(
            fichier, now, "fichier_expire", messages.expired(issuer, fichier.author.full_name, fichier.mot, fichier.nom, fichier.reference)
        )
    return len(found)


def annuler(fichier: FichierDroits, actor: str, now: datetime) -> None:
    """Ask that its operation be undone. Raises FichierEtatError."""
    must(fichier, Etat.APPLIQUE)
    if not fichier.is_undoable(now):
        raise FichierEtatError(f"file {fichier.id} is too old", public=f"Un {fichier.mot} ne s'annule que pendant 24 heures.")
    journal.record(_decided(fichier, actor, "annulation"), now)
    fichier.become(Etat.A_ANNULER, now)
    TravailFichier.ask(fichier.id, Travail.ANNULER, now)


def _decide(fichier: FichierDroits, actor: str, decision: str, now: datetime) -> None:
    must(fichier, Etat.A_APPROUVER)
    if fichier.expires_at is None or fichier.expires_at <= now:
        raise FichierEtatError(f"file {fichier.id} expired", public="Le délai de réponse est passé : l'auteur doit redemander un accord.")
    fichier.decided_by, fichier.decided_at = actor, now
    journal.record(_decided(fichier, actor, decision), now)


def _decided(fichier: FichierDroits, actor: str, decision: str) -> FichierDecided:
    return FichierDecided(declarant_id=fichier.by_id, siret=fichier.siret, actor=actor, fichier=fichier.reference, decision=decision)


def _to_apply(fichier: FichierDroits, now: datetime) -> None:
    fichier.become(Etat.A_APPLIQUER, now)
    fichier.expires_at = None
    TravailFichier.ask(fichier.id, Travail.APPLIQUER, now)


def _tell(fichier: FichierDroits, now: datetime, kind: str, message: Message) -> None:
    author = fichier.author
    if author.email:
        Mail.write(kind, author.email, message, now, author.id)
