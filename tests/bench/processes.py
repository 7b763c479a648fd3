"""Processes under load: MAG as `mag serve` serves it, and the CPU of a whole tree of processes."""

import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from tests import services
from tests.bench.seed import Seeded

TICK = os.sysconf("SC_CLK_TCK")
ROOT = Path(__file__).parent.parent.parent
MAG = (sys.executable, "-c", "from wsgi import command_line; command_line()")


def serve_command(port: int, *options: str) -> list[str]:
    """`mag serve` on this port, whatever the environment it was installed in."""
    return [*MAG, "serve", "--port", str(port), *options]


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """This process's environment, with no setting of MAG but these."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MAG_")}
    return {**inherited, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", **settings}


def serve(seeded: Seeded, *options: str, cpu: int | None = None, port: int = 0, nice: int = 0, **settings: str) -> services.Server:
    """Ready when it returns; the caller stops it. `cpu` pins it there; `nice` lowers its priority."""
    before = ["taskset", "-c", str(cpu)] if cpu is not None else ["nice", "-n", str(nice)] if nice else []
    port = port or seeded.port
    return services.Server([*before, *serve_command(port, *options)], port, environment=environment(seeded.environ | settings), folder=ROOT)


def _fields() -> dict[int, list[str]]:
    """What `/proc/PID/stat` says after the name, by process."""
    found = {}
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                found[int(process.name)] = (process / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
    return found


def _tree(root: int, found: dict[int, list[str]]) -> list[int]:
    """A process and its descendants, itself first."""
    tree = [root]
    for one in tree:
        tree += [process for process, fields in found.items() if int(fields[1]) == one]
    return tree


def cpu_seconds(root: int) -> float:
    """User and system seconds of a process, its descendants, and those of its children that ended."""
    found = _fields()
    return sum(sum(map(int, found[one][11:15])) / TICK for one in _tree(root, found) if one in found)


def memory(root: int) -> list[float]:
    """MiB of a process and of each of its descendants: proportional (PSS), so that their sum counts what they share once."""
    return [_pss(one) for one in _tree(root, _fields())]


def _pss(process: int) -> float:
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:"))


def end_children() -> None:
    """Whatever this process started and an error left behind."""
    for process, fields in _fields().items():
        if int(fields[1]) == os.getpid():
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGTERM)


def busy_seconds() -> float:
    """Seconds that all CPUs of this machine have worked, for anybody."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / TICK
