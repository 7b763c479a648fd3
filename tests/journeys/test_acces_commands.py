"""`mag partenaires adresses`, `liens`, `retirer-lien`."""

from datetime import UTC, datetime, timedelta

import pytest

from idp.database import db
from partners import onboarding
from partners.acces.models import Lien

BASE = {"redirect_uris": ["https://portail.test/retour"], "client_name": "Portail"}
ESPACE = "https://portail.test/espace"


@pytest.fixture
def run(app):
    """`run("adresses", "portail")`: the command's outcome, for a partner with one client and one link."""
    now = datetime.now(UTC)
    with app.app_context():
        partenaire = onboarding.register_partenaire("portail", "Portail", None, now)
        onboarding.register_client(partenaire, BASE, now, client_id="portail")
        lien = {"id": "a" * 22, "client_id": "portail", "ressource": f"{ESPACE}/dsn", "usage_unique": False, "created_at": now}
        db.session.add(Lien(**lien, partenaire_id=partenaire.id, expires_at=now + timedelta(days=1)))
        db.session.commit()
    runner = app.test_cli_runner()
    return lambda *words: runner.invoke(app.cli.commands["partenaires"], words)


def test_addresses_are_added_shown_and_removed(run):
    assert "Aucun lien ne mène chez portail." in run("adresses", "portail").output
    assert run("adresses", "portail", "--ajouter", ESPACE).output == f"{ESPACE}\n"
    assert run("adresses", "portail").output == f"{ESPACE}\n"
    assert "Aucun lien" in run("adresses", "portail", "--retirer", ESPACE).output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("portail", "--ajouter", "https://portail.test/a?b"), "Métadonnées refusées"),
        (("portail", "--ajouter", "http://portail.test/"), "Métadonnées refusées"),
        (("portail", "--retirer", ESPACE), "n'est pas inscrite"),
        (("inconnu",), "inconnu"),
    ],
)
def test_what_cannot_be_is_one_sentence(run, words, said):
    outcome = run("adresses", *words)

    assert outcome.exit_code == 1
    assert said in outcome.output


def test_links_are_listed_and_ended(run, app):
    assert f"{ESPACE}/dsn" in run("liens", "portail").output
    assert "n'ouvre plus rien" in run("retirer-lien", "portail", "a" * 22).output
    assert "était déjà fini" in run("retirer-lien", "portail", "a" * 22).output
    assert "fini" in run("liens", "portail").output
    assert run("retirer-lien", "portail", "b" * 22).exit_code == 1
    assert run("liens", "inconnu").exit_code == 1
    with app.app_context():
        onboarding.register_partenaire("vide", "Vide", None, datetime.now(UTC))
        db.session.commit()
    assert run("liens", "vide").output == "Aucun lien.\n"
