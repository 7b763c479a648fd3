"""To give, withdraw, exclude, readmit: some people, some targets. Targets are typed, ticked, or all those that a filter finds."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from idp.declarants.models import Declarant
from idp.habilitations.attribution import exclure, reintegrer
from idp.habilitations.droits import Catalogue, Rights, spoken, written
from idp.habilitations.espace import saisie
from idp.habilitations.espace.cellules import Place
from idp.habilitations.espace.gestes.acte import Acte, Demande, Geste, plural, too_many
from idp.habilitations.espace.portee import check_receives
from idp.habilitations.espace.saisie import Filtre
from idp.habilitations.gesture import refusal
from idp.habilitations.lots import attribuer_lot, retirer_lot

MOST_EXCLUDED = 500
"""Targets of one act of exclusion, person by person."""


def attribuer(demande: Demande) -> Acte:
    """Raises AttributionRefusedError."""
    people, rights, cibles = demande.personnes(), demande.rights(), targets(demande)
    opens_at, ends_at = demande.dates()
    demande.portee.check_targets(cibles)
    for one in people.values():
        check_receives(one, rights, demande.catalogue, demande.now)

    def faire(geste: Geste) -> None:
        for who in people:
            attribuer_lot(geste, who, cibles, rights, opens_at=opens_at, ends_at=ends_at)

    return _acte(demande, "Attribuer", people, cibles, rights, faire, horizon(demande, rights, opens_at))


def retirer(demande: Demande) -> Acte:
    """What was given directly. Raises AttributionRefusedError."""
    people, rights, cibles = demande.personnes(), demande.rights(), targets(demande)
    demande.portee.check_targets(cibles)

    def faire(geste: Geste) -> None:
        for who in people:
            retirer_lot(geste, who, cibles, rights)

    return _acte(demande, "Retirer", people, cibles, rights, faire)


def ecarter(demande: Demande) -> Acte:
    """Whatever gives it. Raises AttributionRefusedError."""
    return _exclusion(demande, "Écarter de", exclure)


def readmettre(demande: Demande) -> Acte:
    """Raises AttributionRefusedError."""
    return _exclusion(demande, "Lever l'exclusion de", reintegrer)


def _exclusion(demande: Demande, verb: str, change: Callable[[Geste, int, int, Rights], bool]) -> Acte:
    people, rights, cibles = demande.personnes(), demande.rights(), targets(demande)
    demande.portee.check_targets(cibles)
    if len(people) * len(cibles) > MOST_EXCLUDED:
        raise refusal("too many exclusions", f"Une exclusion concerne {MOST_EXCLUDED} établissements au plus à la fois.")

    def faire(geste: Geste) -> None:
        for who in people:
            for cible in cibles:
                change(geste, who, cible, rights)

    return _acte(demande, verb, people, cibles, rights, faire)


def targets(demande: Demande) -> tuple[int, ...]:
    """What the act is about. Raises AttributionRefusedError."""
    if demande.un("tout") == "1":
        who = next(iter(demande.personnes()))
        but = saisie.targets(demande.champs.get("sauf", ()))
        found = demande.lecteur.toutes(who, Filtre(demande.un("q", 80), demande.un("service", 40)), demande.most, but)
        if len(found) > demande.most:
            raise too_many(demande.most)
    else:
        own = (demande.portee.siren,) if demande.un("entreprise") == "1" else ()
        found = tuple(dict.fromkeys((*saisie.targets(demande.champs.get("cible", ())), *demande.cibles(), *own)))
    if not found:
        raise refusal("no target", "Choisissez au moins un établissement : cochez-le, ou collez son SIRET.")
    return found


def horizon(demande: Demande, rights: Rights, opens_at: datetime | None) -> datetime:
    """When all that is given is open."""
    delays = (demande.now + demande.catalogue.services[code].opening_delay for code in rights)
    return max((opens_at or demande.now, *delays))


def _acte(
    demande: Demande,
    verb: str,
    people: Mapping[int, Declarant],
    cibles: Sequence[int],
    rights: Rights,
    faire: Callable[[Geste], object],
    when: datetime | None = None,
) -> Acte:
    places: list[Place] = [(who, cible) for who in people for cible in cibles]
    if len(places) > demande.most:
        raise too_many(demande.most)
    when = when or demande.now
    who = next(iter(people.values()))
    resume = f"{verb} {said(demande.catalogue, rights)} : {names(people.values())}, {where(cibles)}"
    avis = (f"Ouverture le {when:%d/%m/%Y} au plus tard.",) if when > demande.now else ()
    return Acte(resume, people, places, faire, f"/equipe/droits/personnes/{who.uid}", when, len(places), avis=avis)


def said(catalogue: Catalogue, rights: Rights) -> str:
    return spoken(catalogue, catalogue.masks(rights))


def names(people: Iterable[Declarant]) -> str:
    found = [one.full_name for one in people]
    return ", ".join(found) if len(found) < 4 else f"{', '.join(found[:2])} et {len(found) - 2} autres personnes"


def where(cibles: Sequence[int]) -> str:
    return f"sur {written(cibles[0])}" if len(cibles) == 1 else f"sur {plural(len(cibles), 'établissement')}"
