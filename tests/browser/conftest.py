"""How a page is looked at, whichever it is."""

import os
from typing import Any

from axe_playwright_python.sync_playwright import Axe

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
