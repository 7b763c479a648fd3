"""Sheets: what `paper.py` describes, drawn as PDF. The one home of `fpdf`, loaded with the first paper that a process makes.

An address shows in the window of a French envelope once the sheet is folded in three along the marks (NF Z 11-001): six lines of
38 characters, below 50 mm, right of 110 mm. The font is embedded, with the letters of every European name (docs/decisions/0008).
"""

from collections.abc import Iterator
from datetime import datetime
from functools import cache
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from typing import cast

from fpdf import FPDF
from fpdf.enums import XPos, YPos

from idp import qr
from idp.notifications.messages import PARIS, day_in_words, insecable
from idp.notifications.paper import Block, Code, Facts, Heading, Key, Paper, Paragraph

INK, SOFT, LINE, BRAND, TINT = (19, 33, 31), (74, 93, 90), (190, 204, 200), (13, 92, 95), (228, 241, 239)
FONT = "source"
MARGIN, WIDTH = 22, 166
"""Millimetres: of each side, and of what is between."""
WINDOW_X, WINDOW_Y, WINDOW_WIDTH = 110, 50, 80
FOLDS = (99, 198)
ADDRESS_LINES, ADDRESS_LENGTH = 6, 38
"""What sorting machines read (NF Z 10-011)."""
CODE, CODE_MODULE = 72, 1.1
"""Millimetres: the widest code, and its widest module."""
LABELS = 56
"""Width of the left column of facts."""


def _runs(row: bytes) -> Iterator[tuple[int, int]]:
    """Where dark modules of a row begin and end."""
    for dark, run in groupby(range(len(row)), row.__getitem__):
        places = list(run)
        if dark:
            yield places[0], places[-1] + 1


@cache
def _font(weight: str) -> Path:
    """Found without importing its package, which looks at its whole folder when imported."""
    spec = find_spec("font_source_sans_pro")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("font-source-sans-pro is not installed")
    return Path(spec.origin).parent / "files" / f"SourceSansPro-{weight}.ttf"


