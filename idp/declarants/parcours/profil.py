"""What a company is here for (fact 6): four profiles and a sector. They decide which services are proposed. Pure."""

from enum import StrEnum


class Profil(StrEnum):
    """Who declares, and for whom."""

    ENTREPRISE = "entreprise"
    TIERS = "entreprise_et_clients"
    INDEPENDANT = "independant_seul"
    EMPLOYEUR = "independant_avec_salaries"

    @property
    def libelle(self) -> str:
        return PROFILS[self][0]

    @property
    def says(self) -> str:
        return PROFILS[self][1]

    @property
    def declares_for_clients(self) -> bool:
        """Portfolios are for those alone (fact 47)."""
        return self is Profil.TIERS


PROFILS = {
    Profil.ENTREPRISE: (
        "Mon entreprise",
        "Vous déclarez pour les salariés de votre entreprise, de votre association ou de votre organisme.",
    ),
    Profil.TIERS: ("Mon entreprise et mes clients", "Vous êtes expert-comptable ou tiers déclarant : vous déclarez aussi pour d'autres."),
    Profil.INDEPENDANT: ("Indépendant seul", "Vous travaillez à votre compte, sans salarié."),
    Profil.EMPLOYEUR: ("Indépendant avec salarié", "Vous travaillez à votre compte et vous employez au moins une personne."),
}


class Secteur(StrEnum):
    """The family of rules that the company follows."""

    PRIVE = "prive"
    PUBLIC = "public"
    AGRICOLE = "agricole"
    BTP = "btp"
    ASSOCIATIF = "associatif"

    @property
    def libelle(self) -> str:
        return SECTEURS[self]


SECTEURS = {
    Secteur.PRIVE: "Secteur privé",
    Secteur.PUBLIC: "Secteur public",
    Secteur.AGRICOLE: "Secteur agricole",
    Secteur.BTP: "Bâtiment et travaux publics",
    Secteur.ASSOCIATIF: "Association ou particulier employeur",
}
