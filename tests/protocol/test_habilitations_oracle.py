"""The rights engine against a naive one: any history of gestures, any instant, both databases, no divergence.

The naive engine keeps one interval per account, target and right, as a clerk would; it knows nothing of masks, rows or SQL.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, insert, literal, select

from idp.database import BigInt, Connections, Model, Statement, db
from idp.declarants.controles.models import LienDeclare
from idp.declarants.models import Declarant
from idp.declarants.statuts import Role, Statut
from idp.entreprises.models import Entreprise, Etablissement
from idp.entreprises.siret import Siren, Siret
from idp.habilitations import attribution, decision, depart, models, portefeuilles, scission, transfert
from idp.habilitations.annuaire.noms import Annuaire
from idp.habilitations.catalogue import Description, refresh
from idp.habilitations.droits import EVERYTHING, FOREVER, Catalogue, Droit, Exigence, Grain, Heritage, Service, siren_of
from idp.habilitations.espace.gestes import personnes
from idp.habilitations.espace.gestes.acte import Demande
from idp.habilitations.espace.gestes.simulation import difference, simuler, told
from idp.habilitations.espace.lecture import Lecteur
from idp.habilitations.espace.portee import Portee
from idp.habilitations.explication import expliquer
from idp.habilitations.fichiers.lignes import Ligne, Titulaire
from idp.habilitations.fichiers.releve import Lecture, comparer
from idp.habilitations.gesture import AttributionRefusedError, Gesture
from idp.habilitations.perimetre import Position, Target, merged
from idp.habilitations.questions import Question, check_many, who_can

QUICK: Any = {
    "phases": (Phase.explicit, Phase.reuse, Phase.generate),  # shrinking a history takes minutes: ask for it when one is found
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
}
D, P, C, T = Droit
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SERVICES = (
    Service(0, "dsn", "DSN", Grain.SIRET, frozenset({D, P, C})),
    Service(62, "atmp", "Compte AT/MP", Grain.SIRET, frozenset({D, C, T}), 2 * HOUR),
    Service(9, "cpf", "Mon Compte Formation", Grain.SIRET, frozenset({D})),
    Service(31, "passeport", "Passeport de prévention", Grain.SIRET, frozenset({D, C})),
    Service(5, "c3s", "C3S", Grain.SIREN, frozenset({D, P})),
    Service(7, "minitel", "Service fermé", Grain.SIRET, frozenset({D}), enabled=False),
    Service(12, "indicateurs", "Indicateurs", Grain.SIRET, frozenset({C}), lien_requis=Exigence.TOUJOURS, lien_ouvre=frozenset({C})),
    Service(13, "taux", "Taux AT/MP", Grain.SIRET, frozenset({D, C}), lien_requis=Exigence.TIERS),
    Service(14, "taux_ouverts", "Taux AT/MP", Grain.SIRET, frozenset({D, C}), lien_requis=Exigence.TIERS, lien_ouvre=frozenset({C})),
)
HERITAGES = (
    Heritage(("dsn", C), ("dsn", D)), Heritage(("passeport", D), ("atmp", D)), Heritage(("passeport", D), ("cpf", D)),
    Heritage(("passeport", C), ("passeport", D)), Heritage(("passeport", C), ("minitel", D)),
    Heritage(("passeport", C), ("taux_ouverts", C)), Heritage(("taux", C), ("taux", D)),
)
CATALOGUE = Catalogue.build(SERVICES, HERITAGES)
PAIRS = [(service.code, droit) for service in SERVICES for droit in Droit if droit in service.droits] + [("c3s", T), ("dsn", T)]
SIRENS = (10_000_000, 356_000_000, 784_671_695)
SIRETS = [siren * 100_000 + nic for siren in SIRENS for nic in (12, 87, 99_999)]
FIRMS = (SIRENS[2], SIRENS[2], SIRENS[0])
"""The companies of accounts 1, 2 and 3."""


class Naive:
    """Cells, intervals and loops."""

    def __init__(self) -> None:
        self.active = {1, 2, 3}
        self.direct: dict[Any, list[Any]] = defaultdict(list)
        self.content: dict[Any, list[Any]] = defaultdict(list)
        self.container: dict[int, set[Any]] = {}
        self.members: dict[Any, Any] = {}
        self.excluded: set[Any] = set()
        self.declared: dict[Any, int] = {}
        """(SIRET, SIRET) → month of the last declaration, counted from year 0."""

    def gives(self, account: int, place: int, pair: Any, now: datetime) -> bool:
        """One right, at one place exactly, exclusions and inheritance apart."""
        live = any(start <= now < end for start, end in self.direct[account, place, pair])
        for (who, folder), (ceiling, start, end) in self.members.items():
            if who == account and start <= now < end and pair in self.container[folder] and (ceiling is None or pair in ceiling):
                live = live or any(a <= now < b for a, b in self.content[folder, place, pair])
        return live

    def holds(self, account: int, place: int, pair: Any, now: datetime) -> bool:
        """At a SIRET: from it or its company. At a SIREN: on the company, whatever is excluded below."""
        sources = [heritage.source for heritage in HERITAGES if heritage.cible == pair and is_enabled(heritage.source)]
        return self.itself(account, place, pair, now) or any(self.holds(account, place, source, now) for source in sources)

    def given(self, account: int, place: int, pair: Any, now: datetime) -> bool:
        """Written there or on the company, and not excluded."""
        written = any(self.gives(account, where, pair, now) for where in {place, siren_of(place)})
        return written and not self.is_excluded(account, place, pair)

    def is_excluded(self, account: int, place: int, pair: Any) -> bool:
        return any((account, where, pair) in self.excluded for where in {place, siren_of(place)})

    def itself(self, account: int, place: int, pair: Any, now: datetime) -> bool:
        """Without inheritance; declarations counted."""
        service = CATALOGUE.services[pair[0]]
        if self.counts(account, place, now):
            opened = pair[1] in service.lien_ouvre and service.enabled and not self.is_excluded(account, place, pair)
            return opened or self.given(account, place, pair, now)
        is_third = siren_of(place) != FIRMS[account - 1]
        needs = service.lien_requis == Exigence.TOUJOURS or (is_third and service.lien_requis == Exigence.TIERS)
        return self.given(account, place, pair, now) and not needs

    def counts(self, account: int, place: int, now: datetime) -> bool:
        """Declared within three months, by somebody who may declare there or at home."""
        home = FIRMS[account - 1] * 100_000 + 12
        month = self.declared.get((home, place))
        if month is None or month < now.year * 12 + now.month - 3:
            return False
        return any(self.given(account, where, ("dsn", D), now) for where in (place, home))

    def may(self, account: int, place: int, pair: Any, now: datetime) -> bool:
        return account in self.active and exists(pair) and is_enabled(pair) and self.holds(account, place, pair, now)

    def pass_on(self, giver: int, to: int, now: datetime, *, leaves: bool) -> None:
        """To a colleague, at the same dates, and never more than the giver had; `leaves`: who keeps nothing."""
        told = {(where, pair) for who, where, pair in self.excluded if who == giver}
        left = {one for one in told if self.around(to, *one, now)}  # it would take away what was theirs
        everywhere = [(place, pair, held) for (who, place, pair), held in self.direct.items() if who == giver]
        direct = [(place, pair, dates) for place, pair, held in everywhere for dates in held if now < dates[1]]
        joined = {folder: member for (who, folder), member in self.members.items() if who == giver and now < member[2]}
        if not (direct or joined or (leaves and told != left)):
            return
        for place, pair, dates in direct:
            if not self.is_excluded(giver, place, pair):
                self.direct[to, place, pair].append(dates)
        self.excluded |= {(to, *one) for one in told - left}
        beyond = {pair for where, pair in left if where in SIRENS}
        for folder, (ceiling, start, end) in joined.items():
            self.join(to, folder, (set(PAIRS) if ceiling is None else ceiling) - beyond, start, end, now)
        if leaves:
            self.drop(giver)

    def join(self, account: int, folder: int, ceiling: set[Any], start: datetime, end: datetime, now: datetime) -> None:
        """One membership a person and a portfolio: the wider, else the higher while both last, else their own. Past openings are one."""
        theirs = self.members.get((account, folder))
        held = theirs if theirs and now < theirs[2] else None
        own = set(PAIRS) if held and held[0] is None else held[0] if held else set()
        if not ceiling or (held and not (max(start, now) <= max(held[1], now) and held[2] <= end)):
            return
        dates = (start, end) if held is None or own <= ceiling else held[1:]
        self.members[account, folder] = (ceiling | own, *dates)

    def around(self, account: int, where: int, pair: Any, now: datetime) -> bool:
        """Given there, on its company or its establishments, now or later, exclusions apart."""
        near = {where, siren_of(where), *(siret for siret in SIRETS if siren_of(siret) == where)}
        live = any(now < end for place in near for _, end in self.direct[account, place, pair])
        for (who, folder), (ceiling, _, end) in self.members.items():
            if who == account and now < end and pair in self.container[folder] and (ceiling is None or pair in ceiling):
                live = live or any(now < b for place in near for _, b in self.content[folder, place, pair])
        return live

    def drop(self, account: int) -> None:
        """Nothing is left, exclusions included."""
        for who, place, pair in list(self.direct):
            if who == account:
                self.direct[who, place, pair].clear()
        self.excluded = {one for one in self.excluded if one[0] != account}
        self.members = {key: member for key, member in self.members.items() if key[0] != account}

    def split(self, folder: int, lots: dict[int, list[int]]) -> None:
        """`lots`: clients by new portfolio. The same container and members; each client is where it was, or in one of them."""
        for part, places in lots.items():
            self.container[part] = set(self.container[folder])
            self.members |= {(who, part): member for (who, of), member in self.members.items() if of == folder}
            for where in places:
                for pair in PAIRS:
                    self.content[part, where, pair] = self.content.pop((folder, where, pair), [])

    def places(self, account: int, now: datetime) -> set[int]:
        """Where something is given, whatever it is."""
        found = {place for place in (*SIRENS, *SIRETS) for pair in PAIRS if self.gives(account, place, pair, now)}
        found |= {place for place in SIRETS if self.counts(account, place, now)}
        return found if account in self.active else set()


def exists(pair: Any) -> bool:
    return pair[1] in CATALOGUE.services[pair[0]].droits


def is_enabled(pair: Any) -> bool:
    return CATALOGUE.services[pair[0]].enabled


# ------------------------------------------------------------------------------------------------------------ histories

# Few accounts, places and hours, so that gestures meet: on one target, at the instant when a right opens or ends.
account, folder = st.sampled_from((1, 1, 1, 1, 2, 3)), st.sampled_from((1, 1, 1, 2, 2, 3))
PLACES = (SIRENS[1], SIRENS[1], SIRETS[3], SIRETS[4], SIRENS[2], SIRETS[6])
place = st.sampled_from(PLACES)
one_service = st.sampled_from(("dsn", "dsn", "dsn", "atmp", "cpf", "passeport", "c3s", "taux", "taux", "taux_ouverts", "indicateurs"))
rights = one_service.flatmap(lambda code: st.fixed_dictionaries({code: st.frozensets(st.sampled_from(
    [d for d in Droit if d in CATALOGUE.services[code].droits and d != T]), min_size=1)}))
official = st.just({"atmp": frozenset({T})})
refused = st.sampled_from([{"minitel": frozenset({D})}, {"dsn": frozenset({T})}, {"dsn": frozenset({C})}, {"passeport": frozenset({D})}])
excluded = st.sampled_from([
    {"dsn": frozenset({D})}, {"dsn": frozenset({P})}, {"dsn": frozenset({D, P, C})}, {"atmp": frozenset({D})}, {"cpf": frozenset({D})},
    {"passeport": frozenset({D}), "atmp": frozenset({D}), "cpf": frozenset({D})}, {"c3s": frozenset({D})}, {"indicateurs": frozenset({C})},
    {"taux_ouverts": frozenset({C})}, {"taux": frozenset({C, D})},
])
opens, life, soon = st.sampled_from((None, None, 0, 1, 2)), st.sampled_from((None, None, 1, 2, 3, 5)), st.integers(0, 2)
GESTURES = st.one_of(
    st.tuples(st.just("attribuer"), account, place, rights, opens, life),
    st.tuples(st.just("attribuer"), account, place, rights | official | refused, st.none(), st.none()),
    st.tuples(st.just("retirer"), account, place, rights),
    st.tuples(st.just("exclure"), account, place, excluded | refused),
    st.tuples(st.just("reintegrer"), account, place, excluded),
    st.tuples(st.just("ouvrir"), folder, rights),
    st.tuples(st.just("fermer"), folder, rights),
    st.tuples(st.just("clients"), folder, st.lists(place, min_size=1, max_size=4), rights, opens, life),
    st.tuples(st.just("clients"), folder, st.lists(place, min_size=1, max_size=4), rights, st.none(), st.none()),
    st.tuples(st.just("sortir"), folder, st.lists(place, min_size=1, max_size=2), st.none() | rights),
    st.tuples(st.just("membre"), folder, account, st.none() | rights, opens, life),
    st.tuples(st.just("quitter"), folder, account),
    st.tuples(st.just("suspendre"), st.sampled_from((2, 3))),
    st.tuples(st.sampled_from(("transferer", "copier", "partir")), account, account),
    st.tuples(st.just("abandonner"), account),
    st.tuples(st.just("scinder"), folder, st.integers(1, 3)),
    st.tuples(st.just("cesser"), st.sampled_from((*PLACES, *SIRENS))),
    st.tuples(st.just("deposer"), st.sampled_from(FIRMS), st.sampled_from((SIRETS[3], SIRETS[4], SIRETS[6], SIRETS[7])), st.integers(0, 4)),
)
FOLDERS = {"ouvrir", "fermer", "clients", "sortir", "membre", "quitter", "scinder"}
"""Gestures on a portfolio."""
HISTORIES = st.lists(st.tuples(soon, GESTURES), min_size=5, max_size=25)
ALL = {code: frozenset(CATALOGUE.services[code].droits) for code in ("dsn", "atmp", "cpf", "passeport", "taux")}
TYPICAL = [
    (0, ("ouvrir", 1, ALL)),
    (0, ("clients", 1, [SIRETS[0], SIRETS[3], SIRENS[1]], {"dsn": frozenset({D, P}), "atmp": frozenset({D})}, None, None)),
    (0, ("membre", 1, 1, None, None, None)),
    (0, ("attribuer", 1, SIRENS[1], {"cpf": frozenset({D})}, None, None)),
    (1, ("exclure", 1, SIRETS[4], {"dsn": frozenset({D, C})})),
    (1, ("attribuer", 1, SIRETS[4], {"dsn": frozenset({P})}, None, 40)),
    (0, ("membre", 1, 2, {"dsn": frozenset({D})}, 5, 30)),
]


DECLARE = {"dsn": frozenset({D})}
X, Y, Z = SIRETS[3], SIRETS[4], SIRETS[5]
DECLARING = [
    (0, ("attribuer", 1, SIRETS[6], DECLARE, None, None)),  # at home
    (0, ("attribuer", 1, SIRETS[7], {"indicateurs": frozenset({C})}, None, None)),  # at home, not declared
    (0, ("deposer", SIRENS[2], X, 0)),  # opens, by the right to declare at home
    (0, ("deposer", SIRENS[2], Y, 4)),  # too old
    (0, ("deposer", SIRENS[2], Z, 3)),  # excluded
    (0, ("exclure", 1, Z, {"indicateurs": frozenset({C})})),
    (0, ("attribuer", 1, SIRENS[1], {"taux": frozenset({D, C})}, None, None)),  # on a company, declared for one establishment
    (0, ("deposer", SIRENS[0], X, 1)),  # account 3 declares nothing at home
    (0, ("attribuer", 3, X, {"taux": frozenset({C})}, None, None)),
    (0, ("deposer", SIRENS[0], SIRETS[6], 1)),
    (0, ("attribuer", 3, SIRETS[6], DECLARE, None, 2)),  # declares there
]
CORNERS = [
    (0, ("attribuer", 1, X, {"dsn": frozenset({D, P})}, None, None)),  # excluded by the company
    (0, ("attribuer", 2, X, DECLARE, None, 1)),  # short, then long
    (0, ("attribuer", 2, X, DECLARE, None, None)),
    (0, ("attribuer", 2, Y, DECLARE, None, 4)),  # long, then short
    (0, ("attribuer", 2, Y, DECLARE, 1, 2)),
    (0, ("attribuer", 2, SIRETS[6], DECLARE, None, 3)),  # two that overlap
    (0, ("attribuer", 2, SIRETS[6], DECLARE, 2, 5)),
    (0, ("attribuer", 2, Z, DECLARE, 3, None)),  # withdrawn before it opens
    (0, ("retirer", 2, Z, DECLARE)),
    (0, ("exclure", 1, SIRENS[1], DECLARE)),
    (0, ("exclure", 1, SIRENS[1], {"cpf": frozenset({D})})),
    (0, ("attribuer", 1, SIRETS[6], {"cpf": frozenset({D})}, None, 1)),  # ended in the first source, open in the second
    (0, ("clients", 1, [SIRETS[6], SIRETS[0]], DECLARE, None, None)),
    (0, ("clients", 2, [SIRETS[6]], {"dsn": frozenset({P})}, None, None)),
    (0, ("clients", 1, [SIRENS[0]], {"dsn": frozenset({P})}, None, None)),
    (0, ("exclure", 1, SIRETS[1], {"dsn": frozenset({P})})),
    (0, ("fermer", 1, {"dsn": frozenset({P})})),  # closed, then reopened
    (0, ("ouvrir", 1, {"dsn": frozenset({P})})),
    (0, ("attribuer", 3, SIRETS[0], DECLARE, None, None)),
    (1, ("suspendre", 3)),
]


PASSING = [
    (0, ("attribuer", 1, X, {"dsn": frozenset({D, P}), "taux": frozenset({C})}, None, None)),
    (0, ("attribuer", 1, Y, {"atmp": frozenset({D})}, None, 5)),  # not open yet
    (0, ("attribuer", 2, X, {"dsn": frozenset({P})}, None, 1)),
    (0, ("exclure", 1, X, {"dsn": frozenset({D, P})})),  # P is the receiver's: it does not follow
    (0, ("exclure", 1, SIRENS[1], {"taux": frozenset({C})})),
    (0, ("clients", 1, [Z, SIRENS[1]], {"dsn": frozenset({D, P})}, None, None)),
    (0, ("membre", 1, 2, {"dsn": frozenset({P})}, None, None)),  # before the giver's, and lower
    (1, ("membre", 1, 1, {"dsn": frozenset({D})}, None, None)),
    (0, ("membre", 2, 2, {"dsn": frozenset({D})}, None, 1)),  # ended when the giver's comes
    (0, ("clients", 2, [SIRETS[6]], DECLARE, None, None)),
    (2, ("transferer", 1, 2)),
    (0, ("transferer", 2, 3)),  # of another company
    (0, ("copier", 2, 1)),
]
LASTING = [
    (0, ("clients", 2, [SIRETS[6]], DECLARE, None, None)),
    (0, ("membre", 2, 2, DECLARE, None, 3)),  # the giver's has no end
    (0, ("transferer", 1, 2)),
]
SPLITTING = [
    (0, ("clients", 1, [SIRETS[0], X, Y, SIRENS[1], SIRETS[6]], {"dsn": frozenset({D, P}), "passeport": frozenset({D})}, None, None)),
    (0, ("membre", 1, 2, {"dsn": frozenset({P})}, 1, 4)),
    (0, ("exclure", 1, Y, {"dsn": frozenset({P})})),
    (0, ("scinder", 1, 2)),
    (0, ("quitter", 1, 1)),  # of the first part alone
    (0, ("fermer", 3, {"dsn": frozenset({P})})),
    (1, ("sortir", 3, [X, Y], None)),
    (0, ("scinder", 3, 1)),
    (0, ("cesser", SIRENS[1])),
    (0, ("transferer", 1, 2)),
]


@dataclass
class World:
    """Both engines, side by side."""

    connections: Connections
    naive: Naive = field(default_factory=Naive)
    now: datetime = NOON

    def folder(self, number: int) -> int:
        """The portfolio of that number among those that there are: a split makes others."""
        folders = sorted(self.naive.container)
        return folders[(number - 1) % len(folders)]

    def pairs(self, rights: Any) -> list[Any]:
        return [(code, droit) for code, droits in rights.items() for droit in droits]

    def window(self, code: str, opens: int | None, life: int | None) -> tuple[datetime, datetime]:
        start = max(self.now + CATALOGUE.services[code].opening_delay, self.now + (opens or 0) * HOUR)
        return start, FOREVER if life is None else self.now + life * HOUR

    def dates(self, opens: int | None, life: int | None) -> dict[str, Any]:
        end = FOREVER if life is None else self.now + life * HOUR
        return {"opens_at": None if opens is None else self.now + opens * HOUR, "ends_at": end}

    def play(self, history: Any) -> None:
        for hours, (kind, *arguments) in history:
            self.now += hours * HOUR
            if kind in FOLDERS:
                arguments[0] = self.folder(arguments[0])
            try:
                getattr(self, kind)(Gesture(None, CATALOGUE, self.now), *arguments)
                db.session.commit()
            except AttributionRefusedError:
                db.session.rollback()

    def attribuer(self, gesture: Gesture, who: int, where: int, rights: Any, opens: int | None, life: int | None) -> None:
        for code, droits in rights.items():
            attribution.attribuer(gesture, who, where, code, droits, **self.dates(opens, life))
        for pair in self.pairs(rights):
            self.naive.direct[who, where, pair].append(self.window(pair[0], opens, life))

    def deposer(self, gesture: Gesture, firm: int, declare: int, months: int) -> None:
        year, month = divmod(gesture.now.year * 12 + gesture.now.month - 1 - months, 12)
        declarant = firm * 100_000 + 12
        kept = max(self.naive.declared.get((declarant, declare), 0), year * 12 + month + 1)
        self.naive.declared[declarant, declare] = kept
        year, month = divmod(kept - 1, 12)
        db.session.merge(LienDeclare(
            siret_declarant=Siret.of(declarant), siret_declare=Siret.of(declare), dernier_mois=f"{year}-{month + 1:02d}", imported_at=NOON))

    def retirer(self, gesture: Gesture, who: int, where: int, rights: Any) -> None:
        for code, droits in rights.items():
            attribution.retirer(gesture, who, where, code, droits)
        for pair in self.pairs(rights):
            self.naive.direct[who, where, pair].clear()

    def exclure(self, gesture: Gesture, who: int, where: int, rights: Any) -> None:
        attribution.exclure(gesture, who, where, rights)
        self.naive.excluded |= {(who, where, pair) for pair in self.pairs(rights)}

    def reintegrer(self, gesture: Gesture, who: int, where: int, rights: Any) -> None:
        attribution.reintegrer(gesture, who, where, rights)
        self.naive.excluded -= {(who, where, pair) for pair in self.pairs(rights)}

    def ouvrir(self, gesture: Gesture, folder: int, rights: Any) -> None:
        portefeuilles.ouvrir_services(gesture, folder, rights)
        self.naive.container[folder] |= set(self.pairs(rights))

    def fermer(self, gesture: Gesture, folder: int, rights: Any) -> None:
        portefeuilles.fermer_services(gesture, folder, rights)
        self.naive.container[folder] -= set(self.pairs(rights))
        for where in (*SIRENS, *SIRETS):
            for pair in self.pairs(rights):
                self.naive.content[folder, where, pair].clear()

    def clients(self, gesture: Gesture, folder: int, places: Any, rights: Any, opens: int | None, life: int | None) -> None:
        portefeuilles.ajouter_clients(gesture, folder, places, rights, **self.dates(opens, life))
        for where in places:
            for pair in self.pairs(rights):
                self.naive.content[folder, where, pair].append(self.window(pair[0], opens, life))

    def sortir(self, gesture: Gesture, folder: int, places: Any, rights: Any) -> None:
        portefeuilles.retirer_clients(gesture, folder, places, rights)
        for where in places:
            for pair in PAIRS if rights is None else self.pairs(rights):
                self.naive.content[folder, where, pair].clear()

    def membre(self, gesture: Gesture, folder: int, who: int, rights: Any, opens: int | None, life: int | None) -> None:
        portefeuilles.ajouter_membre(gesture, folder, who, rights=rights, **self.dates(opens, life))
        start = self.now + (opens or 0) * HOUR
        self.naive.members[who, folder] = (None if rights is None else set(self.pairs(rights)), start, self.dates(None, life)["ends_at"])

    def quitter(self, gesture: Gesture, folder: int, who: int) -> None:
        portefeuilles.retirer_membre(gesture, folder, who)
        self.naive.members.pop((who, folder), None)

    def transferer(self, gesture: Gesture, giver: int, to: int) -> None:
        transfert.transferer(gesture, giver, to)
        self.naive.pass_on(giver, to, self.now, leaves=True)

    def copier(self, gesture: Gesture, giver: int, to: int) -> None:
        transfert.copier(gesture, giver, to)
        self.naive.pass_on(giver, to, self.now, leaves=False)

    def partir(self, gesture: Gesture, giver: int, to: int) -> None:
        """All of a departure but the end of the identity."""
        colleague = depart.Settlement(depart.Destin.COLLEGUE, db.session.get_one(Declarant, to))
        depart.settle(gesture, db.session.get_one(Declarant, giver), colleague)
        self.naive.pass_on(giver, to, self.now, leaves=True)
        self.naive.drop(giver)

    def abandonner(self, gesture: Gesture, giver: int) -> None:
        transfert.abandonner(gesture, giver)
        self.naive.drop(giver)

    def scinder(self, gesture: Gesture, folder: int, size: int) -> None:
        """Which client goes where is the engine's to choose, evenly; what it forgets, the naive one keeps where it was."""
        before = models.PortefeuilleClient.targets(folder)
        lots = {part: models.PortefeuilleClient.targets(part) for part in scission.scinder(gesture, folder, size)}
        assert sorted(where for lot in lots.values() for where in lot) == before
        assert max(map(len, lots.values())) <= size
        self.naive.split(folder, {part: lot for part, lot in lots.items() if part != folder})

    def cesser(self, gesture: Gesture, where: int) -> None:
        """The directory says that it closed. Rights stay, for the last declarations, until an administrator takes them away."""
        closed = [siret for siret in SIRETS if where in {siret, siren_of(siret)}]
        db.session.merge(Entreprise(siren=Siren.of(siren_of(where)), etat="C" if where in SIRENS else "A", statut_diffusion="O"))
        for siret in closed:
            db.session.merge(Etablissement(siret=Siret.of(siret), actif=False, siege=False, statut_diffusion="O"))

    def suspendre(self, gesture: Gesture, who: int) -> None:
        db.session.get_one(Declarant, who).statut = Statut.SUSPENDU
        self.naive.active.discard(who)


