"""MAG's own small harness, for where the outside one is not: a closed loop on several keep-alive connections, one process each.

No think time. The server runs on the first CPU, this load and the stores on the others, as far as there are any.
"""

import multiprocessing
import os
import resource
import time
from dataclasses import dataclass
from typing import Any

from tests.bench.connection import BrokenAnswerError
from tests.bench.flows import UnexpectedAnswerError
from tests.bench.grants import GrantFlow
from tests.bench.processes import busy_seconds, cpu_seconds
from tests.bench.stores import Stores, Trips

COUNTED = 60
"""Operations of which the round trips are counted, on one connection."""
CONNECTIONS = 8
ERRORS = (UnexpectedAnswerError, BrokenAnswerError, OSError)


@dataclass(frozen=True)
class Run:
    """One run of one workload on one target. Milliseconds, CPU seconds for 1,000 operations."""

    per_second: float
    p50: float
    p99: float
    cpu: float
    errors: int
    foreign: float
    """CPUs that others used meanwhile: above 0.2, judge by ratios and counters alone."""


def percentile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def _worker(target: dict[str, Any], workload: str, index: int, seconds: float, start: Any, out: Any) -> None:
    flow, latencies, errors, first = GrantFlow(target, index), [], 0, ""
    operation = getattr(flow, workload)
    try:
        flow.prepare(workload)
        operation()
    except ERRORS as error:
        errors, first = 1, repr(error)[:300]
    start.wait(120)
    end = time.monotonic() + seconds
    while (began := time.monotonic()) < end and errors <= 20:
        try:
            operation()
            latencies.append(time.monotonic() - began)
        except ERRORS as error:
            errors, first = errors + 1, first or repr(error)[:300]
    out.put((latencies, errors, first))


def measure(target: dict[str, Any], server: int, workload: str, seconds: float, connections: int = CONNECTIONS) -> Run:
    """Load a server whose first process is `server`."""
    start, out = multiprocessing.Barrier(connections + 1), multiprocessing.Queue()
    workers = [
        multiprocessing.Process(target=_worker, args=(target, workload, index, seconds, start, out), daemon=True)
        for index in range(connections)
    ]
    for worker in workers:
        worker.start()
    start.wait(120)
    before, busy, own, at = cpu_seconds(server), busy_seconds(), _own_cpu(), time.monotonic()
    found = [out.get() for _ in workers]
    spent, busy, elapsed = cpu_seconds(server) - before, busy_seconds() - busy, time.monotonic() - at
    for worker in workers:
        worker.join()
    latencies = sorted(1000 * latency for one in found for latency in one[0])
    errors = sum(one[1] for one in found)
    if errors:
        print(f"{workload}: {errors} errors, such as {next(one[2] for one in found if one[2])}", flush=True)
    return Run(
        len(latencies) / seconds,
        percentile(latencies, 0.5),
        percentile(latencies, 0.99),
        spent * 1000 / max(1, len(latencies)),
        errors,
        (busy - spent - (_own_cpu() - own)) / elapsed,
    )


def _send(target: dict[str, Any], workload: str, index: int, times: tuple[float, float, float], start: Any, out: Any) -> None:
    (first, every, seconds), flow, latencies, errors = times, GrantFlow(target, index), [], 0
    operation = getattr(flow, workload)
    flow.prepare(workload)
    operation()
    start.wait(120)
    at = time.monotonic() + first
    end = at + seconds
    while at < end:
        time.sleep(max(0.0, at - time.monotonic()))
        try:
            operation()
            latencies.append(1000 * (time.monotonic() - at))
        except ERRORS:
            errors += 1
        at += every
    out.put((latencies, errors))


def scheduled(
    target: dict[str, Any], workload: str, rate: float, seconds: float, connections: int = CONNECTIONS
) -> tuple[list[float], int]:
    """`rate` operations a second at fixed instants: latencies in order, from the instant planned (a queue shows), and errors."""
    start, out = multiprocessing.Barrier(connections), multiprocessing.Queue()
    times = [(0.2 + index / rate, connections / rate, seconds) for index in range(connections)]
    senders = [
        multiprocessing.Process(target=_send, args=(target, workload, index, times[index], start, out), daemon=True)
        for index in range(connections)
    ]
    for sender in senders:
        sender.start()
    found = [out.get() for _ in senders]
    for sender in senders:
        sender.join()
    return sorted(latency for one in found for latency in one[0]), sum(one[1] for one in found)


def _own_cpu() -> float:
    return sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2]) + sum(resource.getrusage(resource.RUSAGE_SELF)[:2])


def count_trips(target: dict[str, Any], stores: Stores, workload: str) -> Trips:
    """Round trips of one operation, counted by the stores. Exact on a server of one thread that nobody else uses."""
    flow = GrantFlow(target)
    operation = getattr(flow, workload)
    flow.prepare(workload)
    operation()
    before, idle = stores.counters(), stores.counters()
    times = 20 if workload == "login" else COUNTED
    for _ in range(times):
        operation()
    after = stores.counters()
    counting = idle[0] - before[0]
    return Trips((after[0] - idle[0] - counting) / times, (after[1] - idle[1]) / times)


def pin_load() -> None:
    """This process and its children leave the first CPU to the server."""
    others = os.sched_getaffinity(0) - {0}
    if others:
        os.sched_setaffinity(0, others)
