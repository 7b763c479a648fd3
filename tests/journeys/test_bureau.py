"""The operators' desk: who enters and how, what each function may do, reviews, people, letters, recoveries by two."""

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import event

from idp.audit.models import AuditEvent
from idp.authentication.recours import accords
from idp.authentication.recours.models import Recours
from idp.authentication.recours.voies import CHECKS, Etape, Voie
from idp.config import Settings
from idp.database import db
from idp.declarants.controles.models import Controle
from idp.declarants.controles.pipeline import examine, keep
from idp.declarants.identite import Identite
from idp.declarants.inscription import inscrire, suspendre
from idp.declarants.models import AccountEvent, Declarant
from idp.declarants.parcours.models import ServicesChoisis
from idp.declarants.profils import Profil
from idp.declarants.statuts import Act, By, Role, Statut
from idp.entreprises.siret import Siret
from idp.errors import SettingError
from idp.habilitations.models import DroitDirect
from idp.notifications.models import Letter, Mail
from idp.support.models import Fonction, Operateur
from tests.conftest import MagClient, composed
from tests.factories import SIRET, csrf_in, se_connecter, un_administrateur, un_declarant
from tests.journeys.equipe import courriers, un_candidat
from tests.journeys.operateurs import DESK, PASSWORD, au_bureau, code_of, email_of, entrer, operateurs, poster, un_operateur
from tests.journeys.test_controles import subject, une_entreprise

REASON = "Kbis reçu et vérifié au téléphone."


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, desk_url=DESK)


@pytest.fixture
def desk(wsgi_app):
    """The browser of nobody yet, at the desk."""
    return MagClient(wsgi_app, DESK)


@pytest.fixture
def command(app):
    runner = app.test_cli_runner()
    return lambda *arguments: runner.invoke(args=list(arguments))


def une_revue(app, nom: str = "Lefèvre", services: tuple[str, ...] = ("dsn",)) -> tuple[int, int]:
    """Somebody whom the controls left to an operator; number of the review, and of the person."""
    now = datetime.now(UTC)
    with app.app_context():
        asked = subject(nom=nom, profil=Profil.ENTREPRISE_ET_CLIENTS, services=services)
        outcome = examine(asked, now)
        identite, act = Identite(asked.siret, nom, asked.prenom), Act.INSCRIRE_PREMIER
        person = inscrire(identite, now, role=Role.ADMINISTRATEUR_DECLARANT, act=act, by=By.SOI, email=asked.email)
        person.expires_at = now + timedelta(days=15)
        ServicesChoisis.keep(person.id, list(services), asked.profil)
        row = keep(person.id, outcome, now)
        db.session.commit()
        return row.id, person.id


@pytest.fixture
def company(app, command):
    assert command("habilitations", "catalogue").exit_code == 0
    with app.app_context():
        une_entreprise()


def kinds(app, *wanted: str) -> list[tuple[str, str | None]]:
    with app.app_context():
        return [(event.kind, event.actor) for event in db.session.query(AuditEvent).order_by(AuditEvent.id) if event.kind in wanted]


# ------------------------------------------------------------------------------------------------------------ two hosts


@pytest.mark.parametrize(
    "path", ["/controles", "/personnes", "/listes", "/recours", "/lettres", "/operateurs", "/invitation/x", "/deconnexion"]
)
def test_the_public_host_has_no_page_of_the_desk(client, wsgi_app, path):
    inside = au_bureau(wsgi_app)
    for cookie in inside._cookies.values():
        client.set_cookie(cookie.key, cookie.value, domain="mag.test")

    assert path in ("/deconnexion",) or client.get(path).status_code == 404
    assert "Bureau des opérateurs" not in client.get(path).text


@pytest.mark.parametrize(
    "path", ["/token", "/authorize", "/userinfo", "/.well-known/openid-configuration", "/inscription", "/compte", "/aide", "/reg"]
)
def test_the_desk_has_no_page_of_the_public_host(desk, path):
    assert desk.get(path).status_code == 404
    assert desk.post(path).status_code == 404


def test_a_session_of_a_declarant_opens_nothing_at_the_desk(app, wsgi_app, client, desk):
    un_declarant(app)
    assert se_connecter(client).status_code == 303
    for cookie in client._cookies.values():
        desk.set_cookie(cookie.key, cookie.value, domain="bureau.test")

    assert desk.get("/").headers["Location"] == "/connexion"


