"""CPU of one signed SAML response, in process, next to the signatures alone: `python -m tests.bench.saml`.

The whole of the request is there: the query's signature verified, the session found, what is told read, the assertion and the
response signed, the page made, the participation and the journal written (SQLite, no Redis). Each request is measured alone, a
signature after it; of all of them, the twentieth that cost least: what others do of the machine can only add to it.
"""

import tempfile
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from werkzeug.test import EnvironBuilder

from idp.authentication.session import COOKIE, open_session
from idp.config import Settings
from idp.database import db
from idp.declarants.models import Declarant
from tests import factories
from tests.conftest import ISSUER, QUICK_HASH, SECRETS, composed
from tests.databases import prepare
from tests.saml import Site, path_of, register

TIMES, TWENTIETH = 600, 20
CASES: dict[str, dict[str, Any]] = {
    "RS256, réponse et assertion": {"alg": "RS256"},
    "RS256, assertion": {"alg": "RS256", "sign": ["assertion"]},
    "ES256, assertion": {"alg": "ES256", "sign": ["assertion"]},
    "ES256, réponse et assertion": {"alg": "ES256"},
}


def cpu(act: Callable[[], Any]) -> float:
    """Milliseconds of this thread."""
    before = time.thread_time_ns()
    act()
    return (time.thread_time_ns() - before) / 1e6


def least(measures: Iterable[float]) -> float:
    """Of the twentieth that cost least."""
    return sorted(measures)[TIMES // TWENTIETH]


def cookie_of(doors: Any) -> str:
    """Somebody signed in."""
    person = factories.un_declarant(doors.flask, email="anne@exemple.fr")
    with doors.flask.app_context():
        declarant, now = db.session.get(Declarant, person.id), datetime.now(UTC)
        assert declarant is not None
        _, cookie = open_session(doors.mag.ephemeral, doors.mag.settings, declarant, amr=("pwd",), acr="eidas1", now=now)
        db.session.rollback()
    return cookie


def table() -> str:
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'mag.sqlite3'}"
        prepare(url)
        with composed(Settings(issuer=ISSUER, secrets=SECRETS, database_url=url, **QUICK_HASH)) as doors:
            cookie = cookie_of(doors)
            lines = [_line(doors, cookie, name, Site(f"mesure{index}"), choices) for index, (name, choices) in enumerate(CASES.items())]
    head = "| réponse SAML | requête, ms CPU | signatures seules, ms | part |\n| --- | ---: | ---: | ---: |"
    return "\n".join([head, *lines])


def _line(doors: Any, cookie: str, name: str, site: Site, choices: dict[str, Any]) -> str:
    register(doors, site, **choices)
    addresses = [path_of(site.address(site.request())) for _ in range(TIMES + 1)]
    sent = {"Cookie": f"{COOKIE}={cookie}"}
    environs = iter([EnvironBuilder(address, base_url=ISSUER, headers=sent).get_environ() for address in addresses])

    def answer() -> None:
        statuses: list[str] = []
        body = b"".join(doors(next(environs), lambda status, headers, _=None: statuses.append(status)))
        assert statuses == ["200 OK"], statuses
        assert b"SAMLResponse" in body

    answer()  # what is prepared once
    signer = doors.mag.saml.keys.published().signer(choices["alg"])
    measures = [(cpu(answer), cpu(lambda: signer.sign(b"x" * 600))) for _ in range(TIMES)]
    whole, signature = (least(column) for column in zip(*measures, strict=True))
    signing = signature * len(choices.get("sign", ("response", "assertion")))
    return f"| {name} | {whole:.2f} | {signing:.2f} | {signing / whole:.0%} |"


if __name__ == "__main__":
    print(table())
