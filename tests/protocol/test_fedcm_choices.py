"""FedCM: whom the browser may choose, the code it carries, the windows of MAG that some choices need first."""

import html
import json
import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import select

from idp.audit.models import AuditEvent
from idp.authentication.session import COOKIE
from idp.authentication.split_cookie import COOKIE as HALF
from idp.database import db
from idp.declarants.models import Declarant
from idp.declarants.parcours import conditions
from idp.declarants.parcours.models import ConditionsAcceptees
from idp.declarants.statuts import Statut
from idp.oidc.account.history import KINDS
from tests.facteurs import code, step, where, with_totp
from tests.factories import PASSWORD, SIRET, csrf_in, se_connecter, un_declarant
from tests.protocol.relying import hidden_fields
from tests.protocol.test_fedcm_refusals import BROWSER

OTHER_SIRET = "35600000000048"


@pytest.fixture
def portail(partner):
    return partner("portail")


@pytest.fixture
def claire(app):
    return un_declarant(app, email="claire@exemple.fr")


@pytest.fixture
def chooser(client, claire):
    """A browser where Claire signed in, as people do."""
    assert where(se_connecter(client))[0] == "/"
    return client


def accounts(browser):
    answer = browser.get("/fedcm/accounts", headers=BROWSER)
    assert answer.status_code == 200
    return answer.json["accounts"]


def ask(browser, partner, account=0, automatic="false", **changes):
    asked = partner.request(**changes)
    del asked["client_id"]
    form = {
        "client_id": partner.client_id,
        "account_id": accounts(browser)[account]["id"],
        "params": json.dumps(asked),
        "is_auto_selected": automatic,
        "disclosure_text_shown": "false",
    }
    return browser.post("/fedcm/assertion", data=form, headers={**BROWSER, "Origin": f"https://{partner.client_id}.test"})


def handed(page):
    """What a window of MAG gives the browser."""
    found = re.search(r'data-compte="([^"]*)" data-reponse="([^"]*)"', page.text)
    assert found, page.text
    return found[1], json.loads(html.unescape(found[2]))


def goes_on(browser, answer):
    """Through the window that the answer names, as far as the first page that asks something."""
    return browser.get(browser.get(answer.json["continue_on"]).headers["Location"])


# ------------------------------------------------------------------------------------------------------------- the documents


def test_the_well_known_file_and_the_configuration_agree(client):
    known, config = client.get("/.well-known/web-identity"), client.get("/fedcm/config.json", headers=BROWSER)

    assert known.json == {
        "provider_urls": ["https://mag.test/fedcm/config.json"],
        "accounts_endpoint": "https://mag.test/fedcm/accounts",
        "login_url": "https://mag.test/fedcm/connexion",
    }
    assert known.content_type == config.content_type == "application/json"
    for name in ("accounts_endpoint", "login_url"):
        assert "https://mag.test" + config.json[name] == known.json[name]
    assert config.json["id_assertion_endpoint"] == "/fedcm/assertion"
    assert config.json["disconnect_endpoint"] == "/fedcm/disconnect"
    assert config.json["supports_use_other_account"] is True
    icon = client.get(config.json["branding"]["icons"][0]["url"].removeprefix("https://mag.test"))
    assert (icon.status_code, icon.content_type) == (200, "image/png")
    assert "Cross-Origin-Resource-Policy" not in icon.headers


# --------------------------------------------------------------------------------------------------------------- the cookie


def test_a_sign_in_gives_both_halves_and_a_sign_out_takes_them(client, new_client, claire):
    signed = se_connecter(client)
    cookies = {line.partition("=")[0]: line for line in signed.headers.getlist("Set-Cookie")}

    assert signed.headers["Set-Login"] == "logged-in"
    assert "SameSite=Lax" in cookies[COOKIE]
    assert "SameSite=None" in cookies[HALF]
    for attribute in ("Secure", "HttpOnly", "Path=/"):
        assert attribute in cookies[HALF]
    assert "Domain" not in cookies[HALF]
    assert len(accounts(client)) == 1
    half = client.get_cookie(HALF, domain="mag.test").value
    out = client.post("/deconnexion", data={"csrf": csrf_in(client.get("/").text.partition('action="/deconnexion"')[2])})
    assert out.headers["Set-Login"] == "logged-out"
    assert client.get_cookie(HALF, domain="mag.test") is None
    assert asked_with(new_client(), half).status_code == 401


