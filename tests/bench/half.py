"""Latencies at half load: each workload at half of what it does in a closed loop, at fixed instants, as the storm counts them.

A latency runs from the instant planned: a queue shows. The closed loop is that of the same generator, just before, so that a generator
slower than `wrk` halves its own figure. A sign-in may take twice what one takes alone.
"""

from typing import Any

from tests.bench import load
from tests.bench.load import percentile
from tests.bench.table import TARGETS, target_row

P99 = {"discovery": 2, "jwks": 2, "cc": 3, "introspect": 3, "userinfo": 3, "refresh": 4, "sso": 6}
"""Milliseconds, at most."""
ALONE = 2
"""Times a sign-in on one connection."""


def table(target: dict[str, Any], server: int, workloads: list[str], seconds: float) -> str:
    lines, others = [TARGETS], []
    for workload in workloads:
        rate = load.measure(target, server, workload, seconds).per_second / 2
        if not rate:
            others.append(f"{workload}: nothing was answered")
            continue
        wanted = ALONE * load.measure(target, server, workload, seconds, connections=1).p50 if workload == "login" else P99.get(workload)
        latencies, errors = load.scheduled(target, workload, rate, 3 * seconds)
        p99, failed = percentile(latencies, 0.99), f", {errors} errors" if errors else ""
        if wanted:
            lines.append(target_row(f"`{workload}`, p99 at {rate:,.0f} a second{failed}", wanted, p99, "ms"))
        else:
            others.append(f"{workload} {p99:.1f} at {rate:,.0f} a second{failed}")
    return "\n".join([*lines, *([f"\nWithout a target, p99 in ms: {'; '.join(others)}."] if others else [])])
