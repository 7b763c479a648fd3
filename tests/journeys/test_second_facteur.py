"""Second factors, page by page: set up, asked for, lost, taken away; devices, and « ce n'était pas moi »."""

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine

from idp.audit.models import AuditEvent
from idp.authentication.factors.models import FactorLoss, KnownDevice, RecoveryCode
from idp.database import db
from idp.declarants.models import Declarant
from idp.declarants.parcours import conditions
from idp.declarants.parcours.models import ConditionsAcceptees
from idp.declarants.statuts import Role
from tests.facteurs import code, letters, link_in, shown, step, une_personne_protegee, where, with_codes
from tests.factories import PASSWORD, SIRET, csrf_in, se_connecter, un_administrateur, un_declarant
from tests.journeys.test_radiation import give

PAGE = "/compte/securite"
OTHER_PASSWORD = "un autre cheval vert pomme"


def kinds(app):
    with app.app_context():
        return [event.kind for event in db.session.query(AuditEvent).order_by(AuditEvent.id)]


def is_in(client):
    return client.get("/").status_code == 200


def post(client, path, page=PAGE, **typed):
    return client.post(path, data={"csrf": csrf_in(client.get(page).text), **typed})


def set_up(client):
    """Sets up an application; its secret and the page that follows."""
    page = client.get("/compte/securite/application").text
    secret = re.sub(r"\s", "", re.search(r'<code class="key">([^<]+)', page)[1])
    typed = {"csrf": csrf_in(page), "enrolement": shown(page, "enrolement"), "code": code(secret)}
    return secret, typed, client.post("/compte/securite/application", data=typed)


# --------------------------------------------------------------------------------------------------------------- setting up


def test_an_application_is_confirmed_by_a_code_and_its_recovery_codes_are_shown_once(app, client):
    un_declarant(app, email="claire@exemple.fr")
    se_connecter(client)
    before = client.get_cookie("__Host-mag_s", domain="mag.test").value
    _, typed, response = set_up(client)
    path, query = where(response)
    codes = client.get(path, query_string=query).text

    assert path == "/connexion/codes"
    assert len(re.findall(r"<li><code>[A-Z2-9 ]{19}</code>", codes)) == 10
    assert where(client.get(path, query_string=query))[0] == PAGE
    assert client.get_cookie("__Host-mag_s", domain="mag.test").value != before
    assert "Active depuis" in client.get(PAGE).text
    assert [mail.subject for mail in letters(app, "facteur_ajoute")] == ["Application de codes ajoutée à votre compte"]
    assert client.post("/compte/securite/application", data=typed).status_code == 303
    assert "FactorAdded" in kinds(app)


def test_a_wrong_code_sets_nothing_up_and_a_wrong_clock_is_explained(app, client):
    un_declarant(app)
    se_connecter(client)
    page = client.get("/compte/securite/application").text
    secret = re.sub(r"\s", "", re.search(r'<code class="key">([^<]+)', page)[1])
    form = {"csrf": csrf_in(page), "enrolement": shown(page, "enrolement")}
    wrong = client.post("/compte/securite/application", data=form | {"code": "000000"})
    late = client.post("/compte/securite/application", data=form | {"code": code(secret, -10)})

    assert (wrong.status_code, late.status_code) == (422, 422)
    assert "en retard de 5 minutes" in late.text
    assert shown(late.text, "enrolement") == form["enrolement"]
    assert "Activer une application" in client.get(PAGE).text


@pytest.mark.parametrize("forged", ["", "x", "essai.AAAA"])
def test_a_key_that_mag_did_not_offer_is_refused(app, client, forged):
    un_declarant(app)
    se_connecter(client)
    page = client.get("/compte/securite/application").text

    response = client.post("/compte/securite/application", data={"csrf": csrf_in(page), "enrolement": forged, "code": "123456"})

    assert response.status_code == 409


def test_setting_up_asks_for_a_recent_sign_in(app, client):
    un_declarant(app)
    with time_machine.travel(datetime.now(UTC) - timedelta(minutes=6)):
        se_connecter(client)

    assert where(client.get("/compte/securite/application"))[0] == "/connexion"


# ---------------------------------------------------------------------------------------------------------------- signing in


