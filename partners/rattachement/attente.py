"""What waits between two pages: a link that nobody has agreed to yet, and somebody who is about to come in.

Each under a random word, in the browser that began it alone; a quarter of an hour for a link, five minutes for a passage.
"""

from dataclasses import dataclass, replace
from typing import Self

import orjson

from idp.ephemeral import Ephemeral
from idp.seals import digest, random_token

PROPOSITION, PROPOSITION_LIFE = "rattachement", 15 * 60
PASSAGE, PASSAGE_LIFE = "passage", 5 * 60
"""Seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposition:
    """Two accounts to link, or one of them while the other is not proved."""

    partenaire: str
    origine: str
    begun_at: int
    """Epoch seconds: a sign-in at MAG proves something from here on."""
    compte: str = ""
    libelle: str = ""
    preuve: str = ""
    """How the partner's account was proved; empty until it is."""
    retour: str = ""
    state: str = ""

    def proved(self, preuve: str, compte: str, libelle: str) -> "Proposition":
        return replace(self, preuve=preuve, compte=compte, libelle=libelle)

    def dump(self) -> str:
        return orjson.dumps(self).decode()

    @classmethod
    def load(cls, text: str) -> Self:
        return cls(**orjson.loads(text))


@dataclass(frozen=True, slots=True, kw_only=True)
class Venue:
    """Somebody whom a partner vouched for, and where they are going."""

    rattachement: str
    comme: str
    acr: str
    """As the partner says it; what it is worth is settled when the session opens."""
    auth_time: int
    vers: str = ""
    demande: str = ""
    """The sealed request that asked who it is."""

    def dump(self) -> str:
        return orjson.dumps(self).decode()

    @classmethod
    def load(cls, text: str) -> Self:
        return cls(**orjson.loads(text))


def keep(store: Ephemeral, what: Proposition | Venue, binding: str, word: str = "") -> str:
    """Its word; the one given, for what goes on under the same."""
    kind, life = (PROPOSITION, PROPOSITION_LIFE) if isinstance(what, Proposition) else (PASSAGE, PASSAGE_LIFE)
    word = word or random_token(16)
    store.put(kind, _key(word, binding), what.dump(), life)
    return word


def proposition(store: Ephemeral, unverified_word: str, binding: str, *, take: bool = False) -> Proposition | None:
    """None when unknown, too old, of another browser, or taken."""
    found = (store.take if take else store.get)(PROPOSITION, _key(unverified_word, binding))
    return Proposition.load(found) if found else None


def venue(store: Ephemeral, unverified_word: str, binding: str, *, take: bool = False) -> Venue | None:
    """The same for a passage."""
    found = (store.take if take else store.get)(PASSAGE, _key(unverified_word, binding))
    return Venue.load(found) if found else None


def _key(word: str, binding: str) -> str:
    return digest(f"{word[:100]}|{binding}")
