"""The directory changes an establishment: its administrators are told what, once (fact 14)."""

from datetime import date

from sqlalchemy import select

from idp.audit.models import AuditEvent
from idp.database import db
from idp.declarants.fiches.models import FicheConnue
from idp.entreprises.models import Entreprise, Etablissement
from idp.entreprises.siret import Siren, Siret
from tests.factories import SIRET, un_administrateur, un_declarant
from tests.parcours import mails, un_etablissement

OTHER = "73282932000082"


def passage(app):
    done = app.test_cli_runner().invoke(args=["declarants", "fiches"])
    assert done.exit_code == 0, done.output
    return done.output


def changed(app, day, siret=SIRET, company=None, **fields):
    """As an import of that day leaves the directory."""
    with app.app_context():
        row = Entreprise.find(Siren(siret[:9])) if company else Etablissement.find(Siret(siret))
        for name, value in {**(company or {}), **fields, "mis_a_jour": date(2026, 11, day)}.items():
            setattr(row, name, value)
        db.session.commit()


def told(app, recipient="claire@exemple.fr"):
    return [mail.body or "" for mail in mails(app, recipient) if mail.kind == "fiche_changee"]


def test_administrators_are_told_once_of_what_changed(app):
    un_etablissement(app)
    un_administrateur(app, email="claire@exemple.fr")
    un_declarant(app, nom="Petit", prenom="Nina", email="nina@exemple.fr")
    passage(app)
    assert told(app) == [], "a card that is seen for the first time is only kept"
    changed(app, 2, voie="9 RUE NEUVE", actif=False)
    assert "1 fiche" in passage(app)
    passage(app)

    [body] = told(app)
    assert "Adresse : 9 RUE NEUVE, 31000 TOULOUSE (avant : 8 RUE DU PONT, 31000 TOULOUSE)" in body
    assert "État : fermé (avant : ouvert)" in body
    assert "enregistrez le départ" in body
    assert "Nom :" not in body
    assert told(app, "nina@exemple.fr") == []
    with app.app_context():
        [event] = db.session.scalars(select(AuditEvent).filter_by(kind="CardChanged"))
        assert (event.siret, event.details["what"]) == (int(SIRET), "adresse, état")


def test_a_company_that_changes_name_is_told_to_each_of_its_places(app):
    un_etablissement(app)
    un_etablissement(app, OTHER, siege=False)
    un_administrateur(app, email="claire@exemple.fr")
    un_administrateur(app, siret=OTHER, nom="Roux", prenom="Ali", email="ali@exemple.fr")
    passage(app)
    changed(app, 3, company={"denomination": "LES ATELIERS DU FLEUVE"})
    passage(app)

    assert "Nom : LES ATELIERS DU FLEUVE (avant : LES ATELIERS DU PONT)" in told(app, "ali@exemple.fr")[0]
    assert len(told(app)) == 2, "from the head office one administers both"


def test_a_touch_that_changes_nothing_of_the_card_is_not_told(app):
    un_etablissement(app)
    un_administrateur(app, email="claire@exemple.fr")
    passage(app)
    changed(app, 4, activite_principale="62.01Z")
    assert "0 fiche" in passage(app)
    assert told(app) == []
    with app.app_context():
        assert FicheConnue.to_read(0, 10) == []


def test_a_place_that_nobody_administers_is_not_followed(app):
    un_etablissement(app)
    un_declarant(app, email="nina@exemple.fr")
    passage(app)
    with app.app_context():
        assert list(db.session.scalars(select(FicheConnue))) == []
