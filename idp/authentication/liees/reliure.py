"""Linking two identities of one person, and unlinking one: rows, journal, mails to both. Nothing here commits.

Both were proved before `relier` is called: two sign-ins of MAG's own in one browser, one after the other. What waits between them is
kept under a random word, for that browser alone.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

import orjson

from idp.audit import journal
from idp.authentication.liees import messages
from idp.authentication.liees.events import IdentiteLinked, IdentiteUnlinked
from idp.authentication.liees.models import IdentiteLiee
from idp.declarants.models import Declarant
from idp.ephemeral import Ephemeral
from idp.errors import RefusedError
from idp.notifications.models import Mail
from idp.seals import digest, random_token

KIND, LIFE = "identite_liee", 15 * 60
"""Seconds between the two sign-ins, and the answer."""


class ReliureFinieError(RefusedError):
    """Too late, of another browser, answered, or the first identity changed meanwhile."""

    code = "identites_fini"
    number = "M400501"
    remedy = "Recommencez depuis « Mes identités »."
    status = 409
    title = "Association à recommencer"
    public = "Cette association d'identités n'est plus en cours dans ce navigateur. Recommencez depuis « Mes identités »."


class MemeIdentiteError(RefusedError):
    """Whoever was to prove another identity signed in with the same, or one that is linked already."""

    code = "identites_meme"
    number = "M400502"
    remedy = "Connectez-vous avec l'autre SIRET."
    status = 409
    title = "Même identité"
    public = "Ces deux identités n'en font déjà qu'une, ou elles sont déjà reliées. Recommencez en vous connectant avec l'autre SIRET."


@dataclass(frozen=True, slots=True, kw_only=True)
class Premiere:
    """The identity that was proved first."""

    declarant_id: int
    version: int
    begun_at: int
    """Epoch seconds: the second sign-in is made since."""

    @classmethod
    def load(cls, text: str) -> Self:
        return cls(**orjson.loads(text))


def keep(store: Ephemeral, first: Premiere, binding: str) -> str:
    word = random_token(16)
    store.put(KIND, digest(f"{word}|{binding}"), orjson.dumps(first).decode(), LIFE)
    return word


def find(store: Ephemeral, unverified_word: str, binding: str, *, take: bool = False) -> Premiere:
    """Raises ReliureFinieError."""
    found = (store.take if take else store.get)(KIND, digest(f"{unverified_word[:100]}|{binding}"))
    if found is None:
        raise ReliureFinieError("no such word")
    return Premiere.load(found)


def relier(issuer: str, first: Declarant, second: Declarant, now: datetime) -> None:
    """Raises MemeIdentiteError."""
    if first.id == second.id or not IdentiteLiee.link(first.id, second.id, now):
        raise MemeIdentiteError(f"{first.id} and {second.id}")
    for one, other in ((first, second), (second, first)):
        journal.record(IdentiteLinked(other=other.id, declarant_id=one.id, siret=int(one.siret)), now)
        if one.email:
            said = messages.linked(issuer, one.full_name, other.full_name, other.siret.grouped, now)
            Mail.write("identite_reliee", one.email, said, now, one.id)


def delier(issuer: str, person: Declarant, leaving: Declarant, now: datetime) -> bool:
    """`leaving` is `person`, or one that is linked to it; False when there is nothing to unlink."""
    others = IdentiteLiee.of(leaving.id)
    if not IdentiteLiee.unlink(leaving.id):
        return False
    for one, other in [(leaving, person if person.id != leaving.id else None), *((one, leaving) for one in others)]:
        named = other or (others[0] if others else leaving)
        journal.record(IdentiteUnlinked(other=named.id, declarant_id=one.id, siret=int(one.siret), actor=_actor(person, one)), now)
        if one.email:
            said = messages.unlinked(issuer, one.full_name, named.full_name, named.siret.grouped, now)
            Mail.write("identite_deliee", one.email, said, now, one.id)
    return True


def _actor(person: Declarant, one: Declarant) -> str | None:
    return None if person.id == one.id else person.actor
