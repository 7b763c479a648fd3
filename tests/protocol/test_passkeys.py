"""Passkeys, with an authenticator in software: made, used as second factor, used alone; and whatever must not open anything.

WebAuthn Level 2 sections 7.1 and 7.2; ids name the step of the verification.
"""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from idp.audit.models import AuditEvent
from idp.authentication.factors.models import Passkey
from idp.database import db
from idp.declarants.models import Declarant
from tests.authenticator import UP, UV, Authenticator, b64, unb64
from tests.facteurs import letters, where
from tests.factories import csrf_in, se_connecter, un_declarant, une_demande_de

PAGE = "/compte/securite/cles"
ADD, LINK = "/compte/securite/cles/ajouter", "/compte/securite/cles/lier"
SIGN_IN, SECOND, PROTECT = "/connexion/cle", "/connexion/second-facteur/cle", "/connexion/protection/cle"
OPTIONS = ("/compte/securite/cles/ajouter/options", "/compte/securite/cles/lier/options", "/connexion/cle/options")
MORE = ("/connexion/second-facteur/cle/options", "/connexion/protection/cle/options", "/compte/securite/cles/<int:number>")


def dance(client, path, act, **fields):
    """Asks for options, lets the authenticator answer, sends the answer."""
    options = client.post(f"{path}/options", data=fields)
    if options.status_code != 200:
        return options
    return client.post(path, data=fields | {"reponse": act(options.json)})


def add(client, authenticator, path=ADD, **fields):
    csrf = csrf_in(client.get(PAGE).text)
    return dance(client, path, authenticator.create if path == ADD else authenticator.get, csrf=csrf, **fields)


@pytest.fixture
def holder(app, client):
    """Somebody signed in, who just added a passkey: the person, and the authenticator."""
    person = un_declarant(app, email="claire@exemple.fr")
    se_connecter(client)
    authenticator = Authenticator()
    assert add(client, authenticator, nom="Ordinateur du bureau").status_code == 200
    return person, authenticator


def alone(client, authenticator, demande="", act=None):
    page = client.get("/connexion", query_string={"demande": demande} if demande else {}).text
    return dance(client, SIGN_IN, act or authenticator.get, csrf=csrf_in(page), demande=demande)


def second(client, authenticator):
    _, query = where(se_connecter(client))
    page = client.get("/connexion/second-facteur", query_string=query).text
    return dance(client, SECOND, authenticator.get, csrf=csrf_in(page), **query)


def signed_in_by(app):
    with app.app_context():
        event = db.session.query(AuditEvent).filter_by(kind="ConnexionOpened").order_by(AuditEvent.id.desc()).first()
        return event.details["amr"], event.details["acr"]


def test_a_passkey_is_kept_with_what_it_is_and_the_person_is_told(app, client, holder):
    with app.app_context():
        (key, link), *others = Passkey.of(holder[0].id)
        assert (key.transports, key.discoverable, key.backed_up, link.name) == ("internal", True, False, "Ordinateur du bureau")
        assert others == []
    assert "Ordinateur du bureau" in client.get("/compte/securite").text
    assert letters(app, "facteur_ajoute")


def test_its_recovery_codes_are_shown_by_the_next_page(app, client):
    un_declarant(app)
    se_connecter(client)
    answer = add(client, Authenticator())

    assert client.get(answer.json["vers"]).text.count("<li><code>") == 10


def test_alone_it_is_a_whole_sign_in(app, holder, new_client):
    browser = new_client()
    answer = alone(browser, holder[1])

    assert answer.json == {"vers": "/"}
    assert browser.get("/").status_code == 200
    assert signed_in_by(app) == ("pop mfa", "eidas1-mfa")


def test_alone_it_goes_on_to_the_partner_who_asked(app, holder, new_client):
    browser = new_client()
    token = une_demande_de(app, browser)

    assert alone(browser, holder[1], token).json["vers"].startswith("/authorize?demande=")


