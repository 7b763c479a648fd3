"""The session of a provider ends with MAG's: what this browser needs for it, from its sign-in or its proof to its sign-out.

RP-Initiated Logout 1.0 sections 2 and 3, the same for ProConnect and FranceConnect: `id_token_hint`, the exact address of return,
`state`. The address, which holds the ID token, is sealed for one browser and kept no longer than a session may live. It is made when
the person arrives, so that a sign-out asks nothing of a provider that may be away.
"""

from dataclasses import dataclass
from urllib.parse import urlencode

import orjson

from idp.seals import UnsealError, b64, digest, random_token, unb64
from partners.amont.models import Fournisseur
from partners.amont.relying import Amont, Arrived, farewell

KEPT, PASSING, PURPOSE = "amont_sortie", "amont_passage", "amont.sortie"
PASSING_LIFE = 600
"""Seconds, from MAG to the provider and back."""


@dataclass(frozen=True, slots=True)
class Exit:
    """Where a session ends above MAG."""

    nom: str
    """Of the provider."""
    address: str


def remember(amont: Amont, fournisseur: Fournisseur, arrived: Arrived, *, browser: str) -> None:
    """Of several providers, the last one: a browser is signed out of one after the other no more than it was signed in at once."""
    address, key = farewell(amont, fournisseur, arrived.id_token), digest(browser)
    if not address:
        return
    sealed = b64(amont.seals.seal(PURPOSE, orjson.dumps([fournisseur.code, address]), key))
    amont.store.put(KEPT, key, sealed, amont.settings.session_lifetime)


def forget(amont: Amont, *, browser: str) -> None:
    """The person ended it there already."""
    amont.store.delete(KEPT, digest(browser))


def take(amont: Amont, final: str, *, browser: str) -> Exit | None:
    """Once. `final`: the page of MAG to come back to. None when nothing is open above, or with a provider that was cut off since."""
    key = digest(browser)
    sealed = amont.store.take(KEPT, key)
    if sealed is None:
        return None
    try:
        code, address = orjson.loads(amont.seals.open(PURPOSE, unb64(sealed), key))
    except (UnsealError, ValueError):
        return None
    found = Fournisseur.named(code)
    if found is None or not found.lives:
        return None
    state = random_token()
    amont.store.put(PASSING, digest(state), f"{key} {final}", PASSING_LIFE)
    return Exit(found.nom, f"{address}&{urlencode({'state': state})}")


def came_back(amont: Amont, state: str, *, browser: str) -> str:
    """Where the sign-out ends, for the browser that went; empty otherwise."""
    kept = amont.store.take(PASSING, digest(state)) if 0 < len(state) <= 100 else None
    whose, _, final = (kept or "").partition(" ")
    return final if whose == digest(browser) else ""
