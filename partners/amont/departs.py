"""Leaving for a provider, and back: which one may be chosen, at which level it is asked. Shared by every page that sends people there."""

from idp.ephemeral import Counter, Ephemeral, beyond
from partners.amont.models import Fournisseur
from partners.amont.refus import FournisseurInconnuError, TropDePassagesError
from partners.amont.relying import Arrived

MOST, WINDOW = 30, 600
"""Departures of one network in so many seconds."""
AT_LEAST = ("eidas1", "eidas1-mfa", "eidas2", "eidas3")
"""Below, who somebody is and for whom they work is their own saying. A sign-in elsewhere is worth a password here, never more, and
never less: MAG's own second factor is still asked."""


def chosen(store: Ephemeral, address: str, code: str, usage: str) -> Fournisseur:
    """Raises FournisseurInconnuError, TropDePassagesError."""
    network = address.rpartition(".")[0] or address
    if beyond(store, {Counter(f"amont:{network}", WINDOW): MOST}) is not None:
        raise TropDePassagesError(f"{MOST} departures from {network}")
    found = Fournisseur.named(code)
    if found is None or not found.serves(usage):
        raise FournisseurInconnuError(f"{code[:60]} for {usage}")
    return found


def at_least(fournisseur: Fournisseur) -> tuple[str, ...]:
    """The levels to ask; of a provider that has none of these, those that the operator wrote."""
    wanted = tuple(one for one in AT_LEAST if one in fournisseur.profile.levels)
    return (wanted[:1] if fournisseur.profile.acr_through == "acr_values" else wanted) or tuple(fournisseur.acr_values)


def still(arrived: Arrived) -> Fournisseur:
    """Who answered, unless it was cut off meanwhile. Raises FournisseurInconnuError."""
    found = Fournisseur.named(arrived.fournisseur)
    if found is None or not found.lives:
        raise FournisseurInconnuError(f"{arrived.fournisseur} was cut off meanwhile")
    return found
