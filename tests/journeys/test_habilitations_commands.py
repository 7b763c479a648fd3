"""What an operator does at the command line: the catalogue, one person's rights, and why."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from tests.factories import un_declarant

IDENTITY = ("732 829 320 00074", "LEFEVRE", "claire")
SIRET, SIREN, CLIENT = "73282932000074", "732 829 320", "356 000 000 00048"

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


@pytest.fixture
def habilitations(app: Flask) -> Callable[..., Any]:
    """`habilitations("catalogue")`: the command, on a database where Claire is inscribed and the shipped catalogue loaded."""
    un_declarant(app, password=None)
    runner = app.test_cli_runner()
    assert runner.invoke(args=["habilitations", "catalogue"]).exit_code == 0
    return lambda *arguments: runner.invoke(args=["habilitations", *arguments])


@pytest.mark.parametrize(("arguments", "words"), [
    pytest.param(("attribuer", "123", *IDENTITY[1:], SIRET, "dsn", "declarer"), "vous en avez saisi 3", id="not-a-SIRET"),
    pytest.param(("attribuer", IDENTITY[0], "Personne", "Jean", SIRET, "dsn", "declarer"), "Personne n'est inscrit", id="nobody"),
    pytest.param(("attribuer", *IDENTITY, "12", "dsn", "declarer"), "vous en avez saisi 2", id="not-a-target"),
    pytest.param(("attribuer", *IDENTITY, SIRET, "minitel", "declarer"), "n'existe pas", id="unknown-service"),
    pytest.param(("attribuer", *IDENTITY, SIRET, "dpae", "payer"), "ne connaît pas le droit", id="right-the-service-has-not"),
    pytest.param(("attribuer", *IDENTITY, CLIENT, "atmp", "telecharger_officiel"), "Seule l'entreprise", id="official-papers-of-another"),
    pytest.param(("retirer", *IDENTITY, SIRET, "minitel", "declarer"), "n'existe pas", id="withdraw-unknown-service"),
    pytest.param(("montrer", IDENTITY[0], "Personne", "Jean"), "Personne n'est inscrit", id="show-nobody"),
    pytest.param(("verifier", *IDENTITY, "12", "dsn", "declarer"), "vous en avez saisi 2", id="verify-not-a-SIRET"),
])
def test_what_cannot_be_done_is_said_in_one_sentence(habilitations: Callable[..., Any], arguments: tuple[str, ...], words: str) -> None:
    result = habilitations(*arguments)

    assert result.exit_code == 1
    assert words in result.output
    assert len(result.output.splitlines()) == 1


def test_a_catalogue_that_contradicts_itself_is_refused(habilitations: Callable[..., Any], tmp_path: Path) -> None:
    file = tmp_path / "services.toml"
    file.write_text('[[services]]\ncode = "dsn"\nbit = 63\nlibelle = "x"\ngrain = "siret"\ndroits = ["payer"]', encoding="utf-8")

    result = habilitations("catalogue", "--fichier", str(file))

    assert result.exit_code == 1
    assert "dsn: bit 63" in result.output


def test_the_catalogue_loaded_again_changes_nothing(habilitations: Callable[..., Any]) -> None:
    assert habilitations("catalogue").output == "Le catalogue est à jour.\n"


def test_rights_are_given_shown_explained_and_withdrawn(habilitations: Callable[..., Any]) -> None:
    assert habilitations("montrer", *IDENTITY).output == "Aucun droit ouvert.\n"
    assert habilitations("attribuer", *IDENTITY, SIREN, "dsn", "declarer", "payer").output == "Droits attribués.\n"
    assert habilitations("attribuer", *IDENTITY, SIREN, "dsn", "payer").output == "Ces droits étaient déjà attribués.\n"

    shown = habilitations("montrer", *IDENTITY)
    assert shown.output == "732829320       crm (consulter); dsn (déclarer, payer, consulter)\n"

    yes = habilitations("verifier", *IDENTITY, SIRET, "crm", "consulter")
    assert yes.exit_code == 0
    assert yes.output.splitlines() == [
        "OUI", "Par attribution directe sur l'entreprise entière : « Déclaration sociale nominative (DSN) » (déclarer).",
        "« Comptes rendus métier de la DSN (CRM) » (consulter) découle de « Déclaration sociale nominative (DSN) » (déclarer)."]

    assert habilitations("retirer", *IDENTITY, SIREN, "dsn", "declarer", "payer").output == "Droits retirés.\n"
    assert habilitations("retirer", *IDENTITY, SIREN, "dsn", "payer").output.startswith("Aucun de ces droits")
    no = habilitations("verifier", *IDENTITY, SIRET, "dsn", "declarer")
    assert (no.exit_code, no.output.splitlines()) == (1, [
        "NON", "Rien ne donne ce droit sur cet établissement.",
        f"À faire : Demandez à un administrateur de l'établissement {SIRET}, ou du siège de son entreprise, d'attribuer "
        "« Déclaration sociale nominative (DSN) » (déclarer)."])


def test_a_right_not_open_yet_says_when_it_opens(habilitations: Callable[..., Any]) -> None:
    habilitations("attribuer", *IDENTITY, SIRET, "atmp", "consulter")

    result = habilitations("verifier", *IDENTITY, SIRET, "atmp", "consulter")

    assert result.exit_code == 1
    assert "Pas encore ouvert (il s'ouvrira le " in result.output


def test_a_long_list_is_cut_and_says_so(habilitations: Callable[..., Any]) -> None:
    for nic in ("00012", "00020", "00038"):
        habilitations("attribuer", *IDENTITY, f"732829320{nic}", "dsn", "declarer")
    for siret in (SIRET, CLIENT):
        habilitations("attribuer", *IDENTITY, siret, "dsn", "declarer")

    assert "seules les 1 premières" in habilitations("montrer", *IDENTITY, "--limite", "1").output
    assert "premières" not in habilitations("montrer", *IDENTITY).output
