"""Acts by the names that forms give them, and what operations are called."""

from collections.abc import Callable, Mapping

from idp.errors import InvalidRequestError
from idp.habilitations.espace.gestes import dossiers, passation, personnes
from idp.habilitations.espace.gestes.acte import Acte, Demande

ACTES: Mapping[str, Callable[[Demande], Acte]] = {
    "attribuer": personnes.attribuer,
    "retirer": personnes.retirer,
    "ecarter": personnes.ecarter,
    "readmettre": personnes.readmettre,
    "copier": passation.copier,
    "transferer": passation.transferer,
    "abandonner": passation.abandonner,
    "promouvoir": passation.promouvoir,
    "annuler": passation.annuler,
    "ouvrir_services": dossiers.ouvrir_services,
    "fermer_services": dossiers.fermer_services,
    "ajouter_clients": dossiers.ajouter_clients,
    "retirer_clients": dossiers.retirer_clients,
    "ajouter_membres": dossiers.ajouter_membres,
    "retirer_membres": dossiers.retirer_membres,
    "scinder": dossiers.scinder,
}

NOMS: Mapping[str, str] = {
    "attribuer": "Attribution",
    "retirer": "Retrait",
    "exclure": "Exclusion",
    "reintegrer": "Levée d'exclusion",
    "copier": "Copie de droits",
    "transferer": "Transfert de droits",
    "solder": "Retrait de tous les droits",
    "promouvoir": "Droit sur l'entreprise entière",
    "annuler": "Annulation",
    "creer_portefeuille": "Création d'un portefeuille",
    "renommer": "Nouveau nom d'un portefeuille",
    "ouvrir_services": "Services d'un portefeuille",
    "fermer_services": "Services d'un portefeuille",
    "ajouter_clients": "Clients d'un portefeuille",
    "retirer_clients": "Clients d'un portefeuille",
    "ajouter_membre": "Membres d'un portefeuille",
    "retirer_membre": "Membres d'un portefeuille",
    "scinder": "Scission d'un portefeuille",
    "importer_plat": "Import",
    "importer_fichier": "Fichier de droits",
}
"""Kinds of operations, as pages call them."""


def check(demande: Demande) -> Callable[[Demande], Acte]:
    """Raises InvalidRequestError for an act that does not exist."""
    builder = ACTES.get(demande.un("acte", 40))
    if builder is None:
        raise InvalidRequestError("no such act")
    return builder


def lire(demande: Demande) -> Acte:
    """Raises InvalidRequestError for an act that does not exist, and what the act raises."""
    return check(demande)(demande)