TABLES = (
    Etablissement, Entreprise, LienDeclare, models.PortefeuilleMembre, models.PortefeuilleClient, models.Portefeuille, models.DroitDirect,
    models.Exclusion, models.Operation, Declarant,
)


def un_declarant(identifier: int, siren: int) -> Declarant:
    return Declarant(
        id=identifier, uid=f"u{identifier}", siret=Siret.of(siren * 100_000 + 12), nom="Martin", prenom=f"N{identifier}",
        cle=f"martin|n{identifier}", statut=Statut.ACTIF, role=Role.DECLARANT, opened_at=NOON, updated_at=NOON)


def begin(connections: Connections) -> World:
    """Three accounts, two portfolios of the firm of accounts 1 and 2, and no right."""
    db.session.remove()
    for table in TABLES:
        db.session.execute(delete(table))
    db.session.add_all(un_declarant(i, siren) for i, siren in enumerate(FIRMS, 1))
    world = World(connections)
    for folder in (1, 2):
        db.session.add(models.Portefeuille(id=folder, siren=SIRENS[2], nom=f"P{folder}", clients=0))
        world.naive.container[folder] = set()
    if connections.dialect.name == "postgresql":
        db.session.execute(select(func.setval("portefeuilles_id_seq", 2)))  # those of a split come after
    db.session.commit()
    return world


