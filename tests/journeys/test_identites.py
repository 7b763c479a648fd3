"""Several identities of one person: linked with both passwords, changed without one, unlinked; and the chooser of partners."""

import re
from datetime import UTC, datetime

import pytest

from idp.audit.models import AuditEvent
from idp.authentication.session import COOKIE, find_session
from idp.database import db
from idp.declarants.models import Declarant
from idp.declarants.statuts import Statut
from idp.notifications.models import Mail
from tests.factories import NOM, PASSWORD, SIRET, csrf_in, se_connecter, un_declarant, une_demande, une_demande_de

ONLY_SQLITE = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
OTHER = "55208131766522"
OTHER_PASSWORD = "trois loutres sous le pont"
PAGE = "/compte/identites"


@pytest.fixture
def both(app):
    """The same person, twice."""
    first = un_declarant(app, email="claire@cabinet.test")
    return first, un_declarant(app, siret=OTHER, email="claire@ailleurs.test", password=OTHER_PASSWORD)


def demande_in(address):
    return re.search(r"demande=([^&]+)", address)[1]


def second_sign_in(client, **typed):
    """From the first identity, signed in just now, to the page that names both; its address and its answer."""
    begun = client.post("/compte/identites/relier", data={"csrf": csrf_in(client.get(PAGE).text)})
    given = {"siret": OTHER, "password": OTHER_PASSWORD, **typed}
    arrived = se_connecter(client, demande=demande_in(begun.location), **given)
    address = arrived.location.partition("?")[0]
    return address, client.get(address)


def relier(client, reponse="accepter"):
    se_connecter(client)
    address, page = second_sign_in(client)
    assert page.status_code == 200, page.text
    assert f'action="/compte/identites/relier/{address.rpartition("/")[2]}"' in page.text
    return client.post(address, data={"csrf": csrf_in(page.text), "reponse": reponse})


def session_of(app, client):
    cookie = client.get_cookie(COOKIE, domain="mag.test")
    mag = app.extensions["mag"]
    return find_session(mag.ephemeral, mag.settings, cookie.value, datetime.now(UTC)) if cookie else None


def switch(client, to, page=PAGE, **form):
    opened = client.get(page)
    return client.post("/connexion/bascule", data={"csrf": csrf_in(opened.text), "identite": to, **form})


def exiger(app, *words):
    result = app.test_cli_runner().invoke(args=["facteurs", "politique", "exiger", *words])
    app.extensions["mag"].versions.refresh()
    assert result.exit_code == 0, result.output


# ---------------------------------------------------------------------------------------------------------------- refusals


@ONLY_SQLITE
def test_the_same_identity_twice_is_nothing(both, client):
    se_connecter(client)

    _, page = second_sign_in(client, siret=SIRET, password=PASSWORD)

    assert (page.status_code, "M400502" in page.text) == (409, True)


@ONLY_SQLITE
def test_without_the_second_sign_in_nothing_is_linked(both, client, new_client):
    se_connecter(client)
    begun = client.post("/compte/identites/relier", data={"csrf": csrf_in(client.get(PAGE).text)})
    arrived = se_connecter(client, demande=demande_in(begun.location), siret=OTHER, password="un mauvais mot de passe")
    assert arrived.status_code == 422

    other = new_client()
    se_connecter(other, siret=OTHER, password=OTHER_PASSWORD)
    address, page = second_sign_in(client)
    assert "M400501" in other.get(address).text
    assert client.post(address, data={"csrf": "x", "reponse": "accepter"}).status_code == 403
    refused = client.post(address, data={"csrf": csrf_in(page.text), "reponse": "refuser"})
    assert refused.location.endswith("fait=refuse")
    assert "M400501" in client.post(address, data={"csrf": csrf_in(page.text), "reponse": "accepter"}).text
    assert "Passer à cette identité" not in client.get(PAGE).text


@ONLY_SQLITE
def test_a_first_identity_that_changed_meanwhile_is_not_linked(both, client, app):
    se_connecter(client)
    begun = client.post("/compte/identites/relier", data={"csrf": csrf_in(client.get(PAGE).text)})
    with app.app_context():
        db.session.get(Declarant, both[0].id).version += 1
        db.session.commit()

    arrived = se_connecter(client, demande=demande_in(begun.location), siret=OTHER, password=OTHER_PASSWORD)

    assert "M400501" in client.get(arrived.location.partition("?")[0]).text


@ONLY_SQLITE
def test_nobody_changes_to_an_identity_that_is_not_theirs(both, client, app):
    se_connecter(client)
    stranger = un_declarant(app, nom="Martin")

    answer = switch(client, stranger.id)

    assert answer.location.endswith("/connexion")
    assert session_of(app, client).declarant_id == both[0].id


