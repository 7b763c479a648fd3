"""Sign-in under attack: one answer for every failure, brakes, cookies, forged and hostile requests. Ids are those of docs/securite.md."""

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
import time_machine
from sqlalchemy import select, text

from idp.audit.models import AuditEvent
from idp.authentication.challenge import zero_bits
from idp.authentication.passwords import Passwords
from idp.authentication.throttle import FREE
from idp.database import db
from idp.declarants.models import Declarant
from idp.declarants.statuts import Statut
from idp.entreprises.siret import Siret, is_siret
from idp.notifications.models import Mail
from idp.oidc.models import RefreshFamily
from tests.factories import PASSWORD, SIRET, csrf_in, se_connecter, un_declarant, une_demande_de, une_personne_suspendue

OTHER_SIRET = "35600000000048"
VARYING = {"X-Request-ID", "Date"}


def observed(response):
    """What a stranger sees of an answer, but for what changes at every answer and for what they typed themselves."""
    body = re.sub(r'name="(csrf|defi)" value="[^"]*"', "", response.text)
    body = re.sub(r'(id="(?:siret|nom|prenom)"[^>]*?value=")[^"]*', r"\1", body)
    headers = {name: value for name, value in response.headers if name not in VARYING}
    return response.status_code, headers, " ".join(body.split())


def facts(app, kind=None):
    with app.app_context():
        query = select(AuditEvent).order_by(AuditEvent.id)
        return list(db.session.scalars(query.filter_by(kind=kind) if kind else query))


# -------------------------------------------------------------------------------------------------------------- one answer


def test_C33_every_failure_has_one_answer(app, new_client):
    un_declarant(app)
    une_personne_suspendue(app, nom="Suspendue")
    un_declarant(app, nom="Sans", prenom="Motdepasse", password=None)
    un_declarant(app, nom="Primo", statut=Statut.PRIMO)
    un_declarant(app, nom="Radiée", statut=Statut.RADIE)
    failures = [
        {"password": "mauvais mot de passe"},
        {"nom": "Personne"},
        {"prenom": "Personne"},
        {"siret": OTHER_SIRET},
        {"nom": "Suspendue"},
        {"nom": "Sans", "prenom": "Motdepasse"},
        {"nom": "Primo"},
        {"nom": "Radiée"},
    ]
    seen = [observed(se_connecter(new_client(), address=f"10.{n}.0.1", **typed)) for n, typed in enumerate(failures)]

    assert seen[0][0] == 422
    assert all(answer == seen[0] for answer in seen)
    assert {event.details["reason"] for event in facts(app, "ConnexionRefused")} == {
        "wrong password",
        "unknown identity",
        "statut suspendu",
        "no password yet",
        "statut primo",
        "statut radie",
    }


def test_C33_answers_are_of_one_length(app, new_client):
    un_declarant(app)
    known, unknown = se_connecter(new_client(), password="mauvais"), se_connecter(new_client(), nom="Lefevra", password="mauvais")

    assert len(known.data) == len(unknown.data)
    assert len(known.data) % 1024 == 0


def test_a_wrong_siret_key_is_told_before_any_lookup(app, client):
    response = se_connecter(client, siret="73282932000075")

    assert response.status_code == 422
    assert "clé" in response.text
    assert not facts(app, "ConnexionRefused")


def test_a_refusal_keeps_what_was_typed_but_the_password(client):
    response = se_connecter(client, nom="Œuvré", password="mon secret de polichinelle")

    assert 'value="Œuvré"' in response.text
    assert "polichinelle" not in response.text


# ------------------------------------------------------------------------------------------------------------------ brakes


def test_C35_twenty_addresses_are_braked_and_the_right_password_is_not_told_apart(app, new_client):
    un_declarant(app)
    wrong = [observed(se_connecter(new_client(), address=f"10.{n}.0.1", password="mauvais")) for n in range(20)]
    right = observed(se_connecter(new_client(), address="10.99.0.1"))

    assert len(facts(app, "ConnexionRefused")) == FREE
    assert all(answer == wrong[0] for answer in [*wrong, right])


