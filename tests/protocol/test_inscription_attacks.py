"""What a stranger tries with the inscription: to learn who is inscribed, to write to the world, to get in before the owner."""

import re
import threading
from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select

from idp.audit.models import AuditEvent
from idp.database import db
from idp.declarants.models import Declarant
from idp.declarants.parcours import limits
from idp.declarants.parcours.models import Inscription
from idp.declarants.statuts import Statut
from idp.notifications.models import Mail
from tests.factories import PASSWORD as OWN
from tests.factories import SIRET, csrf_in, se_connecter, un_administrateur
from tests.journeys.equipe import administrateur_connecte, envoyer, lien
from tests.parcours import EMAIL, ORDER, PASSWORD, PERSON, Parcours, link_in, mails, un_etablissement

OTHER = "73282932000082"


@pytest.fixture(autouse=True)
def place(app):
    un_etablissement(app)


def shape(response):
    """What a stranger can tell of an answer, but for what differs each time."""
    text = re.sub(r'value="[\w-]{43}"', "", response.text)
    text = re.sub(r'class="host">[^<]*<', "", text)
    names = sorted(name for name, _ in response.headers if name != "X-Request-ID")
    return response.status_code, names, re.sub(r"\s+", " ", text)


# ------------------------------------------------------------------------------------------------------------- enumeration


def test_C33_the_same_pages_whether_the_identity_exists_or_not(app, new_client):
    """By message, status, headers and size."""
    un_administrateur(app, nom="Martin", prenom="Paul", email="paul@exemple.fr")
    seen = []
    for nom, prenom, address in (("Martin", "Paul", "203.0.113.1"), ("Martel", "Paul", "203.0.113.2")):
        parcours = Parcours(new_client(), address)
        typed = {"nom": nom, "prenom": prenom, "email": "curieux@ailleurs.fr", "email2": "curieux@ailleurs.fr"}
        response = parcours.until("recapitulatif", identite=typed)
        page = parcours.get("/inscription/courriel")
        again = parcours.post("/inscription/courriel", encore="1")
        seen.append((shape(response), shape(page), shape(again), page.content_length))
    assert seen[0] == seen[1]


def test_C33_the_address_of_somebody_is_no_different_from_another(app, new_client):
    un_administrateur(app, nom="Martin", prenom="Paul", email="paul@exemple.fr")
    seen = []
    for number, email in enumerate(("paul@exemple.fr", "zoee@exemple.fr")):
        parcours = Parcours(new_client(), f"203.0.113.{number}")
        response = parcours.until("identite", identite={"email": email, "email2": email})
        seen.append((shape(response), shape(parcours.get("/inscription/conditions"))))
    assert seen[0] == seen[1]


def test_C33_nothing_names_an_administrator(app, client):
    un_administrateur(app, nom="Introuvable", prenom="Zéphyrin", email="z.introuvable@exemple.fr", telephone="+33 1 99 88 77 66")
    parcours = Parcours(client)
    pages = []
    for etape in ("siret", *ORDER):
        pages += [parcours.send(etape), *(parcours.get(f"/inscription/{one}") for one in ORDER)]
    pages += [parcours.get("/inscription/courriel"), parcours.confirm(link_in(mails(app)[0])), parcours.get("/inscription/resultat")]
    texts = [page.text for page in pages] + [(mail.body or "") + (mail.html or "") for mail in mails(app)]

    assert not [text for text in texts if re.search("introuvable|zéphyrin|99 88 77 66", text, re.IGNORECASE)]


def test_C38_a_draft_belongs_to_its_browser(app, client, new_client):
    parcours, stranger = Parcours(client), Parcours(new_client())
    parcours.until("identite")
    for path in (*ORDER, "courriel", "resultat", "recu.pdf"):
        response = stranger.get(f"/inscription/{path}")
        assert response.status_code in (303, 404)
        assert EMAIL not in response.text
    for cookie in ("x" * 43, "é" * 30, "x" * 5000, "1", "../.."):
        stranger.client.set_cookie("__Host-mag_i", cookie, domain="mag.test", path="/", secure=True)
        assert stranger.get("/inscription/identite").status_code == 303


# ----------------------------------------------------------------------------------------------------------- mass inscription


