"""A SCIM client of other authors: scim2-client, which checks each answer against the schemas it discovered, and scim2-tester."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
import requests
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_models import Error, MutabilityException, Resource, SearchRequest
from scim2_tester import Status, check_server

from idp.database import db
from idp.declarants.statuts import Role
from partners.scim import accords
from tests import factories
from tests.interop.conftest import secret_of
from tests.protocol.provisioning import CORE, EXTENSION, PATCH, SIRET, known_company

pytestmark = pytest.mark.interop
ALLOWED = {"redirect_uris": [], "grant_types": ["client_credentials"], "scope": "scim"}


def entrusted(doors: Any) -> None:
    """The person's company lets the partner manage its people."""
    db.session.commit()
    giver = factories.un_administrateur(doors.flask, nom="Martin", prenom="Odile", email="odile@exemple.fr")
    known_company(doors.flask)
    doors.mag.versions.refresh()
    accords.confier(doors.mag.registry.every(), giver, "etranger", datetime.now(UTC), issuer=doors.mag.settings.issuer)
    assert giver.role is Role.ADMINISTRATEUR_DECLARANT


@pytest.fixture(scope="module")
def issuer(serve: Callable[..., str]) -> str:
    return serve("sqlite", {"paie": ALLOWED}, more=entrusted)


@pytest.fixture
def scim(issuer: str) -> Iterator[SyncSCIMClient]:
    grant = {"grant_type": "client_credentials", "scope": "scim"}
    token = requests.post(f"{issuer}/token", data=grant, auth=("paie", secret_of("paie")), timeout=10).json()["access_token"]
    with httpx2.Client(base_url=f"{issuer}/scim/v2", headers={"Authorization": f"Bearer {token}"}, timeout=60) as http:
        client = SyncSCIMClient(http)
        client.discover()
        yield client


def test_its_tester_finds_nothing_to_say_of_discovery(scim: SyncSCIMClient) -> None:
    results = check_server(scim, include_tags={"discovery", "misc"})

    assert results
    assert [(one.title, one.reason) for one in results if one.status not in (Status.SUCCESS, Status.SKIPPED)] == []


def test_a_person_is_invited_found_renamed_by_the_partner_and_removed(scim: SyncSCIMClient) -> None:
    model = scim.provider.model_for("User")
    given = {
        "schemas": [CORE, EXTENSION],
        "name": {"familyName": "Petit", "givenName": "Jean"},
        "emails": [{"value": "jean@exemple.fr"}],
        EXTENSION: {"siret": SIRET},
    }

    made = scim.create(model, given)

    assert isinstance(made, Resource)
    assert (made.user_name, made.active) == (f"petit.jean@{SIRET}", False)
    found = scim.query(model, query_parameters=SearchRequest(filter='name.familyName eq "petit"', count=10))
    assert [one.id for one in found.resources] == [made.id]
    patch = {"schemas": [PATCH], "Operations": [{"op": "add", "path": "externalId", "value": "m7"}]}
    assert scim.modify(model, made.id, patch, check_request_payload=False).external_id == "m7"
    assert scim.search(search_request=SearchRequest(filter='externalId eq "m7"'), raise_scim_errors=False).status == 501
    assert scim.delete(model, made.id) is None
    gone = scim.query(model, made.id, raise_scim_errors=False)
    assert isinstance(gone, Error)
    assert gone.status == 404


def test_a_person_of_the_company_is_suspended_and_reinstated_by_a_replacement(scim: SyncSCIMClient) -> None:
    model = scim.provider.model_for("User")
    [anne] = scim.query(model, query_parameters=SearchRequest(filter='name.givenName eq "Anne"')).resources
    for active in (False, True):
        anne.active = active
        anne = scim.replace(anne)
        assert anne.active is active
    anne.emails[0].value = "autre@exemple.fr"

    with pytest.raises(MutabilityException):
        scim.replace(anne)