def opened(connections: Connections) -> World:
    """Portfolios with services in their containers, and account 1 in both: where histories begin."""
    world = begin(connections)
    world.play([(0, ("ouvrir", 1, ALL)), (0, ("ouvrir", 2, {"dsn": ALL["dsn"]})), (0, ("membre", 1, 1, None, None, None)),
                (0, ("membre", 2, 1, None, None, None))])
    return world


@pytest.fixture(params=["sqlite", "postgresql"])
def connections(request: pytest.FixtureRequest) -> Iterator[Connections]:
    url = request.getfixturevalue(f"{request.param}_url")
    app = Flask("rights")
    app.config["SQLALCHEMY_DATABASE_URI"] = url
    db.init_app(app)
    with app.app_context():
        refresh(Description(SERVICES, HERITAGES), NOON)
        db.session.commit()
        found = Connections(url)
        yield found
        found.drop()
        db.session.remove()
        db.engine.dispose()


# ----------------------------------------------------------------------------------------------------------- what is asked

def walk(world: World, who: int, now: datetime, limit: int, services: Any = None) -> list[Target]:
    """The whole list, page by page."""
    found: list[Target] = []
    after: Position | None = Position()
    for _ in range(200):
        page = decision.targets(world.connections, CATALOGUE, who, services=services, now=now, after=after, limit=limit)
        assert len(page.targets) <= limit
        found += page.targets
        after = page.following
        if after is None:
            return found
    raise AssertionError("the list has no end")


