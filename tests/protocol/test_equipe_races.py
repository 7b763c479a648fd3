"""Administrators who act at the same instant, against four server processes: one answer wins, nothing is done twice."""

from collections import Counter
from collections.abc import Callable

import pytest
from sqlalchemy import func, select

from idp.database import db
from idp.declarants.equipe.models import Candidature
from idp.declarants.models import Declarant
from idp.declarants.statuts import Statut
from idp.habilitations.models import DroitDirect, Operation
from tests import services
from tests.conftest import ISSUER, serving
from tests.factories import SIRET, csrf_in, un_administrateur, un_declarant
from tests.journeys.equipe import administrateur_connecte, courriers, relu, un_candidat
from tests.journeys.test_radiation import give, hidden
from tests.protocol.racing import at_once, request

pytestmark = [pytest.mark.xdist_group("races"), pytest.mark.parametrize("backend", ["postgresql"], indirect=True)]
COOKIES = ("__Host-mag_s", "__Host-mag_b")


@pytest.fixture
def port(app, backend, start_process: Callable[..., services.Server]) -> int:
    """Four processes on the stores of the application."""
    found = services.free_port()
    command = ["4" if before == "--workers" else word for before, word in zip(["", *serving(found)], serving(found), strict=False)]
    start_process(command, found, **(backend.environ() | {"MAG_ISSUER": ISSUER}))
    return found


def sent(client, path: str, form: dict[str, str]) -> bytes:
    """A form of somebody signed in, as bytes."""
    cookies = (client.get_cookie(name, domain="mag.test", path="/") for name in COOKIES)
    header = "; ".join(f"{cookie.key}={cookie.value}" for cookie in cookies if cookie is not None)
    return request(path, "POST", form=form, headers={"Cookie": header})


def test_C82_of_two_administrators_who_answer_at_once_one_decides(app, client, new_client, port):
    other = new_client()
    administrateur_connecte(app, client)
    administrateur_connecte(app, other, nom="Roux", prenom="Ali", email="ali@exemple.fr")
    nina = un_candidat(app)
    with app.app_context():
        page = f"/equipe/demandes/{Candidature.of(nina.id).reference}"
    answers = []
    for who, answer in ((client, "accord"), (other, "refus")):
        csrf = csrf_in(who.get(page).text)
        answers += [sent(who, page, {"csrf": csrf, "reponse": answer, "remplace": ""})] * 4
    codes = Counter(reply.status_code for reply in at_once(port, answers))

    assert codes == {200: 1, 409: 7}
    agreed = relu(app, nina.id) is not None
    assert len(courriers(app, "candidature_acceptee")) == agreed
    assert len(courriers(app, "candidature_refusee")) == (not agreed)


def test_C82_a_double_strike_off_is_done_once(app, client, port):
    chef = administrateur_connecte(app, client)
    zoe = un_declarant(app, nom="Autre", prenom="Zoé", email="zoe@exemple.fr")
    give(app, zoe.id, int(SIRET))
    path = f"/equipe/personnes/{zoe.uid}/depart"
    preview = client.post(path, data={"csrf": csrf_in(client.get(path).text), "destin": "garde"})
    confirmation = sent(client, f"{path}/confirmation", hidden(preview.text))
    codes = Counter(reply.status_code for reply in at_once(port, [confirmation] * 8))

    assert codes == {303: 1, 409: 7}
    assert relu(app, zoe.id).statut is Statut.RADIE
    assert len(courriers(app, "radiation")) == 1
    with app.app_context():
        assert db.session.scalar(select(func.count()).select_from(Operation).where(Operation.kind == "transferer")) == 1
        assert list(db.session.scalars(select(DroitDirect.declarant_id))) == [chef.id]


def test_of_two_administrators_who_strike_each_other_off_one_stays(app, client, new_client, port):
    other = new_client()
    first = administrateur_connecte(app, client)
    second = administrateur_connecte(app, other, nom="Roux", prenom="Ali", email="ali@exemple.fr")
    un_declarant(app, nom="Autre", prenom="Zoé")
    posts = []
    for who, leaver in ((client, second), (other, first)):
        path = f"/equipe/personnes/{leaver.uid}/depart"
        preview = who.post(path, data={"csrf": csrf_in(who.get(path).text), "destin": "abandon"})
        posts.append(sent(who, f"{path}/confirmation", hidden(preview.text)))
    codes = [reply.status_code for reply in at_once(port, posts * 3)]

    assert all(code in (303, 403, 404, 409) for code in codes), codes
    with app.app_context():
        there = select(func.count()).select_from(Declarant).where(Declarant.statut == Statut.ACTIF)
        assert db.session.scalar(there.where(Declarant.id.in_([first.id, second.id]))) == 1


def test_two_administrators_who_give_the_role_up_at_once_are_not_both_heard(app, client, new_client, port):
    other = new_client()
    first = administrateur_connecte(app, client)
    second = administrateur_connecte(app, other, nom="Roux", prenom="Ali", email="ali@exemple.fr")
    un_declarant(app, nom="Autre", prenom="Zoé")
    posts = []
    for who, person in ((client, first), (other, second)):
        path = f"/equipe/personnes/{person.uid}/role"
        posts.append(sent(who, path, {"csrf": csrf_in(who.get(path).text), "role": "declarant"}))
    codes = sorted(reply.status_code for reply in at_once(port, posts))

    assert codes == [303, 409]
    with app.app_context():
        assert len(Declarant.administrators(first.siret)) == 1


def test_an_administrator_struck_off_meanwhile_decides_nothing(app, client, port):
    """The session ends before the row is read again: either way, nothing is done."""
    chef = administrateur_connecte(app, client)
    un_administrateur(app, nom="Roux", prenom="Ali")
    nina = un_candidat(app)
    with app.app_context():
        page = f"/equipe/demandes/{Candidature.of(nina.id).reference}"
    form = {"csrf": csrf_in(client.get(page).text), "reponse": "accord", "remplace": ""}
    with app.app_context():
        from idp.declarants import transitions
        from idp.declarants.statuts import Act, By

        transitions.apply(db.session.get(Declarant, chef.id), Act.RADIER, By.OPERATEUR, chef.opened_at)
        db.session.commit()
    codes = {reply.status_code for reply in at_once(port, [sent(client, page, form)] * 4)}

    assert codes == {303}
    assert relu(app, nina.id).statut is Statut.CANDIDAT


def test_C82_a_person_invited_twice_at_once_receives_one_mail(app, client, port):
    administrateur_connecte(app, client)
    form = {"nom": "Petit", "prenom": "Nina", "email": "nina@exemple.fr", "siret": SIRET, "role": "declarant"}
    csrf = csrf_in(client.get("/equipe/inviter").text)
    codes = Counter(reply.status_code for reply in at_once(port, [sent(client, "/equipe/inviter", {"csrf": csrf, **form})] * 6))

    assert codes == {303: 1, 422: 5}
    assert len(courriers(app, "invitation")) == 1
