"""The releases of the widget, and the door they are served from: an address holds its whole version, and never changes.

Any page may load them: whoever does proves with Subresource Integrity what it loads (`integrity`, W3C SRI section 3.3).
"""

import base64
import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from idp.oidc.wire import Answer, Environ

FOLDER = Path(__file__).parent / "releases"
LIST = "releases.json"
LOGIN, DONE, INLINE = "mag-login.js", "mag-done.js", "mag-inline.js"
ANY_PAGE = (("Access-Control-Allow-Origin", "*"), ("Cross-Origin-Resource-Policy", "cross-origin"))
FOREVER = (("Cache-Control", "public, max-age=31536000, immutable"), ("Vary", "Accept-Encoding"))
AN_HOUR = (("Cache-Control", "public, max-age=3600"),)
JAVASCRIPT = "text/javascript; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Release:
    """One version: when it came, until when it is supported (ISO dates; None: nothing is said yet), its files."""

    version: str
    date: str
    end_of_support: str | None
    files: Mapping[str, Mapping[str, Any]]
    """By name: `integrity` and `bytes`."""


def integrity(content: bytes) -> str:
    """W3C SRI section 3.2."""
    return "sha384-" + base64.b64encode(hashlib.sha384(content).digest()).decode()


def short_integrity(content: bytes) -> str:
    """The same by SHA-256: each byte counts in a file that is small."""
    return "sha256-" + base64.b64encode(hashlib.sha256(content).digest()).decode()


def releases(folder: Path = FOLDER) -> list[Release]:
    """The latest first."""
    path = folder / LIST
    return [Release(**one) for one in orjson.loads(path.read_bytes())["releases"]] if path.exists() else []


def tag(issuer: str, release: Release) -> str:
    """What a partner writes in its page."""
    address, proof = f"{issuer}/widget/{release.version}/{LOGIN}", release.files[LOGIN]["integrity"]
    return f'<script type="module" crossorigin="anonymous" integrity="{proof}" src="{address}"></script>'


class ReleaseDoor:
    """`/widget/…`: every file of every release, read once."""

    def __init__(self, prefix: str, folder: Path = FOLDER) -> None:
        self.answers: dict[str, tuple[Answer, Answer]] = {}
        if (folder / LIST).exists():
            listed = Answer(200, (folder / LIST).read_bytes(), headers=(*ANY_PAGE, *AN_HOUR))
            self.answers[prefix + LIST] = (listed, listed)
        for release in releases(folder):
            for name in release.files:
                plain = (folder / release.version / name).read_bytes()
                whole = Answer(200, plain, JAVASCRIPT, (*ANY_PAGE, *FOREVER))
                small = Answer(200, gzip.compress(plain, 9, mtime=0), JAVASCRIPT, (*whole.headers, ("Content-Encoding", "gzip")))
                self.answers[f"{prefix}{release.version}/{name}"] = (whole, small)

    def __call__(self, environ: Environ) -> Answer:
        found = self.answers.get(environ["PATH_INFO"])
        if found is None:
            return Answer(404, b"There is no such release.\n", "text/plain; charset=utf-8", (*ANY_PAGE, ("Cache-Control", "no-store")))
        return found["gzip" in str(environ.get("HTTP_ACCEPT_ENCODING", ""))]
