"""What the tests need beside Python: found, installed with apt when root on Debian, or named in one line each.

`python -m tests.services [name…]` checks and installs. The classes start one private server each: 127.0.0.1, a free port, a
temporary folder, no trace left; a server dies with the process that started it, whatever kills that process.
"""

import ctypes
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.nursery import Child, Nursery

START_TIMEOUT = 60
"""Seconds a server may take to answer."""
ROOM = 2 << 30
"""Bytes that must be free in memory for a cluster to be kept there."""


# ------------------------------------------------------------------------------------------------------------ finding them


def postgresql_folder() -> Path | None:
    """Where `initdb` and `postgres` are; Debian keeps them out of PATH."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: float(folder.parent.name), reverse=True)
    beside = [Path(found).parent for found in (shutil.which("initdb"),) if found]
    return next((folder for folder in (*versions, *beside) if (folder / "initdb").exists() and (folder / "postgres").exists()), None)


def chromium() -> str | None:
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def headless() -> str | None:
    """Chromium's shell without windows, where there is one: the same engine shows the same pages for half the work."""
    return shutil.which("chromium-headless-shell") or chromium()


def minibrowser() -> Path | None:
    """The browser that WebKitGTK comes with."""
    return next(iter(sorted(Path("/usr/lib").glob("*/webkit2gtk-4.*/MiniBrowser"), reverse=True)), None)


def webkit() -> bool:
    return bool(shutil.which("WebKitWebDriver") and shutil.which("Xvfb") and minibrowser())


def apache(module: str = "mod_auth_openidc") -> Path | None:
    found = Path(f"/usr/lib/apache2/modules/{module}.so")
    return Path("/usr/sbin/apache2") if found.exists() and Path("/usr/sbin/apache2").exists() else None


@dataclass(frozen=True)
class Need:
    """One thing the tests use, how to see it, and the Debian packages that bring it."""

    what: str
    packages: tuple[str, ...]
    find: Callable[[], object]
    optional: bool = False
    """Its tests are skipped, with a line that says so, or do with another, where it cannot be installed."""


NEEDS = {
    "postgresql": Need("PostgreSQL server (initdb, postgres)", ("postgresql",), postgresql_folder),
    "redis": Need("redis-server", ("redis-server",), lambda: shutil.which("redis-server")),
    "chromium": Need("Chromium", ("chromium",), chromium),
    "headless": Need(
        "Chromium's headless shell", ("chromium-headless-shell",), lambda: shutil.which("chromium-headless-shell"), optional=True
    ),
    "firefox": Need("Firefox ESR", ("firefox-esr",), lambda: shutil.which("firefox-esr"), optional=True),
    "webkit": Need("WebKitGTK and its driver, Xvfb", ("webkit2gtk-driver", "xvfb"), webkit, optional=True),
    "apache": Need("Apache with mod_auth_openidc", ("apache2-bin", "libapache2-mod-auth-openidc"), apache),
    "mellon": Need("Apache's mod_auth_mellon", ("apache2-bin", "libapache2-mod-auth-mellon"), lambda: apache("mod_auth_mellon")),
    "node": Need("Node.js", ("nodejs",), lambda: shutil.which("node")),
    "npm": Need("npm", ("npm",), lambda: shutil.which("npm")),
    "maven": Need(
        "Maven and a JDK",
        ("maven", "default-jdk-headless"),
        lambda: shutil.which("mvn") and shutil.which("javac"),
        optional=True,
    ),
    "php": Need("PHP on the command line", ("php-cli",), lambda: shutil.which("php")),
    "curl": Need("curl", ("curl",), lambda: shutil.which("curl")),
    "openssl": Need("openssl", ("openssl",), lambda: shutil.which("openssl")),
}


def install(missing: Sequence[Need]) -> None:
    """What is required at once; then each of the others alone, for apt-get installs nothing where it does not know one name."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    required = [package for need in missing if not need.optional for package in need.packages]
    lots = [lot for lot in (required, *(need.packages for need in missing if need.optional)) if lot]
    print(f"Installing {' '.join(package for lot in lots for package in lot)}…", flush=True)
    for command in (["update"], *(["install", "-y", "--no-install-recommends", *lot] for lot in lots)):
        subprocess.run(["apt-get", "-qq", *command], env=environment, check=False, stdout=subprocess.DEVNULL)


def main(names: Sequence[str]) -> int:
    needs = [NEEDS[name] for name in names or NEEDS]
    missing = [need for need in needs if not need.find()]
    if missing and os.geteuid() == 0 and shutil.which("apt-get"):
        install(missing)
        missing = [need for need in needs if not need.find()]
    for need in missing:
        print(f"{need.what} is missing: sudo apt-get install {' '.join(need.packages)}", file=sys.stderr)
    return 1 if any(not need.optional for need in missing) else 0


# ------------------------------------------------------------------------------------------------------------ running them


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def until(ready: Callable[[], Any], what: str) -> None:
    """Another process is asked again until it says yes."""
    deadline = time.monotonic() + START_TIMEOUT
    while not ready():
        assert time.monotonic() < deadline, f"{what}: never"
        time.sleep(0.02)


def _die_with_parent() -> None:
    """In the child, before it becomes the server: SIGINT when the thread that started it ends (Linux alone)."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGINT)


