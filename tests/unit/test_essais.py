"""The choices of the page of trials, as an address says them."""

import re
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from partners.kit.origins import same_origin_path
from partners.portals.essais import MODES, Essai
from partners.portals.portail import unbroken
from partners.portals.views import POLICY

ROOT = Path(__file__).parents[2]


def test_a_first_visit_is_the_default_and_stays():
    essai = Essai.read({})

    assert (essai.modes, essai.label, essai.lang, essai.stay, essai.auto) == ("fedcm redirect", "signin", "fr", True, False)
    assert "login-hint" not in essai.attributes


@pytest.mark.parametrize(
    "given",
    [
        {
            "modes": "popup redirect",
            "label": "link",
            "lang": "en",
            "bg": "#AA00ff",
            "radius": "0",
            "siret": "732 829 320 00074",
            "auto": "1",
        },
        {
            "modes": "<script>",
            "label": "'",
            "lang": "xx",
            "bg": "red;} body {",
            "fg": "#12345",
            "radius": "1px; x",
            "siret": "12",
            "siren": "é",
        },
        {"modes": "redirect", "heartbeat": "1", "siren": "732829320"},
    ],
    ids=["good", "hostile", "ticked"],
)
def test_choices_are_read_again_as_they_were_written(given):
    essai = Essai.read(given)

    assert Essai.read(dict(parse_qsl(essai.query))) == essai
    assert same_origin_path(essai.attributes["return-to"] or "", "") != "", "the button may come back to them"
    assert essai.style.count("{") == essai.style.count("}") == 1
    assert "script" not in essai.query


def test_what_is_good_is_kept_and_what_is_not_is_the_default():
    essai = Essai.read({"bg": "#AA00ff", "fg": "blue", "siret": "732 829 320 00074", "siren": "7328"})

    assert (essai.bg, essai.fg, essai.siret, essai.siren, essai.stay) == ("#aa00ff", "#ffffff", "73282932000074", "", False)
    assert essai.attributes["login-hint"] == "73282932000074"
    assert "--mag-bg: #aa00ff;" in essai.style


def test_french_punctuation_stays_on_its_line():
    assert unbroken("Quoi ? « Oui » : a:b") == "Quoi\u00a0? «\u00a0Oui\u00a0»\u00a0: a:b"


def test_every_way_of_the_button_can_be_tried():
    """Those of the source, and the page lets them work."""
    source = (ROOT / "widget" / "mag-login.js").read_text("utf-8")
    methods = set(re.findall(r"^    (?:async )?(\w+)(?:\(\) \{|: \(\) =>)", source.split("const methods = {")[1].split("\n  };")[0], re.M))

    assert methods == {"fedcm", "popup", "inline", "redirect"} == {mode for modes in MODES for mode in modes.split()}
    assert "frame-src {mag}" in POLICY
