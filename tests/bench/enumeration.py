"""Does the time of a refusal say whether somebody exists? (C34.) Not a test: a busy machine would make it lie.

`python -m tests.bench.enumeration [pairs]` signs in wrongly as somebody and as nobody, in random order within each pair, a
new browser, account and address each time, then compares the two samples (Mann-Whitney U, normal approximation). It fails
when p < 0.001 and the medians differ by more than 2 ms and 8 %.
"""

import math
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

from idp.config import Settings
from tests.conftest import SECRETS, MagClient, prepare
from tests.factories import NOM, SIRET, csrf_in, un_declarant
from wsgi import create_wsgi

PASSWORD = "ce n'est pas le bon"


def mann_whitney(a: list[float], b: list[float]) -> float:
    """Two-sided p of the hypothesis that both come from one distribution."""
    order = sorted([(x, 0) for x in a] + [(x, 1) for x in b])
    rank_sum = sum(rank for rank, (_, sample) in enumerate(order, 1) if sample == 0)
    u = rank_sum - len(a) * (len(a) + 1) / 2
    mean = len(a) * len(b) / 2
    deviation = math.sqrt(len(a) * len(b) * (len(a) + len(b) + 1) / 12)
    return math.erfc(abs(u - mean) / deviation / math.sqrt(2))


def attempt(doors: object, nom: str, address: str) -> float:
    """Milliseconds that one refusal took."""
    client = MagClient(doors, "https://mag.test")
    form = {"siret": SIRET, "nom": nom, "prenom": "Claire", "password": PASSWORD, "csrf": csrf_in(client.get("/connexion").text)}
    before = time.perf_counter()
    response = client.post("/connexion", data=form, environ_overrides={"REMOTE_ADDR": address})
    elapsed = 1000 * (time.perf_counter() - before)
    assert response.status_code == 422
    return elapsed


def measure(doors: object, pairs: int) -> tuple[list[float], list[float]]:
    known: list[float] = []
    unknown: list[float] = []
    for n in range(pairs):
        tries = [(known, f"{NOM} {n}"), (unknown, f"Personn {n}")]
        random.shuffle(tries)
        for i, (sample, nom) in enumerate(tries):
            sample.append(attempt(doors, nom, f"10.{n % 250}.{n // 250 * 2 + i}.1"))
    return known, unknown


def main(pairs: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        database_url = f"sqlite:///{Path(folder) / 'mag.sqlite3'}"
        prepare(database_url)
        doors = create_wsgi(Settings(issuer="https://mag.test", secrets=SECRETS, database_url=database_url))
        for n in range(pairs):
            un_declarant(doors.flask, nom=f"{NOM} {n}")
        attempt(doors, "Personne", "10.255.0.1")
        known, unknown = measure(doors, pairs)
    p, gap = mann_whitney(known, unknown), abs(statistics.median(known) - statistics.median(unknown))
    share = gap / statistics.median(unknown)
    print(f"somebody {statistics.median(known):.2f} ms, nobody {statistics.median(unknown):.2f} ms")
    print(f"gap {gap:.2f} ms ({share:.1%}), p = {p:.4f}")
    told = p < 0.001 and gap > 2 and share > 0.08
    print("the time tells" if told else "the time does not tell")
    return int(told)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 60))
