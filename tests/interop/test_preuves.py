"""What a provider proves of a person: during an inscription, of an account that exists, and the way in that it may become."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from sqlalchemy import select, text

from idp.authentication.session import COOKIE
from idp.config import Settings
from idp.database import db
from idp.declarants.models import Declarant
from idp.declarants.preuves.models import LIFE, Preuve
from idp.declarants.statuts import Statut
from idp.notifications.models import Mail
from partners.amont import fournisseurs, relying
from partners.amont.models import Fournisseur
from tests import services
from tests.conftest import ISSUER, QUICK_HASH, SECRETS
from tests.factories import csrf_in, se_connecter, un_declarant
from tests.interop.amont import CERTIFICATION, Person, Upstream, facts, running
from tests.interop.test_fournisseurs import SIGNED
from tests.parcours import Parcours, link_in, mails, un_etablissement
from tests.protocol.linking import asked as asked_to_link
from tests.protocol.linking import un_portail
from tests.protocol.relying import register
from tests.protocol.test_step_up import exiger

pytestmark = [pytest.mark.interop, pytest.mark.parametrize("backend", ["sqlite"], indirect=True)]


@pytest.fixture(scope="module")
def upstreams(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Upstream]]:
    made = [
        Upstream("proconnect", services.free_port(), client=SIGNED),
        Upstream("franceconnect", services.free_port(), client=SIGNED | {"subject_type": "pairwise"}),
    ]
    with running(made, packages, tmp_path_factory.mktemp("preuves")):
        yield made


@pytest.fixture
def settings(backend: Any) -> Settings:
    return Settings(issuer=ISSUER, secrets=SECRETS, database_url=backend.database_url, outgoing_hosts=("127.0.0.1",), **QUICK_HASH)


@pytest.fixture
def known(app: Any, upstreams: list[Upstream]) -> Any:
    """A MAG that knows both providers, and an establishment that nobody administers."""
    un_etablissement(app)
    with app.app_context():
        for upstream in upstreams:
            upstream.declare(app)
    return app


def comes_back(client: Any, leaving: Any, account: str) -> Any:
    """The person goes where MAG sends them, and MAG's next page is opened."""
    assert leaving.status_code == 303, leaving.text
    assert leaving.headers["Location"].startswith("http://127.0.0.1:")
    answer = Person().answers(leaving.headers["Location"], account)
    returned = client.get("/amont/retour", query_string=answer)
    assert returned.status_code == 303, returned.text
    return client.get(returned.headers["Location"])


def preuves(app: Any) -> list[Preuve]:
    with app.app_context():
        found = list(db.session.scalars(select(Preuve).order_by(Preuve.id)))
        db.session.expunge_all()
        return found


# ------------------------------------------------------------------------------------------------------------- inscription


@pytest.fixture
def recap(known: Any, client: Any) -> Parcours:
    """An inscription at its recap, with an address that ties nobody to the company."""
    parcours = Parcours(client)
    parcours.until("mot-de-passe", identite={"email": "claire@gmail.com", "email2": "claire@gmail.com"})
    return parcours


def test_an_inscription_is_proved_by_proconnect_and_the_controls_know_it(known, client, recap):
    """The leader of the company, certified: a tie, where the address had none."""
    page = client.get("/inscription/recapitulatif")
    assert "form-action 'self' http://127.0.0.1:" in page.headers["Content-Security-Policy"]
    leaving = client.post("/amont/inscription", data={"csrf": csrf_in(page.text), "dirigeant": "proconnect"})

    done = comes_back(client, leaving, "pc-claire")

    assert done.headers["Location"].startswith("/inscription/recapitulatif?preuve=faite&sortie=")
    assert "qui certifie aussi que vous dirigez cette entreprise" in client.get("/inscription/recapitulatif").text
    recap.send("recapitulatif")
    confirmed = link_in(mails(known, "claire@gmail.com")[-1])
    shown = client.get(confirmed)
    client.post(confirmed, data={"csrf": csrf_in(shown.text)})
    with known.app_context():
        person = db.session.scalars(select(Declarant)).one()
        (proof,) = Preuve.of(person.id)
        assert person.statut is Statut.ACTIF
        assert (proof.niveau, proof.dirigeant, proof.inscription_id, proof.siret) == (CERTIFICATION, True, None, 73282932000074)
        assert proof.expires_at - proof.proved_at == LIFE
        assert "pc-claire" not in proof.sujet_hash
        assert [fact["dirigeant"] for fact in facts("PreuveKept")] == [True]


