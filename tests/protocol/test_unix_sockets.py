"""Stores of the same machine are reached by a Unix socket, where their address names one."""

import socket
import socketserver
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from idp.database import ALL_VERSIONS, Connections
from idp.ephemeral import RedisEphemeral

pytestmark = pytest.mark.parametrize("backend", ["postgresql"], indirect=True)


def pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while received := source.recv(65536):
            target.sendall(received)
        target.shutdown(socket.SHUT_WR)


def relay(path: Path, port: int) -> socketserver.ThreadingUnixStreamServer:
    """A socket at `path` in front of a server that listens on `port`."""

    class Passage(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection(("127.0.0.1", port)) as there:
                threading.Thread(target=pump, args=(self.request, there), daemon=True).start()
                pump(there, self.request)

    server = socketserver.ThreadingUnixStreamServer(str(path), Passage)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    return server


@pytest.fixture
def relayed() -> Iterator[Callable[[str, int], Path]]:
    """Gives the folder of a socket; a short one, since the kernel bounds their names."""
    with tempfile.TemporaryDirectory(prefix="mag-") as folder, ExitStack() as stack:

        def begin(name: str, port: int) -> Path:
            server = relay(Path(folder, name), port)
            stack.callback(server.server_close)
            stack.callback(server.shutdown)
            return Path(folder)

        yield begin


def test_redis_by_a_socket(backend, relayed):
    folder = relayed("redis.sock", make_url(backend.redis_url).port)
    store = RedisEphemeral(f"unix://{folder}/redis.sock")

    store.put("essai", "clé", "valeur", 60)

    assert store.get("essai", "clé") == "valeur"


def test_postgresql_by_a_socket(backend, relayed):
    url = make_url(backend.database_url)
    folder = relayed(f".s.PGSQL.{url.port}", url.port)
    connections = Connections(f"postgresql+psycopg://{url.username}@/{url.database}?host={folder}&port={url.port}")

    assert connections.all(ALL_VERSIONS) is not None

    connections.drop()