def says(hab: dict[str, Any], siret: int, pair: Any) -> bool:
    """How a partner reads form A."""
    letter = {D: "d", P: "p", C: "c", T: "t"}[pair[1]]
    text, siren = f"{siret:014d}", f"{siren_of(siret):09d}"
    with_right = [group for group in hab["g"] if letter in group["s"].get(pair[0], "")]
    all_but = [group["x"][siren] for group in with_right if siren in group.get("x", {})]
    return any(text in g.get("t", ()) or siren in g.get("n", ()) for g in with_right) or any(text not in sirets for sirets in all_but)


def compare(world: World, who: int, now: datetime, limit: int) -> None:
    """Every question about one account at one instant."""
    ask = (world.connections, CATALOGUE, who)
    naive = {(siret, pair): world.naive.may(who, siret, pair, now) for siret in SIRETS for pair in PAIRS}
    disclosed = decision.disclose(*ask, services=frozenset(CATALOGUE.services), now=now, bound=100)
    for (siret, pair), expected in naive.items():
        assert decision.check(*ask, siret=siret, service=pair[0], droit=pair[1], now=now) == expected, ("check", who, siret, pair, now)
        assert says(disclosed.hab, siret, pair) == expected, ("disclose", who, siret, pair, disclosed.hab)
    asked = [Question(who, place, *pair) for place in (*SIRENS, *SIRETS) for pair in PAIRS]
    for question, found in zip(asked, check_many(*ask[:2], asked, now), strict=True):
        assert bool(found) == world.naive.may(who, question.cible, question[2:], now), ("lot", question, now)
    listed = walk(world, who, now, limit)
    assert len({target.cible for target in listed}) == len(listed)
    for target in listed:
        all_rights = merged([target])
        expected = {p for p in PAIRS if world.naive.may(who, target.cible, p, now)}
        assert {p for p in PAIRS if p[1] in all_rights.get(p[0], ())} == expected, target
    places = {p for p in world.naive.places(who, now) if any(world.naive.may(who, p, pair, now) for pair in PAIRS)}
    assert {target.cible for target in listed} == places
    everywhere = {pair for pair in PAIRS for p in places if world.naive.may(who, p, pair, now)}
    services = decision.services_of(*ask, now=now)
    assert {(code, droit) for code, droits in services.items() for droit in droits} == everywhere
    short = decision.disclose(*ask, services=frozenset(CATALOGUE.services), now=now, bound=0)
    assert short.is_whole == (not places)
    assert everywhere <= {(code, droit) for code, droits in short.services.items() for droit in droits}
    for one in disclosed.habilitations_flat or ():
        code, droit, cible = one.split(":")
        assert all(naive[siret, (code, Droit(droit))] for siret in SIRETS if int(cible) in {siret, siren_of(siret)})


