"""Files that spreadsheets open and give back: CSV in UTF-8 with semicolons, and XLSX of a bounded length. Row by row, without formulas.

What is written cannot be run: a cell that a spreadsheet would take for a formula begins with an apostrophe, and loses it when it comes
back. What is read is bounded: bytes, rows, columns, and the size of an XLSX once unzipped. Never reads anything but the first sheet.
"""

import csv
import io
import zipfile
import zlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

from idp.declarants.controles.imports import RegisterFileError, cells_of
from idp.declarants.identite import fold
from idp.errors import RefusedError
from idp.habilitations.fichiers.statuts import MOST_LINES

MOST_BYTES = 32 << 20
MOST_UNZIPPED = 256 << 20
MOST_RATIO = 200
"""How many times smaller a part of an XLSX may be, zipped: files of habilitations stay below 60."""
MOST_PARTS = 500
MOST_COLUMNS = 30
MOST_SHEET = 20_000
"""Lines of a workbook that a page writes: three to four seconds of processor, where a CSV takes a tenth of one."""
PEEK = 1 << 20
ZIP = b"PK\x03\x04"
DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""How a cell that a spreadsheet runs begins (OWASP, CSV injection)."""
BROKEN = (
    *(zipfile.BadZipFile, zlib.error, ParseError, OSError, EOFError, NotImplementedError),
    *(KeyError, IndexError, ValueError, TypeError, AttributeError, ArithmeticError),
)
"""What openpyxl raises on files that no spreadsheet wrote."""
Row = tuple[int, dict[str, int], list[str]]
"""Number of a row in its file, where each column is, and its cells."""


class TableurError(RefusedError):
    """The file as a whole cannot be read. `public` says why."""

    code = "fichier_de_droits"
    number = "M300201"
    remedy = "Repartez du modèle, en CSV (UTF-8) ou en XLSX, sans mot de passe ni macro."
    status = 422
    public = "Ce fichier n'est pas lisible."


class ClasseurTropLongError(RefusedError):
    """More lines than a page writes in a workbook."""

    code = "classeur_trop_long"
    number = "M300206"
    title = "Classeur trop long"
    remedy = "Téléchargez la même chose en CSV : un tableur l'ouvre aussi, et la rend de même."
    status = 422
    public = (
        f"Un classeur XLSX a {MOST_SHEET // 1000} 000 lignes au plus. Téléchargez plutôt le fichier CSV : votre tableur l'ouvre aussi, et "
        "il revient ici de la même façon."
    )


def refusal(reason: str, public: str) -> TableurError:
    return TableurError(reason, public=public)


# ----------------------------------------------------------------------------------------------------------------- cells


def safe(text: str) -> str:
    """A cell that no spreadsheet runs."""
    return f"'{text}" if text.startswith(DANGEROUS) else text


def plain(text: str) -> str:
    """What was meant by a cell: `safe` undone."""
    return text[1:] if text[:1] == "'" and text[1:].startswith(DANGEROUS) else text


# --------------------------------------------------------------------------------------------------------------- reading


def is_xlsx(head: bytes) -> bool:
    return head.startswith(ZIP)


def rows_of(path: Path, columns: Collection[str]) -> Iterator[Row]:
    """The rows of a file that has these columns, whatever their order, case and accents. Raises TableurError."""
    with path.open("rb") as file:
        rows = _xlsx(path, columns) if is_xlsx(file.read(4)) else _csv(path, columns)
    for count, row in enumerate(rows, 1):
        if count > MOST_LINES:
            raise refusal("too many lines", f"Ce fichier a plus de {MOST_LINES // 1000} 000 lignes : coupez-le en plusieurs.")
        yield row


def _csv(path: Path, columns: Collection[str]) -> Iterator[Row]:
    try:
        yield from cells_of(path, columns)
    except RegisterFileError as error:
        raise refusal(str(error), error.public) from error


def _xlsx(path: Path, columns: Collection[str]) -> Iterator[Row]:
    check_archive(path)
    try:
        with path.open("rb") as file:
            yield from _sheet(file, columns)
    except BROKEN as error:
        raise refusal(f"{type(error).__name__}: {error}", "Ce fichier n'est pas un classeur XLSX lisible.") from error


def _sheet(file: Any, columns: Collection[str]) -> Iterator[Row]:
    """The first sheet of a workbook."""
    from openpyxl import load_workbook

    sheet = load_workbook(file, read_only=True, keep_links=False).worksheets[0]
    sheet.reset_dimensions()  # a sheet may lie about its size
    heading = next(sheet.iter_rows(max_row=1, max_col=MOST_COLUMNS), ())
    names = {fold(_text(cell)): i for i, cell in enumerate(heading) if cell.value is not None}
    if missing := [name for name in columns if name not in names]:
        raise refusal("columns", f"Colonnes absentes du fichier : {', '.join(missing)}.")
    rows = sheet.iter_rows(min_row=2, max_row=MOST_LINES + 2, max_col=1 + max(names.values()))
    for number, row in enumerate(rows, 2):
        values = [_text(cell) for cell in row]
        if any(values):
            yield number, names, values


def _text(cell: Any) -> str:
    """As a person would type it."""
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value:%d/%m/%Y}"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def check_archive(path: Path) -> None:
    """An XLSX is a zip of XML files: neither a bomb, nor entities. Raises TableurError."""
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
            bomb = any(part.file_size > PEEK and part.file_size > MOST_RATIO * max(1, part.compress_size) for part in parts)
            if bomb or len(parts) > MOST_PARTS or sum(part.file_size for part in parts) > MOST_UNZIPPED:
                raise refusal("zip bomb", "Ce classeur est trop volumineux une fois décompressé.")
            for part in parts:
                with archive.open(part) as opened:
                    _check_xml(opened)
    except BROKEN as error:
        raise refusal(f"{type(error).__name__}: {error}", "Ce fichier n'est pas un classeur XLSX lisible.") from error


def _check_xml(opened: Any) -> None:
    """No document type: it is where entities are declared. Spreadsheets write UTF-8 without any."""
    kept = b""
    while chunk := opened.read(PEEK):
        looked = kept + chunk
        if b"<!DOCTYPE" in looked or b"<!ENTITY" in looked or looked.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise refusal("document type", "Ce classeur contient une déclaration interdite.")
        kept = chunk[-16:]


# --------------------------------------------------------------------------------------------------------------- writing


def csv_of(rows: Iterable[Sequence[str]]) -> Iterator[bytes]:
    """UTF-8 with its mark, semicolons, cells made safe; a piece for every few rows."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, delimiter=";", lineterminator="\r\n")
    yield b"\xef\xbb\xbf"
    for number, row in enumerate(rows, 1):
        writer.writerow([safe(cell) for cell in row])
        if number % 500 == 0:
            yield _taken(buffer)
    yield _taken(buffer)