def asked_with(browser, half):
    browser.set_cookie(HALF, half, domain="mag.test")
    return browser.get("/fedcm/accounts", headers=BROWSER)


def test_the_half_of_before_is_worth_nothing_after_another_sign_in(client, new_client, claire):
    se_connecter(client)
    before = client.get_cookie(HALF, domain="mag.test").value
    se_connecter(client)

    assert asked_with(new_client(), before).status_code == 401
    assert len(accounts(client)) == 1


# ----------------------------------------------------------------------------------------------------------------- accounts


def test_an_account_is_told_by_its_siret_and_without_address(chooser):
    (told,) = accounts(chooser)

    assert told == {
        "id": told["id"],
        "name": "Claire Lefèvre",
        "given_name": "Claire",
        "username": "732 829 320 00074",
        "login_hints": [SIRET],
        "domain_hints": ["732829320"],
        "approved_clients": [],
    }


def test_w7_two_sirets_of_one_browser_are_both_shown(app, client, claire, portail):
    """Who is signed in first; the other, whom this browser was asked to remember, has its password to type."""
    un_declarant(app, siret=OTHER_SIRET)
    se_connecter(client, memoriser="oui")
    se_connecter(client, siret=OTHER_SIRET, memoriser="oui")
    assert "token" in ask(client, portail).json
    told = accounts(client)

    assert [one["login_hints"] for one in told] == [[OTHER_SIRET], [SIRET]]
    assert [one["approved_clients"] for one in told] == [[], []]
    page = client.get("/connexion")
    client.post("/connexion/oublier", data={"csrf": csrf_in(page.text), "demande": "", "identite": "1"})
    assert [one["login_hints"] for one in accounts(client)] == [[OTHER_SIRET]]


def test_who_is_only_remembered_and_may_no_longer_enter_is_not_shown(app, client, claire):
    un_declarant(app, siret=OTHER_SIRET)
    se_connecter(client, memoriser="oui")
    se_connecter(client, siret=OTHER_SIRET, memoriser="oui")
    with app.app_context():
        db.session.get_one(Declarant, claire.id).statut = Statut.SUSPENDU
        db.session.commit()

    assert [one["login_hints"] for one in accounts(client)] == [[OTHER_SIRET]]


def test_who_is_signed_in_and_may_no_longer_enter_is_nobody(app, chooser, claire):
    with app.app_context():
        db.session.get_one(Declarant, claire.id).statut = Statut.SUSPENDU
        db.session.commit()

    assert chooser.get("/fedcm/accounts", headers=BROWSER).status_code == 401


# ----------------------------------------------------------------------------------------------------------------- the code


def test_w7_a_choice_gives_the_page_a_code_that_its_server_redeems(chooser, portail, journal, claire):
    answer = ask(chooser, portail, nonce="un-nonce", automatic="true")
    told = answer.json["token"]

    assert set(told) == {"code", "state", "iss"}
    assert (told["state"], told["iss"]) == ("etat-0123456789", "https://mag.test")
    assert answer.headers["Access-Control-Allow-Origin"] == "https://portail.test"
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"
    assert "Origin" in answer.headers["Vary"]
    assert answer.headers["Cache-Control"] == "no-store"
    tokens = portail.tokens(portail.redeem(told["code"]))
    assert (tokens.claims["nonce"], tokens.claims["acr"]) == ("un-nonce", "eidas1")
    (line,) = journal("FedcmCodeIssued")
    assert (line["client_id"], line["declarant_id"], line["automatic"]) == ("portail", claire.id, True)
    assert "FedcmCodeIssued" in KINDS


