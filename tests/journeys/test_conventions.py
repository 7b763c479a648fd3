"""`mag conventions …`: the file of agreements, what is refused in it, and the end of an agreement."""

from datetime import UTC, datetime

import pytest
import time_machine

from idp.database import db
from idp.habilitations import catalogue
from idp.habilitations.droits import Droit
from idp.habilitations.pagm import Pagm, Possession, Reaction
from partners import onboarding

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
BASE = {"redirect_uris": ["https://caisse.test/retour"], "client_name": "Caisse", "scope": "openid pagm"}
FILE = """
[[conventions]]
code = "caisse-dsn-2027"
objet = "Consulter les déclarations d'une entreprise depuis le portail de la caisse"
client = "caisse"
fournisseur = "net"
clients = ["caisse-portail"]
audiences = ["https://dsn.test"]
du = 2027-01-01
au = 2027-12-31
possession = "mtls"
duree = 120
usage_unique = true
suspicion = "fermer"
signaux = true

[[conventions.pagm]]
urn = "urn:interops:180035024:pagm:declarant"
service = "dsn"
droit = "declarer"

[[conventions.pagm]]
urn = "urn:interops:180035024:pagm:robot"
application = true
"""


@pytest.fixture
def run(app, tmp_path):
    """`run("importer", text)`: the command's outcome, a text being a file; two partners, one client each."""
    now = datetime.now(UTC)
    with app.app_context():
        catalogue.refresh(catalogue.parse(catalogue.shipped()), now)
        for code in ("caisse", "net"):
            onboarding.register_client(onboarding.register_partenaire(code, code, None, now), BASE, now, client_id=f"{code}-portail")
        db.session.commit()
    app.extensions["mag"].versions.refresh()
    runner, path = app.test_cli_runner(), tmp_path / "conventions.toml"

    def act(command, *words, text=None):
        if text is not None:
            path.write_text(text, "utf-8")
            words = (str(path),)
        outcome = runner.invoke(app.cli.commands["conventions"], [command, *words])
        app.extensions["mag"].versions.refresh()
        return outcome

    return act


def recorded(app):
    return app.extensions["mag"].registry.conventions().named("caisse-dsn-2027")


def test_a_file_is_looked_at_then_recorded_and_read_back_whole(app, run):
    shown = run("verifier", text=FILE)
    assert recorded(app) is None
    done = run("importer", text=FILE)
    found = recorded(app)

    assert shown.output == done.output == "+ convention caisse-dsn-2027 : caisse chez net, du 01/01/2027 au 31/12/2027\n"
    assert run("importer", text=FILE).output == "Rien à changer.\n"
    assert found.pagm == (
        Pagm("urn:interops:180035024:pagm:declarant", "dsn", Droit.DECLARER),
        Pagm("urn:interops:180035024:pagm:robot"),
    )
    assert (found.possession, found.suspicion, found.duree, found.usage_unique) == (Possession.MTLS, Reaction.FERMER, 120, True)
    assert found.signaux
    assert run("importer", text=FILE.replace("duree = 120", "duree = 60")).output == "~ convention caisse-dsn-2027 : duree\n"


def test_an_agreement_that_ceased_opens_nothing_and_its_code_serves_no_more(app, run):
    run("importer", text=FILE)

    with time_machine.travel(datetime(2027, 3, 1, 12, tzinfo=UTC)):
        assert "en vigueur" in run("lister").output
        assert "a cessé" in run("cesser", "caisse-dsn-2027").output
        assert "avait déjà cessé" in run("cesser", "caisse-dsn-2027").output
        assert "a cessé le 01/03/2027" in run("lister").output
        assert recorded(app).cessee
        assert "un autre code" in run("importer", text=FILE).output


def test_what_is_to_be_looked_at_is_said(app, run):
    run("importer", text=FILE)

    with time_machine.travel(datetime(2027, 12, 1, 12, tzinfo=UTC)):
        told = run("verifier").output
    assert "finit le 31/12/2027" in told
    assert "ne lie pas ses jetons à un certificat" in told
    assert "aucun moyen de demander un jeton" in told


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        pytest.param("[[conventions]]", "[[accords]]", "doit contenir des [[conventions]]", id="table"),
        pytest.param(FILE, f"autre = 1\n{FILE}", "« autre » n'est pas attendu", id="table-unknown"),
        pytest.param('code = "caisse-dsn-2027"', 'code = "Caisse 2027"', "minuscules", id="code"),
        pytest.param('client = "caisse"', 'client = "inconnue"', "partenaire inconnu", id="client"),
        pytest.param('"caisse-portail"', '"net-portail"', "n'est pas un client du partenaire", id="client-of-another"),
        pytest.param('["https://dsn.test"]', "[]", "« audiences »", id="audiences"),
        pytest.param('"https://dsn.test"', '"inconnu"', "ni une adresse, ni un client", id="audience-unknown"),
        pytest.param("du = 2027-01-01", 'du = "2027-01-01"', "sans guillemets", id="text-for-a-date"),
        pytest.param("au = 2027-12-31", "au = 2026-12-31", "vient avant", id="dates"),
        pytest.param("duree = 120", "duree = 3600", "30 à 600", id="life"),
        pytest.param("duree = 120", "duree = true", "nombre de secondes", id="life-kind"),
        pytest.param('"mtls"', '"oui"', "aucune ou dpop ou mtls", id="possession"),
        pytest.param("signaux = true", 'signaux = "oui"', "true ou false", id="signaux"),
        pytest.param('"fermer"', '"bannir"', "fermer ou noter ou suspendre", id="suspicion"),
        pytest.param('service = "dsn"', 'service = "inconnu"', "service du catalogue", id="service"),
        pytest.param('droit = "declarer"', 'droit = "lire"', "un droit", id="right"),
        pytest.param('service = "dsn"', 'service = ["dsn"]', "service du catalogue", id="service-kind"),
        pytest.param('droit = "declarer"', 'droit = { a = "declarer" }', "un droit", id="right-kind"),
        pytest.param("pagm:robot", "pagm:declarant", "écrit deux fois", id="same-urn"),
        pytest.param("urn:interops:180035024:pagm:robot", "robot", "urn:…", id="urn"),
        pytest.param("usage_unique = true", "jeton_acteur = true\nemprunt = true", "l'un ou l'autre", id="contradiction"),
        pytest.param("usage_unique = true", "usage = 1", "« usage » n'est pas attendu", id="unknown-member"),
        pytest.param("usage_unique = true", 'mandataire = "personne"', "client inconnu", id="mandataire"),
        pytest.param(FILE, FILE + FILE, "deux fois", id="twice"),
        pytest.param(FILE, FILE + FILE.replace("caisse-dsn-2027", "autre"), "aux mêmes dates", id="overlap"),
        pytest.param(FILE, "= 1", "TOML", id="not-toml"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence_and_records_nothing(app, run, before, after, said):
    outcome = run("importer", text=FILE.replace(before, after))

    assert outcome.exit_code == 1
    assert said in outcome.output
    assert recorded(app) is None