def test_another_host_is_refused(wsgi_app):
    assert MagClient(wsgi_app, "https://bureau.ailleurs.test").get("/").status_code == 421


@pytest.mark.parametrize(
    "address", ["http://bureau.test", "https://mag.test", "https://bureau.test/x", "https://mag.test:444", "bureau", "https://"]
)
@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_an_address_that_is_no_desk_stops_the_start(settings, address):
    with pytest.raises(SettingError, match="MAG_DESK_URL"):
        replace(settings, desk_url=address)


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_served_alone_the_desk_answers_and_the_public_host_does_not(settings):
    from wsgi import create_wsgi

    with composed(settings, alone=True) as doors:
        assert MagClient(doors, DESK).get("/connexion").status_code == 200
        assert MagClient(doors, "https://mag.test").get("/connexion").status_code == 421
    with pytest.raises(SystemExit, match="MAG_DESK_URL"):
        create_wsgi(replace(settings, desk_url=""), alone=True)


# -------------------------------------------------------------------------------------------------------- arrival, sign-in


def test_C65_an_operator_is_invited_enrols_and_enters(app, command, desk):
    shown = command("operateurs", "inviter", "Aline Roux", "Aline.Roux@mag.test", "--fonction", "controles")
    assert shown.exit_code == 0, shown.output
    path = re.search(r"https://bureau\.test(/invitation/\S+)", shown.output)[1]
    page = desk.get(path)
    assert "<svg" in page.text
    assert " style=" not in page.text
    key = re.search(r"<code>([A-Z2-7 ]+)</code>", page.text)[1].replace(" ", "")
    sealed = re.search(r'name="secret" value="([^"]+)"', page.text)[1]
    form = {"csrf": csrf_in(page.text), "secret": sealed, "nouveau": PASSWORD, "confirmation": PASSWORD}

    assert desk.post(path, data={**form, "code": "000000"}).status_code == 422
    assert desk.post(path, data={**form, "nouveau": "court", "code": code_of(key)}).status_code == 422
    assert desk.post(path, data={**form, "secret": "x" + sealed, "code": code_of(key)}).status_code == 422
    assert desk.post(path, data={**form, "code": code_of(key)}).headers["Location"] == "/connexion"
    assert desk.get(path).status_code == 404
    assert desk.post(path, data={**form, "code": code_of(key)}).status_code == 404

    assert entrer(desk, key).status_code == 422, "the code of the enrolment does not serve again"
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=31)):
        entered = entrer(desk, key)
        assert entered.status_code == 303
        assert all(flag in entered.headers["Set-Cookie"] for flag in ("__Host-mag_bureau=", "Secure", "HttpOnly", "SameSite=Strict"))
        assert "Bonjour Aline Roux" in desk.get("/").text
    assert ("OperatorEntered", "operateur:Aline Roux") in kinds(app, "OperatorEntered")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(("Aline Roux", "pas une adresse"), "pas valable", id="address"),
        pytest.param((" ", "a@mag.test"), "80 caractères", id="name"),
        pytest.param(("aline roux", "autre@mag.test"), "déjà", id="same-name"),
        pytest.param(("Autre", "ALINE.ROUX@mag.test"), "déjà", id="same-address"),
    ],
)
@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_an_invitation_that_makes_no_sense_is_refused(app, command, arguments, words):
    un_operateur(app)
    result = command("operateurs", "inviter", *arguments, "--fonction", "controles")

    assert result.exit_code == 1
    assert words in result.output


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_an_invitation_expires_after_a_day(app, command, desk):
    path = re.search(r"/invitation/\S+", command("operateurs", "inviter", "Aline", "a@mag.test", "--fonction", "securite").output)[0]

    with time_machine.travel(datetime.now(UTC) + timedelta(hours=23, minutes=59)):
        assert desk.get(path).status_code == 200
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=24, seconds=1)):
        assert desk.get(path).status_code == 404


def test_an_operator_without_second_factor_does_not_enter(app, desk):
    secret = un_operateur(app)
    with app.app_context():
        db.session.query(Operateur).one().totp_sealed = None
        db.session.commit()

    assert entrer(desk, secret).status_code == 422
    assert entrer(desk, secret, code="").status_code == 422
    assert entrer(desk, secret, password="x" * 200).status_code == 422
    assert desk.get("/").status_code == 303


