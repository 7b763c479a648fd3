"""The operator fills the directory of companies from INSEE's files; inscription then knows who is open, closed, unknown."""

import csv
import signal
import subprocess
import sys
import tracemalloc
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from idp.audit.models import AuditEvent
from idp.database import db
from idp.entreprises import rcd
from idp.entreprises.models import ClosedSiretError, Entreprise, Etablissement, ImportRcd, RefusRcd, UnknownSiretError
from idp.entreprises.siret import Siren, Siret
from idp.entreprises.stock import stocks

SAMPLE = Path(rcd.__file__).parent / "data"
ETABLISSEMENTS, ENTREPRISES = SAMPLE / "StockEtablissement_utf8.csv", SAMPLE / "StockUniteLegale_utf8.csv"
CLAMART, OCTO, FERME, MASQUE = Siret("21920023500014"), Siret("41816609600069"), Siret("32122785200019"), Siret("94957325700019")


@pytest.fixture
def run(app):
    """`run("import", path)`: the command, its output (both streams) and its exit code."""
    def command(*words):
        result = app.test_cli_runner().invoke(args=["rcd", *map(str, words)])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    return command


@pytest.fixture
def in_app(app):
    with app.app_context():
        yield


@pytest.fixture
def small_batches(monkeypatch):
    """Enough batches for a dozen rows."""
    monkeypatch.setattr(rcd, "BATCH", 4)


def importer(wsgi_app, path, advanced=lambda _bytes: None):
    stock, = stocks(path)
    return rcd.importer(wsgi_app.mag.connections, stock, clock=lambda: datetime.now(UTC), advanced=advanced)


def changed(path: Path, to: Path, **changes: dict[str, str]) -> Path:
    """The sample's establishments, some cells changed: `_<siret>={column: value}`."""
    with path.open(newline="") as source:
        reader = csv.DictReader(source)
        rows = [row | changes.get(f"_{row['siret']}", {}) for row in reader]
    with to.open("w", newline="") as target:
        writer = csv.DictWriter(target, reader.fieldnames)
        writer.writeheader()
        writer.writerows(rows)
    return to


def bulky(path: Path, times: int) -> Path:
    """The sample's establishments over and over, with a row that is refused each time."""
    header, *rows = ETABLISSEMENTS.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([header, *[*rows, b"x\n"] * times]))
    return path


# ---------------------------------------------------------------------------------------------------------------- refusals

@pytest.mark.parametrize(("content", "said"), [
    pytest.param(b"", "En-tête inconnu", id="empty"),
    pytest.param(b"siren,nom\n1,2\n", "En-tête inconnu", id="another-csv"),
    pytest.param(b"siret,etatAdministratifEtablissement\n", "Colonnes absentes de l'en-tête : statutDiffusion", id="missing-columns"),
    pytest.param("sirét\n".encode("utf-16"), "La première ligne n'est pas un en-tête CSV en UTF-8", id="utf-16"),
    pytest.param(b"PK\x03\x04 not a zip", "est incomplète ou abîmée", id="torn-zip"),
])
def test_a_file_that_is_not_insees_is_refused_in_one_sentence(run, in_app, tmp_path, content, said):
    path = tmp_path / "fichier"
    path.write_bytes(content)

    result = run("import", path)

    assert result.exit_code == 1
    assert said in result.output
    assert ImportRcd.latest() == []


def test_an_archive_without_a_csv_is_refused(run, tmp_path):
    with zipfile.ZipFile(tmp_path / "lisez-moi.zip", "w") as archive:
        archive.writestr("lisez-moi.txt", "rien")

    result = run("import", tmp_path / "lisez-moi.zip")

    assert (result.exit_code, "ne contient aucun fichier CSV" in result.output) == (1, True)


