"""Who exists is told neither by an answer nor by what it costs: sign-in, inscription, recovery, activation, invitation (C33, C34).

The suite counts: the same statements in the same order, the same trips to the stores, the same slow hashes, the same bytes.
`tests/bench/enumeration.py` times, and compares.
"""

import re
from collections.abc import Callable

import pytest

from idp.declarants.statuts import Statut
from tests.factories import PASSWORD, SIRET, csrf_in, se_connecter, un_administrateur, un_declarant, une_personne_suspendue
from tests.journeys.equipe import administrateur_connecte, un_candidat
from tests.parcours import ORDER, Parcours, link_in, mails, un_etablissement
from tests.parcours import PASSWORD as MINE
from tests.protocol.work import counted

ELSEWHERE = "35600000000048"
VARYING = {"X-Request-ID", "Date", "Content-Length"}
WRONG = "ce n'est pas le bon"


@pytest.fixture(autouse=True)
def still(wsgi_app):
    """The check of versions, once a second, and the notices of the messenger belong to no request."""
    wsgi_app.mag.messenger.stop()
    wsgi_app.mag.versions.clock = lambda: 0.0
    wsgi_app.mag.versions.until = 1.0


def seen(response):
    """All that a stranger may compare, but for what they typed and for what differs at every answer."""
    headers = [(name, re.sub(r"=[\w-]{43}|Expires=[^;]*", "=", value)) for name, value in response.headers if name not in VARYING]
    text = re.sub(r'name="(csrf|defi)" value="[^"]*"', "", response.text.replace(response.headers["X-Request-ID"], ""))
    text = re.sub(r'(id="(?:siret|nom|prenom)"[^>]*?value=")[^"]*', r"\1", text)
    return response.status_code, sorted(headers), " ".join(text.split())


def one(answers):
    """Whether all are the same, or what differs."""
    first = answers[0]
    return [answer for answer in answers if answer != first] == []


FAILURES = {
    "wrong-password": {},
    "unknown-name": {"nom": "Personne"},
    "unknown-first-name": {"prenom": "Personne"},
    "unknown-siret": {"siret": ELSEWHERE},
    "suspended": {"nom": "Suspendue"},
    "without-password": {"nom": "Sans"},
    "candidate": {"nom": "Petit", "prenom": "Nina"},
    "struck-off": {"nom": "Radiée"},
}


@pytest.fixture
def people(app):
    un_declarant(app, email="claire@exemple.fr")
    une_personne_suspendue(app, nom="Suspendue")
    un_declarant(app, nom="Sans", password=None)
    un_declarant(app, nom="Radiée", statut=Statut.RADIE)
    un_candidat(app)


def test_C34_a_sign_in_that_fails_costs_the_same_whoever_it_is(app, new_client, people):
    se_connecter(new_client(), address="10.99.0.1", nom="Avant", password=WRONG)
    works, answers = [], []
    for n, typed in enumerate(FAILURES.values()):
        client = new_client()
        form = {"siret": SIRET, "nom": "Lefèvre", "prenom": "Claire", "password": WRONG, "csrf": csrf_in(client.get("/connexion").text)}
        with counted(app) as work:
            answers.append(client.post("/connexion", data=form | typed, environ_overrides={"REMOTE_ADDR": f"10.{n}.0.1"}))
        works.append(work)

    assert {len(work.hashes) for work in works} == {1}, "one slow hash, neither none nor two"
    assert one([work.digest() for work in works]), [work.statements for work in works]
    assert one([seen(answer) for answer in answers])
    assert {len(answer.data) % 1024 for answer in answers} == {0}


def test_C34_the_page_of_a_candidate_costs_the_same_whoever_it_is(app, new_client, people):
    works, answers = [], []
    for n, typed in enumerate([{"nom": "Avant"}, *FAILURES.values()]):
        client = new_client()
        form = {"siret": SIRET, "nom": "Lefèvre", "prenom": "Claire", "email": "claire@exemple.fr", "password": WRONG}
        form["csrf"] = csrf_in(client.get("/activation").text)
        with counted(app) as work:
            answers.append(client.post("/activation", data=form | typed, environ_overrides={"REMOTE_ADDR": f"10.{n}.0.1"}))
        works.append(work)

    assert {len(work.hashes) for work in works} == {1}
    assert one([work.digest() for work in works[1:]])
    assert one([seen(answer) for answer in answers])


