"""What a process does again and again until it is asked to stop: sending mails, telling partners.

Left out on purpose: starting such a process, and starting it again when it dies; the system's service manager does both.
"""

import signal
import threading
from collections.abc import Callable

from idp.database import UNAVAILABLE, db
from idp.errors import StoreUnavailableError
from idp.logs import logger


def follow(act: Callable[[], object], seconds: float, what: str) -> None:
    """Call `act`, then again `seconds` after each end, until SIGTERM or Ctrl-C. While the database is away, `what` waits."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    while not stop.is_set():
        try:
            act()
        except (UNAVAILABLE, StoreUnavailableError):
            logger.warning(f"the database does not answer: {what} wait")
        finally:
            db.session.remove()
        stop.wait(seconds)
