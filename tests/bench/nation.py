"""A country of habilitations at any scale, the same at each run, written by the database itself. Scale 1: 3 million companies.

    1 own account in each company, and a second one in 45 % of them, each with rights on its whole company
    21,000 firms with portfolios of 87 clients and 7 members, a few exclusions, declarations for most clients
    two firms whose size does not follow the scale: a large account, member of 621 portfolios of 100 clients, and one of 50 portfolios
    a directory where each company has a name of three words, a head office and a place

A portfolio opens nine services, so that the cells that these sets stand for can be counted without being stored.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, text

from idp.database import Connections, Instant, pour
from idp.declarants.models import Declarant
from idp.entreprises.siret import luhn
from idp.habilitations.droits import EVERYTHING, FOREVER, Masks

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
PAST = NOW - timedelta(days=30)
COMPANIES, FIRMS, PORTFOLIOS = 3_000_000, 21_000, 49_500
CLIENTS, MEMBERS, STAFF = 87, 7, 8
LARGE_FOLDERS, LARGE_CLIENTS, MIDDLE_FOLDERS = 621, 100, 50
SERVICES = 8
"""Bits of the large and middle portfolios; nine elsewhere."""
EIGHT, NINE = Masks(declarer=2**8 - 1, payer=0b11), Masks(declarer=2**9 - 1, payer=0b11)
RIGHTS = ("droits", "exclusions", "portefeuilles", "portefeuille_clients", "portefeuille_membres")
TRADES = """
BOULANGERIE PLOMBERIE MENUISERIE GARAGE PHARMACIE LIBRAIRIE TRANSPORTS MACONNERIE COIFFURE RESTAURANT IMPRIMERIE SCIERIE HORLOGERIE
FLEURISTE CORDONNERIE OPTIQUE ARCHITECTURE CHARPENTE TOITURES PAYSAGES
""".split()  # noqa: SIM905  # fifty lines of words say no more
FAMILIES = """
MARTIN BERNARD DUBOIS THOMAS ROBERT RICHARD PETIT DURAND LEROY MOREAU SIMON LAURENT LEFEVRE MICHEL GARCIA DAVID BERTRAND ROUX VINCENT
FOURNIER MOREL GIRARD ANDRE LEFEBVRE MERCIER DUPONT LAMBERT BONNET FRANCOIS MARTINEZ LEGRAND GARNIER FAURE ROUSSEAU BLANC GUERIN MULLER
HENRY ROUSSEL NICOLAS PERRIN MORIN MATHIEU CLEMENT GAUTHIER DUMONT LOPEZ FONTAINE CHEVALIER ROBIN MASSON
""".split()  # noqa: SIM905  # the same
TOWNS = ("PARIS", "LYON", "NANTES", "LILLE", "RENNES", "DIJON", "NICE", "TOURS", "METZ", "BREST", "CAEN", "PAU", "REIMS")
FIRST_LARGE = 800_000_000
"""Clients of the two large firms: SIRENs that no company of the country has."""


@dataclass(frozen=True)
class Nation:
    """What was made, by number."""

    companies: int
    firms: int
    portfolios: int

    @classmethod
    def of(cls, scale: float) -> "Nation":
        return cls(int(COMPANIES * scale), max(20, int(FIRMS * scale)), max(40, int(PORTFOLIOS * scale)))

    @property
    def second(self) -> int:
        """Companies with a second account."""
        return int(self.companies * 0.45)

    @property
    def first_staff(self) -> int:
        """The account before those of firms."""
        return self.companies + self.second

    @property
    def large(self) -> int:
        """The account with 621 portfolios."""
        return self.first_staff + 1

    @property
    def middle(self) -> int:
        """The account with 50 portfolios, of 5,000 clients."""
        return self.large + STAFF

    @property
    def newcomer(self) -> int:
        """A colleague of `middle`, who holds nothing."""
        return self.middle + 1

    @property
    def successor(self) -> int:
        """A colleague of `large`, who holds nothing."""
        return self.large + 1

    @property
    def cells(self) -> int:
        """Rights of one account on one establishment that the sets stand for, own companies counted as one establishment."""
        portfolios = self.portfolios * CLIENTS * MEMBERS * 9
        large = (LARGE_FOLDERS + MIDDLE_FOLDERS) * LARGE_CLIENTS * SERVICES
        return portfolios + large + (self.companies + self.second + self.firms * STAFF) * 6


def siren(index: str) -> str:
    return f"(cast(100000000 as bigint) + ({index}) * 200)"


def valid_siret(number: int) -> int:
    """The head office of the company of that rank, beyond those of the country."""
    keyed = f"{FIRST_LARGE // 10 + number}"
    for body in ("", "0001"):
        keyed = next(f"{keyed}{body}{key}" for key in range(10) if luhn(f"{keyed}{body}{key}"))
    return int(keyed)


class Maker:
    """Fills one database."""

    def __init__(self, connection: Connection, nation: Nation) -> None:
        self.connection, self.nation = connection, nation
        self.postgresql = connection.dialect.name == "postgresql"

    def instant(self, when: datetime) -> str:
        value = Instant().process_bind_param(when, self.connection.dialect)
        return f"timestamptz '{when.isoformat()}'" if self.postgresql else str(value)

    def series(self, table: str, values: dict[str, Any], count: int, end: str = "") -> None:
        """`count` rows; values are expressions over g, from 0."""
        recursion = f"with recursive s(g) as (select 0 union all select g + 1 from s where g < {count - 1})"
        source = f"from generate_series(0, {count - 1}) as s(g)" if self.postgresql else "from s"
        head = "" if self.postgresql else recursion
        columns, cells = ", ".join(values), ", ".join(map(str, values.values()))
        self.connection.execute(text(f"insert into {table} ({columns}) {head} select {cells} {source}{end}"))

    def live(self, masks: Masks) -> dict[str, Any]:
        return {"effective_from": self.instant(PAST), "ends_at": self.instant(FOREVER), "operation_id": 1, **masks._asdict()}

    def declarants(self, first: int, company: str, count: int) -> None:
        past = self.instant(PAST)
        required = {
            column.name: {"BOOLEAN": "false", "INTEGER": "1"}.get(str(column.type), "''")
            for column in Declarant.__table__.c
            if not column.nullable and column.server_default is None
        }
        number = f"({first} + g)"
        self.series(
            "declarants",
            required
            | {
                "id": number,
                "uid": f"'u' || {number}",
                "siret": f"{siren(company)} * 100000 + 12",
                "nom": "'Martin'",
                "prenom": f"'N' || {number}",
                "cle": f"'martin|n' || {number}",
                "statut": "'actif'",
                "role": "'declarant'",
                "opened_at": past,
                "updated_at": past,
            },
            count,
        )

    def people(self) -> None:
        nation = self.nation
        self.connection.execute(text(f"insert into operations (id, at, kind) values (1, {self.instant(PAST)}, 'banc')"))
        self.declarants(1, "g", nation.companies)
        self.declarants(nation.companies + 1, "g", nation.second)
        self.declarants(nation.first_staff + 1, f"((g / {STAFF}) * 137 % {nation.companies})", nation.firms * STAFF)
        own = {"declarant_id": "1 + g", "cible": siren(f"(case when g < {nation.companies} then g else g - {nation.companies} end)")}
        self.series("droits", own | self.live(Masks(declarer=0b11_1111, payer=0b11)), nation.first_staff)
        staff = {"declarant_id": f"{nation.first_staff + 1} + g", "cible": siren(f"((g / {STAFF}) * 137 % {nation.companies})")}
        self.series("droits", staff | self.live(Masks(declarer=0b11_1111)), nation.firms * STAFF)

    def folders(self) -> None:
        nation, first = self.nation, LARGE_FOLDERS + MIDDLE_FOLDERS
        firm = f"case when g < {LARGE_FOLDERS} then 0 when g < {first} then 1 else 2 + g % {nation.firms - 2} end"
        opened = EIGHT._asdict() | {"declarer": f"case when g < {first} then {EIGHT.declarer} else {NINE.declarer} end"}
        folder = {"id": "1 + g", "siren": siren(f"({firm}) * 137 % {nation.companies}"), "nom": "'Portefeuille ' || (1 + g)", "epoque": 1}
        clients = f"case when g < {first} then {LARGE_CLIENTS} else {CLIENTS} end"
        self.series("portefeuilles", folder | {"clients": clients, "operation_id": 1, **opened}, first + nation.portfolios)
        self.large_clients(first * LARGE_CLIENTS)
        index = f"(cast(g / {CLIENTS} as bigint) * 7919 + (g % {CLIENTS}) * 104729) % {nation.companies}"
        common = {"portefeuille_id": f"{first + 1} + g / {CLIENTS}", "cible": f"{siren(index)} * 100000 + 12"}
        self.series("portefeuille_clients", common | self.live(NINE), nation.portfolios * CLIENTS)

    def large_clients(self, count: int) -> None:
        """Numbers that hold: files of these clients are read, and a SIRET is checked when it is read. Their firm has one too."""
        live = self.live(EIGHT)
        columns = ("portefeuille_id", "cible", *live)
        self.connection.execute(text("create temporary table large (cible bigint, folder bigint, rank bigint)"))
        rows = ((valid_siret(g), 1 + g // LARGE_CLIENTS, g) for g in range(count))
        pour(self.connection, "large", ("cible", "folder", "rank"), rows)
        cells = ", ".join(map(str, live.values()))
        self.connection.execute(text(f"insert into portefeuille_clients ({', '.join(columns)}) select folder, cible, {cells} from large"))
        own = valid_siret(count)
        staff = range(self.nation.large, self.nation.large + STAFF)
        self.connection.execute(text(f"update declarants set siret = {own} where id between {staff[0]} and {staff[-1]}"))
        self.connection.execute(text(f"update declarants set role = 'administrateur_declarant' where id = {self.nation.large}"))
        self.connection.execute(text(f"update portefeuilles set siren = {own // 100_000} where id <= {LARGE_FOLDERS}"))

    def members(self) -> None:
        nation, first = self.nation, LARGE_FOLDERS + MIDDLE_FOLDERS
        for who, start, count in ((nation.large, 0, LARGE_FOLDERS), (nation.middle, LARGE_FOLDERS, MIDDLE_FOLDERS)):
            self.series(
                "portefeuille_membres", {"declarant_id": who, "portefeuille_id": f"{start + 1} + g", **self.live(EVERYTHING)}, count
            )
        staff = f"{nation.first_staff + 1} + (2 + (g / {MEMBERS}) % {nation.firms - 2}) * {STAFF} + g % {MEMBERS}"
        # the folder of position p belongs to firm 2 + (p + first) % (firms - 2): members are taken from the same one
        staff = staff.replace(f"(g / {MEMBERS})", f"(g / {MEMBERS} + {first})")
        self.series(
            "portefeuille_membres",
            {"declarant_id": staff, "portefeuille_id": f"{first + 1} + g / {MEMBERS}", **self.live(EVERYTHING)},
            nation.portfolios * MEMBERS,
        )

    def declarations(self) -> None:
        """Exclusions, one in 250 clients; declarations, 85 % of the clients of each firm."""
        nation, first = self.nation, LARGE_FOLDERS + MIDDLE_FOLDERS
        count = nation.portfolios * CLIENTS
        apart = {
            "declarant_id": f"{nation.first_staff + 1} + (2 + (g * 3 + {first}) % {nation.firms - 2}) * {STAFF}",
            "cible": f"{siren(f'(cast(g as bigint) * 3 * 7919) % {nation.companies}')} * 100000 + 12",
            "operation_id": 1,
            **Masks(declarer=2)._asdict(),
        }
        self.series("exclusions", apart, min(count // 250, nation.portfolios // 3))
        firm = f"2 + (g / {CLIENTS} + {first}) % {nation.firms - 2}"
        index = f"(cast(g / {CLIENTS} as bigint) * 7919 + (g % {CLIENTS}) * 104729) % {nation.companies}"
        declared = {
            "siret_declarant": f"{siren(f'({firm}) * 137 % {nation.companies}')} * 100000 + 12",
            "siret_declare": f"{siren(index)} * 100000 + 12",
            "dernier_mois": "'2026-02'",
            "imported_at": self.instant(PAST),
        }
        # a firm may have one client in two portfolios
        self.series("liens_declares", declared, int(count * 0.85), " where true on conflict do nothing")

    def directory(self) -> None:
        """A name for each company: a trade and a family that come again and again, and a word of its own."""
        self.connection.execute(text("create temporary table words (kind integer, n integer, word varchar(40), primary key (kind, n))"))
        lists = enumerate((TRADES, FAMILIES, TOWNS))
        pour(self.connection, "words", ("kind", "n", "word"), ((kind, n, word) for kind, list_ in lists for n, word in enumerate(list_)))
        self.connection.execute(text("create index large_by_rank on large (rank)"))
        self.named(f"{siren('g')} * 100000 + 12", self.nation.companies)
        self.named("(select cible from large where rank = g)", (LARGE_FOLDERS + MIDDLE_FOLDERS) * LARGE_CLIENTS)

    def named(self, siret: str, count: int) -> None:
        trade, family, town = (
            f"(select word from words where kind = {kind} and n = (g / {step}) % {len(several)})"
            for kind, step, several in ((0, 1, TRADES), (1, 7, FAMILIES), (2, 3, TOWNS))
        )
        known = {"statut_diffusion": "'O'"}
        company = {"siren": f"({siret}) / 100000", "nic_siege": f"({siret}) % 100000", "etat": "'A'", **known}
        self.series("entreprises", company | {"denomination": f"{trade} || ' ' || {family} || ' N' || g"}, count)
        place = {"siret": siret, "actif": "true", "siege": "true", **known, "code_postal": "'75001'", "commune": town}
        self.series("etablissements", place, count)

    def make(self) -> None:
        if self.postgresql:
            self.connection.execute(text("set statement_timeout = 0; set work_mem = '256MB'; set maintenance_work_mem = '1GB'"))
        for step in (self.people, self.folders, self.members, self.declarations, self.directory):
            step()


def build(connections: Connections, scale: float) -> Nation:
    """The country, with statistics for the planner."""
    nation = Nation.of(scale)
    with connections.engine.begin() as connection:
        Maker(connection, nation).make()
    with connections.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE" if connection.dialect.name == "postgresql" else "ANALYZE")
        if connection.dialect.name == "postgresql":
            for table in ("declarants", "operations", "portefeuilles"):
                connection.exec_driver_sql(f"select setval(pg_get_serial_sequence('{table}', 'id'), (select max(id) from {table}))")
    return nation
