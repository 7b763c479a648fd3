"""The outbox of letters: listed, taken by a provider, printed, and then forgotten."""

from datetime import UTC, datetime, timedelta

import pytest

from idp.database import db
from idp.notifications.models import LETTERS_KEPT, Letter

NOW = datetime.now(UTC)
ADDRESS = ("ESSAI SA", "1 RUE DU TEST", "75001 PARIS")


@pytest.fixture
def mag(app):
    def run(*words):
        return app.test_cli_runner().invoke(args=list(words))

    return run


@pytest.fixture
def letter(app):
    with app.app_context():
        written = Letter.write("cle", ADDRESS, b"%PDF-1.7 secret", NOW, 7)
        db.session.commit()
        return written.id


def row(app, number):
    with app.app_context():
        found = db.session.get(Letter, number)
        assert found is not None
        db.session.expunge(found)
        return found


def test_a_letter_is_taken_then_printed_then_only_its_line_stays(app, mag, letter, tmp_path):
    assert "à prendre" in mag("lettres", "lister").output
    assert "1 lettre(s) écrite(s)" in mag("lettres", "exporter", str(tmp_path / "poste")).output
    (file,) = (tmp_path / "poste").iterdir()
    assert file.read_bytes() == b"%PDF-1.7 secret"
    assert file.stat().st_mode & 0o077 == 0
    assert row(app, letter).pdf is not None  # until the provider says that it is on paper

    assert "1 lettre(s) imprimée(s)" in mag("lettres", "imprimees").output
    assert row(app, letter).pdf is None
    assert "0 lettre(s) en attente" in mag("lettres", "lister").output


def test_C81_each_command_may_be_run_again(mag, letter, tmp_path):
    for _ in range(2):
        mag("lettres", "exporter", str(tmp_path))
    assert "0 lettre(s) écrite(s)" in mag("lettres", "exporter", str(tmp_path)).output
    assert "1 lettre(s) écrite(s)" in mag("lettres", "exporter", "--encore", str(tmp_path)).output
    assert "1 lettre(s)" in mag("lettres", "imprimees", str(letter)).output
    assert "0 lettre(s)" in mag("lettres", "imprimees", str(letter)).output


def test_a_letter_that_nobody_took_cannot_be_said_printed(app, mag, letter):
    assert "0 lettre(s) imprimée(s)" in mag("lettres", "imprimees", str(letter)).output
    assert row(app, letter).pdf is not None


def test_a_letter_that_lost_its_reason_never_leaves(app, mag, letter, tmp_path):
    with app.app_context():
        assert Letter.void("cle", 7, NOW) == 1
        assert Letter.void("cle", 7, NOW) == 0
        db.session.commit()

    assert "0 lettre(s) écrite(s)" in mag("lettres", "exporter", str(tmp_path)).output
    assert row(app, letter).pdf is None


def test_C81_the_line_of_a_letter_is_deleted_in_its_time(app, mag, letter, tmp_path):
    mag("lettres", "exporter", str(tmp_path))
    mag("lettres", "imprimees")
    with app.app_context():
        assert Letter.purge(NOW + LETTERS_KEPT - timedelta(days=1)) == 0
        assert Letter.purge(NOW + LETTERS_KEPT + timedelta(days=1)) == 1