def test_somebody_else_proves_nothing_of_an_inscription(known, client, recap):
    page = client.get("/inscription/recapitulatif")
    leaving = client.post("/amont/inscription", data={"csrf": csrf_in(page.text), "fournisseur": "franceconnect"})

    done = comes_back(client, leaving, "fc-autre")

    assert done.headers["Location"].startswith("/inscription/recapitulatif?preuve=autre&sortie=")
    assert "n'est pas celle que vous avez saisie" in client.get("/inscription/recapitulatif?preuve=autre").text
    assert preuves(known) == []


def test_a_name_changed_after_the_proof_is_not_proved(known, client, recap):
    page = client.get("/inscription/recapitulatif")
    leaving = client.post("/amont/inscription", data={"csrf": csrf_in(page.text), "fournisseur": "franceconnect"})
    comes_back(client, leaving, "fc-claire")
    assert "Identité confirmée par FranceConnect" in client.get("/inscription/recapitulatif").text

    recap.send("identite", nom="Martin", email="claire@gmail.com", email2="claire@gmail.com")

    assert "Identité confirmée" not in client.get("/inscription/recapitulatif").text


def test_a_proof_of_an_inscription_needs_one(known, client):
    client.get("/inscription")
    page = client.get("/inscription").text

    assert client.post("/amont/inscription", data={"csrf": csrf_in(page), "fournisseur": "proconnect"}).status_code == 404
    assert client.post("/amont/inscription", data={"fournisseur": "proconnect"}).status_code == 403
    assert client.get("/amont/inscription").status_code == 303
    assert client.get("/amont/connexion").headers["Location"] == "/connexion"
    assert client.get("/amont/connexion?arrivee=inconnue").status_code == 400


# -------------------------------------------------------------------------------------------------------------- Mon compte


@pytest.fixture
def person(known: Any) -> Declarant:
    return un_declarant(known, nom="Lefèvre", prenom="Claire", email="claire@exemple.fr")


@pytest.fixture
def inside(known: Any, client: Any, person: Declarant) -> Any:
    se_connecter(client)
    return client


def send(client: Any, **form: str) -> Any:
    return client.post("/compte/preuves", data={"csrf": csrf_in(client.get("/compte/preuves").text), **form})


def prove(client: Any, code: str = "proconnect", account: str = "pc-claire") -> Any:
    return comes_back(client, send(client, fournisseur=code), account)


def test_an_account_is_proved_told_shown_and_taken_away(known, inside, person):
    done = prove(inside)

    assert done.headers["Location"].startswith("/compte/preuves?fait=faite&sortie=")
    shown = inside.get(done.headers["Location"]).text
    leaving = unescape(re.search(r'href="(/amont/quitter[^"]*)"', shown)[1])
    assert "/session/end?id_token_hint=" in inside.get(leaving).headers["Location"]
    assert inside.get(leaving).status_code == 400
    assert inside.get("/amont/quitter").status_code == 400
    assert "Confirmée" in shown
    (proof,) = preuves(known)
    assert send(inside, retirer=str(proof.id)).headers["Location"] == "/compte/preuves?fait=retiree"
    assert preuves(known) == []
    with known.app_context():
        subjects = list(db.session.scalars(select(Mail.subject).filter_by(recipient="claire@exemple.fr").order_by(Mail.id)))
        assert subjects[-2:] == ["ProConnect a confirmé votre identité", "La preuve de ProConnect est retirée de votre compte"]
        assert facts("PreuveRemoved")[-1] == {"fournisseur": "proconnect"}


def test_the_proof_of_somebody_else_is_refused_and_said(known, inside):
    done = prove(inside, "franceconnect", "fc-autre")

    assert done.headers["Location"].startswith("/compte/preuves?fait=autre&")
    assert preuves(known) == []
    with known.app_context():
        assert facts("PreuveRefused")[-1] == {"fournisseur": "franceconnect"}


def test_proofs_of_others_are_nobody_elses(known, inside):
    prove(inside)
    (proof,) = preuves(known)
    un_declarant(known, nom="Martin", prenom="Paul")
    other = type(inside)(inside.application, ISSUER)
    se_connecter(other, nom="Martin", prenom="Paul")

    for act in ("retirer", "relier", "delier"):
        assert send(other, **{act: str(proof.id)}).status_code == 404
    assert inside.post("/compte/preuves", data={"retirer": str(proof.id)}).status_code == 403


