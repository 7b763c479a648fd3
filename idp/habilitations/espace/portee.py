"""What an administrator may look at and change: his own establishment's people; from the head office, all of the company's (fact 27).

Rights are given on whatever establishment a client is, but within the company only where he administers. Of another company, nothing
exists (C60). Left out: what the engine refuses to anybody (`gesture`).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from idp.database import db
from idp.declarants.controles import tenue
from idp.declarants.controles.dossier import Subject
from idp.declarants.equipe.authority import NoLongerAdministratorError, person_of, sirets_of
from idp.declarants.models import Declarant
from idp.entreprises.siret import Siret
from idp.errors import UnknownPageError
from idp.habilitations.droits import Catalogue, Rights, siren_of
from idp.habilitations.espace import models
from idp.habilitations.gesture import refusal
from idp.habilitations.models import Operation, Portefeuille


@dataclass(frozen=True, slots=True)
class Portee:
    """Where an administrator stands."""

    administrator: Declarant
    sirets: range
    """Whose people are his."""

    @classmethod
    def of(cls, administrator: Declarant) -> "Portee":
        return cls(administrator, sirets_of(administrator))

    @property
    def siren(self) -> int:
        return int(self.administrator.siret.siren)

    @property
    def whole(self) -> bool:
        """Whether he administers the whole company."""
        return len(self.sirets) > 1

    def person(self, uid: str) -> Declarant:
        """Raises UnknownPageError."""
        return person_of(self.administrator, uid)

    def portefeuille(self, portefeuille_id: int) -> Portefeuille:
        """A portfolio of his company. Raises UnknownPageError."""
        found = db.session.get(Portefeuille, portefeuille_id)
        if found is None or found.siren != self.siren:
            raise UnknownPageError(f"portfolio of declarant {self.administrator.id}")
        return found

    def operation(self, operation_id: int) -> tuple[Operation, Declarant]:
        """An operation of an administrator of the same scope, and who did it. Raises UnknownPageError."""
        found = db.session.get(Operation, operation_id)
        by = db.session.get(Declarant, found.by_id) if found is not None and found.by_id is not None else None
        if found is None or by is None or int(by.siret) not in self.sirets:
            raise UnknownPageError(f"operation of declarant {self.administrator.id}")
        return found, by

    def may_edit(self, portefeuille: Portefeuille) -> bool:
        """From an establishment, a portfolio whose members are all his: what he changes there changes their rights."""
        return self.whole or not models.has_other_members(portefeuille.id, self.sirets)

    def check_edits(self, portefeuille: Portefeuille) -> None:
        """Raises AttributionRefusedError."""
        if not self.may_edit(portefeuille):
            raise refusal(
                "members of other establishments",
                f"« {portefeuille.nom} » a des membres d'autres établissements : un administrateur du siège doit le modifier.",
            )

    def check_targets(self, cibles: Collection[int]) -> None:
        """Within the company, only where he administers; on the whole company, from the head office. Raises AttributionRefusedError."""
        own = int(self.administrator.siret)
        if not self.whole and any(siren_of(cible) == self.siren and cible != own for cible in cibles):
            raise refusal(
                "beyond the establishment",
                "Vous administrez un seul établissement : les droits sur les autres établissements de votre entreprise, ou sur "
                "l'entreprise entière, se donnent depuis le siège.",
            )

    def hold(self, people: Mapping[int, Declarant]) -> None:
        """Keep the rows of all concerned, read them again, and ask again. Raises NoLongerAdministratorError."""
        concerned = {self.administrator.id: self.administrator, **people}
        Declarant.hold(self.administrator.siret.siren, *concerned)
        for one in concerned.values():
            db.session.refresh(one)
        if any(not self.administrator.may_administer(one.siret) for one in concerned.values()):
            raise NoLongerAdministratorError(f"declarant {self.administrator.id}")


def check_receives(person: Declarant, rights: Rights, catalogue: Catalogue, now: datetime) -> None:
    """Somebody who declares, and whom no list refuses these services (fact 77). Raises AttributionRefusedError."""
    if not person.role.declares:
        raise refusal(
            f"role {person.role}", f"{person.full_name} administre sans déclarer : changez d'abord son rôle dans l'espace administrateur."
        )
    subject = Subject(Siret(person.siret), person.nom, person.prenom, person.email or "", services=tuple(rights))
    if refused := tenue.refused(subject, now):
        named = ", ".join(f"« {catalogue.services[code].libelle} »" for code in rights if code in refused)
        raise refusal("refused by a list", f"Une liste de contrôle refuse {named} à {person.full_name} : adressez-vous à l'assistance.")