def test_a_client_where_one_already_went_needs_no_words_any_more(chooser, portail, partner):
    partner("voisin")
    ask(chooser, portail)

    assert accounts(chooser)[0]["approved_clients"] == ["portail"]


def test_claims_written_as_json_are_understood(chooser, portail):
    told = chooser.post(
        "/fedcm/assertion",
        data={
            "client_id": "portail",
            "account_id": accounts(chooser)[0]["id"],
            "params": json.dumps({**portail.request(), "claims": {"id_token": {"family_name": None}}}),
        },
        headers={**BROWSER, "Origin": "https://portail.test"},
    ).json["token"]

    assert portail.tokens(portail.redeem(told["code"])).claims["family_name"] == "Lefèvre"


def test_a_request_that_was_pushed_serves_once(chooser, partner):
    pushing = partner("portail", require_pushed_authorization_requests=True)
    form = {
        "client_id": "portail",
        "account_id": accounts(chooser)[0]["id"],
        "params": json.dumps({"request_uri": pushing.pushed(), "response_type": "code", "code_challenge_method": "S256"}),
    }
    answers = [chooser.post("/fedcm/assertion", data=form, headers={**BROWSER, "Origin": "https://portail.test"}) for _ in range(2)]

    assert pushing.redeem(answers[0].json["token"]["code"]).status_code == 200
    assert answers[1].json["error"]["error"] == "invalid_request"


# ------------------------------------------------------------------------------------------------------------ continuation


def test_w7_another_account_signs_in_first_in_a_window(app, client, claire, portail, journal):
    un_declarant(app, siret=OTHER_SIRET)
    se_connecter(client, siret=OTHER_SIRET, memoriser="oui")
    se_connecter(client, memoriser="oui")
    answer = ask(client, portail, account=1)

    assert "token" not in answer.json
    mire = goes_on(client, answer)
    assert where(mire)[0] == "/connexion"
    page = client.get(mire.headers["Location"])
    assert "356 000 000 00048" in page.text
    form = {**hidden_fields(page), "siret": OTHER_SIRET, "nom": "Lefèvre", "prenom": "Claire", "password": PASSWORD}
    done = client.get(client.post("/connexion", data=form).headers["Location"])
    account, told = handed(done)
    assert accounts(client)[0]["id"] == account
    assert portail.tokens(portail.redeem(told["code"])).claims["sub"]
    assert [line["reason"] for line in journal("FedcmContinued")] == ["other_account"]


def test_w7_a_second_factor_is_asked_in_a_window(app, chooser, claire, portail):
    secret = with_totp(app, claire)
    answer = ask(chooser, portail, acr_values="eidas1-mfa")
    asked = goes_on(chooser, answer)

    assert where(asked)[0] == "/connexion/second-facteur"
    shown = chooser.get(asked.headers["Location"])
    second = shown if shown.status_code == 303 else asked
    account, told = handed(chooser.get(step(chooser, second, code=code(secret)).headers["Location"]))
    assert account == accounts(chooser)[0]["id"]
    assert portail.tokens(portail.redeem(told["code"])).claims["acr"] == "eidas1-mfa"


@pytest.mark.parametrize("agreed", [True, False])
def test_w7_a_first_link_is_agreed_to_in_a_window(chooser, partner, agreed):
    tiers = partner("tiers", first_party=False)
    page = goes_on(chooser, ask(chooser, tiers))
    assert page.status_code == 200
    form = {**hidden_fields(page), "reponse": "accepter" if agreed else "refuser"}
    done = chooser.get(chooser.post("/authorize/consentement", data=form).headers["Location"])

    if agreed:
        assert tiers.redeem(handed(done)[1]["code"]).status_code == 200
        assert "token" in ask(chooser, tiers).json
        assert accounts(chooser)[0]["approved_clients"] == ["tiers"]
    else:
        assert "Connexion abandonnée" in done.text
        assert "data-reponse" not in done.text


