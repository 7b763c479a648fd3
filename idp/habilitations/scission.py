"""To split a portfolio that became too large (fact 49): some of its clients move to new ones, with the same container and members.

Nobody gains or loses a right. The caller commits.
"""

from collections.abc import Sequence
from itertools import pairwise

from idp.database import db
from idp.habilitations.gesture import Gesture, refusal
from idp.habilitations.models import Portefeuille, PortefeuilleClient, PortefeuilleMembre
from idp.habilitations.portefeuilles import ADVISED_CLIENTS, found

MOST_PARTS = 50
"""New portfolios of one split."""


def parts(cibles: Sequence[int], size: int = ADVISED_CLIENTS) -> list[Sequence[int]]:
    """Targets in order, in lots as even as can be, none above `size`."""
    many = -(-len(cibles) // size)
    ends = [len(cibles) * number // many for number in range(many + 1)] if many else []
    return [cibles[first:last] for first, last in pairwise(ends)]


def names(nom: str, many: int) -> list[str]:
    """`Nord (2 sur 3)`, within what a name holds."""
    return [f"{nom[:105]} ({number} sur {many})" for number in range(1, many + 1)]


def scinder(gesture: Gesture, portefeuille_id: int, size: int = ADVISED_CLIENTS) -> list[int]:
    """Split it in lots of at most `size` clients; identifiers of all of them, the first being itself. Raises AttributionRefusedError."""
    portefeuille = found(portefeuille_id)
    lots = parts(PortefeuilleClient.targets(portefeuille_id), size)
    if len(lots) < 2:
        raise refusal("nothing to split", f"« {portefeuille.nom} » n'a pas plus de {size} clients : il n'y a rien à scinder.")
    if len(lots) > MOST_PARTS:
        raise refusal("too many parts", f"Cela ferait plus de {MOST_PARTS} portefeuilles : choisissez des lots plus grands.")
    operation_id = gesture.trace("scinder", portefeuille.masks, portefeuille_id=portefeuille_id)
    members = PortefeuilleMembre.in_portfolio(portefeuille_id)
    titles = names(portefeuille.nom, len(lots))
    made = [portefeuille_id] + [_part(portefeuille, members, lot, nom, operation_id) for lot, nom in zip(lots[1:], titles[1:], strict=True)]
    portefeuille.nom = titles[0]
    portefeuille.epoque += 1
    portefeuille.count_clients()
    for membre in members:
        gesture.declarant(membre.declarant_id, giving=False).epoque += 1
    return made


def _part(whole: Portefeuille, members: Sequence[PortefeuilleMembre], lot: Sequence[int], nom: str, operation_id: int) -> int:
    """One new portfolio, and the clients that move there."""
    part = Portefeuille(siren=whole.siren, nom=nom, clients=0, operation_id=operation_id)
    part.masks = whole.masks
    db.session.add(part)
    db.session.flush()
    for membre in members:
        row = PortefeuilleMembre(declarant_id=membre.declarant_id, portefeuille_id=part.id, operation_id=operation_id)
        row.masks, row.effective_from, row.ends_at = membre.masks, membre.effective_from, membre.ends_at
        db.session.add(row)
    PortefeuilleClient.move(whole.id, part.id, lot[0], lot[-1], operation_id)
    part.count_clients()
    return part.id