def scratch_folder(name: str) -> Path:
    """In memory where there is room: a database is hundreds of small files, copied for each test."""
    memory = Path("/dev/shm")  # the name that mkdtemp adds cannot be guessed
    roomy = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > ROOM
    return Path(tempfile.mkdtemp(prefix=f"mag-{name}-", dir=memory if roomy else None))


class Server:
    """A process that listens on a port of 127.0.0.1, ready when the constructor returns."""

    def __init__(
        self,
        command: Sequence[str],
        port: int,
        *,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        account: str | None = None,
        nursery: Nursery | None = None,
    ) -> None:
        self.port = port
        self.log = tempfile.TemporaryFile()  # noqa: SIM115  # lives as long as the process
        if nursery is not None:
            self.process: subprocess.Popen[bytes] | Child = nursery.start(
                command, log=self.log, environment=environment or os.environ, folder=folder or Path.cwd()
            )
        else:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=self.log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with_parent,  # noqa: PLW1509  # the child only calls prctl
                env=environment,
                cwd=folder,
                **as_account(account),
            )
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise

    def _wait(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                    return
            except OSError:
                time.sleep(0.02)
        raise RuntimeError(f"{self.process.args!r} does not listen on {self.port}:\n{self.output()}")

    def output(self) -> str:
        """The last of what it printed."""
        self.log.seek(0)
        return self.log.read()[-8000:].decode(errors="replace")

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)


def as_account(account: str | None) -> dict[str, Any]:
    """PostgreSQL refuses to run as root: who it runs as then."""
    if account is None or os.geteuid() != 0:
        return {}
    found = pwd.getpwnam(account)
    return {"user": found.pw_uid, "group": found.pw_gid, "extra_groups": []}


class PostgreSQL:
    """A cluster of our own, fast because it may lose everything when the machine stops."""

    SPEED = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "autovacuum=off", "wal_level=minimal", "max_wal_senders=0")
    ACCOUNTS = ("postgres", "nobody")
    BUFFERS = "64MB"

    def __init__(self) -> None:
        binaries = postgresql_folder()
        if binaries is None:
            raise RuntimeError("PostgreSQL is missing: run `make test`, or apt-get install postgresql")
        known = {account.pw_name for account in pwd.getpwall()}
        account = next(name for name in self.ACCOUNTS if name in known)
        self.folder = scratch_folder("postgresql")
        if os.geteuid() == 0:
            shutil.chown(self.folder, account)
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TZ": "UTC"}
        cluster, port = self.folder / "cluster", free_port()
        subprocess.run(
            [binaries / "initdb", "-D", cluster, "--auth=trust", "--username=mag", "--encoding=UTF8", "--no-sync", "--no-instructions"],
            check=True,
            stdout=subprocess.DEVNULL,
            env=environment,
            cwd=self.folder,
            **as_account(account),
        )
        command = [str(binaries / "postgres"), "-D", str(cluster), "-p", str(port), "-h", "127.0.0.1", "-k", ""]
        command += [word for option in (*self.SPEED, "max_connections=200", f"shared_buffers={self.BUFFERS}") for word in ("-c", option)]
        self.server = Server(command, port, environment=environment, folder=self.folder, account=account)
        self._discarded: list[str] = []
        self._connection = self._connect()

    def _connect(self) -> Any:
        import psycopg

        deadline = time.monotonic() + START_TIMEOUT
        while True:
            try:
                return psycopg.connect(host="127.0.0.1", port=self.server.port, user="mag", dbname="postgres", autocommit=True)
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    self.stop()
                    raise
                time.sleep(0.02)

    def url(self, name: str) -> str:
        return f"postgresql+psycopg://mag@127.0.0.1:{self.server.port}/{name}"

    def create(self, name: str, template: str = "template1") -> str:
        """A database, copied from a template that nobody is connected to; its address."""
        while self._discarded:
            self.drop(self._discarded.pop())
        self._connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy')
        return self.url(name)

    def drop(self, name: str) -> None:
        """Even under connections still open."""
        self._connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def discard(self, name: str) -> None:
        """Cut its connections now, drop it with the next creation: PostgreSQL waits a tenth of a second for a connection to end."""
        self.disconnect(self.url(name))
        self._discarded.append(name)

    def disconnect(self, url: str) -> None:
        """Cut every connection to a database, as a restart would."""
        self._connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [url.rsplit("/", 1)[1]])

    def stop(self) -> None:
        if connection := getattr(self, "_connection", None):
            connection.close()
        self.server.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class Redis:
    """A Redis of our own, without persistence."""

    def __init__(self) -> None:
        binary = shutil.which("redis-server")
        if binary is None:
            raise RuntimeError("redis-server is missing: run `make test`, or apt-get install redis-server")
        self.folder = scratch_folder("redis")
        port = free_port()
        command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(self.folder)]
        self.server = Server(command, port)
        self.url = f"redis://127.0.0.1:{port}/0"

    def stop(self) -> None:
        self.server.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