def test_C35_the_brake_of_somebody_who_does_not_exist_looks_the_same(app, new_client):
    un_declarant(app, email="claire@exemple.fr")
    seen = [
        observed(se_connecter(new_client(), address=f"10.{n}.0.1", nom=nom, password="mauvais"))
        for n in range(8)
        for nom in ("Lefèvre", "Personne")
    ]

    assert all(answer == seen[0] for answer in seen)
    assert len(facts(app, "ConnexionBraked")) == 6


def test_C35_fifty_parallel_attempts_count_fifty(app, new_client):
    un_declarant(app)

    def attempt(n):
        """On a machine busy elsewhere, hashes may come too late: refused before any work, and tried again."""
        while (status := se_connecter(new_client(), address=f"10.{n}.0.1", password="mauvais").status_code) == 503:
            pass
        return status

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(attempt, range(50)))

    assert set(statuses) == {422}
    assert len(facts(app, "ConnexionRefused")) <= FREE
    assert len(facts(app)) >= 50


def test_C36_the_owners_device_signs_in_despite_a_stranger(app, client, new_client):
    un_declarant(app)
    assert se_connecter(client).status_code == 303
    for n in range(12):
        se_connecter(new_client(), address=f"10.{n}.0.1", password="mauvais")

    assert se_connecter(client).status_code == 303
    assert se_connecter(new_client(), address="10.99.0.1").status_code == 422


def test_C36_a_device_of_another_account_is_a_stranger(app, client, new_client):
    un_declarant(app)
    un_declarant(app, nom="Autre")
    se_connecter(client, nom="Autre")
    for n in range(12):
        se_connecter(new_client(), address=f"10.{n}.0.1", password="mauvais")

    assert se_connecter(client).status_code == 422


def test_C36_a_device_is_no_longer_trusted_after_a_new_password(app, client, new_client):
    declarant = un_declarant(app)
    se_connecter(client)
    with app.app_context():
        db.session.get(Declarant, declarant.id).version += 1
        db.session.commit()
    for n in range(12):
        se_connecter(new_client(), address=f"10.{n}.0.1", password="mauvais")

    assert se_connecter(client).status_code == 422


def braked_owner(app, new_client):
    """An owner whose account a stranger has braked; the address in their mail."""
    un_declarant(app, email="claire@exemple.fr")
    for n in range(8):
        se_connecter(new_client(), address=f"10.{n}.0.1", password="mauvais")
    with app.app_context():
        mails = list(db.session.scalars(select(Mail)))
    assert [mail.recipient for mail in mails] == ["claire@exemple.fr"]
    return re.search(r"https://mag\.test(/connexion/appareil/\S+)", mails[0].body)[1]


def test_C44_the_mails_link_lets_its_owner_in_once(app, client, new_client):
    link = braked_owner(app, new_client)
    assert se_connecter(client, address="198.51.100.7").status_code == 422
    for _ in range(3):
        page = client.get(link)
    admitted = client.post(link, data={"csrf": csrf_in(page.text)})

    assert page.status_code == 200, "looking at it spends nothing: mail scanners do"
    assert admitted.status_code == 303
    assert se_connecter(client, address="198.51.100.7").status_code == 303
    again = new_client()
    assert again.get(link).status_code == 404
    assert facts(app, "DeviceAdmitted")


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_C44_the_link_dies_after_an_hour(app, client, new_client):
    """Redis keeps its own time: the embedded store is the one that follows ours."""
    link = braked_owner(app, new_client)
    with time_machine.travel(timedelta(hours=1, seconds=1)):
        assert client.get(link).status_code == 404


def test_C44_the_link_alone_opens_nothing(app, client, new_client):
    link = braked_owner(app, new_client)
    client.post(link, data={"csrf": csrf_in(client.get(link).text)})

    assert client.get("/").headers["Location"].endswith("/connexion")
    assert se_connecter(client, address="198.51.100.7", password="mauvais").status_code == 422


@pytest.mark.parametrize("jeton", ["inconnu", "%F0%9F%98%80", "..%2f..", "a" * 500])
def test_a_link_that_never_was_is_a_page_not_found(client, jeton):
    assert client.get(f"/connexion/appareil/{jeton}").status_code == 404


def test_a_person_without_an_address_or_suspended_receives_nothing(app, new_client):
    un_declarant(app)
    une_personne_suspendue(app, nom="Suspendue", email="suspendue@exemple.fr")
    for n in range(8):
        for nom in ("Lefèvre", "Suspendue", "Personne"):
            se_connecter(new_client(), address=f"10.{n}.0.1", nom=nom, password="mauvais")

    with app.app_context():
        assert not list(db.session.scalars(select(Mail)))


