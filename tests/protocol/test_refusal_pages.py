"""Pages that refuse: a code that never changes its meaning, an incident number, a way to the assistance."""

import re
from dataclasses import replace
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest

from idp.config import Settings
from idp.errors import SettingError
from tests.factories import une_demande_de

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


@pytest.fixture
def settings(settings: Settings, request) -> Settings:
    return replace(settings, support_url=getattr(request, "param", "https://aide.exemple.fr/demande?produit=mag"))


def support(page) -> dict[str, list[str]]:
    found = re.search(r'<a href="(https://aide[^"]*)"', page.text)
    return parse_qs(urlsplit(unescape(found[1])).query) if found else {}


@pytest.mark.parametrize(
    ("method", "path", "status", "number"),
    [
        ("GET", "/nulle-part", 404, "M000404"),
        ("PUT", "/connexion", 405, "M000405"),
        ("GET", "/connexion?demande=%00", 400, "M000402"),
        ("POST", "/deconnexion", 403, "M000403"),
        ("GET", "/connexion/appareil/inconnu", 404, "M400008"),
        ("GET", "/authorize?client_id=inconnu", 400, "M500001"),
        ("GET", "/session/end?id_token_hint=faux", 400, "M500002"),
        ("GET", "/connexion?demande=inconnue", 400, "M400006"),
    ],
)
def test_each_refusal_shows_its_code_and_the_incident(client, method, path, status, number):
    page = client.open(path, method=method)

    assert page.status_code == status
    assert f"<code>{number}</code>" in page.text
    assert f"<code>{page.headers['X-Request-ID']}</code>" in page.text
    assert support(page)["code"] == [number]
    assert support(page)["trace"] == [page.headers["X-Request-ID"]]
    assert support(page)["produit"] == ["mag"]


def test_a_file_is_refused_by_its_own_code(client):
    page = client.post("/connexion", data={"fichier": (b"x", "f")}, content_type="multipart/form-data")

    assert (page.status_code, "M000415" in page.text) == (415, True)


def test_the_assistance_is_told_the_client_of_the_sign_in_in_progress(app, client):
    demande = une_demande_de(app, client)
    page = client.post("/connexion", data={"demande": demande, "csrf": "faux"})

    assert page.status_code == 403
    assert support(page)["client"] == ["essai"]


def test_what_the_address_says_is_escaped(client):
    page = client.get("/authorize", query_string={"client_id": '"><script>alert(1)</script>'})

    assert "<script>alert" not in page.text
    assert support(page)["client"] == ['"><script>alert(1)</script>']


@pytest.mark.parametrize("settings", [""], indirect=True)
def test_without_an_address_of_assistance_there_is_no_link(settings, client):
    page = client.get("/nulle-part")

    assert (support(page), "M000404" in page.text) == ({}, True)


@pytest.mark.parametrize(
    "address", ["http://aide.exemple.fr", "javascript:alert(1)", "aide.exemple.fr", "https://aide.exemple.fr/#x", "https://"]
)
def test_an_address_of_assistance_that_is_not_one_prevents_the_start(settings, address):
    with pytest.raises(SettingError, match="MAG_SUPPORT_URL"):
        replace(settings, support_url=address)


def test_the_command_prints_the_table(app):
    assert "| `M400001` | 422 |" in app.test_cli_runner().invoke(args=["erreurs"]).output
