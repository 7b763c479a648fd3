"""Second factors said lost, at the desk: two operators, the delay all the same, and the owner told of each step."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from idp.audit.models import AuditEvent
from idp.authentication.factors import losses
from idp.authentication.factors.models import FactorLoss
from idp.config import Settings
from idp.database import db
from idp.declarants.models import Declarant
from idp.declarants.statuts import Role
from idp.support.models import Fonction
from idp.support.pertes import VERIFICATIONS
from tests.facteurs import code, letters, step, une_personne_protegee, where
from tests.factories import csrf_in, se_connecter, un_administrateur, un_declarant
from tests.journeys.operateurs import DESK, au_bureau, poster

EVERY = [check.value for check in VERIFICATIONS]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, desk_url=DESK)


@pytest.fixture
def deux(wsgi_app):
    return tuple(au_bureau(wsgi_app, nom, fonctions=[Fonction.ASSISTANCE]) for nom in ("Aline Roux", "Berthe Noir"))


def declare(operator, person, **typed):
    page = f"/facteurs/declarer/{person.uid}"
    return poster(operator, page, page, **{"verification": EVERY, "dossier": "dossier 12", **typed})


def loss_of(app, person) -> FactorLoss | None:
    with app.app_context():
        found = FactorLoss.live(person.id, datetime.now(UTC))
        db.session.expunge_all()
        return found


def try_again(client, **typed):
    """The way back of whoever lost the factor, at the sign-in."""
    path, query = where(se_connecter(client))
    page = client.get(path, query_string=query).text
    return client.post("/connexion/second-facteur/perdu", data={"csrf": csrf_in(page), **query, **typed})


def test_a_loss_declared_at_the_desk_takes_two_operators_and_72_hours(app, client, deux):
    claire, secret = une_personne_protegee(app)
    first, second = deux
    step(client, se_connecter(client), code=code(secret))
    assert f"/facteurs/declarer/{claire.uid}" in first.get(f"/personnes/{claire.uid}").text

    done = declare(first, claire)

    assert client.get("/").status_code == 303, "sessions end at once"
    loss = loss_of(app, claire)
    assert where(done)[0] == f"/facteurs/{loss.id}"
    assert (loss.asked_by, loss.agreed_by, loss.needs_agreement) == ("operateur:Aline Roux", None, True)
    page = f"/facteurs/{loss.id}"
    assert "un autre opérateur" in first.get(page).text
    assert poster(first, page, f"{page}/accorder", verification=EVERY).status_code == 409, "the same operator twice"
    assert poster(first, page, f"{page}/refuser").status_code == 409
    assert loss_of(app, claire).agreed_at is None
    assert poster(second, page, f"{page}/accorder", verification=EVERY[:-1]).status_code == 422
    assert poster(second, page, f"{page}/accorder", verification=EVERY).status_code == 303
    assert poster(second, page, f"{page}/accorder", verification=EVERY).status_code == 409
    assert "accord donné" in second.get(page).text
    assert [mail.subject for mail in letters(app, "facteur_perdu")] == [
        "Votre second facteur a été déclaré perdu",
        "Accord donné pour retirer votre second facteur",
    ]
    assert "72 heures" not in try_again(client).text, "a request is under way"
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=73)):
        assert where(try_again(client))[0] == "/"
    with app.app_context():
        events = db.session.query(AuditEvent).filter(AuditEvent.kind.like("FactorLoss%")).order_by(AuditEvent.id)
        assert [(event.kind, event.actor) for event in events] == [
            ("FactorLossAsked", "operateur:Aline Roux"),
            ("FactorLossAgreed", "operateur:Berthe Noir"),
            ("FactorLossClosed", None),
        ]
        assert events[0].details["reason"] == "dossier 12"


def test_what_one_operator_declares_alone_never_removes_a_factor(app, client, deux):
    claire, _ = une_personne_protegee(app)
    declare(deux[0], claire)

    with time_machine.travel(datetime.now(UTC) + timedelta(hours=80)):
        assert "enregistrée" in try_again(client).text
        assert loss_of(app, claire) is not None


def test_an_administrator_of_the_establishment_agrees_to_what_an_operator_declared(app, client, deux):
    claire, _ = une_personne_protegee(app)
    un_administrateur(app, nom="Durand", prenom="Paul", email="paul@exemple.fr")
    declare(deux[0], claire)
    assert [mail.recipient for mail in letters(app, "accord_facteur")] == ["paul@exemple.fr"]
    se_connecter(client, nom="Durand", prenom="Paul")
    page = client.get("/compte/securite/accords").text
    number = loss_of(app, claire).id
    assert "Claire" in page

    assert client.post(f"/compte/securite/accords/{number}", data={"csrf": csrf_in(page), "reponse": "accord"}).status_code == 303

    assert loss_of(app, claire).agreed_at is not None


def test_what_an_administrator_asked_at_the_sign_in_waits_in_the_queue(app, client, deux):
    claire, _ = une_personne_protegee(app, role=Role.ADMINISTRATEUR)
    try_again(client, confirmer="oui")
    operator = deux[0]
    assert "Demandée à la connexion" in operator.get("/facteurs").text
    number = loss_of(app, claire).id
    assert "1 en attente" in operator.get("/").text

    assert poster(operator, f"/facteurs/{number}", f"/facteurs/{number}/refuser").status_code == 303

    assert loss_of(app, claire) is None
    assert "reste en place" in letters(app, "facteur_perdu")[-1].subject
    assert operator.get(f"/facteurs/{number}").status_code == 404
    assert poster(operator, "/facteurs", f"/facteurs/{number}/refuser").status_code == 404


@pytest.mark.parametrize(
    ("typed", "status"),
    [
        pytest.param({"verification": EVERY[1:]}, 422, id="a-check-is-missing"),
        pytest.param({"dossier": "  "}, 422, id="no-case"),
        pytest.param({"dossier": "x" * 81}, 422, id="long-case"),
        pytest.param({"csrf": "faux"}, 403, id="forged"),
    ],
)
def test_a_declaration_that_breaks_one_rule_does_nothing(app, client, deux, typed, status):
    claire, secret = une_personne_protegee(app)
    step(client, se_connecter(client), code=code(secret))

    assert declare(deux[0], claire, **typed).status_code == status

    assert loss_of(app, claire) is None
    assert client.get("/").status_code == 200, "the session goes on"


def test_who_has_no_factor_loses_none(app, deux):
    nobody = un_declarant(app)

    assert deux[0].get(f"/facteurs/declarer/{nobody.uid}").status_code == 409
    assert deux[0].get("/facteurs/declarer/inconnu").status_code == 404
    assert deux[0].post(f"/facteurs/declarer/{nobody.uid}", data={"csrf": csrf_in(deux[0].get("/").text)}).status_code == 409


def test_a_declaration_sent_twice_is_one(app, deux):
    claire, _ = une_personne_protegee(app)
    page = deux[0].get(f"/facteurs/declarer/{claire.uid}").text
    form = {"csrf": csrf_in(page), "verification": EVERY, "dossier": "dossier 12"}

    done = [deux[0].post(f"/facteurs/declarer/{claire.uid}", data=form) for _ in range(2)]

    assert [one.status_code for one in done] == [303, 303]
    assert done[0].headers["Location"] == done[1].headers["Location"]
    assert deux[0].get(f"/facteurs/declarer/{claire.uid}").status_code == 303
    assert len(letters(app, "facteur_perdu")) == 1


def test_of_two_answers_at_once_one_counts(app, wsgi_app):
    claire, _ = une_personne_protegee(app)
    with app.app_context():
        person = db.session.get(Declarant, claire.id)
        number = losses.ask(app.extensions["mag"].settings, person, datetime.now(UTC), operator="Anne", reason="d 1").id
        db.session.commit()
    operators = [au_bureau(wsgi_app, nom) for nom in ("Aline Roux", "Berthe Noir")]
    forms = [{"csrf": csrf_in(one.get("/").text), "verification": EVERY} for one in operators]
    acts = ("accorder", "refuser")
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda i: operators[i].post(f"/facteurs/{number}/{acts[i]}", data=forms[i]).status_code, range(2)))

    assert sorted(done)[0] == 303
    assert sorted(done)[1] in (303, 404, 409)
    with app.app_context():
        loss = db.session.get(FactorLoss, number)
        assert (loss.agreed_at is None) or (loss.closed_at is None), "agreed or refused, never both"


def test_the_queue_is_paged(app, deux):
    names = [f"Nom{chr(97 + i // 5)}{chr(97 + i % 5)}" for i in range(27)]
    for name in names:
        person, _ = une_personne_protegee(app, nom=name, email=f"{name.lower()}@exemple.fr")
        with app.app_context():
            losses.ask(app.extensions["mag"].settings, db.session.get(Declarant, person.id), datetime.now(UTC), operator="Anne", reason="d")
            db.session.commit()

    first = deux[0].get("/facteurs").text
    after = first.split("?apres=")[1].split('"')[0]
    second = deux[0].get(f"/facteurs?apres={after}").text

    assert sum(f" {name}</strong>" in first for name in names) == 25
    assert sum(f" {name}</strong>" in second for name in names) == 2
    assert "apres=" not in second
    assert deux[0].get("/facteurs?apres=x").status_code == 200