def test_an_account_is_linked_once_and_signs_its_owner_in(known, inside, new_client):
    """Never a second account: the same sign-in as with the password, and what was linked elsewhere is not linked here."""
    prove(inside)
    (proof,) = preuves(known)
    assert send(inside, relier=str(proof.id)).headers["Location"] == "/compte/preuves?fait=reliee"
    other = new_client()
    page = other.get("/connexion").text
    assert "Se connecter avec ProConnect" in page

    done = comes_back(other, other.get("/amont/connexion/proconnect"), "pc-claire")

    assert done.status_code == 303
    assert "Claire Lefèvre" in other.get("/compte").text
    with known.app_context():
        assert facts("ConnexionOpened")[-1]["amr"] == "fed"
        assert facts("ConnexionOpened")[-1]["acr"] == "eidas1"
        assert db.session.query(Declarant).count() == 1
    assert send(other, relier=str(proof.id)).headers["Location"].startswith("/connexion?demande=")
    assert send(inside, delier=str(proof.id)).headers["Location"] == "/compte/preuves?fait=deliee"


@pytest.fixture
def linked(known: Any, inside: Any) -> None:
    """Claire's accounts at both providers sign her in."""
    prove(inside)
    prove(inside, "franceconnect", "fc-claire")
    for proof in preuves(known):
        assert send(inside, relier=str(proof.id)).headers["Location"] == "/compte/preuves?fait=reliee"


@pytest.mark.parametrize("code", ["proconnect", "franceconnect"])
def test_C11_a_session_elsewhere_is_no_sign_in(linked, new_client, code):
    """Partners ask MAG for a fresh sign-in, or for its age: at a provider too, the person signs in, whatever session they have there."""
    address = new_client().get(f"/amont/connexion/{code}").headers["Location"]

    assert dict(parse_qsl(urlsplit(address).query))["prompt"] == "login"


def test_a_provider_that_a_partner_names_comes_first(known, wsgi_app, new_client):
    """`idp_hint`: before the form, and once; the others stay below."""
    other = new_client()
    mire = other.get(register(wsgi_app).ask(other, idp_hint="franceconnect").headers["Location"]).text

    places = [mire.index(one) for one in ("/amont/connexion/franceconnect", 'id="identification"', "/amont/connexion/proconnect")]
    assert places == sorted(places)
    assert mire.count("/amont/connexion/") == 2


def test_C45_what_only_the_owner_knows_is_asked_of_whoever_came_from_elsewhere(linked, new_client):
    """An address is changed by whoever typed the password here; the page where it is typed offers no other way."""
    other = new_client()
    comes_back(other, other.get("/amont/connexion/proconnect"), "pc-claire")

    leaving = other.get("/compte/adresse")

    assert leaving.headers["Location"].startswith("/connexion?demande=")
    assert "/amont/connexion/" not in other.get(leaving.headers["Location"]).text


@pytest.fixture
def by_proconnect(linked: Any, new_client: Any) -> Any:
    """A browser where Claire came through ProConnect just now."""
    other = new_client()
    comes_back(other, other.get("/amont/connexion/proconnect"), "pc-claire")
    return other


def test_C45_who_came_from_elsewhere_enrols_no_first_second_factor(by_proconnect):
    """A factor set up by whoever holds the account elsewhere alone would open the page of the address, and all the others."""
    asked = re.search(r"demande=([^&]+)", by_proconnect.get("/compte/adresse").headers["Location"])[1]

    raising = by_proconnect.get(f"/connexion/second-facteur?demande={asked}")

    assert raising.headers["Location"] == f"/connexion?demande={asked}&saisie=1"
    mire = by_proconnect.get(raising.headers["Location"]).text
    assert "saisissez votre mot de passe de MAG" in mire
    assert "/amont/connexion/" not in mire
    assert 'action="/connexion?saisie=1"' in mire, "and again after a slip"
    se_connecter(by_proconnect, demande=asked)
    assert by_proconnect.get(f"/connexion/second-facteur?demande={asked}").headers["Location"].startswith("/connexion/protection?entree=")


def test_C45_a_policy_leads_who_came_from_elsewhere_to_the_password_first(known, linked, new_client):
    exiger(known, "tous", "--delai", "0")
    other = new_client()

    back = comes_back(other, other.get("/amont/connexion/proconnect"), "pc-claire")

    assert back.headers["Location"] == "/connexion?saisie=1"
    assert other.get("/compte").headers["Location"].startswith("/connexion"), "no session was opened"
    assert se_connecter(other).headers["Location"].startswith("/connexion/protection?entree=")


def test_C45_who_came_from_elsewhere_says_no_factor_lost(known, linked, new_client, person):
    with known.app_context():
        db.session.get(Declarant, person.id).second_factor = True
        db.session.commit()
    other = new_client()
    factor = comes_back(other, other.get("/amont/connexion/proconnect"), "pc-claire").headers["Location"]
    word = re.search(r"entree=([^&]+)", factor)[1]
    form = {"csrf": csrf_in(other.get(factor).text), "entree": word, "confirmer": "oui"}

    assert other.post("/connexion/second-facteur/perdu", data=form).headers["Location"] == "/connexion?saisie=1"


