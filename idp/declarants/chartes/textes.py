"""The texts of charters, each with its digest: a file that differs from what was shipped stops the process that reads it."""

import hashlib
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources

from idp.declarants.parcours.conditions import ConditionsAlteredError, sections_of


@dataclass(frozen=True, slots=True)
class Charte:
    """One version of one charter."""

    code: str
    version: str
    sha256: str
    text: str

    @property
    def title(self) -> str:
        return self.text.split("\n", 1)[0]

    @property
    def sections(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Headings and the paragraphs under each."""
        return tuple(section for section in sections_of(self.text) if section[0])


@cache
def in_force() -> dict[str, Charte]:
    """By code. Raises ConditionsAlteredError."""
    folder = resources.files("idp.declarants.chartes").joinpath("data")
    found: dict[str, Charte] = {}
    for one in tomllib.loads(folder.joinpath("chartes.toml").read_text("utf-8"))["chartes"]:
        raw = folder.joinpath(f"{one['code']}-{one['version']}.txt").read_bytes()
        if hashlib.sha256(raw).hexdigest() != one["sha256"]:
            raise ConditionsAlteredError(f"charte {one['code']} {one['version']}")
        found[one["code"]] = Charte(one["code"], one["version"], one["sha256"], raw.decode("utf-8"))
    return found
