"""Explicit versus inherited: how many people were given a service, how many have it by others alone (fact 59)."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from idp.habilitations.droits import Catalogue, Masks, union


@dataclass(frozen=True, slots=True)
class Origine:
    """A service that others open too, and how many people have it."""

    libelle: str
    donne: int
    """By a right given on the service itself."""
    herite: int
    """By rights on other services alone: nobody needs to give it."""


def origins(catalogue: Catalogue, held: Iterable[Masks]) -> list[Origine]:
    """Of services that others open, those that somebody has. `held` is what is written for each person, all places together: exclusions
    and declarations, which count place by place, are left aside.
    """
    counted, found = Counter(held), []
    for service in catalogue.offered:
        others = union(catalogue.accepted[service.code, droit] for droit in service.droits).minus(service.masks)
        if not any(others):
            continue
        given = sum(many for masks, many in counted.items() if masks.meets(service.masks))
        alone = sum(many for masks, many in counted.items() if masks.meets(others) and not masks.meets(service.masks))
        if given or alone:
            found.append(Origine(service.libelle, given, alone))
    return found
