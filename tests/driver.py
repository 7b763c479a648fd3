"""Playwright's driver, started once in a process: its synchronous interface refuses a second one beside the first."""

import atexit
from functools import lru_cache
from typing import Any


@lru_cache(maxsize=1)
def playwright() -> Any:
    """What launches browsers; stopped with the process."""
    from playwright.sync_api import sync_playwright

    started = sync_playwright().start()
    atexit.register(started.stop)
    return started
