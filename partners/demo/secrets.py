"""What an installation of the demonstration made for itself: its secrets, in a file that its owner alone reads."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from joserfc.jwk import ECKey

from idp.seals import new_secret, random_token

FILE = "secrets.json"


@dataclass(frozen=True, slots=True)
class DemoSecrets:
    """Made at the first start, kept afterwards."""

    master: str
    """Value of MAG_SECRETS."""
    client_secret: str
    """Of Déclarez facile."""
    private_key: dict[str, Any]
    """Of Portail Entreprises, a private JWK: MAG only knows its public half."""
    jedeclare_private_key: dict[str, Any]
    """The same, of the portal that has accounts of its own: it signs its ID tokens with it, too."""
    jedeclare_secret: str
    """What MAG shows the OpenID provider of that portal."""
    facile_key: str
    entreprises_key: str
    jedeclare_key: str
    """What each portal seals its cookies with."""

    @classmethod
    def make(cls) -> Self:
        return cls(
            master=new_secret(),
            client_secret=random_token(),
            private_key=new_key(),
            jedeclare_private_key=new_key(),
            jedeclare_secret=random_token(),
            facile_key=random_token(),
            entreprises_key=random_token(),
            jedeclare_key=random_token(),
        )

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Those of this folder; what is not there yet is made."""
        file = folder / FILE
        kept = json.loads(file.read_text("utf-8")) if file.exists() else {}
        found = cls(**{**asdict(cls.make()), **kept})
        if asdict(found) != kept:
            write_private(file, json.dumps(asdict(found), indent=2))
        return found


def new_key() -> dict[str, Any]:
    """A private JWK."""
    return dict(ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256"}, private=True, auto_kid=True).as_dict(private=True))


def public_half(private_key: dict[str, Any]) -> dict[str, str]:
    """What others may know of a JWK."""
    return {name: str(private_key[name]) for name in ("kty", "crv", "x", "y", "kid", "use", "alg")}


def write_private(file: Path, text: str) -> None:
    """Whole or not at all, for its owner alone."""
    partial = file.with_suffix(".partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(text)
    partial.replace(file)
