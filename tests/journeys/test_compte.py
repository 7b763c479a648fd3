"""« Mon compte », page by page, and what somebody else may not do there."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import select

from idp import lieux
from idp.audit.models import AuditEvent
from idp.database import db
from idp.declarants.models import AccountEvent, Declarant
from idp.declarants.statuts import Statut
from idp.habilitations.models import DroitDirect
from idp.notifications.models import Mail, OneTimeLink
from tests.facteurs import code, step, une_personne_protegee
from tests.factories import PASSWORD, SIRET, csrf_in, se_connecter, un_administrateur, un_declarant

EMAIL, OTHER = "claire@exemple.fr", "c.lefevre@autre.fr"
NEW = "trois poules sur un mur"
FIREFOX = {"User-Agent": "Mozilla/5.0 (Windows NT 10.0; rv:144.0) Gecko/20100101 Firefox/144.0"}


@pytest.fixture
def claire(app, client):
    """Somebody who just signed in, with a colleague who administers."""
    un_administrateur(app, nom="Martin", prenom="Odile", email="odile@exemple.fr")
    person = un_declarant(app, email=EMAIL, email_verified=True)
    assert se_connecter(client).status_code == 303
    return person


def post(client, path, page=None, **form):
    """Sends the form of a page, with the anti-forgery value it showed."""
    csrf = csrf_in(client.get(page or path).text)
    return client.post(path, data={"csrf": csrf, **form})


def row(app, person):
    with app.app_context():
        found = db.session.get(Declarant, person.id)
        db.session.expunge(found)
        return found


def mails(app, kind):
    with app.app_context():
        return [(mail.recipient, mail.body or "") for mail in db.session.scalars(select(Mail).filter_by(kind=kind).order_by(Mail.id))]


def facts(app, kind):
    with app.app_context():
        return [event.details for event in db.session.scalars(select(AuditEvent).filter_by(kind=kind).order_by(AuditEvent.id))]


def link_in(body):
    return re.search(r"https://mag\.test(/compte/adresse/\S+)", body)[1]


# ------------------------------------------------------------------------------------------------------------ the account


PAGES = ["", "/coordonnees", "/adresse", "/mot-de-passe", "/sessions", "/historique", "/donnees", "/fermeture", "/adresse/envoyee"]


@pytest.mark.parametrize("page", PAGES)
def test_each_page_is_for_somebody_signed_in(client, page):
    answer = client.get(f"/compte{page}")

    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("/connexion?demande=")


@pytest.mark.parametrize("page", ["", "/coordonnees", "/adresse", "/mot-de-passe", "/sessions", "/historique", "/donnees", "/fermeture"])
def test_each_page_shows(claire, client, page):
    answer = client.get(f"/compte{page}")

    assert answer.status_code == 200
    assert "Mon compte" in answer.text


@pytest.mark.parametrize("path", ["/coordonnees", "/adresse", "/adresse/verifier", "/mot-de-passe", "/sessions", "/donnees", "/fermeture"])
def test_C39_no_form_is_taken_without_its_own_anti_forgery_value(app, claire, client, path):
    home = csrf_in(client.get("/").text)
    for csrf in ("", "faux", home):
        assert client.post(f"/compte{path}", data={"csrf": csrf, "mot": "FERMER"}).status_code == 403
    assert row(app, claire).statut is Statut.ACTIF


@pytest.mark.parametrize("path", ["/coordonnees", "/adresse", "/mot-de-passe", "/sessions", "/donnees", "/information", "/fermeture"])
def test_a_form_of_a_stranger_leads_to_the_sign_in(client, path):
    assert client.post(f"/compte{path}", data={"mot": "FERMER"}).headers["Location"].startswith("/connexion")


def test_the_account_says_who_one_is_and_who_may_correct_it(claire, client):
    page = client.get("/compte").text

    for text in ("Claire Lefèvre", "732 829 320 00074", EMAIL, "Odile Martin", "Déclarant"):
        assert text in page


def test_home_and_the_menu_lead_there(claire, client):
    assert 'href="/compte"' in client.get("/").text


@pytest.mark.parametrize(
    ("path", "entry"),
    [
        ("/", "/"),
        ("/compte", "/compte"),
        ("/compte/sessions", "/compte"),
        ("/compte/securite", "/compte/securite"),
        ("/compte/administrateurs", "/compte/administrateurs"),
        ("/autorisations", "/autorisations"),
    ],
)
def test_the_menu_says_where_one_is_once(claire, client, path, entry):
    page = client.get(path).text

    assert re.findall(r'<a href="([^"]+)" aria-current="page"', page) == [entry]


def test_the_menu_shows_the_pages_of_the_group_that_one_is_in_and_of_no_other(claire, client):
    home, factors = client.get("/").text, client.get("/compte/securite").text

    assert 'href="/compte/logiciels"' in factors
    assert 'href="/compte/logiciels"' not in re.findall(r'<nav class="menu".*?</nav>', home, re.S)[0]
    assert re.findall(r'<a href="([^"]+)" aria-current="true"', factors) == ["/compte"]


@pytest.mark.parametrize("path", ["/device", "/demandes"])
def test_pages_of_what_is_asked_elsewhere_have_the_menu_too(claire, client, new_client, path):
    assert 'aria-label="Votre espace"' in client.get(path).text
    assert 'aria-label="Votre espace"' not in new_client().get(path).text


# ------------------------------------------------------------------------------------------------------------- the contact


def test_phones_function_and_unit_are_changed(app, claire, client):
    done = post(
        client, "/compte/coordonnees", telephone="01 42 68 53 00", mobile="+33612345678", fonction="Comptable", service_interne="Paie"
    )

    assert done.headers["Location"] == "/compte?fait=coordonnees"
    found = row(app, claire)
    assert (found.telephone, found.mobile, found.fonction, found.service_interne) == (
        "+33 1 42 68 53 00",
        "+33 6 12 34 56 78",
        "Comptable",
        "Paie",
    )
    assert facts(app, "ProfileChanged") == [{"fields": "telephone mobile fonction service_interne"}]
    assert post(client, "/compte/coordonnees", telephone="", mobile="", fonction="", service_interne="").status_code == 303
    assert row(app, claire).telephone is None


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"telephone": "12"}, "telephone-erreur"),
        ({"mobile": "01 42 68 53 00"}, "mobile-erreur"),
        ({"mobile": "\x01<b>" * 500}, "mobile-erreur"),
        ({"fonction": "x" * 121}, "fonction-erreur"),
    ],
)
def test_what_is_not_a_phone_is_shown_again_and_changes_nothing(app, claire, client, typed, said):
    answer = post(client, "/compte/coordonnees", **typed)

    assert answer.status_code == 422
    assert said in answer.text
    assert "<b>" not in answer.text
    assert facts(app, "ProfileChanged") == []


def test_the_name_the_company_and_the_role_cannot_be_sent(app, claire, client):
    post(client, "/compte/coordonnees", nom="Autre", siret="1", role="administrateur", statut="actif", fonction="x")
    found = row(app, claire)

    assert (found.nom, str(found.siret), found.role.value) == ("Lefèvre", SIRET, "declarant")


# ------------------------------------------------------------------------------------------------------------- the address


@pytest.fixture
def asked(app, claire, client):
    """The path of the link that the new address received."""
    assert post(client, "/compte/adresse", email=OTHER).headers["Location"] == "/compte/adresse/envoyee"
    [(recipient, body)] = mails(app, "adresse_nouvelle")
    assert recipient == OTHER
    return link_in(body)


@pytest.fixture
def changed(app, asked, client):
    """The path of the link that the former address received."""
    assert post(client, asked).status_code == 200
    [(recipient, body)] = mails(app, "adresse_changee")
    assert recipient == EMAIL
    assert OTHER not in body
    return link_in(body)


def test_an_address_changes_only_once_its_link_is_posted(app, claire, client, asked):
    assert row(app, claire).email == EMAIL
    for _ in range(2):
        assert client.get(asked).status_code == 200  # a scanner of mails
    assert row(app, claire).email == EMAIL

    assert "confirmée" in post(client, asked).text
    found = row(app, claire)
    assert (found.email, found.email_verified) == (OTHER, True)
    assert found.email_locked_until is not None


def test_C44_the_link_of_an_address_serves_once_and_a_day(app, asked, client):
    csrf = csrf_in(client.get(asked).text)
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=24, seconds=1)):
        assert client.get(asked).status_code == 404
        assert client.post(asked, data={"csrf": csrf}).status_code == 404
    assert client.post(asked, data={"csrf": csrf}).status_code == 200
    assert client.post(asked, data={"csrf": csrf}).status_code == 404
    assert client.get(asked).status_code == 404
    assert len(mails(app, "adresse_changee")) == 1


def test_C44_a_link_serves_its_purpose_alone(asked, client):
    token = asked.rpartition("/")[2]

    for purpose in ("annuler", "toujours"):
        assert client.get(f"/compte/adresse/{purpose}/{token}").status_code == 404


@pytest.mark.parametrize("token", ["", "x", "é", "a" * 5000, "%00", "..%2f"])
def test_a_link_that_never_was_is_dead(client, token):
    for path in (f"/compte/adresse/confirmer/{token}", f"/compte/adresse/annuler/{token}", f"/compte/adresse/toujours/{token}"):
        assert client.get(path).status_code in (400, 404, 414)


def test_another_request_kills_the_link_before(app, asked, client):
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=3)):
        post(client, "/compte/adresse", email="encore@autre.fr")

    assert client.get(asked).status_code == 404
    assert len(mails(app, "adresse_nouvelle")) == 2


def test_C82_a_form_sent_twice_writes_one_mail(app, asked, client):
    post(client, "/compte/adresse", email=OTHER)

    assert len(mails(app, "adresse_nouvelle")) == 1
    assert client.get(asked).status_code == 200


def test_a_link_dies_when_the_address_changed_meanwhile(app, claire, asked, client):
    with app.app_context():
        db.session.get(Declarant, claire.id).email = "entre@temps.fr"
        db.session.commit()

    assert post(client, asked).status_code == 404
    assert row(app, claire).email == "entre@temps.fr"


@pytest.mark.parametrize("typed", ["", "x", "a@", "é@exemple.fr", EMAIL, EMAIL.upper(), "a@b.fr\r\nBcc: x@y.fr", "a" * 300 + "@exemple.fr"])
def test_an_address_that_cannot_be_written_to_is_refused(app, claire, client, typed):
    assert post(client, "/compte/adresse", email=typed).status_code == 422
    assert mails(app, "adresse_nouvelle") == []


def test_few_mails_leave_for_one_account_in_a_day(app, claire, client):
    answers = [post(client, "/compte/adresse", email=f"a{n}@autre.fr").status_code for n in range(7)]

    assert answers == [303] * 5 + [429] * 2
    assert len(mails(app, "adresse_nouvelle")) == 5


def test_the_address_needs_a_recent_sign_in(app, claire, client):
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=6)):
        assert client.get("/compte/adresse").headers["Location"].startswith("/connexion")
        assert client.post("/compte/adresse", data={"email": OTHER}).headers["Location"].startswith("/connexion")
    assert mails(app, "adresse_nouvelle") == []


def test_a_changed_address_is_locked_until_nobody_can_take_it_back(app, claire, changed, client):
    assert "Pas avant le" in client.get("/compte/adresse").text
    csrf = re.search(r'name="csrf" value="([^"]+)"', client.get("/compte/coordonnees").text)[1]
    assert client.post("/compte/adresse", data={"csrf": csrf, "email": "voleur@autre.fr"}).status_code == 409

    with time_machine.travel(datetime.now(UTC) + timedelta(hours=73)):
        se_connecter(client)
        assert post(client, "/compte/adresse", email="suivante@autre.fr").status_code == 303
        assert client.get(changed).status_code == 404


def test_the_former_address_takes_itself_back_and_throws_everybody_out(app, claire, changed, client, new_client):
    stranger = new_client()
    done = post(stranger, changed)

    assert "Le changement est annulé" in done.text
    found = row(app, claire)
    assert (found.email, found.password_locked_at is not None) == (EMAIL, True)
    assert client.get("/compte").status_code == 303
    assert se_connecter(client).status_code == 422, "the thief knows this password"
    assert post(stranger, changed, page="/connexion").status_code in (403, 404)
    assert facts(app, "EmailChangeReverted") == [{}]
    with app.app_context():
        assert {event.kind for event in db.session.scalars(select(AccountEvent))} == {"identifier-changed"}


def test_a_revert_serves_once(app, claire, changed, new_client):
    stranger = new_client()
    csrf = csrf_in(stranger.get(changed).text)
    answers = [stranger.post(changed, data={"csrf": csrf}).status_code for _ in range(3)]

    assert answers == [200, 404, 404]
    assert len(facts(app, "EmailChangeReverted")) == 1


def test_an_address_not_proved_yet_receives_a_link(app, client):
    person = un_declarant(app, email=EMAIL)
    se_connecter(client)
    assert "pas confirmée" in client.get("/").text
    for _ in range(2):
        assert post(client, "/compte/adresse/verifier", page="/compte").status_code == 303
    [(_, body)] = mails(app, "adresse_toujours")

    assert "confirmée" in post(client, link_in(body)).text
    assert row(app, person).email_verified
    assert "pas confirmée" not in client.get("/").text


# ------------------------------------------------------------------------------------------------------------ the password


def test_a_password_changes_given_the_one_in_force(app, claire, client, new_client):
    elsewhere = new_client()
    se_connecter(elsewhere)
    done = post(client, "/compte/mot-de-passe", actuel=PASSWORD, nouveau=NEW, confirmation=NEW)

    assert done.headers["Location"] == "/compte?fait=mot-de-passe"
    assert client.get("/compte").status_code == 200, "this session goes on"
    assert elsewhere.get("/compte").status_code == 303
    assert se_connecter(new_client()).status_code == 422
    assert se_connecter(new_client(), password=NEW).status_code == 303
    assert [recipient for recipient, _ in mails(app, "mot_de_passe_change")] == [EMAIL]


def test_C37_the_cookie_from_before_a_change_is_worth_nothing(app, claire, client, new_client):
    before = client.get_cookie("__Host-mag_s", domain="mag.test", path="/").value
    post(client, "/compte/mot-de-passe", actuel=PASSWORD, nouveau=NEW, confirmation=NEW)
    thief = new_client()
    thief.set_cookie("__Host-mag_s", before, domain="mag.test", secure=True)

    assert client.get_cookie("__Host-mag_s", domain="mag.test", path="/").value != before
    assert thief.get("/compte").status_code == 303


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"actuel": "", "nouveau": NEW, "confirmation": NEW}, "Saisissez votre mot de passe actuel"),
        ({"actuel": "faux", "nouveau": NEW, "confirmation": NEW}, "pas votre mot de passe actuel"),
        ({"actuel": PASSWORD, "nouveau": "court", "confirmation": "court"}, "nouveau-erreur"),
        ({"actuel": PASSWORD, "nouveau": NEW, "confirmation": "autre"}, "confirmation-erreur"),
        ({"actuel": PASSWORD, "nouveau": PASSWORD, "confirmation": PASSWORD}, "celui que vous avez déjà"),
        ({}, "Saisissez votre mot de passe actuel"),
    ],
)
def test_a_password_that_is_not_proved_or_not_good_changes_nothing(app, claire, client, typed, said, new_client):
    answer = post(client, "/compte/mot-de-passe", **typed)

    assert answer.status_code == 422
    assert said in answer.text
    assert NEW not in answer.text
    assert client.get("/compte").status_code == 200
    assert se_connecter(new_client()).status_code == 303


def test_C35_guesses_of_the_password_in_force_are_braked(app, claire, client):
    for _ in range(15):
        post(client, "/compte/mot-de-passe", actuel="faux", nouveau=NEW, confirmation=NEW)

    assert post(client, "/compte/mot-de-passe", actuel=PASSWORD, nouveau=NEW, confirmation=NEW).status_code in (422, 429)


# ------------------------------------------------------------------------------------------------------------ the sessions


def test_sessions_say_where_one_is_signed_in_and_end_one_by_one(app, claire, client, new_client):
    elsewhere = new_client()
    typed = {"siret": SIRET, "nom": "Lefèvre", "prenom": "Claire", "password": PASSWORD}
    csrf = csrf_in(elsewhere.get("/connexion").text)
    elsewhere.post("/connexion", data={**typed, "demande": "", "csrf": csrf}, headers=FIREFOX)
    page = client.get("/compte/sessions").text
    assert "Firefox sur Windows" in page
    assert "192.0.2.1" in page
    sids = re.findall(r'name="session" value="([^"]+)"', page)
    assert len(sids) == 1

    assert post(client, "/compte/sessions", page="/compte/coordonnees", session=sids[0]).headers["Location"] == "/compte/sessions?fait=une"
    assert elsewhere.get("/compte").status_code == 303
    assert client.get("/compte").status_code == 200
    assert "Firefox sur Windows" not in client.get("/compte/sessions").text
    assert post(client, "/compte/sessions", page="/compte/coordonnees", session=sids[0]).status_code == 404


def test_all_other_sessions_end_at_once(app, claire, client, new_client):
    others = [new_client() for _ in range(2)]
    for one in others:
        se_connecter(one)

    assert post(client, "/compte/sessions", page="/compte/coordonnees", toutes="1").headers["Location"] == "/compte/sessions?fait=toutes"
    assert [one.get("/compte").status_code for one in others] == [303, 303]
    assert client.get("/compte/sessions").text.count("— cet appareil") == 1
    assert 'name="session"' not in client.get("/compte/sessions").text


def test_C45_ending_the_other_sessions_does_not_make_the_sign_in_younger(app, claire, client):
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=20), tick=False):
        assert client.get("/compte/adresse").status_code == 303
        assert post(client, "/compte/sessions", page="/compte/coordonnees", toutes="1").status_code == 303
        late = client.get("/compte/adresse")

    assert late.status_code == 303
    assert late.headers["Location"].startswith("/connexion?demande=")


def test_C42_a_password_does_not_make_an_old_second_factor_younger(app, client):
    un_administrateur(app, nom="Martin", prenom="Odile", email="odile@exemple.fr")
    person, secret = une_personne_protegee(app, email_verified=True)
    step(client, se_connecter(client), moyen="totp", code=code(secret))
    assert client.get("/compte/securite/application").status_code == 200

    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=30), tick=False):
        assert client.get("/compte/securite/application").status_code == 303
        done = post(client, "/compte/mot-de-passe", actuel=PASSWORD, nouveau=NEW, confirmation=NEW)
        page = client.get("/compte/securite")
        answer = client.post("/compte/securite/application/retirer", data={"csrf": csrf_in(page.text)})

    assert done.headers["Location"] == "/compte?fait=mot-de-passe"
    assert answer.headers["Location"].startswith("/connexion?demande=")
    assert row(app, person).second_factor


def test_a_password_just_typed_vouches_for_a_session_of_a_password(claire, client):
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=20), tick=False):
        post(client, "/compte/mot-de-passe", actuel=PASSWORD, nouveau=NEW, confirmation=NEW)

        assert client.get("/compte/adresse").status_code == 200


def test_C60_nobody_ends_the_session_of_somebody_else(app, claire, client, new_client):
    un_declarant(app, nom="Durand", prenom="Paul")
    theirs = new_client()
    se_connecter(theirs, nom="Durand", prenom="Paul")
    with app.app_context():
        sid = db.session.scalar(select(AuditEvent).filter_by(kind="ConnexionOpened").order_by(AuditEvent.id.desc())).details["sid"]

    for value in (sid, "", "x" * 3000, "\x01"):
        assert post(client, "/compte/sessions", page="/compte/coordonnees", session=value).status_code == 404
    assert theirs.get("/compte").status_code == 200


# ------------------------------------------------------------------------------------------------------------- the history


def test_the_history_tells_of_sign_ins_refusals_and_changes_page_by_page(app, claire, client, new_client):
    for _ in range(3):
        se_connecter(new_client(), password="mauvais")
    post(client, "/compte/coordonnees", fonction="Comptable")
    page = client.get("/compte/historique").text
    for text in ("Coordonnées modifiées", "Tentative de connexion refusée", "Connexion", "Mot de passe changé", "Inscription"):
        assert text in page
    assert "wrong password" not in page


def test_the_history_goes_on_by_key_and_ends(app, claire, client):
    with app.app_context():
        at = datetime.now(UTC)
        db.session.add_all(
            AuditEvent(at=at, kind="SessionClosed", outcome="success", declarant_id=claire.id, details={"sid": str(n)}) for n in range(65)
        )
        db.session.commit()
    seen, address = 0, "/compte/historique"
    for _ in range(5):
        page = client.get(address).text
        seen += page.count("<div><dt>")
        following = re.search(r'href="(/compte/historique\?avant=\d+)"', page)
        if following is None:
            break
        address = following[1]

    assert seen >= 68
    assert following is None


@pytest.mark.parametrize("key", ["x", "-1", "9" * 40, "é", "1.5", "0"])
def test_a_wrong_key_of_the_history_is_no_error(claire, client, key):
    assert client.get("/compte/historique", query_string={"avant": key}).status_code == 200


def test_the_history_of_somebody_else_and_of_long_ago_is_not_shown(app, claire, client):
    other = un_declarant(app, nom="Durand", prenom="Paul")
    with app.app_context():
        for person, age in ((other.id, 0), (claire.id, 400)):
            at = datetime.now(UTC) - timedelta(days=age)
            db.session.add(AuditEvent(at=at, kind="DataExported", outcome="success", declarant_id=person, details={}))
        db.session.commit()

    assert "Données téléchargées" not in client.get("/compte/historique").text


# ---------------------------------------------------------------------------------------------------------------- the data


def test_everything_that_is_kept_leaves_in_one_file(app, claire, client):
    answer = post(client, "/compte/donnees")
    document = json.loads(answer.data)

    assert answer.mimetype == "application/json"
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="mag-mes-donnees-')
    assert document["identite"]["adresse_electronique"] == EMAIL
    assert document["identite"]["siret"] == SIRET
    assert any(line["fait"] == "Connexion" for line in document["historique"])
    assert {"conditions_acceptees", "droits", "sites_connectes", "sessions", "acces"} <= set(document)
    with app.app_context():
        hashed = db.session.get(Declarant, claire.id).password_hash
    assert hashed not in answer.text
    assert facts(app, "DataExported") == [{}]


def test_the_file_needs_a_recent_sign_in(app, claire, client):
    csrf = csrf_in(client.get("/compte/donnees").text)
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=6)):
        answer = client.post("/compte/donnees", data={"csrf": csrf})

    assert answer.headers["Location"].startswith("/connexion")
    assert facts(app, "DataExported") == []


@pytest.mark.parametrize("typed", ["non", "", "x", "\x01" * 900])
def test_messages_of_information_are_stopped_and_asked_for_as_often_as_one_likes(app, claire, client, typed):
    def choose(value):
        return post(client, "/compte/information", page="/compte", information=value).headers["Location"]

    assert "Les recevoir" in client.get("/compte").text
    assert [choose("oui"), choose("oui")] == ["/compte?fait=information"] * 2
    page = client.get("/compte?fait=information").text
    assert "Vous recevrez nos messages" in page
    assert "Ne plus les recevoir" in page
    assert [choose(typed), choose(typed)] == ["/compte?fait=information"] * 2

    assert "Vous ne recevrez plus" in client.get("/compte?fait=information").text
    assert facts(app, "InformationConsent") == [{"given": True}, {"given": False}]
    assert "Choix des messages" in client.get("/compte/historique").text
    assert client.post("/compte/information", data={"csrf": "faux", "information": "oui"}).status_code == 403
    assert client.post("/compte/information").status_code == 403


# ----------------------------------------------------------------------------------------------------------------- the end


def test_C80_an_account_is_closed_with_all_that_hung_on_it(app, claire, client, new_client):
    elsewhere = new_client()
    se_connecter(elsewhere)
    post(client, "/compte/adresse", email=OTHER)
    done = post(client, "/compte/fermeture", mot="fermer")

    assert "Votre compte est fermé" in done.text
    assert done.headers["Set-Login"] == "logged-out"
    found = row(app, claire)
    assert (found.statut, found.password_hash) == (Statut.RADIE, None)
    assert elsewhere.get("/compte").status_code == client.get("/compte").status_code == 303
    assert se_connecter(new_client()).status_code == 422
    assert [recipient for recipient, _ in mails(app, "compte_ferme")] == [EMAIL]
    assert [recipient for recipient, _ in mails(app, "collegue_parti")] == ["odile@exemple.fr"]
    with app.app_context():
        assert [event.kind for event in db.session.scalars(select(AccountEvent))] == ["account-purged"]
        assert db.session.scalar(select(OneTimeLink).filter_by(declarant_id=claire.id, spent_at=None)) is None
        assert list(db.session.scalars(select(DroitDirect).filter_by(declarant_id=claire.id))) == []


@pytest.mark.parametrize("word", ["", "oui", "FERMER MON COMPTE", "x" * 9000])
def test_closing_needs_the_word(app, claire, client, word):
    assert post(client, "/compte/fermeture", mot=word).status_code == 422
    assert row(app, claire).statut is Statut.ACTIF


def test_closing_needs_a_recent_sign_in(app, claire, client):
    csrf = csrf_in(client.get("/compte/fermeture").text)
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=6)):
        assert client.post("/compte/fermeture", data={"csrf": csrf, "mot": "FERMER"}).headers["Location"].startswith("/connexion")
    assert row(app, claire).statut is Statut.ACTIF


def test_the_last_administrator_does_not_close_their_account(app, client):
    boss = un_administrateur(app)
    un_declarant(app, nom="Durand", prenom="Paul")
    se_connecter(client)
    page = client.get("/compte/fermeture").text
    assert "dernier administrateur" in page
    assert 'name="mot"' not in page
    csrf = csrf_in(client.get("/compte/coordonnees").text)

    assert client.post("/compte/fermeture", data={"csrf": csrf, "mot": "FERMER"}).status_code == 409
    assert row(app, boss).statut is Statut.ACTIF
    assert client.get("/compte").status_code == 200, "a refusal ends no session"


def test_C80_a_month_later_nothing_names_them(app, claire, client):
    post(client, "/compte/fermeture", mot="FERMER")
    erase = ["declarants", "effacer"]
    assert "0 identité" in app.test_cli_runner().invoke(args=erase).output
    with time_machine.travel(datetime.now(UTC) + timedelta(days=31)):
        assert "1 identité" in app.test_cli_runner().invoke(args=erase).output
        assert "0 identité" in app.test_cli_runner().invoke(args=erase).output
    found = row(app, claire)

    assert (found.nom, found.email, found.uid) == ("Effacé", None, claire.uid)
    assert mails(app, "compte_ferme") == []
    again = un_declarant(app)
    assert again.id != claire.id


def test_a_session_says_roughly_where_when_the_operator_knows(app, client, tmp_path):
    path = tmp_path / "lieux.csv"
    path.write_text('192.0.2.0,192.0.2.255,"Lyon, France"\n', "utf-8")
    object.__setattr__(app.extensions["mag"].settings, "places", str(path))
    lieux.known(str(path))
    un_declarant(app)
    assert se_connecter(client).status_code == 303

    page = client.get("/compte/sessions").text
    assert "Lieu approché" in page
    assert "Lyon, France" in page
