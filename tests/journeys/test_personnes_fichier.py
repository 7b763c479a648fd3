"""Many people invited at once by a file (fact 37): a dry run, a report line by line, sent once."""

import io
import re

import pytest
from sqlalchemy import func, select

from idp.database import db
from idp.declarants.equipe.models import Invitation
from idp.declarants.statuts import Role
from tests.factories import SIRET, csrf_in, se_connecter, un_declarant
from tests.journeys.equipe import administrateur_connecte, courriers, un_etablissement

PAGE = "/equipe/inviter/fichier"
SEND = "/equipe/inviter/fichier/envoyer"
HEAD = "siret;nom;prenom;email;role"
OTHER = "35600000000048"


@pytest.fixture
def admin(app, client):
    un_etablissement(app)
    return administrateur_connecte(app, client, nom="Place")


def check(client, text, **typed):
    content = text if isinstance(text, bytes) else text.encode()
    data = {"csrf": csrf_in(client.get(PAGE).text), "fichier": (io.BytesIO(content), "personnes.csv"), **typed}
    return client.post(PAGE, data=data, content_type="multipart/form-data")


def send(client, page):
    word = re.search(r'name="mot" value="([^"]*)"', page.text)[1]
    return client.post(SEND, data={"csrf": csrf_in(page.text), "mot": word})


def invited(app):
    with app.app_context():
        return list(
            db.session.execute(select(Invitation.nom, Invitation.prenom, Invitation.email, Invitation.role).order_by(Invitation.id))
        )


def lines(*cells):
    return "\r\n".join([HEAD, *cells])


def test_a_file_is_checked_then_sent_and_each_person_is_written_to(app, client, admin):
    text = "\ufeff" + lines(f"{SIRET};Durand;Paul;paul@exemple.fr;", f"{SIRET[:9]} 00074;Petit;Zoé;zoe@exemple.fr;Déclarant")
    report = check(client, text)

    assert report.status_code == 200
    assert "2 invitations sont prêtes" in report.text
    assert invited(app) == []
    assert courriers(app, "invitation") == []

    done = send(client, report)

    assert "2 invitations sont envoyées" in done.text
    assert [(row.nom, row.prenom, row.email, row.role) for row in invited(app)] == [
        ("Durand", "Paul", "paul@exemple.fr", Role.DECLARANT),
        ("Petit", "Zoé", "zoe@exemple.fr", Role.DECLARANT),
    ]
    assert [mail.recipient for mail in courriers(app, "invitation")] == ["paul@exemple.fr", "zoe@exemple.fr"]
    again = send(client, report)
    assert again.status_code == 303
    assert len(invited(app)) == 2, "sent twice, sent once"


def test_each_line_that_cannot_be_is_told_and_the_others_are_sent(app, client, admin):
    un_declarant(app, nom="Ici", prenom="Déjà")
    report = check(
        client,
        lines(
            f"{SIRET};Ici;Déjà;deja@exemple.fr;",
            f"{OTHER};Loin;Luc;luc@exemple.fr;",
            "123;Court;Siret;court@exemple.fr;",
            f"{SIRET};Sans;Adresse;rien;",
            f"{SIRET};;Anonyme;a@exemple.fr;",
            f"{SIRET};Rôle;Faux;r@exemple.fr;directeur",
            f"{SIRET};Bon;Bruno;bruno@exemple.fr;",
            f"{SIRET};BON;bruno;bruno@exemple.fr;",
        ),
    )
    rows = re.findall(r"<tr><td>(\d+)</td><td>([^<]*)</td><td>([^<]+)</td></tr>", report.text)

    assert [int(number) for number, _, _ in rows] == [2, 3, 4, 5, 6, 7, 9]
    assert "plus haut dans le fichier" in rows[-1][2]
    assert "pas cet établissement" in rows[1][2].replace("&#39;", "'")
    assert send(client, report).status_code == 200
    assert [row.nom for row in invited(app)] == ["Bon"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(b"", "Colonnes absentes", id="empty"),
        pytest.param(b"siret;nom\n1;2", "Colonnes absentes", id="no-column"),
        pytest.param(HEAD.encode(), "aucune personne", id="nobody"),
        pytest.param((HEAD + "\n" + f"{SIRET};Été;A;a@b.fr;").encode("latin-1"), "UTF-8", id="latin-1"),
        pytest.param(
            (HEAD + "\n" + "\n".join(f"{SIRET};Nom;P{n};p{n}@exemple.fr;" for n in range(501))).encode(), "500 personnes", id="too-many"
        ),
        pytest.param(b"\x00\xff" * 50, "UTF-8", id="binary"),
    ],
)
@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_a_file_that_is_none_is_refused_in_one_sentence(app, client, admin, content, words):
    answer = check(client, content)

    assert answer.status_code == 422
    assert words in answer.text.replace("\xa0", " ")
    assert invited(app) == []


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_a_file_too_big_and_a_forged_form_do_nothing(app, client, admin):
    assert check(client, b"x" * (300 * 1024)).status_code == 413
    assert check(client, lines(f"{SIRET};A;B;a@b.fr;"), csrf="faux").status_code == 403
    report = check(client, lines(f"{SIRET};Durand;Paul;paul@exemple.fr;"))
    word = re.search(r'name="mot" value="([^"]*)"', report.text)[1]
    assert client.post(SEND, data={"mot": word, "csrf": "faux"}).status_code == 403
    assert invited(app) == []


def test_the_file_of_an_administrator_is_nobody_else_s(app, client, new_client, admin):
    report = check(client, lines(f"{SIRET};Durand;Paul;paul@exemple.fr;"))
    word = re.search(r'name="mot" value="([^"]*)"', report.text)[1]
    other = new_client()
    administrateur_connecte(app, other, nom="Autre", prenom="Luc")

    answer = other.post(SEND, data={"csrf": csrf_in(other.get(PAGE).text), "mot": word})

    assert answer.status_code == 303
    assert invited(app) == []
    simple = new_client()
    un_declarant(app, nom="Simple")
    se_connecter(simple, nom="Simple")
    assert simple.get(PAGE).status_code == 403
    assert new_client().get(PAGE).status_code == 303


def test_what_changed_since_the_report_is_told(app, client, admin):
    report = check(client, lines(f"{SIRET};Durand;Paul;paul@exemple.fr;", f"{SIRET};Petit;Zoé;zoe@exemple.fr;"))
    un_declarant(app, nom="Durand", prenom="Paul")

    done = send(client, report)

    assert "Une invitation est envoyée" in done.text
    assert "Une ligne à corriger" in done.text
    assert [row.nom for row in invited(app)] == ["Petit"]
    with app.app_context():
        assert db.session.scalar(select(func.count()).select_from(Invitation)) == 1


def test_the_model_is_a_file_that_comes_back_empty(client, admin):
    model = client.get("/equipe/inviter/fichier/modele.csv")

    assert model.data.startswith(b"\xef\xbb\xbfsiret;nom;prenom;email")
    assert "aucune personne" in check(client, model.data).text
