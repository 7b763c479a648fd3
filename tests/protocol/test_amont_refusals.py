"""What a provider above MAG may answer wrongly, and MAG refuses: each by one change to an answer of Authlib's own server."""

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from joserfc.jwk import ECKey

from idp.database import db
from partners.amont import fournisseurs, relying, views
from partners.amont.fournisseurs import Declared
from partners.amont.jetons import Cles
from partners.amont.metadonnees import Discovery
from partners.amont.models import Fournisseur
from partners.amont.profils import OPENID, PROCONNECT
from partners.amont.refus import (
    FournisseurInjoignableError,
    FournisseurRefuseError,
    HorlogeError,
    JetonRefuseError,
    NiveauError,
    RefusChezFournisseurError,
)
from partners.amont.relying import Amont
from tests.protocol.amont_authlib import CLIENT, ISSUER, SECRET, Provider

wsgi_app = pytest.fixture(lambda standing_app: standing_app)
BROWSER = "navigateur-de-la-personne-1"
OTHER = ECKey.generate_key("P-256", {"kid": "k1", "use": "sig", "alg": "ES256"})


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
def amont(wsgi_app: Any, provider: Provider) -> Amont:
    whole: Amont = wsgi_app.flask.extensions["mag_amont"]
    speaking: Any = provider
    discovery = Discovery(speaking)
    return Amont(whole.settings, whole.store, whole.seals, speaking, discovery, Cles(whole.settings, fetcher=speaking))


@pytest.fixture
def fournisseur(wsgi_app: Any, amont: Amont) -> Iterator[Any]:
    given = {"code": "authlib", "nom": "Portail d'essai", "profil": "openid", "issuer": ISSUER, "client_id": CLIENT}
    with wsgi_app.flask.app_context():
        declared = Declared(**given, auth_method="client_secret_basic", secret=SECRET, usages=["rattachement"])
        made = Fournisseur.named("authlib") or fournisseurs.declare(amont, declared, datetime.now(UTC))
        db.session.commit()
        yield made
        db.session.rollback()


@pytest.fixture
def arrives(amont, provider, fournisseur):
    """`arrives(now=…, **what start is given)`: the whole way."""

    def go(now: datetime | None = None, **asked: Any) -> relying.Arrived:
        begun = datetime.now(UTC)
        address = relying.start(amont, fournisseur, "essai", browser=BROWSER, back="/", bound="", now=begun, **asked)
        return relying.finish(amont, provider.answers(address), browser=BROWSER, now=now or begun)

    return go


def test_a_provider_made_with_authlib_proves_somebody(arrives):
    arrived = arrives()

    assert (arrived.subject, arrived.claims["family_name"], arrived.amr) == ("claire", "Lefèvre", ("pwd",))


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        pytest.param({"aud": "un-autre"}, JetonRefuseError, id="3.1.3.7-aud"),
        pytest.param({"aud": [CLIENT, "un-autre"]}, JetonRefuseError, id="ours-another-audience-beside"),
        pytest.param({"azp": "un-autre"}, JetonRefuseError, id="3.1.3.7-azp"),
        pytest.param({"iss": "https://ailleurs.test"}, JetonRefuseError, id="3.1.3.7-iss"),
        pytest.param({"nonce": "un-autre"}, JetonRefuseError, id="3.1.3.7-nonce"),
        pytest.param({"nonce": None}, JetonRefuseError, id="3.1.3.7-no-nonce"),
        pytest.param({"sub": ""}, JetonRefuseError, id="2-empty-sub"),
        pytest.param({"sub": "x" * 256}, JetonRefuseError, id="2-long-sub"),
        pytest.param({"at_hash": "AAAA"}, JetonRefuseError, id="3.1.3.8-at_hash"),
        pytest.param({"exp": None}, JetonRefuseError, id="2-no-exp"),
        pytest.param({"iat": "hier"}, JetonRefuseError, id="2-iat"),
        pytest.param({"auth_time": -1e300}, JetonRefuseError, id="2-auth_time-beyond-numbers"),
        pytest.param({"auth_time": -5}, JetonRefuseError, id="2-auth_time-before-1970"),
        pytest.param({"auth_time": 10**12}, JetonRefuseError, id="2-auth_time-to-come"),
        pytest.param({"auth_time": "hier"}, JetonRefuseError, id="2-auth_time-no-number"),
        pytest.param({"exp": -310}, HorlogeError, id="3.1.3.7-expired"),
        pytest.param({"iat": 310, "exp": 400}, HorlogeError, id="ours-clock-ahead"),
        pytest.param({"iat": -700, "exp": 60}, HorlogeError, id="ours-too-old"),
        pytest.param({"nbf": 310}, HorlogeError, id="7519-nbf"),
    ],
)
def test_C62_an_id_token_that_breaks_one_rule_is_refused(provider, arrives, change, refusal):
    def twist(_header, claims):
        for name, value in change.items():
            seconds = name in ("exp", "iat", "nbf") and isinstance(value, int)
            claims[name] = int(time.time()) + value if seconds else value
        for name in [name for name, value in change.items() if value is None]:
            del claims[name]

    provider.twist = twist

    with pytest.raises(refusal) as refused:
        arrives()
    assert "aucune session" in refused.value.public


