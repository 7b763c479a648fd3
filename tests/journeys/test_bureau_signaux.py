"""The desk's board of streams: what waits at whom, the last failure; send again, hold, start again, try."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from idp.audit.models import AuditEvent
from idp.config import Settings
from idp.database import db
from idp.declarants.models import DISABLED, AccountEvent, Declarant
from idp.oidc.reception.models import Emetteur
from idp.oidc.signals.models import Stream
from idp.support.models import Fonction
from tests.factories import un_declarant
from tests.journeys.operateurs import DESK, au_bureau, poster
from tests.protocol.emitter import RISC, SECEVENT, Emitter
from tests.protocol.receiver import receiving
from tests.protocol.relying import register, unverified_claims

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, desk_url=DESK, outgoing_hosts=("partenaire.localhost",))


@pytest.fixture
def receiver():
    with receiving() as found:
        yield found


@pytest.fixture
def stream(wsgi_app, receiver) -> str:
    """The stream of a partner that is away."""
    wsgi_app.mag.messenger.stop()
    register(wsgi_app, "portail", client_name="Portail des paies", scope="openid ssf.manage")
    receiver.statuses["/signaux"] = [503]
    command(wsgi_app, "ouvrir", "portail", receiver.address("/signaux"))
    with wsgi_app.flask.app_context():
        return str(db.session.scalar(db.select(Stream.id)))


def command(wsgi_app, *words: str) -> str:
    done = wsgi_app.flask.test_cli_runner().invoke(args=["signaux", *words])
    assert done.exit_code == 0, done.output
    return str(done.output)


def test_the_board_says_what_waits_and_why_and_each_act_does_what_it_says(wsgi_app, receiver, stream):
    desk = au_bureau(wsgi_app)
    here = f"/signaux/{stream}"
    assert "Portail des paies" in desk.get("/signaux").text
    assert "Rien n'attend" in desk.get("/signaux").text
    assert "Tout est remis." in desk.get(here).text

    assert poster(desk, here, f"{here}/essayer").status_code == 303
    command(wsgi_app, "envoyer")
    page = desk.get(here).text
    assert "1 en attente" in page
    assert "réponse 503" in page
    receiver.statuses["/signaux"] = [202]
    poster(desk, here, f"{here}/relancer")
    command(wsgi_app, "envoyer")
    assert "1 remis" in desk.get(here).text
    assert "verification" in next(iter(unverified_claims(receiver.at("/signaux")[-1]["body"])["events"]))

    poster(desk, here, f"{here}/suspendre")
    assert "En pause par le bureau" in desk.get(here).text
    poster(desk, here, f"{here}/essayer")
    command(wsgi_app, "envoyer")
    assert "1 en attente" in desk.get(here).text
    poster(desk, here, f"{here}/reprendre")
    command(wsgi_app, "envoyer")
    assert "0 en attente" in desk.get(here).text
    told = [unverified_claims(request["body"])["events"] for request in receiver.at("/signaux")]
    assert [event for events in told for name, event in events.items() if name.endswith("stream-updated")] == [
        {"status": "paused", "reason": "held by the transmitter"},
        {"status": "enabled"},
    ]
    with wsgi_app.flask.app_context():
        kept = db.session.scalars(db.select(AuditEvent).where(AuditEvent.kind == "SignalStreamChanged").order_by(AuditEvent.id))
        assert [(line.details["step"], line.actor) for line in kept] == [
            ("created", None),
            ("paused", "operateur:Aline Roux"),
            ("enabled", "operateur:Aline Roux"),
        ]


def test_what_an_operator_holds_the_partner_cannot_start(wsgi_app, stream, new_client):
    desk, here = au_bureau(wsgi_app), f"/signaux/{stream}"
    machine = register(wsgi_app, "portail", grant_types=["client_credentials"], scope="ssf.manage")
    token = machine.token(grant_type="client_credentials").json["access_token"]
    poster(desk, here, f"{here}/suspendre")
    asked = {"stream_id": stream, "status": "enabled"}
    answer = new_client().post("/ssf/v1/status", json=asked, headers={"Authorization": f"Bearer {token}"})

    assert (answer.status_code, answer.json["error"]) == (409, "stream_held")


def test_an_event_about_somebody_is_shown_by_number_alone(wsgi_app, receiver, stream):
    person = un_declarant(wsgi_app.flask)
    with wsgi_app.flask.app_context():
        AccountEvent.write(DISABLED, db.session.get(Declarant, person.id), datetime.now(UTC))
        db.session.commit()
    command(wsgi_app, "envoyer")
    page = au_bureau(wsgi_app).get(f"/signaux/{stream}").text

    assert person.nom not in page


def test_a_stream_that_is_no_more_is_nowhere(wsgi_app, stream):
    desk = au_bureau(wsgi_app)

    assert desk.get("/signaux/inconnu").status_code == 404
    for act in ("essayer", "relancer", "suspendre", "reprendre"):
        assert poster(desk, f"/signaux/{stream}", f"/signaux/inconnu/{act}").status_code == 404


# --------------------------------------------------------------------------------------------------------- who sends MAG some


@pytest.fixture
def emitter(wsgi_app, tmp_path) -> Emitter:
    """The transmitter of a partner, who knows nobody here yet."""
    wsgi_app.mag.messenger.stop()
    register(wsgi_app, "portail", client_name="Portail des paies")
    return Emitter(wsgi_app, tmp_path, "paie", "--nom", "La paie")


def test_the_desk_shows_what_came_and_changes_what_it_may_cause(wsgi_app, emitter, new_client):
    desk, here = au_bureau(wsgi_app), "/signaux/recus/paie"
    headers = {"Authorization": f"Bearer {emitter.secret}", "Content-Type": SECEVENT}
    for token in (emitter.token(RISC + "credential-compromise", emitter.about("personne")), "bonjour"):
        new_client().post("/ssf/v1/events/paie", data=token, headers=headers)
    assert "La paie" in desk.get("/signaux").text
    page = desk.get(here).text
    assert "Identifiants compromis" in page
    assert "personne inconnue de cet émetteur" in page
    assert "invalid_request: not a signed token" in page

    assert poster(desk, here, f"{here}/politique", **{"credential-compromise": "fermer"}).status_code == 303
    assert poster(desk, here, f"{here}/politique", **{"credential-compromise": "effacer"}).status_code >= 400
    assert poster(desk, here, f"{here}/politique", **{"account-enabled": "suspendre"}).status_code >= 400
    assert '<option value="fermer" selected>' in desk.get(here).text
    poster(desk, here, f"{here}/couper")
    assert "Coupé" in desk.get(here).text
    poster(desk, here, f"{here}/rouvrir")
    with wsgi_app.flask.app_context():
        Emetteur.named("paie").alerte_at = datetime.now(UTC)
        db.session.commit()
    assert "plafond atteint" in desk.get("/signaux").text
    assert "1 en attente" in desk.get("/").text
    poster(desk, here, f"{here}/vu")
    assert "Plafond atteint" not in desk.get(here).text
    with wsgi_app.flask.app_context():
        kept = db.session.scalars(db.select(AuditEvent).where(AuditEvent.kind == "EmetteurChanged").order_by(AuditEvent.id))
        assert [(line.details["step"], line.actor) for line in kept] == [
            ("added", "commande"),
            *[(step, "operateur:Aline Roux") for step in ("politique", "cut", "opened", "seen")],
        ]


def test_a_transmitter_is_for_security_alone_and_nowhere_once_it_is_gone(wsgi_app, emitter):
    desk, here = au_bureau(wsgi_app), "/signaux/recus/paie"
    other = au_bureau(wsgi_app, "Bruno Sel", fonctions=[Fonction.ASSISTANCE])
    assert other.get(here).status_code == 403
    assert desk.post(f"{here}/couper", data={"csrf": "faux"}).status_code == 403
    for act in ("politique", "couper", "rouvrir", "vu"):
        assert poster(desk, here, f"/signaux/recus/inconnu/{act}").status_code == 404
    emitter.command("retirer", "paie")

    assert desk.get(here).status_code == 404
