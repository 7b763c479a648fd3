"""What a partner asks the person to do: create an identity, choose an establishment. OpenID Prompt Create 1.0, and MAG's own hints."""

from urllib.parse import parse_qs, urlsplit

import pytest

from tests.factories import csrf_in
from tests.protocol.relying import answer_of

wsgi_app = pytest.fixture(lambda standing_app: standing_app)
SIRET, AUTRE = "73282932000074", "55203253400646"


def page_of(browser, response):
    assert response.status_code == 303
    return browser.get(response.headers["Location"])


def path_of(response) -> str:
    return urlsplit(response.headers["Location"]).path


@pytest.fixture
def portail(partner):
    return partner()


def test_create_leads_to_the_inscription_which_leads_to_the_sign_in_too(portail, client):
    response = portail.ask(client, prompt="create")
    page = page_of(client, response)

    assert path_of(response) == "/inscription"
    assert "Inscrire mon entreprise" in page.text
    assert "Portail portail" in page.text
    assert response.headers["Location"].replace("/inscription", "/connexion") in page.text
    assert path_of(portail.ask(client, prompt="login")) == "/connexion"


def test_create_is_asked_even_of_someone_signed_in_and_once(portail, signed_in, sign_in, un_declarant):
    response = portail.ask(signed_in, prompt="create")
    assert path_of(response) == "/inscription"
    again = signed_in.get(response.headers["Location"].replace("/inscription", "/authorize"))
    assert path_of(again) == "/connexion", "who comes back without a session signs in"
    sign_in(signed_in, un_declarant)
    onward = signed_in.get(response.headers["Location"].replace("/inscription", "/authorize"))

    assert "code" in answer_of(onward)[1]


@pytest.mark.parametrize("prompt", ["none create", "none login", "inconnu", "login inconnu", "Login"])
def test_an_unknown_or_contradictory_prompt_is_an_invalid_request(portail, signed_in, prompt):
    assert answer_of(portail.ask(signed_in, prompt=prompt))[1]["error"] == "invalid_request"


def test_select_organization_shows_establishments(portail, signed_in):
    response = portail.ask(signed_in, prompt="select_organization")
    page = page_of(signed_in, response)

    assert path_of(response) == "/connexion/choix"
    assert "Pour quel établissement" in page.text
    assert "Utiliser un autre établissement" in page.text
    assert "732 829 320 00074" in page.text
    demande = parse_qs(urlsplit(response.headers["Location"]).query)["demande"][0]
    chosen = signed_in.post("/connexion/choix", data={"csrf": csrf_in(page.text), "demande": demande})
    assert "code" in answer_of(signed_in.get(chosen.headers["Location"]))[1]


def test_select_account_shows_people(portail, signed_in):
    page = page_of(signed_in, portail.ask(signed_in, prompt="select_account"))

    assert "Avec quelle identité" in page.text
    assert "Pour quel établissement" not in page.text


def test_a_siret_hint_of_the_session_asks_nothing(portail, signed_in):
    for hint in (SIRET, "732 829 320 00074"):
        assert "code" in answer_of(portail.ask(signed_in, siret_hint=hint))[1]


def test_a_siret_hint_of_another_establishment_offers_the_choice(portail, signed_in):
    response = portail.ask(signed_in, siret_hint=AUTRE)
    page = page_of(signed_in, response)

    assert path_of(response) == "/connexion/choix"
    assert "Pour quel établissement" in page.text
    assert "552 032 534 00646" in page.text
    other = signed_in.get("/connexion", query_string={**parse_qs(urlsplit(response.headers["Location"]).query), "autre": "1"})
    assert 'value="552 032 534 00646"' in other.text, "the sign-in page is filled with it"
    assert answer_of(portail.ask(signed_in, siret_hint=AUTRE, prompt="none"))[1]["error"] == "account_selection_required"


@pytest.mark.parametrize("hint", ["", "abc", "123", "7" * 15, "٧٣٢٨٢٩٣٢٠٠٠٠٧٤", "<b>", "\u00a0"])
def test_a_siret_hint_that_is_none_is_ignored(portail, signed_in, hint):
    assert "code" in answer_of(portail.ask(signed_in, siret_hint=hint))[1]


def test_a_siret_hint_fills_the_sign_in_page(portail, client):
    assert 'value="552 032 534 00646"' in page_of(client, portail.ask(client, siret_hint=AUTRE)).text


def test_26_hints_that_mean_nothing_here_never_cause_an_error(portail, signed_in):
    for hints in (
        {"login_hint": "x@y"},
        {"ui_locales": "se fr-FR xx"},
        {"claims_locales": "se"},
        {"display": "popup"},
        {"display": "touch"},
        {"acr_values": "1 2"},
        {"idp_hint": "x"},
        {"extra": "foobar"},
    ):
        assert "code" in answer_of(portail.ask(signed_in, **hints))[1], hints


@pytest.mark.parametrize("document", ["openid-configuration", "oauth-authorization-server"])
def test_the_prompts_of_the_specifications_alone_are_announced(client, document):
    """A Java client reads no document that names another; `select_organization` is told in `docs/partenaires.md`."""
    listed = client.get(f"/.well-known/{document}").json["prompt_values_supported"]

    assert set(listed) == {"none", "login", "consent", "select_account", "create"}
