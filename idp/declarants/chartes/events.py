"""Facts of charters."""

from dataclasses import dataclass

from idp.audit.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class CharteAccepted(Event):
    """Somebody accepted a charter: this very text, under a session that was opened by these means."""

    code: str
    version: str
    sha256: str
    amr: str
    sid: str
