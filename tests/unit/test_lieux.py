"""Where an address roughly is, as the operator's file says."""

import os

import pytest

from idp import lieux
from idp.config import Settings
from idp.errors import SettingError
from idp.lieux import Lieux, at_hand, known
from idp.seals import new_secret

FILE = """192.0.2.0,192.0.2.127,"Lyon, France"
2001:db8::,2001:db8::ffff,"Nantes, France"
192.0.2.128,192.0.2.255,Bruxelles
pas une adresse,192.0.2.4,Nulle part
203.0.113.9,203.0.113.1,À l'envers
198.51.100.0,198.51.100.255
10.0.0.0,10.0.0.255,
"""


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("192.0.2.0", "Lyon, France"),
        ("192.0.2.127", "Lyon, France"),
        ("192.0.2.128", "Bruxelles"),
        ("::ffff:192.0.2.1", "Lyon, France"),
        ("2001:db8::1", "Nantes, France"),
        ("192.0.3.0", ""),
        ("192.0.1.255", ""),
        ("2001:db8::1:0", ""),
        ("198.51.100.1", ""),
        ("10.0.0.1", ""),
        ("203.0.113.5", ""),
        ("", ""),
        ("ailleurs", ""),
    ],
)
def test_an_address_is_looked_up_among_ranges(address, place):
    assert Lieux.read(FILE.splitlines()).of(address) == place


def test_without_a_file_nothing_is_said():
    assert known("").of("192.0.2.1") == ""


def test_a_file_is_read_once(tmp_path):
    path = tmp_path / "lieux.csv"
    path.write_text(FILE, "utf-8")
    assert known(str(path)).of("192.0.2.200") == "Bruxelles"
    assert known(str(path)) is known(str(path))


def test_a_quote_that_nothing_closes_spoils_its_line_alone():
    broken = ['203.0.113.0,203.0.113.9,"Lyon', f'203.0.113.10,203.0.113.19,"{"x" * 140_000}', *FILE.splitlines()]

    assert [Lieux.read(broken).of(address) for address in ("203.0.113.11", "192.0.2.200")] == ["", "Bruxelles"]


def test_nobody_waits_while_the_file_is_read(tmp_path):
    """A pipe, which gives its lines when the test wants."""
    path = tmp_path / "lieux.csv"
    os.mkfifo(path)
    assert at_hand(str(path)).of("192.0.2.200") == ""

    path.write_text(FILE, "utf-8")
    known(str(path))
    assert at_hand(str(path)).of("192.0.2.200") == "Bruxelles"


def test_what_is_kept_is_bounded_and_compact(monkeypatch):
    monkeypatch.setattr(lieux, "MOST", 1)
    found = Lieux.read(FILE.splitlines())

    assert [found.of(address) for address in ("192.0.2.0", "192.0.2.200")] == ["Lyon, France", ""]
    assert (len(found.firsts), found.places) == (1, ("Lyon, France",))


def test_a_file_that_is_there_no_more_says_nothing(tmp_path):
    assert known(str(tmp_path / "partie.csv")).of("192.0.2.0") == ""


def test_a_file_that_is_not_there_prevents_the_start():
    with pytest.raises(SettingError, match="MAG_PLACES"):
        Settings.load({"MAG_ISSUER": "https://mag.test", "MAG_SECRETS": new_secret(), "MAG_PLACES": "/nowhere/lieux.csv"})