def test_w7_newer_terms_are_accepted_in_a_window(app, chooser, claire, portail, monkeypatch):
    (first, *_) = shipped = conditions.every()
    newer = replace(first, version="2099-1", effective_on=date(2026, 1, 2), sha256="2" * 64)
    monkeypatch.setattr(conditions, "every", lambda: (*shipped, newer))
    with app.app_context():
        ConditionsAcceptees.keep(claire.id, first.version, first.sha256, datetime.now(UTC))
        db.session.commit()
    mire = goes_on(chooser, ask(chooser, portail))
    page = chooser.get(mire.headers["Location"])
    form = {**hidden_fields(page), "siret": SIRET, "nom": "Lefèvre", "prenom": "Claire", "password": PASSWORD}
    terms = chooser.post("/connexion", data=form)

    assert where(terms)[0] == "/connexion/conditions"
    done = step(chooser, terms, conditions="2099-1", accord="oui")
    assert portail.redeem(handed(chooser.get(done.headers["Location"]))[1]["code"]).status_code == 200
    assert "token" in ask(chooser, portail).json


def test_w7_a_password_that_is_locked_leads_to_the_sign_in(app, chooser, claire, portail, journal):
    with app.app_context():
        db.session.get_one(Declarant, claire.id).password_locked_at = datetime.now(UTC)
        db.session.commit()

    assert "continue_on" in ask(chooser, portail).json
    assert journal("FedcmContinued")[-1]["reason"] == "password"


def test_a_window_that_is_opened_too_late_or_twice_gives_nothing(chooser, partner):
    tiers = partner("tiers", first_party=False)
    address = ask(chooser, tiers).json["continue_on"]
    page = chooser.get(chooser.get(address).headers["Location"])
    chooser.get(chooser.post("/authorize/consentement", data={**hidden_fields(page), "reponse": "accepter"}).headers["Location"])
    again = chooser.get(chooser.get(address).headers["Location"])

    assert "data-reponse" not in again.text
    assert chooser.get("/fedcm/continue").headers["Location"].startswith("/authorize?")
    assert chooser.get(chooser.get("/fedcm/continue?client_id=portail&request_uri=x").headers["Location"]).status_code == 400


def test_a_window_is_for_the_browser_that_asked_alone(app, chooser, new_client, partner):
    """Whoever is sent there by somebody else gives nothing away, signed in as they are."""
    tiers, victim = partner("tiers", first_party=False), new_client()
    un_declarant(app, nom="Martin", prenom="Paul")
    assert where(se_connecter(victim, nom="Martin", prenom="Paul"))[0] == "/"
    address = ask(chooser, tiers).json["continue_on"]
    for other in (victim, new_client()):
        page = other.get(other.get(address).headers["Location"])
        assert page.status_code == 400
        assert "data-reponse" not in page.text
        assert "Set-Cookie" not in page.headers

    assert goes_on(chooser, ask(chooser, tiers)).status_code == 200


def test_without_a_page_nobody_else_is_signed_in(app, chooser, partner, portail, journal):
    """`prompt=none` is kept, and what else was asked is not forgotten."""
    with app.app_context():
        db.session.scalars(select(Declarant)).one().password_locked_at = datetime.now(UTC)
        db.session.commit()
    refused = ask(chooser, portail, prompt="none")

    assert (refused.status_code, refused.json["error"]["error"]) == (400, "login_required")
    assert journal("FedcmContinued") == []


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_whether_somebody_is_there_does_not_keep_a_session_awake(settings, chooser):
    """Any page may have a browser ask, without anybody's doing."""
    begun = datetime.now(UTC)
    with time_machine.travel(begun + timedelta(seconds=settings.session_idle - 60)):
        assert accounts(chooser)
    with time_machine.travel(begun + timedelta(seconds=settings.session_idle + 60)):
        assert chooser.get("/fedcm/accounts", headers=BROWSER).status_code == 401


def test_an_answer_for_the_browser_never_goes_to_an_address(chooser, portail):
    """Nobody can ask for one by the authorization endpoint."""
    answer = chooser.get(portail.address() + "&mag_fedcm=1")

    assert answer.headers["Location"].startswith("https://portail.test/retour?code=")


