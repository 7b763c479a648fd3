"""PostgreSQL and Redis with the durability of production, and their counters: exact, whatever else the machine does."""

from dataclasses import dataclass
from typing import Any

import psycopg
from redis import Redis
from redis.backoff import ConstantBackoff
from redis.exceptions import BusyLoadingError
from redis.retry import Retry

from tests import services

STATEMENTS = """
    SELECT coalesce(sum(calls), 0) FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid
    WHERE d.datname = %s AND query NOT LIKE '%%FROM versions%%' AND query NOT LIKE '%%pg_stat%%'
"""
"""Without the reading of versions, which each process does once a second whatever the traffic."""


@dataclass(frozen=True)
class Trips:
    """What one operation asked of the stores."""

    redis: float
    """Round trips: a pipeline or a script is one."""
    sql: float
    """Statements, BEGIN and COMMIT included."""


@dataclass(frozen=True)
class Stores:
    """Where MAG keeps its state during a bench."""

    database_url: str
    redis_url: str

    @property
    def database(self) -> str:
        return self.database_url.rsplit("/", 1)[1]

    def _administrator(self) -> Any:
        address = self.database_url.replace("+psycopg", "").rsplit("/", 1)[0]
        return psycopg.connect(f"{address}/postgres", autocommit=True)

    def renew(self) -> None:
        """An empty database, and statistics on. Redis is as old as one in service: MAG doubts what it was told before a new one."""
        patient = Retry(ConstantBackoff(0.5), 120)  # it may still be reading what an earlier bench left
        with Redis.from_url(self.redis_url, retry=patient, retry_on_error=[BusyLoadingError]) as client:
            client.set("mag:epoch", "1")
        with self._administrator() as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{self.database}" WITH (FORCE)')
            connection.execute(f'CREATE DATABASE "{self.database}"')
            connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")

    def counters(self) -> tuple[int, int]:
        """Redis round trips and SQL statements since ever."""
        with Redis.from_url(self.redis_url) as client, self._administrator() as connection:
            statements = connection.execute(STATEMENTS, [self.database]).fetchone()
            return int(client.info("stats")["total_reads_processed"]), int(statements[0])


class _Durable(services.PostgreSQL):
    SPEED = ("shared_preload_libraries=pg_stat_statements", "pg_stat_statements.track_utility=on")


class OwnStores:
    """Private servers for one bench; nothing is left of them."""

    def __init__(self) -> None:
        self.postgresql = _Durable()
        self.redis = services.Redis()
        with Redis.from_url(self.redis.url) as client:
            client.config_set("appendonly", "yes")
        self.stores = Stores(self.postgresql.url("mag"), self.redis.url)

    def stop(self) -> None:
        self.redis.stop()
        self.postgresql.stop()
