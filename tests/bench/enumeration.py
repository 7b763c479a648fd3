"""Does the time of an answer say whether somebody exists? (C34.) Not a test: a busy machine would make it lie; the suite counts work.

`python -m tests.bench.enumeration [pairs] [door…]`. At each door, somebody and nobody in random order within each pair, a new
browser, account and address each time; then both samples are compared (Mann-Whitney U, normal approximation). A door tells when
p < 0.001 and the medians differ by more than 2 ms and 8 %; one that tells makes the command fail.
"""

import itertools
import math
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from idp.config import Settings
from idp.entreprises.siret import Siret
from idp.errors import MagError
from tests.conftest import SECRETS, MagClient, prepare
from tests.factories import NOM, SIRET, csrf_in, se_connecter, un_administrateur, un_declarant
from tests.journeys.equipe import un_candidat
from tests.parcours import ORDER, Parcours, un_etablissement

ISSUER = "https://mag.test"
ELSEWHERE = "35600000000048"
PASSWORD = "ce n'est pas le bon"
INVITATIONS = 40
"""Of one administrator: an establishment may send a hundred in a day."""


@dataclass(frozen=True)
class Try:
    """One of a pair: `known` says whether this identity exists; `client` and `address` are new."""

    doors: Any
    number: int
    known: bool

    @property
    def nom(self) -> str:
        return f"{NOM if self.known else 'Personn'} {self.number}"

    @property
    def address(self) -> str:
        return f"10.{self.number % 250}.{self.number // 250 * 2 + self.known}.1"

    def client(self) -> MagClient:
        return MagClient(self.doors, ISSUER)

    def timed(self, client: MagClient, page: str, path: str, expected: int, **form: Any) -> float:
        """Milliseconds that the answer to the form of a page took."""
        sent = form | {"csrf": csrf_in(client.get(page).text)}
        before = time.perf_counter()
        response = client.post(path, data=sent, environ_overrides={"REMOTE_ADDR": self.address})
        elapsed = 1000 * (time.perf_counter() - before)
        assert response.status_code == expected, (path, response.status_code, response.text[:2000])
        return elapsed


def sirets() -> Iterator[str]:
    """Establishments of one company, as many as wanted."""
    for nic in itertools.count(10):
        try:
            yield str(Siret.parse(f"{SIRET[:9]}{nic:05}"))
        except MagError:
            continue


# ------------------------------------------------------------------------------------------------------------- five doors


def connexion(doors: Any, pairs: int) -> Callable[[Try], float]:
    for n in range(pairs):
        un_declarant(doors.flask, nom=f"{NOM} {n}")
    form = {"siret": SIRET, "prenom": "Claire", "password": PASSWORD}
    return lambda one: one.timed(one.client(), "/connexion", "/connexion", 422, nom=one.nom, **form)


def recours(doors: Any, pairs: int) -> Callable[[Try], float]:
    for n in range(pairs):
        un_declarant(doors.flask, nom=f"{NOM} {n}", email=f"ici{n}@exemple.fr", password=None)
    form = {"siret": SIRET, "prenom": "Claire", "voie": "courriel"}
    return lambda one: one.timed(one.client(), "/connexion/oubli", "/connexion/oubli", 303, nom=one.nom, **form)


def activation(doors: Any, pairs: int) -> Callable[[Try], float]:
    for n in range(pairs):
        un_candidat(doors.flask, nom=f"{NOM} {n}", prenom="Claire", email="ici0@exemple.fr")
    form = {"siret": SIRET, "prenom": "Claire", "email": "ici0@exemple.fr", "password": PASSWORD}
    return lambda one: one.timed(one.client(), "/activation", "/activation", 422, nom=one.nom, **form)


def inscription(doors: Any, pairs: int) -> Callable[[Try], float]:
    """The last step, which writes the mail; each pair at an establishment of its own, which has an administrator."""
    places = list(itertools.islice(sirets(), pairs))
    for n, siret in enumerate(places):
        un_etablissement(doors.flask, siret)
        un_administrateur(doors.flask, siret=siret, nom=f"{NOM} {n}", email=f"ici{n}@exemple.fr", password=None)

    def act(one: Try) -> float:
        client, email = one.client(), f"curieux{one.number}{one.known:d}@ailleurs.fr"
        typed = {"nom": one.nom, "prenom": "Claire", "email": email, "email2": email}
        Parcours(client, one.address).until(ORDER[-2], siret={"siret": places[one.number]}, identite=typed)
        return one.timed(client, "/inscription", "/inscription/recapitulatif", 303)

    return act


