"""What an administrator does to somebody who is there: another role, a suspension and its end. The caller ends sessions and commits.

Left out on purpose: departures, which settle rights (`habilitations/depart.py`).
"""

from datetime import datetime

from idp.declarants import transitions
from idp.declarants.equipe import messages
from idp.declarants.equipe.authority import act_on, check_may_reinstate
from idp.declarants.models import DISABLED, ENABLED, AccountEvent, Declarant
from idp.declarants.statuts import Act, By, Role, transition
from idp.notifications.models import Mail

TITLES = {role: role.words for role in Role}


def changer_role(administrator: Declarant, person: Declarant, role: Role, now: datetime, *, issuer: str) -> bool:
    """Another role; one's own too, unless nobody would be left. False: it was that one.

    Raises StatutRefusedError, LastAdministratorError, NoLongerAdministratorError.
    """
    act_on(administrator, person, himself=True)
    if person.role is role:
        return False
    promoted = role.administers and not person.role.administers
    transitions.apply(person, Act.CHANGER_ROLE, By.ADMINISTRATEUR, now, role=role, actor=administrator.actor)
    if person.email:
        Mail.write("role", person.email, messages.role_changed(issuer, person.full_name, role.words, person.siret), now, person.id)
    if promoted:
        tell_the_others(administrator, person, now, issuer)
    return True


def tell_the_others(administrator: Declarant, person: Declarant, now: datetime, issuer: str) -> None:
    """Each other administrator learns that there is one more, and who made them so."""
    for one in Declarant.administrators(person.siret):
        if one.email and one.id not in (administrator.id, person.id):
            message = messages.became_administrator(issuer, one.full_name, person.full_name, administrator.full_name, person.siret)
            Mail.write("nouvel_administrateur", one.email, message, now, one.id)


def suspendre(administrator: Declarant, person: Declarant, now: datetime, *, issuer: str) -> None:
    """No sign-in until further notice. Raises StatutRefusedError, LastAdministratorError, OwnAccountError, NoLongerAdministratorError."""
    act_on(administrator, person)
    transitions.apply(person, Act.SUSPENDRE, By.ADMINISTRATEUR, now, actor=administrator.actor)
    AccountEvent.write(DISABLED, person, now)
    if person.email:
        Mail.write("suspension", person.email, messages.suspended(issuer, person.full_name, person.siret), now, person.id)


def reactiver(administrator: Declarant, person: Declarant, now: datetime, *, issuer: str) -> None:
    """The suspension is lifted, unless an operator decided it.

    Raises StatutRefusedError, OwnAccountError, NoLongerAdministratorError, SuspendedForSecurityError.
    """
    act_on(administrator, person)
    transition(person.statut, Act.REACTIVER, By.ADMINISTRATEUR)
    check_may_reinstate(person)
    transitions.apply(person, Act.REACTIVER, By.ADMINISTRATEUR, now, actor=administrator.actor)
    AccountEvent.write(ENABLED, person, now)
    if person.email:
        Mail.write("reactivation", person.email, messages.reinstated(issuer, person.full_name, person.siret), now, person.id)
