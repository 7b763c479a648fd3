"""The partner guide, tried as a new partner would: its file is registered, its application runs, its example says what the kit says."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask

import partners.kit
from idp.config import Settings
from idp.database import db
from idp.habilitations import catalogue
from idp.oidc.claims import SCOPE_CLAIMS
from idp.oidc.client import Client
from partners.declaration import read_declaration
from partners.kit.config import KitConfig
from partners.kit.habilitations import Habilitations
from tests.factories import un_declarant
from tests.journeys.portal import Portal
from tests.services import free_port

DOCS = Path(__file__).parents[2] / "docs"
GUIDE, OPERATION = ((DOCS / name).read_text("utf-8") for name in ("partenaires.md", "exploitation.md"))


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """MAG at an address that the kit can reach."""
    return replace(settings, issuer=f"http://mag.localhost:{free_port()}")


def block(language: str, holding: str = "") -> str:
    """The first block of code in a language that holds these words."""
    return next(text for text in re.findall(rf"```{language}\n(.*?)```", GUIDE, re.S) if holding in text)


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_the_application_of_the_guide_signs_somebody_in(served: Any, tmp_path: Path):
    file = tmp_path / "client.json"
    file.write_text(block("json"), "utf-8")
    words = ["partenaires", "inscrire", "mon-portail", "--nom", "Mon portail", "--client", str(file), "--client-id", "mon-portail"]
    told = served.flask.test_cli_runner().invoke(args=words).output
    served.mag.versions.refresh()
    with served.flask.app_context():
        catalogue.refresh(catalogue.parse(catalogue.shipped()), datetime.now(UTC))
        db.session.commit()
    served.mag.versions.refresh()
    un_declarant(served.flask)
    secret = told.split("client_secret : ")[1].split()[0]
    source = block("python").replace("https://mag.example.fr", served.mag.settings.issuer).replace("3kP…", secret)
    source = source.replace("from mag_kit import", "from partners.kit import")
    module: dict[str, Any] = {"__name__": "application"}
    exec(compile(source, "guide", "exec"), module)
    app: Flask = module["app"]
    portal = Portal(app, app.extensions["mag_kit"], served, "https://portail.example.fr")
    browser = portal.browser()

    assert portal.sign_in(browser, portal.mire()).location == "/espace"
    assert browser.get("/espace").json == {"nom": "Claire Lefèvre", "siret": "73282932000074", "declarer_dsn": False}
    out = browser.post("/auth/mag/logout")
    assert urlsplit(out.location).path == "/session/end"


COPIED = """
import sys
sys.path.insert(0, sys.argv[1])
sys.modules |= dict.fromkeys(("idp", "partners", "wsgi", "migrations"))  # their import fails from now on
from flask import Flask
from connexion_mag import MagKit, current_identity, require_mag
app = Flask("ailleurs")
app.secret_key = "k" * 40
MagKit(app, issuer="https://mag.example.fr", base_url="https://portail.example.fr", client_id="x", client_secret="y" * 40)
answer = app.test_client().get("/auth/mag/start?mode=popup")
print(answer.status_code, "valable" in answer.text)
"""


def test_the_kit_is_a_folder_that_is_copied_under_any_name(tmp_path: Path):
    """It needs nothing else of MAG, its pages come with it."""
    shutil.copytree(Path(partners.kit.__file__).parent, tmp_path / "connexion_mag")
    told = subprocess.run([sys.executable, "-c", COPIED, str(tmp_path)], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert (told.stdout.strip(), told.stderr) == ("400 True", "")


def test_the_file_of_partners_that_operators_start_from_is_accepted():
    """It says ES256 outright, and the kit of the guide expects it."""
    template = re.findall(r"```toml\n(.*?)```", OPERATION, re.S)[0]
    (client,) = read_declaration(template)[0].clients

    assert client.metadata["id_token_signed_response_alg"] == KitConfig.__dataclass_fields__["id_token_alg"].default


def test_the_example_of_habilitations_reads_as_it_is_told():
    rights = Habilitations(json.loads(block("json", '"g"'))["hab"])

    assert rights.peut("payer", "dsn", "73282932000074")
    assert rights.peut("declarer", "dpae", "39234600300198")
    assert rights.peut("payer", "ducs", "73282932000074")
    assert not rights.peut("payer", "ducs", "73282932000082")
    assert Habilitations(json.loads(block("json", '"_claim_names"'))["hab"]).services == {"dsn", "ducs"}


def test_the_guide_names_every_scope_and_every_member_of_a_client():
    table = GUIDE.split("## 5.")[1].split("## 6.")[0]
    unseen = {"chorusdt", "custom"}

    assert [scope for scope in SCOPE_CLAIMS if f"`{scope}`" not in table and scope not in unseen] == []
    members = GUIDE.split("## 13.")[1].split("## 14.")[0]
    assert all(hasattr(Client, name) for name in re.findall(r"^\| `([a-z_]+)` \|", members, re.M) if name != "sector_identifier")