def _taken(buffer: io.StringIO) -> bytes:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text.encode()


def write_xlsx(out: Any, rows: Iterable[Sequence[str]], *, title: str, notes: Iterable[Sequence[str]] = ()) -> None:
    """The first row is a heading that stays on screen; columns are of text, so that a SIRET typed there keeps its zeros.

    `notes`: a second sheet, to be read. Raises ClasseurTropLongError, before anything is written.
    """
    first = list(islice(rows, MOST_SHEET + 2))
    if len(first) > MOST_SHEET + 1:
        raise ClasseurTropLongError(f"more than {MOST_SHEET} lines")
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    sheets = [(title, first), *([("Services", notes)] if notes else [])]
    for name, content in sheets:
        sheet = book.create_sheet(name)
        sheet.freeze_panes = "A2"
        for i in range(MOST_COLUMNS if name == title else 4):
            column = sheet.column_dimensions[chr(65 + i) if i < 26 else f"A{chr(39 + i)}"]
            column.number_format, column.width = "@", 24
        for number, row in enumerate(content):
            sheet.append([safe(cell) for cell in row] if number else [_heading(sheet, cell) for cell in row])
    book.save(out)


def _heading(sheet: Any, text: str) -> Any:
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Font

    cell = WriteOnlyCell(sheet, safe(text))
    cell.font = Font(bold=True)
    return cell
