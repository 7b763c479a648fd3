"""Who is in already is examined too: candidates, people invited, and everybody again before they declare. An operator decides."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import select

from idp.config import Settings
from idp.database import db
from idp.declarants.controles import reexamen, tenue
from idp.declarants.controles.dossier import Moment, Nature, Sens
from idp.declarants.controles.models import Controle
from idp.declarants.controles.verdict import Verdict
from idp.declarants.models import Declarant
from idp.declarants.parcours.models import ProfilEtablissement
from idp.declarants.profils import Profil, Secteur
from idp.declarants.statuts import Statut
from idp.entreprises.siret import Siret
from idp.support.models import Fonction
from tests.factories import SIRET, se_connecter, un_administrateur, un_declarant
from tests.journeys.equipe import courriers, un_candidat
from tests.journeys.operateurs import DESK, au_bureau, poster
from tests.journeys.test_controles import une_entreprise

REASON = "Vérifié au téléphone avec la direction."


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, desk_url=DESK)


@pytest.fixture
def company(app):
    assert app.test_cli_runner().invoke(args=["habilitations", "catalogue"]).exit_code == 0
    with app.app_context():
        une_entreprise()
        ProfilEtablissement.keep(Siret(SIRET), Profil.ENTREPRISE_ET_CLIENTS, Secteur.PRIVE, datetime.now(UTC))
        db.session.commit()


@pytest.fixture
def operator(wsgi_app):
    return au_bureau(wsgi_app, fonctions=[Fonction.CONTROLES])


def examined(app, person, moment: Moment = Moment.INSCRIPTION) -> int:
    """As when the person came in; the number of what waits."""
    with app.app_context():
        found = db.session.get(Declarant, person.id)
        reexamen.invite(found, datetime.now(UTC))
        row = Controle.last(person.id, moment)
        db.session.commit()
        return row.id


def decide(operator, number: int, decision: str):
    return poster(operator, f"/controles/{number}", f"/controles/{number}/decision", decision=decision, motif=REASON)


def statut(app, person) -> Statut | None:
    with app.app_context():
        return db.session.scalar(select(Declarant.statut).where(Declarant.id == person.id))


@pytest.mark.parametrize(("decision", "after"), [("valider", Statut.CANDIDAT), ("ecarter", None)])
def test_a_doubt_about_a_candidate_is_an_operator_s(app, company, operator, decision, after):
    un_administrateur(app, nom="Place")
    nina = un_candidat(app)
    number = examined(app, nina)
    assert f"/controles/{number}" in operator.get("/controles").text
    assert "sans l'activer" in operator.get(f"/controles/{number}").text.replace("&#39;", "'").replace("\u2019", "'")

    assert decide(operator, number, decision).status_code == 303

    assert statut(app, nina) is after
    assert decide(operator, number, decision).status_code == 409
    assert f"/controles/{number}" not in operator.get("/controles").text


def test_who_was_invited_is_set_aside_by_a_suspension(app, client, company, operator):
    un_administrateur(app, nom="Place")
    paul = un_declarant(app, nom="Durand", prenom="Paul", email="paul@exemple.fr")
    se_connecter(client, nom="Durand", prenom="Paul")
    number = examined(app, paul)

    assert decide(operator, number, "ecarter").status_code == 303

    assert statut(app, paul) is Statut.SUSPENDU
    assert client.get("/compte").status_code == 303, "sessions end"
    assert [mail.recipient for mail in courriers(app, "bureau_suspendre")] == ["paul@exemple.fr"]
    assert decide(operator, number, "valider").status_code == 409


def test_to_lift_a_doubt_about_who_was_invited_changes_nothing_else(app, client, company, operator):
    un_administrateur(app, nom="Place")
    paul = un_declarant(app, nom="Durand", prenom="Paul")
    se_connecter(client, nom="Durand", prenom="Paul")

    assert decide(operator, examined(app, paul), "valider").status_code == 303

    assert statut(app, paul) is Statut.ACTIF
    assert client.get("/compte").status_code == 200


def test_even_the_last_administrator_may_be_set_aside(app, company, operator):
    """A fraud may be alone: operators are not held by it, as for any suspension of theirs."""
    alone = un_administrateur(app)

    assert decide(operator, examined(app, alone), "ecarter").status_code == 303

    assert statut(app, alone) is Statut.SUSPENDU


def test_everybody_is_examined_again_and_a_decision_holds_while_nothing_changes(app, company, operator):
    paul = un_declarant(app, nom="Durand", prenom="Paul")
    un_declarant(app, nom="Parti", statut=Statut.RADIE)
    run = lambda *more: app.test_cli_runner().invoke(args=["controles", "revoir", *more]).output  # noqa: E731
    assert run().startswith("1 personnes examinées")
    assert run().startswith("0 personnes"), "recent enough"
    with app.app_context():
        first = Controle.last(paul.id, Moment.DECLARATION)
        number, verdict = first.id, first.verdict
    assert verdict is Verdict.MANUAL, "a tiers without a link nor the Ordre"
    assert decide(operator, number, "valider").status_code == 303

    with time_machine.travel(datetime.now(UTC) + timedelta(days=31)):
        assert run().startswith("1 personnes")
        with app.app_context():
            assert [one.id for one in Controle.of(paul.id)] == [number], "the same: the decision holds"
            options = {"service": "", "services": (), "motif": "Fraude", "proprietaire": "Cellule", "actor": "essai"}
            tenue.ajouter(Sens.INTERDIT, Nature.SIRET, SIRET, datetime.now(UTC), expires_at=None, **options)
            db.session.commit()
        assert run().startswith("0 personnes")
    with time_machine.travel(datetime.now(UTC) + timedelta(days=62)):
        run()
        with app.app_context():
            last = Controle.last(paul.id, Moment.DECLARATION)
            assert last.id != number
            assert last.decided_at is None
            assert Controle.count_waiting() == 1