def test_C42_a_password_alone_opens_nothing_for_who_has_a_second_factor(app, client):
    _, secret = une_personne_protegee(app)
    response = se_connecter(client)

    assert where(response)[0] == "/connexion/second-facteur"
    assert "__Host-mag_s" not in str(response.headers.getlist("Set-Cookie"))
    assert "__Host-mag_d" not in str(response.headers.getlist("Set-Cookie"))
    assert not is_in(client)
    after = step(client, response, code=code(secret))
    assert where(after)[0] == "/"
    assert is_in(client)
    assert "ConnexionOpened" in kinds(app)


def test_C41_a_code_is_good_once_even_for_another_browser(app, client, new_client):
    _, secret = une_personne_protegee(app)
    typed = code(secret)
    step(client, se_connecter(client), code=typed)
    other = new_client()

    assert step(other, se_connecter(other), code=typed).status_code == 422
    assert not is_in(other)


def test_a_recovery_code_replaces_the_factor_once_and_the_person_is_told(app, client, new_client):
    declarant, _ = une_personne_protegee(app)
    codes = with_codes(app, declarant)
    typed = codes[3].lower().replace(" ", "-")
    response = step(client, se_connecter(client), moyen="recovery", code=typed)
    other = new_client()
    again = step(other, se_connecter(other), moyen="recovery", code=typed)

    assert where(response)[0] == "/"
    assert again.status_code == 422
    assert "Il vous en reste 9" in letters(app, "code_secours")[0].body
    with app.app_context():
        assert RecoveryCode.left(declarant.id) == 9
        event = db.session.query(AuditEvent).filter_by(kind="ConnexionOpened").one()
        assert (event.details["amr"], event.details["acr"]) == ("pwd mfa", "eidas1-mfa")


def test_C40_after_five_wrong_codes_the_password_is_asked_again_and_the_person_is_told(app, client):
    une_personne_protegee(app)
    response = se_connecter(client)
    answers = [step(client, response, code="000000").status_code for _ in range(5)]
    path, query = where(response)

    assert answers == [422] * 4 + [429]
    assert client.get(path, query_string=query).status_code == 409
    assert "Codes suspendus" in client.get(*_opened(se_connecter(client))).text
    assert "/connexion/desaveu/" in letters(app, "codes_faux")[0].body


def _opened(response):
    path, query = where(response)
    return (f"{path}?entree={query['entree']}",)


def test_C40_signing_in_again_does_not_start_the_count_anew(app, client):
    _, secret = une_personne_protegee(app)
    for _ in range(4):
        step(client, se_connecter(client), code="000000")
    assert step(client, se_connecter(client), code="000000").status_code == 429
    response = se_connecter(client)
    page = client.get(*_opened(response)).text

    right = client.post("/connexion/second-facteur", data={"csrf": csrf_in(page), **where(response)[1], "code": code(secret)})
    assert right.status_code == 429
    assert not is_in(client)


def test_C38_the_step_belongs_to_the_browser_that_typed_the_password(app, client, new_client):
    _, secret = une_personne_protegee(app)
    path, query = where(se_connecter(client))
    other = new_client()
    other.get("/connexion")

    assert other.get(path, query_string=query).status_code == 409
    assert other.post(path, data={**query, "code": code(secret)}).status_code == 409


@pytest.mark.parametrize("path", ["second-facteur", "mot-de-passe", "conditions", "protection", "second-facteur/perdu"])
def test_C43_an_empty_post_at_any_step_does_nothing(app, client, path):
    une_personne_protegee(app)
    se_connecter(client)

    assert client.post(f"/connexion/{path}").status_code == 409
    assert not is_in(client)


@pytest.mark.parametrize("path", ["mot-de-passe", "conditions", "protection"])
def test_C43_no_step_is_skipped(app, client, path):
    _, query = where_of_second_factor(app, client)

    assert client.get(f"/connexion/{path}", query_string=query).status_code == 409


def where_of_second_factor(app, client):
    une_personne_protegee(app)
    return where(se_connecter(client))


def test_C46_a_person_suspended_between_the_two_factors_does_not_enter(app, client):
    declarant, secret = une_personne_protegee(app)
    response = se_connecter(client)
    path, query = where(response)
    page = client.get(path, query_string=query).text
    with app.app_context():
        db.session.get_one(Declarant, declarant.id).statut = "suspendu"
        db.session.commit()

    assert client.post(path, data={**query, "csrf": csrf_in(page), "code": code(secret)}).status_code == 409


