"""One held Redis connection: redis-py opens it, then each command is one write and one read on its socket.

redis-py's own reading and writing cost twice the rest of a short command (docs/performance.md): layers for retries, health and
caches that a held connection does not use, and a socket that is polled before each call since its timeout is Python's. Here the
kernel keeps the time. Left out on purpose: pipelines, subscriptions, and whatever else MAG asks nobody.
"""

import socket
import ssl
import struct
from typing import Any, cast

import hiredis
from redis.connection import Connection

TIMEOUT = 2
"""Seconds to connect, then for each answer."""
READ = 64 * 1024


class ConnectionLostError(OSError):
    """The server closed the connection, or what it says is not RESP."""


class RefusedCommandError(Exception):
    """The server answered with an error."""


class NoScriptError(RefusedCommandError):
    """It does not know the script of this digest."""


class HeldRedis:
    """Used by one thread, and closed as soon as it is left: redis-py's own refers to itself, and would wait for the collector.

    Raises OSError, and the errors of redis-py while it opens.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        connection.connect()  # type: ignore[no-untyped-call]  # redis-py annotates its public commands only
        self._socket = cast(socket.socket, connection._sock)
        self._reader = hiredis.Reader(protocolError=ConnectionLostError, replyError=RefusedCommandError, encoding="utf-8")
        if not isinstance(self._socket, ssl.SSLSocket):
            self._let_the_kernel_keep_time()

    def _let_the_kernel_keep_time(self) -> None:
        self._socket.settimeout(None)
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            self._socket.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", TIMEOUT, 0))

    def command(self, words: tuple[Any, ...]) -> Any:
        """The answer, decoded. Raises RefusedCommandError."""
        self._socket.sendall(hiredis.pack_command(words))
        answer: Any = False
        while answer is False:
            received = self._socket.recv(READ)
            if not received:
                raise ConnectionLostError("closed")
            self._reader.feed(received)
            answer = self._reader.gets()
        if isinstance(answer, RefusedCommandError):
            raise NoScriptError(*answer.args) if str(answer).startswith("NOSCRIPT") else answer
        return answer

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        self._connection.disconnect()  # type: ignore[no-untyped-call]  # redis-py annotates its public commands only
