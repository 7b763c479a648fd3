"""What protocol tests start from: a partner in the registry, a person, a browser already signed in, the journey of a code."""

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from werkzeug.test import Client, TestResponse

from idp.audit.models import AuditEvent
from idp.authentication.levels import AMR
from idp.authentication.session import COOKIE, open_session
from idp.config import Settings
from idp.database import db
from idp.declarants.identite import Identite
from idp.declarants.inscription import inscrire
from idp.declarants.models import Declarant
from idp.entreprises.siret import Siret
from idp.habilitations import catalogue
from tests.conftest import ISSUER, QUICK_HASH, SECRETS, composed
from tests.protocol.relying import Partner, Tokens, register

SIRET = "73282932000074"
numbers = count(1)


@pytest.fixture(scope="module")
def standing_choices() -> dict[str, Any]:
    """Settings of `standing_app` that a file changes."""
    return {}


@pytest.fixture(scope="module")
def standing_app(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory, standing_choices: dict[str, Any]) -> Iterator[Any]:
    """One application for a whole file, on SQLite: for tests of requests that leave nothing behind.

    Such a file says: `wsgi_app = pytest.fixture(lambda standing_app: standing_app)`.
    """
    path = tmp_path_factory.mktemp("standing") / "mag.sqlite3"
    shutil.copyfile(sqlite_template, path)
    with composed(Settings(issuer=ISSUER, secrets=SECRETS, database_url=f"sqlite:///{path}", **QUICK_HASH, **standing_choices)) as doors:
        yield doors


@pytest.fixture
def partner(wsgi_app: Any) -> Callable[..., Partner]:
    """`partner("portail", **metadata)`: a confidential client allowed to renew, unless the metadata of RFC 7591 say otherwise."""

    return partial(register, wsgi_app)


@pytest.fixture
def services(wsgi_app: Any) -> None:
    """The catalogue of services that MAG comes with."""
    with wsgi_app.flask.app_context():
        catalogue.refresh(catalogue.parse(catalogue.shipped()), datetime.now(UTC))
        db.session.commit()
    wsgi_app.mag.versions.refresh()


@pytest.fixture
def new_declarant(wsgi_app: Any) -> Callable[..., int]:
    """`new_declarant(**contact)`: an active person; its identifier."""

    def make(siret: str = SIRET, nom: str = "Lefèvre", prenom: str = "", **contact: Any) -> int:
        with wsgi_app.flask.app_context():
            found = inscrire(Identite(Siret(siret), nom, prenom or f"Anne {next(numbers)}"), datetime.now(UTC), **contact)
            found.email_verified = found.email is not None
            db.session.commit()
            return found.id

    return make


@pytest.fixture
def un_declarant(new_declarant: Callable[..., int]) -> int:
    return new_declarant(email="anne.lefevre@exemple.fr", fonction="comptable", telephone="+33123456789")


@pytest.fixture
def sign_in(wsgi_app: Any) -> Callable[..., None]:
    """`sign_in(browser, declarant_id)`: the browser now bears the cookie of a session that was really opened."""

    def act(browser: Client, declarant_id: int, *, at: datetime | None = None, acr: str = "eidas1", amr: tuple[str, ...] = AMR) -> None:
        mag = wsgi_app.mag
        presented = browser.get_cookie(COOKIE, domain="mag.test")
        with wsgi_app.flask.app_context():
            declarant = db.session.get(Declarant, declarant_id)
            assert declarant is not None
            _, cookie = open_session(
                mag.ephemeral,
                mag.settings,
                declarant,
                amr=amr,
                acr=acr,
                now=at or datetime.now(UTC),
                presented=presented.value if presented else "",
            )
            db.session.rollback()
        browser.set_cookie(COOKIE, cookie, domain="mag.test", secure=True, httponly=True, samesite="Lax")

    return act


@pytest.fixture
def browser_of(new_client: Callable[[], Client], sign_in: Callable[..., None]) -> Callable[[int], Client]:
    """`browser_of(declarant_id)`: a browser where this person is signed in."""

    def make(declarant_id: int) -> Client:
        browser = new_client()
        sign_in(browser, declarant_id)
        return browser

    return make


@pytest.fixture
def signed_in(browser_of: Callable[[int], Client], un_declarant: int) -> Client:
    """A browser where `un_declarant` is signed in."""
    return browser_of(un_declarant)


@pytest.fixture
def send(wsgi_app: Any) -> Callable[..., TestResponse]:
    """`send("/reg", json=…, token=…)`: a machine's request, under the token that manages a client."""

    def call(path: str, method: str = "POST", *, token: str = "", **options: Any) -> TestResponse:
        headers = {**({"Authorization": f"Bearer {token}"} if token else {}), **options.pop("headers", {})}
        machine = Client(wsgi_app, use_cookies=False)
        return machine.open(path, method=method, base_url=wsgi_app.mag.settings.issuer_origin, headers=headers, **options)

    return call


@pytest.fixture
def code_flow(signed_in: Client) -> Callable[..., Tokens]:
    """`code_flow(partner, **request)`: authorize, code, tokens, with PKCE."""

    def flow(partner: Partner, *, browser: Client | None = None, **changes: str | None) -> Tokens:
        return partner.tokens(partner.redeem(partner.code(browser or signed_in, **changes)))

    return flow


@pytest.fixture
def journal(wsgi_app: Any) -> Callable[[str], list[dict[str, Any]]]:
    """`journal("CodeReplayed")`: the lines of one kind, oldest first."""

    def lines(kind: str) -> list[dict[str, Any]]:
        with wsgi_app.flask.app_context():
            found = db.session.scalars(select(AuditEvent).filter_by(kind=kind).order_by(AuditEvent.id))
            return [{"client_id": row.client_id, "declarant_id": row.declarant_id, "outcome": row.outcome, **row.details} for row in found]

    return lines