# ----------------------------------------------------------------------------------------------------------- proof of work


def sirets(count):
    """Numbers of so many establishments."""
    found = (text for n in range(1, 10_000) if is_siret(text := f"{SIRET[:9]}{n:05d}") and text != SIRET)
    return islice(found, count)


def hammer(new_client, count, address="203.0.113.5"):
    """One address, many people of as many companies: L3 alone is concerned."""
    for n, siret in enumerate(sirets(count)):
        se_connecter(new_client(), address=address, siret=siret, nom=f"Personne {n}", password="mauvais")


def solve(challenge):
    bits, number = int(challenge.split(".")[0]), 0
    while zero_bits(f"{challenge}.{number}") < bits:
        number += 1
    return str(number)


def challenge_in(page):
    return re.search(r'name="defi" value="([^"]*)"', page)[1]


@pytest.fixture
def easy(monkeypatch):
    """Work of 256 hashes instead of 65,000."""
    monkeypatch.setattr("idp.authentication.throttle.BLOCK_BITS", 8)


def test_L3_an_address_that_hammers_must_prove_work_and_then_signs_in(app, client, new_client, easy):
    un_declarant(app)
    hammer(new_client, 21)
    asked = se_connecter(client, address="203.0.113.5")
    challenge = challenge_in(asked.text)
    answered = {"defi": challenge, "preuve": solve(challenge)}

    assert asked.status_code == 422
    assert "vérification" in asked.text
    assert se_connecter(client, address="203.0.113.5", **answered).status_code == 303


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda c: {"defi": c, "preuve": "0"}, id="no-work"),
        pytest.param(lambda c: {"defi": "0" + c[1:], "preuve": "0"}, id="cheaper"),
        pytest.param(lambda c: {"defi": c + "x", "preuve": solve(c)}, id="altered"),
        pytest.param(lambda c: {"defi": "é" * 300, "preuve": "\x01"}, id="nonsense"),
        pytest.param(lambda c: {"defi": "8.9.x", "preuve": "9" * 5000}, id="unsigned"),
    ],
)
def test_L3_work_that_was_not_done_is_asked_again(app, client, new_client, easy, spoil):
    un_declarant(app)
    hammer(new_client, 21)
    challenge = challenge_in(se_connecter(client, address="203.0.113.5").text)
    response = se_connecter(client, address="203.0.113.5", **spoil(challenge))

    assert response.status_code == 422
    assert not facts(app, "ConnexionOpened")


def test_L3_a_proof_serves_once_and_one_browser(app, client, new_client, easy):
    un_declarant(app)
    hammer(new_client, 21)
    challenge = challenge_in(se_connecter(client, address="203.0.113.5").text)
    answered = {"defi": challenge, "preuve": solve(challenge)}
    stolen = se_connecter(new_client(), address="203.0.113.5", **answered)
    first = se_connecter(client, address="203.0.113.5", password="mauvais", **answered)
    second = se_connecter(client, address="203.0.113.5", **answered)

    assert "pas abouti" in first.text
    assert challenge_in(first.text) != challenge, "the next work is asked at once"
    assert (stolen.status_code, second.status_code) == (422, 422)
    assert not facts(app, "ConnexionOpened")


def test_L3_much_more_is_refused_without_touching_the_accounts(app, new_client, easy, monkeypatch):
    monkeypatch.setattr("idp.authentication.throttle.BLOCK_REFUSAL", 1)
    un_declarant(app)
    hammer(new_client, 21)
    refused = se_connecter(new_client(), address="203.0.113.5")

    assert refused.status_code == 429
    assert "Reprendre la connexion" in refused.text
    assert int(refused.headers["Retry-After"]) > 0
    assert se_connecter(new_client(), address="198.51.100.7").status_code == 303


def test_L3_a_refusal_is_in_the_journal(app, new_client, easy, monkeypatch):
    monkeypatch.setattr("idp.authentication.throttle.BLOCK_REFUSAL", 1)
    declarant = un_declarant(app)
    hammer(new_client, 21)
    before = len(facts(app, "ConnexionBraked"))
    assert se_connecter(new_client(), address="203.0.113.5").status_code == 429

    told = facts(app, "ConnexionBraked")[before:]
    assert [(event.declarant_id, event.details, event.address) for event in told] == [(declarant.id, {"layer": "L3"}, "203.0.113.5")]


