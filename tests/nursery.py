"""Server processes of MAG that start in a moment: forked from one process that has imported everything, and opened nothing.

Importing MAG takes seconds, and a test of pages or of several processes starts servers by the hundred. Each forked process
is then what its command says: its own arguments, environment and folder, its own databases, its own end.

On the wire: one JSON object (`argv`, `environment`, `folder`) with the descriptor of the log; the answer is the process id, with a
descriptor of the process.
"""

import contextlib
import ctypes
import gc
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

LARGEST = 1 << 20
"""Bytes of an order."""


class Child:
    """A forked process, seen from the tests as `subprocess.Popen` would show it."""

    def __init__(self, pid: int, handle: int, args: Sequence[str]) -> None:
        self.pid, self.args, self._handle = pid, args, handle

    def poll(self) -> int | None:
        """None while it lives; 0 after, as its true status is its parent's to know."""
        return 0 if select.select([self._handle], [], [], 0)[0] else None

    def wait(self, timeout: float) -> int:
        """`timeout` in seconds. Raises subprocess.TimeoutExpired."""
        if not select.select([self._handle], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired(list(self.args), timeout)
        return 0

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            signal.pidfd_send_signal(self._handle, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Nursery:
    """The parent of servers; it ends with the test session, whatever ends that."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._orders = ours
        with theirs:
            command = [sys.executable, "-m", "tests.nursery", str(theirs.fileno())]
            self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()], cwd=Path(__file__).parent.parent)

    def start(self, command: Sequence[str], *, log: IO[bytes], environment: Mapping[str, str], folder: Path) -> Child:
        """`command` is `[python, "-m", module, …]`; the module runs as `__main__` in a fork."""
        order = {"argv": list(command[2:]), "environment": dict(environment), "folder": str(folder)}
        socket.send_fds(self._orders, [json.dumps(order).encode()], [log.fileno()])
        pid, (handle,), _flags, _address = socket.recv_fds(self._orders, 32, 1)
        return Child(int(pid), handle, command)

    def stop(self) -> None:
        self._orders.close()
        self._process.wait(20)


def main(descriptor: int) -> None:
    """Take orders until the other end closes."""
    import granian.cli  # noqa: F401  # what forks find there

    import wsgi  # noqa: F401

    gc.freeze()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=descriptor) as orders:
        while True:
            order, descriptors, _flags, _address = socket.recv_fds(orders, LARGEST, 1)
            if not order:
                return
            bury()
            pid = os.fork()
            if pid == 0:
                orders.close()
                become(json.loads(order), descriptors[0])
            handle = os.pidfd_open(pid)
            socket.send_fds(orders, [str(pid).encode()], [handle])
            for one in (*descriptors, handle):
                os.close(one)


def bury() -> None:
    """Let go the processes that ended; one that nobody asked about yet keeps its number until then."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def become(order: dict[str, object], log: int) -> None:
    """In the fork: the process that its command says, until its end."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGINT)
    os.setsid()
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.environ.clear()
    os.environ.update(order["environment"])
    os.chdir(order["folder"])
    module, *arguments = order["argv"]
    sys.argv = [module, *arguments]
    code = 0
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main(int(sys.argv[1]))
