"""What a partner may learn of someone's rights: the claims `hab` and `habilitations_flat`. Pure; nothing here decides.

Form A, when it is short: groups of targets with the same rights, `{"v":1,"e":…,"g":[…]}`. In a group, `s` maps a service to the
letters of its rights, `n` lists SIRENs (every establishment, present and future), `t` SIRETs, `x` SIRENs with the
establishments where the rights of the group do not hold. Whoever ignores `x` knows less, never more.

Form B, beyond the bound: `{"v":1,"e":…,"s":…,"c":…}`, the services the account may meet and how many sets it has, and a
distributed claim (OpenID Connect Core section 5.6.2) that says where to read the groups, page by page. Its `s` is a menu, not a
decision. `e` is the version of the rights: compare for equality only. An unknown `v` means no right.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from idp.habilitations.droits import Droit, Rights, is_siren, written
from idp.habilitations.perimetre import Position, Target, merged

VERSION = 1
LETTERS = {Droit.DECLARER: "d", Droit.PAYER: "p", Droit.CONSULTER: "c", Droit.TELECHARGER_OFFICIEL: "t"}
SCOPE = "habilitations:"
"""Prefix of the scopes that name a service: `habilitations:dsn`."""
DECISION = SCOPE + "decision"
"""The scope of machines that ask decisions; no service has this name."""
DISTRIBUTED = "habilitations"
"""Name of the distributed claim of form B."""


def services_of_scope(scope: Iterable[str]) -> frozenset[str]:
    """Codes of the services that granted scopes name."""
    return frozenset(one.removeprefix(SCOPE) for one in scope if one.startswith(SCOPE) and one != DECISION)


def letters(rights: Rights) -> dict[str, str]:
    """`{"dsn": "dp"}`; services in order, letters in the order of `Droit`."""
    return {code: "".join(LETTERS[droit] for droit in Droit if droit in rights[code]) for code in sorted(rights)}


def groups(targets: Iterable[Target]) -> list[dict[str, Any]]:
    """Targets with the same rights, written together: members `s`, then those of `n`, `t`, `x` that are not empty."""
    found: dict[tuple[tuple[str, str], ...], dict[str, Any]] = {}

    def group(rights: Rights) -> dict[str, Any]:
        key = tuple(letters(rights).items())
        return found.setdefault(key, {"s": dict(key)})

    for target in targets:
        if target.rights:
            group(target.rights).setdefault("n" if is_siren(target.cible) else "t", []).append(written(target.cible))
        for part in target.partial:
            group(part.rights).setdefault("x", {})[written(target.cible)] = [written(siret) for siret in part.sirets]
    return list(found.values())


def flat(targets: Iterable[Target]) -> list[str]:
    """`service:droit:cible`, for clients that cannot read objects. What holds on a company but some places is left out."""
    pairs = ((t.cible, code, droit) for t in targets for code in sorted(t.rights) for droit in Droit if droit in t.rights[code])
    return [f"{code}:{droit}:{written(cible)}" for cible, code, droit in pairs]


@dataclass(frozen=True, slots=True)
class Disclosure:
    """What one partner may learn, whole (`targets`) or in short (`targets` None)."""

    version: str
    targets: tuple[Target, ...] | None
    services: Rights
    """The menu of form B; empty in form A."""
    sets: int = 0
    """Direct sets, up to a limit, and clients of the portfolios, as they are written: a size, before exclusions."""
    portefeuilles: int = 0

    @property
    def is_whole(self) -> bool:
        """Form A."""
        return self.targets is not None

    @property
    def served(self) -> Collection[str]:
        """The services on which something is told."""
        return self.services.keys() if self.targets is None else merged(self.targets).keys()

    @property
    def hab(self) -> dict[str, Any]:
        """The claim `hab`."""
        head = {"v": VERSION, "e": self.version}
        if self.targets is not None:
            return {**head, "g": groups(self.targets)}
        return {**head, "s": letters(self.services), "c": {"siret": self.sets, "pf": self.portefeuilles}}

    def claims(self, endpoint: str, access_token: str | None) -> dict[str, Any]:
        """`hab` and, for form B, where to read the rest (OpenID Connect Core section 5.6.2); `access_token` opens `endpoint` alone."""
        if self.is_whole:
            return {"hab": self.hab}
        source = {"endpoint": endpoint, **({"access_token": access_token} if access_token else {})}
        return {"hab": self.hab, "_claim_names": {DISTRIBUTED: "h1"}, "_claim_sources": {"h1": source}}

    @property
    def habilitations_flat(self) -> list[str] | None:
        """The flat twin, under the same bound: None for form B."""
        return None if self.targets is None else flat(self.targets)


@dataclass(frozen=True, slots=True)
class ClaimPage:
    """One page of form B's groups."""

    version: str
    targets: tuple[Target, ...]
    following: Position | None

    @property
    def claim(self) -> dict[str, Any]:
        """`{"v":1,"e":…,"g":[…],"next":…}`; `next` is absent at the end. When `e` changes between pages, start again."""
        page = {"v": VERSION, "e": self.version, "g": groups(self.targets)}
        return {**page, "next": str(self.following)} if self.following else page