@pytest.mark.parametrize("seconds", [-290, 290])
def test_clocks_five_minutes_apart_are_borne_and_said(provider, arrives, caplog, seconds):
    def twist(_header, claims):
        claims |= {"iat": claims["iat"] + seconds, "exp": claims["iat"] + seconds + 5}

    provider.twist = twist

    with caplog.at_level("INFO", "mag"):
        assert arrives().subject == "claire"
    assert "provider clock is apart" in caplog.text


def test_C23_none_is_no_signature(provider, arrives):
    provider.signs = provider.unsigned

    with pytest.raises(JetonRefuseError, match="header refused"):
        arrives()


def test_C23_a_public_key_is_no_shared_secret(provider, arrives):
    """Algorithm confusion (RFC 8725 section 2.1)."""
    provider.signs = provider.confused

    with pytest.raises(JetonRefuseError, match="header refused"):
        arrives()


def test_the_key_of_somebody_else_signs_nothing(provider, arrives):
    """Under the same `kid`."""
    provider.key = OTHER

    with pytest.raises(JetonRefuseError, match="signature"):
        arrives()


def test_C23_a_key_brought_by_the_token_is_not_believed(provider, arrives):
    def twist(header, _claims):
        header["jwk"] = OTHER.as_dict(private=False)

    provider.twist, provider.key = twist, OTHER

    with pytest.raises(JetonRefuseError, match="header refused"):
        arrives()


def test_a_new_key_is_looked_for_once(provider, arrives):
    """Rotation: an unknown `kid` asks the provider again; a second one, at once, does not (C55)."""
    arrives()
    provider.key = ECKey.generate_key("P-256", {"kid": "k2", "use": "sig", "alg": "ES256"})
    provider.published = [provider.key]
    asked = provider.asked

    with pytest.raises(JetonRefuseError):
        arrives()  # within the quiet minute that follows the first fetch
    assert asked.count(f"{ISSUER}/jwks") == 1


def test_a_new_key_is_believed_after_the_quiet_minute(provider, arrives, amont):
    arrives()
    clock = time.monotonic() + 61
    amont.keys._clock = lambda: clock
    provider.key = ECKey.generate_key("P-256", {"kid": "k2", "use": "sig", "alg": "ES256"})
    provider.published = [provider.key]

    assert arrives().subject == "claire"
    assert provider.asked.count(f"{ISSUER}/jwks") == 2


def test_C62_userinfo_of_somebody_else_is_refused(provider, arrives):
    """Core section 5.3.2: the subject must be that of the ID token."""
    for other in ({"sub": "paul"}, {"given_name": "Claire"}):
        provider.userinfo = other
        with pytest.raises(JetonRefuseError, match="userinfo: sub"):
            arrives()


@pytest.mark.parametrize("answer", [("non", 200), ([1], 200)])
def test_userinfo_that_is_no_object_is_refused(provider, arrives, answer):
    provider.userinfo = answer

    with pytest.raises(JetonRefuseError, match="userinfo"):
        arrives()


def test_userinfo_that_must_be_signed_is_refused_in_clear(arrives, monkeypatch):
    monkeypatch.setattr(Fournisseur, "profile", PROCONNECT)

    with pytest.raises(JetonRefuseError, match="not signed"):
        arrives()


def test_a_level_that_was_not_reached_proves_nothing(arrives):
    with pytest.raises(NiveauError):
        arrives(acr_values=["urn:exemple:fort"])


