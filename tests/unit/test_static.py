"""What every page loads stays light."""

import gzip
from pathlib import Path

import pytest

STATIC = Path(__file__).parent.parent.parent / "idp" / "static"


@pytest.mark.parametrize(("names", "kilobytes"), [(["mag.css"], 10), (["mire.js", "defi.js"], 4), (["jauge.js"], 2)])
def test_a_page_keeps_its_weight(names, kilobytes):
    assert sum(len(gzip.compress((STATIC / name).read_bytes(), 9)) for name in names) <= kilobytes * 1024


@pytest.mark.parametrize("path", sorted(STATIC.iterdir()), ids=lambda path: path.name)
def test_nothing_comes_from_elsewhere_nor_from_the_state_design_system(path):
    text = path.read_bytes().decode("latin-1").replace("http://www.w3.org/2000/svg", "")

    assert "http" not in text
    assert "fr-" not in text
    assert "Marianne" not in text