@pytest.mark.parametrize("typed", [{"password": "faux"}, {"code": "000000"}, {"email": "personne@mag.test"}])
def test_every_failure_reads_the_same(app, desk, typed):
    secret = un_operateur(app)
    refused = entrer(desk, secret, **typed)

    assert refused.status_code == 422
    assert "Adresse, mot de passe ou code inexact" in refused.text
    assert PASSWORD not in refused.text


def test_a_code_serves_once_even_twenty_times_at_once(app, wsgi_app):
    secret = un_operateur(app)
    clients = [MagClient(wsgi_app, DESK) for _ in range(4)]
    pages = [csrf_in(client.get("/connexion").text) for client in clients]
    code = code_of(secret)

    def post(n: int) -> int:
        form = {"email": email_of("Aline Roux"), "password": PASSWORD, "code": code, "csrf": pages[n]}
        return clients[n].post("/connexion", data=form, environ_overrides={"REMOTE_ADDR": f"192.0.2.{n}"}).status_code

    with ThreadPoolExecutor(4) as pool:
        answers = sorted(pool.map(post, range(4)))
    assert answers.count(303) == 1
    assert set(answers) <= {303, 422, 503}


def test_guessing_is_braked_and_locks_nobody_out_from_elsewhere(app, wsgi_app):
    secret = un_operateur(app)
    stranger = MagClient(wsgi_app, DESK)
    for _ in range(5):
        assert entrer(stranger, secret, password="faux").status_code == 422
    braked = entrer(stranger, secret)
    assert (braked.status_code, braked.headers["Retry-After"]) == (429, "900")

    page = (own := MagClient(wsgi_app, DESK)).get("/connexion")
    form = {"email": email_of("Aline Roux"), "password": PASSWORD, "code": code_of(secret), "csrf": csrf_in(page.text)}
    assert own.post("/connexion", data=form, environ_overrides={"REMOTE_ADDR": "198.51.100.7"}).status_code == 303


def test_codes_are_not_guessed_with_the_right_password(app, wsgi_app):
    secret = un_operateur(app)
    client = MagClient(wsgi_app, DESK)
    answers = []
    for n in range(7):
        page = client.get("/connexion")
        form = {"email": email_of("Aline Roux"), "password": PASSWORD, "code": "000000", "csrf": csrf_in(page.text)}
        answers.append(client.post("/connexion", data=form, environ_overrides={"REMOTE_ADDR": f"192.0.2.{n}"}).status_code)

    assert answers == [422] * 5 + [429] * 2
    assert entrer(client, secret).status_code == 429


def test_a_session_ends_by_itself_and_with_its_operator(app, wsgi_app, command):
    start = datetime.now(UTC)
    client = au_bureau(wsgi_app)
    secret = un_operateur(app, "Berthe Noir")
    other = MagClient(wsgi_app, DESK)
    assert entrer(other, secret, "Berthe Noir").status_code == 303
    assert client.get("/").status_code == 200
    assert command("operateurs", "desactiver", email_of("Berthe Noir")).exit_code == 0
    assert other.get("/").status_code == 303
    assert entrer(other, secret, "Berthe Noir").status_code == 422
    assert command("operateurs", "desactiver", email_of("Berthe Noir")).exit_code == 1
    assert "désactivé" in command("operateurs", "lister").output

    with time_machine.travel(start + timedelta(hours=8, minutes=1)):
        assert client.get("/").status_code == 303


def test_a_new_invitation_ends_the_sessions_of_before(app, wsgi_app, command):
    client = au_bureau(wsgi_app)
    path = re.search(r"/invitation/\S+", command("operateurs", "relancer", email_of("Aline Roux")).output)[0]
    stranger = MagClient(wsgi_app, DESK)
    page = stranger.get(path)
    key = re.search(r"<code>([A-Z2-7 ]+)</code>", page.text)[1].replace(" ", "")
    sealed = re.search(r'name="secret" value="([^"]+)"', page.text)[1]
    form = {"csrf": csrf_in(page.text), "secret": sealed, "nouveau": PASSWORD, "confirmation": PASSWORD, "code": code_of(key)}

    assert client.get("/").status_code == 200
    assert stranger.post(path, data=form).status_code == 303
    assert client.get("/").status_code == 303