# ----------------------------------------------------------------------------------------------------------- changing factors


def test_C42_a_factor_is_removed_only_with_a_factor(app, client):
    """A session of before, opened by the password alone, removes nothing."""
    declarant = un_declarant(app, email="claire@exemple.fr")
    se_connecter(client)
    set_up(client)
    with app.app_context():
        assert db.session.get_one(Declarant, declarant.id).second_factor
    response = post(client, "/compte/securite/application/retirer")

    assert where(response)[1]["fait"] == "retrait"
    assert letters(app, "facteur_retire")
    with app.app_context():
        assert not db.session.get_one(Declarant, declarant.id).second_factor


def test_C42_a_session_of_one_factor_changes_no_factor_of_who_has_one(app, client, new_client):
    un_declarant(app)
    old = new_client()
    se_connecter(old)
    se_connecter(client)
    set_up(client)

    assert where(post(old, "/compte/securite/application/retirer"))[0] == "/connexion"
    assert where(old.get("/compte/securite/codes"))[0] == "/connexion"
    assert where(old.get("/compte/securite/application"))[0] == "/connexion"
    assert old.post("/compte/securite/cles/ajouter/options", data={"csrf": csrf_in(old.get(PAGE).text)}).status_code == 403


def test_new_recovery_codes_void_those_of_before(app, client, new_client):
    un_declarant(app)
    se_connecter(client)
    _, _, response = set_up(client)
    first = re.findall(r"<code>([A-Z2-9 ]{19})</code>", client.get(response.headers["Location"]).text)
    again = post(client, "/compte/securite/codes", page="/compte/securite/codes")
    second = re.findall(r"<code>([A-Z2-9 ]{19})</code>", client.get(again.headers["Location"]).text)
    other = new_client()

    assert len(set(first) | set(second)) == 20
    assert step(other, se_connecter(other), moyen="recovery", code=first[0]).status_code == 422
    assert where(step(other, se_connecter(other), moyen="recovery", code=second[0]))[0] == "/"


def test_codes_to_show_are_shown_to_nobody_else(app, client, new_client):
    un_declarant(app)
    se_connecter(client)
    _, _, response = set_up(client)

    assert where(new_client().get(response.headers["Location"]))[0] == PAGE


# ----------------------------------------------------------------------------------------------------------------- lost factor


def lose(client, **typed):
    response = se_connecter(client)
    path, query = where(response)
    page = client.get(path, query_string=query).text
    return client.post("/connexion/second-facteur/perdu", data={"csrf": csrf_in(page), **query, **typed})


def test_C42_a_lost_factor_goes_72_hours_later_at_a_sign_in(app, client):
    une_personne_protegee(app)
    assert "72 heures" in lose(client).text
    assert "enregistrée" in lose(client, confirmer="oui").text
    early = lose(client, confirmer="oui")
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=73)):
        done = lose(client)

    assert early.status_code == 200
    assert len(letters(app, "facteur_perdu")) == 2
    assert where(done)[0] == "/"
    assert "a été retiré" in letters(app, "facteur_perdu")[1].subject
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=74)):
        assert where(se_connecter(client))[0] == "/"


@pytest.mark.parametrize("by", ["link", "factor"])
def test_a_request_is_ended_by_the_mail_or_by_the_factor(app, client, new_client, by):
    _, secret = une_personne_protegee(app)
    lose(new_client(), confirmer="oui")
    if by == "link":
        path = link_in(letters(app, "facteur_perdu")[0], "/annuler/")
        page = client.get(path).text
        assert client.get(path).status_code == 200
        assert "reste en place" in client.post(path, data={"csrf": csrf_in(page)}).text
        assert client.post(path, data={"csrf": csrf_in(page)}).status_code == 404
    else:
        step(client, se_connecter(client), code=code(secret))
    other = new_client()
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=80)):
        assert "72 heures" in lose(other).text
        assert not is_in(other)
    assert "annulée" in letters(app, "facteur_perdu")[-1].subject


