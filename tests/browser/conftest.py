"""How a page is looked at, whichever it is; how a mail is received."""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from axe_playwright_python.base import AXE_SCRIPT, AxeResults
from flask import Flask

from idp.config import Settings
from idp.notifications.delivery import send_due
from partners.demo.mails import Catcher, Caught
from tests.services import free_port

LOOKS = [(scheme, width) for scheme in ("light", "dark") for width in (1280, 320)]
RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],
}
"""Of the rest axe need not find every place, which takes it as long again."""
COLOURS = ["color-contrast", "link-in-text-block"]
SEEN = RULES | {"runOnly": {"type": "rule", "values": [*COLOURS, "scrollable-region-focusable", "target-size"]}}
"""What depends on colours and widths: the rest is the same page, told once."""
DARK = RULES | {"runOnly": {"type": "rule", "values": COLOURS}}
"""What depends on colours."""
RUN = "options => axe.run(document, options).then(({violations}) => ({violations}))"

SETTLE = """() => {
    for (const moving of document.getAnimations())
        if (Number.isFinite(moving.effect.getComputedTiming().endTime)) moving.finish();
}"""
"""Colours that pass from light to dark have arrived."""


def look_at(opened: Any, name: str = "") -> None:
    """Light and dark, wide and narrow: no horizontal scroll, no fault that axe knows, one title; images go to MAG_TEST_SCREENSHOTS."""
    opened.wait_for_load_state()
    before = opened.viewport_size
    opened.evaluate(AXE_SCRIPT)
    for (scheme, width), rules in zip(LOOKS, (RULES, SEEN, DARK, DARK), strict=True):
        opened.emulate_media(color_scheme=scheme)
        opened.set_viewport_size({"width": width, "height": 900})
        opened.evaluate(SETTLE)
        if name and (folder := os.environ.get("MAG_TEST_SCREENSHOTS")):
            opened.screenshot(path=f"{folder}/{name}-{scheme}-{width}.png", full_page=True)
        assert opened.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), (opened.url, width)
        found = AxeResults(opened.evaluate(RUN, rules))
        assert found.violations_count == 0, (scheme, width, found.generate_report())
    opened.emulate_media(color_scheme="light")
    opened.set_viewport_size(before)
    assert opened.locator("h1").count() == 1, opened.url


@pytest.fixture
def mailbox(app: Flask, settings: Settings) -> Iterator[Callable[[], list[Caught]]]:
    """`mailbox()`: what is due leaves by SMTP; the mails received so far, the newest first."""
    catcher = Catcher()
    port = free_port()
    controller = Controller(catcher, hostname="127.0.0.1", port=port)
    controller.start()

    def received() -> list[Caught]:
        with app.app_context():
            send_due(replace(settings, smtp_url=f"smtp://127.0.0.1:{port}"), datetime.now(UTC))
        return list(catcher.mails)

    yield received
    controller.stop()
