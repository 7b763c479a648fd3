"""Portfolios: a firm's clients and members, grouped, so that 4,000 habilitations are a hundred rows (facts 47 to 50). The caller commits.

Container then content: a service is opened for the portfolio first, then for its clients (fact 48). A member has, on each
client, what the client has, within the container and within the member's own ceiling; all three are joined when a right is read.
"""

from collections.abc import Collection
from datetime import datetime

from idp.database import db
from idp.habilitations.droits import EVERYTHING, FOREVER, Masks, Period, Rights, siren_of, withdraw
from idp.habilitations.gesture import Change, Gesture, changes, check_own_company, refusal, spoken
from idp.habilitations.models import Portefeuille, PortefeuilleClient, PortefeuilleMembre, locked_portefeuille

ADVISED_CLIENTS = 100
"""Fact 49: beyond, the portfolio becomes hard to manage. Advice, not a limit."""


def creer(gesture: Gesture, siren: int, nom: str, rights: Rights) -> Portefeuille:
    """Open a portfolio for a firm, with the services of its container. Raises AttributionRefusedError."""
    check_name(nom)
    masks = gesture.masks(rights)
    portefeuille = Portefeuille(siren=siren, nom=nom.strip(), clients=0)
    portefeuille.masks = masks
    db.session.add(portefeuille)
    db.session.flush()
    portefeuille.operation_id = gesture.trace("creer_portefeuille", masks, portefeuille_id=portefeuille.id)
    return portefeuille


def check_name(nom: str) -> None:
    """Raises AttributionRefusedError."""
    if not 1 <= len(nom.strip()) <= 120:
        raise refusal("name", "Donnez au portefeuille un nom de 1 à 120 caractères.")


def renommer(gesture: Gesture, portefeuille_id: int, nom: str) -> bool:
    """Another name. False: it had it. Raises AttributionRefusedError."""
    check_name(nom)
    portefeuille = found(portefeuille_id)
    if portefeuille.nom == nom.strip():
        return False
    gesture.trace("renommer", portefeuille.masks, portefeuille_id=portefeuille_id)
    portefeuille.nom = nom.strip()
    return True


def found(portefeuille_id: int) -> Portefeuille:
    """Its row, locked. Raises AttributionRefusedError."""
    portefeuille = locked_portefeuille(portefeuille_id)
    if portefeuille is None:
        raise refusal(f"no portfolio {portefeuille_id}", "Ce portefeuille n'existe pas.")
    return portefeuille


def ouvrir_services(gesture: Gesture, portefeuille_id: int, rights: Rights) -> bool:
    """Add services to the container; clients have none of them yet. False: they were there. Raises AttributionRefusedError."""
    masks = gesture.masks(rights)
    portefeuille = found(portefeuille_id)
    if not any(masks.minus(portefeuille.masks)):
        return False
    portefeuille.operation_id = gesture.trace("ouvrir_services", masks.minus(portefeuille.masks), portefeuille_id=portefeuille_id)
    portefeuille.masks = portefeuille.masks.union(masks)
    portefeuille.epoque += 1
    return True


def fermer_services(gesture: Gesture, portefeuille_id: int, rights: Rights) -> bool:
    """Take services out of the container, and of every client: reopened, it will not bring old rights back. False: none was there."""
    masks = gesture.masks(rights, giving=False)
    portefeuille = found(portefeuille_id)
    if not portefeuille.masks.meets(masks):
        return False
    operation_id = gesture.trace("fermer_services", portefeuille.masks.common(masks), portefeuille_id=portefeuille_id)
    portefeuille.operation_id = operation_id
    portefeuille.masks = portefeuille.masks.minus(masks)
    portefeuille.close_content(masks, operation_id)
    portefeuille.epoque += 1
    return True


