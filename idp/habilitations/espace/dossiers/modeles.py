"""Templates of portfolios: for each profile of the catalogue, the least right on each service that suits it (fact 53). Never all of them.

The least is to consult where that is a right of its own, to declare otherwise; to pay is always asked for.
"""

from dataclasses import dataclass

from idp.declarants.profils import Profil
from idp.habilitations.droits import Catalogue, Droit, Grain, Rights, Service

LEAST = (Droit.CONSULTER, Droit.DECLARER)


@dataclass(frozen=True, slots=True)
class Modele:
    """What a new portfolio opens, should its administrator choose it."""

    code: str
    titre: str
    rights: Rights


def least(service: Service) -> Droit:
    """The least that a service gives."""
    return next((droit for droit in LEAST if droit in service.droits), next(iter(sorted(service.droits))))


def modeles(catalogue: Catalogue) -> list[Modele]:
    """The least one first: what a form proposes until another is chosen."""
    suited = [one for one in catalogue.offered if one.grain is Grain.SIRET]
    of_thirds = [one for one in suited if Profil.ENTREPRISE_ET_CLIENTS in one.profils]
    consulted = {one.code: frozenset({Droit.CONSULTER}) for one in of_thirds if Droit.CONSULTER in one.droits}
    found = [
        Modele("consultation", "Consultation : lire sans déclarer", consulted),
        Modele("paie", "Paie courante : déclarer, sans payer", {one.code: frozenset({declared(one)}) for one in of_thirds}),
        Modele("dsn", "DSN seule : déclarer", {one.code: frozenset({Droit.DECLARER}) for one in suited if one.code == "dsn"}),
    ]
    return [one for one in found if one.rights]


def declared(service: Service) -> Droit:
    return Droit.DECLARER if Droit.DECLARER in service.droits else least(service)


def chosen(catalogue: Catalogue, code: str) -> Rights:
    """The rights of a template; none for what is not one."""
    return next((one.rights for one in modeles(catalogue) if one.code == code), {})