def test_mass_inscription_from_one_network_is_refused_politely(app, new_client):
    for number in range(limits.STARTS_AN_HOUR):
        siret = OTHER if number % 2 else SIRET
        assert Parcours(new_client(), "203.0.113.9").send("siret", siret=siret).status_code in (303, 422)
    response = Parcours(new_client(), "203.0.113.9").send("siret")

    assert response.status_code == 429
    assert response.headers["Retry-After"] == "3600"
    assert "l&#39;assistance peut vous aider" in response.text
    assert Parcours(new_client(), "198.51.100.1").send("siret").status_code == 303, "another network is not concerned"
    with app.app_context():
        assert db.session.scalar(select(func.count()).select_from(AuditEvent).filter_by(kind="InscriptionBraked")) == 1


def test_C36_a_siret_is_not_kept_from_its_company_by_one_network(app, new_client):
    for _ in range(limits.SIRET_A_BLOCK):
        assert Parcours(new_client(), "203.0.113.9").send("siret").status_code == 303
    assert Parcours(new_client(), "203.0.113.9").send("siret").status_code == 429
    assert Parcours(new_client(), "198.51.100.1").send("siret").status_code == 303


def test_a_mailbox_is_not_flooded(app, client, new_client):
    sent = 0
    for number in range(limits.MAILS_AN_HOUR + 1):
        parcours = Parcours(new_client(), f"203.0.113.{number}")
        response = parcours.until("recapitulatif", identite={"nom": "Nom", "prenom": f"Prénom {number}"})
        sent += response.status_code == 303
    assert sent == limits.MAILS_AN_HOUR
    assert response.status_code == 429
    assert len(mails(app)) == limits.MAILS_AN_HOUR


def test_one_inscription_does_not_write_to_the_world(app, client):
    parcours, answers = Parcours(client), []
    parcours.until("recapitulatif")
    for number in range(limits.MAILS_A_DRAFT + 3):
        typed = {"adresse": "1", "email": f"x{number}@exemple.fr", "email2": f"x{number}@exemple.fr"}
        answers.append(parcours.post("/inscription/courriel", **typed).status_code)
    assert 429 in answers
    with app.app_context():
        assert db.session.scalar(select(func.count()).where(Mail.recipient != "")) == limits.MAILS_A_DRAFT


@pytest.mark.parametrize("nom", ["Gagnez http://mal.example", "www.mal.example", "Nom\r\nBcc: x@y.fr", "<b>Nom</b>", "a@b.fr", "Nom%0aBcc"])
def test_a_name_carries_nothing_to_a_stranger(app, client, nom):
    parcours = Parcours(client)
    parcours.until("etablissement")
    response = parcours.send("identite", nom=nom)

    assert response.status_code in (422, 303)
    with app.app_context():
        kept = db.session.scalar(select(Inscription.nom))
    assert kept is None or not re.search(r"[\r\n:/<>@%]|www\.", kept)


# -------------------------------------------------------------------------------------------------------- before the owner


def test_C43_whoever_inscribes_another_person_waits_for_them_in_vain(app, client, new_client):
    """The attacker chooses the password, the victim receives the mail and follows the link: nobody is inscribed."""
    attacker, victim = Parcours(new_client(), "203.0.113.5"), Parcours(client)
    attacker.until("recapitulatif")
    link = link_in(mails(app)[0])
    for typed in ({}, {"password": ""}, {"password": "celui de la victime"}):
        assert victim.confirm(link, **typed).status_code == 422
    with app.app_context():
        assert db.session.scalar(select(func.count()).select_from(Declarant)) == 0


def test_a_resumed_inscription_leaves_the_browser_before(app, client, new_client):
    """The attacker fills in, the victim goes on: what she types is hers alone."""
    attacker, victim = Parcours(new_client(), "203.0.113.5"), Parcours(client)
    attacker.until("mot-de-passe")
    attacker.post("/inscription/plus-tard")
    link = link_in(mails(app)[0], "reprendre")
    victim.post(link, victim.get(link).text)
    assert attacker.get("/inscription/recapitulatif").status_code == 303
    assert attacker.send("mot-de-passe").status_code == 303
    assert "Un mot de passe est déjà choisi" not in victim.get("/inscription/mot-de-passe").text, "she chooses her own"


def test_C44_links_serve_one_purpose(app, client):
    parcours = Parcours(client)
    parcours.until("identite")
    parcours.post("/inscription/plus-tard")
    token = link_in(mails(app)[0], "reprendre").rpartition("/")[2]
    assert parcours.get(f"/inscription/confirmer/{token}").status_code == 404
    for odd in ("x", "é", "x" * 2000, "%00", "..%2F.."):
        assert parcours.get(f"/inscription/confirmer/{odd}").status_code in (400, 404)
        assert parcours.get(f"/inscription/reprendre/{odd}").status_code in (400, 404)


