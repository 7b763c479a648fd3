"""Mass files, without a database: what a line makes of a place, and what a spreadsheet may put in a file."""

import io
import tracemalloc
import zipfile
from datetime import UTC, date, datetime, timedelta
from itertools import repeat
from pathlib import Path

import pytest
from openpyxl import Workbook, load_workbook

from idp.habilitations.droits import FOREVER, Droit, Grain, Masks, Period, Service
from idp.habilitations.fichiers import tableur
from idp.habilitations.fichiers.ecarts import EcartRefuseError, Place, after, instant_after, last_day, said
from idp.habilitations.fichiers.messages import summary
from idp.habilitations.fichiers.tableur import TableurError

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
DSN = Service(0, "dsn", "DSN", Grain.SIRET, frozenset({Droit.DECLARER, Droit.PAYER}))
SLOW = Service(1, "slow", "Lent", Grain.SIRET, frozenset({Droit.CONSULTER}), opening_delay=timedelta(hours=24))
DECLARER, PAYER = Masks(declarer=1), Masks(payer=1)
OPEN = Period(NOW - timedelta(days=9))
DAY = date(2026, 12, 31)


# ----------------------------------------------------------------------------------------------------------------- places


def test_a_line_that_says_what_there_is_changes_nothing():
    place = Place({OPEN: DECLARER}, around=PAYER)

    assert place.rights(DSN, NOW) == {Droit.DECLARER: None, Droit.PAYER: None}
    assert after(place, DSN, place.rights(DSN, NOW), NOW) == place


def test_a_right_is_given_after_the_delay_of_its_service():
    assert after(Place({}), DSN, {Droit.PAYER: None}, NOW).held == {Period(NOW): PAYER}
    assert after(Place({}), SLOW, {Droit.CONSULTER: None}, NOW).held == {Period(NOW + timedelta(hours=24)): Masks(consulter=2)}


def test_a_right_written_there_is_withdrawn_and_one_from_elsewhere_is_excluded():
    place = after(Place({OPEN: DECLARER.union(PAYER)}, around=PAYER), DSN, {}, NOW)

    assert (place.held, place.excluded) == ({}, PAYER)
    assert place.rights(DSN, NOW) == {}


def test_an_exclusion_is_lifted_before_anything_is_given():
    place = after(Place({}, around=PAYER, excluded=PAYER), DSN, {Droit.PAYER: None}, NOW)

    assert (place.held, place.excluded) == ({}, Masks())


def test_an_end_moves_and_the_opening_stays():
    place = after(Place({OPEN: DECLARER}), DSN, {Droit.DECLARER: DAY}, NOW)

    assert place.held == {Period(OPEN.effective_from, datetime(2027, 1, 1, tzinfo=UTC)): DECLARER}
    assert after(place, DSN, {Droit.DECLARER: None}, NOW).held == {OPEN: DECLARER}


def test_a_right_given_for_a_time_where_an_excluded_one_slept_ends_when_it_is_told():
    place = after(Place({OPEN: PAYER}, excluded=PAYER), DSN, {Droit.PAYER: DAY}, NOW)

    assert place.rights(DSN, NOW) == {Droit.PAYER: DAY}


@pytest.mark.parametrize(
    ("place", "service", "wanted", "words"),
    [
        pytest.param(Place({}, excluded_around=PAYER), DSN, {Droit.PAYER: None}, "entreprise entière", id="excluded-from-the-company"),
        pytest.param(Place({}, around=PAYER), DSN, {Droit.PAYER: DAY}, "vient d'un portefeuille", id="end-of-what-is-not-here"),
        pytest.param(Place({}), DSN, {Droit.PAYER: date(2026, 3, 1)}, "est passée", id="past"),
        pytest.param(Place({}), SLOW, {Droit.CONSULTER: date(2026, 3, 2)}, "doit suivre", id="ends-before-it-opens"),
    ],
)
def test_what_a_line_cannot_do_is_said(place, service, wanted, words):
    with pytest.raises(EcartRefuseError) as error:
        after(place, service, wanted, NOW)

    assert words in error.value.public


def test_days_and_instants_answer_one_another():
    assert instant_after(None) == FOREVER
    assert last_day(FOREVER) is None
    assert last_day(instant_after(DAY)) == DAY


def test_rights_and_counts_read_as_sentences():
    assert said({}) == "aucun droit"
    assert said({Droit.PAYER: DAY, Droit.DECLARER: None}) == "déclarer, payer jusqu'au 31/12/2026"
    assert summary({"donnes": 2000, "retires": 1, "dates": 2}) == "2\u202f000 droits donnés, 1 droit retiré et 2 dates de fin changées"
    assert summary({}) == "aucun changement"


# ------------------------------------------------------------------------------------------------------------------ cells


@pytest.mark.parametrize("text", ["=1+1", "+33", "-2", "@SUM(A1)", "\tx", "\rx", "＝1"])
def test_a_cell_that_a_spreadsheet_would_run_is_made_safe_and_comes_back(text):
    assert tableur.safe(text) == f"'{text}"
    assert tableur.plain(tableur.safe(text)) == text


def test_an_ordinary_cell_is_left_as_it_is():
    for text in ("", "784 671 695 00087", "L'Atelier", "'quoted"):
        assert tableur.plain(tableur.safe(text)) == text


