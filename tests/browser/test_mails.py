"""Every mail of every room, laid out as a mail reader shows it: 600 and 320 pixels wide. Each is written with ordinary values."""

import importlib
import inspect
import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from axe_playwright_python.sync_playwright import Axe

from idp.authentication.recours.voies import Voie
from idp.declarants.identite import Identite
from idp.entreprises.siret import Siret
from idp.notifications.messages import Action, Message
from tests.browser.conftest import RULES

pytestmark = pytest.mark.browser
ISSUER = "https://identite.exemple.fr"
TOKEN = "u3jS1bq0c1f7Vx2Q9wZ4mN8aL5dK6hT0yR3eP7oI1sG"
BY_NAME: dict[str, Any] = {
    "issuer": ISSUER,
    "name": "Claire Lefèvre",
    "token": TOKEN,
    "hidden": "c•••@autre.fr",
    "who": "Odile Martin",
    "place": "LES ATELIERS DU PONT, SIRET 732 829 320 00074",
    "siret": "732 829 320 00074",
    "company": "LES ATELIERS DU PONT",
    "facts": [("Prénom et nom", "Claire Lefèvre"), ("SIRET", "732 829 320 00074")],
    "jws": "eyJhbGciOiJFUzI1NiJ9." + "a1B2" * 120,
    "device": "Firefox sur Windows",
    "network": "192.0.2.0",
    "factor": "totp",
    "reference": TOKEN,
    "client_name": "Centre d'appel",
    "message": "Dossier 4321",
    "new_address": "c•••@autre.fr",
    "factors": ("totp", "passkey"),
    "moved": [("Adresse", "8 RUE DU PONT, 31000 TOULOUSE", "9 RUE NEUVE, 31000 TOULOUSE"), ("État", "ouvert", "fermé")],
    "bilan": {"donnes": 12_000, "retires": 1},
    "fichier": "habilitations-novembre-2026.xlsx",
    "seen": [(datetime(2026, 11, 21, 14, minute, tzinfo=UTC), "Firefox sur Windows", "192.0.2.0") for minute in (5, 9)],
    "text": "Bonjour,\nje pars lundi. Qui reprend la déclaration ?",
}
BY_TYPE: dict[Any, Any] = {
    datetime: datetime(2026, 11, 21, 14, 5, tzinfo=UTC),
    bool: True,
    int: 7,
    str: "Odile Martin",
    Siret: Siret("73282932000074"),
    Identite: Identite(Siret("73282932000074"), "Lefèvre", "Claire 2"),
    Action: Action("Ce n'était pas moi", f"{ISSUER}/connexion/desaveu/{TOKEN}"),
    Voie: next(iter(Voie)),
}


def written() -> dict[str, Message]:
    """Each function of a `messages.py` that makes a mail, called."""
    found = {}
    for path in sorted(Path("idp").rglob("messages.py")):
        module = importlib.import_module(".".join(path.with_suffix("").parts))
        for name, function in inspect.getmembers(module, inspect.isfunction):
            hints = get_type_hints(function)
            public = function.__module__ == module.__name__ and name != "letter" and not name.startswith("_")
            if public and hints.pop("return", None) is Message:
                found[f"{path.parent.name}-{name}"] = call(function, hints)
    return found


def call(function: Any, hints: dict[str, Any]) -> Message:
    given = {}
    for name, kind in hints.items():
        given[name] = BY_TYPE[kind] if kind in BY_TYPE and kind is not str else BY_NAME.get(name, BY_TYPE.get(kind))
    message: Message = function(**given)
    return message


MAILS = written()


def test_every_room_is_there():
    assert len(MAILS) > 50
    assert {name.partition("-")[0] for name in MAILS} >= {"compte", "parcours", "equipe", "notifications", "factors", "recours", "support"}


@pytest.mark.parametrize("name", MAILS)
def test_a_mail_is_good_french_and_says_the_same_twice(name):
    mail = MAILS[name]

    assert 10 < len(mail.subject) < 120
    assert mail.body.startswith("Bonjour ")
    assert not re.search(r"None|\{|\}|<|datetime|Role\.|  ", mail.body.replace("<br>", "")), mail.body
    assert "<h1" in mail.html
    assert all(address in mail.html for address in re.findall(rf"{ISSUER}\S+", mail.body))


@pytest.mark.parametrize("width", [600, 320])
def test_mails_are_laid_out_for_any_screen(page, width):
    opened, folder = page(viewport={"width": width, "height": 700}), os.environ.get("MAG_TEST_SCREENSHOTS")
    for name, mail in MAILS.items():
        opened.set_content(mail.html)
        if folder:
            opened.screenshot(path=f"{folder}/courrier-{name}-{width}.png", full_page=True)
        assert opened.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), name
        found = Axe().run(opened, options={"runOnly": [rule for rule in RULES["runOnly"] if rule != "best-practice"]})
        assert found.violations_count == 0, (name, found.generate_report())
