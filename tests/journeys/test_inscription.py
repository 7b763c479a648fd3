"""The inscription of a company and of its first administrator, page by page: what is asked, refused, kept, lost and resumed."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from urllib.parse import urlsplit

import pytest
import time_machine
from sqlalchemy import func, select

from idp.audit.models import AuditEvent
from idp.database import db
from idp.declarants.controles import imports
from idp.declarants.controles.models import Controle, LienDeclare, RepresentantLegal
from idp.declarants.equipe.models import Candidature
from idp.declarants.models import Declarant
from idp.declarants.parcours import conditions, confirmation
from idp.declarants.parcours.models import ConditionsAcceptees, ConsentementInformation, Inscription, ProfilEtablissement
from idp.declarants.statuts import Role, Statut
from idp.entreprises.siret import Siret
from partners.demo import commands as demo
from partners.demo import population
from tests.factories import SIRET, se_connecter, un_administrateur, un_declarant, une_demande, une_demande_de
from tests.parcours import EMAIL, ORDER, PASSWORD, PERSON, Parcours, link_in, mails, un_etablissement

OTHER = "73282932000082"


@pytest.fixture
def place(app):
    un_etablissement(app)


@pytest.fixture
def parcours(client, place):
    return Parcours(client)


def path_of(response):
    return urlsplit(response.headers["Location"]).path


def drafts(app):
    with app.app_context():
        return db.session.scalar(select(func.count()).select_from(Inscription))


def people(app):
    with app.app_context():
        found = list(db.session.scalars(select(Declarant).order_by(Declarant.id)))
        db.session.expunge_all()
        return found


def kinds(app):
    with app.app_context():
        return list(db.session.scalars(select(AuditEvent.kind).order_by(AuditEvent.id)))


# ----------------------------------------------------------------------------------------------------- the whole journey


def test_a_first_administrator_from_the_siret_to_the_receipt(app, client, parcours):
    assert path_of(parcours.until("recapitulatif")) == "/inscription/courriel"
    assert "Consultez votre boîte" in parcours.get("/inscription/courriel").text
    assert people(app) == [], "nobody is inscribed before the mail's link"

    [mail] = mails(app)
    link = link_in(mail)
    assert "Claire Lefèvre" in parcours.get(link).text
    assert people(app) == [], "a scanner that follows the link spends nothing"
    assert path_of(parcours.confirm(link)) == "/inscription/resultat"

    [person] = people(app)
    assert (person.statut, person.role) == (Statut.ACTIF, Role.ADMINISTRATEUR_DECLARANT)
    assert (person.telephone, person.mobile, person.email) == ("+33 1 23 45 67 89", "+33 6 12 34 56 78", EMAIL)
    assert person.email_verified
    assert person.expires_at is None
    page = parcours.get("/inscription/resultat").text
    for expected in ("Votre inscription est terminée", "732 829 320 00074", "LES ATELIERS DU PONT", "Compte AT/MP", "ouvre le"):
        assert expected in page
    assert parcours.get("/inscription/recu.pdf").data.startswith(b"%PDF")
    assert se_connecter(client, password=PASSWORD).status_code == 303
    assert mails(app)[-1].subject == "Votre inscription est terminée"


def test_what_was_agreed_to_is_kept(app, parcours):
    parcours.until("recapitulatif", conditions={"information": "oui"})
    parcours.confirm(link_in(mails(app)[0]))

    [person] = people(app)
    with app.app_context():
        accepted = ConditionsAcceptees.latest(person.id)
        assert accepted is not None
        assert (accepted.version, accepted.sha256) == ("2026-1", conditions.find("2026-1").sha256)
        assert ConsentementInformation.given_by(person.id)
        profil = ProfilEtablissement.find(person.siret)
        assert profil is not None
        assert (profil.profil, profil.secteur) == ("entreprise", "prive")
    assert {"InscriptionStarted", "InscriptionSubmitted", "InscriptionConfirmed", "ConditionsAccepted", "HabilitationOpened"} <= set(
        kinds(app)
    )


def test_nobody_is_subscribed_who_did_not_ask(app, parcours):
    assert 'name="information" value="oui" checked' not in _page_of(parcours, "identite", "conditions")
    parcours.until("recapitulatif")
    parcours.confirm(link_in(mails(app)[0]))
    with app.app_context():
        assert not ConsentementInformation.given_by(people(app)[0].id)


def _page_of(parcours, last, etape):
    parcours.until(last)
    return parcours.get(f"/inscription/{etape}").text


def test_rights_open_after_the_delay_of_each_service(app, parcours):
    from idp.habilitations import decision
    from idp.habilitations.droits import Droit

    parcours.until("recapitulatif")
    parcours.confirm(link_in(mails(app)[0]))
    [person], mag, now = people(app), app.extensions["mag"], datetime.now(UTC)

    def may(service, at):
        asked = {"siret": int(SIRET), "service": service, "droit": Droit.DECLARER, "now": at}
        return decision.check(mag.connections, mag.catalogue(), person.id, **asked)

    assert may("dsn", now + timedelta(seconds=1))
    assert not may("atmp", now + timedelta(hours=23))
    assert may("atmp", now + timedelta(hours=25))
    assert not may("dpae", now + timedelta(days=2))


def test_the_signed_receipt_is_of_this_person_by_this_key(app, parcours):
    from joserfc import jws

    parcours.until("recapitulatif")
    parcours.confirm(link_in(mails(app)[0]))
    token = parcours.get("/inscription/recu.jws").text
    read = jws.deserialize_compact(token, app.extensions["mag"].keyring.published().keyset, algorithms=["ES256"])

    assert read.headers()["typ"] == "inscription-receipt+jwt"
    assert b'"siret":"73282932000074"' in read.payload
    assert token in (mails(app)[-1].body or "")


# --------------------------------------------------------------------------------------------------------------- the SIRET


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("732", "14 chiffres"),
        ("732829320", "SIREN"),
        ("73282932000075", "clé de contrôle"),
        ("", "14 chiffres"),
        ("abc\x01", "14 chiffres"),
    ],
)
def test_a_siret_that_is_not_one_is_explained(parcours, typed, said):
    response = parcours.send("siret", siret=typed)

    assert response.status_code == 422
    assert said in response.text


def test_an_unknown_siret_says_what_to_do(app, parcours):
    response = parcours.send("siret", siret="55203253400646")

    assert response.status_code == 422
    assert all(word in response.text for word in ("Insee", "CFE", "récent"))
    assert drafts(app) == 0


def test_a_closed_establishment_is_refused_with_the_reason(app, client):
    un_etablissement(app, actif=False)
    response = Parcours(client).send("siret")

    assert response.status_code == 422
    assert "cessé son activité" in response.text
    assert drafts(app) == 0


def test_the_card_says_where_it_comes_from_and_when(parcours):
    parcours.until("siret")
    page = parcours.get("/inscription/etablissement").text

    for expected in ("LES ATELIERS DU PONT", "8 RUE DU PONT", "31000 TOULOUSE", "Sirene", "1er octobre 2026", "En activité"):
        assert expected in page


def test_an_administrator_who_exists_is_not_named(app, parcours):
    un_administrateur(app, nom="Martin", prenom="Paul", email="paul@exemple.fr")
    parcours.until("siret")
    page = parcours.get("/inscription/etablissement").text

    assert "Un administrateur existe déjà" in page
    assert "plus rapide" in page
    assert not any(word in page for word in ("Martin", "Paul", "paul@exemple.fr"))


# ---------------------------------------------------------------------------------------------------------------- identity


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"nom": ""}, "nom"),
        ({"prenom": "123"}, ""),
        ({"prenom": "!!"}, "prenom"),
        ({"nom": "Voir http://mal.example"}, "nom"),
        ({"telephone": ""}, "telephone"),
        ({"telephone": "01 23"}, "telephone"),
        ({"telephone": "00 00 00 00 00"}, "telephone"),
        ({"mobile": "01 23 45 67 89"}, "mobile"),
        ({"mobile": ""}, ""),
        ({"mobile": "+44 7911 123456"}, ""),
        ({"telephone": "+32 2 555 12 12"}, ""),
        ({"telephone": "0123456789"}, ""),
        ({"email": "claire", "email2": "claire"}, "email"),
        ({"email": "clairé@exemple.fr", "email2": "clairé@exemple.fr"}, "email"),
        ({"email2": "autre@exemple.fr"}, "email2"),
        ({"email2": ""}, "email2"),
        ({"email": f"{'a' * 300}@exemple.fr"}, "email"),
    ],
)
def test_each_field_says_what_is_wrong_with_it(parcours, changes, field):
    parcours.until("etablissement")
    response = parcours.send("identite", **changes)

    assert response.status_code == (422 if field else 303)
    if field:
        assert f'id="{field}-erreur"' in response.text
        assert f'href="#{field}"' in response.text
        assert 'value="Lefèvre"' in response.text or field == "nom"


def test_overseas_numbers_are_written_as_people_there_write_them(app, client):
    un_etablissement(app)
    with app.app_context():
        from idp.entreprises.models import Etablissement

        Etablissement.find(Siret(SIRET)).code_postal = "97100"
        db.session.commit()
    parcours = Parcours(client)
    parcours.until("identite", identite={"telephone": "0590 81 23 45", "mobile": "0690 12 34 56"})
    with app.app_context():
        draft = db.session.scalar(select(Inscription))
        assert (draft.telephone, draft.mobile) == ("+590 590 81 23 45", "+590 690 12 34 56")


# ------------------------------------------------------------------------------------------------------------ terms of use


def test_a_refusal_stops_and_says_what_is_lost(app, parcours):
    parcours.until("identite")
    response = parcours.send("conditions", accord="non")
    assert "L'inscription s'arrête ici" in response.text
    assert path_of(parcours.get("/inscription/profil")) == "/inscription/conditions"

    parcours.post("/inscription/abandonner", response.text, motif="conditions")
    assert drafts(app) == 0
    assert path_of(parcours.get("/inscription/conditions")) == "/inscription"
    assert "InscriptionAbandoned" in kinds(app)


@pytest.mark.parametrize("form", [{"accord": ""}, {"accord": "peut-être"}, {"version": "2020-1"}, {"version": ""}])
def test_only_a_yes_to_the_version_in_force_is_an_agreement(parcours, form):
    parcours.until("identite")
    assert parcours.send("conditions", **form).status_code == 422
    assert path_of(parcours.get("/inscription/profil")) == "/inscription/conditions"


def test_the_text_is_downloaded_with_the_digest_that_is_kept(client):
    import hashlib

    response = client.get("/conditions/2026-1.txt")
    assert hashlib.sha256(response.data).hexdigest() == conditions.find("2026-1").sha256
    assert "attachment" in response.headers["Content-Disposition"]
    assert conditions.find("2026-1").sha256 in client.get("/conditions").text
    assert client.get("/conditions/1999-1.txt").status_code == 404


def test_a_new_version_is_asked_of_who_accepted_an_older_one(app, client, monkeypatch):
    now, [current] = datetime.now(UTC), conditions.every()
    older = replace(current, version="2025-1", effective_on=date(2025, 1, 1), sha256="0" * 64)
    monkeypatch.setattr(conditions, "every", lambda: (older, current))
    person = un_administrateur(app)
    with app.app_context():
        declarant = db.session.get(Declarant, person.id)
        assert conditions.to_accept(declarant, now) is None, "whoever an operator inscribed agreed elsewhere"
        ConditionsAcceptees.keep(person.id, older.version, older.sha256, now)
        db.session.commit()
        current = conditions.to_accept(declarant, now)
        assert current is not None
        assert current.version == "2026-1"
        conditions.accept(declarant, current, now)
        db.session.commit()
        assert conditions.to_accept(declarant, now) is None


# ------------------------------------------------------------------------------------------------------------- in order only


@pytest.mark.parametrize("jump", ORDER[1:])
def test_C43_a_jump_does_nothing(app, parcours, jump):
    parcours.until("siret")
    assert path_of(parcours.get(f"/inscription/{jump}")) == "/inscription/etablissement"
    assert path_of(parcours.send(jump)) == "/inscription/etablissement"
    with app.app_context():
        draft = db.session.scalar(select(Inscription))
        assert (draft.email, draft.conditions_version, draft.profil, draft.password_hash, draft.submitted_at) == (None,) * 5
    assert mails(app) == []


@pytest.mark.parametrize("etape", ORDER[:-1])
def test_C43_an_empty_post_does_nothing(app, parcours, etape):
    before = ORDER.index(etape)
    parcours.until(ORDER[before - 1] if before else "siret")
    response = parcours.post(f"/inscription/{etape}")

    assert response.status_code in (303, 422)
    assert parcours.get(f"/inscription/{etape}").status_code == 200, "still here"
    if before + 1 < len(ORDER):
        assert path_of(parcours.get(f"/inscription/{ORDER[before + 1]}")) == f"/inscription/{etape}"


@pytest.mark.parametrize("path", ["courriel", "resultat", *ORDER])
def test_without_a_draft_every_page_begins_at_the_beginning(parcours, path):
    assert path_of(parcours.get(f"/inscription/{path}")) == "/inscription"


def test_C39_a_form_of_another_site_is_refused(parcours):
    parcours.until("siret")
    response = parcours.client.post("/inscription/etablissement", data={"accord": "oui", "csrf": "faux"})
    assert response.status_code == 403
    assert path_of(parcours.get("/inscription/identite")) == "/inscription/etablissement"


# ------------------------------------------------------------------------------------------------------- going back, and on


def test_going_back_loses_nothing(app, parcours):
    parcours.until("mot-de-passe")
    page = parcours.get("/inscription/identite").text
    assert all(f'value="{value}"' in page for value in ("Lefèvre", "Claire", "+33 1 23 45 67 89", EMAIL))
    assert path_of(parcours.send("identite", telephone="05 61 00 00 00")) == "/inscription/recapitulatif"
    page = parcours.get("/inscription/recapitulatif").text
    assert "+33 5 61 00 00 00" in page
    assert "Déclaration sociale nominative" in page


def test_who_changes_name_chooses_a_password_again(parcours):
    parcours.until("mot-de-passe")
    assert path_of(parcours.send("identite", nom="Colline")) == "/inscription/mot-de-passe"


def test_another_siret_keeps_what_was_typed(app, parcours):
    un_etablissement(app, OTHER, siege=False)
    parcours.until("services")
    assert path_of(parcours.send("siret", siret=OTHER)) == "/inscription/etablissement"
    assert path_of(parcours.send("etablissement")) == "/inscription/mot-de-passe"
    assert drafts(app) == 1


def test_another_profile_shows_the_services_again_and_keeps_the_choice(parcours):
    parcours.until("mot-de-passe")
    assert path_of(parcours.send("profil", profil="independant")) == "/inscription/services"
    assert 'value="dsn" checked' in parcours.get("/inscription/services").text


def test_services_of_a_whole_company_are_for_its_head_office(app, client):
    un_etablissement(app)
    un_etablissement(app, OTHER, siege=False)
    head, branch = Parcours(client), Parcours(client)
    head.until("profil")
    assert 'value="c3s"' in head.get("/inscription/services").text
    branch.until("profil", siret={"siret": OTHER})
    assert 'value="c3s"' not in branch.get("/inscription/services").text


def test_the_first_page_offers_to_go_on(parcours):
    parcours.until("identite")
    page = parcours.get("/inscription").text
    assert "Une inscription est en cours" in page
    assert path_of(parcours.post("/inscription", page, reprendre="1")) == "/inscription/conditions"


def test_a_mail_resumes_elsewhere_and_the_first_browser_holds_nothing_more(app, parcours, new_client):
    parcours.until("profil")
    assert "Rien n'est perdu" in parcours.post("/inscription/plus-tard").text
    link, elsewhere = link_in(mails(app)[0], "reprendre"), Parcours(new_client())
    page = elsewhere.get(link)
    assert elsewhere.get(link).status_code == 200, "a scanner spends nothing"
    assert path_of(elsewhere.post(link, page.text)) == "/inscription/services"
    assert elsewhere.get("/inscription/services").status_code == 200
    assert path_of(parcours.get("/inscription/services")) == "/inscription"
    assert elsewhere.post(link, page.text).status_code == 404


def test_a_way_back_asked_for_twice_is_sent_once(app, client, parcours):
    parcours.until("identite")
    texts = {parcours.post("/inscription/plus-tard").status_code for _ in range(3)}
    sent = mails(app)
    parcours.post(link_in(sent[0], "reprendre"))
    parcours.post("/inscription/plus-tard")

    assert texts == {200}
    assert len(sent) == 1
    assert len(mails(app)) == 2, "the one before was used"


def test_C81_an_inscription_expires_after_48_idle_hours_and_not_before(app, client):
    un_etablissement(app)
    parcours, start = Parcours(client), datetime(2026, 11, 21, 9, tzinfo=UTC)
    with time_machine.travel(start, tick=False) as clock:
        parcours.until("identite")
        clock.move_to(start + timedelta(hours=47, minutes=59))
        assert parcours.send("conditions").status_code == 303
        clock.move_to(start + timedelta(hours=95, minutes=58))
        assert parcours.get("/inscription/profil").status_code == 200
        with app.app_context():
            assert Inscription.purge(datetime.now(UTC)) == 0
        clock.move_to(start + timedelta(hours=95, minutes=59))
        assert path_of(parcours.get("/inscription/profil")) == "/inscription"
        clock.move_to(start + timedelta(hours=96))
        assert "inscriptions : 1" in app.test_cli_runner().invoke(args=["purge"]).output
        assert drafts(app) == 0


# --------------------------------------------------------------------------------------------------------------- password


@pytest.mark.parametrize(
    ("typed", "again", "said"),
    [
        ("court", "court", "au moins"),
        ("Claire Lefèvre 1", "Claire Lefèvre 1", "reprend votre nom"),
        (PASSWORD, "autre chose", "ne sont pas les mêmes"),
        ("", "", "Choisissez un mot de passe"),
        ("a" * 200, "a" * 200, "128"),
    ],
)
def test_a_password_is_judged_and_never_kept_in_clear(app, parcours, typed, again, said):
    parcours.until("services")
    response = parcours.send("mot-de-passe", nouveau=typed, confirmation=again)

    assert response.status_code == 422
    assert said in response.text
    parcours.send("mot-de-passe")
    with app.app_context():
        assert db.session.scalar(select(Inscription)).password_hash.startswith("$argon2id$")


def test_a_password_chosen_may_be_kept(parcours):
    parcours.until("mot-de-passe")
    assert "déjà choisi" in parcours.get("/inscription/mot-de-passe").text
    assert path_of(parcours.post("/inscription/mot-de-passe", garder="1")) == "/inscription/recapitulatif"


# ------------------------------------------------------------------------------------------------------------ mail and link


def test_C82_a_double_submit_writes_one_mail(app, parcours):
    parcours.until("mot-de-passe")
    assert path_of(parcours.send("recapitulatif")) == "/inscription/courriel"
    assert path_of(parcours.send("recapitulatif")) == "/inscription/courriel"
    assert len(mails(app)) == 1


def test_C44_resent_both_links_work_and_one_alone_serves(app, parcours):
    parcours.until("recapitulatif")
    assert parcours.post("/inscription/courriel", encore="1").status_code == 303
    first, second = map(link_in, mails(app))
    assert first != second
    assert path_of(parcours.confirm(first)) == "/inscription/resultat"
    assert path_of(parcours.get(second)) == "/inscription/resultat"
    assert len(people(app)) == 1


def test_another_address_takes_over_and_the_old_link_dies(app, parcours):
    parcours.until("recapitulatif")
    form = {"adresse": "1", "email": "claire@exemple.fr", "email2": "claire@exemple.fr"}
    assert parcours.post("/inscription/courriel", **(form | {"email2": "autre@exemple.fr"})).status_code == 422
    parcours.post("/inscription/courriel", **form)

    assert parcours.get(link_in(mails(app)[0])).status_code == 404
    parcours.confirm(link_in(mails(app, "claire@exemple.fr")[0]))
    assert people(app)[0].email == "claire@exemple.fr"


def test_who_changes_something_afterwards_submits_again(app, parcours):
    parcours.until("recapitulatif")
    old = link_in(mails(app)[0])
    assert path_of(parcours.get("/inscription/identite")) == "/inscription/courriel"
    assert path_of(parcours.post("/inscription/modifier")) == "/inscription/recapitulatif"
    assert parcours.get(old).status_code == 404
    parcours.send("identite", prenom="Marie")
    parcours.send("mot-de-passe")
    parcours.send("recapitulatif")
    parcours.confirm(link_in(mails(app)[-1]))
    assert people(app)[0].prenom == "Marie"


def test_C44_a_link_replayed_leads_to_the_result_or_nowhere(app, parcours, new_client):
    parcours.until("recapitulatif")
    link = link_in(mails(app)[0])
    page = parcours.get(link).text
    parcours.post(link, page)
    assert path_of(parcours.post(link, page)) == "/inscription/resultat"
    assert Parcours(new_client()).get(link).status_code == 404
    assert len(people(app)) == 1
    assert len([mail for mail in mails(app) if mail.kind == "inscription_recu"]) == 1


def test_C44_a_link_lives_24_hours(app, client):
    un_etablissement(app)
    parcours, start = Parcours(client), datetime(2026, 11, 21, 9, tzinfo=UTC)
    with time_machine.travel(start, tick=False) as clock:
        parcours.until("recapitulatif")
        link = link_in(mails(app)[0])
        clock.move_to(start + timedelta(hours=23, minutes=59))
        assert parcours.get(link).status_code == 200
        clock.move_to(start + timedelta(hours=24))
        assert parcours.get(link).status_code == 404
        parcours.post("/inscription/courriel", encore="1")
        assert parcours.get(link_in(mails(app)[1])).status_code == 200


def test_another_browser_must_know_the_password(app, parcours, new_client):
    """Whoever inscribes somebody else at their own mailbox gets nobody to confirm it."""
    parcours.until("recapitulatif")
    link, elsewhere = link_in(mails(app)[0]), Parcours(new_client())
    assert 'name="password"' in elsewhere.get(link).text
    assert 'name="password"' not in parcours.get(link).text
    for typed in ("", "mauvais", "x" * 500):
        assert elsewhere.confirm(link, password=typed).status_code == 422
    assert people(app) == []
    assert path_of(elsewhere.confirm(link, password=PASSWORD)) == "/inscription/resultat"
    assert "Votre inscription est terminée" in elsewhere.get("/inscription/resultat").text
    assert "Votre inscription est terminée" in parcours.get("/inscription/resultat").text, "both browsers see it"


def test_passwords_are_not_guessed_at_the_link(app, parcours, new_client):
    parcours.until("recapitulatif")
    link, elsewhere = link_in(mails(app)[0]), Parcours(new_client())
    for _ in range(8):
        elsewhere.confirm(link, password="mauvais")
    assert elsewhere.confirm(link, password=PASSWORD).status_code == 422
    assert parcours.confirm(link).status_code == 303, "the browser that filled it in is not locked out"


# --------------------------------------------------------------------------------------- what the establishment calls for


def test_a_later_administrator_is_a_candidate_for_15_days(app, client):
    un_etablissement(app)
    un_administrateur(app, nom="Martin", prenom="Paul", email="paul@exemple.fr")
    parcours, start = Parcours(client), datetime(2026, 11, 21, 9, tzinfo=UTC)
    with time_machine.travel(start, tick=False):
        parcours.until("recapitulatif")
        parcours.confirm(link_in(mails(app)[0]))
    candidate = people(app)[1]
    assert (candidate.statut, candidate.expires_at) == (Statut.CANDIDAT, start + timedelta(days=15))
    with time_machine.travel(start, tick=False):
        page = parcours.get("/inscription/resultat").text
    assert "Votre candidature est transmise" in page
    assert "clé" in page
    assert "Martin" not in page
    assert mails(app, "paul@exemple.fr")
    assert se_connecter(client, password=PASSWORD).status_code != 303, "a candidate opens no session"


def test_an_administrator_who_came_meanwhile_makes_a_candidate(app, parcours):
    parcours.until("recapitulatif")
    un_administrateur(app, nom="Martin", prenom="Paul", email="paul@exemple.fr")
    parcours.confirm(link_in(mails(app)[0]))
    assert people(app)[1].statut is Statut.CANDIDAT


def test_a_suspended_administrator_still_keeps_the_door(app, parcours):
    un_administrateur(app, nom="Martin", prenom="Paul", statut=Statut.SUSPENDU)
    parcours.until("recapitulatif")
    parcours.confirm(link_in(mails(app)[0]))
    assert people(app)[1].statut is Statut.CANDIDAT


def test_two_drafts_for_one_siret_make_one_first_administrator(app, parcours, new_client):
    other = Parcours(new_client(), "198.51.100.9")
    parcours.until("recapitulatif")
    second = {"nom": "Martin", "prenom": "Paul", "email": "paul@ateliers-du-pont.fr", "email2": "paul@ateliers-du-pont.fr"}
    other.until("recapitulatif", identite=second)
    parcours.confirm(link_in(mails(app)[0]))
    other.confirm(link_in(mails(app, "paul@ateliers-du-pont.fr")[0]))
    assert [person.statut for person in people(app)] == [Statut.ACTIF, Statut.CANDIDAT]


def inscribed_from(app, client, email, **identite):
    """What became of a first administrator who wrote from there."""
    parcours = Parcours(client)
    parcours.until("recapitulatif", identite={"email": email, "email2": email} | identite)
    parcours.confirm(link_in(mails(app, email)[0]))
    return people(app)[-1].statut


def test_a_first_administrator_whom_nothing_ties_to_the_company_waits_for_an_operator(app, client):
    un_etablissement(app)

    assert inscribed_from(app, client, "claire@gmail.com") is Statut.PRIMO
    with app.app_context():
        assert "personne" in db.session.scalars(select(Controle)).one().motifs


def test_its_legal_representative_is_active_at_once(app, client):
    un_etablissement(app)
    with app.app_context():
        now = datetime.now(UTC)
        db.session.add(RepresentantLegal(siren=732829320, nom="lefevre", prenom="claire", qualite="Gérante", imported_at=now))
        db.session.commit()

    assert inscribed_from(app, client, "claire@gmail.com") is Statut.ACTIF


def test_the_accountant_who_declares_for_it_is_active_at_once(app, client):
    un_etablissement(app)
    un_declarant(app, siret="35600000000048", email="cabinet@gmail.com", email_verified=True)
    with app.app_context():
        link = {"siret_declarant": Siret("35600000000048"), "siret_declare": Siret(SIRET), "dernier_mois": "2026-10"}
        db.session.add(LienDeclare(**link, imported_at=datetime.now(UTC)))
        db.session.commit()

    assert inscribed_from(app, client, "cabinet@gmail.com") is Statut.ACTIF


def test_what_the_controls_doubt_waits_for_an_operator(app, client):
    un_etablissement(app, categorie_juridique="7210")
    parcours = Parcours(client)
    free = {"email": "mairie@gmail.com", "email2": "mairie@gmail.com"}
    parcours.until("recapitulatif", identite=free)
    parcours.confirm(link_in(mails(app, "mairie@gmail.com")[0]))
    [person] = people(app)
    assert person.statut is Statut.PRIMO
    assert person.expires_at is not None
    page = parcours.get("/inscription/resultat").text
    assert "en vérification" in page
    assert "opérateur" in page
    assert mails(app, "mairie@gmail.com")[-1].subject == "Votre inscription est en cours de vérification"
    assert se_connecter(client, password=PASSWORD).status_code != 303


def test_what_the_controls_refuse_leaves_nobody(app, client):
    un_etablissement(app)
    parcours = Parcours(client)
    thrown = {"email": "x@mailinator.com", "email2": "x@mailinator.com"}
    parcours.until("recapitulatif", identite=thrown)
    parcours.confirm(link_in(mails(app, "x@mailinator.com")[0]))
    assert people(app) == []
    assert "n&#39;a pas pu être acceptée" in parcours.get("/inscription/resultat").text.replace("'", "&#39;")
    assert parcours.get("/inscription/recu.pdf").status_code == 404


def test_an_establishment_that_closed_meanwhile_is_refused(app, parcours):
    from idp.entreprises.models import Etablissement

    parcours.until("recapitulatif")
    link = link_in(mails(app)[0])
    page = parcours.get(link).text
    with app.app_context():
        Etablissement.find(Siret(SIRET)).actif = False
        db.session.commit()
    assert parcours.post(link, page).status_code == 422
    assert people(app) == []


# --------------------------------------------------------------------------------------------------------- who exists already


def test_an_identity_that_exists_is_said_by_mail_alone(app, parcours):
    un_administrateur(app, nom="LEFEVRE", prenom="Claire", email=EMAIL)
    assert path_of(parcours.until("recapitulatif")) == "/inscription/courriel"
    page = parcours.get("/inscription/courriel").text
    [mail] = mails(app)

    assert "Consultez votre boîte" in page
    assert mail.subject == "Une identité existe déjà à ce nom"
    assert "confirmer" not in (mail.body or "")
    assert "Jean 2" in (mail.body or "")


def test_a_homonym_resumes_with_another_first_name(app, parcours):
    un_administrateur(app, nom="LEFEVRE", prenom="Claire", email=EMAIL)
    parcours.until("recapitulatif")
    link = link_in(mails(app)[0], "reprendre")
    parcours.post(link, parcours.get(link).text)
    assert path_of(parcours.send("identite", prenom="Claire 2")) == "/inscription/mot-de-passe"
    parcours.send("mot-de-passe")
    parcours.send("recapitulatif")
    parcours.confirm(link_in(mails(app)[-1]))
    assert people(app)[1].prenom == "Claire 2"


def test_an_identity_that_came_meanwhile_is_said_to_who_holds_the_link(app, parcours):
    parcours.until("recapitulatif")
    un_administrateur(app, nom="LEFEVRE", prenom="Claire", email=EMAIL)
    response = parcours.confirm(link_in(mails(app)[0]))

    assert response.status_code == 422
    assert "deuxième prénom" in response.text
    assert path_of(parcours.post("/inscription/modifier")) == "/inscription/recapitulatif"
    assert len(people(app)) == 1


@pytest.mark.parametrize("meanwhile", [False, True])
def test_C33_a_stranger_is_not_told_of_an_identity_and_its_owner_is_warned(app, parcours, meanwhile):
    """Neither by the mail nor by the page that confirms; nothing changes."""

    def inscribe():
        un_administrateur(app, nom="LEFEVRE", prenom="Claire", email="la.vraie@exemple.fr")

    if not meanwhile:
        inscribe()
    parcours.until("recapitulatif")
    if meanwhile:
        inscribe()
    parcours.post("/inscription/courriel", parcours.get("/inscription/courriel").text)
    first, *_ = found = mails(app)
    parcours.confirm(link_in(found[-1]))
    page = parcours.get("/inscription/resultat").text

    assert first.subject.startswith("Confirmez")
    assert all("existe déjà" not in (mail.body or "") and "est déjà inscrite" not in (mail.body or "") for mail in mails(app))
    assert "candidature est transmise" in page
    assert "est déjà inscrite" not in page
    warned, asked = mails(app, "la.vraie@exemple.fr")
    assert warned.subject == "Une inscription a été tentée à votre nom"
    assert asked.subject == "Une demande d'administration attend votre décision"
    owner, namesake = people(app)
    assert (owner.email, owner.statut, owner.prenom) == ("la.vraie@exemple.fr", Statut.ACTIF, "Claire")
    assert (namesake.email, namesake.statut, namesake.prenom) == (EMAIL, Statut.CANDIDAT, "Claire")


def test_a_namesake_who_passes_the_controls_is_told_apart_at_once(app, client):
    """Nobody administers the place; whoever bore the name left it."""
    un_etablissement(app)
    un_declarant(app, nom="LEFEVRE", prenom="Claire", email="partie@exemple.fr", statut=Statut.RADIE)
    un_declarant(app, nom="Petit", prenom="Nina", email="nina@ateliers-du-pont.fr", email_verified=True)
    assert inscribed_from(app, client, EMAIL) is Statut.ACTIF
    page = Parcours(client).get("/inscription/resultat").text

    assert "Claire 2" in page
    assert [one.prenom for one in people(app)] == ["Claire", "Nina", "Claire 2"]
    assert "Claire 2" in (mails(app)[-1].body or "")
    assert se_connecter(client, password=PASSWORD, prenom="Claire 2").status_code == 303


# ------------------------------------------------------------------------------------------------------------ from a partner


def test_the_mire_leads_to_the_inscription_and_keeps_the_partner(app, client, place):
    token = une_demande_de(app, client)
    assert "Inscrire mon entreprise" in client.get("/connexion").text
    assert f"/inscription?demande={token}" in client.get("/connexion", query_string={"demande": token}).text


def test_the_end_goes_back_to_the_partner_in_the_same_browser_alone(app, client, parcours, new_client):
    token = une_demande_de(app, client, une_demande(create=True))
    page = client.get("/inscription", query_string={"demande": token}).text
    assert "Portail d&#39;essai" in page
    for etape in ("siret", *ORDER):
        parcours.send(etape, **({"demande": token} if etape == "siret" else {}))
    link, elsewhere = link_in(mails(app)[0]), Parcours(new_client())
    elsewhere.confirm(link, password=PASSWORD)
    assert "Portail d&#39;essai" not in elsewhere.get("/inscription/resultat").text
    page = parcours.get("/inscription/resultat").text
    assert "Me connecter et revenir à Portail d&#39;essai" in page
    again = page.split("/connexion?demande=", 1)[1].split('"', 1)[0]
    response = se_connecter(client, demande=again, password=PASSWORD)
    assert path_of(response) == "/authorize"


def test_a_demande_of_another_browser_is_ignored(app, parcours, new_client):
    token = une_demande_de(app, new_client())
    assert "Portail" not in parcours.get(f"/inscription?demande={token}").text
    assert parcours.send("siret", demande=token).status_code == 303
    assert parcours.get("/inscription?demande=" + "x" * 3000).status_code == 200


def test_names_are_compared_as_at_sign_in(app, client, parcours):
    parcours.until("recapitulatif", identite=PERSON | {"nom": "LEFÈVRE d'Œuvre"})
    parcours.confirm(link_in(mails(app)[0]))
    assert se_connecter(client, nom="lefevre d oeuvre", password=PASSWORD).status_code == 303


def test_the_inscription_that_the_demonstration_proposes_ends_active(app, client):
    """Its company, and the representative whom its first page names."""
    un_etablissement(app, str(demo.FREE), denomination="BOULANGERIE DES HALLES")
    with app.app_context():
        imports.importer_representants(population.DATA / "representants.csv", datetime.now(UTC), "essai", complet=False)
        db.session.commit()
    prenom, nom = demo.DIRIGEANT.split()
    parcours = Parcours(client)
    parcours.until("recapitulatif", siret={"siret": str(demo.FREE)}, identite={"nom": nom, "prenom": prenom})
    parcours.confirm(link_in(mails(app)[0]))

    assert [(one.nom, one.statut) for one in people(app)] == [(nom, Statut.ACTIF)]


def test_candidacies_that_wait_at_one_establishment_are_limited_and_the_link_lives(app, client, new_client, monkeypatch):
    monkeypatch.setattr(confirmation, "MOST_CANDIDACIES", 1)
    un_etablissement(app)
    un_administrateur(app, nom="Martin", email="paul@exemple.fr")
    un_declarant(app, nom="Connue", email="connue@exemple.fr")
    links = []
    for nom in ("Un", "Deux", "Connue"):
        parcours = Parcours(new_client())
        email = f"{nom.lower()}@ateliers-du-pont.fr"
        parcours.until("recapitulatif", identite={"nom": nom, "email": email, "email2": email})
        links.append((parcours, link_in(mails(app, email)[0])))
    answers = [parcours.confirm(link) for parcours, link in links]
    with app.app_context():
        db.session.scalars(select(Candidature)).one().decided_at = datetime.now(UTC)
        db.session.commit()
    after = links[1][0].confirm(links[1][1])

    assert [answer.status_code for answer in answers] == [303, 429, 429], "whoever exists or not"
    assert "attendent déjà la réponse" in answers[1].text.replace("&nbsp;", " ")
    assert after.status_code == 303
