"""The children of the demonstration: started, waited for, watched, stopped. None outlives its parent."""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

START_TIMEOUT = 60.0
STOP_TIMEOUT = 15.0
"""Seconds a child may take to listen, and to stop."""
SET_PDEATHSIG = 1


class ChildError(Exception):
    """A child did not start, or died. The message says which, and its last lines."""


@dataclass(frozen=True, slots=True)
class Order:
    """A child to start. `port` is where it listens; None when it does not."""

    name: str
    command: Sequence[str]
    port: int | None
    environ: Mapping[str, str]
    log: Path


def busy(ports: Mapping[str, int]) -> tuple[str, int] | None:
    """The first of these ports that somebody listens on."""
    for name, port in ports.items():
        with socket.socket() as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tried.bind(("127.0.0.1", port))
            except OSError:
                return name, port
    return None


def _die_with_parent() -> None:
    """In the child, before it becomes the program (Linux alone)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SET_PDEATHSIG, signal.SIGTERM)


class Children:
    """Each in a session of its own, so that Ctrl-C reaches the parent alone, who stops them in order."""

    def __init__(self) -> None:
        self.stopping = threading.Event()
        self._started: list[tuple[Order, subprocess.Popen[bytes]]] = []

    def start(self, order: Order) -> None:
        order.log.parent.mkdir(parents=True, exist_ok=True)
        with order.log.open("ab") as log:
            child = subprocess.Popen(
                order.command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=order.environ, start_new_session=True,
                preexec_fn=_die_with_parent,  # noqa: PLW1509  # no thread is running yet
                cwd=Path(__file__).parents[2])
        self._started.append((order, child))

    def wait_until_ready(self) -> None:
        """Every child with a port listens. Raises ChildError."""
        deadline = time.monotonic() + START_TIMEOUT
        for order, _ in self._started:
            while order.port is not None and not self.stopping.is_set() and not _listens(order.port):
                self.check()
                if time.monotonic() > deadline:
                    raise ChildError(f"{order.name} ne répond pas.\n{_last_lines(order.log)}")
                self.stopping.wait(0.05)

    def check(self) -> None:
        """Raises ChildError when one died."""
        for order, child in self._started:
            if child.poll() is not None:
                raise ChildError(f"{order.name} s'est arrêté (code {child.returncode}).\n{_last_lines(order.log)}")

    def watch(self) -> None:
        """Until somebody asks to stop. Raises ChildError."""
        while not self.stopping.wait(0.5):
            self.check()

    def stop(self) -> None:
        """All of them, the last started first; those that resist are killed."""
        for _, child in reversed(self._started):
            with contextlib.suppress(ProcessLookupError):
                child.terminate()
        deadline = time.monotonic() + STOP_TIMEOUT
        for _, child in self._started:
            try:
                child.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()


def _listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def _last_lines(log: Path) -> str:
    lines = log.read_text("utf-8", "replace").splitlines()[-5:]
    return "\n".join((f"Dernières lignes de {log} :", *lines)) if lines else f"Rien dans {log}."
