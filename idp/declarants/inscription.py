"""Inscribing a person: one row for SIRET + nom + prénom, unique whatever the spelling (facts 1, 11).

Left out on purpose, for a change of their own: the state machine of inscription by oneself, cooptation, activation keys.
"""

import re
from datetime import datetime

from idp.audit import journal
from idp.audit.events import DeclarantChanged, DeclarantInscribed
from idp.declarants.identite import Identite, InvalidNameError, check_name
from idp.declarants.models import Declarant, Role, Statut
from idp.errors import RefusedError
from idp.seals import random_token

ATOM, LABEL = r"[\w!#$%&'*+/=?^`{|}~-]+", "[a-z0-9]([a-z0-9-]*[a-z0-9])?"
EMAIL = re.compile(rf"(?=.{{3,254}}\Z){ATOM}(\.{ATOM})*@{LABEL}(\.{LABEL})*", re.ASCII | re.IGNORECASE)
"""RFC 5321 section 4.1.2, without quoted strings, address literals, nor letters beyond ASCII."""
LONGEST_CLE = 200
"""Characters, as the database has it."""


class HomonymeError(RefusedError):
    """Somebody of this SIRET already bears this name."""

    code = "homonyme"
    number = "M200002"
    remedy = "Distinguez les deux personnes : la phrase affichée dit comment."
    status = 422

    def __init__(self, identite: Identite) -> None:
        super().__init__(f"homonym at {identite.siret}")
        self.public = (
            f"Une personne nommée « {identite.prenom} {identite.nom} » est déjà inscrite pour cet établissement. S'il s'agit "
            "de quelqu'un d'autre, ajoutez un deuxième prénom (« Jean Marie ») ou un numéro (« Jean 2 ») : les deux comptes "
            "pourront exister, et chacun se connectera avec le prénom ainsi inscrit."
        )


class InvalidEmailError(RefusedError):
    """Not an address that a mail can be sent to."""

    code = "email_invalide"
    number = "M200003"
    remedy = "Corrigez l'adresse électronique."
    status = 422
    public = "Cette adresse électronique n'est pas valable. Elle s'écrit comme prenom.nom@exemple.fr, sans accent ni espace."


class StatutRefusedError(RefusedError):
    """This change of status makes no sense."""

    code = "statut_refuse"
    number = "M200004"
    remedy = "Le statut de la personne ne permet pas cet acte."
    status = 409


def inscrire(
    identite: Identite,
    now: datetime,
    *,
    role: Role = Role.DECLARANT,
    statut: Statut = Statut.ACTIF,
    email: str | None = None,
    telephone: str | None = None,
    fonction: str | None = None,
    service_interne: str | None = None,
    actor: str | None = None,
) -> Declarant:
    """A new person, without a password yet. Raises InvalidNameError, InvalidEmailError, HomonymeError."""
    if email is not None and not EMAIL.fullmatch(email):
        raise InvalidEmailError("not an address")
    checked = Identite(identite.siret, check_name(identite.nom), check_name(identite.prenom))
    if len(checked.cle) > LONGEST_CLE:
        raise InvalidNameError("too long once folded")
    if Declarant.find(checked) is not None:
        raise HomonymeError(checked)
    declarant = Declarant(uid=random_token(18), siret=checked.siret, nom=checked.nom, prenom=checked.prenom, cle=checked.cle)
    declarant.statut, declarant.role = statut, role
    declarant.email, declarant.telephone = email, telephone
    declarant.fonction, declarant.service_interne = fonction, service_interne
    declarant.opened_at = declarant.updated_at = now
    if not declarant.insert():
        raise HomonymeError(checked)
    journal.record(DeclarantInscribed(declarant_id=declarant.id, siret=int(checked.siret), role=role, actor=actor), now)
    return declarant


def suspendre(declarant: Declarant, now: datetime, *, actor: str | None = None) -> None:
    """No sign-in any more until further notice; sessions are the caller's to close, afterwards. Raises StatutRefusedError."""
    _change(declarant, Statut.SUSPENDU, (Statut.ACTIF, Statut.PRIMO, Statut.CANDIDAT), now, actor)


def reactiver(declarant: Declarant, now: datetime, *, actor: str | None = None) -> None:
    """The suspension is lifted. Raises StatutRefusedError."""
    _change(declarant, Statut.ACTIF, (Statut.SUSPENDU,), now, actor)


def _change(declarant: Declarant, statut: Statut, allowed: tuple[Statut, ...], now: datetime, actor: str | None) -> None:
    if declarant.statut not in allowed:
        public = f"Le compte est « {declarant.statut} » : ce changement n'a pas lieu d'être."
        raise StatutRefusedError(f"{declarant.statut} to {statut}", public=public)
    declarant.statut, declarant.updated_at = statut, now
    declarant.epoque += 1
    event = DeclarantChanged(declarant_id=declarant.id, siret=int(declarant.siret), actor=actor, statut=statut, role=declarant.role)
    journal.record(event, now)
