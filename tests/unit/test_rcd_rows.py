"""One row of INSEE's files: what it becomes, why it is refused; and how records are told apart in a damaged file."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.entreprises.sirene import ENTREPRISES, ETABLISSEMENTS, Layout, RowRefusedError, StockRefusedError, recognise
from idp.entreprises.stock import LONGEST_LINE, Mark, Reading

OPEN = {
    "siret": "73282932000074", "statutDiffusionEtablissement": "O", "etatAdministratifEtablissement": "A", "etablissementSiege": "true",
    "dateCreationEtablissement": "2016-11-28", "dateDernierTraitementEtablissement": "2025-01-15T10:00:00", "numeroVoieEtablissement": "34",
    "typeVoieEtablissement": "AVENUE", "libelleVoieEtablissement": "DE L'OPERA",
    "codePostalEtablissement": "75002", "libelleCommuneEtablissement": "PARIS",
}
COMPANY = {
    "siren": "732829320", "statutDiffusionUniteLegale": "O", "etatAdministratifUniteLegale": "A", "nicSiegeUniteLegale": "00074",
    "denominationUniteLegale": "EXEMPLE", "categorieJuridiqueUniteLegale": "5710",
}


def converted(layout: Layout, cells: dict[str, str], **changes: str) -> dict[str, object]:
    columns = list(reversed(layout.columns))
    row = layout.reader(columns)([{**cells, **changes}.get(name, "") for name in columns])
    return dict(zip(layout.fields, row, strict=True))


@pytest.mark.parametrize(("column", "value", "reason"), [
    ("siret", "", "SIRET de 14 chiffres attendu, lu ''"),
    ("siret", "73282932000075", "clé du SIRET fausse : 73282932000075"),
    ("siret", "557246600026", "zéros de tête perdus ?"),
    ("siret", "7.3282932E+13", "SIRET de 14 chiffres attendu, lu '7.3282932E+13'"),
    ("siret", "[ND]", "SIRET de 14 chiffres attendu"),
    ("etatAdministratifEtablissement", "", "état administratif inconnu : '' (attendu : A, F)"),
    ("etatAdministratifEtablissement", "C", "état administratif inconnu : 'C'"),
    ("etablissementSiege", "oui", "établissement siège inconnu : 'oui'"),
    ("statutDiffusionEtablissement", "", "statut de diffusion inconnu"),
    ("dateCreationEtablissement", "28/11/2016", "date illisible : '28/11/2016'"),
    ("dateCreationEtablissement", "2016-02-30", "date illisible"),
    ("dateDernierTraitementEtablissement", "2025-01-15 10:00", "date illisible"),
    ("codePostalEtablissement", "750020", "code postal de plus de 5 caractères"),
])
def test_an_establishment_that_breaks_one_rule_is_refused(column, value, reason):
    with pytest.raises(RowRefusedError) as refusal:
        converted(ETABLISSEMENTS, OPEN, **{column: value})

    assert reason in str(refusal.value)


@pytest.mark.parametrize(("column", "value", "reason"), [
    ("siren", "732829321", "clé du SIREN fausse"),
    ("siren", "5572466", "zéros de tête perdus ?"),
    ("nicSiegeUniteLegale", "74", "NIC du siège illisible : '74'"),
    ("etatAdministratifUniteLegale", "F", "état administratif inconnu : 'F' (attendu : A, C)"),
    ("categorieJuridiqueUniteLegale", "57100", "catégorie juridique de plus de 4 caractères"),
])
def test_a_company_that_breaks_one_rule_is_refused(column, value, reason):
    with pytest.raises(RowRefusedError) as refusal:
        converted(ENTREPRISES, COMPANY, **{column: value})

    assert reason in str(refusal.value)


def test_a_row_of_another_width_is_refused():
    with pytest.raises(RowRefusedError, match="3 colonnes au lieu de 26"):
        ETABLISSEMENTS.reader(ETABLISSEMENTS.columns)(["a", "b", "c"])


def test_an_establishment_whatever_the_order_of_the_columns():
    row = converted(ETABLISSEMENTS, OPEN)

    assert row["siret"] == 73282932000074
    assert (row["actif"], row["siege"], row["statut_diffusion"]) == (True, True, "O")
    assert (row["cree_le"], row["mis_a_jour"]) == ("2016-11-28", "2025-01-15")
    assert (row["voie"], row["code_postal"], row["commune"], row["enseigne"]) == ("34 AVENUE DE L'OPERA", "75002", "PARIS", None)


def test_an_address_abroad():
    row = converted(
        ETABLISSEMENTS, OPEN, codePostalEtablissement="", libelleCommuneEtablissement="",
        libelleCommuneEtrangerEtablissement="60528 FRANKFURT AM MAIN",
        codePaysEtrangerEtablissement="99109", libellePaysEtrangerEtablissement="ALLEMAGNE",
    )

    assert (row["code_postal"], row["commune"], row["code_pays"], row["pays"]) == (None, "60528 FRANKFURT AM MAIN", "99109", "ALLEMAGNE")


def test_masked_fields_are_empty_and_the_row_is_partly_diffusible():
    masked = ("enseigne1Etablissement", "numeroVoieEtablissement", "typeVoieEtablissement", "libelleVoieEtablissement")
    row = converted(ETABLISSEMENTS, OPEN, **dict.fromkeys(masked, "[ND]"))

    assert (row["statut_diffusion"], row["enseigne"], row["voie"], row["commune"]) == ("P", None, None, "PARIS")


def test_a_sole_trader_goes_by_the_names_in_use():
    row = converted(
        ENTREPRISES, COMPANY, denominationUniteLegale="", nomUniteLegale="MARTIN", nomUsageUniteLegale="LE GOFF",
        prenom1UniteLegale="ANNE", prenomUsuelUniteLegale="ANNIE",
    )

    assert (row["nom"], row["prenom"], row["denomination"], row["nic_siege"]) == ("LE GOFF", "ANNIE", None, 74)


@pytest.mark.parametrize("header", [[""], ["siren", "nom"], ["siret;etatAdministratifEtablissement"]])
def test_another_file_is_refused(header):
    with pytest.raises(StockRefusedError) as refusal:
        recognise(header)

    assert "ni StockUniteLegale ni StockEtablissement" in refusal.value.public


def test_a_missing_column_is_named():
    with pytest.raises(StockRefusedError) as refusal:
        recognise([name for name in ETABLISSEMENTS.columns if name not in ("codePostalEtablissement", "etablissementSiege")])

    assert refusal.value.public == "Colonnes absentes de l'en-tête : etablissementSiege, codePostalEtablissement."


def test_a_doubled_column_is_named():
    with pytest.raises(StockRefusedError) as refusal:
        recognise([*ENTREPRISES.columns, "siren"])

    assert refusal.value.public == "Colonnes en double dans l'en-tête : siren."


def records(content: bytes) -> list[tuple[int, list[str] | str]]:
    return list(Reading(io.BytesIO(content)))


@pytest.mark.parametrize(("content", "expected"), [
    pytest.param(b"a,b\n1,2\n", [(2, ["1", "2"])], id="lf"),
    pytest.param(b"\xef\xbb\xbfa,b\r\n1,2\r\n3,4", [(2, ["1", "2"]), (3, ["3", "4"])], id="crlf-bom-no-last-break"),
    pytest.param(b'a,b\n"1, ""2""",3\n', [(2, ['1, "2"', "3"])], id="rfc4180-quotes"),
    pytest.param(b'a,b\n"1\n2",3\n4,5\n', [(2, ["1\n2", "3"]), (4, ["4", "5"])], id="rfc4180-break-in-quotes"),
    pytest.param(b"a,b\n\n1,2\n\r\n", [(3, ["1", "2"])], id="blank-lines"),
    pytest.param("a,b\né,œ\n".encode(), [(2, ["é", "œ"])], id="utf-8"),
])
def test_records_of_a_sound_file(content, expected):
    assert records(content) == expected