# ------------------------------------------------------------------------------------------------- windows of the browser


def test_the_sign_in_window_ends_by_closing_itself(client, claire):
    mire = client.get("/fedcm/connexion?login_hint=35600000000048")
    assert "356 000 000 00048" in client.get(mire.headers["Location"]).text
    demande = where(mire)[1]["demande"]
    done = client.get(se_connecter(client, demande=demande).headers["Location"])

    assert done.headers["Set-Login"] == "logged-in"
    assert "Connexion terminée" in done.text
    assert "/static/navigateur.js" in done.text
    assert len(accounts(client)) == 1


def test_who_is_signed_in_already_may_take_another_account(chooser):
    asked = chooser.get("/fedcm/connexion")
    assert where(asked)[0] == "/connexion/choix"
    page = chooser.get(asked.headers["Location"])
    chooser.delete_cookie(HALF, domain="mag.test")
    chosen = chooser.post("/connexion/choix", data=hidden_fields(page))
    chooser.get(chosen.headers["Location"])

    assert len(accounts(chooser)) == 1


def test_the_sign_in_window_of_who_gives_up_closes_too(client):
    page = client.get(client.get("/fedcm/connexion").headers["Location"])
    given_up = client.post("/connexion/annuler", data={name: hidden_fields(page)[name] for name in ("csrf", "demande")})
    done = client.get(given_up.headers["Location"])

    assert "Connexion abandonnée" in done.text
    assert "Set-Login" not in done.headers


@pytest.mark.parametrize(
    ("error", "said"), [("access_denied", "ne peut pas être utilisé"), ("x", "demande valable"), ("", "demande valable")]
)
def test_an_error_is_explained_with_its_number(client, error, said):
    page = client.get("/fedcm/aide", query_string={"erreur": error, "trace": "abcd1234"})

    assert said in page.text
    assert "abcd1234" in page.text


# --------------------------------------------------------------------------------------------------------------- disconnect


def let_go(browser, partner, hint, origin="https://tiers.test"):
    form = {"client_id": partner.client_id, "account_hint": hint}
    return browser.post("/fedcm/disconnect", data=form, headers={**BROWSER, "Origin": origin})


def test_an_account_that_is_let_go_ends_the_agreement_and_what_was_kept(app, chooser, partner, journal):
    tiers = partner("tiers", first_party=False)
    page = goes_on(chooser, ask(chooser, tiers))
    done = chooser.get(chooser.post("/authorize/consentement", data={**hidden_fields(page), "reponse": "accepter"}).headers["Location"])
    tokens = tiers.tokens(tiers.redeem(handed(done)[1]["code"]))
    account = accounts(chooser)[0]
    answer = let_go(chooser, tiers, SIRET)

    assert (answer.status_code, answer.json) == (200, {"account_id": account["id"]})
    assert answer.headers["Access-Control-Allow-Origin"] == "https://tiers.test"
    assert not tiers.is_alive(tokens)
    assert tiers.refresh(tokens.refresh_token).status_code == 400
    assert accounts(chooser)[0]["approved_clients"] == []
    assert len(journal("ConsentWithdrawn")) == 1
    assert let_go(chooser, tiers, account["id"]).status_code == 200


def test_a_client_that_kept_nothing_is_let_go_once(app, chooser, portail, journal):
    ask(chooser, portail)
    for _ in range(2):
        assert let_go(chooser, portail, SIRET, "https://portail.test").status_code == 200

    assert len(journal("PortalDisconnected")) == 1
    with app.app_context():
        assert AuditEvent.happened("FedcmCodeIssued", 1)


@pytest.mark.parametrize(
    ("hint", "origin", "status"),
    [(SIRET, "https://ailleurs.test", 403), ("inconnu", "https://portail.test", 403), ("", "https://portail.test", 403)],
)
def test_letting_go_an_account_that_is_not_there_or_from_elsewhere_is_refused(chooser, portail, hint, origin, status):
    assert let_go(chooser, portail, hint, origin).status_code == status
