"""The rules of the house, read in the source with `ast`. The tables below are the architecture: `docs/architecture.md` quotes them.

Each rule takes the tree of a source folder and yields what breaks it. When a rule is wrong, it is changed here, in its own
commit, which says why.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cached_property, lru_cache
from pathlib import Path

FLOORS = {"wsgi": 3, "widget": 2, "partners": 1, "idp": 0}
"""A floor imports the floors below it."""

RANKS = {
    **{"errors": 0, "config": 0, "logs": 0},
    **{"database": 1, "postgresql": 1, "resp": 1, "seals": 1, "codes": 1, "qr": 1, "lieux": 1, "console": 1, "ephemeral": 1, "keys": 1},
    "key_states": 1,
    **{"audit": 2, "notifications": 2, "entreprises": 2},
    "declarants": 3,
    **{"habilitations": 4, "authentication": 4},
    "demands": 5,
    **{"oidc": 6, "saml": 6},
    "support": 7,
}
"""A room of `idp` imports rooms of a lower rank; those of one rank are strangers. Foundations (0 and 1) may lean on each other,
without a circle; the edge of a room may know every room."""

FOUNDATIONS = 1
"""Highest rank of a foundation."""

EDGE = {"views", "endpoints", "forms", "http", "visitor", "arrival", "bureau", "commands", "demo", "doors"}
"""Modules that nobody imports but wsgi.py. Views have the forms of their room; whoever answers has
idp/http.py, idp/visitor.py and idp/arrival.py; the pages of operators have idp/support/bureau.py beside, those of a
partners' room too: they are its `bureau`, for the desk knows no partner's room."""

STANDALONE = ("partners.kit", "partners.portals")
"""What a partner installs, and programs built on it: they know nothing of MAG's own code."""

PURE = {
    *("siret", "identite", "statuts", "droits", "perimetre", "fenetre", "chaine", "disclosure", "claims", "assertion", "events"),
    *("verdict", "profil", "profils", "dossier", "courriel", "etablissement", "listes", "tiers", "representant", "registre"),
    *("messages", "voies", "premier", "ecarts", "vocabulary", "attributes", "pagm", "empreinte"),
}
"""Values and rules: the same answer for the same arguments, always."""

STATEFUL = {
    "flask",
    "flask_sqlalchemy",
    "sqlalchemy",
    "redis",
    "time",
    "random",
    "secrets",
    "os",
    "socket",
    "sqlite3",
    "psycopg",
    "requests",
    "threading",
}
CLOCK = {"now", "utcnow", "today"}

WEB = (
    *("*/views.py", "*/forms.py", "*/http.py", "idp/visitor.py", "idp/arrival.py", "idp/doors.py", "idp/support/bureau.py"),
    *("*/commands.py", "partners/demo/*", "wsgi.py"),
)
LIBRARIES = {
    "flask": (*WEB, "idp/authentication/session.py"),
    "click": ("*/commands.py", "idp/console.py", "partners/demo/*", "wsgi.py"),
    "flask_sqlalchemy": ("idp/database.py",),
    "sqlalchemy": ("idp/database.py", "idp/ephemeral.py", "idp/keys.py", "*/models.py"),
    "sqlalchemy.exc": ("idp/http.py",),
    "psycopg": ("idp/database.py", "idp/postgresql.py"),
    "sqlite3": ("idp/database.py",),
    "redis": ("idp/ephemeral.py", "idp/resp.py"),
    "authlib": ("idp/oidc/*", "partners/amont/echange.py"),
    "joserfc": (
        *("idp/keys.py", "idp/oidc/*", "partners/registry.py", "partners/published_keys.py", "partners/demo/*"),
        *("partners/amont/cles.py", "partners/amont/jetons.py", "partners/emetteurs/connus.py"),
    ),
    "argon2": ("idp/authentication/passwords.py",),
    "fpdf": ("idp/notifications/sheet.py",),
    "defusedxml": ("partners/machine/demande.py",),
    "openpyxl": ("idp/habilitations/fichiers/tableur.py",),
    "bcrypt": ("idp/authentication/legacy_hashes.py",),
    "passlib": ("idp/authentication/legacy_hashes.py",),
    "pyotp": ("idp/authentication/totp.py",),
    "segno": ("idp/qr.py",),
    "webauthn": ("idp/authentication/factors/passkeys.py",),
    "cryptography": ("idp/keys.py", "idp/seals.py", "idp/oidc/mtls.py", "idp/saml/signature.py", "idp/saml/encryption.py"),
    "lxml": ("idp/saml/*",),
    "signxml": ("idp/saml/signature.py",),
    "scim2_models": ("partners/scim/*",),
}
"""Each library has one home. A longer name opens a door to that part alone."""

ENDINGS = {"close_session", "close_every_session", "change_password", "open_for"}
"""What ends sessions at the edge, or may (another person signs in)."""
TELLINGS = {"ended", "tell_of_session", "tell_of_person", "_tell"}
"""What tells partners of it, in the same transaction."""

