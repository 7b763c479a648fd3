"""Giving a person a password: the policy, the hash, and what a new one ends (trusted devices, open sessions)."""

from datetime import datetime

from idp.audit import journal
from idp.audit.events import PasswordChanged
from idp.authentication.password_policy import check_policy, in_force, own_words
from idp.authentication.passwords import Passwords
from idp.authentication.session import close_every_session
from idp.config import Settings
from idp.declarants.models import CREDENTIAL, AccountEvent, Declarant
from idp.entreprises.models import Entreprise
from idp.ephemeral import Ephemeral


def change_password(
    store: Ephemeral,
    settings: Settings,
    passwords: Passwords,
    declarant: Declarant,
    password: str,
    now: datetime,
    *,
    actor: str | None = None,
) -> None:
    """Raises PasswordRefusedError or PasswordTooLongError, whose `public` says what to do.

    The store comes before the database, as `close_every_session` asks: nothing may be flushed yet.
    """
    check_policy(password, words_of(declarant), in_force(settings))
    stored = passwords.hash(password)
    if declarant.password_hash is not None:
        close_every_session(store, settings, declarant)
        AccountEvent.write(CREDENTIAL, declarant, now, credential_type="password", change_type="update")
    declarant.password_hash, declarant.pepper_id = stored.hash, stored.pepper_id
    declarant.password_changed_at = declarant.updated_at = now
    declarant.password_locked_at = None
    journal.record(PasswordChanged(declarant_id=declarant.id, siret=int(declarant.siret), actor=actor), now)


def words_of(declarant: Declarant) -> frozenset[str]:
    """What a password of this person must not be made of."""
    company = Entreprise.find(declarant.siret.siren)
    return own_words(declarant.siret, declarant.nom, declarant.prenom, (company.nom_affiche if company else None) or "")