def test_L3_a_trusted_device_signs_in_from_a_refused_block(app, client, new_client, easy, monkeypatch):
    monkeypatch.setattr("idp.authentication.throttle.BLOCK_REFUSAL", 1)
    un_declarant(app)
    se_connecter(client)
    hammer(new_client, 21)

    assert se_connecter(new_client(), address="203.0.113.5").status_code == 429
    assert se_connecter(client, address="203.0.113.5").status_code == 303


def test_L3_whoever_cannot_prove_work_receives_a_link_once_a_day(app, client, new_client, easy):
    """Without JavaScript there is no other way (C44)."""
    un_declarant(app, email="claire@exemple.fr")
    hammer(new_client, 21)
    for _ in range(2):
        assert "vérification" in se_connecter(client, address="203.0.113.5").text
    with app.app_context():
        [mail] = db.session.scalars(select(Mail))
    link = re.search(r"https://mag\.test(/connexion/appareil/\S+)", mail.body)[1]
    client.post(link, data={"csrf": csrf_in(client.get(link).text)})

    assert mail.recipient == "claire@exemple.fr"
    assert se_connecter(client, address="203.0.113.5").status_code == 303


def test_a_test_identity_is_never_braked(settings, new_client, wsgi_app):
    means = wsgi_app.flask.extensions["mag_means"]
    lifted = replace(settings, test_identities=("732 829 320 00074|LEFEVRE|claire",))
    wsgi_app.flask.extensions["mag_means"] = replace(means, settings=lifted)
    un_declarant(wsgi_app.flask)
    for _ in range(12):
        se_connecter(new_client(), password="mauvais")

    assert se_connecter(new_client()).status_code == 303


# ------------------------------------------------------------------------------------------------- sessions, cookies, forms


def test_C37_signing_in_gives_a_new_identifier_and_voids_the_one_before(app, client):
    un_declarant(app)
    se_connecter(client)
    before = client.get_cookie("__Host-mag_s", domain="mag.test").value
    se_connecter(client)
    after = client.get_cookie("__Host-mag_s", domain="mag.test").value
    client.set_cookie("__Host-mag_s", before, domain="mag.test")

    assert before != after
    assert client.get("/").status_code == 303


@pytest.mark.parametrize("planted", ["A" * 43, "", "é", "x" * 3000, "null"])
def test_C37_a_planted_cookie_is_worth_nothing(app, client, planted):
    un_declarant(app)
    client.set_cookie("__Host-mag_s", planted, domain="mag.test")
    se_connecter(client)

    assert client.get_cookie("__Host-mag_s", domain="mag.test").value != planted
    assert client.get("/").status_code == 200


def test_C37_after_signing_out_the_old_cookie_is_dead(app, client):
    un_declarant(app)
    se_connecter(client)
    cookie = client.get_cookie("__Host-mag_s", domain="mag.test").value
    response = client.post("/deconnexion", data={"csrf": csrf_in(client.get("/").text)})
    gone = client.get_cookie("__Host-mag_s", domain="mag.test")
    client.set_cookie("__Host-mag_s", cookie, domain="mag.test")

    assert response.headers["Set-Login"] == "logged-out"
    assert gone is None
    assert client.get("/").status_code == 303


def test_C38_a_sign_in_goes_on_in_its_own_browser_alone(app, client, new_client):
    un_declarant(app)
    token, other = une_demande_de(app, client), new_client()

    assert client.get("/connexion", query_string={"demande": token}).status_code == 200
    assert other.get("/connexion", query_string={"demande": token}).status_code == 400


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({"Origin": "https://evil.test"}, 403, id="C39-foreign-origin"),
        pytest.param({"Sec-Fetch-Site": "cross-site"}, 403, id="C39-cross-site"),
        pytest.param({"Origin": "null", "Sec-Fetch-Site": "cross-site"}, 403, id="C39-null-origin-elsewhere"),
        pytest.param({"Origin": "https://mag.test", "Sec-Fetch-Site": "same-origin"}, 303, id="ours-own-origin"),
        pytest.param({"Origin": "null", "Sec-Fetch-Site": "same-origin"}, 303, id="ours-own-form-under-no-referrer"),
    ],
)
def test_C39_the_origin_of_a_form_is_checked(app, client, headers, status):
    un_declarant(app)
    page = client.get("/connexion")
    form = {"siret": SIRET, "nom": "Lefèvre", "prenom": "Claire", "password": PASSWORD, "csrf": csrf_in(page.text)}

    assert client.post("/connexion", data=form, headers=headers).status_code == status


