"""A process that follows the outbox: it goes on while the database is away, and stops when it is asked to."""

import os
import signal

import pytest

from idp.errors import StoreUnavailableError
from idp.notifications.following import follow


@pytest.fixture
def handlers():
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_outlives_a_database_that_is_away_and_stops_at_a_signal(app, handlers, number):
    passes = []

    def act():
        passes.append(1)
        if len(passes) == 1:
            raise StoreUnavailableError("away")
        os.kill(os.getpid(), number)

    with app.app_context():
        follow(act, 0, "mails")

    assert len(passes) == 2
