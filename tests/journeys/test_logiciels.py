"""« Mes logiciels »: what acts in one's name is listed, one installation at a time, and taken back."""

from datetime import UTC, datetime

import pytest
from joserfc.jwk import ECKey
from sqlalchemy import select

from idp.database import db
from idp.oidc.models import RefreshFamily
from tests.factories import csrf_in
from tests.protocol.conftest import (  # noqa: F401
    browser_of,
    code_flow,
    journal,
    new_declarant,
    partner,
    services,
    sign_in,
    signed_in,
    un_declarant,
)
from tests.protocol.test_jwt_bearer import assertion, bear, granted, software

pytestmark = pytest.mark.usefixtures("services")
SCOPE = "openid siret offline_access habilitations:dsn"


@pytest.fixture
def paie(partner):  # noqa: F811
    found = software(partner, "paie", client_name="Paie Facile", scope=SCOPE, dpop_bound_access_tokens=True)
    found.dpop = ECKey.generate_key("P-256")
    return found


def withdraw(browser, family_id, **form):
    csrf = csrf_in(browser.get("/compte/logiciels").text)
    return browser.post("/compte/logiciels", data={"csrf": csrf, "logiciel": family_id, **form})


def test_each_installation_is_listed_and_taken_back_alone(wsgi_app, paie, signed_in, journal):  # noqa: F811
    assert "Aucun logiciel n'agit en votre nom" in signed_in.get("/compte/logiciels").text
    first, second = (granted(paie, signed_in, SCOPE) for _ in range(2))
    token = bear(paie, assertion(paie, first)).json["access_token"]
    page = signed_in.get("/compte/logiciels").text

    assert page.count('<h2 id="logiciel-') == 2
    for text in ("Paie Facile", "Dernière utilisation le", "Il n'a pas encore servi", "Déclaration sociale nominative"):
        assert text in page
    done = withdraw(signed_in, first["grant_id"])
    assert done.headers["Location"] == "/compte/logiciels?retrait=1"
    assert "C'est retiré" in signed_in.get(done.headers["Location"]).text
    assert bear(paie, assertion(paie, first)).json["error"] == "invalid_grant"
    assert paie.introspect(token).json == {"active": False}
    assert bear(paie, assertion(paie, second)).status_code == 200
    assert journal("SoftwareDisconnected")[0]["family_id"] == first["grant_id"]
    assert withdraw(signed_in, first["grant_id"]).headers["Location"] == "/compte/logiciels"


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_what_proves_its_key_each_time_lasts_a_year_and_the_rest_a_month(wsgi_app, partner, paie, signed_in):  # noqa: F811
    granted(paie, signed_in, SCOPE)
    granted(software(partner, "ancien", scope=SCOPE), signed_in, SCOPE)

    with wsgi_app.flask.app_context():
        lives = {row.client_id: (row.expires_at - datetime.now(UTC)).days for row in db.session.scalars(select(RefreshFamily))}
    assert lives == {"paie": 364, "ancien": 29}


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_nobody_takes_back_the_software_of_another(paie, signed_in, new_client, sign_in, new_declarant):  # noqa: F811
    mine, other = granted(paie, signed_in, SCOPE), new_client()
    sign_in(other, new_declarant())

    theirs = granted(paie, other, SCOPE)
    assert withdraw(other, mine["grant_id"]).headers["Location"] == "/compte/logiciels"
    assert withdraw(other, theirs["grant_id"]).headers["Location"] == "/compte/logiciels?retrait=1"
    assert signed_in.post("/compte/logiciels", data={"csrf": "faux", "logiciel": mine["grant_id"]}).status_code == 403
    assert bear(paie, assertion(paie, mine)).status_code == 200


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_without_a_session_the_person_signs_in_first(client):
    assert client.get("/compte/logiciels").headers["Location"].startswith("/connexion?demande=")
    assert client.post("/compte/logiciels", data={"logiciel": "x"}).headers["Location"].startswith("/connexion?demande=")
