"""Where an address roughly is, as the operator's file says."""

import pytest

from idp.config import Settings
from idp.errors import SettingError
from idp.lieux import Lieux, known
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


def test_a_file_that_is_not_there_prevents_the_start():
    with pytest.raises(SettingError, match="MAG_PLACES"):
        Settings.load({"MAG_ISSUER": "https://mag.test", "MAG_SECRETS": new_secret(), "MAG_PLACES": "/nowhere/lieux.csv"})
