"""What a bench found, as Markdown."""

import statistics
from dataclasses import dataclass

from tests.bench.harness import FLOOR, PEER
from tests.bench.load import Run
from tests.bench.stores import Trips
from tests.bench.storm import Latencies, Storm

DISTURBED = 0.3
"""CPUs used by others during a run, beyond which absolute figures say little."""


@dataclass(frozen=True)
class Row:
    """One workload: rounds of interleaved runs, by target, and MAG's round trips."""

    workload: str
    rounds: list[dict[str, Run]]
    trips: Trips

    def median(self, name: str, member: str) -> float:
        return statistics.median(getattr(one[name], member) for one in self.rounds)

    def ratio(self, peer: str) -> str:
        """CPU of MAG over that of a peer: median of the rounds, least and most."""
        if peer not in self.rounds[0]:
            return "-"
        found = sorted(one["mag"].cpu / one[peer].cpu for one in self.rounds if one[peer].cpu)
        if not found:
            return "-"
        return f"**{statistics.median(found):.2f}** ({found[0]:.2f}-{found[-1]:.2f})"

    def per_second(self) -> str:
        return " / ".join(f"{self.median(name, 'per_second'):,.0f}" for name in self.rounds[0])


def loads_table(rows: list[Row]) -> str:
    names = " / ".join(rows[0].rounds[0]) if rows else ""
    lines = [
        f"\n| workload | ops/s/core ({names}) | MAG p50, p99 ms | MAG CPU-s/1,000 | CPU / {PEER} | CPU / {FLOOR} | Redis trips | SQL |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        latencies = f"{row.median('mag', 'p50'):.1f}, {row.median('mag', 'p99'):.1f}"
        lines.append(
            f"| {row.workload} | {row.per_second()} | {latencies} | {row.median('mag', 'cpu'):.3f} "
            f"| {row.ratio(PEER)} | {row.ratio(FLOOR)} | {row.trips.redis:.2f} | {row.trips.sql:.2f} |"
        )
    foreign = statistics.median(run.foreign for row in rows for one in row.rounds for run in one.values())
    if foreign > DISTURBED:
        lines.append(f"\nOthers used {foreign:.1f} CPU meanwhile: trust ratios and round trips, not the rest.")
    return "\n".join(lines)


TARGETS = "| what | target | measured | target / measured |\n| --- | --- | --- | --- |"


def target_row(what: str, target: float, measured: float, unit: str) -> str:
    """Less is better: held from 1 up."""
    return f"| {what} | ≤ {target:,.4g} {unit} | {measured:,.4g} {unit} | **{target / measured:.2f}** |"


def storm_table(found: Storm) -> str:
    def line(name: str, what: Latencies) -> str:
        return f"| {name} | {what.p50:.1f} | {what.p99:.1f} | {what.most:.1f} | {what.errors} |"

    return "\n".join(
        [
            "\n| tokens, 200 a second on schedule | p50 ms | p99 ms | max ms | errors |",
            "| --- | --- | --- | --- | --- |",
            line("quiet", found.quiet),
            line("50 connections hammer the sign-in", found.stormy),
            f"\np99 in the storm: {found.ratio:.1f} times its quiet value. Sign-ins: {found.sign_ins:.0f} a second, "
            f"p99 {found.sign_in_p99:.0f} ms; refused {found.refused:.0f} a second.",
        ]
    )