def test_csv_is_what_french_spreadsheets_open():
    written = b"".join(tableur.csv_of([["siret", "nom"], ["784 671 695 00087", "=HYPERLINK(1)"], ["", 'Œuvre; "x"']]))

    assert written.startswith(b"\xef\xbb\xbf")
    assert written.decode("utf-8-sig").splitlines() == ["siret;nom", "784 671 695 00087;'=HYPERLINK(1)", ';"Œuvre; ""x"""']


def test_a_workbook_is_bounded_before_it_is_written(tmp_path):
    """Reading goes no further than the line that is too many, and nothing is written."""
    path, read = tmp_path / "droits.xlsx", []

    def rows():
        for number in range(300_000):
            read.append(number)
            yield ["x"]

    with pytest.raises(tableur.ClasseurTropLongError):
        tableur.write_xlsx(path, rows(), title="Droits")
    assert (path.exists(), len(read)) == (False, tableur.MOST_SHEET + 2)


def test_a_csv_takes_no_more_memory_for_more_lines():
    row = ["784 671 695 00087", "Lefèvre", "Claire", "", "784 671 695 00087", "dsn", "declarer payer"]
    peaks = []
    for many in (1_000, 20_000):
        tracemalloc.start()
        assert sum(map(len, tableur.csv_of(repeat(row, many)))) > many * 70
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()

    assert peaks[1] < peaks[0] + 64_000


def test_xlsx_holds_texts_and_no_formula(tmp_path):
    path = tmp_path / "droits.xlsx"
    tableur.write_xlsx(path, [["siret", "nom"], ["784 671 695 00087", "=1+1"]], title="Droits", notes=[["service"], ["dsn"]])

    book = load_workbook(path)
    assert book.sheetnames == ["Droits", "Services"]
    assert [cell.data_type for cell in book["Droits"][2]] == ["s", "s"]
    assert book["Droits"].column_dimensions["A"].number_format == "@"
    assert [row[2] for row in tableur.rows_of(path, ("siret", "nom"))] == [["784 671 695 00087", "'=1+1"]]


# ------------------------------------------------------------------------------------------------------------------ files


def saved(path: Path, *rows: list[object]) -> Path:
    book = Workbook()
    for row in rows:
        book.active.append(row)
    book.save(path)
    return path


def test_cells_of_a_workbook_read_as_people_type_them(tmp_path):
    path = saved(tmp_path / "a.xlsx", ["SIRET", "Fin"], [78467169500087, datetime(2027, 12, 31)], [None, None], ["x", 1.5])  # noqa: DTZ001

    assert [(number, values) for number, _, values in tableur.rows_of(path, ("siret", "fin"))] == [
        (2, ["78467169500087", "31/12/2027"]),
        (4, ["x", "1.5"]),
    ]


def bomb(path: Path, size: int) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b" " * size)
    return path


def entities(path: Path) -> Path:
    """A real workbook whose sheet declares an entity."""
    source = io.BytesIO(saved(path, ["siret"], ["x"]).read_bytes())
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w") as new:
        for part in old.infolist():
            content = old.read(part)
            if part.filename.endswith("sheet1.xml"):
                content = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa">]>' + content
            new.writestr(part.filename, content)
    return path


def without_sheet(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.txt", "x")
    return path


def many_parts(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for i in range(tableur.MOST_PARTS + 1):
            archive.writestr(str(i), "")
    return path


@pytest.mark.parametrize(
    ("make", "words"),
    [
        pytest.param(lambda path: bomb(path, 8 << 20), "trop volumineux", id="ratio"),
        pytest.param(many_parts, "trop volumineux", id="parts"),
        pytest.param(entities, "déclaration interdite", id="entities"),
        pytest.param(without_sheet, "n'est pas un classeur", id="no-workbook"),
        pytest.param(lambda path: path.write_bytes(b"PK\x03\x04nothing") and path, "n'est pas un classeur", id="broken-zip"),
        pytest.param(lambda path: saved(path, ["nom"], ["x"]), "Colonnes absentes", id="columns"),
        pytest.param(lambda path: path.write_bytes("siret;nom\né;è".encode("cp1252")) and path, "UTF-8", id="encoding"),
        pytest.param(lambda path: path.write_bytes(b"nom;prenom\nx;y") and path, "Colonnes absentes", id="csv-columns"),
        pytest.param(lambda path: path.write_bytes(b"siret\n" + b"x" * 200_000) and path, "CSV lisible", id="huge-cell"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_whole(tmp_path, make, words):
    path = make(tmp_path / "file")

    with pytest.raises(TableurError) as error:
        list(tableur.rows_of(path, ("siret",)))

    assert words in error.value.public


def test_a_file_has_so_many_lines_at_most(tmp_path, monkeypatch):
    monkeypatch.setattr(tableur, "MOST_LINES", 3)
    path = tmp_path / "a.csv"
    path.write_text("siret\n1\n2\n3\n4\n")

    with pytest.raises(TableurError, match="too many lines"):
        list(tableur.rows_of(path, ("siret",)))


def test_a_row_of_a_thousand_columns_is_read_where_columns_have_a_name(tmp_path):
    path = saved(tmp_path / "a.xlsx", ["siret"], ["1", *("x" * 1000)])

    [(_, _, values)] = tableur.rows_of(path, ("siret",))
    assert values == ["1"]