class Sheet(FPDF):
    """A4, upright, numbered."""

    def __init__(self, paper: Paper, now: datetime) -> None:
        super().__init__(format="A4", unit="mm")
        self.paper, self.at = paper, now.astimezone(PARIS)
        self.set_margins(MARGIN, 20, MARGIN)
        self.set_auto_page_break(True, margin=26)
        self.add_font(FONT, "", _font("Regular"))
        self.add_font(FONT, "B", _font("Semibold"))
        self.set_title(paper.title)
        self.set_lang("fr-FR")
        self.set_creator("MAG")
        self.set_creation_date(self.at)
        self.add_page()
        self._open()

    def header(self) -> None:
        """The sender: whole on the first sheet, the title alone on the others."""
        if self.page_no() > 1:
            self._line(insecable(self.paper.title), 9, colour=SOFT)
            self.ln(5)
            return
        self._line("MAG", 17, bold=True, colour=BRAND)
        self._line("L'identité numérique des entreprises", 9.5, colour=SOFT)
        if self.paper.address_lines:
            self._marks()

    def footer(self) -> None:
        self.set_y(-18)
        self.set_draw_color(*LINE)
        self.set_line_width(0.2)
        self.line(MARGIN, self.y - 2, MARGIN + WIDTH, self.y - 2)
        self._type(8.5, colour=SOFT)
        self.cell(WIDTH / 2, 5, "MAG ne demande jamais votre mot de passe.")
        self.cell(WIDTH / 2, 5, f"Page {self.page_no()} sur {{nb}}", align="R")

    def show(self, block: Block) -> None:
        match block:
            case Paragraph(text):
                self._line(insecable(text), 11, height=5.6)
                self.ln(3)
            case Heading(text):
                self._keep(22)
                self.ln(2)
                self._line(insecable(text), 12.5, bold=True, colour=BRAND)
                self.ln(1.5)
            case Facts(rows):
                for label, value in rows:
                    self._fact(insecable(label), insecable(value))
                self.ln(5)
            case Key(text):
                self._key(text)
            case Code(content, says):
                self._code(content, says)

    def _open(self) -> None:
        """Address, date, title."""
        if self.paper.address_lines:
            self._type(11)
            for row, text in enumerate(self.paper.address_lines[:ADDRESS_LINES]):
                self.set_xy(WINDOW_X, WINDOW_Y + 5 * row)
                self.cell(WINDOW_WIDTH, 5, text[:ADDRESS_LENGTH])
            self.set_xy(WINDOW_X, 88)
            self._type(10, colour=SOFT)
            self.cell(WINDOW_WIDTH, 5, f"Le {day_in_words(self.at)}")
            self.set_xy(MARGIN, FOLDS[0] + 5)
        else:
            self.ln(10)
        self._line(insecable(self.paper.title), 16.5, bold=True, height=7.5)
        if not self.paper.address_lines:
            self.ln(1)
            self._line(f"Établi le {day_in_words(self.at)}", 10, colour=SOFT)
        self.ln(5)

    def _fact(self, label: str, value: str) -> None:
        self._type(10.5, bold=True)
        lines = cast(list[str], self.multi_cell(WIDTH - LABELS, 5.4, value, dry_run=True, output="LINES"))
        height = 5.4 * max(1, len(lines)) + 3
        self._keep(height)
        top = self.y
        self.set_draw_color(*LINE)
        self.set_line_width(0.15)
        self.line(MARGIN, top, MARGIN + WIDTH, top)
        self._type(10.5, colour=SOFT)
        self.set_xy(MARGIN, top + 1.5)
        self.multi_cell(LABELS - 3, 5.4, label, align="L")
        below = self.y
        self._type(10.5, bold=True)
        self.set_xy(MARGIN + LABELS, top + 1.5)
        self.multi_cell(WIDTH - LABELS, 5.4, value, align="L")
        self.set_xy(MARGIN, max(self.y, below) + 1.5)

    def _key(self, text: str) -> None:
        self._keep(26)
        self.set_fill_color(*TINT)
        self._type(22, bold=True, colour=BRAND)
        self.set_char_spacing(1.2)
        while self.get_string_width(text) > WIDTH - 8 and self.font_size_pt > 8:
            self.set_font_size(self.font_size_pt - 1)
        self.cell(WIDTH, 20, text, align="C", fill=True, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.set_char_spacing(0)
        self.ln(6)

    def _code(self, content: str, says: str) -> None:
        """Dark on the paper's white; of neighbours in a row, one rectangle, so that no hair of white parts them."""
        rows = qr.rows(content)
        side = min(CODE, CODE_MODULE * len(rows))
        self._keep(side + 6)
        left, top, module = self.x, self.y, side / len(rows)
        self.set_fill_color(*INK)
        for n, row in enumerate(rows):
            for start, end in _runs(row):
                self.rect(left + start * module, top + n * module, (end - start) * module, module, style="F")
        self.set_xy(left + side + 8, top)
        self._type(11)
        self.multi_cell(WIDTH - side - 8, 5.6, insecable(says), align="L")
        self.set_xy(MARGIN, max(self.y, top + side) + 4)

    def _keep(self, height: float) -> None:
        """A block that would be cut begins another page."""
        if self.will_page_break(height):
            self.add_page()

    def _marks(self) -> None:
        """Where to fold."""
        self.set_draw_color(*LINE)
        self.set_line_width(0.2)
        for y in FOLDS:
            self.line(4, y, 9, y)

    def _line(self, text: str, size: float, *, bold: bool = False, colour: tuple[int, int, int] = INK, height: float = 0) -> None:
        self._type(size, bold=bold, colour=colour)
        self.multi_cell(WIDTH, height or size * 0.46, text, align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def _type(self, size: float, *, bold: bool = False, colour: tuple[int, int, int] = INK) -> None:
        self.set_font(FONT, "B" if bold else "", size)
        self.set_text_color(*colour)
