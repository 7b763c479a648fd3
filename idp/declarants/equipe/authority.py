"""Who may act on whom: asked again once the rows are held, since an administrator may have lost the role meanwhile."""

from datetime import UTC, datetime

from idp.audit.models import AuditEvent
from idp.database import db
from idp.declarants.models import ACTOR, Declarant
from idp.entreprises.models import Etablissement
from idp.entreprises.siret import Siret
from idp.errors import RefusedError, UnknownPageError


class NoLongerAdministratorError(RefusedError):
    """The acting administrator lost the role, or the establishment, while the page was open."""

    code = "plus_administrateur"
    number = "M200203"
    remedy = "Adressez-vous à un administrateur en place."
    status = 403
    title = "Vous n'administrez plus cet établissement"
    public = "Votre rôle a changé pendant que cette page était ouverte : rien n'a été fait."


class OwnAccountError(RefusedError):
    """An administrator does to himself what another must do."""

    code = "sur_soi_meme"
    number = "M200204"
    remedy = "Un autre administrateur de l'établissement doit le faire."
    status = 409
    title = "Pas sur votre propre compte"
    public = (
        "Vous ne pouvez pas le faire sur votre propre compte : un autre administrateur doit s'en charger. Pour partir de vous-même, "
        "fermez votre compte depuis « Mon compte »."
    )


class SuspendedForSecurityError(RefusedError):
    """An operator suspended the account: colleagues do not undo it."""

    code = "suspendu_par_un_operateur"
    number = "M200214"
    remedy = "Adressez-vous à l'assistance."
    status = 409
    title = "Suspension décidée par un opérateur"
    public = (
        "Un opérateur de MAG a suspendu ce compte, par sécurité : lui seul peut lever la suspension. Adressez-vous à l'assistance si vous "
        "pensez que le compte peut rouvrir."
    )


TIME = "temps"
"""How the journal names those whose suspensions an administrator may lift."""


def check_may_reinstate(person: Declarant) -> None:
    """The last change of somebody suspended is the suspension, with who decided it. Raises SuspendedForSecurityError."""
    last = AuditEvent.of_person(person.id, ["DeclarantChanged"], datetime.fromtimestamp(0, UTC), limit=1)
    if last and last[0].actor != TIME and not (last[0].actor or "").startswith(ACTOR):
        raise SuspendedForSecurityError(f"declarant {person.id}")


def act_on(administrator: Declarant, person: Declarant, *others: Declarant, himself: bool = False) -> None:
    """Hold the rows of all concerned, read again, and check. Raises NoLongerAdministratorError, OwnAccountError."""
    if administrator.id == person.id and not himself:
        raise OwnAccountError(f"declarant {person.id}")
    concerned = {one.id: one for one in (administrator, person, *others)}
    Declarant.hold(person.siret.siren, *concerned)
    for one in concerned.values():
        db.session.refresh(one)
    if not administrator.may_administer(person.siret):
        raise NoLongerAdministratorError(f"declarant {administrator.id}")


def sirets_of(administrator: Declarant) -> range:
    """The establishments whose people an administrator sees: his own; from the head office, every one of the company."""
    own = int(administrator.siret)
    return administrator.siret.siren.sirets if administrator.at_head_office else range(own, own + 1)


def person_of(administrator: Declarant, uid: str) -> Declarant:
    """Somebody whom he administers; of another company, nobody (C60). Raises UnknownPageError."""
    found = Declarant.with_uid(uid) if uid.isascii() and len(uid) <= 40 else None
    if found is None or not administrator.may_administer(found.siret):
        raise UnknownPageError(f"person of declarant {administrator.id}")
    return found


def set_aside(person: Declarant) -> int:
    """The version of credentials that follows the end of sessions, kept out of the transaction until rows are held in their order."""
    version = person.version
    db.session.expire(person, ["version"])
    return version


def check_place(administrator: Declarant, siret: Siret) -> None:
    """An establishment of his, that is open. Raises RefusedError."""
    if not administrator.may_administer(siret):
        raise RefusedError("elsewhere", public="Vous n'administrez pas cet établissement.")
    if siret != administrator.siret:
        Etablissement.inscriptible(siret)