def test_each_day_a_mail_reminds_of_it_once(app, client):
    une_personne_protegee(app)
    lose(client, confirmer="oui")
    run = app.test_cli_runner()
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=25)):
        first, second = (run.invoke(args=["facteurs", "rappels"]).output for _ in range(2))

    assert (first, second) == ("1 rappel(s) écrit(s).\n", "0 rappel(s) écrit(s).\n")
    assert letters(app, "facteur_perdu")[-1].subject.startswith("Rappel")


def test_an_administrator_also_needs_the_agreement_of_another(app, client, new_client):
    claire, _ = une_personne_protegee(app, role=Role.ADMINISTRATEUR)
    un_administrateur(app, nom="Durand", prenom="Paul", email="paul@exemple.fr")
    un_administrateur(app, nom="Loin", prenom="Luc", siret="35600000000048")
    lose(client, confirmer="oui")
    paul, loin = new_client(), new_client()
    se_connecter(paul, nom="Durand", prenom="Paul")
    se_connecter(loin, nom="Loin", prenom="Luc", siret="35600000000048")
    with app.app_context():
        number = FactorLoss.live(claire.id, datetime.now(UTC)).id
    assert "Claire" in paul.get("/compte/securite/accords").text
    assert "Claire" not in loin.get("/compte/securite/accords").text
    assert post(loin, f"/compte/securite/accords/{number}", page="/compte/securite/cles", reponse="accord").status_code == 404
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=73)):
        assert "accord" in lose(client).text
        assert not is_in(client)
    assert post(paul, f"/compte/securite/accords/{number}", page="/compte/securite/accords", reponse="accord").status_code == 303
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=73)):
        assert where(lose(client))[0] == "/"
    assert "FactorLossAgreed" in kinds(app)


def test_another_administrator_may_refuse_and_an_operator_agree(app, client, new_client):
    claire, _ = une_personne_protegee(app, role=Role.ADMINISTRATEUR)
    un_administrateur(app, nom="Durand", prenom="Paul")
    lose(client, confirmer="oui")
    paul = new_client()
    se_connecter(paul, nom="Durand", prenom="Paul")
    with app.app_context():
        number = FactorLoss.live(claire.id, datetime.now(UTC)).id
    post(paul, f"/compte/securite/accords/{number}", page="/compte/securite/accords", reponse="refus")
    run = app.test_cli_runner()
    arguments = ["facteurs", "accorder", "73282932000074", "Lefèvre", "Claire", "--operateur", "anne"]
    refused = run.invoke(args=arguments)
    lose(client, confirmer="oui")

    assert "pas de demande" in refused.output
    assert "enregistré" in run.invoke(args=arguments).output
    assert "ressort" in run.invoke(args=arguments).output


def test_support_declares_a_loss_and_the_delay_stays_due(app, client, new_client):
    claire, secret = une_personne_protegee(app, role=Role.ADMINISTRATEUR)
    step(client, se_connecter(client), code=code(secret))
    assert is_in(client)
    run = app.test_cli_runner()
    who = ["73282932000074", "Lefèvre", "Claire"]
    done = [run.invoke(args=["facteurs", "retirer", *who, "--operateur", "anne", "--motif", "dossier 12"]) for _ in range(2)]
    other = new_client()

    assert [one.exit_code for one in done] == [0, 0], done[0].output
    assert not is_in(client), "sessions end"
    [told] = letters(app, "facteur_perdu")
    assert "l'assistance a enregistré la perte" in told.body
    assert "second membre de l'assistance" in told.body
    assert where(se_connecter(other))[0] == "/connexion/second-facteur", "nothing is removed before the delay"
    with app.app_context():
        found = FactorLoss.live(claire.id, datetime.now(UTC))
        assert (found.asked_by, found.agreed_by) == ("operateur:anne", None)
        event = db.session.query(AuditEvent).filter_by(kind="FactorLossAsked").one()
        assert (event.actor, event.details["reason"]) == ("operateur:anne", "dossier 12")
    agreed = [run.invoke(args=["facteurs", "accorder", *who, "--operateur", name]).exit_code for name in ("anne", "berthe")]
    assert agreed == [1, 0], "another operator"
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=73)):
        assert where(lose(other))[0] == "/"
    assert "application de codes" in letters(app, "facteur_perdu")[-1].body


