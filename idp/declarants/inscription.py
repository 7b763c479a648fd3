"""Inscribing a person: one row for SIRET + nom + prénom, unique whatever the spelling (facts 1, 11).

Left out on purpose: who may, which is the table of `statuts.py`, and the journeys that lead here.
"""

import re
from datetime import datetime

from idp.audit import journal
from idp.declarants import transitions
from idp.declarants.events import DeclarantInscribed
from idp.declarants.identite import LONGEST_CLE, Identite, InvalidNameError, check_name
from idp.declarants.models import Declarant
from idp.declarants.statuts import Act, By, Role, Statut, StatutRefusedError, transition
from idp.errors import RefusedError
from idp.seals import random_token

ATOM, LABEL = r"[\w!#$%&'*+/=?^`{|}~-]+", "[a-z0-9]([a-z0-9-]*[a-z0-9])?"
EMAIL = re.compile(rf"(?=.{{3,254}}\Z){ATOM}(\.{ATOM})*@{LABEL}(\.{LABEL})*", re.ASCII | re.IGNORECASE)
"""RFC 5321 section 4.1.2, without quoted strings, address literals, nor letters beyond ASCII."""


class HomonymeError(RefusedError):
    """Somebody of this SIRET already bears this name."""

    code = "homonyme"
    number = "M200002"
    remedy = "Distinguez les deux personnes : la phrase affichée dit comment."
    status = 422

    def __init__(self, identite: Identite, *, left: bool = False) -> None:
        """`left`: whoever bears the name has left, and is not erased yet."""
        super().__init__(f"homonym at {identite.siret}")
        if left:
            self.public = (
                f"Une personne nommée « {identite.prenom} {identite.nom} » a quitté cet établissement récemment : son nom y reste réservé "
                "quelques semaines. S'il s'agit d'elle, qui revient, ou de quelqu'un d'autre, ajoutez un deuxième prénom (« Jean Marie ») "
                "ou un numéro (« Jean 2 ») : elle se connectera avec le prénom ainsi inscrit. Sinon, recommencez quand le nom sera libre."
            )
            return
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


def new_uid() -> str:
    """Of nobody else, ever."""
    return random_token(18)


def inscrire(
    identite: Identite,
    now: datetime,
    *,
    role: Role = Role.DECLARANT,
    act: Act = Act.INSCRIRE,
    by: By = By.OPERATEUR,
    email: str | None = None,
    telephone: str | None = None,
    mobile: str | None = None,
    fonction: str | None = None,
    service_interne: str | None = None,
    actor: str | None = None,
    namesake: bool = False,
    uid: str | None = None,
) -> Declarant:
    """A new person, by one of the acts of the table (fact 11), without a password yet.

    `namesake`: somebody bears the name already, and neither is told; they wait under a key that nobody can type.
    `uid`: what was promised to be theirs.
    Raises StatutRefusedError, InvalidNameError, InvalidEmailError, HomonymeError.
    """
    statut = transition(None, act, by).after
    if statut is None:
        raise StatutRefusedError(f"{act} gives no status")
    if email is not None:
        check_email(email)
    checked = Identite(identite.siret, check_name(identite.nom), check_name(identite.prenom))
    if len(checked.cle) > LONGEST_CLE:
        raise InvalidNameError("too long once folded")
    # Looked for in both cases: what it costs tells nobody whether the name is borne (C33).
    cle, uid, bearer = checked.cle, uid or new_uid(), Declarant.find(checked)
    if namesake:
        cle = f"{checked.attente}{uid[: LONGEST_CLE - len(checked.attente)]}"
    elif bearer is not None:
        raise _homonyme(checked, bearer)
    declarant = Declarant(uid=uid, siret=checked.siret, nom=checked.nom, prenom=checked.prenom, cle=cle)
    declarant.statut, declarant.role = statut, role
    declarant.email, declarant.telephone, declarant.mobile = email, telephone, mobile
    declarant.fonction, declarant.service_interne = fonction, service_interne
    declarant.opened_at = declarant.updated_at = now
    if not declarant.insert():
        raise HomonymeError(checked)
    siret = int(checked.siret)
    journal.record(DeclarantInscribed(declarant_id=declarant.id, siret=siret, act=act, role=role, statut=statut, actor=actor), now)
    return declarant


def check_email(email: str) -> str:
    """Raises InvalidEmailError."""
    if not EMAIL.fullmatch(email):
        raise InvalidEmailError("not an address")
    return email


def check_free(identite: Identite) -> None:
    """Nobody bears this identity. Raises HomonymeError."""
    found = Declarant.find(identite)
    if found is not None:
        raise _homonyme(identite, found)


def _homonyme(identite: Identite, bearer: Declarant) -> HomonymeError:
    return HomonymeError(identite, left=bearer.statut is Statut.RADIE)


def suspendre(declarant: Declarant, now: datetime, *, by: By = By.OPERATEUR, actor: str | None = None) -> None:
    """No sign-in any more until further notice; sessions are the caller's to close, afterwards. Raises StatutRefusedError."""
    transitions.apply(declarant, Act.SUSPENDRE, by, now, actor=actor)


def reactiver(declarant: Declarant, now: datetime, *, by: By = By.OPERATEUR, actor: str | None = None) -> None:
    """The suspension is lifted. Raises StatutRefusedError."""
    transitions.apply(declarant, Act.REACTIVER, by, now, actor=actor)
