"""How a page is looked at, whichever it is; how a mail is received."""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from axe_playwright_python.sync_playwright import Axe
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


def look_at(opened: Any, name: str = "") -> None:
    """No horizontal scroll, one title, no fault that axe knows; an image of that name where MAG_TEST_SCREENSHOTS says."""
    opened.wait_for_load_state()
    if name and (folder := os.environ.get("MAG_TEST_SCREENSHOTS")):
        opened.screenshot(path=f"{folder}/{name}.png", full_page=True)
    assert opened.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), opened.url
    found = Axe().run(opened, options=RULES)
    assert found.violations_count == 0, found.generate_report()
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