def invitation(doors: Any, pairs: int) -> Callable[[Try], float]:
    """By an administrator, to an address that somebody of another company has, or nobody."""
    inviting = []
    for siret in itertools.islice(sirets(), 2 * pairs // INVITATIONS + 1):
        un_etablissement(doors.flask, siret)
        un_administrateur(doors.flask, siret=siret, nom="Chef", email="chef@exemple.fr")
        client = MagClient(doors, ISSUER)
        assert se_connecter(client, siret=siret, nom="Chef").status_code == 303
        inviting.append((client, siret))
    for n in range(pairs):
        un_declarant(doors.flask, siret=ELSEWHERE, nom=f"{NOM} {n}", email=f"ici{n}@exemple.fr", password=None)

    def act(one: Try) -> float:
        client, siret = inviting[2 * one.number // INVITATIONS]
        form = {"nom": one.nom, "prenom": "Claire", "email": f"{'ici' if one.known else 'las'}{one.number}@exemple.fr", "siret": siret}
        return one.timed(client, "/equipe/inviter", "/equipe/inviter", 303, role="declarant", **form)

    return act


DOORS = {door.__name__: door for door in (connexion, recours, activation, inscription, invitation)}


# --------------------------------------------------------------------------------------------------------------- comparing


def mann_whitney(a: list[float], b: list[float]) -> float:
    """Two-sided p of the hypothesis that both come from one distribution."""
    order = sorted([(x, 0) for x in a] + [(x, 1) for x in b])
    rank_sum = sum(rank for rank, (_, sample) in enumerate(order, 1) if sample == 0)
    u = rank_sum - len(a) * (len(a) + 1) / 2
    mean = len(a) * len(b) / 2
    deviation = math.sqrt(len(a) * len(b) * (len(a) + len(b) + 1) / 12)
    return math.erfc(abs(u - mean) / deviation / math.sqrt(2))


def measure(door: Callable[[Any, int], Callable[[Try], float]], pairs: int) -> tuple[list[float], list[float]]:
    """Somebody, nobody: milliseconds. The first pair warms up and does not count."""
    samples: dict[bool, list[float]] = {True: [], False: []}
    with tempfile.TemporaryDirectory() as folder:
        from wsgi import create_wsgi

        database_url = f"sqlite:///{Path(folder) / 'mag.sqlite3'}"
        prepare(database_url)
        doors = create_wsgi(Settings(issuer=ISSUER, secrets=SECRETS, database_url=database_url))
        act = door(doors, pairs + 1)
        for n in range(pairs + 1):
            for known in random.sample((True, False), 2):
                samples[known].append(act(Try(doors, n, known)))
        doors.mag.messenger.stop()
    return samples[True][1:], samples[False][1:]


def main(pairs: int, names: list[str]) -> int:
    told = 0
    print("| door | somebody | nobody | gap | p |\n|---|---|---|---|---|")
    for name in names:
        known, unknown = measure(DOORS[name], pairs)
        p, medians = mann_whitney(known, unknown), (statistics.median(known), statistics.median(unknown))
        gap = abs(medians[0] - medians[1])
        tells = p < 0.001 and gap > 2 and gap / medians[1] > 0.08
        told += tells
        figures = f"{medians[0]:.2f} ms | {medians[1]:.2f} ms | {gap:.2f} ms ({gap / medians[1]:.1%}) | {p:.3f}"
        print(f"| {name} | {figures}{' **tells**' if tells else ''} |", flush=True)
    return int(told > 0)


if __name__ == "__main__":
    counts, doors_named = [word for word in sys.argv[1:] if word.isdigit()], [word for word in sys.argv[1:] if not word.isdigit()]
    sys.exit(main(int(counts[0]) if counts else 60, doors_named or list(DOORS)))
