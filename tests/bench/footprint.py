"""What a node holds and how long it takes to begin: memory of two workers once loaded, and `mag serve` up to its first token.

Memory is proportional (PSS): what processes share is counted once, divided between them. A start is timed from before the process
exists to the answer of the token endpoint; the first one is not counted, since it may compile what an installation has compiled.
"""

import os
import statistics
import time

from tests.bench import load, processes
from tests.bench.flows import Flow
from tests.bench.seed import Seeded
from tests.bench.table import TARGETS, target_row

PER_WORKER, PER_NODE, WORKERS = 70, 200, 2
"""MiB, at most."""
FIRST_TOKEN, STARTS = 1.5, 5
LOADS = ("cc", "introspect", "userinfo", "refresh", "sso", "login")


def memory_rows(seeded: Seeded, seconds: float) -> list[str]:
    server = processes.serve(seeded, "--workers", str(WORKERS))
    try:
        for workload in LOADS:
            load.measure(seeded.target, server.process.pid, workload, seconds)
        first, *workers = processes.memory(server.process.pid)
    finally:
        server.stop()
    return [
        target_row("memory of the larger of two workers, loaded", PER_WORKER, max(workers), "MiB"),
        target_row(f"memory of the node (the first process, {first:.0f} MiB, and its workers)", PER_NODE, first + sum(workers), "MiB"),
    ]


def start(seeded: Seeded) -> tuple[float, float]:
    """Seconds by the clock and of processor, one worker. Bytecode is kept, as an installation has it."""
    began = time.perf_counter()
    server = processes.serve(seeded, "--workers", "1", PYTHONDONTWRITEBYTECODE="")
    flow = Flow(seeded.target)
    try:
        flow.cc()
        return time.perf_counter() - began, processes.cpu_seconds(server.process.pid)
    finally:
        flow.close()
        server.stop()


def start_rows(seeded: Seeded) -> list[str]:
    starts = [start(seeded) for _ in range(STARTS + 1)][1:]
    wall, cpu = (statistics.median(values) for values in zip(*starts, strict=True))
    return [
        target_row(f"first token after `mag serve`, by the clock, median of {STARTS}", FIRST_TOKEN, wall, "s"),
        target_row("the same, in processor", FIRST_TOKEN, cpu, "s"),
    ]


def table(seeded: Seeded, seconds: float) -> str:
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    return "\n".join([TARGETS, *start_rows(seeded), *memory_rows(seeded, seconds)])