@pytest.mark.parametrize(
    "address", ["/connexion", "/connexion/annuler", "/connexion/oublier", "/connexion/choix", "/connexion/appareil/x", "/deconnexion"]
)
@pytest.mark.parametrize("csrf", ["", "faux", "é\x01"])
def test_C39_a_form_without_our_value_is_refused(client, address, csrf):
    client.get("/connexion")

    assert client.post(address, data={"csrf": csrf}).status_code == 403


def test_C39_the_value_of_one_sign_in_does_not_serve_another(app, client):
    un_declarant(app)
    csrf = csrf_in(client.get("/connexion").text)
    form = {
        "siret": SIRET,
        "nom": "Lefèvre",
        "prenom": "Claire",
        "password": PASSWORD,
        "csrf": csrf,
        "demande": une_demande_de(app, client),
    }

    assert client.post("/connexion", data=form).status_code == 403


@pytest.mark.parametrize("address", ["/deconnexion", "/connexion/annuler", "/connexion/oublier"])
def test_C67_nothing_is_done_by_a_link(app, client, address):
    un_declarant(app)
    se_connecter(client)

    assert client.get(address).status_code in (303, 405)
    assert client.get("/").status_code == 200


def test_C65_every_cookie_is_of_the_host_alone(app, client):
    un_declarant(app)
    cookies = [
        *client.get("/connexion").headers.getlist("Set-Cookie"),
        *se_connecter(client, memoriser="oui").headers.getlist("Set-Cookie"),
    ]

    assert {cookie.split("=")[0] for cookie in cookies} == {"__Host-mag_b", "__Host-mag_s", "__Host-mag_f", "__Host-mag_d", "__Host-mag_m"}
    for cookie in cookies:
        crosses = cookie.startswith("__Host-mag_f=")  # honoured for what browsers alone can ask (test_fedcm_refusals.py)
        assert all(word in cookie for word in ("Secure", "HttpOnly", f"SameSite={'None' if crosses else 'Lax'}", "Path=/"))
        assert "Domain" not in cookie
        assert len(cookie) < 4096


def test_C66_the_page_cannot_be_framed_and_its_form_ends_at_this_partner_alone(app, client):
    page = client.get("/connexion", query_string={"demande": une_demande_de(app, client)})
    policy = page.headers["Content-Security-Policy"]

    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self' https://portail.test;" in policy
    assert "'unsafe-inline'" not in policy
    assert page.headers["X-Frame-Options"] == "DENY"
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", page.text)


# ----------------------------------------------------------------------------------------------------------- hostile input


HOSTILE = [
    "\x00",
    "é" * 5000,
    "' or 1=1 --",
    "<script>alert(1)</script>",
    "\u202e\u0661\u0662",
    "%s%n{{7*7}}",
    "\ud83d\ude00" * 40,
    "../../etc/passwd",
    "\r\nSet-Cookie: a=b",
    "ﷺ" * 80,
]


@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
@pytest.mark.parametrize("field", ["siret", "nom", "prenom", "password", "memoriser", "defi", "preuve", "demande", "identite"])
def test_C32_nonsense_gives_an_ordinary_answer(app, client, field):
    un_declarant(app)
    for value in HOSTILE:
        page = client.get("/connexion")
        form = {"siret": SIRET, "nom": "Lefèvre", "prenom": "Claire", "password": "mauvais", "csrf": csrf_in(page.text)}
        encoded = {k: v.encode("utf-8", "surrogatepass") for k, v in (form | {field: value}).items()}
        response = client.post("/connexion", data=encoded)

        assert 400 <= response.status_code < 500
        assert "<script>alert" not in response.text


@pytest.mark.parametrize(("password", "status"), [("x" * 128, 422), ("x" * 129, 400), ("ﷺ" * 128, 422), ("x" * 50_000, 400)])
def test_C48_a_password_beyond_the_limit_is_refused_before_hashing(app, client, password, status):
    un_declarant(app)
    response = se_connecter(client, password=password)

    assert response.status_code == status
    assert ("128 caractères" in response.text) == (status == 400)