def test_an_encrypted_archive_is_refused(run, tmp_path):
    path = tmp_path / "secret.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(ETABLISSEMENTS, "StockEtablissement_utf8.csv")
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)

    result = run("import", path)

    assert (result.exit_code, "est chiffrée" in result.output) == (1, True)


def test_a_damaged_archive_keeps_what_was_read(run, in_app, monkeypatch, tmp_path):
    monkeypatch.setattr(rcd, "BATCH", 500)
    path = tmp_path / "stock.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(bulky(tmp_path / "stock.csv", 600), "stock.csv")
    path.write_bytes(path.read_bytes().replace(b"LA FECHT", b"LA FICHT"))

    result = run("import", path)

    assert (result.exit_code, "est abîmée" in result.output) == (1, True)
    one, = ImportRcd.latest()
    assert one.finished_at is None
    assert one.lues > 0
    assert Etablissement.inscriptible(OCTO)


def test_a_file_that_is_not_there_is_refused(run, tmp_path):
    assert run("import", tmp_path / "absent.csv").exit_code == 2


def test_the_refusals_of_no_import_cannot_be_listed(run):
    assert "Aucun import pour l'instant." in run("refus").output
    assert "Aucun import de ce numéro." in run("refus", 12).output


def test_a_database_without_tables_is_told_in_one_sentence(run, app, wsgi_app):
    with wsgi_app.mag.connections.engine.begin() as connection:
        for model in (RefusRcd, ImportRcd):
            connection.exec_driver_sql(f"DROP TABLE {model.__tablename__}")

    result = run("import", ETABLISSEMENTS)

    assert (result.exit_code, "La base de données ne suit pas" in result.output) == (1, True)


@pytest.mark.usefixtures("in_app")
def test_inscription_tells_an_unknown_siret_from_a_closed_one(run):
    run("import", ETABLISSEMENTS)

    with pytest.raises(UnknownSiretError) as unknown:
        Etablissement.inscriptible(Siret("73282932000074"))
    with pytest.raises(ClosedSiretError) as closed:
        Etablissement.inscriptible(FERME)

    assert "ne figure pas au répertoire" in unknown.value.public
    assert "est fermé" in closed.value.public
    assert Etablissement.inscriptible(OCTO).siege


def test_refused_rows_are_listed_and_stop_nobody(run, in_app, tmp_path):
    wrong_key, no_state = {"siret": "21920023500015"}, {"etatAdministratifEtablissement": "?"}
    path = changed(ETABLISSEMENTS, tmp_path / "stock.csv", _21920023500014=wrong_key, _43841606700017=no_state)
    with path.open("a") as file:
        file.write('"jamais refermé,1,2\n')

    result = run("import", path)

    assert "14 lignes lues, 11 écrites, 0 sans changement, 3 refusées" in result.output
    lines = [line.split("\t") for line in run("refus").output.splitlines() if "\t" in line]
    assert lines == [
        ["4", "clé du SIRET fausse : 21920023500015"],
        ["8", "état administratif inconnu : '?' (attendu : A, F)"],
        ["15", "guillemet jamais refermé"],
    ]
    assert Etablissement.find(CLAMART) is None


def test_a_corrected_file_brings_what_was_refused(run, in_app, tmp_path):
    run("import", changed(ETABLISSEMENTS, tmp_path / "stock.csv", _21920023500014={"siret": "21920023500015"}))

    result = run("import", ETABLISSEMENTS)

    assert "13 lignes lues, 1 écrites, 12 sans changement, 0 refusées" in result.output
    assert Etablissement.find(CLAMART) is not None


def test_an_older_file_does_not_overwrite_a_newer_one(run, in_app, tmp_path):
    run("import", ETABLISSEMENTS)
    older = {"etatAdministratifEtablissement": "F", "dateDernierTraitementEtablissement": "2024-12-31T10:00:00"}

    result = run("import", changed(ETABLISSEMENTS, tmp_path / "ancien.csv", _41816609600069=older))

    assert "13 lignes lues, 0 écrites, 13 sans changement" in result.output
    assert Etablissement.inscriptible(OCTO).actif


