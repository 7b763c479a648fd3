"""Paper: letters that are posted and receipts that are kept. A frozen description, that `pdf.py` makes a PDF of.

An address shows in the window of a French envelope: six lines of 38 characters (NF Z 10-011).
Left out on purpose: what each paper says, which is its room's; signatures, and images but QR codes.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Running text."""

    text: str


@dataclass(frozen=True, slots=True)
class Heading:
    """What the following blocks are about."""

    text: str


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and values, in two columns."""

    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Key:
    """What is to be typed from the paper: large, apart, never cut."""

    text: str


@dataclass(frozen=True, slots=True)
class Code:
    """What a phone reads from the paper, and the words beside it."""

    content: str
    says: str


Block = Paragraph | Heading | Facts | Key | Code


@dataclass(frozen=True, slots=True)
class Paper:
    """One document. With `address_lines` it is a letter for a window envelope; without, a receipt to keep."""

    title: str
    address_lines: tuple[str, ...] = ()
    blocks: tuple[Block, ...] = ()
