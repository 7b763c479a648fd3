"""MAG's script that ends a popup: where it is, and what it must weigh to be run (Subresource Integrity).

A version never changes: its hash is read once from MAG, by the server, or given as `widget_integrity` by a partner who pins it.
"""

import threading
import time
from dataclasses import dataclass
from typing import Any

from .config import KitConfig
from .provider import FRESH, QUIET, MagUnavailableError, Provider

FILE = "mag-done.js"


@dataclass(frozen=True, slots=True)
class Script:
    """What a `script` element says."""

    src: str
    integrity: str


class Widget:
    """The release of the widget that this partner uses."""

    def __init__(self, config: KitConfig, provider: Provider) -> None:
        self._config, self._provider = config, provider
        self._lock = threading.Lock()
        self._read_at = 0.0
        self._integrity = ""

    def done(self) -> Script | None:
        """None when MAG has no such release, or does not answer: the page then offers a link."""
        integrity = self._config.widget_integrity or self._published()
        return Script(f"{self._folder}/{self._config.widget_version}/{FILE}", integrity) if integrity else None

    @property
    def _folder(self) -> str:
        return f"{self._config.issuer}/widget"

    def _published(self) -> str:
        """What MAG says of the release, asked again after an hour, or soon when it said nothing."""
        with self._lock:
            if not self._read_at or time.monotonic() - self._read_at > (FRESH if self._integrity else QUIET):
                self._integrity = self._read() or self._integrity
                self._read_at = time.monotonic()
            return self._integrity

    def _read(self) -> str:
        try:
            releases = self._provider.document(f"{self._folder}/releases.json")
        except MagUnavailableError:
            return ""
        return _integrity_of(releases, self._config.widget_version)


def _integrity_of(releases: dict[str, Any], version: str) -> str:
    every = releases.get("releases")
    for release in every if isinstance(every, list) else ():
        if isinstance(release, dict) and release.get("version") == version:
            files = release.get("files")
            file = files.get(FILE) if isinstance(files, dict) else None
            found = file.get("integrity") if isinstance(file, dict) else None
            return found if isinstance(found, str) and found.startswith("sha384-") else ""
    return ""
