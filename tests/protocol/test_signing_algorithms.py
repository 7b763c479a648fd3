"""Every algorithm MAG offers, in every token, and keys that keep themselves fit. RFC 7518 section 3, RFC 8037, Core section 3.1.3.6."""

import hashlib
import threading
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from joserfc import jwt
from joserfc.jwk import KeySet
from sqlalchemy import delete

from idp import commands
from idp.config import Settings
from idp.database import Version, db
from idp.keys import ALGORITHMS, KeyState, SigningKey
from idp.oidc.upkeep import keep_up
from idp.seals import b64

SQLITE = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
each_alg = pytest.mark.parametrize("alg", ALGORITHMS)


def verified(partner, token: str, alg: str):
    """By the published keys, with this very algorithm: joserfc is the oracle."""
    return jwt.decode(token, KeySet.import_key_set(partner.call("/jwks", "GET").json), algorithms=[alg])


# ---------------------------------------------------------------------------------------------------------------- tokens


@SQLITE
@each_alg
def test_tokens_are_signed_as_the_client_registered(partner, code_flow, alg):
    portail = partner(id_token_signed_response_alg=alg, userinfo_signed_response_alg=alg, access_token_signing_alg=alg)
    tokens = code_flow(portail)
    id_token, access, userinfo = (
        verified(portail, text, alg) for text in (tokens.id_token, tokens.access_token, portail.userinfo(tokens.access_token).text)
    )

    assert (id_token.header["typ"], access.header["typ"]) == ("JWT", "at+jwt")
    assert id_token.claims["sub"] == access.claims["sub"] == userinfo.claims["sub"]
    assert portail.is_alive(tokens)
    assert portail.refresh(tokens.refresh_token).status_code == 200