def holders(world: World, cible: int, pair: Any, now: datetime, limit: int) -> set[int]:
    """Who may, page by page."""
    found: list[int] = []
    after: int | None = 0
    while after is not None:
        page = who_can(world.connections, CATALOGUE, cible=cible, service=pair[0], droit=pair[1], now=now, after=after, limit=limit)
        found += [one.declarant_id for one in page.acces]
        after = page.following
    assert found == sorted(set(found))
    return set(found)


@settings(max_examples=60, deadline=None, **QUICK)
@given(history=HISTORIES, limit=st.integers(1, 9), later=st.integers(0, 5))
@example(history=TYPICAL, limit=2, later=3)
@example(history=DECLARING, limit=2, later=3)
@example(history=DECLARING, limit=1, later=0)
@example(history=CORNERS, limit=3, later=1)
@example(history=CORNERS, limit=1, later=4)
@example(history=PASSING, limit=3, later=1)
@example(history=PASSING[:-1], limit=2, later=2)
@example(history=[*PASSING[:-3], (2, ("partir", 1, 2))], limit=2, later=1)
@example(history=LASTING, limit=2, later=4)
@example(history=[*LASTING[:-1], (0, ("partir", 1, 2))], limit=2, later=4)
@example(history=SPLITTING, limit=2, later=2)
@example(history=[*TYPICAL, *SPLITTING[:5], (0, ("copier", 1, 2)), (0, ("abandonner", 1))], limit=4, later=1)
def test_no_history_makes_the_two_engines_differ(connections: Connections, history: Any, limit: int, later: int) -> None:
    world = opened(connections)
    world.play(history)

    for now in (world.now, world.now + later * HOUR):
        for who in (1, 2, 3):
            compare(world, who, now, limit)
        for cible in (*SIRENS, *SIRETS[3:7]):
            for pair in PAIRS:
                expected = {who for who in (1, 2, 3) if world.naive.may(who, cible, pair, now)}
                assert holders(world, cible, pair, now, (limit - 1) % 3 + 1) == expected, ("who", cible, pair, now)


