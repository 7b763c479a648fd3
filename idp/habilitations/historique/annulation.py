"""To undo an operation within 24 hours: what it wrote goes, what it closed comes back, under an operation of its own.

Refused when something changed since on the same places, saying what: an undo never takes another's work away. An undo can be undone.
"""

from datetime import timedelta

from idp.database import db
from idp.habilitations.droits import NOTHING, written
from idp.habilitations.gesture import Gesture, refusal
from idp.habilitations.historique import models as history
from idp.habilitations.models import Operation, Portefeuille

UNDOABLE = timedelta(hours=24)
MOST_TOLD = 5


def annuler(gesture: Gesture, operation_id: int) -> int:
    """Undo an operation; how many rows changed. Raises AttributionRefusedError; the caller commits, or rolls back."""
    operation = Operation.locked(operation_id)
    if operation is None:
        raise refusal(f"no operation {operation_id}", "Cette opération n'existe pas.")
    if operation.at <= gesture.now - UNDOABLE:
        raise refusal("too old", "Une opération ne s'annule que pendant 24 heures.")
    if history.is_undone(operation_id):
        raise refusal("already undone", "Cette opération est déjà annulée.")
    if not history.hold(operation_id):
        raise refusal("nothing to undo", "Il n'y a rien à annuler dans cette opération.")
    check_unchanged(operation_id)
    if history.no_longer_active(operation_id):
        raise refusal("account not active", "Une personne qui retrouverait des droits n'est plus active : rien n'est annulé.")
    under = gesture.trace("annuler", NOTHING, annule_id=operation_id)
    return history.replay(operation_id, under)


def check_unchanged(operation_id: int) -> None:
    """Nobody wrote on the same places since."""
    if changed := history.changed_since(operation_id, MOST_TOLD):
        told = " ; ".join(f"{place(genre, sujet, cible)} (opération {since})" for genre, sujet, cible, since in changed)
        raise refusal("changed since", f"D'autres opérations ont changé la même chose depuis : {told}. Annulez-les d'abord.")


def place(genre: str, sujet: int, cible: int) -> str:
    """`droits du compte 12 sur 356000000`, `portefeuille « Nord »`."""
    if genre in ("c", "p"):
        portefeuille = db.session.get(Portefeuille, sujet)
        name = f"portefeuille « {portefeuille.nom} »" if portefeuille else f"portefeuille {sujet}"
        return name if genre == "p" else f"{name}, client {written(cible)}"
    if genre == "m":
        return f"compte {sujet}, membre du portefeuille {cible}"
    return f"{'exclusion' if genre == 'x' else 'droits'} du compte {sujet} sur {written(cible)}"
