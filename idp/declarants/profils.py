"""The four profiles that a company chooses at inscription, and its sector (fact 6): values alone.

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

    @property
    def says(self) -> str:
        """What it means, for whoever chooses."""
        return PHRASES[self]


TITRES = {
    Profil.ENTREPRISE: "Mon entreprise",
    Profil.ENTREPRISE_ET_CLIENTS: "Mon entreprise et mes clients",
    Profil.INDEPENDANT: "Travailleur indépendant, sans salarié",
    Profil.INDEPENDANT_EMPLOYEUR: "Travailleur indépendant, avec salariés",
}
PHRASES = {
    Profil.ENTREPRISE: "Vous déclarez pour les salariés de votre entreprise, de votre association ou de votre organisme.",
    Profil.ENTREPRISE_ET_CLIENTS: "Vous êtes expert-comptable ou tiers déclarant : vous déclarez aussi pour d'autres.",
    Profil.INDEPENDANT: "Vous travaillez à votre compte et n'employez personne.",
    Profil.INDEPENDANT_EMPLOYEUR: "Vous travaillez à votre compte et employez au moins une personne.",
}


class Secteur(StrEnum):
    """The family of rules that the company follows."""

    PRIVE = "prive"
    PUBLIC = "public"
    AGRICOLE = "agricole"
    BTP = "btp"
    ASSOCIATIF = "associatif"

    @property
    def titre(self) -> str:
        return SECTEURS[self]


SECTEURS = {
    Secteur.PRIVE: "Secteur privé",
    Secteur.PUBLIC: "Secteur public",
    Secteur.AGRICOLE: "Secteur agricole",
    Secteur.BTP: "Bâtiment et travaux publics",
    Secteur.ASSOCIATIF: "Association",
}
