"""For which establishment somebody acts: named by the partner, picked by the person on a page of MAG, or the only one there is.

RFC 9396 section 3, at the authorization endpoint. Whatever names the establishment, nothing is granted where the person holds no
right at that moment. ours: with `prompt=select_organization`, the person picks even when the partner names one.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from idp.authentication.session import Session
from idp.database import Connections, Kept
from idp.habilitations.choix.recherche import Chercheur
from idp.habilitations.disclosure import services_of_scope
from idp.habilitations.droits import Catalogue, is_siret, written
from idp.oidc.details import TO_PICK, Acting
from idp.oidc.errors import AuthorizationError
from idp.oidc.request import AuthorizationRequest
from idp.oidc.rights import Rights


@dataclass(frozen=True, slots=True)
class Pick:
    """The person has to say for which establishment; `sole`, 14 digits, when there is one alone."""

    sole: str = ""


def wanted(request: AuthorizationRequest, scope: Iterable[str], picked: str = "") -> Acting | None:
    """What is to be granted: the details asked, with the services of the scopes when they name none, and the establishment picked."""
    asked = request.acting
    if asked is None:
        return None
    acting = asked.completed(services_of_scope(scope))
    if "select_organization" in request.prompt:
        acting = acting.on(TO_PICK)
    return acting.on(int(picked)) if acting.is_to_pick and is_picked(picked) else acting


def is_picked(text: str) -> bool:
    """Whether it is written as an establishment; what may be done there is asked anyway."""
    return len(text) == 14 and text.isascii() and text.isdigit() and is_siret(int(text))


class Establishments:
    """Asks the rights, for one process."""

    def __init__(self, connections: Connections, catalogue: Kept[Catalogue], rights: Rights) -> None:
        self.connections, self.catalogue, self.rights = connections, catalogue, rights

    def to_pick(self, request: AuthorizationRequest, acting: Acting, session: Session, now: datetime) -> Pick | None:
        """None when the establishment is settled. Raises AuthorizationError, for the partner."""
        if not acting.is_to_pick:
            if self.rights.acting(request.client, session.declarant_id, acting, now)[0]["services"]:
                return None
            if request.acting and request.acting.siret == acting.siret:
                raise AuthorizationError("access_denied", "the person holds no such right on this establishment")
        again = "select_organization" in request.prompt or not acting.is_to_pick
        sole = 0 if again else Chercheur(self.connections, self.catalogue(), session.declarant_id, acting.codes, now).sole()
        if "none" in request.prompt and not sole:
            raise AuthorizationError("interaction_required", "the person has to pick an establishment")
        return Pick(written(sole) if sole else "")
