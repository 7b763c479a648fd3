"""Connections are held by threads, and end with them, at once: servers start and end threads as load asks."""

import gc
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import psycopg
import pytest
from redis import Redis

from idp.habilitations.models import SERVICES

pytestmark = pytest.mark.parametrize("backend", ["postgresql"], indirect=True)


def test_a_thread_that_ends_takes_its_connections_along(wsgi_app, redis_server, backend, partner, code_flow):
    portail = partner()
    tokens = code_flow(portail)

    def generation() -> None:
        """Eight threads that reach both stores, and end."""
        barrier = Barrier(8)

        def act(_):
            barrier.wait(30)
            wsgi_app.mag.connections.one(SERVICES)
            return portail.is_alive(tokens)

        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(act, range(8)))

    def held() -> tuple[int, int]:
        with Redis.from_url(redis_server.url) as client, psycopg.connect(backend.database_url.replace("+psycopg", "")) as connection:
            row = connection.execute("select count(*) from pg_stat_activity where datname = current_database()").fetchone()
            return len(client.client_list()), row[0]

    generation()
    gc.collect()
    before = held()
    gc.disable()
    try:
        for _ in range(3):
            generation()
        after = held()
    finally:
        gc.enable()

    assert after[0] - before[0] <= 2
    assert after[1] - before[1] <= 2