def test_an_old_sign_in_is_not_a_fresh_one(provider, arrives):
    def twist(_header, claims):
        claims["auth_time"] = claims["iat"] - 100

    provider.twist = twist
    assert arrives(max_age=200).auth_time
    with pytest.raises(NiveauError):
        arrives(max_age=60)

    provider.twist = lambda _header, claims: claims.pop("auth_time", None)
    with pytest.raises(JetonRefuseError, match="auth_time"):
        arrives(max_age=60)


def test_a_sign_in_asked_anew_is_not_the_one_of_an_hour_ago(amont, provider, fournisseur, arrives, monkeypatch):
    """`prompt=login`, deleted from the address by whoever sits there: what the provider then tells of its session is looked at."""
    assert '"auth_time":{"essential":true}' in relying._level(Fournisseur(profil="proconnect"), ("eidas1",))["claims"]
    monkeypatch.setattr(Fournisseur, "profile", replace(OPENID, max_age=False))
    provider.twist = lambda _header, claims: claims.update(auth_time=claims["iat"] - 3600)

    assert arrives().auth_time, "of no sign-in that was to be new"
    for asked in ({"prompt": "login"}, {"max_age": 0}):
        with pytest.raises(NiveauError):
            arrives(**asked)

    provider.twist = lambda _header, claims: claims.update(auth_time=claims["iat"] - 30)
    assert arrives(prompt="login").auth_time
    provider.twist = lambda _header, claims: claims.pop("auth_time", None)
    assert arrives(prompt="login").auth_time is None, "its promise"


@pytest.mark.parametrize(
    ("answer", "refusal"),
    [
        (("panne", 500), FournisseurInjoignableError),
        (("<html>", 200), FournisseurInjoignableError),
        (([{"access_token": "abc"}], 200), FournisseurInjoignableError),
        (('"abc"', 200), FournisseurInjoignableError),
        (({"error": "invalid_client"}, 401), RefusChezFournisseurError),
        (({"access_token": "abc", "token_type": "Bearer"}, 200), JetonRefuseError),
        (({"id_token": "a.b.c", "token_type": "Bearer"}, 200), JetonRefuseError),
        (({"access_token": "abc", "id_token": "pas-un-jeton"}, 200), JetonRefuseError),
    ],
)
def test_a_token_endpoint_that_answers_badly_proves_nobody(provider, arrives, answer, refusal):
    provider.token_answer = answer

    with pytest.raises(refusal):
        arrives()


def test_a_stranger_does_not_fill_the_journal(send, journal, monkeypatch, caplog):
    monkeypatch.setattr(views, "MOST_TOLD", 2)
    before = len(journal("AmontRefused"))
    with caplog.at_level("INFO", "mag"):
        statuses = [send("/amont/retour", "GET", environ_base={"REMOTE_ADDR": "192.0.2.77"}).status_code for _ in range(4)]

    assert statuses == [400] * 4
    assert [line["reason"] for line in journal("AmontRefused")[before:]] == ["amont_retour_inconnu"] * 2
    assert caplog.text.count("provider refusal is not recorded") == 2


def test_a_provider_that_goes_away_meanwhile_is_a_page_that_says_so(provider, arrives, amont, fournisseur):
    amont.discovery.of(fournisseur)
    address = relying.start(amont, fournisseur, "essai", browser=BROWSER, back="/", bound="", now=datetime.now(UTC))
    answer = provider.answers(address)
    provider.away = True

    with pytest.raises(FournisseurInjoignableError) as refused:
        relying.finish(amont, answer, browser=BROWSER, now=datetime.now(UTC))
    assert (refused.value.status, refused.value.retry_after) == (503, 60)
    assert "Portail d'essai" in refused.value.public


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://ailleurs.test"},
        {"response_types_supported": ["id_token"]},
        {"token_endpoint": None},
        {"jwks_uri": 5},
        {"authorization_endpoint": "http://amont.test/authorize"},
        {"authorization_endpoint": "https://amont.test/authorize#morceau"},
    ],
)
def test_a_document_that_cannot_be_used_declares_nothing(wsgi_app, amont, provider, metadata):
    provider.metadata = metadata
    given = Declared(
        code="x", nom="X", profil="openid", issuer=ISSUER, client_id=CLIENT, auth_method="client_secret_post", secret=SECRET, usages=[]
    )
    with wsgi_app.flask.app_context(), pytest.raises(FournisseurRefuseError):
        fournisseurs.declare(amont, given, datetime.now(UTC))
