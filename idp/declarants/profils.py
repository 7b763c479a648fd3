"""The four profiles that a company chooses at inscription (fact 6): values alone.

Left out on purpose: the services that each one is offered, which the catalogue of `habilitations` says.
"""

from enum import StrEnum


class Profil(StrEnum):
    """For whom the company declares."""

    ENTREPRISE = "entreprise"
    ENTREPRISE_ET_CLIENTS = "entreprise_et_clients"
    INDEPENDANT = "independant"
    INDEPENDANT_EMPLOYEUR = "independant_employeur"

    @property
    def tiers(self) -> bool:
        """Declares for others: a tiers déclarant."""
        return self is Profil.ENTREPRISE_ET_CLIENTS

    @property
    def alone(self) -> bool:
        """A sole trader, with staff or without."""
        return self in (Profil.INDEPENDANT, Profil.INDEPENDANT_EMPLOYEUR)

    @property
    def titre(self) -> str:
        return TITRES[self]


TITRES = {
    Profil.ENTREPRISE: "Mon entreprise",
    Profil.ENTREPRISE_ET_CLIENTS: "Mon entreprise et mes clients",
    Profil.INDEPENDANT: "Travailleur indépendant, sans salarié",
    Profil.INDEPENDANT_EMPLOYEUR: "Travailleur indépendant, avec salariés",
}
