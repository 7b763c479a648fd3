"""MAG in front of real providers: npm's `oidc-provider`, the engine of ProConnect and FranceConnect, as each of them and as itself."""

import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import Client

from idp.config import Settings
from idp.database import db
from partners.amont import fournisseurs, relying
from partners.amont.metadonnees import Discovery
from partners.amont.models import Fournisseur
from partners.amont.refus import (
    ArriveeInconnueError,
    FournisseurInconnuError,
    FournisseurInjoignableError,
    FournisseurRefuseError,
    NiveauError,
    RefusChezFournisseurError,
    RetourEtrangerError,
    RetourInconnuError,
    RetourRejoueError,
)
from tests import services
from tests.conftest import ISSUER, QUICK_HASH, SECRETS, composed
from tests.interop.amont import BROWSER, Person, Upstream, amont_of, facts, finished, keys_known_before, running, started

pytestmark = pytest.mark.interop
SIGNED = {"id_token_signed_response_alg": "ES256", "userinfo_signed_response_alg": "ES256"}
ENCRYPTED = {
    "id_token_encrypted_response_alg": "RSA-OAEP-256",
    "id_token_encrypted_response_enc": "A256GCM",
    "userinfo_encrypted_response_alg": "ECDH-ES",
    "userinfo_encrypted_response_enc": "A256GCM",
}


@pytest.fixture(scope="module")
def upstreams(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Upstream]]:
    made = (
        Upstream("proconnect", services.free_port(), client=SIGNED),
        Upstream(
            "franceconnect", services.free_port(), client=SIGNED | {"userinfo_signed_response_alg": "RS256", "subject_type": "pairwise"}
        ),
        Upstream("openid", services.free_port(), "client_secret_basic", client={"id_token_signed_response_alg": "RS256"}),
        Upstream(
            "chiffre",
            services.free_port(),
            "private_key_jwt",
            profil="proconnect",
            client=SIGNED | ENCRYPTED | {"jwks": keys_known_before("chiffre"), "token_endpoint_auth_signing_alg": "ES256"},
        ),
    )
    with running(made, packages, tmp_path_factory.mktemp("amont")):
        yield {one.code: one for one in made}


