"""Providers above MAG, run for tests: npm's `oidc-provider` as ProConnect, as FranceConnect and as itself; people who sign in there."""

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urljoin, urlsplit

from flask import Flask

from idp.audit.models import AuditEvent
from idp.database import db
from idp.seals import Seals
from partners.amont import cles, fournisseurs, relying
from partners.amont.fournisseurs import Declared
from partners.amont.models import Fournisseur
from partners.amont.relying import Amont
from tests import services
from tests.conftest import ISSUER, SECRETS
from tests.interop.person import Browser

SECRET = "un-secret-donne-par-le-fournisseur:%+"
BROWSER = "navigateur-de-la-personne-1"
CERTIFICATION = "https://proconnect.gouv.fr/assurance/certification-dirigeant"
PEOPLE = {
    "proconnect": [
        {
            "sub": "pc-claire",
            "given_name": "Claire",
            "usual_name": "Lefèvre",
            "email": "claire.lefevre@exemple.fr",
            "uid": "u-claire",
            "siret": "73282932000074",
            "siren": "732829320",
            "idp_id": "71144ab3-ee1a-4401-b7b3-79b44f7daeeb",
            "roles": ["dirigeant"],
        },
        {"sub": "pc-faible", "given_name": "Paul", "usual_name": "Faible", "siret": "73282932000074", "acr": "eidas0"},
    ],
    "franceconnect": [
        {"sub": "fc-claire", "given_name": "Claire Marie", "family_name": "LEFEVRE", "preferred_username": "", "birthdate": "1980-01-01"},
        {"sub": "fc-autre", "given_name": "Paul", "family_name": "MARTIN"},
    ],
    "openid": [
        {"sub": "op-claire", "given_name": "Claire", "family_name": "Lefèvre", "email": "claire@exemple.fr"},
        {"sub": "op-faible", "given_name": "Paul", "family_name": "Faible", "acr": "urn:exemple:faible"},
    ],
}
"""Of each provider; `acr` is what they reach, when it is not what is asked; `lie`, what their ID tokens say wrongly."""


@dataclass(frozen=True)
class Upstream:
    """A provider that runs, and MAG as its client. Its `code` says which profile."""

    code: str
    port: int
    auth_method: str = "client_secret_post"
    client: Mapping[str, Any] = field(default_factory=dict)
    """Metadata of MAG there, beyond what every client has."""
    profil: str = ""
    mag: str = ISSUER
    """MAG's own issuer."""
    people: Sequence[Mapping[str, Any]] = ()
    """Those of the profile, when there are none."""

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/v2"

    def described(self) -> dict[str, Any]:
        secret = {} if self.auth_method == "private_key_jwt" else {"client_secret": SECRET}
        client = {"client_id": "mag", "token_endpoint_auth_method": self.auth_method, **secret, **self.client}
        kind = self.profil or self.code
        common = {"port": self.port, "as": kind, "clients": [client], "people": self.people or PEOPLE[kind]}
        return common | {"redirect_uri": f"{self.mag}/amont/retour", "out": f"{self.mag}/amont/sortie"}

    def declare(self, app: Flask, **changes: Any) -> Fournisseur:
        """As `mag amont ajouter` does. Needs an application context; commits."""
        kind = self.profil or self.code
        given: dict[str, Any] = {
            "code": self.code,
            "nom": {"proconnect": "ProConnect", "franceconnect": "FranceConnect"}.get(kind, "Portail d'essai"),
            "profil": kind,
            "issuer": self.issuer,
            "client_id": "mag",
            "auth_method": self.auth_method,
            "secret": "" if self.auth_method == "private_key_jwt" else SECRET,
            "usages": ["rattachement"] if kind == "openid" else ["inscription", "niveau", "connexion", "recours"],
        }
        made = fournisseurs.declare(amont_of(app), Declared(**given | changes), datetime.now(UTC))
        made.cles_sealed = KEYS.get(self.code, made.cles_sealed)
        db.session.commit()
        return made


KEYS: dict[str, bytes] = {}
"""MAG's own keys for a provider that must know them before it starts."""


def keys_known_before(code: str) -> dict[str, Any]:
    """A public JWK set for the provider's configuration; its private half is given to MAG by `declare`."""
    seals = Seals(SECRETS)
    KEYS[code] = cles.make(seals, code)
    return cles.published(seals, Fournisseur(code=code, cles_sealed=KEYS[code]))


def amont_of(app: Flask) -> Amont:
    found: Amont = app.extensions["mag_amont"]
    return found


@contextmanager
def running(upstreams: Sequence[Upstream], packages: Path, folder: Path) -> Iterator[None]:
    """One Node process for them all."""
    scripts = folder / "javascript"
    if not scripts.exists():
        shutil.copytree(Path(__file__).parent / "javascript", scripts)
        (scripts / "node_modules").symlink_to(packages)
    asked = folder / "providers.json"
    asked.write_text(json.dumps([one.described() for one in upstreams]))
    command = ["node", str(scripts / "oidc_provider" / "serve.mjs"), str(asked)]
    environment = {"PATH": os.environ["PATH"], "NODE_NO_WARNINGS": "1"}
    server = services.Server(command, upstreams[-1].port, environment=environment, folder=folder)
    try:
        yield
    except BaseException:
        print(server.output())
        raise
    finally:
        server.stop()


class Person(Browser):
    """Signs in at providers."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: dict[str, str] = {}
        """What MAG last asked."""

    def answers(self, address: str, account: str) -> dict[str, str]:
        """From where MAG sends them to what MAG receives. `account` empty: they refuse."""
        self.asked = dict(parse_qsl(urlsplit(address).query))
        page = self.follow(address, ISSUER)
        if page.status_code == 200:
            done = self.request("POST", urljoin(page.url, f"{urlsplit(page.url).path}"), data={"account": account})
            assert done.status_code == 303, done.text
            page = self.follow(urljoin(page.url, done.headers["Location"]), ISSUER)
        assert "Location" in page.headers, (page.status_code, page.text)
        where, _, query = page.headers["Location"].partition("?")
        assert where == f"{ISSUER}/amont/retour", page.headers["Location"]
        return dict(parse_qsl(query))


def started(app: Flask, fournisseur: Fournisseur, **changes: Any) -> str:
    """Where `relying.start` sends the browser BROWSER."""
    options: dict[str, Any] = {"browser": BROWSER, "back": "/compte", "bound": "essai", "now": datetime.now(UTC)}
    return relying.start(amont_of(app), fournisseur, "essai", **options | changes)


def finished(app: Flask, answer: Mapping[str, str], **changes: Any) -> relying.Arrived:
    options: dict[str, Any] = {"browser": BROWSER, "now": datetime.now(UTC)}
    return relying.finish(amont_of(app), answer, **options | changes)


def facts(kind: str) -> list[dict[str, Any]]:
    """Details of the journal's lines of this kind."""
    return [row.details for row in db.session.query(AuditEvent).filter_by(kind=kind).order_by(AuditEvent.id)]