@ONLY_SQLITE
@pytest.mark.parametrize("changes", [{"statut": Statut.SUSPENDU}, {"password_locked_at": datetime.now(UTC)}])
def test_an_identity_that_may_not_enter_is_not_changed_to(both, client, app, changes):
    relier(client)
    with app.app_context():
        for name, value in changes.items():
            setattr(db.session.get(Declarant, both[0].id), name, value)
        db.session.commit()

    assert "/connexion" in switch(client, both[0].id).location
    assert session_of(app, client).declarant_id == both[1].id


# ------------------------------------------------------------------------------------------------------------------ linked


def test_linked_with_both_passwords_then_changed_without_one(both, client, app):
    assert relier(client).location.endswith("fait=relie")
    before = session_of(app, client)

    answer = switch(client, both[0].id)

    assert answer.status_code == 303
    after = session_of(app, client)
    assert (after.declarant_id, after.auth_time, after.expires_at) == (both[0].id, before.auth_time, before.expires_at)
    assert (after.amr, after.acr) == (before.amr, before.acr)
    with app.app_context():
        kinds = [one.kind for one in db.session.scalars(db.select(AuditEvent).where(AuditEvent.kind.startswith("Identite")))]
        told = sorted(one.recipient for one in db.session.scalars(db.select(Mail).filter_by(kind="identite_reliee")))
    assert sorted(kinds) == ["IdentiteLinked", "IdentiteLinked", "IdentiteSwitched"]
    assert told == ["claire@ailleurs.test", "claire@cabinet.test"]


@ONLY_SQLITE
def test_what_the_other_identity_demands_more_is_asked(both, client, app):
    relier(client)
    with app.app_context():
        db.session.get(Declarant, both[0].id).second_factor = True
        db.session.commit()

    answer = switch(client, both[0].id)

    assert "/connexion/second-facteur" in answer.location
    assert session_of(app, client).declarant_id == both[1].id


@ONLY_SQLITE
@pytest.mark.parametrize("page", ["/compte/adresse", "/compte/fermeture", "/compte/securite/application", "/compte/donnees"])
def test_the_password_of_one_does_not_touch_the_keys_of_the_other(both, client, page):
    """However recent: whoever stole it would take both accounts for ever."""
    relier(client)
    assert client.get(page).status_code == 200

    switch(client, both[0].id)
    answer = client.get(page)

    assert "/connexion?demande=" in answer.location
    se_connecter(client, demande=demande_in(answer.location))
    assert client.get(page).status_code == 200


@ONLY_SQLITE
def test_nor_does_closing_the_other_sessions(both, client):
    relier(client)
    switch(client, both[0].id)

    client.post("/compte/sessions", data={"csrf": csrf_in(client.get("/compte/coordonnees").text), "toutes": "1"})

    assert "/connexion?demande=" in client.get("/compte/adresse").location


@ONLY_SQLITE
def test_a_factor_that_the_other_identity_must_set_up_waits_for_its_password(both, client, app):
    relier(client)
    exiger(app, "tous", "--delai", "10")

    answer = switch(client, both[0].id)

    assert answer.location.startswith("/connexion?demande=")
    page = client.get(answer.location)
    assert NOM in page.text, "the form is filled in"
    assert session_of(app, client).declarant_id == both[1].id


@ONLY_SQLITE
def test_three_identities_lead_to_each_other_and_one_leaves(both, client, app):
    relier(client)
    third = un_declarant(app, siret="73282932000066", password="quatre renards au soleil")
    begun = client.post("/compte/identites/relier", data={"csrf": csrf_in(client.get(PAGE).text)})
    arrived = se_connecter(client, demande=demande_in(begun.location), siret="73282932000066", password="quatre renards au soleil")
    address = arrived.location.partition("?")[0]
    client.post(address, data={"csrf": csrf_in(client.get(address).text), "reponse": "accepter"})
    assert client.get(PAGE).text.count("Passer à cette identité") == 2

    left = client.post("/compte/identites/delier", data={"csrf": csrf_in(client.get(PAGE).text), "identite": third.id})

    assert left.location.endswith("fait=delie")
    assert "Passer à cette identité" not in client.get(PAGE).text
    se_connecter(client)
    assert client.get(PAGE).text.count("Passer à cette identité") == 1


# --------------------------------------------------------------------------------------------------- the chooser of partners


@ONLY_SQLITE
def test_the_chooser_offers_them_without_a_password_the_hinted_first(both, client, app):
    relier(client)
    word = une_demande_de(app, client, une_demande(select=True, siret_hint=SIRET, establishments=True))
    page = client.get(f"/connexion/choix?demande={word}")
    assert "Identité reliée" in page.text
    assert NOM in page.text

    answer = client.post("/connexion/bascule", data={"csrf": csrf_in(page.text), "demande": word, "identite": both[0].id})

    assert answer.location == f"/authorize?demande={word}&choix=1"
    assert session_of(app, client).declarant_id == both[0].id
