"""A lost password, and the account of ProConnect or FranceConnect that proved its owner: twice, a day apart; what everybody else reads."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update

from idp.authentication.recours.models import Recours
from idp.authentication.recours.voies import PROVED_TRIES, Etape, Voie
from idp.config import Settings
from idp.database import db
from idp.declarants.compte.adresse import REVERT
from idp.declarants.models import Declarant
from idp.declarants.preuves.models import Preuve
from idp.declarants.statuts import Statut
from idp.notifications.models import Mail, OneTimeLink
from idp.oidc.backchannel.models import LogoutNotice
from partners.amont import fournisseurs
from partners.amont.models import Fournisseur
from tests import services
from tests.conftest import ISSUER, QUICK_HASH, SECRETS
from tests.factories import SIRET, csrf_in, se_connecter, un_administrateur, un_declarant
from tests.interop.amont import Person, Upstream, facts, running
from tests.interop.test_fournisseurs import SIGNED
from tests.interop.test_preuves import comes_back, prove
from tests.parcours import un_etablissement
from tests.protocol.relying import register
from tests.protocol.work import counted

pytestmark = [pytest.mark.interop, pytest.mark.parametrize("backend", ["sqlite"], indirect=True)]
PAGE, AFTER = "/connexion/oubli/fournisseur", "/connexion/oubli/fournisseur/suite"
NEW = "trois renards dans la neige"
WHO = {"siret": SIRET, "nom": "LEFEVRE", "prenom": "claire"}


@pytest.fixture(scope="module")
def upstreams(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Upstream]]:
    made = [
        Upstream("proconnect", services.free_port(), client=SIGNED),
        Upstream("franceconnect", services.free_port(), client=SIGNED | {"subject_type": "pairwise"}),
    ]
    with running(made, packages, tmp_path_factory.mktemp("recours")):
        yield made


@pytest.fixture
def settings(backend: Any) -> Settings:
    return Settings(issuer=ISSUER, secrets=SECRETS, database_url=backend.database_url, outgoing_hosts=("127.0.0.1",), **QUICK_HASH)


@pytest.fixture
def known(app: Any, upstreams: list[Upstream]) -> Any:
    un_etablissement(app)
    with app.app_context():
        for upstream in upstreams:
            upstream.declare(app)
    return app


@pytest.fixture
def proved(known: Any, new_client: Any) -> Declarant:
    """Claire, whom ProConnect proved once; she is signed in at home."""
    person = un_declarant(known, nom="Lefèvre", prenom="Claire", email="claire@exemple.fr")
    home = new_client()
    se_connecter(home)
    prove(home)
    return person


def leaves(client: Any, code: str = "proconnect", **typed: str) -> Any:
    page = client.get(PAGE)
    return client.post(PAGE, data={"csrf": csrf_in(page.text), "fournisseur": code} | WHO | typed)


def passes(client: Any, account: str = "pc-claire", code: str = "proconnect", **typed: str) -> Any:
    """To the provider and back: where MAG then leads."""
    return comes_back(client, leaves(client, code, **typed), account)


def later(app: Any, hours: int) -> None:
    """As if what is under way had begun that long before."""
    gone = timedelta(hours=hours)
    with app.app_context():
        for one in db.session.scalars(select(Recours)):
            one.asked_at, one.ready_at, one.expires_at = one.asked_at - gone, one.ready_at - gone, one.expires_at - gone
        for person in db.session.scalars(select(Declarant)):
            person.password_changed_at -= gone
        db.session.commit()


def told(app: Any, kind: str) -> list[Mail]:
    with app.app_context():
        found = list(db.session.scalars(select(Mail).where(Mail.kind == kind, Mail.recipient != "").order_by(Mail.id)))
        db.session.expunge_all()
        return found


def stop_link(mail: Mail) -> str:
    return re.search(r"https://mag\.test(/connexion/oubli/arreter/\S+)", mail.body or "")[1]


def steps(app: Any) -> list[Etape]:
    with app.app_context():
        return list(db.session.scalars(select(Recours.etape).where(Recours.declarant_id.is_not(None)).order_by(Recours.id)))


# ---------------------------------------------------------------------------------------------------------------- the owner


def test_the_account_that_proved_somebody_gives_a_new_password_after_two_proofs_a_day_apart(known, proved, new_client):
    client = new_client()
    assert f'href="{PAGE}"' in client.get("/connexion/oubli").text
    assert "form-action 'self' http://127.0.0.1:" in client.get(PAGE).headers["Content-Security-Policy"]

    first = passes(client)

    assert first.headers["Location"].startswith(f"{AFTER}?sortie=")
    assert "Revenez dans vingt-quatre heures" in client.get(first.headers["Location"]).text
    (mail,) = told(known, "recours_fournisseur")
    assert (mail.recipient, mail.subject) == ("claire@exemple.fr", "Un nouveau mot de passe a été demandé avec ProConnect")
    later(known, 23)
    assert passes(client).headers["Location"].startswith(f"{AFTER}?"), "a day is a day, and asking again adds nothing"
    assert len(told(known, "recours_fournisseur")) == 1
    later(known, 2)
    second = passes(client)
    form = client.get(second.headers["Location"])
    assert "Un second facteur reste demandé" in form.text
    done = client.post(second.headers["Location"], data={"csrf": csrf_in(form.text), "nouveau": NEW, "confirmation": NEW})

    assert done.headers["Location"] == "/connexion/oubli/fait"
    assert client.get(second.headers["Location"]).status_code == 404
    assert steps(known) == [Etape.FINI]
    (ended,) = told(known, "mot_de_passe_recouvre")
    assert "en prouvant votre identité deux fois, à un jour d'écart" in ended.body
    with known.app_context():
        assert facts("PasswordRecovered") == [{"voie": "fournisseur", "assurance": "moyenne", "new_address": False}]
        assert facts("RecoveryAgreed")[-1]["by_what"] == "proconnect"
    se_connecter(new_client(), password=NEW)
    assert passes(client).headers["Location"].startswith(f"{AFTER}?"), "what was done is done: another one begins anew"


def test_the_second_factor_is_still_asked_and_the_other_administrators_are_told(known, new_client):
    un_administrateur(known, nom="Chef", email="chef@exemple.fr")
    person = un_administrateur(known, nom="Lefèvre", prenom="Claire", email="claire@exemple.fr")
    home = new_client()
    se_connecter(home)
    prove(home)
    with known.app_context():
        db.session.execute(update(Declarant).where(Declarant.id == person.id).values(second_factor=True))
        db.session.commit()
    client = new_client()
    passes(client)
    later(known, 25)
    link = passes(client).headers["Location"]
    client.post(link, data={"csrf": csrf_in(client.get(link).text), "nouveau": NEW, "confirmation": NEW})

    assert [mail.recipient for mail in told(known, "recours_collegue")] == ["chef@exemple.fr"]
    page = client.get("/connexion")
    answer = client.post("/connexion", data={"csrf": csrf_in(page.text)} | WHO | {"password": NEW})
    assert answer.headers["Location"].startswith("/connexion/second-facteur?")


def test_every_address_known_is_told_and_one_click_stops_it_and_takes_the_proof_away(known, proved, new_client):
    with known.app_context():
        now = datetime.now(UTC)
        OneTimeLink.issue(REVERT, now, timedelta(hours=72), declarant_id=proved.id, address="avant@exemple.fr")
        db.session.commit()
    client = new_client()
    passes(client)
    mails = told(known, "recours_fournisseur")
    assert [mail.recipient for mail in mails] == ["claire@exemple.fr", "avant@exemple.fr"]
    later(known, 25)
    link = passes(client).headers["Location"]

    where = stop_link(mails[1])
    page = client.get(where)
    assert client.post(where, data={"csrf": csrf_in(page.text)}).headers["Location"] == "/connexion/oubli/arrete"

    assert client.get(link).status_code == 404, "the link in hand dies too"
    assert steps(known) == [Etape.ANNULE]
    with known.app_context():
        assert db.session.scalar(select(func.count()).select_from(Preuve)) == 0
        assert facts("PreuveRemoved") == [{"fournisseur": "proconnect"}]
    assert told(known, "preuve")[-1].subject == "La preuve de ProConnect est retirée de votre compte"
    assert passes(client).headers["Location"].startswith(f"{AFTER}?")
    assert len(told(known, "recours_fournisseur")) == 2, "nothing is left to begin with"


def test_a_request_that_is_too_old_or_older_than_the_password_begins_anew(known, proved, new_client):
    client = new_client()
    passes(client)
    later(known, 73)
    assert passes(client).headers["Location"].startswith(f"{AFTER}?")
    later(known, 25)
    with known.app_context():
        db.session.execute(update(Declarant).where(Declarant.id == proved.id).values(password_changed_at=datetime.now(UTC)))
        db.session.commit()

    assert passes(client).headers["Location"].startswith(f"{AFTER}?")
    assert len(told(known, "recours_fournisseur")) == 3


def test_a_password_chosen_meanwhile_begins_the_day_anew(known, proved, new_client):
    client = new_client()
    passes(client)
    later(known, 1)
    with known.app_context():
        db.session.execute(update(Declarant).where(Declarant.id == proved.id).values(password_changed_at=datetime.now(UTC)))
        db.session.commit()
    passes(client)
    assert len(told(known, "recours_fournisseur")) == 2
    later(known, 25)

    link = passes(client).headers["Location"]

    assert not link.startswith(AFTER)
    assert client.get(link).status_code == 200
    assert len(told(known, "recours_fournisseur")) == 2


def test_one_stop_ends_what_that_way_opened_and_all_that_it_began(known, proved, wsgi_app, new_client):
    """Whoever holds the account elsewhere signed in through it, and asked at two providers."""
    home, other, client = new_client(), new_client(), new_client()
    se_connecter(home)
    prove(home, "franceconnect", "fc-claire")
    with known.app_context():
        for proof in db.session.scalars(select(Preuve)):
            proof.connexion_at = datetime.now(UTC)
        db.session.commit()
    comes_back(other, other.get("/amont/connexion/proconnect"), "pc-claire")
    portal = register(wsgi_app, backchannel_logout_uri="https://portail.test/sortie")
    portal.tokens(portal.redeem(portal.code(other)))
    assert other.get("/compte").status_code == 200
    passes(client)
    passes(client, "fc-claire", "franceconnect")
    where = stop_link(told(known, "recours_fournisseur")[0])

    client.post(where, data={"csrf": csrf_in(client.get(where).text)})

    assert [one.get("/compte").status_code for one in (other, home)] == [303, 303]
    assert steps(known) == [Etape.ANNULE, Etape.ANNULE]
    with known.app_context():
        assert [one.client_id for one in db.session.scalars(select(LogoutNotice))] == [portal.client_id]
        assert list(db.session.scalars(select(Preuve))) == []
        version = db.session.get(Declarant, proved.id).version
    again = stop_link(told(known, "recours_fournisseur")[1])
    client.post(again, data={"csrf": csrf_in(client.get(again).text)})
    with known.app_context():
        assert db.session.get(Declarant, proved.id).version == version, "what is stopped already closes nothing more"


# --------------------------------------------------------------------------------------------------------- everybody else


def ended(proof: Preuve) -> None:
    proof.expires_at = datetime.now(UTC) - timedelta(days=1)


def weak(proof: Preuve) -> None:
    proof.niveau = "eidas0"


def of_another_name(proof: Preuve) -> None:
    proof.identite_hash = "0" * 64


@pytest.mark.parametrize("change", [ended, weak, of_another_name])
def test_a_proof_that_no_longer_counts_leads_nowhere(known, proved, new_client, change):
    with known.app_context():
        change(db.session.scalars(select(Preuve)).one())
        db.session.commit()

    assert passes(new_client()).headers["Location"].startswith(f"{AFTER}?")
    assert told(known, "recours_fournisseur") == []


def test_a_way_in_that_was_linked_counts_as_long_as_it_is(known, proved, new_client):
    with known.app_context():
        proof = db.session.scalars(select(Preuve)).one()
        proof.expires_at, proof.connexion_at = datetime.now(UTC) - timedelta(days=1), datetime.now(UTC)
        db.session.commit()

    passes(new_client())
    assert len(told(known, "recours_fournisseur")) == 1


def test_C33_C34_what_strangers_read_and_cost_is_the_same_whoever_they_name(known, proved, new_client):
    """The owner of a proof, the same person at a provider that proved nothing, somebody else, nobody, somebody suspended."""
    un_declarant(known, nom="Suspendue", prenom="Claire", email="suspendue@exemple.fr", statut=Statut.SUSPENDU)
    cases: list[tuple[str, str, dict[str, str]]] = [
        ("pc-claire", "proconnect", {}),
        ("pc-claire", "proconnect", {}),
        ("fc-claire", "franceconnect", {}),
        ("fc-autre", "franceconnect", {}),
        ("fc-claire", "franceconnect", {"nom": "Suspendue"}),
        ("pc-claire", "proconnect", {"nom": "Personne"}),
        ("pc-claire", "proconnect", {"siret": "35600000000048"}),
    ]
    answers, works, trips = set(), set(), set()
    for n, (account, code, typed) in enumerate([cases[-1], *cases]):
        client = new_client()
        leaving = leaves(client, code, **typed)
        assert leaving.status_code == 303
        back = client.get("/amont/retour", query_string=Person().answers(leaving.headers["Location"], account))
        with counted(known) as work:
            answer = client.get(back.headers["Location"], environ_overrides={"REMOTE_ADDR": f"192.0.{n}.1"})
        shown = client.get(answer.headers["Location"]).text
        answers.add((answer.status_code, re.sub(r"mot=[^\"]*", "", shown)))
        if n:
            works.add(tuple(work.statements))
            trips.add(work.trips[0])

    assert len(answers) == 1
    assert len(works) == 1, "the same statements, in the same order"
    assert len(trips) == 1
    assert len(told(known, "recours_fournisseur")) == 1
    assert told(known, "mot_de_passe_recouvre") == []


def test_a_provider_that_may_not_serve_for_this_is_not_offered_nor_heard(known, proved, new_client):
    with known.app_context():
        for one in Fournisseur.every():
            one.reglages = one.reglages | {"usages": ["niveau", "connexion"]}
        db.session.commit()
    known.extensions["mag_offres"]._read_at = float("-inf")
    client = new_client()

    assert PAGE not in client.get("/connexion/oubli").text
    assert "Aucun service de l'État" in client.get(PAGE).text
    page = client.get("/connexion/oubli")
    assert client.post(PAGE, data={"csrf": csrf_in(page.text), "fournisseur": "proconnect"} | WHO).status_code == 404


def test_refusals_of_the_form(known, proved, new_client):
    client = new_client()

    assert client.post(PAGE, data={"fournisseur": "proconnect"} | WHO).status_code == 403
    wrong = leaves(client, siret="123")
    assert (wrong.status_code, 'role="alert"' in wrong.text) == (422, True)
    assert leaves(client, "inconnu").status_code == 404
    assert client.get(f"{PAGE}?arrivee=inconnue").status_code == 400
    with known.app_context():
        fournisseurs.cut(Fournisseur.named("proconnect"), datetime.now(UTC))
        db.session.commit()
    assert leaves(client).status_code == 404


def test_passages_of_one_account_are_counted_and_dropped_without_a_word(known, proved, new_client):
    client, known.extensions["mag_offres"]._read_at = new_client(), float("-inf")
    for _ in range(PROVED_TRIES):
        passes(client, nom="Personne")

    last = passes(client)

    assert last.headers["Location"].startswith(f"{AFTER}?")
    assert told(known, "recours_fournisseur") == []
    with known.app_context():
        assert db.session.scalar(select(func.count()).where(Recours.voie == Voie.FOURNISSEUR)) == PROVED_TRIES