# --------------------------------------------------------------------------------------------------------------- the import

def test_the_files_of_insee_fill_the_directory(run, in_app):
    result = run("import", ENTREPRISES, ETABLISSEMENTS)

    assert result.exit_code == 0
    assert "StockUniteLegale_utf8.csv : 12 lignes lues, 12 écrites, 0 sans changement, 0 refusées" in result.output
    carte = Etablissement.inscriptible(OCTO).carte()
    assert (carte.nom, carte.adresse, carte.siege) == ("OCTO-TECHNOLOGY", ("34 AVENUE DE L'OPERA", "75002 PARIS"), True)
    assert Entreprise.find(OCTO.siren).siege == OCTO
    state = run("etat").output
    assert "Entreprises : 12, dont 11 en activité ; mis à jour par l'INSEE jusqu'au 15/01/2025." in state
    assert "Établissements : 13, dont 11 en activité" in state
    assert "StockEtablissement_utf8.csv, terminé le" in state


def test_importing_again_changes_nothing(run):
    run("import", ENTREPRISES, ETABLISSEMENTS)

    result = run("import", ENTREPRISES, ETABLISSEMENTS)

    assert "12 lignes lues, 0 écrites, 12 sans changement, 0 refusées" in result.output
    assert "13 lignes lues, 0 écrites, 13 sans changement, 0 refusées" in result.output


def test_a_newer_file_changes_what_changed(run, in_app, tmp_path):
    run("import", ETABLISSEMENTS)
    newer = {"etatAdministratifEtablissement": "F", "dateDernierTraitementEtablissement": "2025-02-01T10:00:00"}

    result = run("import", changed(ETABLISSEMENTS, tmp_path / "nouveau.csv", _41816609600069=newer))

    assert "13 lignes lues, 1 écrites, 12 sans changement" in result.output
    with pytest.raises(ClosedSiretError):
        Etablissement.inscriptible(OCTO)


