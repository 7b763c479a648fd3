"""A form of acts that was refused, as it was filled: what can be corrected is shown again, the rest is sent again."""

from collections.abc import Mapping
from dataclasses import dataclass

from idp.habilitations.droits import Droit, is_siren, is_siret
from idp.habilitations.espace.gestes.acte import Demande
from idp.habilitations.espace.saisie import number

DATED = frozenset({"attribuer", "ajouter_clients", "ajouter_membres"})
WITH_RIGHTS = DATED | {"retirer", "ecarter", "readmettre", "ouvrir_services", "fermer_services", "retirer_clients"}
ON_TARGETS = WITH_RIGHTS - {"ajouter_membres", "ouvrir_services", "fermer_services"}
"""Acts that are about places."""
SHOWN = frozenset({"cibles", "droit", "debut", "fin"})


@dataclass(frozen=True, slots=True)
class Reprise:
    """What a form said."""

    cachees: list[tuple[str, str]]
    personnes: list[str]
    cochees: int
    """Targets that were ticked: they are not to be typed again."""
    cibles: str | None
    """What was typed or pasted; None when the act is not about places to be typed."""
    droits: Mapping[str, frozenset[Droit]]
    dates: bool
    debut: str
    fin: str


def reprise(demande: Demande) -> Reprise | None:
    """None for an act whose form has nothing to correct but what its page proposes."""
    acte = demande.un("acte", 40)
    if acte not in WITH_RIGHTS:
        return None
    typed = demande.champs.get("cibles", ())
    ticked = [cible for cible in map(number, demande.champs.get("cible", ())) if is_siren(cible) or is_siret(cible)]
    to_type = acte in ON_TARGETS and (bool(typed) or not (ticked or demande.un("tout")))
    return Reprise(
        [(name, value) for name, value in demande.repeated if name not in SHOWN],
        [demande.portee.person(uid).full_name for uid in dict.fromkeys(demande.champs.get("personne", ())) if uid],
        len(ticked),
        "\n".join(typed) if to_type else None,
        demande.ticked_rights(),
        acte in DATED,
        demande.un("debut", 10),
        demande.un("fin", 10),
    )
