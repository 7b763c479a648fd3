"""An operator settles what the controls could not: the identity becomes active, or is set aside and erased. The caller commits.

The first decision wins. Rights that were asked for are opened in the same transaction, as when the controls decide.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from idp.audit import journal
from idp.config import Settings
from idp.database import db
from idp.declarants import transitions
from idp.declarants.controles.events import ControlsSettled
from idp.declarants.controles.models import Controle
from idp.declarants.cooptation import open_candidacy
from idp.declarants.models import Declarant
from idp.declarants.statuts import Act, Statut
from idp.entreprises.models import Etablissement
from idp.errors import NotFoundError, RefusedError
from idp.habilitations import premiers_droits
from idp.habilitations.droits import Catalogue
from idp.notifications.models import Letter, Mail
from idp.oidc.suspension import Author
from idp.support import messages

SHORTEST, LONGEST = 10, 1000
"""Characters of a reason."""


class Decision(StrEnum):
    VALIDER = "valider"
    ECARTER = "ecarter"


class ReviewNotFoundError(NotFoundError):
    """No such review, or none that waits."""

    code = "revue_inconnue"
    number = "M700007"
    remedy = "Revenez à la file des vérifications."
    public = "Cette vérification n'existe pas. Revenez à la file."


class ReviewSettledError(RefusedError):
    """Somebody, or time, was first."""

    code = "revue_reglee"
    number = "M700008"
    remedy = "Revenez à la file : la première décision compte."
    status = 409
    public = "Cette vérification est déjà réglée : la première décision compte."


class ReasonMissingError(RefusedError):
    code = "motif_manquant"
    number = "M700009"
    remedy = "Écrivez pourquoi, en une phrase."
    status = 422
    public = "Dites pourquoi, en une phrase de 10 à 1 000 caractères : le motif reste au dossier."


@dataclass(frozen=True, slots=True)
class Review:
    """One review; without `declarant`, the person was erased since."""

    controle: Controle
    declarant: Declarant | None

    @property
    def waits(self) -> bool:
        return self.controle.waits_about(self.declarant)

    @property
    def active(self) -> bool:
        """The person is in already, invited or let in by colleagues: to set them aside is to suspend them."""
        return self.declarant is not None and self.declarant.statut is Statut.ACTIF

    @property
    def place(self) -> str:
        """The establishment as people call it."""
        found = Etablissement.find(self.controle.siret)
        name = found.carte().nom if found else "l'établissement"
        return f"{name} (SIRET {self.controle.siret.grouped})"


def find(controle_id: int) -> Review:
    """Raises ReviewNotFoundError."""
    controle = Controle.find(controle_id)
    if controle is None:
        raise ReviewNotFoundError(f"controle {controle_id}")
    return Review(controle, db.session.get(Declarant, controle.declarant_id))


def check_reason(unverified_reason: str) -> str:
    """Raises ReasonMissingError."""
    reason = " ".join(unverified_reason.split())
    if not SHORTEST <= len(reason) <= LONGEST:
        raise ReasonMissingError(f"{len(reason)} characters")
    return reason


def settle(
    settings: Settings, catalogue: Catalogue, review: Review, decision: Decision, reason: str, author: Author, now: datetime
) -> None:
    """Decide, and tell the person. What sets aside somebody who is in already, the page does first: it suspends them.

    Raises ReasonMissingError, ReviewSettledError.
    """
    kept = check_reason(reason)
    declarant, controle = review.declarant, review.controle
    if declarant is None or not review.waits or not controle.settle(decision, kept, author.actor, now):
        raise ReviewSettledError(f"controle {controle.id}")
    about = {"declarant_id": declarant.id, "siret": int(declarant.siret), "actor": author.actor}
    journal.record(ControlsSettled(decision=decision, reason=kept, **about), now)  # type: ignore[arg-type]  # three kinds of value
    if decision is Decision.ECARTER and declarant.statut in (Statut.PRIMO, Statut.CANDIDAT):
        name, address = declarant.full_name, declarant.email or ""
        Letter.void_all(declarant.id, now)
        transitions.apply(declarant, Act.ECARTER, author.by, now, actor=author.actor)
        Mail.write("inscription_ecartee", address, messages.set_aside(settings.issuer, name, review.place), now)
    elif decision is Decision.VALIDER and declarant.statut is Statut.PRIMO:
        _open(settings, catalogue, review, declarant, author, now)


def _open(settings: Settings, catalogue: Catalogue, review: Review, declarant: Declarant, author: Author, now: datetime) -> None:
    """The first administrator is in; whose establishment has one by now becomes a candidate, whom he answers (fact 30)."""
    Etablissement.hold(declarant.siret)
    if Declarant.is_administered(declarant.siret):
        transitions.apply(declarant, Act.TRANSMETTRE, author.by, now, actor=author.actor)
        open_candidacy(declarant, now, issuer=settings.issuer)
        return
    Letter.void_all(declarant.id, now)
    transitions.apply(declarant, Act.VALIDER, author.by, now, actor=author.actor)
    premiers_droits.ouvrir(declarant, catalogue, now)
    message = messages.validated(settings.issuer, declarant.identite, review.place)
    Mail.write("inscription_validee", declarant.email or "", message, now, declarant.id)
