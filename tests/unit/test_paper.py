"""Papers, read back: what is written is there, on numbered pages, with every European letter."""

from datetime import UTC, datetime
from io import BytesIO

import pytest
from pypdf import PdfReader

from idp import qr
from idp.notifications.paper import Code, Facts, Heading, Key, Paper, Paragraph
from idp.notifications.pdf import render

NOW = datetime(2026, 11, 1, 10, tzinfo=UTC)
LETTER = Paper(
    "Votre clé d'activation",
    ("BOULANGERIE ÅNGSTRÖM", "12 RUE DE L'ÉGLISE", "75012 PARIS"),
    (
        Paragraph("Voici la clé : elle ne sert qu'une fois."),
        Key("7KQ4-M2XR-9FHT-B3WP"),
        Heading("La demande"),
        Facts((("SIRET", "732 829 320 00074"), ("Personne", "Zoé Łukaszewicz"))),
    ),
)


def pages(paper: Paper) -> list[str]:
    return [page.extract_text().replace("\u00a0", " ") for page in PdfReader(BytesIO(render(paper, NOW))).pages]


def test_a_letter_says_all_that_it_was_given():
    (page,) = pages(LETTER)

    for text in (
        *LETTER.address_lines,
        "Le 1er novembre 2026",
        "Voici la clé : elle",
        "7KQ4-M2XR-9FHT-B3WP",
        "La demande",
        "Zoé Łukaszewicz",
    ):
        assert text in page
    assert "Page 1 sur 1" in page


def test_an_address_stands_where_an_envelope_has_its_window():
    """NF Z 11-001, once folded in three: 35 mm high from 45 mm, right of 100 mm, in millimetres of the sheet."""
    found = []

    def visit(text, _matrix, position, _font, _size):
        if text.strip() in LETTER.address_lines:
            found.append((position[4] / 72 * 25.4, 297 - position[5] / 72 * 25.4))

    PdfReader(BytesIO(render(LETTER, NOW))).pages[0].extract_text(visitor_text=visit)

    assert len(found) == 3
    assert all(x >= 105 and 45 < y < 85 for x, y in found)


def test_a_receipt_has_no_address_and_says_its_date():
    (page,) = pages(Paper("Reçu", blocks=(Paragraph("Merci."),)))

    assert "Établi le 1er novembre 2026" in page


@pytest.mark.parametrize("name", ["Đorđević", "Ștefan", "Þóra", "Ñuñez", "İpek", "Ελένη", "Пётр", "ĲSBRAND", "Œuvrard", "ẞ"])
def test_no_european_letter_is_lost(name):
    assert name in pages(Paper("Reçu", blocks=(Facts((("Nom", name),)),)))[0]


def test_a_long_paper_numbers_its_pages_and_repeats_its_title():
    found = pages(Paper("Longue lettre", blocks=(Paragraph("Une phrase parmi d'autres. " * 400),)))

    assert len(found) > 1
    assert all(f"Page {number} sur {len(found)}" in page and "Longue lettre" in page for number, page in enumerate(found, 1))


def test_a_key_too_wide_for_the_sheet_is_written_smaller_and_whole():
    key = "-".join(["ABCD"] * 16)

    assert key in pages(Paper("Clé", blocks=(Key(key),)))[0]


def test_the_same_paper_is_the_same_bytes():
    assert render(LETTER, NOW) == render(LETTER, NOW)


def test_a_paper_tells_its_title_and_its_language():
    read = PdfReader(BytesIO(render(LETTER, NOW)))

    assert read.metadata.title == LETTER.title
    assert read.trailer["/Root"]["/Lang"] == "fr-FR"


def drawn(content: str) -> list[tuple[float, float, float, float]]:
    """The rectangles of a paper that holds a code alone, in millimetres from the left and the bottom of the sheet."""
    found: list[tuple[float, float, float, float]] = []
    paper = Paper("Reçu", blocks=(Code(content, "Un téléphone le lit."),))
    stream = PdfReader(BytesIO(render(paper, NOW))).pages[0].get_contents()
    for line in stream.get_data().decode("latin-1").splitlines():
        words = line.split()
        if words[-2:] == ["re", "f"]:
            x, y, width, height = (float(word) / 72 * 25.4 for word in words[:4])
            found.append((x, y, width, abs(height)))
    return found


@pytest.mark.parametrize("content", ["https://mag.test/verifier", "https://mag.test/verifier#" + "eyJ.a-_9" * 200])
def test_a_code_is_drawn_as_it_is_read(content):
    """Module by module, what was drawn is what the content encodes."""
    rows, squares = qr.rows(content), drawn(content)
    module = min(height for _, _, _, height in squares)
    left, top = min(x for x, *_ in squares), max(y for _, y, *_ in squares)
    dark = {(round((top - y) / module), round((x - left) / module) + n) for x, y, width, _ in squares for n in range(round(width / module))}

    assert dark == {(row, column) for row, bits in enumerate(rows) for column, bit in enumerate(bits) if bit}
    assert module > 0.45, "a phone reads it"
    assert module * len(rows) <= 73
