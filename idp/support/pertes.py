"""A lost second factor at the desk: one operator verifies who calls and declares it, another agrees (`factors/losses.py` keeps the rule).

Left out on purpose: ending sessions, which the page does in the same transaction, and the delay, which nobody shortens.
"""

from collections.abc import Collection
from datetime import datetime

from idp.authentication.factors import losses
from idp.authentication.factors.models import FactorLoss
from idp.authentication.recours.accords import ChecksMissingError
from idp.authentication.recours.voies import CHECKS, Check
from idp.config import Settings
from idp.declarants.models import Declarant
from idp.declarants.statuts import Statut
from idp.errors import NotFoundError, RefusedError
from idp.support.models import Operateur

VERIFICATIONS = {check: CHECKS[check] for check in (Check.IDENTITE, Check.LIEN, Check.RAPPEL)}
"""What each of the two operators makes sure of."""
LONGEST_REASON = 80


class NothingToLoseError(RefusedError):
    """No second factor, or nobody who may sign in."""

    code = "sans_second_facteur"
    number = "M700011"
    remedy = "Une perte se déclare pour un compte actif qui a un second facteur."
    status = 409
    public = "Ce compte n'est pas actif, ou n'a pas de second facteur : il n'y a rien à déclarer perdu."


class FileMissingError(RefusedError):
    """The journal must lead back to the case."""

    code = "dossier_manquant"
    number = "M700012"
    remedy = "Donnez le numéro du dossier de l'assistance, ou dites en quelques mots comment l'identité a été vérifiée."
    status = 422
    public = "Donnez le numéro du dossier, ou dites comment l'identité a été vérifiée, en 80 caractères au plus."


def find(loss_id: int, now: datetime) -> tuple[FactorLoss, Declarant]:
    """Raises NotFoundError."""
    found = FactorLoss.find(loss_id, now)
    if found is None:
        raise NotFoundError(f"loss {loss_id}", public="Cette demande n'existe pas, ou plus. Revenez à la liste.")
    return found


def declarable(person: Declarant) -> None:
    """Raises NothingToLoseError."""
    if person.statut is not Statut.ACTIF or not person.second_factor:
        raise NothingToLoseError(f"declarant {person.id}")


def verified(person: Declarant, ticked: Collection[str], reason: str) -> str:
    """The first operator verified everything: the words for the journal.

    Raises NothingToLoseError, ChecksMissingError, FileMissingError.
    """
    declarable(person)
    _check(ticked)
    words = " ".join(reason.split())
    if not 1 <= len(words) <= LONGEST_REASON or not words.isprintable():
        raise FileMissingError(f"declarant {person.id}")
    return words


def agree(settings: Settings, loss: FactorLoss, person: Declarant, me: Operateur, ticked: Collection[str], now: datetime) -> None:
    """Another operator verified everything too. Raises ChecksMissingError, LossRefusedError."""
    _check(ticked)
    losses.agree(settings, loss, person, now, operator=me.nom)


def _check(ticked: Collection[str]) -> None:
    if not set(VERIFICATIONS) <= set(ticked):
        raise ChecksMissingError(f"{sorted(ticked)}")