CUPBOARDS = {
    "utils",
    "util",
    "helpers",
    "helper",
    "common",
    "base",
    "misc",
    "service",
    "services",
    "manager",
    "managers",
    "tools",
    "lib",
    "shared",
    "core",
}
MARKS = tuple(mark.replace("-", "") for mark in ("TO-DO", "FIX-ME", "XX-X"))
TO_DO = re.compile(rf"\b({'|'.join(MARKS)})\b(?!.*#\d)")
"""One without its number."""
LONG_FILE = 300
"""Lines after which a file is asked whether it is two."""


@dataclass(frozen=True)
class Violation:
    """Which file breaks which rule, and how. Two are one when they say the same."""

    path: str
    rule: str
    what: str

    def __str__(self) -> str:
        return f"{self.path}: {self.rule}: {self.what}"


@lru_cache(maxsize=1024)
def parse(text: str) -> ast.Module:
    return ast.parse(text)


@lru_cache(maxsize=1024)
def import_nodes(text: str) -> tuple[ast.Import | ast.ImportFrom, ...]:
    return tuple(node for node in ast.walk(parse(text)) if isinstance(node, ast.Import | ast.ImportFrom))


@dataclass(frozen=True)
class Source:
    """One Python file of the tree."""

    path: str
    module: str
    text: str

    @property
    def tree(self) -> ast.Module:
        return parse(self.text)

    @property
    def name(self) -> str:
        return self.module.rpartition(".")[2]

    @property
    def floor(self) -> str:
        return self.module.partition(".")[0]

    @property
    def standalone(self) -> bool:
        return self.module.startswith(STANDALONE)