def test_C56_a_form_beyond_64_kilobytes_is_refused(client):
    client.get("/connexion")

    assert client.post("/connexion", data={"password": "x" * 70_000}).status_code == 413


@pytest.mark.parametrize(
    "query", ["demande=" + "x" * 3000, "demande=%00", "demande=%ff", "demande=~", "identite=-1", "identite=99999999999", "identite=%D9%A1"]
)
def test_C43_nonsense_in_the_address_is_no_error_of_ours(client, query):
    assert client.get(f"/connexion?{query}").status_code in (200, 400)


def test_an_empty_form_says_what_is_missing(client):
    response = se_connecter(client, siret="", nom="", prenom="", password="")

    assert response.status_code == 422
    for field in ("siret", "nom", "prenom", "password"):
        assert f'href="#{field}"' in response.text
        assert f'aria-describedby="{field}-erreur' in response.text


# -------------------------------------------------------------------------------------------------------------- the journal


def test_the_journal_says_who_and_why_and_never_a_password(app, client):
    declarant = un_declarant(app)
    se_connecter(client, password="mauvais mot de passe")
    se_connecter(client)
    refused, opened = facts(app, "ConnexionRefused")[0], facts(app, "ConnexionOpened")[0]

    assert (refused.declarant_id, refused.siret, refused.address, refused.outcome) == (
        declarant.id,
        int(Siret(SIRET)),
        "192.0.2.1",
        "failure",
    )
    assert opened.declarant_id == declarant.id
    with app.app_context():
        rows = str([tuple(row) for row in db.session.execute(text("select * from audit_events"))])
    assert "mauvais mot de passe" not in rows
    assert PASSWORD not in rows


def test_a_password_hashed_with_old_parameters_is_renewed_at_sign_in(app, client):
    declarant = un_declarant(app)
    with app.app_context():
        row = db.session.get(Declarant, declarant.id)
        means = app.extensions["mag_means"]
        old = Passwords(replace(means.settings, argon2_time=6), means.seals).hash(PASSWORD)
        row.password_hash = old.hash
        db.session.commit()
    assert se_connecter(client).status_code == 303
    with app.app_context():
        assert "t=5," in db.session.get(Declarant, declarant.id).password_hash


def test_a_password_changed_during_a_sign_in_stays_changed(app, client, monkeypatch):
    """The hash of the old one is renewed only while it is still the one in force."""
    declarant = un_declarant(app)
    needs_rehash = Passwords.needs_rehash

    def changed_meanwhile(self, stored):
        engine = app.extensions["mag"].connections.engine
        with engine.begin() as connection:
            connection.execute(text("UPDATE declarants SET password_hash = 'neuf' WHERE id = :id"), {"id": declarant.id})
        return needs_rehash(self, stored) or True

    monkeypatch.setattr(Passwords, "needs_rehash", changed_meanwhile)
    se_connecter(client)
    with app.app_context():
        assert db.session.get(Declarant, declarant.id).password_hash == "neuf"


def test_signing_in_as_another_person_ends_all_that_the_first_one_had_opened(app, client):
    first, second = un_declarant(app), un_declarant(app, nom="Autre")
    se_connecter(client)
    [opened] = facts(app, "ConnexionOpened")
    now = datetime.now(UTC)
    with app.app_context():
        common = {"client_id": "essai", "declarant_id": first.id, "version": first.version, "sid": opened.details["sid"]}
        common |= {"context": {}, "current_hash": "x", "opened_at": now, "expires_at": now + timedelta(days=1)}
        db.session.add_all([RefreshFamily(id="session", offline=False, **common), RefreshFamily(id="durable", offline=True, **common)])
        db.session.commit()
    se_connecter(client, nom="Autre")
    [closed] = facts(app, "SessionClosed")

    assert (closed.declarant_id, closed.details) == (first.id, {"sid": opened.details["sid"], "reason": "autre_personne"})
    with app.app_context():
        assert {family.id for family in db.session.scalars(select(RefreshFamily)) if family.closed_at} == {"session"}
    se_connecter(client, nom="Autre")
    assert len(facts(app, "SessionClosed")) == 1, f"{second.id} signs in again: the session goes on"
