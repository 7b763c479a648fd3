"""Passwords of another system: imported by an operator, opened by their owners, ordinary from the first sign-in on."""

import html

import bcrypt
import pytest

from idp.audit.models import AuditEvent
from idp.authentication.passwords import is_imported, parameters_of
from idp.database import db
from idp.declarants.models import Declarant
from tests.facteurs import code, step, where, with_totp
from tests.factories import PASSWORD, SIRET, csrf_in, se_connecter, un_declarant

LEGACY = "Motdep12 été"
HASH = bcrypt.hashpw(LEGACY.encode(), bcrypt.gensalt(4)).decode()


@pytest.fixture
def importer(app, tmp_path):
    """`importer(*lines)`: the command, on a file of these lines."""

    def run(*lines, encoding="utf-8", options=()):
        file = tmp_path / "mots-de-passe.csv"
        file.write_bytes("\n".join(lines).encode(encoding))
        return app.test_cli_runner().invoke(args=["declarants", "mots-de-passe", "importer", str(file), *options])

    return run


def kept(app, declarant):
    with app.app_context():
        return db.session.get(Declarant, declarant.id).password_hash


def test_a_person_signs_in_with_the_password_of_before_which_becomes_an_ordinary_one(app, client, importer):
    declarant = un_declarant(app, password=None)
    done = importer("siret;nom;prenom;hash", f"{SIRET};LEFEVRE;claire;{HASH}")
    wrapped = kept(app, declarant)

    assert done.output == "1 mots de passe importés, 0 déjà importés, 0 lignes refusées.\n"
    assert HASH not in wrapped
    assert is_imported(wrapped)
    assert se_connecter(client, password="mauvais").status_code == 422
    assert is_imported(kept(app, declarant))
    assert se_connecter(client, password=LEGACY).status_code == 303
    assert kept(app, declarant).startswith("$argon2id$")
    assert se_connecter(client, password=LEGACY).status_code == 303


def test_what_is_imported_twice_is_imported_once(app, importer):
    declarant = un_declarant(app, password=None)
    lines = ("uid,hash", f"{declarant.uid},{HASH}")
    importer(*lines)
    wrapped = kept(app, declarant)
    again = importer(*lines)

    assert again.output == "0 mots de passe importés, 1 déjà importés, 0 lignes refusées.\n"
    assert kept(app, declarant) == wrapped
    with app.app_context():
        events = db.session.query(AuditEvent).filter_by(kind="PasswordsImported").all()
        assert [(event.details["written"], event.details["refused"]) for event in events] == [(1, 0), (0, 0)]


def test_each_line_that_cannot_be_is_told_and_the_others_are_imported(app, importer):
    present, ready = un_declarant(app), un_declarant(app, nom="Autre", password=None)
    before = kept(app, present)
    done = importer(
        "siret,nom,prenom,hash",
        f"{SIRET},Lefevre,Claire,{HASH}",
        f"{SIRET},Inconnue,Claire,{HASH}",
        f"123,Autre,Claire,{HASH}",
        f"{SIRET},Autre,Claire,5f4dcc3b5aa765d61d8327deb882cf99",
        f"{SIRET},Autre",
        f"{SIRET},Autre,Claire,{HASH}",
    )

    assert done.exit_code == 1
    assert [line.split(" :")[0] for line in done.output.splitlines()[:5]] == [f"Ligne {n}" for n in (2, 3, 4, 5, 6)]
    assert "a déjà un mot de passe" in done.output
    assert "1 mots de passe importés, 0 déjà importés, 5 lignes refusées." in done.output
    assert kept(app, present) == before
    assert is_imported(kept(app, ready))


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param((), id="empty"),
        pytest.param(("nom;mot de passe",), id="other-columns"),
        pytest.param(("uid,hash", '"sans fin'), id="open-quote"),
    ],
)
def test_a_file_that_is_no_such_file_is_refused(importer, lines):
    done = importer(*lines)

    assert done.exit_code == 1
    assert done.output.startswith("Error: ")


def test_a_file_in_another_encoding_is_refused(importer):
    assert "UTF-8" in importer("siret,nom,prenom,hash", f"{SIRET},Lefèvre,Claire,{HASH}", encoding="latin-1").output


def test_the_passwords_themselves_may_have_been_in_another_encoding(app, client, importer):
    declarant = un_declarant(app, password=None)
    made = bcrypt.hashpw(LEGACY.encode("latin-1"), bcrypt.gensalt(4)).decode()
    importer("uid,hash", f"{declarant.uid},{made}", options=("--encodage", "latin-1"))

    assert se_connecter(client, password=LEGACY).status_code == 303


def test_C34_among_imported_hashes_decoys_are_drawn_like_them(app, importer):
    declarant = un_declarant(app, password=None)
    importer("uid,hash", f"{declarant.uid},{HASH}")
    with app.app_context():
        decoy = app.extensions["mag_means"].decoys.of(b"personne")

    assert parameters_of(decoy.hash) == parameters_of(kept(app, declarant))


# --------------------------------------------------------------------------------------- too weak for today: changed on the way

WEAK = "Motdep12"


def weak_import(app, importer):
    declarant = un_declarant(app, password=None)
    importer("siret;nom;prenom;hash", f"{SIRET};LEFEVRE;claire;{bcrypt.hashpw(WEAK.encode(), bcrypt.gensalt(4)).decode()}")
    return declarant


def new_password(client, response, text):
    path, query = where(response)
    assert path == "/connexion/mot-de-passe"
    page = client.get(path, query_string=query).text
    assert "règles d'aujourd'hui" in html.unescape(page).replace("\xa0", " ")
    return client.post(path, data={"csrf": csrf_in(page), **query, "nouveau": text, "confirmation": text})


def test_a_password_of_before_that_is_too_short_is_changed_before_anything_opens(app, client, new_client, importer):
    weak_import(app, importer)
    arrived = se_connecter(client, password=WEAK)
    assert client.get("/compte").status_code == 303, "no session yet"
    assert new_password(client, arrived, WEAK).status_code == 422
    again = se_connecter(client, password=WEAK)
    assert where(again)[0] == "/connexion/mot-de-passe", "asked as long as it is not done"

    done = new_password(client, again, PASSWORD)

    assert where(done)[0] == "/"
    assert client.get("/compte").status_code == 200
    other = new_client()
    assert se_connecter(other, password=WEAK).status_code == 422
    assert where(se_connecter(other, password=PASSWORD))[0] == "/"


def test_a_second_factor_comes_before_the_new_password(app, client, importer):
    declarant = weak_import(app, importer)
    secret = with_totp(app, declarant)

    response = se_connecter(client, password=WEAK)
    assert where(response)[0] == "/connexion/second-facteur"
    assert where(step(client, response, code=code(secret)))[0] == "/connexion/mot-de-passe"
    assert client.get("/compte").status_code == 303


def test_a_password_that_answers_the_rules_is_asked_once(app, client):
    un_declarant(app)

    assert where(se_connecter(client))[0] == "/"