def test_leaving_ends_the_session(app, wsgi_app):
    client = au_bureau(wsgi_app)
    cookie = client.get_cookie("__Host-mag_bureau", domain="bureau.test", path="/")

    assert poster(client, "/", "/deconnexion").headers["Location"] == "/connexion"
    client.set_cookie("__Host-mag_bureau", cookie.value, domain="bureau.test")
    assert client.get("/").status_code == 303
    assert client.post("/deconnexion").status_code == 303


# --------------------------------------------------------------------------------------------------- functions, anti-forgery

PAGES = {
    "/controles": {Fonction.CONTROLES},
    "/listes": {Fonction.CONTROLES},
    "/fiches": {Fonction.CONTROLES},
    "/personnes": {Fonction.ASSISTANCE, Fonction.SECURITE},
    "/recours": {Fonction.ASSISTANCE, Fonction.SECURITE},
    "/facteurs": {Fonction.ASSISTANCE, Fonction.SECURITE},
    "/lettres": {Fonction.ASSISTANCE},
    "/signaux": {Fonction.SECURITE},
    "/suspicions": {Fonction.SECURITE},
    "/operateurs": {Fonction.SECURITE},
}
ACTS = {
    "/controles/1/decision": "/controles",
    "/listes": "/listes",
    "/listes/1/retirer": "/listes",
    "/personnes/x/suspendre": "/personnes",
    "/personnes/x/reactiver": "/personnes",
    "/personnes/x/autoriser": "/personnes",
    "/personnes/x/deconnecter": "/personnes",
    "/personnes/x/liberer": "/personnes",
    "/recours/1/proposer": "/recours",
    "/recours/1/confirmer": "/recours",
    "/recours/1/refuser": "/recours",
    "/facteurs/1/accorder": "/facteurs",
    "/facteurs/1/refuser": "/facteurs",
    "/facteurs/declarer/x": "/facteurs",
    "/lettres/1/imprimee": "/lettres",
    "/signaux/x/essayer": "/signaux",
    "/signaux/x/relancer": "/signaux",
    "/signaux/x/suspendre": "/signaux",
    "/signaux/x/reprendre": "/signaux",
    "/suspicions/x/clore": "/suspicions",
    "/operateurs/1/desactiver": "/operateurs",
}


@pytest.mark.parametrize("fonction", list(Fonction))
@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_each_function_opens_its_pages_and_no_other(wsgi_app, fonction):
    client = au_bureau(wsgi_app, fonctions=[fonction])
    csrf = csrf_in(client.get("/").text)

    for path, allowed in PAGES.items():
        assert client.get(path).status_code == (200 if fonction in allowed else 403), path
        assert (f'href="{path}"' in client.get("/").text) == (fonction in allowed)
    for path, page in ACTS.items():
        answer = client.post(path, data={"csrf": csrf}).status_code
        assert (answer == 403) == (fonction not in PAGES[page] or path == "/operateurs/1/desactiver"), path


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_every_act_needs_a_session_and_a_form_of_our_own(wsgi_app, desk):
    client = au_bureau(wsgi_app)

    for path in [*ACTS, "/deconnexion"]:
        assert client.post(path, data={}).status_code == 403, path
        assert client.post(path, data={"csrf": csrf_in(desk.get("/connexion").text)}).status_code == 403, path
        forged = client.post(path, data={"csrf": csrf_in(client.get("/").text)}, headers={"Origin": "https://mag.test"})
        assert forged.status_code == 403, path
    for path in ACTS:
        assert desk.post(path, data={}).headers["Location"] == "/connexion"
    assert desk.post("/connexion", data={}).status_code == 403


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_pages_of_the_desk_are_framed_nowhere_and_kept_nowhere(wsgi_app):
    headers = au_bureau(wsgi_app).get("/").headers

    assert headers["Cache-Control"] == "no-store"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert "Strict-Transport-Security" in headers


# ----------------------------------------------------------------------------------------------------------------- reviews


