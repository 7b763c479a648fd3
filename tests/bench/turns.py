"""`python -m tests.bench.turns`: refreshes and hops by turns of half a second, MAG, npm oidc-provider and the floor one after the other.

A shared machine changes its speed within seconds: runs of several seconds then compare one moment with another. Here everybody is
signed in before anything is counted, each turn is too short for the machine to change much, and there are forty of each. Needs the
outside harness (see `tests.bench`). docs/performance.md says how to read what comes out.
"""

import argparse
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from tests.bench import processes
from tests.bench.harness import FLOOR, PEER, Harness, folder, install
from tests.bench.load import CONNECTIONS
from tests.bench.seed import seed

WORKLOADS = ("sso", "hop", "refresh")
WARM_UP = 2
"""Turns of each that do not count."""
Turn = tuple[float, int]
"""Seconds of processor of a server, and what it answered meanwhile."""


class Riders:
    """Connections to one server, one process each: signed in, then at rest but during its turns."""

    def __init__(self, flow: Any, target: dict[str, Any], workload: str) -> None:
        context = multiprocessing.get_context("fork")
        self.go, self.over = context.Event(), context.Event()
        self.resting, self.counts = context.Array("i", CONNECTIONS), context.Array("q", CONNECTIONS)
        if workload == "hop":
            target = target | {"client": target.get("brief", target["client"])}
        riders = [(flow, target, workload, index) for index in range(CONNECTIONS)]
        self.processes = [context.Process(target=self._ride, args=rider, daemon=True) for rider in riders]
        for process in self.processes:
            process.start()

    def _ride(self, flow: Any, target: dict[str, Any], workload: str, index: int) -> None:
        os.sched_setaffinity(0, os.sched_getaffinity(0) - {0} or {0})
        one = flow.Flow(target, index)
        refresh_token = one.exchange().get("refresh_token")
        self.resting[index] = 1
        while not self.over.is_set():
            if not self.go.wait(0.2):
                continue
            self.resting[index], done = 0, 0
            while self.go.is_set():
                if workload == "refresh":
                    refresh_token = one.token(grant_type="refresh_token", refresh_token=refresh_token)["refresh_token"]
                else:
                    one.exchange()
                done += 1
            self.counts[index] += done
            self.resting[index] = 1

    def rest(self) -> None:
        """Until the last answer of a turn came. Raises RuntimeError when one never does."""
        until = time.monotonic() + 60
        while sum(self.resting) < CONNECTIONS:
            if time.monotonic() > until or not all(process.is_alive() for process in self.processes):
                raise RuntimeError("a connection was lost")
            time.sleep(0.005)

    def turn(self, server: Any, seconds: float) -> Turn:
        before, answered = server.cpu()[0], sum(self.counts)
        self.go.set()
        time.sleep(seconds)
        self.go.clear()
        self.rest()
        return server.cpu()[0] - before, sum(self.counts) - answered

    def stop(self) -> None:
        self.over.set()
        for process in self.processes:
            process.join(2)


@contextmanager
def ready(pairs: Harness, workload: str) -> Iterator[dict[str, Riders]]:
    """Everybody signed in, everywhere."""
    with ExitStack() as stack:
        found = {}
        for name, target in pairs.targets.items():
            found[name] = Riders(pairs.flow, target, workload)
            stack.callback(found[name].stop)
        for riders in found.values():
            riders.rest()
        yield found


def measure(pairs: Harness, workload: str, turns: int, seconds: float) -> dict[str, list[Turn]]:
    found: dict[str, list[Turn]] = {name: [] for name in pairs.targets}
    with ready(pairs, workload) as riders:
        for number in range(turns + WARM_UP):
            for name in list(riders) if number % 2 else reversed(list(riders)):
                took = riders[name].turn(pairs.servers[name], seconds)
                if number >= WARM_UP:
                    found[name].append(took)
    return found


def cost(turns: list[Turn]) -> float:
    """Seconds of processor for a thousand."""
    return sum(cpu for cpu, _ in turns) * 1000 / sum(answers for _, answers in turns)


def ratio(ours: list[Turn], theirs: list[Turn]) -> str:
    """Of all turns together; the quartiles of the ratios turn by turn, but for turns too short for the clock or for an answer."""
    each = [(one, other) for one, other in zip(ours, theirs, strict=True) if all((*one, *other))]
    low, _, high = statistics.quantiles([cost([one]) / cost([other]) for one, other in each], n=4)
    return f"**{cost(ours) / cost(theirs):.2f}** ({low:.2f}-{high:.2f})"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.turns", description="Ratios by short turns.")
    parser.add_argument("--workloads", default=",".join(WORKLOADS), help="some of %(default)s")
    parser.add_argument("--turns", type=int, default=40, help="of each server")
    parser.add_argument("--seconds", type=float, default=0.5, help="of a turn")
    asked = parser.parse_args()
    if asked.turns < 2 or not set(asked.workloads.split(",")) <= set(WORKLOADS):
        parser.error("two turns or more, of these workloads")
    outside = folder()
    if outside is None or not install():
        parser.error("the outside harness is needed: MAG_BENCH_HARNESS")
    with ExitStack() as stack:
        stack.callback(processes.end_children)
        pairs = Harness(outside)
        stack.callback(pairs.stop)
        pairs.stores.renew()
        pairs.start(seed(pairs.stores.database_url, pairs.stores.redis_url), "--workers", "1")
        print(
            "| workload | MAG, oidc-provider, floor: CPU-s/1,000 | MAG / oidc-provider | MAG / floor |\n| --- | --- | --- | --- |",
            flush=True,
        )
        for workload in asked.workloads.split(","):
            found = measure(pairs, workload, asked.turns, asked.seconds)
            costs = " / ".join(f"{cost(found[name]):.3f}" for name in ("mag", PEER, FLOOR))
            ratios = " | ".join(ratio(found["mag"], found[name]) for name in (PEER, FLOOR))
            print(f"| {workload} | {costs} | {ratios} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
