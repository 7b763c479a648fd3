"""Reads a stock file record by record, in constant memory: a CSV file, or the CSV files of a zip archive.

Implements RFC 4180 section 2, tolerant of LF, CRLF and a byte order mark. A damaged record is told apart and never takes its
neighbours along. What was read whole has a mark: a later reading of the same file may go on from there, once it has proved
that everything before the mark is, byte for byte, what it was. Left out on purpose: what the columns mean (`sirene`).
"""

import csv
import io
import zipfile
import zlib
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from idp.entreprises.sirene import StockRefusedError

LONGEST_LINE = 64 * 1024
"""Bytes. INSEE's longest are about 1,000."""
MOST_LINES = 10
"""Lines of one record: line breaks are allowed between quotes."""
BLOCK = 1 << 20
ENCRYPTED, METHODS = 0x1, (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
UNCLOSED = "guillemet jamais refermé"


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a file was read: bytes, lines, and the CRC-32 of those bytes."""

    position: int = 0
    line: int = 0
    crc: int = 0


@dataclass(frozen=True, slots=True)
class Stock:
    """One CSV file to import; `size` is in bytes, once unpacked."""

    name: str
    size: int
    path: Path
    member: str | None = None

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """The bytes of the CSV. Raises StockRefusedError when an archive turns out to be damaged, however late."""
        if self.member is None:
            with self.path.open("rb", BLOCK) as file:
                yield file
            return
        try:
            with zipfile.ZipFile(self.path) as archive, archive.open(self.member) as packed:
                yield io.BufferedReader(packed, BLOCK)  # type: ignore[type-var]  # typeshed asks for more than the readinto() that is used
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise StockRefusedError(f"zip: {error}", public=f"L'archive {self.path.name} est abîmée ({error}).") from error


def stocks(path: Path) -> list[Stock]:
    """The CSV files that `path` is, or holds. Raises StockRefusedError."""
    with path.open("rb") as file:
        packed = file.read(4) == b"PK\x03\x04"
    if not packed:
        return [Stock(path.name, path.stat().st_size, path)]
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if member.filename.lower().endswith(".csv")]
    except zipfile.BadZipFile as error:
        raise StockRefusedError(f"zip: {error}", public=f"L'archive {path.name} est incomplète ou abîmée.") from error
    if not members:
        raise StockRefusedError("zip without csv", public=f"L'archive {path.name} ne contient aucun fichier CSV.")
    if any(member.flag_bits & ENCRYPTED or member.compress_type not in METHODS for member in members):
        raise StockRefusedError("zip method", public=f"L'archive {path.name} est chiffrée, ou compressée autrement que par « deflate ».")
    return [Stock(Path(member.filename).name, member.file_size, path, member.filename) for member in members]


class DamagedError(Exception):
    """A record that is not one; the text, in French, is what the operator reads."""


class UnclosedError(DamagedError):
    """A quote opens and the line ends: the record may go on."""


def split(raw: bytes) -> list[str]:
    """The cells of one record. Raises DamagedError."""
    if b"\0" in raw:
        raise DamagedError("caractère nul")
    if len(raw) >= LONGEST_LINE:
        raise DamagedError(f"plus de {LONGEST_LINE} octets")
    try:
        text = raw.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise DamagedError("texte qui n'est pas en UTF-8") from None
    if '"' not in text:
        return text.split(",")
    try:
        return next(csv.reader([text], strict=True))
    except csv.Error as error:
        if "unexpected end of data" in str(error):
            raise UnclosedError(UNCLOSED) from None
        raise DamagedError("guillemets mal placés") from None


class Reading:
    """One pass over a file. `mark` says what has been read whole so far; `header` is the first line."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._ahead: deque[bytes] = deque()
        self._position = self._line = self._crc = 0
        first = self._next_line()
        self._consume(first)
        try:
            self.header = split(first.removeprefix(b"\xef\xbb\xbf"))
        except DamagedError as error:
            raise StockRefusedError(f"header: {error}", public=f"La première ligne n'est pas un en-tête CSV en UTF-8 ({error}).") from error

    @property
    def mark(self) -> Mark:
        return Mark(self._position, self._line, self._crc)

    def resume(self, mark: Mark) -> bool:
        """Go to a mark set by an earlier reading. False: what comes before is not what was read then; this reading is void."""
        while self._position < mark.position and (block := self._file.read(min(BLOCK, mark.position - self._position))):
            self._consume(block, lines=0)
        self._line = mark.line
        return self.mark == mark

    def __iter__(self) -> Iterator[tuple[int, list[str] | str]]:
        """Line number (the header is line 1) and cells of each record, or the reason, in French, why it is none."""
        width = len(self.header)
        while raw := self._next_line():
            line = self._line + 1
            try:
                cells: list[str] | str = split(raw)
            except UnclosedError:
                raw, cells = self._longer(raw, width)
            except DamagedError as error:
                cells = str(error)
            self._consume(raw, lines=raw.count(b"\n") or 1)
            if len(raw) >= LONGEST_LINE and not raw.endswith(b"\n"):
                self._drain()
            if cells != [""]:
                yield line, cells

    def _next_line(self) -> bytes:
        return self._ahead.popleft() if self._ahead else self._file.readline(LONGEST_LINE)

    def _consume(self, raw: bytes, lines: int = 1) -> None:
        self._position += len(raw)
        self._line += lines
        self._crc = zlib.crc32(raw, self._crc)

    def _drain(self) -> None:
        """Leave the rest of a line without end, so that its tail is not taken for a record."""
        tail = b""
        while not tail.endswith(b"\n") and (tail := self._next_line()):
            self._consume(tail, lines=0)

    def _longer(self, first: bytes, width: int) -> tuple[bytes, list[str] | str]:
        """A record of several lines; when they do not make one, its first line alone is refused and the others are read afresh."""
        lines = [first]
        while len(lines) < MOST_LINES and (raw := self._next_line()):
            lines.append(raw)
            if _is_whole(raw, width):
                break
            try:
                cells = split(b"".join(lines))
            except UnclosedError:
                continue
            except DamagedError:
                break
            if len(cells) == width:
                return b"".join(lines), cells
            break
        self._ahead.extendleft(reversed(lines[1:]))
        return first, UNCLOSED


def _is_whole(raw: bytes, width: int) -> bool:
    """Is the line a record by itself, its quotes in pairs? Then it is not the rest of another one."""
    try:
        return raw.count(b'"') % 2 == 0 and len(split(raw)) == width
    except DamagedError:
        return False