def test_a_review_is_read_and_validated(app, wsgi_app, client, company):
    number, person = une_revue(app)
    operator = au_bureau(wsgi_app, fonctions=[Fonction.CONTROLES])
    assert "Claire Lefèvre" in operator.get("/controles").text
    shown = operator.get(f"/controles/{number}").text
    assert all(
        words in shown
        for words in ("Tableau de l&#39;Ordre", "Boulangerie Lefèvre", "claire@boulangerie-lefevre.fr", "déclaration sociale".capitalize())
    )

    path = f"/controles/{number}/decision"
    assert poster(operator, f"/controles/{number}", path, decision="valider", motif="ok").status_code == 422
    assert poster(operator, f"/controles/{number}", path, decision="peut-être", motif=REASON).status_code == 422
    assert poster(operator, f"/controles/{number}", path, decision="valider", motif=REASON).headers["Location"] == f"/controles/{number}"
    again = operator.post(path, data={"csrf": csrf_in(operator.get("/").text), "decision": "ecarter", "motif": REASON})
    assert again.status_code == 409
    assert REASON in operator.get(f"/controles/{number}").text
    assert "Claire Lefèvre" not in operator.get("/controles").text

    with app.app_context():
        found = db.session.get(Declarant, person)
        assert (found.statut, found.expires_at) == (Statut.ACTIF, None)
        assert [mail.kind for mail in db.session.query(Mail).filter_by(declarant_id=person)] == ["inscription_validee"]
        assert db.session.query(DroitDirect).filter_by(declarant_id=person).count() == 1
    assert ("ControlsSettled", "operateur:Aline Roux") in kinds(app, "ControlsSettled")
    assert ("PersonConsulted", "operateur:Aline Roux") in kinds(app, "PersonConsulted")


def test_a_review_validated_after_an_administrator_came_becomes_a_candidacy(app, wsgi_app, company):
    """Fact 30: whoever is there answers, not an operator."""
    number, person = une_revue(app)
    with app.app_context():
        siret = str(db.session.get(Declarant, person).siret)
    un_administrateur(app, siret=siret, nom="Martin", prenom="Odile", email="odile@exemple.fr")
    operator = au_bureau(wsgi_app, fonctions=[Fonction.CONTROLES])
    path = f"/controles/{number}/decision"
    before = operator.get(f"/controles/{number}").text

    assert poster(operator, f"/controles/{number}", path, decision="valider", motif=REASON).status_code == 303
    assert "valider lui transmet la demande" in before
    assert "Valider ouvre le compte" not in before
    assert "Inscription transmise" in operator.get(f"/controles/{number}").text
    with app.app_context():
        found = db.session.get(Declarant, person)
        assert found.statut is Statut.CANDIDAT
        assert found.expires_at is not None
        assert [mail.recipient for mail in db.session.query(Mail).filter_by(kind="candidature")] == ["odile@exemple.fr"]
        assert [mail.kind for mail in db.session.query(Mail).filter_by(declarant_id=person)] == ["candidature_recue"]
        assert db.session.query(DroitDirect).filter_by(declarant_id=person).count() == 0


def test_a_review_is_set_aside_and_the_identity_goes(app, wsgi_app, company):
    number, person = une_revue(app)
    operator = au_bureau(wsgi_app)

    assert poster(operator, f"/controles/{number}", f"/controles/{number}/decision", decision="ecarter", motif=REASON).status_code == 303
    shown = operator.get(f"/controles/{number}")
    assert "Identité effacée" in shown.text
    assert "Inscription écartée" in shown.text
    with app.app_context():
        assert db.session.get(Declarant, person) is None
        [mail] = db.session.query(Mail).filter_by(kind="inscription_ecartee")
        assert (mail.recipient, REASON in mail.body) == ("claire@boulangerie-lefevre.fr", False)
        assert Controle.find(number).decision == "ecarter"