@settings(max_examples=25, deadline=None, **QUICK)
@given(history=HISTORIES, later=st.integers(0, 4), siret=st.sampled_from(SIRETS))
@example(history=DECLARING, later=1, siret=X)
@example(history=DECLARING, later=3, siret=Z)
def test_an_explanation_says_what_the_check_says(connections: Connections, history: Any, later: int, siret: int) -> None:
    world = opened(connections)
    world.play(history)
    now = world.now + later * HOUR

    for who in (1, 2, 3):
        for service, droit in PAIRS:
            told = expliquer(who, siret, service, droit, catalogue=CATALOGUE, now=now)
            assert told.granted == decision.check(connections, CATALOGUE, who, siret=siret, service=service, droit=droit, now=now)
            assert told.reasons
            assert not (told.granted and told.conseil)
            assert told.granted or told.conseil or not exists((service, droit)) or not is_enabled((service, droit))


# ----------------------------------------------------------------------------------------------------------------- previews

ADMINISTRATOR = 4
FORMS = {"attribuer": personnes.attribuer, "retirer": personnes.retirer, "exclure": personnes.ecarter, "reintegrer": personnes.readmettre}
ASKED = st.one_of(
    st.tuples(st.sampled_from(("attribuer", "retirer")), st.sampled_from((1, 1, 2)), place, rights),
    st.tuples(st.sampled_from(("exclure", "reintegrer")), st.sampled_from((1, 1, 2)), place, excluded),
)
Held = dict[tuple[int, int], dict[str, frozenset[Droit]]]


def administered(connections: Connections, history: Any) -> World:
    """The firm of accounts 1 and 2 has an administrator."""
    world = opened(connections)
    world.play(history)
    administrator = un_declarant(ADMINISTRATOR, SIRENS[2])
    administrator.role = Role.ADMINISTRATEUR
    db.session.add(administrator)
    db.session.commit()
    return world


def asking(world: World, who: int, where: int, rights: Any) -> Demande:
    """The form of an act, as the pages send it."""
    portee = Portee.of(db.session.get_one(Declarant, ADMINISTRATOR))
    fields = {"personne": [f"u{who}"], "cible": [str(where)], "droit": [f"{code}.{droit}" for code, droit in world.pairs(rights)]}
    return Demande(portee, Lecteur(world.connections, CATALOGUE, world.now, Annuaire(world.connections)), fields)


def naively(world: World, places: Any, now: datetime) -> Held:
    """What the naive engine holds there."""
    found: Held = {}
    for who, where in places:
        pairs = [pair for pair in PAIRS if world.naive.may(who, where, pair, now)]
        found[who, where] = {code: frozenset(droit for one, droit in pairs if one == code) for code, _ in pairs}
    return found


@settings(max_examples=10, deadline=None, **QUICK)
@given(history=HISTORIES, asked=ASKED)
@example(history=DECLARING, asked=("retirer", 1, SIRETS[6], DECLARE))  # what declarations opened goes too
@example(history=CORNERS, asked=("attribuer", 2, X, {"atmp": frozenset({D})}))  # opens two hours later, and what inherits from it
@example(history=TYPICAL, asked=("exclure", 1, SIRENS[1], {"passeport": frozenset({D}), "atmp": frozenset({D}), "cpf": frozenset({D})}))
@example(history=TYPICAL, asked=("reintegrer", 1, SIRETS[4], {"dsn": frozenset({D, P, C})}))
def test_a_preview_says_what_the_naive_engine_sees_change(connections: Connections, history: Any, asked: Any) -> None:
    world = administered(connections, history)
    kind, who, where, rights = asked
    demande = asking(world, who, where, rights)
    try:
        acte = FORMS[kind](demande)
        shown = simuler(demande, acte)
    except AttributionRefusedError:
        db.session.rollback()
        return
    before = naively(world, acte.places, acte.horizon)
    db.session.rollback()

    world.play([(0, (kind, who, where, rights, None, None) if kind == "attribuer" else asked)])

    after = naively(world, acte.places, acte.horizon)
    gained, lost = difference(before, after), difference(after, before)
    people = {one: db.session.get_one(Declarant, one) for one in (1, 2, 3)}
    assert (set(shown.gains), set(shown.pertes)) == (set(told(gained, people, CATALOGUE)), set(told(lost, people, CATALOGUE)))
    assert (shown.gagnes, shown.perdus) == (sum(map(len, gained.values())), sum(map(len, lost.values())))


