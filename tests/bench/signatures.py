"""RS256 instead of ES256: what `cc` and `refresh` cost more, next to RSA signatures alone, in turn. One token signed, then two.

Target (docs/performance.md): no more than 1.1 times the raw signatures. MAG's RSA keys have 3072 bits; 2048 is what other servers have.
"""

import multiprocessing
import os
import statistics
import time
from contextlib import suppress
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.bench import load
from tests.bench.table import TARGETS, target_row

SIGNED = {"cc": 1, "refresh": 2}
"""Tokens of one operation."""
MOST, SIZES = 1.1, (2048, 3072)
SIGNATURES, MESSAGE = 200, b"x" * 600


def _sign(bits: int, cpu: int, out: Any) -> None:
    with suppress(OSError):  # not one of ours: wherever it may
        os.sched_setaffinity(0, {cpu})
    key = rsa.generate_private_key(65537, bits)
    key.sign(MESSAGE, padding.PKCS1v15(), hashes.SHA256())
    before = time.process_time()
    for _ in range(SIGNATURES):
        key.sign(MESSAGE, padding.PKCS1v15(), hashes.SHA256())
    out.put((time.process_time() - before) / SIGNATURES * 1e6)


def raw(bits: int, cpu: int = 0) -> float:
    """Microseconds of processor of one RSA signature, in a process on the server's CPU."""
    out: Any = multiprocessing.Queue()
    signer = multiprocessing.Process(target=_sign, args=(bits, cpu, out), daemon=True)
    signer.start()
    while out.empty() and signer.is_alive():
        pass  # as busy as the generator of load is: two virtual CPUs may share a core
    found: float = out.get(timeout=10)
    signer.join()
    return found


def table(target: dict[str, Any], server: int, workloads: list[str], runs: int, seconds: float) -> str:
    """Medians of rounds, each of which measures everything in turn; the first only warms up."""
    rounds: list[dict[str, float]] = []
    for turn in range(runs + 1):
        found = {f"raw {bits}": raw(bits) for bits in SIZES}
        for workload in workloads:
            for name in (workload, f"{workload}_rs256"):
                found[name] = 1000 * load.measure(target, server, name, seconds if turn else 1).cpu
        rounds.append(found)
    lines = [TARGETS]
    for workload in workloads:
        added = statistics.median(one[f"{workload}_rs256"] - one[workload] for one in rounds[1:])
        for bits in SIZES:
            alone = SIGNED[workload] * statistics.median(one[f"raw {bits}"] for one in rounds[1:])
            what = f"`{workload}` in RS256 adds {added:.0f} µs; {SIGNED[workload]} × RSA-{bits} alone {alone:.0f} µs"
            lines.append(target_row(what, MOST, added / alone, "×"))
    return "\n".join(lines)