def test_the_queue_is_filtered_and_paged(app, wsgi_app, company):
    from idp.support.controles import views

    for n in range(views.PAGE + 2):
        une_revue(app, f"Nom {chr(97 + n)}")
    operator = au_bureau(wsgi_app)
    first = operator.get("/controles").text
    assert first.count('class="person"') == views.PAGE
    onward = re.search(r'href="(/controles\?[^"]*apres=[^"]*)"', first)[1].replace("&amp;", "&")
    assert operator.get(onward).text.count('class="person"') == 2

    for query, count in {
        "motif=ordre": views.PAGE,
        "motif=jetable": 0,
        "motif=inconnu": views.PAGE,
        "numero=732829320": views.PAGE,
        "numero=356000000": 0,
        "age=1": 0,
        "age=abc": views.PAGE,
        "apres=-1": views.PAGE,
        "apres=99999999999999999999": views.PAGE,
        "numero=%00": None,
    }.items():
        answer = operator.get(f"/controles?{query}")
        assert (answer.status_code == 400) if count is None else answer.text.count('class="person"') == count, query
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=7)):
        assert operator.get("/controles?age=1").status_code in (200, 303)
    assert operator.get("/controles/999999").status_code == 404


@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
def test_C82_of_two_decisions_at_once_one_wins(app, wsgi_app, company):
    number, person = une_revue(app)
    operators = [au_bureau(wsgi_app, nom) for nom in ("Aline Roux", "Berthe Noir")]
    forms = [
        {"csrf": csrf_in(one.get("/").text), "decision": what, "motif": REASON}
        for one, what in zip(operators, ("valider", "ecarter"), strict=True)
    ]

    with ThreadPoolExecutor(2) as pool:
        answers = sorted(pool.map(lambda n: operators[n].post(f"/controles/{number}/decision", data=forms[n]).status_code, range(2)))
    assert answers == [303, 409]
    with app.app_context():
        found = db.session.get(Declarant, person)
        assert (found is None) == (Controle.find(number).decision == "ecarter")


def test_lists_are_kept_at_the_desk(app, wsgi_app, company):
    operator = au_bureau(wsgi_app)
    line = {"sens": "interdit", "nature": "siren", "valeur": "732 829 320", "motif": "usurpation", "proprietaire": "fraude"}

    assert poster(operator, "/listes", "/listes", **line).status_code == 303
    assert poster(operator, "/listes", "/listes", **{**line, "sens": "x"}).status_code == 422
    assert poster(operator, "/listes", "/listes", **{**line, "valeur": "12"}).status_code == 422
    assert poster(operator, "/listes", "/listes", **{**line, "echeance": "hier"}).status_code == 422
    shown = operator.get("/listes?liste=interdit&cherche=732829320").text
    number = re.search(r"/listes/(\d+)/retirer", shown)[1]
    assert "usurpation" in shown
    assert "usurpation" not in operator.get("/listes?liste=autorise").text
    assert poster(operator, "/listes", f"/listes/{number}/retirer").status_code == 303
    assert poster(operator, "/", f"/listes/{number}/retirer").status_code == 404
    assert kinds(app, "ListChanged") == [("ListChanged", "operateur:Aline Roux")] * 2


# ------------------------------------------------------------------------------------------------------------------ people


def test_a_person_is_found_exactly_and_not_otherwise(app, wsgi_app):
    un_declarant(app, email="claire@exemple.fr", password=None)
    un_declarant(app, nom="Martin", password=None)
    operator = au_bureau(wsgi_app, fonctions=[Fonction.ASSISTANCE])

    for query, count in {
        f"siret={SIRET}": 2,
        f"siret={SIRET}&nom=LEFEVRE": 1,
        f"siret={SIRET}&nom=lef": 0,
        f"siret={SIRET}&prenom=claire": 2,
        "email=claire@exemple.fr": 1,
        "email=claire": 0,
        "email=CLAIRE@EXEMPLE.FR": 1,
        f"siret={SIRET}&nom=%25": 0,
    }.items():
        assert operator.get(f"/personnes?{query}").text.count('class="person"') == count, query
    assert operator.get("/personnes?nom=Lefevre").status_code == 422
    assert operator.get("/personnes?siret=12").status_code == 422
    assert operator.get("/personnes/inconnue").status_code == 404


