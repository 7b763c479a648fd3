"""Assertions made under an agreement (InterOPS-P): the profiles they say, the evidence they leave, what a body may ask about them."""

from datetime import UTC, datetime
from typing import Any

import pytest
from werkzeug.test import Client

from idp.database import db
from idp.habilitations.attribution import attribuer
from idp.habilitations.droits import Droit
from idp.habilitations.gesture import Gesture
from idp.habilitations.pagm import Possession, Reaction
from partners.conventions import accord
from partners.conventions.models import ConventionInscrite
from partners.declaration import DeclarationError
from partners.models import Partenaire
from tests.protocol.agreements import DECLARANT, agree, cease, yesterday
from tests.protocol.conftest import SIRET
from tests.saml import Posted, Site, answered, path_of, register

pytestmark = [pytest.mark.parametrize("backend", ["sqlite"], indirect=True), pytest.mark.usefixtures("services")]
NAME = "saml:site"
TERMS: dict[str, Any] = {"clients": frozenset({NAME}), "audiences": frozenset({NAME})}
READS = "interops:traces interops:suspicions"


@pytest.fixture
def site(wsgi_app: Any, un_declarant: int) -> Site:
    """It may say profiles; the person may declare, and not pay."""
    found = Site()
    register(wsgi_app, found, scope=["siret", "pagm"])
    with wsgi_app.flask.app_context():
        attribuer(Gesture(None, wsgi_app.mag.catalogue(), datetime.now(UTC)), un_declarant, int(SIRET), "dsn", [Droit.DECLARER])
        db.session.commit()
    return found


@pytest.fixture
def sent(site: Site, signed_in: Client) -> Any:
    """The response to one request more of the site."""
    return lambda: answered(signed_in, site.address(site.request()))


@pytest.fixture
def body(partner: Any, send: Any) -> Any:
    client = partner("lecteur", partenaire="essais", grant_types=["client_credentials"], redirect_uris=[], response_types=[], scope=READS)
    token = client.token("client_credentials", scope=READS).json["access_token"]
    return lambda path, **members: send(f"/interops/v1/{path}", json=members, token=token)


def vector(found: Posted) -> str:
    return str(found.find("saml:Assertion").get("ID"))


def test_an_assertion_says_the_profiles_of_the_agreement_that_the_person_holds(wsgi_app: Any, sent: Any) -> None:
    assert "pagm" not in sent().attributes, "no agreement yet"
    agree(wsgi_app, "essais-site", "essais", "essais", **TERMS)

    assert sent().attributes["pagm"] == [DECLARANT]


def test_a_site_without_the_scope_is_told_no_profile_and_evidence_is_kept_all_the_same(wsgi_app: Any, signed_in: Client, body: Any) -> None:
    register(wsgi_app, site := Site(), scope=["siret"])
    agree(wsgi_app, "essais-site", "essais", "essais", **TERMS)
    found = answered(signed_in, site.address(site.request()))

    assert "pagm" not in found.attributes
    assert body("traces", vecteur=vector(found), motif="Contrôle").json["verification_vi"]["convention"] == "essais-site"


@pytest.mark.parametrize("terms", [{"au": yesterday()}, None], ids=["over", "ceased"])
def test_an_agreement_that_ended_opens_its_site_no_more(wsgi_app: Any, site: Site, sent: Any, terms: dict[str, Any] | None) -> None:
    agree(wsgi_app, "essais-site", "essais", "essais", **TERMS | (terms or {}))
    if terms is None:
        cease(wsgi_app, "essais-site")
    found = sent()

    assert found.statuses == ["Responder", "RequestDenied"]
    assert found.root.find("saml:Assertion", {"saml": "urn:oasis:names:tc:SAML:2.0:assertion"}) is None


def test_a_body_reads_the_evidence_of_an_assertion_by_its_name(wsgi_app: Any, site: Site, sent: Any, body: Any) -> None:
    agree(wsgi_app, "essais-site", "essais", "essais", **TERMS)
    found = sent()
    told = body("traces", vecteur=vector(found), motif="Réclamation 7").json

    assert told["verification_vi"]["etat"] == "en_cours"
    (row,) = told["trace_applicative"]
    assert site.entity_id in row["contenu"]
    assert DECLARANT in row["contenu"]
    assert found.text(".//saml:NameID") in row["contenu"]
    assert body("traces", vecteur="vi-" + "A" * 40, motif="x").status_code == 404


def test_a_suspicious_assertion_ends_the_sessions_of_whom_it_was_about(
    wsgi_app: Any, site: Site, sent: Any, body: Any, signed_in: Client
) -> None:
    agree(wsgi_app, "essais-site", "essais", "essais", **TERMS, suspicion=Reaction.FERMER)
    found = sent()
    assert body("suspicions", vecteur=vector(found), motif="usurpation").json["reaction"] == "fermer"

    again = signed_in.get(path_of(site.address(site.request())))
    assert again.headers["Location"].startswith("/connexion?demande=")


def test_an_agreement_names_service_providers_that_exist_and_asks_no_key_of_them(wsgi_app: Any, site: Site) -> None:
    def reasons(**terms: Any) -> str:
        with pytest.raises(DeclarationError) as refused:
            agree(wsgi_app, "essais-site", "essais", "essais", **TERMS | terms)
        return refused.value.public

    assert "aucune clé" in reasons(possession=Possession.DPOP)
    assert "n'est pas un client du partenaire" in reasons(clients=frozenset({"saml:absent"}))
    assert "n'est ni une adresse, ni un client" in reasons(audiences=frozenset({"saml:absent"}))


def test_operators_are_told_what_an_agreement_of_saml_lacks(wsgi_app: Any, un_declarant: int) -> None:
    register(wsgi_app, Site(), scope=["siret"])
    agree(wsgi_app, "essais-site", "essais", "essais", **TERMS | {"audiences": frozenset({"https://ailleurs.test"})})
    with wsgi_app.flask.app_context():
        assert Partenaire.with_code("essais")
        said = "\n".join(accord.warnings(ConventionInscrite.every(), datetime.now(UTC).date()))

    assert "n'a pas la portée « pagm »" in said
    assert "n'est pas parmi les audiences" in said
