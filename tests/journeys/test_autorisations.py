"""What a person agreed to, read again and withdrawn: the page /autorisations."""

import pytest

from tests.factories import csrf_in
from tests.protocol.conftest import browser_of, code_flow, journal, new_declarant, partner, sign_in, signed_in, un_declarant  # noqa: F401
from tests.protocol.relying import answer_of, hidden_fields


@pytest.fixture
def agreed(partner, signed_in):  # noqa: F811
    """A partner that the person let know their address, and its tokens."""
    tiers = partner("tiers", first_party=False, client_name="Comptes & Cie : paie")
    page = tiers.ask(signed_in, scope="openid email")
    signed_in.post("/authorize/consentement", data={**hidden_fields(page), "reponse": "accepter"})
    return tiers, tiers.tokens(tiers.redeem(tiers.code(signed_in, scope="openid email")))


def withdraw(browser, client_id: str, **form: str):
    csrf = csrf_in(browser.get("/autorisations").text)
    return browser.post("/autorisations", data={"csrf": csrf, "client": client_id, **form})


def test_the_page_says_who_may_know_what_since_when(agreed, signed_in):  # noqa: F811
    page = signed_in.get("/autorisations")

    assert page.status_code == 200
    for text in ("Comptes &amp; Cie\u00a0: paie", "tiers.test", "votre adresse électronique", "Accord donné le"):
        assert text in page.text
    assert 'href="/autorisations"' in signed_in.get("/").text


def test_an_agreement_withdrawn_is_asked_again_and_what_it_gave_ends(agreed, signed_in, journal):  # noqa: F811
    tiers, tokens = agreed
    assert tiers.is_alive(tokens)
    done = withdraw(signed_in, "tiers")

    assert done.headers["Location"] == "/autorisations?retrait=1"
    assert "est retiré. Ce site" in signed_in.get(done.headers["Location"]).text
    assert not tiers.is_alive(tokens)
    assert tiers.refresh(tokens.refresh_token).json["error"] == "invalid_grant"
    assert answer_of(tiers.ask(signed_in, scope="openid email", prompt="none"))[1]["error"] == "consent_required"
    assert journal("ConsentWithdrawn")[-1]["client_id"] == "tiers"


def test_nobody_withdraws_for_somebody_else(agreed, signed_in, new_client, sign_in, new_declarant):  # noqa: F811
    tiers, tokens = agreed
    other = new_client()
    sign_in(other, new_declarant())
    assert "Vous n'avez donné d'accord à aucun site" in other.get("/autorisations").text
    home = csrf_in(other.get("/").text)

    for browser, csrf in ((other, home), (signed_in, home), (signed_in, "faux")):
        assert browser.post("/autorisations", data={"csrf": csrf, "client": "tiers"}).status_code == 403
    assert tiers.is_alive(tokens)


def test_what_was_never_agreed_changes_nothing(agreed, signed_in):  # noqa: F811
    tiers, tokens = agreed
    for client_id in ("", "inconnu", "é\x01", "x" * 5000):
        assert withdraw(signed_in, client_id).headers["Location"] == "/autorisations"
    assert tiers.is_alive(tokens)


def test_without_a_session_the_person_signs_in_first(client):
    assert client.get("/autorisations").headers["Location"].startswith("/connexion?demande=")
    assert client.post("/autorisations", data={"client": "x"}).headers["Location"].startswith("/connexion?demande=")