def test_support_agrees_to_a_loss_under_way(app, client):
    claire, _ = une_personne_protegee(app, role=Role.ADMINISTRATEUR)
    lose(client, confirmer="oui")
    who = ["73282932000074", "Lefèvre", "Claire"]
    done = app.test_cli_runner().invoke(args=["facteurs", "retirer", *who, "--operateur", "anne", "--motif", "dossier 12"])
    assert done.exit_code == 0, done.output
    with app.app_context():
        assert FactorLoss.live(claire.id, datetime.now(UTC)).agreed_by == "operateur:anne"
        assert db.session.query(FactorLoss).count() == 1


def test_whoever_has_no_address_needs_an_agreement_too(app, client):
    claire, _ = une_personne_protegee(app)
    with app.app_context():
        db.session.get(Declarant, claire.id).email = None
        db.session.commit()
    assert "d'adresse électronique" in lose(client, confirmer="oui").text.replace("&#39;", "'")
    with app.app_context():
        assert FactorLoss.live(claire.id, datetime.now(UTC)).needs_agreement


# ---------------------------------------------------------------------------------------------------------------------- policy


def exiger(app, *words):
    result = app.test_cli_runner().invoke(args=["facteurs", "politique", "exiger", *words])
    app.extensions["mag"].versions.refresh()
    assert result.exit_code == 0, result.output


def test_who_must_have_a_factor_is_led_to_one_before_going_on(app, client):
    un_administrateur(app)
    exiger(app, "role", "administrateur", "--delai", "0")
    response = se_connecter(client)
    path, query = where(response)
    page = client.get(path, query_string=query).text
    secret = re.sub(r"\s", "", re.search(r'<code class="key">([^<]+)', page)[1])

    assert path == "/connexion/protection"
    assert "Plus tard" not in page
    assert not is_in(client)
    form = {"csrf": csrf_in(page), **query, "enrolement": shown(page, "enrolement")}
    assert client.post(path, data=form | {"choix": "plus-tard"}).status_code == 409
    assert client.post(path, data=form | {"code": "000000"}).status_code == 422
    done = client.post(path, data=form | {"code": code(secret)})
    assert done.text.count("<li><code>") == 10
    assert is_in(client)
    with app.app_context():
        assert db.session.query(AuditEvent).filter_by(kind="ConnexionOpened").one().details["acr"] == "eidas1-mfa"


def test_while_a_policy_is_new_it_may_be_put_off(app, client):
    un_declarant(app)
    exiger(app, "tous", "--delai", "10")
    response = se_connecter(client)
    page = client.get(*_opened(response)).text

    assert "Plus tard" in page
    assert where(step(client, response, choix="plus-tard"))[0] == "/"
    assert is_in(client)


def test_a_policy_about_others_asks_nothing(app, client):
    un_declarant(app)
    exiger(app, "role", "administrateur", "--delai", "0")
    exiger(app, "droit", "payer", "--delai", "0")

    assert where(se_connecter(client))[0] == "/"


@pytest.mark.parametrize("words", [("service", "dsn"), ("droit", "declarer")])
def test_a_policy_about_rights_leads_who_holds_them_to_a_factor(app, client, new_client, words):
    declarant = un_declarant(app)
    un_declarant(app, nom="Durand")
    give(app, declarant.id, int(SIRET))
    exiger(app, *words, "--delai", "0")

    assert where(se_connecter(client))[0] == "/connexion/protection"
    assert where(se_connecter(new_client(), nom="Durand"))[0] == "/"


@pytest.mark.parametrize(
    "words",
    [
        ["role", "chef"],
        ["droit", "voler"],
        ["service", "rien"],
        ["partenaire", "personne"],
        ["partenaire", "saml:personne"],
        ["tous", "x"],
        ["genre"],
    ],
)
def test_a_rule_about_nothing_is_refused(app, words):
    assert app.test_cli_runner().invoke(args=["facteurs", "politique", "exiger", *words]).exit_code != 0


def test_rules_are_listed_and_lifted(app):
    exiger(app, "droit", "payer", "--delai", "7", "--age", "600")
    run = app.test_cli_runner()

    assert "droit payer : délai de 7 jours" in run.invoke(args=["facteurs", "politique", "lister"]).output
    assert run.invoke(args=["facteurs", "politique", "lever", "droit", "payer"]).exit_code == 0
    assert run.invoke(args=["facteurs", "politique", "lever", "droit", "payer"]).exit_code == 1
    assert "Aucune règle" in run.invoke(args=["facteurs", "politique", "lister"]).output


