"""Sign-in when something is broken, malformed, elsewhere or overloaded: never a 500, never open by default."""

import re
import threading
from dataclasses import replace

import pytest
from click.testing import CliRunner

from idp import commands
from idp.authentication.passwords import Decoys, HashPool, Passwords
from idp.authentication.throttle import Attempt, account_of
from idp.database import db
from idp.declarants.identite import Identite
from idp.entreprises.siret import Siret
from idp.ephemeral import RedisEphemeral
from idp.seals import new_secret
from tests.conftest import MagClient
from tests.factories import SIRET, csrf_in, se_connecter, un_declarant, une_demande_de

COOKIES = ("__Host-mag_s", "__Host-mag_d", "__Host-mag_m", "__Host-mag_b")
MALFORMED = (
    "",
    "~",
    "a" * 22 + "~t.x.y",
    "a" * 22 + "~t." + "9" * 40 + ".z",
    "a" * 22 + "~" * 500,
    "é",
    "%00",
    "null",
    '"',
    "essai." + "A" * 3000,
)


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
@pytest.mark.parametrize("name", COOKIES)
def test_C29_a_malformed_cookie_is_no_error_of_ours(app, new_client, name):
    un_declarant(app)
    for value in MALFORMED:
        client = new_client()
        header = {"Cookie": f"{name}={value}"}
        assert client.get("/", headers=header).status_code == 303
        assert client.get("/connexion", headers=header).status_code == 200
        client.set_cookie(name, value, domain="mag.test")
        assert se_connecter(client).status_code in (303, 403)


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_C69_without_its_store_sign_in_is_refused_and_not_left_open(settings, compose):
    doors = compose(replace(settings, redis_url="redis://127.0.0.1:1"))
    client = MagClient(doors, settings.issuer_origin)
    page = client.get("/connexion")
    form = {"siret": SIRET, "nom": "Lefèvre", "prenom": "Claire", "password": "mauvais", "csrf": csrf_in(page.text)}
    response = client.post("/connexion", data=form)

    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    assert "indisponible" in response.text


def test_C76_beyond_the_queue_sign_in_is_refused_at_once_and_costs_nothing(wsgi_app, settings, new_client):
    un_declarant(wsgi_app.flask)
    means = wsgi_app.flask.extensions["mag_means"]
    busy = Passwords(settings, means.seals)
    busy._pool = HashPool(slots=1, queue=0)
    wsgi_app.flask.extensions["mag_means"] = replace(means, passwords=busy, decoys=Decoys(busy, list))
    started, release = threading.Event(), threading.Event()
    holder = threading.Thread(target=busy._pool.run, args=(lambda: started.set() or release.wait(10),))
    holder.start()
    started.wait(5)
    try:
        refused = [se_connecter(new_client()) for _ in range(8)]
    finally:
        release.set()
        holder.join()

    assert {response.status_code for response in refused} == {503}
    assert 'href="/connexion">Reprendre la connexion' in refused[0].text
    assert all(int(response.headers["Retry-After"]) > 0 for response in refused)
    assert se_connecter(new_client()).status_code == 303, "refused attempts were not counted as failures"