def without_dates(gesture: Any) -> Any:
    """The same, from now on and without end: a file tells days, histories tell hours."""
    kind, *rest = gesture
    return (kind, *rest[:-2], None, None) if kind in ("attribuer", "clients", "membre") else gesture


UNDATED = st.lists(st.tuples(soon, GESTURES.map(without_dates)), min_size=5, max_size=25)
LINES = st.lists(st.tuples(st.sampled_from((1, 2)), place, st.sampled_from(("dsn", "cpf", "passeport")), st.frozensets(
    st.sampled_from((D, P, C)), max_size=3)), min_size=1, max_size=8, unique_by=lambda one: one[:3])


@settings(max_examples=10, deadline=None, **QUICK)
@given(history=UNDATED, lines=LINES)
@example(
    history=[*TYPICAL[:4], (1, ("exclure", 1, SIRETS[4], {"dsn": frozenset({D, C})}))],
    lines=[(1, SIRETS[3], "dsn", frozenset({D, P})), (1, SIRETS[3], "cpf", frozenset()), (1, SIRETS[4], "dsn", frozenset({D})),
           (2, SIRETS[0], "dsn", frozenset({D})), (1, SIRETS[0], "dsn", frozenset({D}))],
)
def test_a_report_of_a_file_says_what_the_naive_engine_sees_change(connections: Connections, history: Any, lines: Any) -> None:
    """A line is what one person has from now on, on one target, for one service, before inheritance and declarations."""
    world = administered(connections, history)
    wanted = dict(enumerate((who, where, code, droits & CATALOGUE.services[code].droits) for who, where, code, droits in lines))
    lecture = Lecture(lues=len(wanted))
    for number, (who, where, code, droits) in wanted.items():
        lecture.lignes.append(Ligne(number, Titulaire("d", who), where, code, dict.fromkeys(droits)))
        lecture.cellules[number] = ""
    gesture = Gesture(ADMINISTRATOR, CATALOGUE, world.now)

    releve = comparer(gesture, Portee.of(db.session.get_one(Declarant, ADMINISTRATOR)), lecture, lambda _done, _total: None)

    found = {one.ligne.numero: (frozenset(one.avant), frozenset(one.ligne.fins)) for one in releve.changements}
    refused = {one.numero for one in releve.refus}
    for number, (who, where, code, droits) in wanted.items():
        had = frozenset(droit for droit in CATALOGUE.services[code].droits if world.naive.given(who, where, (code, droit), world.now))
        if number not in refused:
            assert found.get(number) == ((had, droits) if had != droits else None), (number, wanted[number])
    assert releve.bilan["changees"] + releve.bilan["inchangees"] == len(wanted) - len(refused)


def test_a_split_above_100_changes_no_right(connections: Connections) -> None:
    """Fact 49: 203 clients in three portfolios of at most 100."""
    world = opened(connections)
    clients = [10**12 + i * 100_000 + 12 for i in range(203)]
    world.play([
        (0, ("clients", 1, clients, {"dsn": frozenset({D, P})}, None, None)),
        (0, ("clients", 1, clients[90:110], {"atmp": frozenset({D})}, None, 30)),  # open in two hours
        (0, ("membre", 1, 2, {"dsn": frozenset({P})}, None, 40)),
        (0, ("exclure", 1, clients[150], {"dsn": frozenset({P})})),
        (0, ("scinder", 1, portefeuilles.ADVISED_CLIENTS)),
        (0, ("quitter", 3, 2)),
        (0, ("sortir", 4, clients[200:], None)),
    ])

    assert [db.session.get_one(models.Portefeuille, folder).clients for folder in sorted(world.naive.container)] == [67, 0, 68, 65]
    for now in (world.now, world.now + 3 * HOUR, world.now + 50 * HOUR):
        asked = [Question(who, client, *pair) for who in (1, 2) for client in clients for pair in (("dsn", D), ("dsn", P), ("atmp", D))]
        for question, found in zip(asked, check_many(connections, CATALOGUE, asked, now), strict=True):
            assert bool(found) == world.naive.may(question.declarant_id, question.cible, question[2:], now), (question, now)


def test_only_the_named_services_are_disclosed(connections: Connections) -> None:
    world = begin(connections)
    world.play(TYPICAL)

    found = decision.disclose(connections, CATALOGUE, 1, services=frozenset({"cpf"}), now=world.now + 48 * HOUR, bound=40)

    assert found.hab["g"] == [{"s": {"cpf": "d"}, "t": ["35600000000012"], "n": ["356000000"]}]


def test_a_right_on_a_company_names_the_establishments_it_leaves_out(connections: Connections) -> None:
    world = begin(connections)
    gesture = Gesture(None, CATALOGUE, NOON)
    attribution.attribuer(gesture, 1, SIRENS[1], "dsn", {D, P})
    attribution.exclure(gesture, 1, SIRETS[4], {"dsn": frozenset({P})})
    db.session.commit()

    found = decision.disclose(connections, CATALOGUE, 1, services=frozenset({"dsn"}), now=world.now, bound=40)

    assert found.hab["g"] == [{"s": {"dsn": "dc"}, "n": ["356000000"]}, {"s": {"dsn": "p"}, "x": {"356000000": ["35600000000087"]}}]
    assert found.habilitations_flat == ["dsn:declarer:356000000", "dsn:consulter:356000000"]


# -------------------------------------------------------------------------------------------------------------------- sizes

def numbers(count: int) -> Any:
    """A table of the numbers 1 to `count`."""
    n = select(literal(1, BigInt).label("i")).cte("n", recursive=True)
    return n.union_all(select(n.c.i + 1).where(n.c.i < count))


def fill(table: type[Model], owner: str, count: int) -> None:
    """`count` clients of portfolio 1, or as many direct rights of account 1, all on DSN."""
    n = numbers(count)
    columns = [owner, "cible", "effective_from", "ends_at", "operation_id", *(d.value for d in Droit)]
    instant = table.__table__.c.ends_at.type
    row = [literal(1), literal(10**12) + n.c.i * 100_000 + 12, literal(NOON, instant), literal(FOREVER, instant), literal(1)]
    db.session.execute(insert(table).from_select(columns, select(*row, *(literal(int(d == D)) for d in Droit))))