def ajouter_clients(
    gesture: Gesture, portefeuille_id: int, cibles: Collection[int], rights: Rights, *,
    opens_at: datetime | None = None, ends_at: datetime = FOREVER,
) -> int:
    """Open services of the container for clients, SIRETs or SIRENs; how many changed. Past ADVISED_CLIENTS the pages warn.

    Raises AttributionRefusedError, naming what the container lacks.
    """
    masks = gesture.masks(rights)
    portefeuille = found(portefeuille_id)
    for cible in cibles:
        gesture.masks(rights, cible)
        check_own_company(masks, cible, portefeuille.siren)
    if any(lacking := masks.minus(portefeuille.masks)):
        raise refusal("container lacks", f"Ajoutez d'abord {spoken(gesture.catalogue, lacking)} au portefeuille « {portefeuille.nom} », "
                      "puis à ses clients.")
    given = gesture.given(rights, opens_at, ends_at)
    return write(gesture, "ajouter_clients", masks, portefeuille, changes(PortefeuilleClient, portefeuille_id, cibles, given))


def retirer_clients(gesture: Gesture, portefeuille_id: int, cibles: Collection[int], rights: Rights | None = None) -> int:
    """Close services for clients, or, without `rights`, take the clients out; how many changed. Raises AttributionRefusedError."""
    masks = EVERYTHING if rights is None else gesture.masks(rights, giving=False)
    portefeuille = found(portefeuille_id)
    changed = changes(PortefeuilleClient, portefeuille_id, cibles, lambda held: withdraw(held, masks, gesture.now))
    return write(gesture, "retirer_clients", masks, portefeuille, changed)


def write(gesture: Gesture, kind: str, masks: Masks, portefeuille: Portefeuille, changed: Collection[Change[PortefeuilleClient]]) -> int:
    """Write the clients that change, under one operation; how many."""
    if changed:
        operation_id = gesture.trace(kind, masks, portefeuille_id=portefeuille.id)
        for change in changed:
            change.write(operation_id, PortefeuilleClient, portefeuille_id=portefeuille.id)
        portefeuille.count_clients()
        portefeuille.epoque += 1
    return len(changed)


def ajouter_membre(
    gesture: Gesture, portefeuille_id: int, to: int, *, rights: Rights | None = None,
    opens_at: datetime | None = None, ends_at: datetime = FOREVER,
) -> bool:
    """Make a déclarant of the firm a member, within the ceiling `rights`, or for all that the portfolio may. False: nothing changed.

    Asked again, the ceiling and the dates become those asked last. Raises AttributionRefusedError.
    """
    ceiling = EVERYTHING if rights is None else gesture.masks(rights)
    declarant, portefeuille = gesture.declarant(to), found(portefeuille_id)
    if siren_of(int(declarant.siret)) != portefeuille.siren:
        raise refusal("member of another firm", "Seuls les déclarants de l'entreprise qui tient le portefeuille peuvent en être membres.")
    period = Period(max(gesture.now, opens_at or gesture.now), ends_at)
    if ends_at <= period.effective_from:
        raise refusal("ends before it opens", "La date de fin doit suivre la date d'ouverture du droit.")
    membre = membre_of(to, portefeuille_id)
    if membre is not None and membre.period.effective_from <= gesture.now >= period.effective_from:
        period = Period(membre.effective_from, ends_at)
    if membre is not None and (membre.masks, membre.period) == (ceiling, period):
        return False
    operation_id = gesture.trace("ajouter_membre", ceiling, declarant_id=to, portefeuille_id=portefeuille_id)
    membre = membre or PortefeuilleMembre(declarant_id=to, portefeuille_id=portefeuille_id)
    membre.masks, membre.operation_id, membre.effective_from, membre.ends_at = ceiling, operation_id, *period
    db.session.add(membre)
    declarant.epoque += 1
    return True


def retirer_membre(gesture: Gesture, portefeuille_id: int, to: int) -> bool:
    """End a membership. False: there was none. Raises AttributionRefusedError."""
    declarant = gesture.declarant(to, giving=False)
    locked_portefeuille(portefeuille_id)
    membre = membre_of(to, portefeuille_id)
    if membre is None:
        return False
    gesture.trace("retirer_membre", membre.masks, declarant_id=to, portefeuille_id=portefeuille_id)
    db.session.delete(membre)
    declarant.epoque += 1
    return True


def membre_of(declarant_id: int, portefeuille_id: int) -> PortefeuilleMembre | None:
    return db.session.get(PortefeuilleMembre, (declarant_id, portefeuille_id), populate_existing=True)


def is_beyond_advice(portefeuille: Portefeuille) -> bool:
    """Fact 49: whether the pages should advise to split it."""
    return portefeuille.clients > ADVISED_CLIENTS