def test_the_published_archive_is_read_as_it_is(run, tmp_path):
    with zipfile.ZipFile(tmp_path / "stock.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(ETABLISSEMENTS, "StockEtablissement_utf8.csv")
        archive.write(ENTREPRISES, "StockUniteLegale_utf8.csv")

    result = run("import", tmp_path / "stock.zip")

    assert "13 lignes lues, 13 écrites" in result.output
    assert "12 lignes lues, 12 écrites" in result.output


def test_what_insee_masks_is_not_shown(run, in_app):
    run("import", ENTREPRISES, ETABLISSEMENTS)

    carte = Etablissement.inscriptible(MASQUE).carte()

    assert (carte.nom, carte.adresse) == ("Nom non diffusé", ("VALLAURIS",))


def test_leading_zeros_come_back(run, in_app):
    run("import", ENTREPRISES, ETABLISSEMENTS)

    assert str(Etablissement.find(Siret("00557246600026")).siret) == "00557246600026"
    assert Entreprise.find(Siren("005572466")).etat == "C"


def test_the_establishments_of_a_company_come_page_by_page(run, in_app):
    run("import", ETABLISSEMENTS)
    la_poste = Siren("356000000")

    first, = Etablissement.of_company(la_poste, limit=1)
    second, = Etablissement.of_company(la_poste, after=first.siret)

    assert (first.siege, first.siret.nic, second.siret.nic) == (True, "00048", "49837")
    assert Etablissement.of_company(FERME.siren) == []


def test_the_last_row_of_a_siret_that_comes_twice_is_kept(run, in_app, tmp_path):
    again = {"siret": str(OCTO), "enseigne1Etablissement": "DERNIERE"}

    run("import", changed(ETABLISSEMENTS, tmp_path / "stock.csv", _43841606700017=again))

    assert Etablissement.find(OCTO).enseigne == "DERNIERE"


# --------------------------------------------------------------------------------------------------------- killed, resumed

KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from idp.database import Connections
from idp.entreprises import rcd
from idp.entreprises.stock import stocks

calls = []
def advanced(done):
    calls.append(done)
    if len(calls) == 3:
        os.kill(os.getpid(), signal.SIGKILL)

rcd.BATCH = 4
stock, = stocks(Path(sys.argv[2]))
rcd.importer(Connections(sys.argv[1]), stock, clock=lambda: datetime.now(UTC), advanced=advanced)
"""


def kill_an_import(database_url: str, path: Path) -> None:
    """Import in another process, which dies after its second batch: eight rows."""
    died = subprocess.run([sys.executable, "-c", KILLED, database_url, path], cwd=Path(__file__).parents[2], check=False)
    assert died.returncode == -signal.SIGKILL


@pytest.mark.parametrize("archived", [False, True], ids=["csv", "zip"])
def test_a_killed_import_goes_on_where_it_was(run, in_app, backend, small_batches, tmp_path, archived):
    wrong_key, no_head_office = {"siret": "21920023500015"}, {"etablissementSiege": ""}
    path = changed(ETABLISSEMENTS, tmp_path / "stock.csv", _21920023500014=wrong_key, _81104725700019=no_head_office)
    if archived:
        with zipfile.ZipFile(tmp_path / "stock.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(path, path.name)
        path = tmp_path / "stock.zip"
    kill_an_import(backend.database_url, path)
    assert "pas terminé" in run("etat").output

    result = run("import", path)

    assert "Repris après la ligne 9." in result.output
    assert "13 lignes lues, 11 écrites, 0 sans changement, 2 refusées" in result.output
    assert [line.split("\t")[0] for line in run("refus").output.splitlines() if "\t" in line] == ["4", "10"]
    one, = ImportRcd.latest()
    assert one.finished_at is not None


def test_a_killed_import_of_a_file_that_changed_begins_again(run, backend, small_batches, tmp_path):
    path = changed(ETABLISSEMENTS, tmp_path / "stock.csv", _21920023500014={"siret": "21920023500015"})
    kill_an_import(backend.database_url, path)
    path = changed(ETABLISSEMENTS, tmp_path / "stock.csv")

    result = run("import", path)

    assert "Repris" not in result.output
    assert "13 lignes lues, 6 écrites, 7 sans changement, 0 refusées" in result.output


def test_two_imports_of_one_file_at_once_do_not_both_go_on(wsgi_app, in_app, small_batches):
    """The second begins while the first is at work: it takes over, and the first stops, its batch undone."""
    def interrupted(done, calls=[]):  # noqa: B006  # counts the calls
        calls.append(done)
        if len(calls) == 2:
            importer(wsgi_app, ETABLISSEMENTS)

    with pytest.raises(rcd.ImportBusyError):
        importer(wsgi_app, ETABLISSEMENTS, interrupted)

    one, = ImportRcd.latest()
    assert (one.lues, one.ecrites, one.finished_at is not None) == (13, 13, True)


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_memory_does_not_grow_with_the_file(wsgi_app, monkeypatch, tmp_path):
    """Refused rows included: what is held at any time is one batch."""
    monkeypatch.setattr(rcd, "BATCH", 500)

    def peak(times):
        path = bulky(tmp_path / f"{times}.csv", times)
        tracemalloc.start()
        importer(wsgi_app, path)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(50)  # what is loaded and cached once

    assert peak(1000) < 1.2 * peak(100)


def test_an_import_is_in_the_journal(run, in_app):
    run("import", ENTREPRISES)
    [fact] = db.session.scalars(select(AuditEvent).filter_by(kind="RcdImported"))
    [done] = ImportRcd.latest()

    assert fact.actor == "commande"
    assert fact.details == {"file": ENTREPRISES.name, "rows": done.lues, "refused": done.refusees}
