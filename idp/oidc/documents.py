"""Documents that anyone reads: discovery, keys, metadata of resources. Bytes made once, and again when what they say changes."""

from collections.abc import Callable
from hashlib import sha256
from typing import Any

import orjson

from idp.config import Settings
from idp.database import Kept
from idp.habilitations.droits import Catalogue
from idp.keys import Keyring
from idp.oidc.authzen.access import metadata
from idp.oidc.metadata import RESOURCES, Members, Offer, discovery, resource
from idp.oidc.rights import known_services
from idp.oidc.wire import Answer, Environ, holds

PUBLIC = (("Cache-Control", "public, max-age=300"), ("Access-Control-Allow-Origin", "*"))


class Document:
    """A body and its answers: whole, and to who holds it already (RFC 9110 section 13.1.2)."""

    def __init__(self, body: bytes) -> None:
        self.etag = f'"{sha256(body).hexdigest()[:16]}"'
        headers = (*PUBLIC, ("ETag", self.etag))
        self.whole, self.unchanged = Answer(200, body, headers=headers), Answer(304, b"", headers=headers)

    def answer(self, environ: Environ) -> Answer:
        return self.unchanged if holds(environ, self.etag) else self.whole


class Documents:
    """The documents of one process. Each is made again when the value it was made from is another."""

    def __init__(self, settings: Settings, keyring: Keyring, catalogue: Kept[Catalogue], registers: Callable[[], bool]) -> None:
        self.settings, self.keyring, self.catalogue, self.registers = settings, keyring, catalogue, registers
        self._jwks: tuple[object, Document | None] = (None, None)
        self._made: dict[str, tuple[tuple[Any, ...], Document]] = {}

    def jwks(self, environ: Environ) -> Answer:
        """RFC 7517 section 5."""
        keys = self.keyring.published()
        made_from, document = self._jwks
        if document is None or made_from is not keys:
            document = Document(keys.jwks)
            self._jwks = (keys, document)
        return document.answer(environ)

    def configuration(self, environ: Environ) -> Answer:
        """RFC 8414 section 3, OpenID Connect Discovery section 4."""
        return self._document("", discovery).answer(environ)

    def decision_point(self, environ: Environ) -> Answer:
        """AuthZEN Authorization API 1.0 section 9.2."""
        return self._document("authzen", lambda offer: metadata(offer.settings.issuer)).answer(environ)

    def of_resource(self, path: str) -> Callable[[Environ], Answer]:
        """RFC 9728 section 3."""
        return lambda environ: self._document(path, lambda offer: resource(offer, path)).answer(environ)

    @property
    def resources(self) -> dict[str, Callable[[Environ], Answer]]:
        return {path: self.of_resource(path) for path in RESOURCES}

    def _document(self, name: str, make: Callable[[Offer], Members]) -> Document:
        catalogue, keys, registers = found = (self.catalogue(), self.keyring.published(), self.registers())
        made = self._made.get(name)
        if made is None or made[0][0] is not catalogue or made[0][1] is not keys or made[0][2] is not registers:
            offer = Offer(self.settings, keys.algorithms, known_services(catalogue), registers)
            made = self._made[name] = (found, Document(orjson.dumps(make(offer))))
        return made[1]