@pytest.fixture(scope="module")
def doors(upstreams: dict[str, Upstream], sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One MAG for the file, which knows these providers."""
    path = tmp_path_factory.mktemp("mag") / "mag.sqlite3"
    shutil.copyfile(sqlite_template, path)
    settings = Settings(issuer=ISSUER, secrets=SECRETS, database_url=f"sqlite:///{path}", outgoing_hosts=("127.0.0.1",), **QUICK_HASH)
    with composed(settings) as made:
        with made.flask.app_context():
            for upstream in upstreams.values():
                upstream.declare(made.flask)
        yield made


@pytest.fixture
def app(doors: Any) -> Iterator[Any]:
    with doors.flask.app_context():
        yield doors.flask
        db.session.rollback()


def of(code: str) -> Fournisseur:
    found = Fournisseur.named(code)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("code", "account", "subject", "claims"),
    [
        ("proconnect", "pc-claire", "pc-claire", {"usual_name": "Lefèvre", "given_name": "Claire", "siret": "73282932000074"}),
        ("franceconnect", "fc-claire", "pairwise-mag-fc-claire", {"family_name": "LEFEVRE", "given_name": "Claire Marie"}),
        ("openid", "op-claire", "op-claire", {"email": "claire@exemple.fr", "family_name": "Lefèvre"}),
        ("chiffre", "pc-claire", "pc-claire", {"usual_name": "Lefèvre"}),
    ],
)
def test_somebody_goes_there_and_comes_back_proved(app, code, account, subject, claims):
    person = Person()

    arrived = finished(app, person.answers(started(app, of(code)), account))

    assert (arrived.fournisseur, arrived.purpose, arrived.back, arrived.bound) == (code, "essai", "/compte", "essai")
    assert arrived.subject == subject
    assert claims.items() <= arrived.claims.items()
    assert person.asked["code_challenge_method"] == "S256"
    assert len(person.asked["state"]) >= 32
    assert len(person.asked["nonce"]) >= 32


def test_proconnect_is_asked_for_a_level_as_an_essential_claim(app):
    """And says how it was reached."""
    person = Person()

    arrived = finished(app, person.answers(started(app, of("proconnect"), acr_values=["eidas1"]), "pc-claire"))

    assert (
        person.asked["claims"]
        == '{"id_token":{"acr":{"essential":true,"value":"eidas1"},"amr":{"essential":true},"auth_time":{"essential":true}}}'
    )
    assert "acr_values" not in person.asked
    assert arrived.acr == "eidas1"
    assert arrived.amr == ("pwd",)


def test_franceconnect_is_asked_for_no_birth_data(app):
    person = Person()

    arrived = finished(app, person.answers(started(app, of("franceconnect")), "fc-claire"))

    assert person.asked["acr_values"] == "eidas1"
    assert set(person.asked["scope"].split()) == {"openid", "given_name", "family_name", "preferred_username"}
    assert "birthdate" not in arrived.claims


def test_a_weaker_level_than_what_was_asked_proves_nothing(app):
    """Core section 5.5.1.1. A level asked through `acr_values` is a wish for the provider, never for MAG."""
    strong = started(app, of("openid"), acr_values=["urn:exemple:fort"])
    assert finished(app, Person().answers(strong, "op-claire")).acr == "urn:exemple:fort"

    with pytest.raises(NiveauError):
        finished(app, Person().answers(started(app, of("openid"), acr_values=["urn:exemple:fort"]), "op-faible"))


def test_a_fresh_sign_in_is_proved_by_auth_time(app):
    """The second time the session there is known: `max_age` makes it sign in again."""
    person = Person()
    finished(app, person.answers(started(app, of("openid")), "op-claire"))

    arrived = finished(app, person.answers(started(app, of("openid"), max_age=0), "op-claire"))

    assert person.asked["max_age"] == "0"
    assert arrived.auth_time is not None
    assert arrived.at - arrived.auth_time < 30


def test_where_max_age_is_not_read_a_fresh_sign_in_is_asked_by_prompt(app):
    started_at = started(app, of("proconnect"), max_age=60)

    assert "prompt=login" in started_at
    assert "max_age" not in started_at


def test_a_provider_refused_by_the_person_opens_nothing(app):
    with pytest.raises(RefusChezFournisseurError) as refused:
        finished(app, Person().answers(started(app, of("openid")), ""))

    assert refused.value.error == "access_denied"
    assert "interrompu" in refused.value.public


def test_silence_is_answered_at_the_page_that_asked(doors, app):
    """`prompt=none` without a session there: no page of refusal, the page that asked may ask aloud."""
    client = Client(doors)
    client.set_cookie("__Host-mag_b", BROWSER, domain="mag.test", secure=True)
    answer = Person().answers(started(app, of("openid"), prompt="none"), "op-claire")
    db.session.rollback()

    response = client.get("/amont/retour", query_string=answer, base_url=ISSUER)

    assert answer["error"] == "login_required"
    assert response.status_code == 303
    assert response.headers["Location"] == "/compte?amont=login_required"


# ------------------------------------------------------------------------------------------------------- state and browser


def test_C63_an_answer_serves_once(app):
    answer = Person().answers(started(app, of("openid")), "op-claire")
    finished(app, answer)

    with pytest.raises(RetourRejoueError):
        finished(app, answer)


def test_C63_an_answer_is_of_the_browser_that_asked(app):
    """Login CSRF: the attacker's answer in the victim's browser. It does not spend it either."""
    answer = Person().answers(started(app, of("openid")), "op-claire")

    with pytest.raises(RetourInconnuError):
        finished(app, answer, browser="un-autre-navigateur-12345")
    assert finished(app, answer).subject == "op-claire"


@pytest.mark.parametrize("state", ["", "x" * 43, "é" * 40, "x" * 500])
def test_C63_a_made_up_state_is_refused(app, state):
    with pytest.raises(RetourInconnuError):
        finished(app, {"code": "abc", "state": state})


def test_C62_the_answer_of_another_issuer_is_refused(app):
    """RFC 9207 section 2.4 (mix-up), before the code goes anywhere; and an `iss` that was announced may not be missing."""
    one = Person().answers(started(app, of("openid")), "op-claire")
    other = Person().answers(started(app, of("openid")), "op-claire")
    del other["iss"]

    for answer in (one | {"iss": of("proconnect").issuer}, other):
        with pytest.raises(RetourEtrangerError):
            finished(app, answer)


def test_C62_a_code_of_another_transaction_is_refused(app):
    """PKCE: the code injected was asked under another verifier."""
    first = Person().answers(started(app, of("openid")), "op-claire")
    second = Person().answers(started(app, of("openid")), "op-claire")

    with pytest.raises(RefusChezFournisseurError):
        finished(app, second | {"code": first["code"]})


def test_an_answer_after_the_provider_was_cut_is_refused(app):
    answer = Person().answers(started(app, of("openid")), "op-claire")
    assert fournisseurs.cut(of("openid"), datetime.now(UTC))

    with pytest.raises(FournisseurInconnuError):
        finished(app, answer)
    with pytest.raises(FournisseurInconnuError):
        started(app, of("openid"))


# ------------------------------------------------------------------------------------------------------------ over the web


def test_the_return_leads_to_the_page_that_asked_which_takes_it_once(doors, app):
    client = Client(doors)
    client.set_cookie("__Host-mag_b", BROWSER, domain="mag.test", secure=True)
    answer = Person().answers(started(app, of("openid"), back="/compte?vue=1"), "op-claire")
    db.session.rollback()

    response = client.get("/amont/retour", query_string=answer, base_url=ISSUER)

    where, _, handle = response.headers["Location"].rpartition("&arrivee=")
    assert (response.status_code, where) == (303, "/compte?vue=1")
    with pytest.raises(ArriveeInconnueError):
        relying.take(amont_of(app), handle, "essai", browser="un-autre-navigateur-12345")
    taken = relying.take(amont_of(app), handle, "essai", browser=BROWSER)
    assert (taken.subject, taken.bound) == ("op-claire", "essai")
    with pytest.raises(ArriveeInconnueError):
        relying.take(amont_of(app), handle, "essai", browser=BROWSER)
    assert facts("AmontArrived")[-1] == {"fournisseur": "openid", "purpose": "essai", "acr": ""}


def test_an_arrival_is_of_one_purpose(app):
    arrived = finished(app, Person().answers(started(app, of("openid")), "op-claire"))
    handle = relying.keep(amont_of(app), arrived, browser=BROWSER)

    with pytest.raises(ArriveeInconnueError):
        relying.take(amont_of(app), handle, "connexion", browser=BROWSER)


def test_a_refused_return_is_a_page_with_a_code_and_a_line_of_the_journal(doors, app):
    client = Client(doors)

    response = client.get("/amont/retour?state=inconnu&code=1", base_url=ISSUER)

    assert response.status_code == 400
    assert "M600202" in response.get_data(as_text=True)
    assert "mag_s" not in str(response.headers)
    assert facts("AmontRefused")[-1] == {"reason": "amont_retour_inconnu"}
    assert client.get("/amont/retour?state=a&state=b", base_url=ISSUER).status_code == 400


def test_the_session_there_ends_with_a_hint(app):
    """RP-Initiated Logout section 2, at a provider that checks the hint and the address."""
    person = Person()
    arrived = finished(app, person.answers(started(app, of("proconnect")), "pc-claire"))

    leaving = relying.farewell(amont_of(app), of("proconnect"), arrived.id_token, state="retour")
    page = person.follow(leaving)
    xsrf = re.search(r'name="xsrf" value="(\w+)"', page.text)
    assert xsrf, page.text
    left = person.request("POST", f"{of('proconnect').issuer}/session/end/confirm", data={"xsrf": xsrf[1], "logout": "yes"})

    assert left.headers["Location"] == f"{ISSUER}/amont/sortie?state=retour"


# ---------------------------------------------------------------------------------------------------------------- operators


def test_a_provider_reads_the_keys_that_are_its_own(doors, app):
    """RFC 7517: public members alone; none of a provider that is unknown or cut off. Whoever signed out there comes to the home page."""
    client, private = Client(doors), {"d", "p", "q", "dp", "dq", "qi"}

    found = client.get("/amont/cles/chiffre", base_url=ISSUER)

    assert [key["use"] for key in found.json["keys"]] == ["sig", "enc", "enc"]
    assert not any(private & key.keys() for key in found.json["keys"])
    assert client.get("/amont/cles/inconnu", base_url=ISSUER).status_code == 404
    assert client.get("/amont/sortie", base_url=ISSUER).headers["Location"] == "/"


def test_commands_show_no_secret(app):
    runner = app.test_cli_runner()

    listed = runner.invoke(args=["amont", "lister"]).output
    checked = runner.invoke(args=["amont", "verifier", "openid"]).output

    assert "openid" in listed
    assert "rattachement" in listed
    assert "un-secret" not in listed + checked
    assert "bien    PKCE : S256" in checked


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"code": "proconnect"}, "déjà pris"),
        ({"code": "Pas Un Code"}, "minuscules"),
        ({}, "déjà déclaré"),
        ({"issuer": "http://127.0.0.1:1/rien"}, "Découverte impossible"),
        ({"issuer": "https://10.0.0.1/rien"}, "Découverte impossible"),
        ({"auth_method": "client_secret_jwt"}, "Authentification"),
        ({"secret": "court"}, "16 caractères"),
        ({"algs": ["HS256"]}, "HS256"),
        ({"algs": ["none"]}, "none"),
        ({"usages": ["niveau"]}, "niveau"),
    ],
)
def test_a_provider_that_cannot_be_is_not_declared(app, upstreams, changes, sentence):
    with pytest.raises(FournisseurRefuseError, match=sentence):
        upstreams["openid"].declare(app, **{"code": "nouveau"} | changes)


def test_a_document_of_another_issuer_is_refused(app, upstreams):
    """OpenID Connect Discovery section 4.3: the same place, another name."""
    elsewhere = upstreams["openid"].issuer.replace("/api/v2", "/api/v2/")

    with pytest.raises(FournisseurRefuseError, match="autre émetteur"):
        upstreams["openid"].declare(app, code="nouveau", issuer=elsewhere)


def test_an_operator_reads_what_a_provider_announces(app):
    findings = list(fournisseurs.verify(amont_of(app), of("proconnect")))

    assert [what for well, what in findings if not well] == []
    assert len(findings) > 10


def test_a_provider_that_is_away_is_a_page_and_is_not_asked_again_at_once(app):
    away = of("openid")
    away.issuer, asked = f"http://127.0.0.1:{services.free_port()}", []
    amont = amont_of(app)

    class Counting:
        def __getattr__(self, name: str) -> Any:
            return getattr(amont.fetcher, name)

        def ask(self, *words: Any) -> Any:
            asked.append(words)
            return amont.fetcher.ask(*words)

    clock = [0.0]
    discovery = Discovery(Counting(), clock=lambda: clock[0])  # type: ignore[arg-type]  # a fetcher that counts
    for _ in range(3):
        with pytest.raises(FournisseurInjoignableError):
            discovery.of(away)
    assert len(asked) == 1
    clock[0] = 31
    with pytest.raises(FournisseurInjoignableError) as refused:
        discovery.of(away)
    assert len(asked) == 2
    assert refused.value.status == 503


def test_a_request_in_progress_ends_after_ten_minutes(app):
    answer = Person().answers(started(app, of("openid")), "op-claire")
    store = amont_of(app).store
    late = datetime.now(UTC) + timedelta(seconds=601)
    store._clock = late.timestamp  # type: ignore[attr-defined]  # time is moved, never slept

    with pytest.raises(RetourInconnuError):
        finished(app, answer)
