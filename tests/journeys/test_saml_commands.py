"""What an operator does to service providers of SAML and to the keys that sign for them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from click.testing import Result
from lxml import etree
from sqlalchemy import select

from idp.audit.models import AuditEvent
from idp.database import db
from idp.notifications.models import Mail
from partners.saml.models import FournisseurDeService
from tests.saml import Site

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


@pytest.fixture
def mag(app: Any) -> Callable[..., Result]:
    """`mag("saml", "lister")`: the command line, with a partner."""

    def run(*words: Any) -> Result:
        return app.test_cli_runner().invoke(args=[str(word) for word in words])  # type: ignore[no-any-return]

    assert run("partenaires", "inscrire", "essai", "--nom", "Site d'essai", "--contact", "contact@essai.fr").exit_code == 0
    return run


@pytest.fixture
def file(tmp_path: Path) -> Path:
    found = tmp_path / "portail.xml"
    found.write_bytes(Site("portail").metadata())
    return found


def test_a_service_provider_is_registered_changed_read_again_and_removed(app: Any, mag: Callable[..., Result], file: Path) -> None:
    made = mag("saml", "inscrire", "essai", "portail", "--fichier", file, "--portee", "email", "--portee", "siret", "--accord")
    assert "portail inscrit" in made.output, made.output
    assert made.output.count("Clé ") == 4
    assert "https://portail.test/saml/metadata" in mag("saml", "lister").output
    assert "chiffrer" not in mag("saml", "modifier", "portail", "--chiffrer", "--nameid", "transient").output
    shown = mag("saml", "montrer", "portail").output
    assert "encrypt : True" in shown
    assert "first_party : False" in shown
    assert "https://portail.test/saml/acs/2" in shown
    assert "modifié" in mag("saml", "modifier", "portail", "--logo", "https://portail.test/logo.png").output
    assert "modifié" in mag("saml", "modifier", "portail", "--conditions", "https://portail.test/conditions").output
    assert "'logo': 'https://portail.test/logo.png', 'tos': 'https://portail.test/conditions'" in mag("saml", "montrer", "portail").output
    assert "n'est pas acceptable" in mag("saml", "modifier", "portail", "--confidentialite", "http://portail.test/vie-privee").output
    assert "inchangées" in mag("saml", "relire", "portail", "--fichier", file).output
    file.write_bytes(Site("portail").metadata().replace(b"acs/2", b"acs/3"))
    assert "métadonnées changées" in mag("saml", "relire", "portail", "--fichier", file).output
    assert "désactivé" in mag("saml", "desactiver", "portail").output
    assert "[désactivé]" in mag("saml", "lister").output
    assert "activé" in mag("saml", "activer", "portail").output
    assert "retiré" in mag("saml", "retirer", "portail").output
    assert "Aucun" in mag("saml", "lister").output
    with app.app_context():
        told = [event.details["change"] for event in db.session.scalars(select(AuditEvent).filter_by(kind="ProviderChanged"))]
    assert told == ["registered", "changed", "changed", "changed", "read", "disabled", "enabled", "removed"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("inconnu", "portail", "--fichier"), "Aucun partenaire"),
        (("essai", "Portail", "--fichier"), "n'est pas valable"),
        (("essai", "portail", "--portee", "inconnue", "--fichier"), "Portée inconnue"),
        (("essai", "--fichier"), "Donnez CODE"),
    ],
)
def test_what_cannot_be_registered_is_said(mag: Callable[..., Result], file: Path, words: tuple[str, ...], sentence: str) -> None:
    done = mag("saml", "inscrire", *words, file)

    assert done.exit_code != 0
    assert sentence in done.output


def test_one_is_registered_once_and_a_folder_at_a_time(mag: Callable[..., Result], file: Path) -> None:
    (file.parent / "autre.xml").write_bytes(Site("autre").metadata())
    assert mag("saml", "inscrire", "essai", "--dossier", file.parent).output.count("inscrit : ") == 2
    assert "est déjà" in mag("saml", "inscrire", "essai", "portail", "--fichier", file).output
    assert "est déjà inscrit" in mag("saml", "inscrire", "essai", "nouveau", "--fichier", file).output
    assert "Aucun fournisseur" in mag("saml", "montrer", "absent").output
    assert "celles de" in mag("saml", "relire", "autre", "--fichier", file).output


def test_keys_are_made_listed_changed_and_published(mag: Callable[..., Result]) -> None:
    assert mag("saml", "cles", "creer").output.count("\n") == 4
    assert "Rien ne manque" in mag("saml", "cles", "creer").output
    assert "moins de sept jours" in mag("saml", "cles", "changer", "RS256").output
    assert "signe (active)" in mag("saml", "cles", "changer", "RS256", "--urgence").output
    assert "retired" in mag("saml", "cles", "lister").output
    assert etree.fromstring(mag("saml", "metadonnees").output.encode()).get("entityID") == "https://mag.test"


def test_each_day_partners_are_told_of_what_ends_and_old_keys_give_way(app: Any, mag: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "court.xml").write_bytes(Site("court", days=40).metadata())
    mag("saml", "inscrire", "essai", "court", "--fichier", tmp_path / "court.xml")
    assert "1 partenaires prévenus, 0 clés" in mag("saml", "entretenir").output
    assert "0 partenaires prévenus" in mag("saml", "entretenir").output
    with time_machine.travel(datetime.now(UTC) + timedelta(days=35), tick=False):
        assert "1 partenaires prévenus" in mag("saml", "entretenir").output
    with time_machine.travel(datetime.now(UTC) + timedelta(days=3 * 365 - 30), tick=False):
        assert "2 clés changées" in mag("saml", "entretenir").output
        assert "0 clés" in mag("saml", "entretenir").output, "the next one was published just now"
    with app.app_context():
        mails = list(db.session.scalars(select(Mail).order_by(Mail.id)))
        assert [mail.recipient for mail in mails] == ["contact@essai.fr"] * len(mails)
        assert "arrive à échéance" in mails[0].subject
        assert db.session.scalars(select(FournisseurDeService)).one().warned_until is not None
