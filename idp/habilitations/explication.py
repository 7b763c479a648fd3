"""Why an account may, or may not: the same answer as `decision.check`, with its reasons, for those who administer.

Reads what `chaine` tells. Through the ORM and without hurry; never on the way of a partner's request.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime

from idp.database import db
from idp.declarants.controles.models import LienDeclare
from idp.declarants.models import Declarant
from idp.declarants.statuts import Statut
from idp.habilitations.chaine import Explication, Situation, Source, tell
from idp.habilitations.droits import LIEN_PAR, NOTHING, Catalogue, Droit, Masks, is_siret, siren_of, union
from idp.habilitations.fenetre import first_month, numbered
from idp.habilitations.models import DroitDirect, Exclusion, PortefeuilleMembre, rows_on

STATUTS = {
    Statut.PRIMO: "attend la vérification de sa qualité", Statut.CANDIDAT: "attend d'être activé",
    Statut.SUSPENDU: "est suspendu", Statut.RADIE: "est radié",
}
__all__ = ["Explication", "expliquer", "expliquer_chacun", "situation"]


def expliquer(declarant_id: int, siret: int, service: str, droit: Droit, *, catalogue: Catalogue, now: datetime) -> Explication:
    """Whether, and why."""
    return expliquer_chacun(declarant_id, siret, service, [droit], catalogue=catalogue, now=now)[droit]


def expliquer_chacun(
    declarant_id: int, siret: int, service: str, droits: Iterable[Droit], *, catalogue: Catalogue, now: datetime,
) -> dict[Droit, Explication]:
    """The same for several rights on one service: what is written is read once, in as many statements whatever the account holds."""
    declarant = db.session.get(Declarant, declarant_id)
    if declarant is None or declarant.statut != Statut.ACTIF:
        return dict.fromkeys(droits, inactive(declarant))
    found = situation(declarant, siret, catalogue, now)
    return {droit: tell(found, service, droit, catalogue, now) for droit in droits}


def inactive(declarant: Declarant | None) -> Explication:
    """Nothing counts."""
    if declarant is None:
        return Explication(False, ("Ce déclarant n'existe pas, ou n'est pas actif.",))
    status = f"Il {STATUTS.get(declarant.statut, 'attend')} : aucun droit ne compte."
    return Explication(
        False, ("Ce déclarant n'existe pas, ou n'est pas actif.", status), "Un droit ne peut être exercé que par un déclarant actif.")


def situation(declarant: Declarant, siret: int, catalogue: Catalogue, now: datetime) -> Situation:
    """All that matters of an account on one establishment."""
    own = int(declarant.siret)
    link = db.session.get(LienDeclare, (own, siret), populate_existing=True) if is_siret(siret) else None
    home = union(source.given for source in sources(declarant.id, own) if source.holds(now)).minus(excluded_on(declarant.id, own))
    return Situation(
        siret, own, tuple(sources(declarant.id, siret)), excluded_on(declarant.id, siret),
        None if link is None else numbered(link.dernier_mois), link is not None and link.dernier_mois >= first_month(now),
        home.meets(catalogue.accepted.get(LIEN_PAR, NOTHING)))


def excluded_on(declarant_id: int, siret: int) -> Masks:
    return union(row.masks for row in rows_on(Exclusion, declarant_id, [siret, siren_of(siret)]))


def sources(declarant_id: int, siret: int) -> Iterator[Source]:
    """All that is written for this account on this establishment or its company."""
    places = {siret: "sur l'établissement", siren_of(siret): "sur l'entreprise entière"}
    for row in rows_on(DroitDirect, declarant_id, list(places)):
        yield Source(f"attribution directe {places[row.cible]}", row.masks, (row.period,))
    for membre, portefeuille, client in PortefeuilleMembre.leading_to(declarant_id, list(places)):
        name = f"portefeuille « {portefeuille.nom} », {places[client.cible]}"
        yield Source(name, client.masks, (client.period, membre.period), portefeuille.masks, membre.masks)
