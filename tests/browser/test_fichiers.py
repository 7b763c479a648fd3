"""Mass files as people meet them: looked at with axe, without script, light and dark, from 320 pixels up."""

import pytest

from tests.browser.conftest import look_at
from tests.factories import PASSWORD, SIRET, un_administrateur, un_declarant
from tests.journeys.equipe import un_etablissement
from tests.journeys.fichiers import CLIENT, HEAD, PLACE, le_catalogue, ligne, travailler, un_portefeuille

pytestmark = [pytest.mark.browser, pytest.mark.parametrize("backend", ["sqlite"], indirect=True)]
LINES = (
    ligne("Autre", "Zoé", SIRET, "dsn", "declarer payer", "31/12/2099"),
    ligne("Autre", "Zoé", CLIENT, "dsn", ""),
    ligne("Personne", "Jean", SIRET, "dsn", "declarer"),
    ligne("Autre", "Zoé", "7,84672E+13", "dsn", "declarer"),
    ligne("Autre", "Zoé", SIRET, "minitel", "declarer"),
)


@pytest.fixture
def mag(app, live_server):
    """A server with an administrator, a colleague and a portfolio."""
    un_etablissement(app)
    le_catalogue(app)
    un_administrateur(app, email="claire@exemple.fr")
    zoe = un_declarant(app, nom="Autre", prenom="Zoé", password=None)
    un_portefeuille(app, zoe.id)
    return live_server()


def sign_in(opened, mag, path):
    opened.goto(mag + path)
    for name, text in {"siret": SIRET, "nom": "Lefèvre", "prenom": "Claire", "password": PASSWORD}.items():
        opened.fill(f"#{name}", text)
    opened.locator("button[type=submit].primary").click()
    opened.wait_for_load_state()


def send(opened, mag, tmp_path):
    """A file chosen and sent as people do."""
    file = tmp_path / "droits de mars.csv"
    file.write_bytes("\r\n".join((HEAD, *LINES)).encode("utf-8-sig"))
    opened.goto(mag + PLACE)
    opened.set_input_files("#fichier", file)
    opened.get_by_role("button", name="Vérifier ce fichier").click()
    opened.wait_for_load_state()


def test_a_file_is_sent_followed_applied_and_undone_without_script(app, mag, page, tmp_path):
    opened = page(javascript=False)
    sign_in(opened, mag, PLACE)
    looks = page()
    sign_in(looks, mag, PLACE)

    def look(name):
        looks.goto(opened.url)
        look_at(looks, f"fichiers-{name}")

    look("liste")
    send(opened, mag, tmp_path)
    opened.get_by_text("Vérifié, rien n'est encore appliqué").first.wait_for(timeout=60_000)
    assert "exception créée" in opened.content()
    look("rapport")
    opened.get_by_role("link", name="Appliquer").click()
    look("application")
    opened.get_by_role("button", name="Appliquer ce fichier").click()
    opened.get_by_role("heading", name="Appliqué", exact=True).wait_for(timeout=60_000)
    look("applique")
    opened.get_by_role("link", name="Annuler ce fichier").click()
    opened.get_by_role("button", name="Annuler ce fichier").click()
    opened.get_by_role("heading", name="Appliqué, puis annulé").wait_for(timeout=60_000)
    opened.goto(mag + PLACE)
    look("envoyes")
    assert travailler(app) == 0
