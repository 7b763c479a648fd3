"""Why an account may, or may not: the same answer as `decision.check`, with its reasons, for those who administer.

Through the ORM and without hurry; never on the way of a partner's request.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from idp.database import db
from idp.declarants.models import Declarant
from idp.declarants.statuts import Statut
from idp.habilitations.droits import Catalogue, Droit, Masks, Period, siren_of, union
from idp.habilitations.gesture import spoken
from idp.habilitations.models import DroitDirect, Exclusion, PortefeuilleClient, PortefeuilleMembre, rows_on


@dataclass(frozen=True, slots=True)
class Explication:
    """The answer, and what it comes from: French sentences, the decisive ones first."""

    granted: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """One row that gives something here, open or not."""

    name: str
    masks: Masks
    periods: tuple[Period, ...]


def sources(declarant_id: int, siret: int) -> Iterator[Source]:
    """All that is written for this account on this establishment or its company."""
    places = {siret: "sur l'établissement", siren_of(siret): "sur l'entreprise entière"}
    for row in rows_on(DroitDirect, declarant_id, list(places)):
        yield Source(f"attribution directe {places[row.cible]}", row.masks, (row.period,))
    for membre, portefeuille in PortefeuilleMembre.of(declarant_id):
        ceiling = membre.masks.common(portefeuille.masks)
        for client in rows_on(PortefeuilleClient, portefeuille.id, list(places)):
            name = f"portefeuille « {portefeuille.nom} », {places[client.cible]}"
            yield Source(name, client.masks.common(ceiling), (client.period, membre.period))


def expliquer(declarant_id: int, siret: int, service: str, droit: Droit, *, catalogue: Catalogue, now: datetime) -> Explication:
    """Whether, and why."""
    accepted = catalogue.accepted.get((service, droit))
    if accepted is None:
        return Explication(False, ("Ce service n'existe pas, n'est plus proposé, ou ne connaît pas ce droit.",))
    declarant = db.session.get(Declarant, declarant_id)
    if declarant is None or declarant.statut != Statut.ACTIF:
        return Explication(False, ("Ce déclarant n'existe pas, ou n'est pas actif.",))
    excluded = union(row.masks for row in rows_on(Exclusion, declarant_id, [siret, siren_of(siret)]))
    told = [told_of(source, catalogue, accepted, excluded, now) for source in sources(declarant_id, siret) if source.masks.meets(accepted)]
    granted = [sentence for is_granted, sentence in told if is_granted]
    others = [sentence for is_granted, sentence in told if not is_granted]
    return Explication(bool(granted), (*granted, *others) or ("Rien ne donne ce droit sur cet établissement.",))


def told_of(source: Source, catalogue: Catalogue, accepted: Masks, excluded: Masks, now: datetime) -> tuple[bool, str]:
    """Whether one source gives the right now, and the sentence that says it."""
    masks = source.masks.common(accepted)
    given = f"{source.name} : {spoken(catalogue, masks)}"
    late = [p.effective_from for p in source.periods if p.effective_from > now]
    past = [p.ends_at for p in source.periods if p.ends_at <= now]
    if past:
        return False, f"Fini depuis le {instant(min(past))}, {given}."
    if late:
        return False, f"Pas encore ouvert (il s'ouvrira le {instant(max(late))}), {given}."
    if not any(masks.minus(excluded)):
        return False, f"Écarté par une exclusion, {given}."
    return True, f"Par {source.name} : {spoken(catalogue, masks.minus(excluded))}."


def instant(when: datetime) -> str:
    return f"{when:%d/%m/%Y à %H:%M} (UTC)"
