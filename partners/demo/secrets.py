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
    facile_key: str
    entreprises_key: str
    """What each portal seals its cookies with."""

    @classmethod
    def make(cls) -> Self:
        key = ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256"}, private=True, auto_kid=True)
        return cls(new_secret(), random_token(), dict(key.as_dict(private=True)), random_token(), random_token())

    @property
    def public_jwk(self) -> dict[str, str]:
        return {name: str(self.private_key[name]) for name in ("kty", "crv", "x", "y", "kid", "use", "alg")}

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Those of this folder, made if they are not there."""
        file = folder / FILE
        if file.exists():
            return cls(**json.loads(file.read_text("utf-8")))
        made = cls.make()
        write_private(file, json.dumps(asdict(made), indent=2))
        return made


def write_private(file: Path, text: str) -> None:
    """Whole or not at all, for its owner alone."""
    partial = file.with_suffix(".partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(text)
    partial.replace(file)