def test_C45_who_came_from_elsewhere_links_no_account_of_a_partner(by_proconnect, wsgi_app):
    portail = un_portail(partial(register, wsgi_app))
    begun = by_proconnect.get("/rattachement", query_string={"request": asked_to_link(portail)}).headers["Location"]
    comes_back(by_proconnect, by_proconnect.get("/amont/connexion/proconnect"), "pc-claire")

    leaving = by_proconnect.get(begun).headers["Location"]

    assert re.fullmatch(r"/connexion\?demande=[^&]+&saisie=1", leaving)
    se_connecter(by_proconnect, demande=re.search(r"demande=([^&]+)", leaving)[1])
    assert by_proconnect.get(begun).status_code == 200


def test_C45_who_came_from_elsewhere_is_no_second_identity(known, linked, new_client):
    un_declarant(known, siret="73282932000082", nom="Lefèvre", prenom="Claire")
    other = new_client()
    se_connecter(other, siret="73282932000082")
    begun = other.post("/compte/identites/relier", data={"csrf": csrf_in(other.get("/compte/identites").text)}).headers["Location"]
    back = comes_back(other, other.get("/amont/connexion/proconnect?" + urlsplit(begun).query.partition("&")[0]), "pc-claire")
    page = other.get(back.headers["Location"])

    assert (page.status_code, "M400501" in page.text) == (409, True)


def test_one_account_elsewhere_signs_one_identity_in(known, inside, new_client):
    """The same person, at two establishments: linked to one of them, it is not linked to the other."""
    other = new_client()
    un_declarant(known, siret="73282932000082", nom="Lefèvre", prenom="Claire")
    se_connecter(other, siret="73282932000082")
    prove(inside)
    prove(other)
    first, second = preuves(known)

    assert send(inside, relier=str(first.id)).headers["Location"] == "/compte/preuves?fait=reliee"
    assert send(other, relier=str(second.id)).headers["Location"] == "/compte/preuves?fait=prise"
    assert [one.connexion_at is not None for one in preuves(known)] == [True, False]


def test_an_account_that_is_not_linked_opens_nothing(known, inside, new_client):
    prove(inside)
    stranger = new_client()

    done = comes_back(stranger, stranger.get("/amont/connexion/proconnect"), "pc-claire")

    assert done.status_code == 403
    assert "M600214" in done.text
    assert stranger.get("/compte").status_code == 303


def test_a_sign_in_elsewhere_older_than_a_session_may_be_opens_none(linked, new_client, monkeypatch):
    take, other = relying.take, new_client()

    def old(*given, **more):
        return replace(take(*given, **more), auth_time=int(datetime.now(UTC).timestamp()) - 10**6)

    monkeypatch.setattr(relying, "take", old)

    done = comes_back(other, other.get("/amont/connexion/proconnect"), "pc-claire")

    assert (done.status_code, "M600209" in done.text) == (403, True)
    assert other.get("/compte").status_code == 303


def test_a_suspended_person_does_not_enter_by_that_way(known, inside, new_client, person):
    prove(inside)
    (proof,) = preuves(known)
    send(inside, relier=str(proof.id))
    with known.app_context():
        db.session.get(Declarant, person.id).statut = Statut.SUSPENDU
        db.session.commit()
    stranger = new_client()

    assert comes_back(stranger, stranger.get("/amont/connexion/proconnect"), "pc-claire").status_code == 403


def test_an_ended_proof_says_so_and_is_purged(known, inside):
    prove(inside)
    now = datetime.now(UTC)
    with known.app_context():
        proof = db.session.scalars(select(Preuve)).one()
        proof.expires_at = now - timedelta(days=1)
        db.session.commit()
    assert "Preuve échue" in re.sub(r"\s+", " ", inside.get("/compte/preuves").text)
    with known.app_context():
        assert Preuve.purge(now) == 0
        assert Preuve.purge(now + timedelta(days=40)) == 1


def test_too_many_departures_from_one_network_wait(known, inside):
    page = csrf_in(inside.get("/compte/preuves").text)
    codes = {inside.post("/compte/preuves", data={"csrf": page, "fournisseur": "inconnu"}).status_code for _ in range(31)}

    assert codes == {404, 429}


# ------------------------------------------------------------------------------------------------------------- déconnexion