def inscription(app, new_client, address: str, **identite: str) -> list[tuple[object, object]]:
    """What each step answers and costs to a stranger, up to the mail that is sent again."""
    parcours, found = Parcours(new_client(), address), []

    def step(act: Callable[[], object]) -> None:
        with counted(app) as work:
            answer = act()
        found.append((seen(answer), work.digest()))

    mine = {"email": f"curieux{address[-1]}@ailleurs.fr", "email2": f"curieux{address[-1]}@ailleurs.fr"} | identite
    step(lambda: parcours.send("siret"))
    for etape in ORDER:
        step(lambda etape=etape: parcours.send(etape, **(mine if etape == "identite" else {})))
    step(lambda: parcours.post("/inscription/courriel", encore="1"))
    return found


def test_C34_an_inscription_costs_the_same_whether_the_identity_exists(app, new_client):
    un_etablissement(app)
    un_administrateur(app, nom="Martin", prenom="Paul", email="paul@exemple.fr")
    inscription(app, new_client, "203.0.113.1", nom="Avant", prenom="Paul")
    exists = inscription(app, new_client, "198.51.100.2", nom="Martin", prenom="Paul")
    theirs = inscription(app, new_client, "192.0.2.4", nom="Martin", prenom="Paul", email="paul@exemple.fr", email2="paul@exemple.fr")
    does_not = inscription(app, new_client, "192.0.2.3", nom="Martel", prenom="Paul")

    for steps in (exists, theirs):
        assert [answer for answer, _ in steps] == [answer for answer, _ in does_not]
        assert [work for _, work in steps] == [work for _, work in does_not]


def confirmation(app, new_client, address: str, nom: str) -> tuple[object, object]:
    """What the link of the mail answers and costs to a stranger who inscribes from an address of theirs."""
    email = f"curieux{address[-1]}@ailleurs.fr"
    inscription(app, new_client, address, nom=nom, prenom="Paul")
    parcours, link = Parcours(new_client(), address), link_in(mails(app, email)[0])
    page = parcours.get(link).text
    with counted(app) as work:
        answer = parcours.post(link, page, password=MINE)
    assert answer.status_code == 303, answer.text[:3000]
    return seen(answer), work.digest()


def test_C34_confirming_an_inscription_costs_the_same_whether_the_name_is_borne(app, new_client):
    un_etablissement(app)
    un_administrateur(app, nom="Martin", prenom="Paul", email="paul@exemple.fr")
    confirmation(app, new_client, "203.0.113.1", "Avant")

    borne = confirmation(app, new_client, "198.51.100.2", "Martin")
    assert borne == confirmation(app, new_client, "192.0.2.3", "Martel")


def test_C34_an_invitation_costs_the_same_whether_its_address_is_known_elsewhere(app, client):
    """What an administrator learns is of the company alone: the address of a stranger is an address."""
    administrateur_connecte(app, client)
    un_declarant(app, siret=ELSEWHERE, nom="Petit", prenom="Nina", email="nina@exemple.fr")
    works, answers = [], []
    for prenom, email in (("Zoé", "avant@exemple.fr"), ("Nina", "nina@exemple.fr"), ("Nino", "nino@exemple.fr")):
        csrf = csrf_in(client.get("/equipe/inviter").text)
        form = {"nom": "Petit", "prenom": prenom, "email": email, "siret": SIRET, "role": "declarant", "csrf": csrf}
        with counted(app) as work:
            answers.append(client.post("/equipe/inviter", data=form))
        works.append(work.digest())

    assert one([seen(answer) for answer in answers])
    assert works[1] == works[2]


def test_C34_a_link_that_is_none_costs_the_same_whatever_it_was(app, client):
    """Unknown, or accepted long ago: nothing says that somebody was invited."""
    works, answers = [], []
    for token in ("avant", "x" * 43, "y" * 43):
        with counted(app) as work:
            answers.append(client.get(f"/invitation/{token}"))
        works.append(work.digest())

    assert one([seen(answer) for answer in answers])
    assert works[1] == works[2]
    assert PASSWORD not in answers[0].text