@SQLITE
@each_alg
def test_3_1_3_6_at_hash_is_half_of_the_hash_of_the_algorithm(partner, code_flow, alg):
    """Ed25519 hashes with SHA-512, the others here with SHA-256."""
    tokens = code_flow(partner(id_token_signed_response_alg=alg))
    whole = (hashlib.sha512 if alg == "EdDSA" else hashlib.sha256)(tokens.access_token.encode()).digest()

    assert tokens.claims["at_hash"] == b64(whole[: len(whole) // 2])


@SQLITE
@each_alg
def test_an_id_token_is_a_hint_whatever_its_algorithm(partner, code_flow, signed_in, alg):
    portail = partner(id_token_signed_response_alg=alg, post_logout_redirect_uris=["https://portail.test/fin"])
    hinted = {"id_token_hint": code_flow(portail).id_token, "post_logout_redirect_uri": "https://portail.test/fin"}

    assert signed_in.get("/session/end", query_string=hinted).headers["Location"].startswith("https://portail.test/fin")


@SQLITE
@pytest.mark.parametrize("alg", ["HS256", "none", "ES384", "RS1"])
def test_C23_no_other_algorithm_can_be_registered(partner, alg):
    from idp.errors import RefusedError

    for name in ("id_token_signed_response_alg", "userinfo_signed_response_alg", "access_token_signing_alg"):
        with pytest.raises(RefusedError):
            partner(**{name: alg})


# ------------------------------------------------------------------------------------------------- keys, by themselves


def keys_of(client):
    return client.get("/jwks").json["keys"]


class TestWithoutRotation:
    """An installation of before PS256 and EdDSA, which was told never to change keys by itself."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        from dataclasses import replace

        return replace(settings, key_rotation_days=0)

    @pytest.fixture
    def older(self, app, wsgi_app):
        with app.app_context():
            db.session.execute(delete(SigningKey).where(SigningKey.alg.in_(["PS256", "EdDSA"])))
            Version.bump("keys")
            db.session.commit()
        wsgi_app.mag.versions.refresh()

    @SQLITE
    def test_a_key_that_is_missing_stops_nothing_and_is_not_promised(self, older, client, partner, code_flow):
        found = client.get("/.well-known/openid-configuration").json

        assert found["id_token_signing_alg_values_supported"] == ["ES256", "RS256"]
        assert code_flow(partner()).id_token

    @SQLITE
    def test_a_client_that_wants_it_hears_to_try_later(self, older, partner, signed_in):
        portail = partner(id_token_signed_response_alg="PS256")
        answer = portail.redeem(portail.code(signed_in))

        assert (answer.status_code, answer.json["error"]) == (503, "temporarily_unavailable")

    @SQLITE
    def test_the_command_makes_what_is_missing_and_it_is_promised(self, older, app, client, wsgi_app):
        client.get("/.well-known/openid-configuration")
        made = app.test_cli_runner().invoke(commands.keys, ["init"])
        wsgi_app.mag.versions.refresh()

        assert "4 clé(s) créée(s)" in made.output
        assert client.get("/.well-known/openid-configuration").json["id_token_signing_alg_values_supported"] == list(ALGORITHMS)


@SQLITE
def test_C71_a_server_rotates_its_keys_after_ninety_days_and_says_so(wsgi_app, client, journal):
    before = {key["kid"] for key in keys_of(client)}
    wsgi_app.watch._next = 0.0
    with time_machine.travel(datetime.now(UTC) + timedelta(days=91)):
        client.get("/jwks")
        wsgi_app.watch.worker.join()
    wsgi_app.mag.versions.refresh()

    assert before < {key["kid"] for key in keys_of(client)}, "the old keys are still published"
    assert len(keys_of(client)) == 3 * len(ALGORITHMS)
    changed = journal("KeyChanged")
    assert sorted(line["state"] for line in changed) == ["active"] * 4 + ["next"] * 4


@SQLITE
def test_the_command_does_it_too_and_then_has_nothing_to_do(app):
    def run(days: int) -> str:
        with time_machine.travel(datetime.now(UTC) + timedelta(days=days)):
            return app.test_cli_runner().invoke(commands.keys, ["entretenir"]).output

    assert "Rien à faire" in run(89)
    assert "8 changement(s)" in run(91)
    assert "Rien à faire" in run(91)
    assert "4 changement(s)" in run(93), "the retired ones are no longer published"
    assert "Rien à faire" in run(93)


def test_of_processes_that_rotate_at_once_one_alone_does(app, wsgi_app):
    """Each thread is a process: a session and a transaction of its own."""
    barrier, outcomes = threading.Barrier(4), []

    def process():
        with app.app_context():
            barrier.wait(10)
            try:
                outcomes.append(len(keep_up(wsgi_app.mag.keyring, 90, datetime.now(UTC) + timedelta(days=91), "serveur")))
                db.session.commit()
            except Exception as error:
                outcomes.append(type(error).__name__)
                db.session.rollback()

    threads = [threading.Thread(target=process) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with app.app_context():
        states = sorted((key.alg, key.state) for key in SigningKey.every())

    assert states == sorted((alg, state) for alg in ALGORITHMS for state in KeyState), outcomes
    assert outcomes.count(8) == 1, outcomes


@SQLITE
def test_7517_4_7_a_certificate_is_published_with_its_key(app, client, wsgi_app, tmp_path):
    kid = keys_of(client)[0]["kid"]
    file = tmp_path / "certificat.pem"
    file.write_text("ceci n'est pas un certificat")
    refused = app.test_cli_runner().invoke(commands.keys, ["certificat", kid, str(file)])
    unknown = app.test_cli_runner().invoke(commands.keys, ["certificat", "inconnue", str(file)])

    assert (refused.exit_code, unknown.exit_code) == (1, 1)
    assert "PEM" in refused.output
    assert "n'existe pas" in unknown.output


@SQLITE
def test_9_two_algorithms_never_share_a_key(client):
    keys = keys_of(client)

    assert len({key.get("n") or key["x"] for key in keys}) == len(keys)
    assert {unverified_alg(key) for key in keys} == {("EC", "ES256"), ("RSA", "RS256"), ("RSA", "PS256"), ("OKP", "EdDSA")}


def unverified_alg(key) -> tuple[str, str]:
    return key["kty"], key["alg"]
