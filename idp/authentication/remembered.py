"""Identities that a person asked this browser to remember: SIRET, nom and prénom, never a password.

They live in a sealed cookie, in this browser alone: MAG keeps no trace of them. Five at most, six months, forgotten one by
one on request.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import orjson

from idp.declarants.identite import Identite
from idp.entreprises.siret import Siret
from idp.errors import RefusedError
from idp.seals import Seals, UnsealError, b64, unb64

COOKIE = "__Host-mag_m"
LIFETIME = 182 * 24 * 3600
"""Seconds."""
MOST = 5
LONGEST = 3_500
"""Characters of the cookie."""
PURPOSE = "remembered"


@dataclass(frozen=True, slots=True)
class Remembered:
    """The identities of one browser, the last used first."""

    identites: tuple[Identite, ...] = ()

    @classmethod
    def read(cls, seals: Seals, unverified_cookie: str) -> "Remembered":
        """Nothing when the cookie is absent, altered, or sealed by a secret that is gone."""
        if not unverified_cookie or not unverified_cookie.isascii() or len(unverified_cookie) > LONGEST:
            return cls()
        try:
            return cls(tuple(_identites(orjson.loads(seals.open(PURPOSE, unb64(unverified_cookie))))))
        except (UnsealError, ValueError, RefusedError):
            return cls()

    def dump(self, seals: Seals) -> str:
        return b64(
            seals.seal(
                PURPOSE,
                orjson.dumps([[i.siret, i.nom, i.prenom] for i in self.identites], option=orjson.OPT_PASSTHROUGH_SUBCLASS, default=str),
            )
        )

    def adding(self, identite: Identite) -> "Remembered":
        """This one first; the oldest leaves."""
        return Remembered((identite, *self._others(identite))[:MOST])

    def without(self, index: int) -> "Remembered":
        return Remembered(tuple(identite for i, identite in enumerate(self.identites) if i != index))

    def at(self, index: int) -> Identite | None:
        return self.identites[index] if 0 <= index < len(self.identites) else None

    def _others(self, identite: Identite) -> Iterator[Identite]:
        return (i for i in self.identites if (i.siret, i.cle) != (identite.siret, identite.cle))


def _identites(rows: Iterable[list[str]]) -> Iterator[Identite]:
    for siret, nom, prenom in rows:
        yield Identite(Siret(siret), nom, prenom)
