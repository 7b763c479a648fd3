"""Processes under load: MAG as `mag serve` serves it, and the CPU of a whole tree of processes."""

import os
import sys
from collections.abc import Mapping
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


def serve(seeded: Seeded, *options: str, cpu: int | None = None, **settings: str) -> services.Server:
    """Ready when it returns; the caller stops it. `cpu` pins it there."""
    pin = ["taskset", "-c", str(cpu)] if cpu is not None else []
    return services.Server(
        [*pin, *serve_command(seeded.port, *options)], seeded.port, environment=environment(seeded.environ | settings), folder=ROOT
    )


def cpu_seconds(root: int) -> float:
    """User and system seconds of a process, its descendants, and those of its children that ended."""
    children: dict[int, list[int]] = {}
    spent: dict[int, float] = {}
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            fields = (process / "stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(process.name))
        spent[int(process.name)] = sum(map(int, fields[11:15])) / TICK
    total, todo = 0.0, [root]
    while todo:
        one = todo.pop()
        total += spent.get(one, 0.0)
        todo += children.get(one, [])
    return total


def busy_seconds() -> float:
    """Seconds that all CPUs of this machine have worked, for anybody."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / TICK
