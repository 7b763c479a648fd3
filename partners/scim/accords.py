"""An administrator entrusts people to a partner, or takes that back. Each administrator concerned is written to. The caller commits."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from idp.audit import journal
from idp.declarants.equipe.authority import NoLongerAdministratorError
from idp.declarants.models import Declarant
from idp.entreprises.models import Entreprise
from idp.entreprises.siret import Siret
from idp.errors import NotFoundError
from idp.notifications.models import Mail
from idp.oidc.client import Client
from idp.oidc.metadata import SCIM_SCOPE
from partners.models import Partenaire
from partners.scim import messages
from partners.scim.events import DelegationChanged
from partners.scim.models import Delegation


class PartenaireSansGestionError(NotFoundError):
    """This partner may not manage people: an operator did not allow it, or no longer."""

    code = "partenaire_sans_gestion"
    number = "M600901"
    remedy = "Choisissez un partenaire de la liste. Exploitant : son client doit avoir le scope scim."
    title = "Ce partenaire ne gère pas de comptes"
    public = "Ce partenaire ne peut pas gérer les comptes d'une entreprise, ou ne le peut plus : rien n'a été fait."


@dataclass(frozen=True, slots=True)
class Possible:
    """A partner to whom people may be entrusted."""

    code: str
    nom: str


def possible(clients: Iterable[Client]) -> list[Possible]:
    """Those of which an operator allowed a client; never one that registered itself in the sandbox."""
    codes = {client.partenaire for client in clients if SCIM_SCOPE in client.scope and not client.profile.test_identities}
    found = (Partenaire.with_code(code) for code in codes)
    return sorted((Possible(one.code, one.nom) for one in found if one is not None), key=lambda one: one.nom)


def _named(clients: Iterable[Client], code: str) -> Partenaire:
    """Raises PartenaireSansGestionError."""
    partenaire = Partenaire.with_code(code) if code in {one.code for one in possible(clients)} else None
    if partenaire is None:
        raise PartenaireSansGestionError(f"partner {code[:60]!r}")
    return partenaire


def place(siret: Siret, *, whole: bool) -> str:
    """The establishment, or the company from its head office."""
    company = Entreprise.find(siret.siren)
    name = (company.nom_affiche if company else None) or f"l'entreprise {siret.siren.grouped}"
    return f"toute l'entreprise {name}" if whole else f"l'établissement {siret.grouped}"


def confier(clients: Iterable[Client], giver: Declarant, code: str, now: datetime, *, issuer: str) -> bool:
    """Also takes over what a colleague gave who administers no longer. False: it was in force already.

    Raises PartenaireSansGestionError, NoLongerAdministratorError.
    """
    partenaire = _named(clients, code)
    Declarant.hold(giver.siret.siren, giver.id)
    if not giver.may_administer(giver.siret):
        raise NoLongerAdministratorError(f"declarant {giver.id}")
    for row in (row for row in Delegation.here(giver.siret) if row.partenaire_id == partenaire.id and row.siret == giver.siret):
        if row.in_force:
            return False
        row.close(giver.id, now)
    if not Delegation.open(partenaire, giver, now):
        return False
    _tell(giver, partenaire, giver.siret, "entrusted", now, issuer)
    return True


def retirer(by: Declarant, row: Delegation, now: datetime, *, issuer: str) -> bool:
    """False: somebody did it already."""
    if not row.close(by.id, now):
        return False
    _tell(by, row.partenaire, row.siret, "withdrawn", now, issuer)
    return True


def _tell(by: Declarant, partenaire: Partenaire, siret: Siret, change: str, now: datetime, issuer: str) -> None:
    event = DelegationChanged(siret=int(siret), actor=by.actor, partenaire=partenaire.code, change=change)
    journal.record(event, now)
    write = messages.entrusted if change == "entrusted" else messages.withdrawn
    company = Entreprise.find(siret.siren)
    where = place(siret, whole=(company.siege if company else None) in (None, siret))
    for one in Declarant.administrators(siret):
        if one.email:
            Mail.write("gestion_confiee", one.email, write(issuer, one.full_name, partenaire.nom, by.full_name, where, now), now, one.id)