def through(client: Any, person: Person, page: Any) -> Any:
    """The page that leads to the provider, the provider's own question, and back to MAG."""
    assert (page.status_code, "Votre session MAG est fermée" in page.text) == (200, True)
    address = unescape(re.search(r'id="retour"[^>]*href="([^"]*)"', page.text)[1])
    asked = person.follow(address, ISSUER)
    form = re.search(r'<form[^>]*action="([^"]*)"', asked.text)[1]
    secret = re.search(r'name="xsrf" value="([^"]*)"', asked.text)[1]
    done = person.request("POST", form, data={"xsrf": secret, "logout": "yes"})
    back = urlsplit(done.headers["Location"])
    assert f"{back.scheme}://{back.netloc}{back.path}" == f"{ISSUER}/amont/sortie"
    assert client.get(f"/amont/sortie?{back.query}").status_code == 303
    return back.query


def signs_out(client: Any) -> Any:
    """By the button of the home page: the page that follows."""
    form = client.get("/").text.partition('action="/deconnexion"')[2]
    return client.get(client.post("/deconnexion", data={"csrf": csrf_in(form)}).headers["Location"])


def leaves_with(client: Any, code: str, account: str) -> Person:
    """Proves, in a browser that stays signed in at the provider."""
    leaving = send(client, fournisseur=code)
    person = Person()
    answer = person.answers(leaving.headers["Location"], account)
    client.get(client.get("/amont/retour", query_string=answer).headers["Location"])
    return person


@pytest.mark.parametrize(("code", "account"), [("proconnect", "pc-claire"), ("franceconnect", "fc-claire")])
def test_signing_out_of_mag_ends_the_session_of_the_provider(known, inside, new_client, code, account):
    person = leaves_with(inside, code, account)

    page = signs_out(inside)

    assert inside.get("/compte").status_code == 303, "signed out here, whatever the provider does"
    query = through(inside, person, page)

    assert "Votre session est fermée" in inside.get("/deconnexion").text, "once: the page of the end, this time"
    assert inside.get(f"/amont/sortie?{query}").headers["Location"] == "/", "a state serves once"
    again = person.follow(unescape(re.search(r'id="retour"[^>]*href="([^"]*)"', page.text)[1]), ISSUER)
    assert "Location" in again.headers or "logout" in again.text


def test_a_sign_in_by_the_provider_ends_there_too_and_the_end_is_of_one_browser(known, inside, new_client):
    prove(inside)
    send(inside, relier=str(preuves(known)[0].id))
    other, stranger, person = new_client(), new_client(), Person()
    answer = person.answers(other.get("/amont/connexion/proconnect").headers["Location"], "pc-claire")
    other.get(other.get("/amont/retour", query_string=answer).headers["Location"])
    question = other.get("/session/end?state=etat")
    page = other.post("/session/end/confirmation", data={"csrf": csrf_in(question.text), "reponse": "oui", "state": "etat"})

    assert "Déconnexion de ProConnect" in page.text
    assert 'href="/session/end/fin?depart=' in page.text
    assert other.get("/compte").status_code == 303
    state = re.search(r"state=([\w-]+)", page.text)[1]
    assert stranger.get(f"/amont/sortie?state={state}").headers["Location"] == "/"
    assert "Votre session est fermée" in stranger.get("/deconnexion").text
    with known.app_context():
        kept = list(db.session.scalars(text("select value from ephemeres where name like 'amont_sortie%'")))
        assert len(kept) == 1, "of the other browser, which proved somebody"
        assert "eyJ" not in kept[0], "no ID token in clear"


def test_C67_a_plain_link_to_the_end_of_a_sign_out_ends_nothing(known, inside, wsgi_app):
    """Any site may send a person there: who is signed in stays so, here and at the provider, and leaves later as usual."""
    prove(inside)
    before = inside.get_cookie(COOKIE, domain="mag.test").value
    portal = register(wsgi_app, post_logout_redirect_uris=["https://portail.test/fini"])
    back = {"client_id": portal.client_id, "post_logout_redirect_uri": "https://portail.test/fini"}

    assert inside.get("/session/end/fin").headers["Location"] == "/"
    assert inside.get("/session/end/fin", query_string=back).headers["Location"] == "https://portail.test/fini"

    assert inside.get_cookie(COOKIE, domain="mag.test").value == before
    assert inside.get("/compte").status_code == 200
    assert "Déconnexion de ProConnect" in signs_out(inside).text


def test_a_provider_cut_off_since_ends_nothing_and_asks_nothing(known, inside):
    prove(inside)
    with known.app_context():
        fournisseurs.cut(Fournisseur.named("proconnect"), datetime.now(UTC))
        db.session.commit()

    assert "Votre session est fermée" in signs_out(inside).text
