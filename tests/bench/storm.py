"""The sign-in storm: how long tokens take while fifty connections hammer the sign-in page.

Tokens are asked at a fixed rate, on a schedule, and their latency counts from the scheduled instant: a queue shows. Each
hammering connection reads the page once, then posts its form as fast as it is answered. Sign-ins may go to a group of processes
of their own, as a large site's proxy sends them (docs/exploitation.md).
"""

import multiprocessing
import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

from tests.bench.flows import Flow, sign_in_form
from tests.bench.load import ERRORS, percentile, scheduled

RATE, SENDERS, HAMMERS = 200, 4, 50
"""Tokens a second, on so many connections; sign-ins hammered at once."""
WARM_UP = 0.5


@dataclass(frozen=True)
class Latencies:
    """Milliseconds."""

    p50: float
    p99: float
    most: float
    errors: int = 0


@dataclass(frozen=True)
class Storm:
    quiet: Latencies
    stormy: Latencies
    sign_ins: float
    """Answered a second."""
    refused: float
    """503 a second: the queue of hashes was full."""
    sign_in_p99: float

    @property
    def ratio(self) -> float:
        return self.stormy.p99 / self.quiet.p99


def tokens(target: dict[str, Any], seconds: float) -> Latencies:
    """Ask for tokens on schedule."""
    latencies, errors = scheduled(target, "cc", RATE, seconds, SENDERS)
    return Latencies(percentile(latencies, 0.5), percentile(latencies, 0.99), percentile(latencies, 1), errors)


def _hammer(target: dict[str, Any], port: int, index: int, end: float, seen: list[tuple[int, float]]) -> None:
    flow = Flow(target, index)
    flow.connection.port = port
    try:
        form = sign_in_form(flow.connection.get("/connexion").body.decode(), flow.user)
        while (began := time.monotonic()) < end:
            answer = flow.connection.post("/connexion", form, f"Origin: {target['base']}\r\n")
            seen.append((answer.status, 1000 * (time.monotonic() - began)))
    except ERRORS:
        seen.append((0, 0.0))


def _hammers(target: dict[str, Any], port: int, seconds: float, out: Any) -> None:
    seen: list[tuple[int, float]] = []
    end = time.monotonic() + seconds
    threads = [threading.Thread(target=_hammer, args=(target, port, i, end, seen)) for i in range(HAMMERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    out.put(seen)


def run(target: dict[str, Any], seconds: float, port: int = 0) -> Storm:
    """Quiet, then stormy; sign-ins go to `port`, when they have processes of their own."""
    quiet, out = tokens(target, seconds), multiprocessing.Queue()
    lasting = seconds + WARM_UP + 1
    hammers = multiprocessing.Process(target=_hammers, args=(target, port, lasting, out), daemon=True)
    hammers.start()
    time.sleep(WARM_UP)
    stormy = tokens(target, seconds)
    seen = out.get()
    hammers.join()
    statuses = Counter(status for status, _ in seen)
    if odd := {status: n for status, n in statuses.items() if status not in (303, 503)}:
        print(f"sign-ins answered otherwise: {odd}", flush=True)
    took = sorted(latency for status, latency in seen if status == 303)
    return Storm(quiet, stormy, statuses[303] / lasting, statuses[503] / lasting, percentile(took, 0.99))