def test_an_account_is_suspended_with_its_sessions_and_reinstated(app, wsgi_app, client):
    person = un_declarant(app, email="claire@exemple.fr")
    assert se_connecter(client).status_code == 303
    operator = au_bureau(wsgi_app, fonctions=[Fonction.ASSISTANCE])
    page = f"/personnes/{person.uid}"
    assert "Connexion" in operator.get(page).text

    assert poster(operator, page, f"{page}/suspendre").headers["Location"] == f"{page}?fait=suspendre"
    assert "suspendu" in operator.get(f"{page}?fait=suspendre").text
    assert client.get("/").status_code == 303
    assert se_connecter(client).status_code == 422
    assert poster(operator, "/", f"{page}/suspendre").status_code == 409
    assert poster(operator, page, f"{page}/reactiver").status_code == 303
    assert poster(operator, "/", f"{page}/reactiver").status_code == 409
    assert se_connecter(client).status_code == 303
    assert poster(operator, page, f"{page}/deconnecter").status_code == 303
    assert client.get("/").status_code == 303
    assert poster(operator, page, f"{page}/liberer").status_code == 303

    with app.app_context():
        told = [mail.kind for mail in db.session.query(Mail).filter_by(declarant_id=person.id).order_by(Mail.id)]
        assert [kind for kind in told if kind.startswith("bureau")] == ["bureau_suspendre", "bureau_reactiver", "bureau_deconnecter"]
        events = [event.kind for event in db.session.query(AccountEvent).filter_by(declarant_id=person.id).order_by(AccountEvent.id)]
        assert events == ["account-disabled", "account-enabled"], "partners learn both"
    wanted = ("SessionsClosed", "BrakeLifted", "DeclarantChanged")
    assert {actor for _, actor in kinds(app, *wanted)} == {"operateur:Aline Roux"}


def test_a_candidate_is_let_in_when_every_administrator_is_suspended(app, wsgi_app, client):
    chief = un_administrateur(app, email="claire@exemple.fr")
    with app.app_context():
        suspendre(db.session.get(Declarant, chief.id), datetime.now(UTC), actor="operateur:Autre")
        db.session.commit()
    nina = un_candidat(app)
    [mail] = courriers(app, "candidature_recue")
    assert "viennent d'être prévenus" not in mail.body
    operator = au_bureau(wsgi_app, fonctions=[Fonction.ASSISTANCE])
    page = f"/personnes/{nina.uid}"
    assert "Donner l&#39;accord" in operator.get(page).text

    assert poster(operator, page, f"{page}/autoriser").headers["Location"] == f"{page}?fait=autoriser"
    assert poster(operator, "/", f"{page}/autoriser").status_code == 409
    assert se_connecter(client, nom="Petit", prenom="Nina").status_code == 303
    assert [mail.recipient for mail in courriers(app, "candidature_acceptee")] == ["nina@exemple.fr"]


def test_an_operator_does_not_answer_for_administrators_who_can(app, wsgi_app):
    chief = un_administrateur(app, email="claire@exemple.fr")
    nina = un_candidat(app)
    operator = au_bureau(wsgi_app, fonctions=[Fonction.ASSISTANCE])
    assert "Donner l&#39;accord" not in operator.get(f"/personnes/{nina.uid}").text

    assert poster(operator, "/", f"/personnes/{nina.uid}/autoriser").status_code == 409
    assert poster(operator, "/", f"/personnes/{chief.uid}/autoriser").status_code == 404
    with app.app_context():
        assert db.session.get(Declarant, nina.id).statut is Statut.CANDIDAT


# ----------------------------------------------------------------------------------------------------------------- letters


def test_the_desk_counts_letters_without_reading_their_papers(app, wsgi_app):
    operator = au_bureau(wsgi_app)
    with app.app_context():
        for _ in range(3):
            Letter.write("cle_activation", ("Claire Lefèvre", "1 rue de la Paix"), b"%PDF-1.7 secret", datetime.now(UTC))
        db.session.commit()
        engine, sent = db.engine, []
    note = lambda *call: sent.append(call[2])  # noqa: E731  # a listener
    event.listen(engine, "before_cursor_execute", note)
    pages = [operator.get(path).text for path in ("/", "/lettres")]
    event.remove(engine, "before_cursor_execute", note)

    assert "3" in pages[0]
    assert pages[1].count("Claire Lefèvre") == 3
    assert not [statement for statement in sent if "letters.pdf" in statement]


