"""A receipt that MAG signed is recognised by anybody it was given to; whatever is not one is told as such, and says nothing else."""

from datetime import UTC, datetime

import orjson
import pytest
from sqlalchemy import delete

from idp.authentication.recours.models import Recours
from idp.authentication.recours.voies import Etape, Voie
from idp.database import db
from idp.declarants.models import Declarant
from idp.declarants.parcours import recu
from idp.declarants.parcours.models import RecuInscription
from idp.keys import SigningKey
from tests.factories import csrf_in, se_connecter, un_declarant
from tests.parcours import PASSWORD, Parcours, link_in, mails, un_etablissement


@pytest.fixture
def jws(app, client):
    """Of an inscription that went to its end."""
    un_etablissement(app)
    parcours = Parcours(client)
    parcours.until("recapitulatif")
    assert parcours.confirm(link_in(mails(app)[-1])).status_code == 303
    return parcours.get("/inscription/recu.jws").text


def show(client, text="", **typed):
    data = {"csrf": csrf_in(client.get("/verifier").text), "recu": text, **typed}
    return client.post("/verifier", data=data)


def test_a_receipt_is_recognised_pasted_whole_or_folded(new_client, jws):
    stranger = new_client()
    folded = "\n".join(jws[i : i + 70] for i in range(0, len(jws), 70))

    for answer in (show(stranger, jws), show(stranger, f"  {folded}\n")):
        assert answer.status_code == 200
        assert "rendu est authentique" in answer.text
        assert "LES ATELIERS DU PONT" in answer.text


def forget_the_key(app):
    """Another key signs, and the one of the receipts is no longer published."""
    with app.app_context():
        old = app.extensions["mag"].keyring.published().signer("ES256").kid
        assert app.test_cli_runner().invoke(args=["cles", "tourner", "--urgence"]).exit_code == 0
        db.session.execute(delete(SigningKey).where(SigningKey.kid == old))
        db.session.commit()


def test_a_receipt_outlives_the_key_that_signed_it(app, new_client, jws):
    forget_the_key(app)

    answer = show(new_client(), jws)

    assert answer.status_code == 200
    assert "rendu est authentique" in answer.text
    assert show(new_client(), jws[:-6] + ("AAAAAA" if jws[-6:] != "AAAAAA" else "BBBBBB")).status_code == 422


def test_a_receipt_outlives_the_name_that_it_says(app, new_client, jws):
    """A namesake is inscribed as « Claire » and comes in as « Claire 2 »; somebody else bears « Claire »."""
    with app.app_context():
        assert db.session.query(Declarant).one().bear("Claire 2")
        db.session.commit()
    un_declarant(app, nom="Lefèvre", prenom="Claire")
    forget_the_key(app)

    assert "rendu est authentique" in show(new_client(), jws).text


@pytest.mark.parametrize(
    "forge",
    [
        pytest.param(lambda text: text[:-4], id="cut"),
        pytest.param(lambda text: text[:-6] + ("AAAAAA" if text[-6:] != "AAAAAA" else "BBBBBB"), id="altered"),
        pytest.param(lambda text: "eyJhbGciOiJub25lIn0" + text[text.index(".") :], id="unsigned"),
        pytest.param(lambda text: "", id="nothing"),
        pytest.param(lambda text: "é" * 20, id="accents"),
        pytest.param(lambda text: "x" * 20_000, id="huge"),
        pytest.param(lambda text: "a.b.c", id="nonsense"),
    ],
)
@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_what_is_no_receipt_is_refused_in_the_same_words(new_client, jws, forge):
    answer = show(new_client(), forge(jws))

    assert answer.status_code == 422
    assert "pas reconnu" in answer.text
    assert "PONT" not in answer.text


def test_another_statement_of_ours_is_no_receipt(app, new_client, jws):
    with app.app_context():
        signer = app.extensions["mag"].keyring.published().signer("ES256")
        [kept] = db.session.query(RecuInscription)
        others = [signer.sign(kept.claims, "at+jwt"), signer.sign({**kept.claims, "iss": "https://autre.test"}, recu.TYP)]

    assert [show(new_client(), one).status_code for one in others] == [422, 422]


def test_a_forged_form_verifies_nothing_and_a_network_is_counted(client, jws):
    assert client.post("/verifier", data={"recu": jws, "csrf": "faux"}).status_code == 403
    csrf = csrf_in(client.get("/verifier").text)
    answers = [client.post("/verifier", data={"recu": "x", "csrf": csrf}).status_code for _ in range(122)]
    assert (answers[0], answers[-1]) == (422, 429)


def test_the_export_holds_receipt_mails_and_recoveries(app, client, jws):
    with app.app_context():
        person, now = db.session.query(Declarant).one(), datetime.now(UTC)
        one = Recours(declarant_id=person.id, siret=person.siret, voie=Voie.ASSISTANCE, etape=Etape.OUVERT, asked_at=now, expires_at=now)
        one.reason = "Téléphone perdu."
        db.session.add(one)
        db.session.commit()
    se_connecter(client, nom="Lefèvre", prenom="Claire", password=PASSWORD)
    page = client.get("/compte/donnees")
    document = orjson.loads(client.post("/compte/donnees", data={"csrf": csrf_in(page.text)}).data)

    assert document["compte_rendu_d_inscription"]["signe"] == jws
    assert {"objet", "adresse", "ecrit_le", "parti_le"} == set(document["courriers"][0])
    assert [(one["voie"], one["etape"]) for one in document["recours"]] == [("assistance", "ouvert")]
    assert document["acces"]["second_facteur_declare_perdu_le"] is None
    assert document["lettres"] == []
    text = orjson.dumps(document).decode()
    assert "password_hash" not in text
    assert "/inscription/confirmer/" not in text, "no link of a mail"
