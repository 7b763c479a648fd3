"""The first rights of whoever inscribes their company: services proposed by profile, opened the day the person is active (facts 19, 24).

They hold on the person's own establishment; services declared for a whole company are for its head office alone. Whoever
activates somebody (controls, operator, colleague, posted key) calls `ouvrir` in the same transaction. What a list refuses (fact 77)
stays closed, whoever decides: the journal says which.
"""

from dataclasses import dataclass
from datetime import datetime

from idp.audit import journal
from idp.declarants.controles import tenue
from idp.declarants.controles.dossier import Subject
from idp.declarants.controles.events import ServicesRefused
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
    return [service for service in catalogue.offered if head_office or service.grain is Grain.SIRET]


def proposed(catalogue: Catalogue, profil: Profil, *, head_office: bool) -> list[str]:
    """Codes of those that suit a profile: least privilege, the person adds what else they need (fact 53)."""
    return [service.code for service in offered(catalogue, head_office=head_office) if profil in service.profils]


def ouvrir(declarant: Declarant, catalogue: Catalogue, now: datetime) -> list[Opening]:
    """Give an active person the rights on the services they chose at inscription, once. Empty when there is nothing to open."""
    choice = ServicesChoisis.of(declarant.id)
    if choice is None:
        return []
    gesture, found = Gesture(declarant.id, catalogue, now), []
    kept = _allowed(declarant, choice, now) if declarant.role.declares else frozenset()
    for service in offered(catalogue, head_office=declarant.at_head_office):
        if service.code in kept:
            cible = int(declarant.siret) if service.grain is Grain.SIRET else int(declarant.siret.siren)
            attribuer(gesture, declarant.id, cible, service.code, service.droits)
            found.append(Opening(service.code, service.libelle, now + service.opening_delay))
    choice.forget()
    return found


def _allowed(declarant: Declarant, choice: ServicesChoisis, now: datetime) -> frozenset[str]:
    """Of the services chosen, those that no list refuses today: it may have changed since the controls."""
    services, email = tuple(choice.services), declarant.email or ""
    subject = Subject(declarant.siret, declarant.nom, declarant.prenom, email, choice.profil, services)
    refused = tenue.refused(subject, now)
    if refused:
        said = ", ".join(sorted(refused))
        journal.record(ServicesRefused(declarant_id=declarant.id, siret=int(declarant.siret), services=said), now)
    return frozenset(services) - refused
