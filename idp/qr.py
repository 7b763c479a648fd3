"""A QR code: as SVG in a page, where nothing is fetched and no style inlined; as squares, for a paper. The only home of segno."""

from collections.abc import Sequence

import segno

MOST = 1800
"""Bytes of a code that a phone reads from a paper: more would be too fine."""


def svg(text: str) -> str:
    """Black on white whatever the theme, as cameras want it; hidden from screen readers, for whom the text stands beside."""
    code = segno.make(text, micro=False, error="m")
    drawn = code.svg_inline(scale=5, border=3, omitsize=True, dark="#000", light="#fff", svgclass="qr", lineclass=None)
    return drawn.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1)


def rows(text: str) -> Sequence[bytes]:
    """Rows of modules, 1 where it is dark, without the margin."""
    return tuple(bytes(row) for row in segno.make(text, micro=False, error="l", boost_error=False).matrix)