# -------------------------------------------------------------------------------------------- devices, « ce n'était pas moi »


def test_this_was_not_me_ends_everything_and_locks_the_password(app, client, new_client):
    declarant = un_declarant(app, email="claire@exemple.fr")
    se_connecter(client)
    thief = new_client()
    se_connecter(thief)
    mail = letters(app, "nouvel_appareil")[0]
    path = link_in(mail, "/desaveu/")
    page = new_client()
    shown_page = page.get(path).text
    assert is_in(thief)
    done = page.post(path, data={"csrf": csrf_in(shown_page)})

    assert "réseau 192.0.2.0/24" in mail.body.replace("Réseau : ", "réseau ")
    assert done.status_code == 200
    assert not is_in(client)
    assert not is_in(thief)
    assert page.post(path, data={"csrf": csrf_in(shown_page)}).status_code == 404
    wrong, locked = se_connecter(thief, password="mauvais mot de passe"), se_connecter(thief)
    assert (locked.status_code, len(locked.text)) == (wrong.status_code, len(wrong.text))
    with app.app_context():
        assert db.session.get_one(Declarant, declarant.id).password_locked_at is not None
    assert letters(app, "compte_protege")


def test_this_was_not_me_takes_away_what_was_added_since_and_nothing_older(app, client, new_client):
    declarant = un_declarant(app, email="claire@exemple.fr")
    se_connecter(client)
    thief = new_client()
    se_connecter(thief)
    _, _, response = set_up(thief)
    path, query = where(response)
    codes = re.findall(r"<li><code>([A-Z2-9 ]{19})</code>", thief.get(path, query_string=query).text)
    deny(app, new_client())
    refused = se_connecter(thief)

    assert len(codes) == 10
    assert refused.status_code == 422, "the password is locked, and no factor of theirs leads to changing it"
    with app.app_context():
        assert not db.session.get_one(Declarant, declarant.id).second_factor
        assert RecoveryCode.left(declarant.id) == 0
        removed = db.session.query(AuditEvent).filter_by(kind="FactorRemoved").one()
        assert removed.details["reason"] == "denied"


def test_this_was_not_me_leaves_the_factors_of_before(app, client, new_client):
    declarant, secret = une_personne_protegee(app, email="claire@exemple.fr")
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=2)):
        step(client, se_connecter(client), code=code(secret))
        other = new_client()
        step(other, se_connecter(other), code=code(secret, 1))
        deny(app, new_client())
        second = se_connecter(client)

        assert where(second)[0] == "/connexion/second-facteur"
        with app.app_context():
            assert db.session.get_one(Declarant, declarant.id).second_factor


def deny(app, page):
    """The owner follows the link of the first mail about a device."""
    path = link_in(letters(app, "nouvel_appareil")[0], "/desaveu/")
    assert page.post(path, data={"csrf": csrf_in(page.get(path).text)}).status_code == 200


def test_a_link_left_alone_for_a_week_is_dead(app, client, new_client):
    un_declarant(app, email="claire@exemple.fr")
    se_connecter(client)
    se_connecter(new_client())
    path = link_in(letters(app, "nouvel_appareil")[0], "/desaveu/")
    with time_machine.travel(datetime.now(UTC) + timedelta(days=7, seconds=1)):
        assert client.get(path).status_code == 404


def test_with_the_second_factor_a_locked_password_is_changed_before_anything_opens(app, client):
    declarant, secret = une_personne_protegee(app)
    with app.app_context():
        db.session.get_one(Declarant, declarant.id).password_locked_at = datetime.now(UTC)
        db.session.commit()
    second = step(client, se_connecter(client), code=code(secret))
    assert where(second)[0] == "/connexion/mot-de-passe"
    weak = step(client, second, nouveau="court", confirmation="court")
    assert weak.status_code == 422
    assert not is_in(client)
    done = step(client, second, nouveau=OTHER_PASSWORD, confirmation=OTHER_PASSWORD)

    assert where(done)[0] == "/"
    assert is_in(client)
    assert se_connecter(client, password=PASSWORD).status_code == 422


