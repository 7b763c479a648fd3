"""Files at the command line: mass files as operators see them, and the flat file of before."""

import pytest

from tests.factories import SIRET, un_declarant
from tests.journeys.equipe import administrateur_connecte, un_etablissement
from tests.journeys.fichiers import envoyer_fichier, le_catalogue, ligne

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


def test_files_are_listed_with_where_they_stand_and_their_jobs_done_once(app, client):
    def command(*words):
        return app.test_cli_runner().invoke(args=["habilitations", "fichiers", *words]).output

    assert command("lister") == "Aucun fichier.\n"
    un_etablissement(app)
    le_catalogue(app)
    administrateur_connecte(app, client)
    un_declarant(app, nom="Autre", prenom="Zoé", password=None)
    envoyer_fichier(client, ligne("Autre", "Zoé", SIRET, "dsn", "declarer"))

    assert "droits.csv  Vérification en cours (0 lignes sur ?, essai 0)" in command("lister")
    assert command("traiter") == "1 travail terminé, 0 en attente.\n"
    assert command("traiter") == "0 travail terminé, 0 en attente.\n"
    assert "Vérifié, rien n'est encore appliqué" in command("lister", "--nombre", "1")


def test_a_flat_file_is_previewed_compacted_and_read_again_without_effect(app, tmp_path):
    un_declarant(app, password=None)
    runner = app.test_cli_runner()
    runner.invoke(args=["habilitations", "catalogue"])
    file = tmp_path / "plat.csv"
    file.write_text(
        f"siret,nom,prenom,etablissement,service,droit\n{SIRET},Lefèvre,Claire,{SIRET},dsn,declarer\n{SIRET},X,Y,{SIRET},dsn,payer\n"
    )

    def command(*words):
        return runner.invoke(args=["habilitations", "importer-plat", str(file), *words])

    assert "Aperçu : rien n'est écrit." in command("--apercu").output
    done = command()
    assert (done.exit_code, "2 lignes lues, 1 refusées" in done.output, "ligne 3" in done.output) == (0, True, True)
    assert "Opération vide" in command().output
    file.write_text("nom\nX\n")
    assert (command().exit_code, "Colonnes absentes" in command().output) == (1, True)