@pytest.mark.parametrize(("bad", "reason"), [
    pytest.param(b'"1,2', "guillemet jamais refermé", id="unclosed"),
    pytest.param(b'"1"x,2', "guillemets mal placés", id="misplaced"),
    pytest.param(b"\xe9,2", "texte qui n'est pas en UTF-8", id="latin-1"),
    pytest.param(b"1\0,2", "caractère nul", id="nul"),
    pytest.param(b"1," + b"x" * LONGEST_LINE * 3, f"plus de {LONGEST_LINE} octets", id="endless"),
])
def test_a_damaged_record_leaves_its_neighbours_alone(bad, reason):
    assert records(b"a,b\n1,2\n" + bad + b"\n3,4\n5,6\n") == [(2, ["1", "2"]), (3, reason), (4, ["3", "4"]), (5, ["5", "6"])]


def test_two_stray_quotes_do_not_swallow_what_is_between_them():
    content = b'a,b\n"1,2\n3,4\n5,"6\n7,8\n'

    assert records(content) == [(2, "guillemet jamais refermé"), (3, ["3", "4"]), (4, "guillemet jamais refermé"), (5, ["7", "8"])]


@pytest.mark.parametrize("content", [b"\xff\xfes\x00i\x00", b'"siret\n', b"x" * LONGEST_LINE * 2])
def test_a_first_line_that_is_no_header_is_refused(content):
    with pytest.raises(StockRefusedError) as refusal:
        Reading(io.BytesIO(content))

    assert "en-tête CSV en UTF-8" in refusal.value.public


def marked(content: bytes) -> list[tuple[Mark, tuple[int, list[str] | str]]]:
    reading = Reading(io.BytesIO(content))
    return [(reading.mark, record) for record in reading]


def test_a_reading_goes_on_from_any_mark():
    content = b'a,b\r\n1,2\r\n"3\r\n4",5\r\n"6,7\r\n8,9\r\n'
    whole = marked(content)

    for number, (mark, _) in enumerate(whole, 1):
        again = Reading(io.BytesIO(content))
        assert again.resume(mark)
        assert list(again) == [record for _, record in whole[number:]]


def test_a_reading_does_not_go_on_in_a_file_that_changed_before_the_mark():
    mark, _ = marked(b"a,b\n1,2\n3,4\n")[0]

    assert not Reading(io.BytesIO(b"a,b\n1,9\n3,4\n")).resume(mark)
    assert not Reading(io.BytesIO(b"a,b\n")).resume(mark)
    assert Reading(io.BytesIO(b"a,b\n1,2\n5,6\n")).resume(mark)


@given(st.lists(st.binary(max_size=40)))
def test_any_bytes_are_records_or_reasons(lines):
    content = b"a,b\n" + b"\n".join(lines)
    reading = Reading(io.BytesIO(content))

    found = list(reading)

    assert all(isinstance(cells, (str, list)) for _, cells in found)
    assert reading.mark.position == len(content)
    numbers = [line for line, _ in found]
    assert numbers == sorted(set(numbers))


@given(st.lists(st.text(alphabet='",ab\'')))
def test_no_sound_record_is_lost_between_damaged_ones(damaged):
    content = "a,b\n" + "".join(f"{line}\n1,2\n" for line in damaged)

    found = [cells for _, cells in records(content.encode())]

    assert found.count(["1", "2"]) >= len(damaged)
