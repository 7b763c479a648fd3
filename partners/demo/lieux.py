"""Names, addresses and ports of the demonstration. Pure.

Every name ends in `.localhost`: browsers know where that is without a hosts file, keep `Secure` cookies there, and keep the
cookies of one name from the others.
"""

from dataclasses import dataclass
from pathlib import Path

PORT_BASE = 8000


@dataclass(frozen=True, slots=True)
class Lieux:
    """Where everything is. `folder` holds what lasts."""

    folder: Path
    port_base: int = PORT_BASE

    def _origin(self, name: str, port: int) -> str:
        return f"http://{name}.localhost:{port}"

    @property
    def ports(self) -> dict[str, int]:
        """Of 127.0.0.1, by the name of the child that listens."""
        base = self.port_base
        return {"mag": base, "facile": base + 1, "portailpro": base + 2, "jedeclare": base + 3, "courrier": base + 25, "smtp": base + 26}

    @property
    def issuer(self) -> str:
        return self._origin("mag", self.ports["mag"])

    @property
    def bureau(self) -> str:
        """The operators' desk, served by the same process."""
        return self._origin("bureau", self.ports["mag"])

    @property
    def facile(self) -> str:
        """Déclarez facile."""
        return self._origin("facile", self.ports["facile"])

    @property
    def entreprises(self) -> str:
        """Portail Entreprises."""
        return self._origin("portailpro", self.ports["portailpro"])

    @property
    def jedeclare(self) -> str:
        """The portal that has accounts of its own."""
        return self._origin("jedeclare", self.ports["jedeclare"])

    @property
    def courrier(self) -> str:
        """The mails that were sent."""
        return self._origin("courrier", self.ports["courrier"])

    @property
    def database_url(self) -> str:
        return f"sqlite:///{self.folder / 'mag.sqlite3'}"

    def log(self, name: str) -> Path:
        return self.folder / "journaux" / f"{name}.log"

    def portail(self, name: str) -> Path:
        """The settings file of a portal."""
        return self.folder / f"{name}.json"
