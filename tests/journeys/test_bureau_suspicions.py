"""The desk's pages of suspicious behaviours: the list and its filters, one with its evidence, its end with a reason; refusals."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from idp.audit.models import AuditEvent
from idp.audit.traces import chainage
from idp.config import Settings
from idp.database import db
from idp.support.models import Fonction
from partners.models import Partenaire
from partners.onboarding import register_partenaire
from partners.suspicions.models import EMISE, RECUE, ComportementSuspect
from tests.factories import csrf_in, un_declarant
from tests.journeys.operateurs import DESK, au_bureau, poster

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
CONCLUSION = "Poste changé, clé retirée par l'organisme."


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, desk_url=DESK)


def declarer(wsgi_app, count: int = 1, **changes) -> list[str]:
    """Declarations by and to the body « Caisse de paie », the oldest first, about a token that has its evidence."""
    now = datetime.now(UTC)
    given = {
        **{"sens": RECUE, "convention": "paie-dsn", "vecteur": "ab" * 32, "motif": "volume_anormal", "description": "3 000 appels"},
        **{"declared_by": "paie-traces", "reaction": "noter"},
        **changes,
    }
    with wsgi_app.flask.app_context():
        partenaire = Partenaire.with_code("paie") or register_partenaire("paie", "Caisse de paie", None, now)
        db.session.flush()
        rows = [
            ComportementSuspect(
                id=f"{given['convention']}-{given['sens']}-{n:03d}",
                partenaire_id=partenaire.id,
                declared_at=now + timedelta(seconds=n),
                **given,
            )
            for n in range(count)
        ]
        db.session.add_all(rows)
        names = [row.id for row in rows]
        db.session.commit()
    mag = wsgi_app.mag
    if not chainage.of_vector(mag.connections, given["vecteur"]):
        with mag.connections.transaction():
            chainage.append(mag.connections, given["convention"], chainage.EMISSION, given["vecteur"], {"aud": "https://dsn.test"}, now)
    return names


@pytest.fixture
def journal(wsgi_app):
    """`journal(kind)`: the details of each fact of this kind, with whom it is about."""

    def lines(kind: str) -> list[dict]:
        with wsgi_app.flask.app_context():
            kept = db.session.scalars(db.select(AuditEvent).where(AuditEvent.kind == kind).order_by(AuditEvent.id))
            return [{**line.details, "declarant_id": line.declarant_id} for line in kept]

    return lines


def test_the_list_is_empty_then_filtered_then_goes_on(wsgi_app):
    desk = au_bureau(wsgi_app)
    assert "Aucune déclaration n'est à traiter" in desk.get("/suspicions").text
    declarer(wsgi_app, 26)
    declarer(wsgi_app, 1, sens=EMISE, convention="banque", motif="autre", reaction="aucune")
    first = desk.get("/suspicions").text
    assert "27 déclarations sont à traiter" in first
    assert first.count('class="person"') == 25
    following = first.split('href="/suspicions?')[1].split('"')[0].replace("&amp;", "&")
    assert desk.get(f"/suspicions?{following}").text.count('class="person"') == 2
    only = desk.get("/suspicions?sens=emise").text
    assert only.count('class="person"') == 1
    assert "Dit à Caisse de paie" in only
    assert "à transmettre" in only.replace("\u00a0", " ")
    assert desk.get("/suspicions?convention=banque&motif=autre").text.count('class="person"') == 1
    assert "Aucune déclaration ne correspond" in desk.get("/suspicions?etat=closes").text
    assert desk.get("/suspicions?sens=ailleurs&motif=x&convention=x&etat=x&apres=x").text.count('class="person"') == 25


def test_one_shows_its_evidence_and_is_closed_once_with_a_reason(wsgi_app, journal):
    person = un_declarant(wsgi_app.flask)
    desk = au_bureau(wsgi_app)
    (name,) = declarer(wsgi_app, declarant_id=person.id, reference="S-1")
    (told,) = declarer(wsgi_app, sens=EMISE, reaction="aucune")
    here = f"/suspicions/{name}"
    page = desk.get(here).text
    for said in (
        "Volume d'appels anormal",
        "3 000 appels",
        "S-1",
        person.full_name,
        "https://dsn.test",
        "Jeton délivré",
        f"/suspicions/{told}",
    ):
        assert said in page.replace("\u00a0", " ").replace("&#39;", "'"), said
    assert "Contenu changé" not in page
    assert [line["declarant_id"] for line in journal("PersonConsulted")] == [person.id]

    for refused in ("", "court", "x" * 1001):
        answer = poster(desk, here, f"{here}/clore", conclusion=refused)
        assert (answer.status_code, "M600811" in answer.text or "Écrivez la conclusion" in answer.text) == (422, True)
    assert desk.post(f"{here}/clore", data={"csrf": "faux", "conclusion": CONCLUSION}).status_code == 403
    csrf = csrf_in(page)
    assert desk.post(f"{here}/clore", data={"csrf": csrf, "conclusion": CONCLUSION}).status_code == 303
    twice = desk.post(f"{here}/clore", data={"csrf": csrf, "conclusion": "Une autre conclusion."})
    assert (twice.status_code, "M600812" in twice.text) == (409, True)
    closed = desk.get(here).text
    assert CONCLUSION.replace("'", "&#39;") in closed
    assert "Clore la déclaration" not in closed
    assert name in desk.get("/suspicions?etat=closes").text
    assert name not in desk.get("/suspicions").text
    assert [(line["comportement"], line["conclusion"]) for line in journal("SuspicionClosed")] == [(name, CONCLUSION)]


def test_evidence_that_was_changed_is_said_to_be(wsgi_app, monkeypatch):
    (name,) = declarer(wsgi_app)
    monkeypatch.setattr("partners.suspicions.bureau.views.empreinte", lambda ligne: "0" * 64)

    assert "Contenu changé" in au_bureau(wsgi_app).get(f"/suspicions/{name}").text


def test_they_are_the_security_operators_alone(wsgi_app, new_client):
    (name,) = declarer(wsgi_app)
    helper = au_bureau(wsgi_app, "Lea Brun", fonctions=[Fonction.ASSISTANCE])
    for path in ("/suspicions", f"/suspicions/{name}"):
        assert helper.get(path).status_code == 403
    assert helper.post(f"/suspicions/{name}/clore", data={"conclusion": CONCLUSION}).status_code == 403
    assert new_client().get("/suspicions").status_code == 404, "not a page of the public host"
    desk = au_bureau(wsgi_app)
    assert desk.get("/suspicions/inconnue").status_code == 404
    assert poster(desk, f"/suspicions/{name}", "/suspicions/inconnue/clore", conclusion=CONCLUSION).status_code == 404
