"""Which providers people may be offered, remembered for a moment: pages that everybody opens ask nothing of the database."""

import threading
import time
from collections.abc import Callable

from idp.declarants.preuves.models import Offre
from partners.amont.models import Fournisseur
from partners.amont.profils import CERTIFICATION_DIRIGEANT
from partners.amont.relying import Amont

FRESH = 300.0
"""Seconds, so that a page of sign-in costs the same again and again. A provider that is cut off is refused at once, wherever a page
still shows it."""


class Offres:
    """For one process; read under an application context."""

    def __init__(self, amont: Amont, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.amont, self._clock, self._lock = amont, clock, threading.Lock()
        self._read_at, self._held = float("-inf"), dict[str, list[Offre]]()

    def __call__(self, usage: str) -> list[Offre]:
        with self._lock:
            if self._clock() - self._read_at >= FRESH:
                self._held, self._read_at = {}, self._clock()
            if usage not in self._held:
                self._held[usage] = [self._offer(one) for one in Fournisseur.serving(usage)]
            return self._held[usage]

    def _offer(self, fournisseur: Fournisseur) -> Offre:
        certifies = CERTIFICATION_DIRIGEANT in fournisseur.profile.levels
        return Offre(fournisseur.code, fournisseur.nom, self.amont.discovery.origin(fournisseur), certifies)
