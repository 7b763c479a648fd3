"""Fills the directory of companies (RCD) from INSEE's stock files: streamed, idempotent, and resumable at any instant.

A file is imported by batches. Rows, refusals and progress of a batch are one transaction, so that a killed import goes on from
its last batch and nothing is counted twice. COPY and one upsert on PostgreSQL, an upsert per row on SQLite
(docs/decisions/0002). Left out on purpose: which rows INSEE withdrew, and downloading the files.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from idp.database import Connections
from idp.entreprises.models import STAGING, Company, Entreprise, Etablissement, ImportRcd, Progress, RefusRcd, inventory, upsert
from idp.entreprises.sirene import Genre, Layout, Row, RowRefusedError, recognise
from idp.entreprises.stock import Mark, Reading, Stock
from idp.errors import RefusedError

BATCH = 20_000
"""Records of one transaction: about 30 MB, and less than half a second of the lock that SQLite has for all writers."""
TABLES: dict[Genre, Company] = {Genre.ENTREPRISES: Entreprise, Genre.ETABLISSEMENTS: Etablissement}


class ImportBusyError(RefusedError):
    """Two imports of one file at once: the second stops."""

    code = "import_en_cours"
    number = "M100005"
    remedy = "Exploitant : attendez la fin de l'autre import."
    status = 409
    public = "Ce fichier est déjà en cours d'import ailleurs. Attendez la fin, ou arrêtez l'autre import, puis relancez celui-ci."


@dataclass(slots=True)
class Batch:
    """What some records became. A SIRET that comes twice counts once: its last row."""

    rows: dict[object, Row] = field(default_factory=dict)
    refused: list[tuple[int, str]] = field(default_factory=list)
    read: int = 0
    mark: Mark = field(default_factory=Mark)


@dataclass(frozen=True, slots=True)
class Bilan:
    """What an import did; `resumed_at` is the line after which it went on, 0 when it began."""

    import_id: int
    genre: Genre
    resumed_at: int
    progress: Progress


@dataclass(frozen=True, slots=True)
class Etat:
    """What the directory holds of one kind; `mis_a_jour` is the source's last date."""

    genre: Genre
    total: int
    actifs: int
    mis_a_jour: date | None


def batches(reading: Reading, layout: Layout) -> Iterator[Batch]:
    """The records of a file, BATCH at a time; the last batch, perhaps empty, ends the file."""
    read, batch = layout.reader(reading.header), Batch()
    for line, cells in reading:
        batch.read += 1
        try:
            if isinstance(cells, str):
                raise RowRefusedError(cells)
            row = read(cells)
            batch.rows[row[0]] = row
        except RowRefusedError as error:
            batch.refused.append((line, str(error)))
        if batch.read == BATCH:
            batch.mark = reading.mark
            yield batch
            batch = Batch()
    batch.mark = reading.mark
    yield batch


class Directory:
    """A connection of its own that writes rows, in the fastest way of its database. Closed with the `with` block."""

    def __init__(self, connections: Connections) -> None:
        self.connection = connections.engine.connect()
        self.connection.detach()
        self._copies = connections.dialect.name == "postgresql"

    def __enter__(self) -> "Directory":
        return self

    def __exit__(self, *_error: object) -> None:
        self.connection.close()

    def prepare(self, layout: Layout) -> None:
        """No statement timeout here, nor a wait for the disk at each commit: a batch lost in a crash is read again."""
        model = TABLES[layout.genre]
        self._fields = ", ".join(layout.fields)
        self._upsert = upsert(model, layout.fields, self.connection.dialect)
        if self._copies:
            with self.connection.begin():
                self.connection.exec_driver_sql("SET statement_timeout = 0; SET synchronous_commit = off")
                self.connection.exec_driver_sql(f"CREATE TEMPORARY TABLE {STAGING} (LIKE {model.__tablename__}) ON COMMIT DELETE ROWS")

    def _driver(self) -> Any:
        """The driver's own connection, in the same transaction: COPY is not SQLAlchemy's."""
        return self.connection.connection.dbapi_connection

    def write(self, rows: Iterable[Row]) -> int:
        """Add or change these rows, no key twice, within the caller's transaction; how many were not yet so."""
        if not self._copies:
            listed: Sequence[Row] = list(rows)
            return self.connection.exec_driver_sql(self._upsert, listed).rowcount if listed else 0
        with self._driver().cursor() as cursor:
            with cursor.copy(f"COPY {STAGING} ({self._fields}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
            cursor.execute(self._upsert)
            return int(cursor.rowcount)


def importer(connections: Connections, stock: Stock, *, clock: Callable[[], datetime], advanced: Callable[[int], object]) -> Bilan:
    """Import a file, or what is left of it; `advanced` is told the bytes done since the last time.

    Raises StockRefusedError when it is no stock file (nothing changed) or a damaged archive (what was read is kept),
    ImportBusyError when the same file is being imported elsewhere.
    """
    with Directory(connections) as directory:
        for may_resume in (True, False):
            with stock.open() as file:
                reading = Reading(file)
                layout = recognise(reading.header)
                found = _unfinished(directory, layout, stock) if may_resume else None
                if found is None or reading.resume(Mark(found[1].position, found[1].ligne, found[1].controle)):
                    return _import(directory, stock, reading, layout, found=found, clock=clock, advanced=advanced)
    raise AssertionError("the second pass always imports")


def _unfinished(directory: Directory, layout: Layout, stock: Stock) -> tuple[int, Progress] | None:
    with directory.connection.begin():
        return ImportRcd.unfinished(directory.connection, layout.genre, stock.size)


def _start(directory: Directory, layout: Layout, stock: Stock, mark: Mark, now: datetime) -> tuple[int, Progress]:
    progress = Progress(mark.position, mark.line, mark.crc)
    with directory.connection.begin():
        return ImportRcd.start(directory.connection, progress, now, genre=layout.genre, fichier=stock.name, taille=stock.size), progress


def _import(
    directory: Directory, stock: Stock, reading: Reading, layout: Layout, *,
    found: tuple[int, Progress] | None, clock: Callable[[], datetime], advanced: Callable[[int], object],
) -> Bilan:
    import_id, progress = found or _start(directory, layout, stock, reading.mark, clock())
    resumed_at = progress.ligne if found else 0
    directory.prepare(layout)
    advanced(progress.position)
    for batch in batches(reading, layout):
        since, progress = progress, _store(directory, import_id, progress, batch, clock())
        advanced(progress.position - since.position)
    return Bilan(import_id, layout.genre, resumed_at, progress)


def _store(directory: Directory, import_id: int, since: Progress, batch: Batch, now: datetime) -> Progress:
    """One batch, whole or not at all. A batch that is not full is the last."""
    with directory.connection.begin():
        written = directory.write(batch.rows.values())
        RefusRcd.keep(directory.connection, import_id, batch.refused)
        to = Progress(
            batch.mark.position, batch.mark.line, batch.mark.crc,
            since.lues + batch.read, since.ecrites + written, since.refusees + len(batch.refused),
        )
        if not ImportRcd.advance(directory.connection, import_id, since, to, now, finished=batch.read < BATCH):
            raise ImportBusyError(f"import {import_id} is not at byte {since.position} any more")
    return to


def etats(connections: Connections) -> list[Etat]:
    """What the directory holds. Counts every row: seconds, for the whole of France."""
    with connections.engine.connect() as connection:
        return [Etat(genre, *inventory(connection, model)) for genre, model in TABLES.items()]