def test_C39_a_form_posted_with_the_value_of_another_browser_is_refused(app, client, new_client):
    parcours, other = Parcours(client), Parcours(new_client())
    parcours.until("siret")
    page = other.get("/inscription").text
    assert parcours.post("/inscription/etablissement", page, accord="oui").status_code == 403
    headers = {"Origin": "https://ailleurs.example"}
    data = {"csrf": csrf_in(parcours.get("/inscription").text), "accord": "oui"}
    assert parcours.client.post("/inscription/etablissement", data=data, headers=headers).status_code == 403


@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
def test_C82_two_first_administrators_who_confirm_at_once_are_a_first_and_a_candidate(app, new_client):
    """Two confirmations at one instant, again and again: the establishment's row says who is first."""
    first, second = Parcours(new_client(), "203.0.113.5"), Parcours(new_client(), "198.51.100.7")
    paul = PERSON | {"nom": "Martin", "prenom": "Paul", "email": "paul@ateliers-du-pont.fr", "email2": "paul@ateliers-du-pont.fr"}
    first.until("recapitulatif")
    second.until("recapitulatif", identite=paul)
    both = ((first, link_in(mails(app)[0])), (second, link_in(mails(app, paul["email"])[0])))
    ready, answers = threading.Barrier(2), []

    def confirm(parcours, link):
        page = parcours.get(link).text
        ready.wait(10)
        answers.append(parcours.post(link, page).status_code)

    threads = [threading.Thread(target=confirm, args=one) for one in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert answers == [303, 303]
    with app.app_context():
        assert sorted(db.session.scalars(select(Declarant.statut))) == [Statut.ACTIF, Statut.CANDIDAT]


def test_C44_one_link_posted_by_several_at_once_inscribes_one(app, client):
    parcours = Parcours(client)
    parcours.until("recapitulatif")
    link = link_in(mails(app)[0])
    page, answers = parcours.get(link).text, []

    def post():
        copy = Parcours(type(client)(client.application, client.origin))
        for cookie in list(client._cookies.values()):
            copy.client._cookies[cookie._storage_key] = cookie
        answers.append(copy.post(link, page).status_code)

    threads = [threading.Thread(target=post) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert 303 in answers
    assert set(answers) <= {303, 404, 503}, answers
    with app.app_context():
        assert db.session.scalar(select(func.count()).select_from(Declarant)) == 1


FIELDS = {
    "siret": ("siret",),
    "identite": ("nom", "prenom", "telephone", "mobile", "email", "email2"),
    "conditions": ("accord", "version", "information"),
    "profil": ("profil", "secteur"),
    "services": ("services",),
    "mot-de-passe": ("nouveau", "confirmation"),
}
HOSTILE = ("\x00", b"\xed\xa0\x80", "'\";--", "𝟷" * 14, "A" * 30_000, "../../etc", "{{7919*7907}}", "\u202e\u0000")


@pytest.mark.parametrize("etape", FIELDS)
def test_C32_hostile_text_is_a_refusal_and_never_a_fault(client, etape):
    parcours = Parcours(client)
    if etape != "siret":
        parcours.until(ORDER[ORDER.index(etape) - 1])
    for field in FIELDS[etape]:
        for hostile in HOSTILE:
            response = parcours.send(etape, **{field: hostile})
            assert response.status_code in (200, 303, 400, 413, 422, 429), (field, hostile)
            assert str(7919 * 7907) not in response.text


def test_a_password_is_never_shown_again_nor_logged(app, client):
    parcours = Parcours(client)
    parcours.until("services")
    response = parcours.send("mot-de-passe", confirmation="autre")
    assert PASSWORD not in response.text
    parcours.send("mot-de-passe")
    with app.app_context():
        rows = [str(row.details) for row in db.session.scalars(select(AuditEvent))]
        draft = db.session.scalar(select(Inscription))
        assert not [row for row in rows if PASSWORD in row]
        assert PASSWORD not in str(vars(draft))
        assert draft.created_at <= datetime.now(UTC)


# ------------------------------------------------------------------------------------------------------------- namesakes


def the_way_of(app, parcours, name):
    """All that a stranger can see, from the first page to the key by post: pages, and mails to a mailbox of theirs."""
    email, who = f"{name}@ailleurs.fr", {"nom": "Martin" if name == "paula" else "Martel", "prenom": "Paul"}
    seen = [shape(parcours.until("recapitulatif", identite={**who, "email": email, "email2": email}))]
    seen += [shape(parcours.confirm(link_in(mails(app, email)[-1]))), shape(parcours.get("/inscription/resultat"))]
    typed = {"siret": SIRET, **who, "email": email, "password": PASSWORD}
    seen += [shape(parcours.post("/activation", parcours.get("/activation").text, **typed)), shape(parcours.get("/activation"))]
    seen.append(shape(parcours.post("/activation/lettre", parcours.get("/activation").text)))
    signed_in = parcours.post("/connexion", parcours.get("/connexion").text, **typed)
    seen.append((signed_in.status_code, len(signed_in.data) // 1024))
    written = [(mail.kind, mail.subject, len(mail.body or "")) for mail in mails(app, email) if mail.kind != "inscription_recu"]
    return str([seen, written]).replace("Martin", "Martel").replace("paula", "paulo")


def test_C33_the_whole_way_of_a_candidate_is_one_whoever_bears_the_name(app, new_client):
    """Once, then again from another mailbox: neither whoever is inscribed nor whoever waits is told of."""
    un_administrateur(app, nom="Martin", prenom="Paul", email="paul@exemple.fr")
    seen = [the_way_of(app, Parcours(new_client(), f"203.0.113.{n}"), name) for n, name in enumerate(("paula", "paulo"))]
    assert seen[0] == seen[1]
    again = Parcours(new_client(), "203.0.113.77")
    typed = {"nom": "Martel", "prenom": "Paul", "email": "autre@ailleurs.fr", "email2": "autre@ailleurs.fr"}
    again.until("recapitulatif", identite=typed)
    again.confirm(link_in(mails(app, "autre@ailleurs.fr")[0]))
    assert "candidature est transmise" in again.get("/inscription/resultat").text
    typed |= {"siret": SIRET, "password": PASSWORD}
    assert again.post("/activation", again.get("/activation").text, **typed).status_code == 303


def namesake(app, new_client):
    """Another Paul Martin, who waits; the colleague who answers is signed in."""
    un_administrateur(app, nom="Martin", prenom="Paul", email="paul@exemple.fr")
    colleague, parcours = new_client(), Parcours(new_client(), "203.0.113.1")
    administrateur_connecte(app, colleague, email="claire@exemple.fr")
    parcours.until("recapitulatif", identite={"nom": "Martin", "prenom": "Paul"})
    parcours.confirm(link_in(mails(app)[0]))
    return colleague, lien(mails(app, "claire@exemple.fr")[-1], "/equipe/demandes/")


def test_a_namesake_who_is_agreed_to_signs_in_with_a_first_name_of_their_own(app, new_client):
    colleague, page = namesake(app, new_client)
    shown = colleague.get(page).text
    assert "Une personne de ce nom est déjà inscrite" in shown
    assert "paul@exemple.fr" in shown
    assert envoyer(colleague, page, reponse="accord", remplace="").status_code == 200

    mail = mails(app)[-1]
    assert mail.kind == "candidature_acceptee"
    assert "le prénom « Paul 2 »" in (mail.body or "")
    for prenom, word, answer in (("Paul 2", PASSWORD, 303), ("Paul", PASSWORD, 422), ("Paul", OWN, 303), ("Paul 2", OWN, 422)):
        assert se_connecter(new_client(), nom="Martin", prenom=prenom, password=word).status_code == answer, (prenom, word)


def test_a_namesake_who_is_refused_leaves_nothing(app, new_client):
    colleague, page = namesake(app, new_client)
    assert envoyer(colleague, page, reponse="refus").status_code == 200
    with app.app_context():
        assert sorted(db.session.scalars(select(Declarant.prenom))) == ["Claire", "Paul"]


def test_a_namesake_bears_the_name_alone_once_it_is_free(app, new_client):
    colleague, page = namesake(app, new_client)
    with app.app_context():
        db.session.delete(db.session.scalar(select(Declarant).filter_by(email="paul@exemple.fr")))
        db.session.commit()
    assert "déjà inscrite" not in colleague.get(page).text
    envoyer(colleague, page, reponse="accord", remplace="")
    assert se_connecter(new_client(), nom="Martin", prenom="Paul", password=PASSWORD).status_code == 303