def test_after_the_password_it_is_the_second_factor(app, holder, new_client):
    browser = new_client()

    assert second(browser, replace(holder[1], flags=UP)).json == {"vers": "/"}
    assert signed_in_by(app) == ("pwd pop mfa", "eidas1-mfa")


def change(**members):
    """An answer with other members of its client data."""

    def act(authenticator):
        def get(options):
            answer = json.loads(authenticator.get(options))
            said = json.loads(unb64(answer["response"]["clientDataJSON"])) | members
            answer["response"]["clientDataJSON"] = b64(json.dumps(said).encode())
            return json.dumps(answer)

        return get

    return act


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda a: replace(a, key=Authenticator().key), id="7.2-20-another-key"),
        pytest.param(lambda a: replace(a, credential_id=b"x" * 32), id="7.2-6-unknown-credential"),
        pytest.param(lambda a: replace(a, origin="https://evil.test"), id="7.2-13-origin"),
        pytest.param(lambda a: replace(a, rp_id="evil.test"), id="7.2-15-rp-id"),
        pytest.param(lambda a: replace(a, flags=UV), id="7.2-16-not-present"),
        pytest.param(lambda a: replace(a, flags=UP), id="7.2-17-not-verified"),
    ],
)
def test_what_is_not_proven_opens_nothing(app, holder, new_client, spoil):
    browser = new_client()
    answer = alone(browser, spoil(holder[1]))

    assert (answer.status_code, set(answer.json)) == (422, {"erreur", "numero"})
    assert browser.get("/").status_code == 303


@pytest.mark.parametrize(
    "members",
    [
        pytest.param({"type": "webauthn.create"}, id="7.2-11-type"),
        pytest.param({"challenge": b64(b"x" * 32)}, id="7.2-12-challenge"),
        pytest.param({"challenge": 7}, id="7.2-12-challenge-is-no-text"),
        pytest.param({"origin": None}, id="7.2-13-no-origin"),
    ],
)
def test_altered_client_data_opens_nothing(holder, new_client, members):
    browser = new_client()

    assert alone(browser, holder[1], act=change(**members)(holder[1])).status_code == 422


@pytest.mark.parametrize("answer", ["", "{}", "[]", "x", '{"id":1}', '{"response":{"clientDataJSON":"é"}}', "x" * 20_000])
def test_nonsense_is_refused(client, answer):
    page = client.get("/connexion").text

    response = client.post(SIGN_IN, data={"csrf": csrf_in(page), "reponse": answer})

    assert response.status_code == 422


def test_C38_an_answer_serves_once_in_its_browser_and_in_time(holder, new_client):
    browser, other = new_client(), new_client()
    kept = []
    alone(browser, holder[1], act=lambda options: kept.append(holder[1].get(options)) or kept[0])
    again = browser.post(SIGN_IN, data={"csrf": csrf_in(browser.get("/connexion").text), "reponse": kept[0]})
    with_options = browser.post(f"{SIGN_IN}/options", data={"csrf": csrf_in(browser.get("/connexion").text)}).json
    elsewhere = other.post(SIGN_IN, data={"csrf": csrf_in(other.get("/connexion").text), "reponse": holder[1].get(with_options)})
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=301)):
        late = browser.post(SIGN_IN, data={"csrf": csrf_in(browser.get("/connexion").text), "reponse": holder[1].get(with_options)})

    assert [one.status_code for one in (again, elsewhere, late)] == [422, 422, 422]


def test_an_answer_to_one_question_is_none_to_another(client, holder, new_client):
    """A challenge of the second factor, which asks for no finger, does not open a whole sign-in."""
    browser = new_client()
    _, query = where(se_connecter(browser))
    page = browser.get("/connexion/second-facteur", query_string=query).text
    options = browser.post(f"{SECOND}/options", data={"csrf": csrf_in(page), **query}).json
    mire = csrf_in(browser.get("/connexion").text)

    assert browser.post(SIGN_IN, data={"csrf": mire, "reponse": holder[1].get(options)}).status_code == 422


