"""A paper as PDF. Drawing loads a library as large as half of MAG, which few processes need: it is loaded with the first paper."""

from datetime import datetime

from idp.notifications.paper import Paper


def render(paper: Paper, now: datetime) -> bytes:
    """The PDF, dated `now`: the same bytes for the same arguments."""
    from idp.notifications.sheet import Sheet

    sheet = Sheet(paper, now)
    for block in paper.blocks:
        sheet.show(block)
    return bytes(sheet.output())
