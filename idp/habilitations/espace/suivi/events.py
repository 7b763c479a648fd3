"""Facts of this part that the journal keeps."""

from dataclasses import dataclass

from idp.audit.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionDeclined(Event):
    """An administrator leaves somebody's rights on each establishment, rather than one on the company."""

    siren: int
