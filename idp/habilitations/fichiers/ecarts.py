"""From what is written for a holder at a place, and what a line wants there, to what should be written. Pure.

A line speaks of one service: its rights, each with its last day (None: no end). What comes from elsewhere, a portfolio or the whole
company, is taken away by an exclusion, and given back by lifting it; anything else is written at the place itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import reduce
from operator import or_

from idp.errors import RefusedError
from idp.habilitations.droits import FOREVER, NOTHING, WORDS, Dated, Droit, Masks, Period, Service, give, union, withdraw

Fins = Mapping[Droit, date | None]
"""Rights on one service, and the last day of each; None: no end."""
MOMENT = timedelta(microseconds=1)


class EcartRefuseError(RefusedError):
    """A line that cannot be carried out. `public` says why."""

    code = "ligne_refusee"
    number = "M300202"
    remedy = "Corrigez la ligne : la phrase affichée dit ce qui manque."
    status = 422
    public = "Cette ligne ne peut pas être appliquée."


def refusal(reason: str, public: str) -> EcartRefuseError:
    return EcartRefuseError(reason, public=public)


@dataclass(frozen=True, slots=True)
class Place:
    """One holder, one target."""

    held: Dated
    """Written at this very place."""
    around: Masks = NOTHING
    """What portfolios and the whole company give there."""
    excluded: Masks = NOTHING
    """Taken away at this very place."""
    excluded_around: Masks = NOTHING
    """Taken away on the whole company."""

    def rights(self, service: Service, now: datetime) -> dict[Droit, date | None]:
        """Rights on a service, open or to come, before inheritance, each with its last day."""
        found: dict[Droit, date | None] = {}
        bit = 1 << service.bit
        live = [(period.ends_at, masks) for period, masks in self.held.items() if period.ends_at > now]
        for i, droit in enumerate(Droit):  # masks are in that order; asked for each line of a file
            if droit not in service.droits or (self.excluded[i] | self.excluded_around[i]) & bit:
                continue
            ends = [end for end, masks in live if masks[i] & bit]
            if ends:
                found[droit] = last_day(max(ends))
            elif self.around[i] & bit:
                found[droit] = None
        return found

    @property
    def bits(self) -> int:
        """Services of which something is written, given or taken away there."""
        several = (self.around, self.excluded, *self.held.values())
        return reduce(or_, (mask for masks in several for mask in masks), 0)

    def take(self, mask: Masks, now: datetime) -> "Place":
        """Without this right, whatever gives it."""
        excluded = self.excluded.union(mask) if mask.meets(self.around) else self.excluded
        return replace(self, held=withdraw(self.held, mask, now), excluded=excluded)

    def grant(self, mask: Masks, period: Period, now: datetime) -> "Place":
        """With this right. Raises EcartRefuseError when the account is excluded from the whole company."""
        if mask.meets(self.excluded_around):
            raise refusal(
                "excluded around", "Cette personne est écartée de ce droit sur l'entreprise entière : levez d'abord cette exception."
            )
        lifted = replace(self, excluded=self.excluded.minus(mask))
        if period.ends_at == FOREVER and (mask.meets(self.around) or mask.meets(union(self.held.values()))):
            return lifted
        return replace(lifted, held=give(self.held, period, mask, now))

    def until(self, mask: Masks, end: datetime, now: datetime) -> "Place":
        """The same right, until another instant; its opening stays. Raises EcartRefuseError when it is not written here."""
        starts = [period.effective_from for period, masks in self.held.items() if period.ends_at > now and masks.meets(mask)]
        if not starts:
            raise refusal("not written here", "Ce droit vient d'un portefeuille ou de l'entreprise entière : sa date de fin se change là.")
        return replace(self, held=give(withdraw(self.held, mask, now), Period(min(starts), end), mask, now))


def after(place: Place, service: Service, wanted: Fins, now: datetime) -> Place:
    """What a line makes of a place: exactly these rights on this service. Raises EcartRefuseError."""
    before = place.rights(service, now)
    for droit, fin in wanted.items():
        if fin is not None and before.get(droit, FOREVER) != fin and fin < now.date():
            raise refusal("past", f"La date de fin, {fin:%d/%m/%Y}, est passée.")
    for droit in before.keys() - wanted.keys():
        place = place.take(service.mask_of(droit), now)
    for droit, fin in wanted.items():
        mask, end = service.mask_of(droit), instant_after(fin)
        if droit not in before:
            start = now + service.opening_delay
            if end <= start:
                raise refusal("ends before it opens", "La date de fin doit suivre la date d'ouverture du droit.")
            place = place.grant(mask, Period(start, end), now)
        if place.rights(service, now).get(droit) != fin:
            place = place.until(mask, end, now)
    return place


def last_day(ends_at: datetime) -> date | None:
    """The last day of a right that ends there; None for what has no end."""
    return None if ends_at >= FOREVER else (ends_at - MOMENT).astimezone(UTC).date()


def instant_after(day: date | None) -> datetime:
    """When a right whose last day is that one ends."""
    return FOREVER if day is None else datetime.combine(day + timedelta(days=1), time(), UTC)


def said(fins: Fins) -> str:
    """`déclarer, payer jusqu'au 31/12/2027`; `aucun droit`."""
    ordered = [(WORDS[droit], fins[droit]) for droit in Droit if droit in fins]
    return ", ".join(name if day is None else f"{name} jusqu'au {day:%d/%m/%Y}" for name, day in ordered) or "aucun droit"
