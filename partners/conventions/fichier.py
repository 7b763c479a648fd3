"""The file of agreements: TOML, one `[[conventions]]` each; docs/interops.md is its reference. Reads, and decides nothing.

Every reason found is told at once. What a file says of partners and clients is checked against the registry by `accord.py`.
"""

import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, TypeVar

from idp.habilitations.droits import Droit
from idp.habilitations.pagm import Convention, Pagm, Possession, Reaction
from partners.declaration import DeclarationError
from partners.onboarding import CODE

SHORTEST, LONGEST = 30, 600
"""Seconds a token may live."""
URN = re.compile(r"urn:[a-z0-9][a-z0-9-]{0,30}[a-z0-9]:[A-Za-z0-9()+,\-.:=@;$_!*'%/?#]{1,200}")
"""RFC 8141 section 2."""
AUDIENCE = re.compile(r"[!-~]{1,300}")
REQUIRED = ("code", "client", "fournisseur", "clients", "audiences", "du", "au")
MEMBERS = frozenset(
    {
        *REQUIRED,
        *("objet", "pagm", "possession", "duree", "usage_unique", "jeton_acteur", "emprunt", "mandataire", "suspicion", "signaux"),
    }
)
T = TypeVar("T")


@dataclass
class _Table:
    """One agreement of the file, and the reasons found on the way."""

    given: Mapping[str, Any]
    reasons: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"Convention « {self.given.get('code', '')} »"

    def wrong(self, reason: str) -> None:
        self.reasons.append(f"{self.name} : {reason}")

    def of(self, name: str, kind: type[T], default: T, called: str) -> T:
        """A member of this kind, or its default once the reason is noted."""
        value = self.given.get(name, default)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            self.wrong(f"« {name} » doit être {called}.")
            return default
        return value

    def text(self, name: str) -> str:
        value = self.of(name, str, "", "un texte")
        if len(value) > 200 or not value.isprintable():
            self.wrong(f"« {name} » est trop long ou illisible.")
        return value

    def texts(self, name: str) -> frozenset[str]:
        value = self.of(name, list, [], "une liste de textes")
        if not value or not all(isinstance(one, str) and AUDIENCE.fullmatch(one) for one in value):
            self.wrong(f"« {name} » doit contenir au moins un texte, sans espace ni accent.")
            return frozenset()
        return frozenset(value)

    def day(self, name: str) -> date:
        value = self.given.get(name)
        if not isinstance(value, date) or isinstance(value, datetime):
            self.wrong(f"« {name} » doit être une date, comme 2027-01-31, sans guillemets.")
            return date.min
        return value

    def among(self, name: str, values: type[Possession] | type[Reaction], default: Any) -> Any:
        value = self.text(name) or default
        if value not in {str(one) for one in values}:
            self.wrong(f"« {name} » vaut {' ou '.join(sorted(map(str, values)))}.")
            return default
        return values(value)


def read_conventions(text: str, services: Collection[str]) -> tuple[Convention, ...]:
    """A TOML file; `services`: codes of the catalogue. Raises DeclarationError with every reason found."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DeclarationError([f"Ce fichier n'est pas du TOML : {error}"]) from None
    reasons = [
        f"« {name} » n'est pas attendu : le fichier contient des [[conventions]]." for name in sorted(document.keys() - {"conventions"})
    ]
    given = document.get("conventions", [])
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        raise DeclarationError(["Le fichier doit contenir des [[conventions]]."])
    tables = [_Table(one, reasons) for one in given]
    found = tuple(_convention(table, services) for table in tables)
    codes = [one.code for one in found]
    reasons += [f"La convention « {code} » est écrite deux fois." for code in sorted({code for code in codes if codes.count(code) > 1})]
    if reasons:
        raise DeclarationError(reasons)
    return found


def _convention(table: _Table, services: Collection[str]) -> Convention:
    for name in sorted(table.given.keys() - MEMBERS):
        table.wrong(f"« {name} » n'est pas attendu.")
    for name in REQUIRED:
        if name not in table.given:
            table.wrong(f"« {name} » manque.")
    convention = Convention(
        code=table.text("code"),
        objet=table.text("objet"),
        client=table.text("client"),
        fournisseur=table.text("fournisseur"),
        clients=table.texts("clients"),
        audiences=table.texts("audiences"),
        du=table.day("du"),
        au=table.day("au"),
        pagm=_pagm(table, services),
        possession=table.among("possession", Possession, Possession.DPOP),
        duree=table.of("duree", int, LONGEST // 2, "un nombre de secondes"),
        usage_unique=table.of("usage_unique", bool, False, "true ou false"),
        jeton_acteur=table.of("jeton_acteur", bool, False, "true ou false"),
        emprunt=table.of("emprunt", bool, False, "true ou false"),
        mandataire=table.text("mandataire"),
        suspicion=table.among("suspicion", Reaction, Reaction.NOTER),
        signaux=table.of("signaux", bool, False, "true ou false"),
    )
    _check(table, convention)
    return convention


def _check(table: _Table, convention: Convention) -> None:
    """What members say together."""
    if not CODE.fullmatch(convention.code):
        table.wrong("le code est fait de minuscules, chiffres et tirets, 60 caractères au plus.")
    if convention.au < convention.du:
        table.wrong("« au » vient avant « du ».")
    if not SHORTEST <= convention.duree <= LONGEST:
        table.wrong(f"« duree » va de {SHORTEST} à {LONGEST} secondes.")
    if convention.jeton_acteur and convention.emprunt:
        table.wrong("« emprunt » tait qui agit, que « jeton_acteur » demande : l'un ou l'autre.")


def _pagm(table: _Table, services: Collection[str]) -> tuple[Pagm, ...]:
    """`[[conventions.pagm]]`: a URN for one right on one service, or for the application."""
    given = table.of("pagm", list, [], "une suite de [[conventions.pagm]]")
    found = tuple(_one_pagm(table, one if isinstance(one, dict) else {}, services) for one in given)
    urns = [one.urn for one in found]
    for urn in sorted({urn for urn in urns if urns.count(urn) > 1}):
        table.wrong(f"le PAGM « {urn} » est écrit deux fois : un PAGM correspond à un seul droit.")
    return found


def _one_pagm(table: _Table, given: Mapping[str, Any], services: Collection[str]) -> Pagm:
    urn, service, droit, application = (given.get(name) for name in ("urn", "service", "droit", "application"))
    if given.keys() - {"urn", "service", "droit", "application"} or not isinstance(urn, str) or not URN.fullmatch(urn):
        table.wrong("un PAGM a un « urn » (urn:…), puis « service » et « droit », ou « application = true ».")
        return Pagm("")
    if application is True and service is None and droit is None:
        return Pagm(urn)
    told = isinstance(service, str) and isinstance(droit, str)
    if application is not None or not told or service not in services or droit not in {str(one) for one in Droit}:
        table.wrong(f"le PAGM « {urn} » nomme un service du catalogue et un droit ({', '.join(Droit)}), ou « application = true ».")
        return Pagm(urn)
    return Pagm(urn, str(service), Droit(droit))
