"""The answer that a page posts to the partner, in a browser: by itself, and by a button without JavaScript.

OAuth 2.0 Form Post Response Mode; protocol check 32; seen with real clients, 8: the content policy lets the form reach that partner.
"""

from urllib.parse import urlencode

import pytest

from tests.factories import PASSWORD, SIRET, un_declarant
from tests.protocol.receiver import receiving
from tests.protocol.relying import VERIFIER, challenge_of, register

pytestmark = [pytest.mark.browser, pytest.mark.parametrize("backend", ["sqlite"], indirect=True)]


@pytest.fixture
def receiver():
    with receiving() as found:
        yield found


@pytest.fixture
def address(wsgi_app, receiver, live_server):
    """Where a person is sent, with an answer by form post."""
    un_declarant(wsgi_app.flask)
    redirect_uri = receiver.address("/retour", "portail.localhost")
    register(wsgi_app, "portail", redirect_uris=[redirect_uri])
    asked = {"client_id": "portail", "redirect_uri": redirect_uri, "response_type": "code", "response_mode": "form_post", "scope": "openid"}
    challenge = {"code_challenge": challenge_of(VERIFIER), "code_challenge_method": "S256"}
    return f"{live_server()}/authorize?{urlencode({**asked, **challenge, 'state': 'état & +%'})}"


@pytest.mark.parametrize("javascript", [True, False], ids=["by-itself", "without-JavaScript"])
def test_32_the_answer_reaches_the_partner_by_post_and_leaves_nothing_in_the_address(address, receiver, page, javascript):
    opened = page(javascript=javascript)
    opened.goto(address)
    for field, text in {"siret": SIRET, "nom": "Lefèvre", "prenom": "Claire", "password": PASSWORD}.items():
        opened.fill(f"#{field}", text)
    opened.get_by_role("button", name="Se connecter").click()
    if not javascript:
        opened.get_by_role("button", name="Continuer").click()
    opened.wait_for_url("**/retour")

    (answer,) = receiver.at("/retour")
    assert answer["form"].keys() == {"code", "state", "iss"}
    assert answer["form"]["state"] == ["état & +%"]

    opened.goto(address.replace("scope=openid", "scope=openid&prompt=none"), wait_until="commit")
    if not javascript:
        opened.get_by_role("button", name="Continuer").click()
    receiver.arrived("/retour", 2)
    assert "code" in receiver.at("/retour")[1]["form"]
