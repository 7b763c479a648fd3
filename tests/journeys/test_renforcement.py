"""Another site's word makes MAG ask for two factors: once, of who has one and of who has none, and by no way around."""

from datetime import UTC, datetime

import pytest

from idp.database import db
from idp.declarants.models import Declarant
from tests.facteurs import code, shown, step, une_personne_protegee, where
from tests.factories import se_connecter, un_declarant

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


def demand(app, person):
    with app.app_context():
        db.session.get_one(Declarant, person.id).renforcer_at = datetime.now(UTC)
        db.session.commit()


def is_demanded(app, person):
    with app.app_context():
        return db.session.get_one(Declarant, person.id).renforcer_at is not None


def test_who_has_none_adds_a_second_factor_and_cannot_put_it_off(app, client, new_client):
    person = un_declarant(app)
    demand(app, person)
    arrived = se_connecter(client)
    path, query = where(arrived)
    page = client.get(path, query_string=query).text

    assert path == "/connexion/protection"
    assert "Plus tard" not in page
    assert step(client, arrived, choix="plus-tard").status_code == 409
    assert client.get("/").status_code == 303
    secret = shown(page, "enrolement")
    assert step(client, arrived, enrolement=secret, code="000000").status_code == 422
    key = "".join(page.split('<code class="key">', 1)[1].split("<", 1)[0].split())
    added = step(client, arrived, enrolement=secret, code=code(key))
    assert added.text.count("<li><code>") == 10
    assert not is_demanded(app, person)
    assert where(se_connecter(new_client()))[0] == "/connexion/second-facteur"


def test_who_has_one_shows_it_and_is_asked_no_more(app, client):
    person, secret = une_personne_protegee(app)
    demand(app, person)
    arrived = se_connecter(client)
    assert where(arrived)[0] == "/connexion/second-facteur"
    assert is_demanded(app, person)

    assert where(step(client, arrived, code=code(secret)))[0] == "/"
    assert not is_demanded(app, person)
