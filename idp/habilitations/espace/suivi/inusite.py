"""Which services, of those that somebody holds, were not used since a day. A service that another gives by itself serves it too."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from idp.habilitations.droits import Catalogue, Masks


@dataclass(frozen=True, slots=True)
class Inusite:
    """A service held, and its last day of use; None: none is known."""

    libelle: str
    jour: date | None


def serving(catalogue: Catalogue) -> dict[int, frozenset[int]]:
    """By bit of a service held, those of the services that it opens: its own, and those that come by inheritance."""
    found: dict[int, frozenset[int]] = {}
    for (code, _), accepted in catalogue.accepted.items():
        for bit in bits(accepted):
            found[bit] = found.get(bit, frozenset()) | {catalogue.services[code].bit}
    return found


def bits(masks: Masks) -> Iterator[int]:
    """Services of which a right is there, whichever."""
    several = 0
    for mask in masks:
        several |= mask
    return (bit for bit in range(several.bit_length()) if several >> bit & 1)


def inusites(catalogue: Catalogue, held: Masks, used: Mapping[int, date], since: date, *, known: bool) -> list[Inusite]:
    """`known`: uses are recorded since that day, so that a service without any was not used."""
    opens = serving(catalogue)
    here = frozenset(bits(held))
    found = []
    for service in catalogue.offered:
        if service.bit not in here:
            continue
        jour = max((used[bit] for bit in opens.get(service.bit, frozenset()) if bit in used), default=None)
        if (jour is None and known) or (jour is not None and jour < since):
            found.append(Inusite(service.libelle, jour))
    return found