def giant(connections: Connections, count: int, *, direct: bool) -> None:
    begin(connections)
    db.session.add(models.Operation(id=1, at=NOON, kind="essai"))
    db.session.flush()
    if direct:
        fill(models.DroitDirect, "declarant_id", count)
    else:
        folder = db.session.get_one(models.Portefeuille, 1)
        folder.masks, folder.clients = EVERYTHING, count
        fill(models.PortefeuilleClient, "portefeuille_id", count)
        membre = models.PortefeuilleMembre(declarant_id=1, portefeuille_id=1, effective_from=NOON, operation_id=1)
        membre.masks = EVERYTHING
        db.session.add(membre)
    db.session.commit()


@pytest.mark.parametrize("direct", [pytest.param(True, id="direct"), pytest.param(False, id="portefeuille")])
def test_300000_targets_are_disclosed_in_three_statements(connections: Connections, direct: bool) -> None:
    giant(connections, 300_000, direct=direct)
    before = connections.count

    found = decision.disclose(connections, CATALOGUE, 1, services=frozenset({"dsn", "atmp"}), now=NOON, bound=40)

    assert connections.count - before == 3
    size = {"siret": decision.MENU_SETS, "pf": 0} if direct else {"siret": 300_000, "pf": 1}
    assert found.hab == {"v": 1, "e": found.version, "s": {"atmp": "dct", "dsn": "dpc"}, "c": size}
    if direct:
        assert decision.services_of(connections, CATALOGUE, 1, now=NOON) == {"dsn": {D, C}}


def test_a_page_costs_the_same_anywhere_in_any_account(connections: Connections) -> None:
    giant(connections, 300_000, direct=False)
    before, middle = connections.count, Position(1, 10**12 + 150_000 * 100_000 + 12)

    page = decision.claim_page(connections, CATALOGUE, 1, services=frozenset({"dsn"}), now=NOON, after=str(middle))

    assert connections.count - before == 3
    assert [page.targets[0].cible, len(page.targets)] == [middle.cible + 100_000, decision.LONGEST_PAGE]
    assert page.claim["next"] == f"1.{middle.cible + 1000 * 100_000}"


def test_the_menu_of_a_large_account_is_what_it_holds(connections: Connections) -> None:
    giant(connections, 2_000, direct=True)

    found = decision.disclose(connections, CATALOGUE, 1, services=frozenset({"dsn", "atmp"}), now=NOON, bound=40)
    other = decision.disclose(connections, CATALOGUE, 1, services=frozenset({"atmp"}), now=NOON, bound=40)

    assert [found.hab["s"], found.hab["c"]] == [{"dsn": "dc"}, {"siret": 2_000, "pf": 0}]
    assert other.hab["g"] == []


def steps_of_sqlite(connections: Connections, count: int, *, direct: bool) -> int:
    """Instructions of SQLite's machine, in thousands, to disclose an account of that size."""
    giant(connections, count, direct=direct)
    seen: list[int] = []
    connections.one(models.HOLDINGS, declarant=1, now=NOON)
    connections._local.connection.set_progress_handler(lambda: seen.append(1), 1000)  # the only meter SQLite has
    decision.disclose(connections, CATALOGUE, 1, services=frozenset({"dsn"}), now=NOON, bound=40)
    return len(seen)


@pytest.mark.parametrize(("direct", "size"), [pytest.param(True, 15_000, id="direct"), pytest.param(False, 1_000, id="portefeuille")])
@pytest.mark.parametrize("connections", ["sqlite"], indirect=True)
def test_what_a_token_costs_does_not_depend_on_the_size_of_the_account(connections: Connections, direct: bool, size: int) -> None:
    small, large = (steps_of_sqlite(connections, sets, direct=direct) for sets in (size, 100_000))

    assert large <= small * 1.2


def test_thousands_of_habilitations_are_a_hundred_rows(connections: Connections) -> None:
    """Fact 50: 5 déclarants × 8 declarations × 100 SIRETs."""
    begin(connections)
    several = {code: frozenset({D}) for code in ("dsn", "cpf", "passeport")} | {"atmp": frozenset({C})}
    clients = [10**12 + i * 100_000 + 12 for i in range(100)]
    db.session.add_all(un_declarant(i, SIRENS[2]) for i in range(4, 7))
    gesture = Gesture(None, CATALOGUE, NOON - 48 * HOUR)
    portefeuilles.ouvrir_services(gesture, 1, several)
    portefeuilles.ajouter_clients(gesture, 1, clients, {code: rights for code, rights in several.items() if code != "atmp"})
    for who in (1, 2, 4, 5, 6):
        portefeuilles.ajouter_membre(gesture, 1, who)
    db.session.commit()

    tables = (models.Portefeuille, models.PortefeuilleClient, models.PortefeuilleMembre)
    assert [db.session.scalar(select(func.count()).select_from(table)) for table in tables] == [2, 100, 5]
    assert db.session.get_one(models.Portefeuille, 1).clients == 100
    asked = [(who, siret, service) for who in (1, 2, 4, 5, 6) for siret in clients for service in ("dsn", "cpf", "passeport")]
    assert all(decision.check(connections, CATALOGUE, who, siret=s, service=service, droit=D, now=NOON) for who, s, service in asked)


@pytest.mark.parametrize(("count", "statements"), [(1, 1), (1_000, 1), (1_001, 2)])
def test_a_thousand_questions_and_who_may_are_one_statement(connections: Connections, count: int, statements: int) -> None:
    giant(connections, 2_000, direct=False)
    sirets = [10**12 + i * 100_000 + 12 for i in range(1, count + 1)]
    before = connections.count

    found = check_many(connections, CATALOGUE, [Question(1, siret, "dsn", droit) for siret in sirets for droit in (D, C)], NOON)

    assert connections.count - before == statements
    assert len(found) == 2 * count
    assert {origins[0].nom for origins in found} == {"portefeuille"}
    before = connections.count
    assert [one.declarant_id for one in who_can(connections, CATALOGUE, cible=sirets[0], service="dsn", droit=D, now=NOON).acces] == [1]
    assert connections.count - before == 1


def test_machines_statements_are_planned_once(connections: Connections) -> None:
    """PostgreSQL would plan a decision again for its values, and that costs more than the decision."""
    if connections.dialect.name == "postgresql":
        setting = Statement(lambda: select(func.current_setting("plan_cache_mode")))
        assert connections.one(setting) == ("force_generic_plan",)
