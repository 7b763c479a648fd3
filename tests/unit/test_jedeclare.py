"""The portal that links accounts: whose word opens what, links that it did not ask for."""

import json
import time
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc.jwk import ECKey

from partners.portals.jedeclare import views
from partners.portals.jedeclare.portail import Portail

SITE, MAG = "http://je-declare.localhost:5090", "http://mag.localhost:5000"
COMPTES = [
    {"id": f"compte-{number}", "courriel": f"{name}@cabinet.test", "nom": name, "mot_de_passe": "loutre verte du lac"}
    for number, name in ((7, "claire"), (8, "paul"))
]
LINK = {"compte": "compte-7", "sub": "claire-a-mag", "id": "lien-1"}


@pytest.fixture
def mag(tmp_path, monkeypatch) -> Any:
    """What MAG would answer, and what it was asked to end; `identity` is who is signed in at MAG."""
    key = ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256"}, private=True, auto_kid=True).as_dict(private=True)
    kit = {"issuer": MAG, "base_url": SITE, "client_id": "jedeclare", "private_key": key, "scope": "openid"}
    settings = {"nom": "jedeclare", "origin": SITE, "secret_key": "k" * 40, "liens": str(tmp_path / "liens"), "comptes": COMPTES}
    app = views.create_portal(Portail.read(json.dumps({**settings, "private_key": key, "client_secret": "s" * 40, "kit": kit})))
    _, real, provider, liens = app.extensions["jedeclare"]
    told = SimpleNamespace(listed=[LINK], ended=[], identity=None, client=app.test_client(), liens=liens)
    monkeypatch.setattr(real, "links", lambda: told.listed)
    monkeypatch.setattr(real, "unlink", told.ended.append)
    monkeypatch.setattr(real, "answer", json.loads)
    monkeypatch.setattr(views, "current_identity", lambda: told.identity)
    told.asked = {"client_id": "mag", "redirect_uri": provider.redirect_uri, "response_type": "code", "scope": "openid"}
    told.asked |= {"code_challenge_method": "S256", "code_challenge": "c", "state": "s"}
    return told


def signs_in(mag: Any, courriel: str = "claire@cabinet.test", suite: str = "/espace") -> Any:
    mag.client.get("/connexion")
    with mag.client.session_transaction() as session:
        jeton = session["jeton"]
    form = {"courriel": courriel, "mot_de_passe": "loutre verte du lac", "jeton": jeton, "suite": suite}
    return mag.client.post("/connexion", data=form)


def arrives(mag: Any) -> Any:
    mag.identity = SimpleNamespace(sub="claire-a-mag", claims={"auth_time": int(time.time())})
    return mag.client.get("/mag/arrive")


def goes_on(mag: Any, **changed: str) -> Any:
    response = json.dumps({"compte": "compte-7", "sub": "claire-a-mag", "rattachement": "lien-1"})
    return mag.client.get("/mag/associe", query_string={"response": response, "iss": MAG, **changed})


def asked_link(mag: Any) -> str:
    address = urlsplit(mag.client.get("/mag/associer").location)
    assert address.path == "/rattachement"
    with mag.client.session_transaction() as session:
        return str(session["etat"])


def test_what_mag_opened_is_not_vouched_for_to_mag(mag):
    assert arrives(mag).location == "/espace?fait=arrive"

    assert mag.client.get("/mag/passer").location == "/connexion?suite=%2Fmag%2Fpasser"
    assert mag.client.get("/mag/associer").location == "/connexion?suite=%2Fmag%2Fassocier"
    silent = mag.client.get("/oidc/authorize", query_string={**mag.asked, "prompt": "none"})
    assert parse_qs(urlsplit(silent.location).query)["error"] == ["login_required"]
    assert mag.client.get("/oidc/authorize", query_string=mag.asked).location.startswith("/connexion?")


def test_what_mag_opened_ends_with_the_session_at_mag(mag):
    arrives(mag)
    assert mag.client.get("/espace").status_code == 200

    mag.identity = SimpleNamespace(sub="quelqu'un d'autre", claims={})
    assert mag.client.get("/espace").location == "/connexion"
    mag.identity = None
    assert mag.client.get("/espace").location == "/connexion"


def test_a_password_given_here_is_worth_what_it_was(mag):
    arrives(mag)
    assert signs_in(mag, suite="/mag/passer").location == "/mag/passer"
    mag.identity = None

    assert mag.client.get("/mag/passer").location.startswith(f"{MAG}/navigation?assertion=")
    answer = mag.client.get("/oidc/authorize", query_string={**mag.asked, "prompt": "none"})
    assert "code" in parse_qs(urlsplit(answer.location).query)


def test_a_link_that_ended_at_mag_opens_nothing_here(mag):
    arrives(mag)
    mag.listed = []

    assert arrives(mag).status_code == 403
    assert mag.liens.of("compte-7") == ""


def test_a_link_that_this_browser_asked_for_is_kept(mag):
    signs_in(mag)
    state = asked_link(mag)

    # MAG asked the provider meanwhile, which wanted the password again
    mag.client.get("/oidc/authorize", query_string={**mag.asked, "prompt": "login"})
    signs_in(mag)

    assert goes_on(mag, state=state).location == "/espace?fait=associe"
    assert goes_on(mag, state=state).location == "/espace"
    assert (mag.liens.of("compte-7"), mag.ended) == ("lien-1", [])


@pytest.mark.parametrize("courriel", ["", "claire@cabinet.test", "paul@cabinet.test"])
@pytest.mark.parametrize("state", ["", "d'un autre"])
def test_a_link_that_this_browser_did_not_ask_for_is_ended(mag, courriel, state):
    if courriel:
        signs_in(mag, courriel)
        asked_link(mag)

    assert goes_on(mag, state=state).status_code == 400
    assert (mag.liens.of("compte-7"), mag.ended) == ("", ["lien-1"])


@pytest.mark.parametrize("max_age", ["²", "٣", "-1", "x", "9" * 5000])
def test_a_max_age_that_is_no_number_is_none(mag, max_age):
    signs_in(mag)

    answer = mag.client.get("/oidc/authorize", query_string={**mag.asked, "max_age": max_age})

    assert "code" in parse_qs(urlsplit(answer.location).query)
