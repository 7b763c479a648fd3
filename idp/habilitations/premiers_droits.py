"""The first rights of whoever inscribes their company: services proposed by profile, opened the day the person is active (facts 19, 24).

They hold on the person's own establishment; services declared for a whole company are for its head office alone. Whoever
activates somebody (controls, operator, colleague, posted key) calls `ouvrir` in the same transaction.
"""

from dataclasses import dataclass
from datetime import datetime

from idp.declarants.models import Declarant
from idp.declarants.parcours.models import ServicesChoisis
from idp.declarants.profils import Profil
from idp.habilitations.attribution import attribuer
from idp.habilitations.droits import Catalogue, Grain, Service
from idp.habilitations.gesture import Gesture


@dataclass(frozen=True, slots=True)
class Opening:
    """A service, and when it opens."""

    code: str
    libelle: str
    opens_at: datetime


def offered(catalogue: Catalogue, *, head_office: bool) -> list[Service]:
    """The services that somebody may choose for an establishment, in the order of the catalogue."""
    services = sorted(catalogue.services.values(), key=lambda service: service.bit)
    return [service for service in services if service.enabled and (head_office or service.grain is Grain.SIRET)]


def proposed(catalogue: Catalogue, profil: Profil, *, head_office: bool) -> list[str]:
    """Codes of those that suit a profile: least privilege, the person adds what else they need (fact 53)."""
    return [service.code for service in offered(catalogue, head_office=head_office) if profil in service.profils]


def ouvrir(declarant: Declarant, catalogue: Catalogue, now: datetime) -> list[Opening]:
    """Give an active person the rights on the services they chose at inscription, once. Empty when there is nothing to open."""
    choice = ServicesChoisis.of(declarant.id)
    if choice is None:
        return []
    gesture, found = Gesture(declarant.id, catalogue, now), []
    for service in offered(catalogue, head_office=declarant.at_head_office):
        if service.code in choice.services and declarant.role.declares:
            cible = int(declarant.siret) if service.grain is Grain.SIRET else int(declarant.siret.siren)
            attribuer(gesture, declarant.id, cible, service.code, service.droits)
            found.append(Opening(service.code, service.libelle, now + service.opening_delay))
    choice.forget()
    return found