def test_a_letter_is_taken_printed_and_erased(app, wsgi_app):
    with app.app_context():
        letter = Letter.write("cle_activation", ("Claire Lefèvre", "1 rue de la Paix"), b"%PDF-1.7 secret", datetime.now(UTC)).id
        db.session.commit()
    operator = au_bureau(wsgi_app, fonctions=[Fonction.ASSISTANCE])
    assert "1 rue de la Paix" in operator.get("/lettres").text
    assert poster(operator, "/lettres", f"/lettres/{letter}/imprimee").status_code == 404

    paper = operator.get(f"/lettres/{letter}/pdf")
    assert (paper.data, paper.mimetype, paper.headers["Cache-Control"]) == (b"%PDF-1.7 secret", "application/pdf", "no-store")
    assert paper.headers["Content-Disposition"].startswith("attachment")
    assert poster(operator, "/lettres", f"/lettres/{letter}/imprimee").status_code == 303
    assert operator.get(f"/lettres/{letter}/pdf").status_code == 404
    assert poster(operator, "/", f"/lettres/{letter}/imprimee").status_code == 404
    assert kinds(app, "LetterTaken") == [("LetterTaken", "operateur:Aline Roux")] * 2
    with app.app_context():
        assert db.session.get(Letter, letter).pdf is None


# -------------------------------------------------------------------------------------------------------------- recoveries


def un_recours(app) -> tuple[int, int]:
    person, now = un_declarant(app, email="perdue@exemple.fr"), datetime.now(UTC)
    with app.app_context():
        recours = Recours(declarant_id=person.id, siret=Siret(SIRET), voie=Voie.ASSISTANCE, etape=Etape.OUVERT, asked_at=now)
        recours.expires_at, recours.address, recours.reason = now + timedelta(days=7), "nouvelle@exemple.fr", "Téléphone volé."
        db.session.add(recours)
        db.session.commit()
        return recours.id, person.id


def test_a_recovery_takes_two_different_operators(app, wsgi_app):
    number, _ = un_recours(app)
    first, second = (au_bureau(wsgi_app, nom, fonctions=[Fonction.ASSISTANCE]) for nom in ("Aline Roux", "Berthe Noir"))
    page, every = f"/recours/{number}", [check.value for check in CHECKS]
    assert "Téléphone volé" in first.get(page).text

    assert poster(first, page, f"{page}/confirmer").status_code == 409, "nothing is proposed yet"
    assert poster(first, page, f"{page}/proposer", verification=every[:-1]).status_code == 422
    assert poster(first, page, f"{page}/proposer", verification=every).status_code == 303
    assert poster(first, page, f"{page}/proposer", verification=every).status_code == 409
    assert "un autre opérateur" in first.get(page).text
    assert poster(first, page, f"{page}/confirmer").status_code == 409, "the same operator twice"
    with app.app_context():
        assert db.session.get(Recours, number).etape is Etape.PROPOSE
    assert poster(second, page, f"{page}/confirmer").status_code == 303
    assert poster(second, page, f"{page}/confirmer").status_code == 409

    with app.app_context():
        found = db.session.get(Recours, number)
        assert (found.proposed_by, found.agreed_by) == ("operateur:Aline Roux", "operateur:Berthe Noir")
        assert {mail.recipient for mail in db.session.query(Mail).filter_by(kind="recours_assistance")} == {
            "perdue@exemple.fr",
            "nouvelle@exemple.fr",
        }
        assert accords.hand_over(app.extensions["mag"].settings, datetime.now(UTC)) == 0, "a day passes first"


def test_a_recovery_is_refused_once_and_no_other_is_reached(app, wsgi_app):
    number, _ = un_recours(app)
    operator = au_bureau(wsgi_app)

    assert poster(operator, f"/recours/{number}", f"/recours/{number}/refuser").status_code == 303
    assert poster(operator, "/", f"/recours/{number}/refuser").status_code == 404
    assert operator.get("/recours/999").status_code == 404


# --------------------------------------------------------------------------------------------------------------- operators


def test_nobody_disables_themselves_and_another_is_out_at_once(app, wsgi_app):
    chief, other = au_bureau(wsgi_app), au_bureau(wsgi_app, "Berthe Noir")
    known = operateurs(app)

    assert poster(chief, "/operateurs", f"/operateurs/{known['Aline Roux'].id}/desactiver").status_code == 403
    assert poster(chief, "/operateurs", "/operateurs/999/desactiver").status_code == 403
    assert poster(chief, "/operateurs", f"/operateurs/{known['Berthe Noir'].id}/desactiver").status_code == 303
    assert other.get("/").status_code == 303
    assert "Désactivé" in chief.get("/operateurs").text
