"""Moving an identity along the table of `statuts.py`, with its line of journal. No other code changes a status or a role.

The last administrator of an establishment that still has people cannot leave it: struck off, closed, suspended by colleagues or
by time, or made a plain déclarant. An operator may suspend him (security first): whoever is suspended can be reinstated.
Left out on purpose: rights and sessions, which the caller settles in the same transaction.
"""

from datetime import datetime

from idp.audit import journal
from idp.database import db
from idp.declarants.events import DeclarantChanged, DeclarantErased
from idp.declarants.identite import LONGEST_CLE, LONGEST_NAME, Identite
from idp.declarants.models import Declarant
from idp.declarants.statuts import LEAVES_ADMINISTRATION, Act, By, Role, Statut, StatutRefusedError, transition
from idp.errors import RefusedError

ROOM = LONGEST_NAME - 4
"""Characters of a first name, beside the number that tells a namesake apart."""
NAMESAKES = 200
"""Of one name, in one establishment."""


class LastAdministratorError(RefusedError):
    """The establishment would be left to nobody."""

    code = "dernier_administrateur"
    number = "M200005"
    remedy = "Nommez d'abord un autre administrateur."
    status = 409
    public = (
        "C'est le dernier administrateur de l'établissement. Nommez d'abord un autre administrateur : l'établissement ne peut pas rester "
        "sans personne pour le gérer."
    )


def apply(declarant: Declarant, act: Act, by: By, now: datetime, *, role: Role | None = None, actor: str | None = None) -> None:
    """Move `declarant` along the table; `role` is the new role of CHANGER_ROLE, or of whoever becomes active.

    The row is locked and read again first: the act is judged on what the identity is, not on what a page showed.
    An erased identity is deleted with what hangs on it. Raises StatutRefusedError, LastAdministratorError.
    """
    if not declarant.take(with_administrators=act in LEAVES_ADMINISTRATION):
        raise StatutRefusedError("erased meanwhile")
    line = transition(declarant.statut, act, by)
    if act in LEAVES_ADMINISTRATION and not (role and role.administers) and not (act is Act.SUSPENDRE and by is By.OPERATEUR):
        check_not_last(declarant)
    if line.after is None:
        _erase(declarant, act, now, actor)
        return
    declarant.statut, declarant.updated_at = line.after, now
    declarant.role = role or declarant.role
    declarant.epoque += 1
    if line.after is Statut.RADIE:
        declarant.closed_at = now
    if line.after is Statut.ACTIF:
        declarant.expires_at = None
        _tell_apart(declarant)
    journal.record(
        DeclarantChanged(
            declarant_id=declarant.id, siret=int(declarant.siret), actor=actor, act=act, statut=declarant.statut, role=declarant.role
        ),
        now,
    )


def _tell_apart(declarant: Declarant) -> None:
    """A namesake comes in with a first name of their own, « Marie 2 »; with theirs, should nobody bear it any more.

    Raises StatutRefusedError when NAMESAKES bear it, or a number does not fit in the key.
    """
    if not declarant.is_namesake:
        return
    names = (declarant.prenom if rank == 1 else _numbered(declarant, rank) for rank in range(1, NAMESAKES + 1))
    if not any(name is not None and declarant.bear(name) for name in names):
        raise StatutRefusedError("no first name is left to tell a namesake apart")


def _numbered(declarant: Declarant, rank: int) -> str | None:
    """The first name and a number, cut so that the folded key fits; None when the number alone does not."""
    for length in range(min(len(declarant.prenom), ROOM), -1, -1):
        name = f"{declarant.prenom[:length].rstrip()} {rank}".strip()
        if len(Identite(declarant.siret, declarant.nom, name).cle) <= LONGEST_CLE:
            return name
    return None


def check_not_last(declarant: Declarant) -> None:
    """Rows of the administrators are locked: of two who leave at once, one stays. Raises LastAdministratorError."""
    if not declarant.role.administers or declarant.statut is not Statut.ACTIF:
        return
    if declarant.leaves_nobody():
        raise LastAdministratorError(f"declarant {declarant.id}")


def _erase(declarant: Declarant, act: Act, now: datetime, actor: str | None) -> None:
    event = DeclarantErased(declarant_id=declarant.id, siret=int(declarant.siret), actor=actor, act=act, statut=declarant.statut)
    journal.record(event, now)
    db.session.delete(declarant)
    db.session.flush()