def test_C76_a_password_that_waits_for_its_turn_holds_no_connection_of_the_pages(wsgi_app, settings, new_client):
    """Else as many sign-ins as the pool has connections stop every page."""

    class Watched(Passwords):
        def verify(self, *arguments):
            held.append(db.engine.pool.checkedout())
            return super().verify(*arguments)

    un_declarant(wsgi_app.flask)
    means, held = wsgi_app.flask.extensions["mag_means"], []
    wsgi_app.flask.extensions["mag_means"] = replace(means, passwords=Watched(settings, means.seals))

    assert se_connecter(new_client()).status_code == 303
    assert se_connecter(new_client(), password="un autre").status_code == 422
    assert se_connecter(new_client(), nom="Personne").status_code == 422
    assert held == [0, 0, 0]


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_an_issuer_with_a_path_keeps_its_pages_under_it(settings, compose):
    doors = compose(replace(settings, issuer="https://mag.test/api/v2"))
    un_declarant(doors.flask)
    client = MagClient(doors, "https://mag.test")
    page = client.get("/api/v2/connexion")
    form = {"siret": SIRET, "nom": "Lefèvre", "prenom": "Claire", "password": "cheval bleu sous la pluie", "csrf": csrf_in(page.text)}
    response = client.post("/api/v2/connexion", data=form)

    assert 'href="/api/v2/static/mag.css?v=' in page.text
    assert client.get(page.text.split('rel="stylesheet" href="')[1].split('"')[0]).status_code == 200
    assert response.headers["Location"] == "/api/v2/"
    assert "Bonjour Claire" in client.get("/api/v2/").text


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_static_files_are_kept_by_browsers_for_a_year(client):
    page = client.get("/connexion").text
    response = client.get(page.split('<link rel="stylesheet" href="')[1].split('"')[0])

    assert "max-age=31536000" in response.headers["Cache-Control"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
def test_an_attempt_is_counted_in_one_round_trip(wsgi_app):
    means = wsgi_app.flask.extensions["mag_means"]
    store = means.store
    assert isinstance(store, RedisEphemeral)
    attempt = Attempt(account_of(means.seals, Identite(Siret(SIRET), "Lefèvre", "Claire")), "192.0.2.1")
    means.throttle.refund(means.throttle.count(attempt))
    before = store.count_of_trips
    means.throttle.count(attempt)

    assert store.count_of_trips - before == 1


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_C76_a_sign_in_too_many_is_refused_before_any_look_up_or_count(wsgi_app, settings, new_client):
    means = wsgi_app.flask.extensions["mag_means"]
    full = Passwords(replace(settings, hash_queue=0), means.seals)
    wsgi_app.flask.extensions["mag_means"] = replace(means, passwords=full)
    began, release = threading.Event(), threading.Event()

    def sign_in_slowly():
        with full.place():
            began.set()
            release.wait(10)

    holder = threading.Thread(target=sign_in_slowly)
    holder.start()
    began.wait(5)
    browser = new_client()
    form = {"siret": SIRET, "nom": "Lefèvre", "prenom": "Claire", "password": "mauvais", "csrf": csrf_in(browser.get("/connexion").text)}
    before = means.connections.count
    try:
        assert browser.post("/connexion", data=form).status_code == 503
        assert means.connections.count == before
    finally:
        release.set()
        holder.join()


@pytest.mark.parametrize(
    ("options", "slots", "queue"),
    [
        pytest.param(["--threads", "40"], 1, 24, id="few-threads"),
        pytest.param([], 1, 64, id="long-queue"),
        pytest.param([], 40, 24, id="many-slots"),
    ],
)
def test_C76_a_server_whose_threads_sign_ins_could_all_hold_does_not_start(monkeypatch, options, slots, queue):
    started = []
    monkeypatch.setattr("granian.cli.cli", lambda *_, **__: started.append(True))
    environ = {"MAG_ISSUER": "https://mag.test", "MAG_SECRETS": new_secret(), "MAG_HASH_SLOTS": str(slots), "MAG_HASH_QUEUE": str(queue)}
    result = CliRunner(env=environ).invoke(commands.serve, options)

    assert result.exit_code == 1
    assert len(result.stderr.strip().splitlines()) == 1
    assert "--threads" in result.stderr
    assert not started


def test_C76_a_server_starts_with_the_settings_it_has_by_default(monkeypatch):
    started = []
    monkeypatch.setattr("granian.cli.cli", lambda *_, **__: started.append(True))
    result = CliRunner(env={"MAG_ISSUER": "https://mag.test", "MAG_SECRETS": new_secret()}).invoke(commands.serve)

    assert (result.exit_code, started) == (0, [True])


def test_refused_for_now_one_goes_back_to_the_sign_in_in_progress(wsgi_app, settings, client):
    means = wsgi_app.flask.extensions["mag_means"]
    full = Passwords(settings, means.seals)
    full._pool = HashPool(slots=0, queue=0)
    token = une_demande_de(wsgi_app.flask, client)
    wsgi_app.flask.extensions["mag_means"] = replace(means, passwords=full)
    refused = se_connecter(client, demande=token)
    back = re.search(r'href="([^"]*)">Reprendre la connexion', refused.text)[1]

    assert refused.status_code == 503
    assert "Portail d&#39;essai" in client.get(back.replace("&amp;", "&")).text


def test_no_line_of_a_page_begins_with_a_punctuation_mark(client):
    page = se_connecter(client, siret="73282932000075").text
    link = client.get("/connexion/appareil/inconnu").text

    assert "valable\u00a0: sa clé" in page
    assert "valable\u00a0: il a" in link
