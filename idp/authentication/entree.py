"""A sign-in that is not finished: the password was right (or a passkey), and a step remains before any session exists (C42).

It lives ten minutes in the store, under a random word that the page carries, for the browser that began it alone (C38), and
dies with the person's credentials. Nothing else of MAG reads it: without a session there is no code, no SSO, no consent.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

import orjson

from idp.authentication.levels import FEDERATED, MFA
from idp.authentication.session import Birth, guard_of_declarant
from idp.declarants.models import Declarant
from idp.ephemeral import Ephemeral
from idp.errors import RefusedError
from idp.seals import digest, random_token

KIND = "entree"
LIFETIME = 10 * 60
"""Seconds, from the password to the session."""


class EntreeDeadError(RefusedError):
    """Too late, or of another browser, or already finished."""

    code = "entree_finie"
    number = "M400420"
    remedy = "Recommencez la connexion depuis le début."
    status = 409
    title = "Connexion à recommencer"
    public = "Cette étape de la connexion n'est plus valable : elle a expiré, ou elle est déjà faite. Recommencez la connexion."


class Step(StrEnum):
    """What remains, in order; the values are the ends of addresses."""

    SECOND_FACTOR = "second-facteur"
    PASSWORD = "mot-de-passe"
    CONDITIONS = "conditions"
    ENROLMENT = "protection"
    HERE = ""
    """At the mire: what this page never asks of whoever typed no password, the password is asked for first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entree:
    """Who, proven how far, on the way to where."""

    declarant_id: int
    version: int
    """Of the credentials: others since then end it."""
    amr: tuple[str, ...]
    """What was proven up to now."""
    demande: str = ""
    """The sealed request of a partner or of a page."""
    remember: bool = False
    raised: str = ""
    """`sid` of the session that is raised to two factors; empty for a sign-in."""
    put_off: bool = False
    """The person puts off having a second factor, while that is allowed."""
    weak: bool = False
    """The password that was typed is not one that may be chosen today."""
    acr: str = ""
    """What a sign-in made at a partner is worth here; empty for any other."""
    birth: Birth | None = None
    """Of a sign-in that was made before, or elsewhere."""
    link: str = ""
    """The link of accounts through which the person comes."""

    @property
    def is_strong(self) -> bool:
        return MFA in self.amr

    @property
    def switched(self) -> bool:
        """The person signed in before under another identity of theirs, whose means these are."""
        return self.birth is not None and not self.link and FEDERATED not in self.amr

    @property
    def untyped(self) -> bool:
        """A provider above MAG signed the person in, or the password was another identity's: nothing that opens this one was asked here."""
        return (FEDERATED in self.amr or self.switched) and not self.is_strong

    def dump(self, binding: str) -> str:
        values = (self.declarant_id, self.version, self.amr, self.demande, self.remember, self.raised, self.put_off, self.weak)
        born = (self.acr, self.birth and (self.birth.auth_time, self.birth.expires_at), self.link)
        return orjson.dumps([digest(binding), *values, *born]).decode()

    @classmethod
    def load(cls, text: str, binding: str) -> Self | None:
        """None for another browser."""
        held, declarant_id, version, amr, demande, remember, raised, put_off, weak, *born = orjson.loads(text)
        if held != digest(binding):
            return None
        acr, birth, link = born or ("", None, "")
        return cls(
            declarant_id=declarant_id,
            version=version,
            amr=tuple(amr),
            demande=demande,
            remember=remember,
            raised=raised,
            put_off=put_off,
            weak=weak,
            acr=acr,
            birth=Birth(*birth) if birth else None,
            link=link,
        )


def keep(store: Ephemeral, entree: Entree, binding: str) -> str:
    """The word of an entrée that waits for its next step; each step has a word of its own."""
    token = random_token()
    guards = (guard_of_declarant(entree.declarant_id, entree.version),)
    store.put(KIND, digest(token), entree.dump(binding), LIFETIME, guards=guards)
    return token


def find(store: Ephemeral, unverified_token: str, binding: str) -> Entree:
    """Raises EntreeDeadError."""
    found = store.get(KIND, digest(unverified_token)) if 20 <= len(unverified_token) <= 100 else None
    entree = Entree.load(found, binding) if found else None
    if entree is None:
        raise EntreeDeadError("unknown")
    return entree


def take(store: Ephemeral, token: str, binding: str) -> Entree:
    """The entrée, for this caller and no other. Raises EntreeDeadError."""
    found = store.take(KIND, digest(token))
    entree = Entree.load(found, binding) if found else None
    if entree is None:
        raise EntreeDeadError("already taken")
    return entree


def drop(store: Ephemeral, token: str) -> None:
    """The password step is required anew."""
    store.delete(KIND, digest(token))


def next_step(declarant: Declarant, entree: Entree, *, password_due: bool, conditions_due: bool, factor_due: bool) -> Step | None:
    """The next one of the steps that remain; None: the session opens. Steps never route to one another.

    Whoever comes from a partner is asked for nothing of what they know: the session is worth what was agreed, and what demands more
    asks for it then. Whoever comes from a provider above MAG, or from another identity, chooses neither a password nor a factor before the
    password was typed (C45).
    """
    if entree.link:
        return Step.CONDITIONS if conditions_due else None
    if declarant.second_factor and not entree.is_strong:
        return Step.SECOND_FACTOR
    if password_due and not entree.raised:
        return Step.HERE if entree.untyped else Step.PASSWORD
    if conditions_due:
        return Step.CONDITIONS
    if factor_due and not entree.is_strong and not entree.put_off:
        return Step.HERE if entree.untyped else Step.ENROLMENT
    return None