class House:
    """The source under a root: wsgi.py and the three floors."""

    def __init__(self, root: Path) -> None:
        self.root = root
        paths = [root / "wsgi.py", *(path for floor in ("idp", "partners", "widget") for path in (root / floor).rglob("*.py"))]
        self.sources = [self._read(path) for path in sorted(paths) if path.exists()]
        self.modules = {source.module for source in self.sources}

    def _read(self, path: Path) -> Source:
        relative = path.relative_to(self.root)
        names = relative.with_suffix("").parts
        return Source(str(relative), ".".join(names[:-1] if names[-1] == "__init__" else names), path.read_text("utf-8"))

    @cached_property
    def _imports(self) -> dict[str, list[str]]:
        return {source.path: list(self._read_imports(source)) for source in self.sources}

    def imports(self, source: Source) -> list[str]:
        """Every module that a file imports, wherever in it; ours by their full name."""
        return self._imports[source.path]

    def _read_imports(self, source: Source) -> Iterator[str]:
        for node in import_nodes(source.text):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            else:
                start = self._start(source, node)
                for alias in node.names:
                    whole = f"{start}.{alias.name}"
                    yield whole if whole in self.modules else start

    @staticmethod
    def _start(source: Source, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        package = source.module.split(".") if source.path.endswith("__init__.py") else source.module.split(".")[:-1]
        return ".".join([*package[: len(package) - node.level + 1], *filter(None, [node.module])])

    def own_imports(self, source: Source) -> Iterator[str]:
        return (target for target in self.imports(source) if target.partition(".")[0] in FLOORS)


# ------------------------------------------------------------------------------------------------------------------- rules


def floors_look_down(house: House) -> Iterator[Violation]:
    for source in house.sources:
        for target in house.own_imports(source):
            if FLOORS[target.partition(".")[0]] > FLOORS[source.floor]:
                yield Violation(source.path, "floors look down", f"imports {target}")


def room_of(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if parts[0] == "idp" and len(parts) > 1 and parts[1] not in EDGE else None


def rooms_look_down(house: House) -> Iterator[Violation]:
    for source in house.sources:
        room = room_of(source.module) if source.name not in EDGE else None
        for target in {room_of(target) for target in house.own_imports(source)} - {None, room} if room else ():
            if room not in RANKS or target not in RANKS:
                yield Violation(source.path, "rooms have a rank", f"{room if room not in RANKS else target} has none")
            elif RANKS[target] > RANKS[room]:
                yield Violation(source.path, "rooms look down", f"imports {target}, of a higher rank")
            elif RANKS[target] == RANKS[room] > FOUNDATIONS:
                yield Violation(source.path, "strangers do not meet", f"imports {target}, of its own rank")


def no_circle(house: House) -> Iterator[Violation]:
    """Of modules that import each other, at whatever length."""
    graph = {source.module: set(house.own_imports(source)) & house.modules - {source.module} for source in house.sources}
    reached = {module: set(targets) for module, targets in graph.items()}
    for through in graph:
        for targets in reached.values():
            targets.update(reached[through] if through in targets else ())
    for source in house.sources:
        if source.module in reached[source.module]:
            yield Violation(source.path, "no circle", "imports what imports it")


def edge_is_imported_by_wsgi_only(house: House) -> Iterator[Violation]:
    for source in house.sources:
        if source.module == "wsgi" or source.standalone:
            continue
        room = source.module.rpartition(".")[0]
        allowed = {f"{room}.forms"} if source.name == "views" else set()
        if source.name in EDGE - {"forms"}:
            allowed |= {"idp.http", "idp.visitor", "idp.arrival"}
        if source.name == "views" and (room.startswith("idp.support") or room.endswith(".bureau")):
            allowed |= {"idp.support.bureau"}
        for target in house.own_imports(source):
            if target.rpartition(".")[2] in EDGE and target not in allowed:
                yield Violation(source.path, "nobody imports the edge", f"imports {target}")


def standalone_knows_nothing(house: House) -> Iterator[Violation]:
    for source in house.sources:
        for target in house.own_imports(source) if source.standalone else ():
            if not target.startswith(STANDALONE):
                yield Violation(source.path, "a partner's program stands alone", f"imports {target}")


def pure_modules_touch_no_state(house: House) -> Iterator[Violation]:
    for source in house.sources:
        if source.name in PURE and not source.standalone:
            yield from (Violation(source.path, "pure modules touch no state", what) for what in _state(house, source))


def _state(house: House, source: Source) -> Iterator[str]:
    for target in house.imports(source):
        own = target.partition(".")[0] in FLOORS
        if target.partition(".")[0] in STATEFUL:
            yield f"imports {target.partition('.')[0]}"
        elif own and target.rpartition(".")[2] not in PURE | {"errors"}:
            yield f"imports {target}, which is not pure"
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CLOCK:
            yield f"reads the clock ({node.func.attr})"


def libraries_stay_home(house: House) -> Iterator[Violation]:
    for source in house.sources:
        for target in house.imports(source) if not source.standalone else ():
            homes = [home for name, paths in LIBRARIES.items() if f"{target}.".startswith(f"{name}.") for home in paths]
            told_already = source.name in PURE and target.partition(".")[0] in STATEFUL
            if homes and not told_already and not any(fnmatch(source.path, home) for home in homes):
                yield Violation(source.path, "each library has one home", f"imports {target.partition('.')[0]}")


def no_cupboard(house: House) -> Iterator[Violation]:
    for source in house.sources:
        for name in source.module.split("."):
            if name.removeprefix("_") in CUPBOARDS:
                yield Violation(source.path, "no cupboards", f"is called {name}")


def packages_are_a_docstring(house: House) -> Iterator[Violation]:
    for source in house.sources:
        if (
            source.path.endswith("__init__.py")
            and not source.standalone
            and (ast.get_docstring(source.tree) is None or len(source.tree.body) != 1)
        ):
            yield Violation(source.path, "a package is a docstring", "holds something else, or nothing")


def modules_say_what_they_are_for(house: House) -> Iterator[Violation]:
    for source in house.sources:
        if ast.get_docstring(source.tree) is None:
            yield Violation(source.path, "a module says what it is for", "has no docstring")


def whoever_ends_sessions_tells_partners(house: House) -> Iterator[Violation]:
    """At the edge, where the transaction is: a door that ends sessions in silence leaves people signed in at partners."""
    for source in house.sources:
        if source.name not in EDGE or source.floor != "idp" or not any(name in source.text for name in ENDINGS):
            continue
        for node in ast.walk(source.tree):
            if isinstance(node, ast.FunctionDef) and ENDINGS & (called := set(_called(node))) and not TELLINGS & called:
                yield Violation(source.path, "partners are told", f"{node.name} ends sessions in silence")


def _called(function: ast.AST) -> Iterator[str]:
    for node in ast.walk(function):
        if isinstance(node, ast.Call):
            yield node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def every_to_do_has_a_number(house: House) -> Iterator[Violation]:
    """In any text of ours: code, templates, scripts, styles."""
    kinds = {".py", ".html", ".js", ".css", ".txt", ".toml", ".cfg", ".md"}
    folders = ("idp", "partners", "widget", "migrations", "tests", "docs")
    for path in sorted(
        path for folder in folders for path in (house.root / folder).rglob("*") if path.suffix in kinds and "node_modules" not in path.parts
    ):
        text = path.read_text("utf-8")
        for number, line in enumerate(text.splitlines() if any(mark in text for mark in MARKS) else (), 1):
            if TO_DO.search(line):
                yield Violation(str(path.relative_to(house.root)), "a to-do has a number", f"line {number}")


RULES = (
    floors_look_down,
    rooms_look_down,
    no_circle,
    edge_is_imported_by_wsgi_only,
    standalone_knows_nothing,
    pure_modules_touch_no_state,
    libraries_stay_home,
    no_cupboard,
    packages_are_a_docstring,
    modules_say_what_they_are_for,
    whoever_ends_sessions_tells_partners,
    every_to_do_has_a_number,
)


def violations(root: Path) -> list[Violation]:
    """What breaks a rule in a tree, each said once."""
    house = House(root)
    return list(dict.fromkeys(found for rule in RULES for found in rule(house)))


def long_files(root: Path) -> dict[str, int]:
    """Files that may be two, and their lines."""
    lengths = {source.path: source.text.count("\n") for source in House(root).sources}
    return {path: lines for path, lines in sorted(lengths.items()) if lines > LONG_FILE}