def test_a_counter_that_does_not_grow_refuses_the_key_and_is_told(app, holder, new_client):
    copy = replace(holder[1])
    assert alone(new_client(), holder[1]).status_code == 200
    refused = alone(new_client(), copy)

    assert refused.status_code == 422
    assert "copiée" in refused.json["erreur"]
    with app.app_context():
        assert db.session.query(AuditEvent).filter_by(kind="PasskeyRegressed").count() == 1


def test_a_passkey_of_somebody_else_is_no_second_factor(app, client, holder, new_client):
    un_declarant(app, nom="Durand")
    durand = new_client()
    se_connecter(durand, nom="Durand")
    other = Authenticator()
    add(durand, other)

    assert second(new_client(), other).status_code == 422


@pytest.mark.parametrize("path", [SIGN_IN, f"{SIGN_IN}/options"])
def test_a_forged_request_is_refused_in_words(client, path):
    client.get("/connexion")
    response = client.post(path, data={"csrf": "faux"})

    assert (response.status_code, "erreur" in response.json) == (403, True)


def test_who_may_no_longer_enter_is_refused_like_an_unknown_key(app, holder, new_client):
    with app.app_context():
        db.session.get_one(Declarant, holder[0].id).statut = "suspendu"
        db.session.commit()
    suspended, unknown = alone(new_client(), holder[1]), alone(new_client(), Authenticator())

    assert (suspended.status_code, suspended.json) == (unknown.status_code, unknown.json) == (422, suspended.json)


def test_one_key_opens_several_identities_of_a_person_who_then_chooses(app, holder, new_client):
    other = un_declarant(app, nom="Lefèvre", prenom="Claire", siret="35600000000048")
    browser = new_client()
    se_connecter(browser, siret="35600000000048")
    assert add(browser, holder[1], LINK, nom="La même").status_code == 200
    fresh = new_client()
    address = alone(fresh, holder[1]).json["vers"]
    page = fresh.get(address).text
    typed = {"csrf": csrf_in(page), "choix": address.partition("choix=")[2], "identite": other.uid}
    assert new_client().get(address).status_code == 409
    assert where(fresh.post("/connexion/identite", data=typed))[0] == "/"
    again = fresh.post("/connexion/identite", data=typed)

    assert page.count('name="identite"') == 2
    assert "356 000 000 00048" in fresh.get("/").text
    assert again.status_code == 409


def test_a_key_is_renamed_and_removed_by_its_person_alone(app, client, holder, new_client):
    un_declarant(app, nom="Durand")
    durand = new_client()
    se_connecter(durand, nom="Durand")
    with app.app_context():
        number = Passkey.of(holder[0].id)[0][0].id
    strange = durand.post(f"{PAGE}/{number}", data={"csrf": csrf_in(durand.get(PAGE).text), "acte": "retirer"})
    csrf = csrf_in(client.get(PAGE).text)
    client.post(f"{PAGE}/{number}", data={"csrf": csrf, "acte": "renommer", "nom": "  Clé <b> "})
    assert "Clé &lt;b&gt;" in client.get("/compte/securite").text
    client.post(f"{PAGE}/{number}", data={"csrf": csrf, "acte": "retirer"})

    assert strange.status_code == 404
    assert alone(new_client(), holder[1]).status_code == 422
    assert where(se_connecter(new_client()))[0] == "/"


def test_a_person_led_to_protection_may_add_a_passkey(app, client):
    un_declarant(app)
    app.test_cli_runner().invoke(args=["facteurs", "politique", "exiger", "tous", "--delai", "0"])
    app.extensions["mag"].versions.refresh()
    path, query = where(se_connecter(client))
    page = client.get(path, query_string=query).text
    answer = dance(client, PROTECT, Authenticator().create, csrf=csrf_in(page), **query)

    assert path == "/connexion/protection"
    assert client.get(answer.json["vers"]).text.count("<li><code>") == 10
    assert signed_in_by(app) == ("pwd pop mfa", "eidas1-mfa")
