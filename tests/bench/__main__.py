"""`make bench`: requests a second, latencies, CPU, exact round trips, the sign-in storm. Not a test: figures, to be read.

    python -m tests.bench [--quick] [--workloads cc,refresh] [--runs 3] [--seconds 2] [--own] [--no-storm] [--no-targets] [--no-rights]

Through the outside harness where it is present (environment variable MAG_BENCH_HARNESS, else `../shared/bench` beside the
repository): MAG, npm oidc-provider and the floor are up together and loaded in turn, so that ratios survive a machine that
others use. Elsewhere MAG alone, through its own small harness; its own workloads (`grants.py`) always so, since the outside
harness knows its own eight. docs/performance.md says how to read what comes out.
"""

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack

from tests import services
from tests.bench import echelle, footprint, half, harness, load, masse, processes, saml, signatures, storm
from tests.bench.flows import WORKLOADS
from tests.bench.grants import OWN
from tests.bench.load import Run
from tests.bench.seed import Seeded, seed
from tests.bench.stores import OwnStores, Stores, Trips
from tests.bench.table import Row, loads_table, storm_table

ONE_CORE = ("--workers", "1")
Measure = Callable[[str, str, float], Run]
"""Target, workload, seconds."""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="What MAG costs.")
    parser.add_argument("--quick", action="store_true", help="one short run of each workload")
    parser.add_argument("--workloads", default=",".join((*WORKLOADS, *OWN)), help="some of %(default)s")
    parser.add_argument("--runs", type=int, help="runs of each workload and target")
    parser.add_argument("--seconds", type=float, help="seconds of a run")
    parser.add_argument("--own", action="store_true", help="MAG's own harness, even where the outside one is present")
    parser.add_argument("--no-load", action="store_true", help="the storm alone")
    parser.add_argument("--no-storm", action="store_true")
    parser.add_argument("--no-targets", action="store_true", help="without half load, RS256, cold start and memory")
    parser.add_argument("--no-rights", action="store_true", help="without the habilitations (H1 to H10)")
    parser.add_argument("--masse", action="store_true", help="a file of 300,000 lines and an act of 300,000 places, too")
    parser.add_argument("--scale", type=float, default=0.02, help="of the country of habilitations; 1: three million companies")
    parser.add_argument("--serve", default="", help="options of `mag serve` in the storm, such as '--workers 1'")
    found = parser.parse_args()
    found.workloads = [workload for workload in found.workloads.split(",") if workload]
    if unknown := set(found.workloads) - {*WORKLOADS, *OWN}:
        parser.error(f"unknown workloads: {', '.join(sorted(unknown))}")
    found.runs = found.runs or (1 if found.quick else 3)
    found.seconds = found.seconds or (1 if found.quick else 2)
    return found


def count(seeded: Seeded, stores: Stores, workloads: list[str]) -> dict[str, Trips]:
    """Round trips, on a server of one thread."""
    server = processes.serve(seeded, *ONE_CORE, "--threads", "1")
    try:
        return {workload: load.count_trips(seeded.target, stores, workload) for workload in workloads}
    finally:
        server.stop()


def compare(asked: argparse.Namespace, workloads: list[str], names: list[str], measure: Measure, trips: dict[str, Trips]) -> list[Row]:
    """Each workload on each target in turn, again and again, after one round that only warms up."""
    rows = []
    for workload in workloads:
        rounds: list[dict[str, Run]] = []
        for turn in range(asked.runs + 1):
            found = {name: measure(name, workload, asked.seconds if turn else 1) for name in names}
            if turn:
                rounds.append(found)
        rows.append(Row(workload, rounds, trips[workload]))
        print(f"  {workload}: {', '.join(f'{name} {run.cpu:.3f}' for name, run in rounds[-1].items())} CPU-s/1,000", flush=True)
    return rows


def alone(asked: argparse.Namespace, seeded: Seeded, workloads: list[str], trips: dict[str, Trips]) -> list[Row]:
    """MAG by itself, under its own load."""
    server = processes.serve(seeded, *ONE_CORE, cpu=0)

    def measure(_: str, workload: str, seconds: float) -> Run:
        return load.measure(seeded.target, server.process.pid, workload, seconds)

    try:
        load.pin_load()
        return compare(asked, workloads, ["mag"], measure, trips)
    finally:
        server.stop()


def targets(asked: argparse.Namespace, seeded: Seeded) -> None:
    """Prints what has a target of its own, beside the loads: MAG alone."""
    server = processes.serve(seeded, *ONE_CORE, cpu=0)
    load.pin_load()
    try:
        in_rsa = [workload for workload in signatures.SIGNED if f"{workload}_rs256" in asked.workloads]
        if in_rsa:
            found = signatures.table(seeded.target, server.process.pid, in_rsa, asked.runs, asked.seconds)
            print(f"\n### RS256 instead of ES256\n{found}", flush=True)
        print(f"\n### Half load\n{half.table(seeded.target, server.process.pid, asked.workloads, asked.seconds)}", flush=True)
    finally:
        server.stop()
    print(f"\n### Cold start and memory\n{footprint.table(seeded, asked.seconds)}", flush=True)


def storms(asked: argparse.Namespace, seeded: Seeded) -> dict[str, storm.Storm]:
    """On all CPUs, under the settings that MAG has by default unless the environment says otherwise.

    Once on one group of processes, once with sign-ins on a group of their own, of lower priority.
    """
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    server, apart = processes.serve(seeded, *asked.serve.split()), services.free_port()
    found = {}
    try:
        storm.run(seeded.target, 1)
        found["one group of processes"] = storm.run(seeded.target, 3 if asked.quick else 8)
        second = processes.serve(seeded, *asked.serve.split(), port=apart, nice=10)
        try:
            storm.run(seeded.target, 1, apart)
            found["sign-ins on a group of their own"] = storm.run(seeded.target, 3 if asked.quick else 8, apart)
        finally:
            second.stop()
    finally:
        server.stop()
    return found


def main() -> int:
    asked, outside = arguments(), harness.folder()
    began = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with ExitStack() as stack:
        stack.callback(processes.end_children)
        if outside and not asked.own and harness.install():
            pairs = harness.Harness(outside)
            stack.callback(pairs.stop)
            stores = pairs.stores
        else:
            pairs, own = None, OwnStores()
            stack.callback(own.stop)
            stores = own.stores
        stores.renew()
        seeded = seed(stores.database_url, stores.redis_url)
        if not asked.no_load:
            trips, rows = count(seeded, stores, asked.workloads), []
            together = [workload for workload in asked.workloads if pairs is not None and workload in WORKLOADS]
            if pairs is not None and together:
                pairs.start(seeded, *ONE_CORE)
                rows += compare(asked, together, list(pairs.targets), pairs.measure, trips)
                pairs.stop_servers()
            if others := [workload for workload in asked.workloads if workload not in together]:
                rows += alone(asked, seeded, others, trips)
            print(loads_table(rows), flush=True)
            print(f"\n### SAML\n{saml.table()}", flush=True)
        if not (asked.no_load or asked.no_targets):
            targets(asked, seeded)
        if not asked.no_storm:
            for name, found in storms(asked, seeded).items():
                print(f"\n### {name}\n{storm_table(found)}", flush=True)
    if not asked.no_rights:
        then = masse.both if asked.masse else lambda _country: None
        echelle.run(asked.scale, 1 if asked.quick else 2, ["sqlite", "postgresql"], then=then)
    print(f"\n{time.monotonic() - began:.0f} seconds.", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