def test_devices_are_listed_and_forgotten(app, client, new_client):
    declarant = un_declarant(app, email="claire@exemple.fr")
    se_connecter(client)
    other = new_client()
    se_connecter(other)
    page = client.get("/compte/securite/appareils").text
    with app.app_context():
        names = [one.device_hash for one in db.session.query(KnownDevice).order_by(KnownDevice.id)]
    assert page.count("Oublier<span") == 2
    assert "cet appareil" in page
    assert post(client, "/compte/securite/appareils", page="/compte/securite/appareils", appareil=names[1]).status_code == 303
    assert client.get("/compte/securite/appareils").text.count("Oublier<span") == 1
    before = len(letters(app, "nouvel_appareil"))
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=2)):
        se_connecter(client)
        assert len(letters(app, "nouvel_appareil")) == before
        se_connecter(other)
        assert len(letters(app, "nouvel_appareil")) == before + 1
        post(client, "/compte/securite/appareils", page="/compte/securite/appareils", appareil="*")
        with app.app_context():
            assert "*" in db.session.get_one(Declarant, declarant.id).forgotten_devices


@pytest.mark.parametrize(
    "path",
    [
        PAGE,
        "/compte/securite/application",
        "/compte/securite/cles",
        "/compte/securite/codes",
        "/compte/securite/appareils",
        "/compte/securite/accords",
    ],
)
def test_pages_of_security_are_for_who_is_signed_in(client, path):
    assert where(client.get(path))[0] == "/connexion"


@pytest.mark.parametrize("path", ["application", "application/retirer", "codes", "cles/1", "appareils"])
def test_a_forged_form_changes_nothing(app, client, path):
    un_declarant(app)
    se_connecter(client)

    assert client.post(f"/compte/securite/{path}", data={"csrf": "faux"}).status_code == 403


@pytest.mark.parametrize("path", ["/connexion/second-facteur/annuler/inconnu", "/connexion/desaveu/inconnu"])
def test_a_link_that_never_was_is_dead(client, path):
    csrf = csrf_in(client.get("/connexion").text)

    assert client.get(path).status_code == 404
    assert client.post(path, data={"csrf": csrf}).status_code in (403, 404)


@pytest.mark.parametrize("path", ["/connexion/mot-de-passe", "/connexion/conditions", "/connexion/protection", "/connexion/identite"])
def test_a_step_of_nobody_is_refused(client, path):
    assert client.get(path).status_code == 409


# -------------------------------------------------------------------------------------------------------------- terms of use


@pytest.fixture
def newer_terms(monkeypatch):
    """A second version of the terms, in force since this morning."""
    (first, *_) = shipped = conditions.every()
    newer = replace(first, version="2099-1", effective_on=date(2026, 1, 2), sha256="2" * 64)
    monkeypatch.setattr(conditions, "every", lambda: (*shipped, newer))
    return newer


def agree(app, declarant, terms):
    with app.app_context():
        ConditionsAcceptees.keep(declarant.id, terms.version, terms.sha256, datetime.now(UTC))
        db.session.commit()


def test_newer_terms_are_accepted_once_before_anything_opens(app, client, newer_terms):
    declarant, secret = une_personne_protegee(app)
    agree(app, declarant, conditions.every()[0])
    asked = step(client, se_connecter(client), code=code(secret))
    assert where(asked)[0] == "/connexion/conditions"
    assert not is_in(client)
    refused = step(client, asked, conditions=newer_terms.version)
    assert "Cochez la case" in client.get(refused.headers["Location"]).text
    other = step(client, asked, conditions="2026-1", accord="oui")
    assert where(other)[0] == "/connexion/conditions"
    assert not is_in(client)
    done = step(client, asked, conditions=newer_terms.version, accord="oui")
    path, query = where(asked)

    assert where(done)[0] == "/"
    assert is_in(client)
    assert client.get(path, query_string=query).status_code == 409
    assert "ConditionsAccepted" in kinds(app)
    with app.app_context():
        assert ConditionsAcceptees.latest(declarant.id).version == newer_terms.version
    assert where(step(client, se_connecter(client), code=code(secret, 1)))[0] == "/"


def test_newer_terms_are_not_asked_of_who_never_accepted_any_here(app, client, newer_terms):
    un_declarant(app)

    assert where(se_connecter(client))[0] == "/"
