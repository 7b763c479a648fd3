"""MAG's two scripts, the button and the end of a popup: where they are, and what they must hash to (Subresource Integrity).

A version never changes: its hashes are read from MAG, by the server; a partner may pin the second by `widget_integrity`.
"""

import threading
import time
from dataclasses import dataclass
from typing import Any

from .config import INTEGRITY, KitConfig
from .provider import FRESH, QUIET, MagUnavailableError, Provider

LOGIN, DONE = "mag-login.js", "mag-done.js"


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
        self._hashes: dict[str, str] = {}

    @property
    def login(self) -> Script | None:
        """The button `<mag-login>`. None when MAG has no such release, or does not answer: the link inside the element is left."""
        return self._script(LOGIN, self._published().get(LOGIN, ""))

    @property
    def done(self) -> Script | None:
        """The end of a popup. None, as above: its page offers a link."""
        return self._script(DONE, self._config.widget_integrity or self._published().get(DONE, ""))

    def _script(self, file: str, integrity: str) -> Script | None:
        return Script(f"{self._folder}/{self._config.widget_version}/{file}", integrity) if integrity else None

    @property
    def _folder(self) -> str:
        return f"{self._config.issuer}/widget"

    def _published(self) -> dict[str, str]:
        """What MAG says of the release, asked again after an hour, or soon when it said nothing."""
        with self._lock:
            if not self._read_at or time.monotonic() - self._read_at > (FRESH if self._hashes else QUIET):
                self._hashes = self._read() or self._hashes
                self._read_at = time.monotonic()
            return self._hashes

    def _read(self) -> dict[str, str]:
        try:
            releases = self._provider.document(f"{self._folder}/releases.json")
        except MagUnavailableError:
            return {}
        return hashes_of(releases, self._config.widget_version)


def hashes_of(unverified: Any, version: str) -> dict[str, str]:
    """Name of each file of a release and its hash; nothing of what cannot be read."""
    every = unverified.get("releases") if isinstance(unverified, dict) else None
    releases = (one for one in (every if isinstance(every, list) else ()) if isinstance(one, dict))
    files = next((one.get("files") for one in releases if one.get("version") == version), None)
    told = {name: file.get("integrity") for name, file in (files if isinstance(files, dict) else {}).items() if isinstance(file, dict)}
    return {name: found for name, found in told.items() if isinstance(found, str) and INTEGRITY.fullmatch(found) and found}
