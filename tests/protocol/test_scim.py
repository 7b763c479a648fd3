"""SCIM 2.0: what a partner reads and does of the people of the companies that entrusted them to it. RFC 7643, 7644, 9865."""

import json
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from idp.database import db
from idp.declarants.equipe import gestion
from idp.declarants.equipe import invitation as invitations
from idp.declarants.equipe.models import Invitation
from idp.declarants.inscription import suspendre
from idp.declarants.models import AccountEvent, Declarant
from idp.declarants.statuts import By, Role, Statut
from idp.errors import StoreUnavailableError
from idp.notifications.models import Mail
from idp.oidc.backchannel.models import LogoutNotice
from partners import onboarding
from partners.models import Partenaire
from partners.scim.models import CompteScim, Delegation
from partners.scim.utilisateurs import Utilisateurs
from partners.terms import STANDARD_SCOPES
from tests.protocol.provisioning import (
    BRANCH,
    CORE,
    ELSEWHERE,
    EXTENSION,
    PATCH,
    SIRET,
    Api,
    entrust,
    known_company,
    take_back,
    un_logiciel,
    user,
)

ONLY_SQLITE = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
ACTIVE, SUSPEND = ({"op": "replace", "path": "active", "value": value} for value in (True, False))


@pytest.fixture
def people(wsgi_app, new_declarant):
    """An administrator at the head office, two people there, one at the branch, one of another company."""
    known_company(wsgi_app.flask)
    names = {
        "Odile": {"role": Role.ADMINISTRATEUR_DECLARANT, "email": "odile@exemple.fr"},
        "Anne": {"email": "anne@exemple.fr"},
        "Éric": {"email": "eric@exemple.fr"},
        "Rémi": {"siret": BRANCH, "email": "remi@exemple.fr"},
        "Zoé": {"siret": ELSEWHERE, "email": "zoe@exemple.fr"},
    }
    return {prenom: new_declarant(prenom=prenom, **contact) for prenom, contact in names.items()}


@pytest.fixture
def paie(partner):
    return un_logiciel(partner)


@pytest.fixture
def api(wsgi_app, paie, people):
    entrust(wsgi_app, "paie", people["Odile"])
    return Api(paie)


def refused(answer, status, scim_type=None):
    """RFC 7644 section 3.12."""
    assert (answer.status_code, answer.content_type) == (status, "application/scim+json")
    assert answer.json["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]
    assert answer.json["status"] == str(status)
    assert answer.json.get("scimType") == scim_type, answer.json
    return answer.json["detail"]


def row_of(app, declarant_id):
    with app.app_context():
        return db.session.get(Declarant, declarant_id)


def count(app, model, **where):
    with app.app_context():
        return db.session.scalar(db.select(db.func.count()).select_from(model).filter_by(**where))


# ------------------------------------------------------------------------------------------------------------------- who may


@ONLY_SQLITE
def test_7644_2_without_a_token_nobody_reads(paie):
    answer = paie.call("/scim/v2/Users", "GET")

    refused(answer, 401)
    assert "/.well-known/oauth-protected-resource/scim/v2" in answer.headers["WWW-Authenticate"]


@ONLY_SQLITE
def test_6750_3_1_a_token_without_the_scope_reads_nobody(partner, people):
    other = un_logiciel(partner, "autre", scope="openid acces:liens")
    token = other.token("client_credentials", scope="acces:liens").json["access_token"]

    refused(other.call("/scim/v2/Users", "GET", headers={"Authorization": f"Bearer {token}"}), 403)


@ONLY_SQLITE
def test_a_person_s_token_reads_nobody(paie, people, browser_of, code_flow):
    tokens = code_flow(paie, browser=browser_of(people["Odile"]), scope="openid")

    refused(paie.call("/scim/v2/Users", "GET", headers={"Authorization": f"Bearer {tokens.access_token}"}), 401)


def test_a_company_that_entrusted_nobody_does_not_exist(wsgi_app, paie, people, partner):
    api = Api(paie)
    assert api.list().json["totalResults"] == 0

    entrust(wsgi_app, "paie", people["Odile"])

    assert sorted(api.names()) == ["Anne", "Odile", "Rémi", "Éric"]
    other = un_logiciel(partner, "voisin")
    identifier = api.of("Anne")["id"]
    for method, body in (("GET", None), ("PUT", user()), ("PATCH", {"schemas": [PATCH], "Operations": [SUSPEND]}), ("DELETE", None)):
        refused(Api(other)(method, f"Users/{identifier}", body), 404)
    assert row_of(wsgi_app.flask, people["Anne"]).statut is Statut.ACTIF


def test_an_agreement_ends_with_whoever_gave_it_and_by_any_administrator(wsgi_app, api, people, new_declarant):
    new_declarant(prenom="Paul", role=Role.ADMINISTRATEUR)
    assert api.list().json["totalResults"] == 5
    with wsgi_app.flask.app_context():
        db.session.get(Declarant, people["Odile"]).role = Role.DECLARANT
        db.session.commit()
    assert api.list().json["totalResults"] == 0
    with wsgi_app.flask.app_context():
        db.session.get(Declarant, people["Odile"]).role = Role.ADMINISTRATEUR
        db.session.commit()
    assert api.list().json["totalResults"] == 5

    take_back(wsgi_app, "paie", people["Odile"])

    assert api.list().json["totalResults"] == 0


def test_an_administrator_of_a_branch_entrusts_the_branch_alone(wsgi_app, paie, people, new_declarant):
    entrust(wsgi_app, "paie", new_declarant(prenom="Léa", siret=BRANCH, role=Role.ADMINISTRATEUR))
    api = Api(paie)

    assert sorted(api.names()) == ["Léa", "Rémi"]
    refused(api("POST", "Users", user()), 403)
    refused(api("POST", "Users", user(siret=ELSEWHERE)), 403)


@ONLY_SQLITE
def test_no_client_gives_itself_the_scope_and_discovery_says_it_is_there(paie):
    assert "scim" not in STANDARD_SCOPES
    assert "scim" in paie.call("/.well-known/openid-configuration", "GET").json["scopes_supported"]
    described = paie.call("/.well-known/oauth-protected-resource/scim/v2", "GET").json
    assert (described["resource"], described["scopes_supported"]) == ("https://mag.test/scim/v2", ["scim"])


@ONLY_SQLITE
def test_a_partner_cut_off_reads_nothing(wsgi_app, api):
    with wsgi_app.flask.app_context():
        onboarding.switch(Partenaire.with_code("paie"), datetime.now(UTC), enabled=False)
        db.session.commit()
    wsgi_app.mag.versions.refresh()

    refused(api.list(), 401)


# ----------------------------------------------------------------------------------------------------------------- reading


@ONLY_SQLITE
def test_7643_4_1_a_person_as_the_partner_reads_them(api, people, browser_of, code_flow, paie):
    one = api.of("Éric")

    sub = code_flow(paie, browser=browser_of(people["Éric"]), scope="openid").claims["sub"]
    meta = one.pop("meta")
    assert one == {
        "schemas": [CORE, EXTENSION],
        "id": sub,
        "userName": f"lefevre.eric@{SIRET}",
        "name": {"formatted": "Éric Lefèvre", "familyName": "Lefèvre", "givenName": "Éric"},
        "emails": [{"value": "eric@exemple.fr", "type": "work", "primary": True}],
        "active": True,
        EXTENSION: {"siret": SIRET, "statut": "actif", "role": "declarant"},
    }
    assert meta["resourceType"] == "User"
    assert meta["location"] == f"https://mag.test/scim/v2/Users/{sub}"
    read = api("GET", f"Users/{sub}")
    assert (read.status_code, read.headers["ETag"]) == (200, meta["version"])


def test_an_identifier_learnt_from_a_sign_in_leads_to_the_person(api, people, browser_of, code_flow, paie):
    sub = code_flow(paie, browser=browser_of(people["Rémi"]), scope="openid").claims["sub"]

    assert api("GET", f"Users/{sub}").json["name"]["givenName"] == "Rémi"
    refused(api("GET", f"Users/{sub}x"), 404)
    refused(api("GET", "Users/inconnu"), 404)


@pytest.mark.parametrize(
    ("filter_", "names"),
    [
        (f'userName eq "LEFEVRE.Eric@{SIRET}"', ["Éric"]),
        ('userName sw "lefevre.e"', ["Éric"]),
        (f'userName ew "@{BRANCH}"', ["Rémi"]),
        ('name.givenName eq "eric"', ["Éric"]),
        ('name.givenName co "n"', ["Anne"]),
        ('name.familyName sw "LEF" and not (name.givenName ew "e")', ["Rémi", "Éric"]),
        ('emails co "ANNE@"', ["Anne"]),
        ('emails[type eq "work" and value sw "remi"]', ["Rémi"]),
        ('emails.type eq "home"', []),
        ('emails.value ne "anne@exemple.fr"', ["Odile", "Rémi", "Éric"]),
        ("active eq false", []),
        ("externalId pr", []),
        ('externalId eq "7"', []),
        (f'{EXTENSION}:siret eq "{BRANCH}"', ["Rémi"]),
        (f'{EXTENSION}:statut eq "actif" and {EXTENSION}:role sw "administrateur"', ["Odile"]),
        ('meta.created lt "2020-01-01T00:00:00Z" or name.givenName eq "Anne"', ["Anne"]),
        ('meta.lastModified ge "2020-01-01T00:00:00+02:00" and meta.resourceType eq "User" and name.givenName eq "Odile"', ["Odile"]),
        ('id eq "inconnu"', []),
        ('urn:ietf:params:scim:schemas:core:2.0:User:userName sw "zzz"', []),
        ('not (name pr) or (userName co "a%" or userName co "_")', []),
    ],
)
def test_7644_3_4_2_2_filters(api, filter_, names):
    assert sorted(api.names(filter=filter_)) == names


@ONLY_SQLITE
@pytest.mark.parametrize(
    ("query", "scim_type"),
    [
        ({"filter": "userName"}, "invalidFilter"),
        ({"filter": 'nickName eq "x"'}, "invalidFilter"),
        ({"filter": 'userName gt "a"'}, "invalidFilter"),
        ({"filter": "active gt true"}, "invalidFilter"),
        ({"filter": 'userName eq "\\u0000"'}, "invalidFilter"),
        ({"filter": " or ".join(['userName eq "a"'] * 60)}, "invalidFilter"),
        ({"filter": 'meta.created gt "hier"'}, "invalidFilter"),
        ({"sortBy": "nickName"}, "invalidPath"),
        ({"sortBy": "active"}, "invalidFilter"),
        ({"count": "dix"}, "invalidValue"),
        ({"cursor": "abc"}, "invalidCursor"),
        ({"cursor": "", "sortBy": "userName"}, "invalidCursor"),
        ({"attributes": "userName", "excludedAttributes": "name"}, "invalidValue"),
        ({"attributes": ",".join(["userName"] * 31)}, "tooMany"),
        ({"excludedAttributes": ",".join(["name"] * 31)}, "tooMany"),
        ({"filter": f'userName eq "{"a" * 4000}"'}, "invalidValue"),
        ({"filter": f"{'not (' * 600}id pr{')' * 600}"}, "invalidFilter"),
    ],
)
def test_7644_3_12_a_question_that_cannot_be_answered_is_refused(api, query, scim_type):
    refused(api.list(**query), 400, scim_type)


def test_7644_3_4_2_4_pages_and_order(api):
    assert api.names(sortBy="userName") == ["Anne", "Éric", "Odile", "Rémi"]
    assert api.names(sortBy="userName", sortOrder="descending", count=1, startIndex=2) == ["Odile"]
    page = api.list(startIndex=4, count=5).json
    assert (page["totalResults"], page["startIndex"], page["itemsPerPage"]) == (4, 4, 1)
    assert api.list(count=0).json["Resources"] == []
    assert api.list(count=-3, startIndex=-1).json["totalResults"] == 4
    assert api.list(startIndex=10**30).json["Resources"] == []


def test_9865_2_pages_by_cursor(api, partner, wsgi_app, people):
    first = api.list(cursor="", count=3).json
    rest = api.list(cursor=first["nextCursor"], count=3).json

    assert (len(first["Resources"]), len(rest["Resources"]), "nextCursor" in rest) == (3, 1, False)
    assert len({one["id"] for one in first["Resources"] + rest["Resources"]}) == 4
    other = un_logiciel(partner, "voisin")
    refused(Api(other).list(cursor=first["nextCursor"]), 400, "invalidCursor")


@ONLY_SQLITE
def test_7644_3_4_3_search_by_post_and_3_9_attributes(api):
    message = {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],
        "filter": 'name.givenName eq "Anne"',
        "attributes": ["emails.value"],
    }
    found = api("POST", "Users/.search", message).json["Resources"]

    assert [set(one) for one in found] == [{"schemas", "id", "emails"}]
    assert found[0]["emails"] == [{"value": "anne@exemple.fr"}]
    one = api("GET", f"Users/{found[0]['id']}?excludedAttributes=emails,meta").json
    assert not {"emails", "meta"} & one.keys()


@ONLY_SQLITE
def test_7644_4_discovery_needs_no_token_and_says_what_there_is(paie):
    def read(path):
        return paie.call(f"/scim/v2/{path}", "GET")

    config = read("ServiceProviderConfig").json
    assert {name: config[name]["supported"] for name in ("patch", "bulk", "filter", "sort", "etag", "changePassword")} == {
        "patch": True,
        "bulk": False,
        "filter": True,
        "sort": True,
        "etag": True,
        "changePassword": False,
    }
    assert config["pagination"]["cursor"] is True
    assert [one["endpoint"] for one in read("ResourceTypes").json["Resources"]] == ["/Users"]
    assert read("ResourceTypes/User").json["schemaExtensions"] == [{"schema": EXTENSION, "required": True}]
    assert [one["id"] for one in read("Schemas").json["Resources"]] == [CORE, EXTENSION]
    assert "password" not in read(f"Schemas/{CORE}").text
    refused(read("Schemas/inconnu"), 404)
    refused(read('Schemas?filter=id eq "x"'), 403)
    refused(paie.call("/scim/v2/Schemas", "POST", json={}), 405)


@ONLY_SQLITE
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "Me", 501),
        ("POST", "Bulk", 501),
        ("POST", ".search", 501),
        ("GET", "Groups", 404),
        ("DELETE", "Users", 405),
        ("GET", "Users/.search", 405),
        ("POST", "Users/abc", 405),
        ("GET", "", 404),
    ],
)
def test_7644_3_2_what_is_not_served_is_said(api, method, path, status):
    answer = api(method, path)

    refused(answer, status)
    assert ("Allow" in answer.headers) == (status == 405)


# --------------------------------------------------------------------------------------------------------------- creating


def test_7644_3_3_creating_invites(wsgi_app, api, journal, new_client, people):
    answer = api("POST", "Users", user(externalId="matricule-7", active=True))

    assert answer.status_code == 201, answer.text
    made = answer.json
    assert answer.headers["Location"] == made["meta"]["location"]
    assert (made["userName"], made["active"], made["externalId"]) == (f"petit.jean@{SIRET}", False, "matricule-7")
    assert made[EXTENSION]["statut"] == "invite"
    with wsgi_app.flask.app_context():
        [mail] = db.session.scalars(db.select(Mail).filter_by(kind="invitation"))
        assert mail.recipient == "jean@exemple.fr"
        assert "Odile Lefèvre" in mail.body
    assert [(line["act"], line["client_id"], line["for_whom"]) for line in journal("PersonManaged")] == [
        ("inviter", "paie", people["Odile"])
    ]
    assert api.names(filter='externalId eq "matricule-7" and active eq false') == ["Jean"]


def test_who_accepts_keeps_the_identifier_the_partner_knows(wsgi_app, api):
    made = api("POST", "Users", user(externalId="m7")).json
    with wsgi_app.flask.app_context():
        row = db.session.scalar(db.select(Invitation))
        invitations.accepter(row, datetime.now(UTC), issuer="https://mag.test", rights=False)
        db.session.commit()

    read = api("GET", f"Users/{made['id']}").json

    assert (read["active"], read["externalId"], read[EXTENSION]["statut"]) == (True, "m7", "actif")
    assert api.list(filter='externalId eq "m7"').json["totalResults"] == 1


@ONLY_SQLITE
@pytest.mark.parametrize(
    ("change", "status", "scim_type"),
    [
        ({"password": "Motdepasse1!"}, 400, "mutability"),
        ({"name": {"familyName": "LEFEVRE", "givenName": "anne"}}, 409, "uniqueness"),
        ({"name": {"familyName": "123 \u0007", "givenName": "anne"}}, 400, "invalidValue"),
        ({"name": {"givenName": "Jean"}}, 400, "invalidValue"),
        ({"name": "Jean Petit"}, 400, "invalidValue"),
        ({"emails": []}, 400, "invalidValue"),
        ({"emails": [{"value": "pas une adresse"}]}, 400, "invalidValue"),
        ({"emails": [{"type": "work"}]}, 400, "invalidValue"),
        ({EXTENSION: {"siret": "12345678901234"}}, 400, "invalidValue"),
        ({EXTENSION: None}, 400, "invalidValue"),
        ({"externalId": "x" * 300}, 400, "invalidValue"),
        ({"externalId": "a\u0000b"}, 400, "invalidValue"),
        ({"active": "peut-être"}, 400, "invalidValue"),
        ({"schemas": "User"}, 400, "invalidValue"),
    ],
)
def test_7644_3_12_somebody_who_cannot_be_is_refused(wsgi_app, api, change, status, scim_type):
    refused(api("POST", "Users", user(**change)), status, scim_type)
    assert count(wsgi_app.flask, Invitation) == 0


@ONLY_SQLITE
def test_the_same_person_is_not_invited_twice(api):
    api("POST", "Users", user())

    refused(api("POST", "Users", user()), 409, "uniqueness")


@ONLY_SQLITE
@pytest.mark.parametrize(
    ("options", "status", "scim_type"),
    [
        ({"data": "{", "content_type": "application/scim+json"}, 400, "invalidSyntax"),
        ({"data": "[]", "content_type": "application/json"}, 400, "invalidSyntax"),
        ({"data": "a=1", "content_type": "application/x-www-form-urlencoded"}, 415, None),
        ({"data": json.dumps({"a": "x" * 70_000}), "content_type": "application/scim+json"}, 413, None),
        ({"data": '{"a":' * 600 + "1" + "}" * 600, "content_type": "application/scim+json"}, 400, "invalidSyntax"),
        ({"data": '{"a":' + "[" * 20 + "]" * 20 + "}", "content_type": "application/scim+json"}, 400, "invalidSyntax"),
    ],
)
def test_7644_3_1_a_body_that_cannot_be_read_is_refused(api, paie, options, status, scim_type):
    refused(paie.call("/scim/v2/Users", "POST", headers={"Authorization": f"Bearer {api.token}"}, **options), status, scim_type)


@ONLY_SQLITE
def test_an_invitation_is_deleted_as_an_administrator_cancels_it(wsgi_app, api, journal):
    made = api("POST", "Users", user()).json

    assert api("DELETE", f"Users/{made['id']}").status_code == 204

    refused(api("GET", f"Users/{made['id']}"), 404)
    refused(api("DELETE", f"Users/{made['id']}"), 404)
    assert [line["act"] for line in journal("PersonManaged")] == ["inviter", "annuler"]
    with wsgi_app.flask.app_context():
        assert CompteScim.purge(datetime.now(UTC)) == 1


@ONLY_SQLITE
def test_an_invited_person_becomes_active_alone(wsgi_app, api):
    made = api("POST", "Users", user()).json

    assert api.patch(made["id"], ACTIVE, {"op": "add", "path": "externalId", "value": "m8"}).json["externalId"] == "m8"
    assert api.patch(made["id"], SUSPEND).json["active"] is False
    with time_machine.travel(datetime.now(UTC) + timedelta(days=8)):
        refused(Api(api.client)("GET", f"Users/{made['id']}"), 404)


# --------------------------------------------------------------------------------------------------------------- changing


def test_suspending_by_patch_does_what_an_administrator_s_suspension_does(wsgi_app, api, people, browser_of, code_flow, paie, journal):
    browser = browser_of(people["Anne"])
    code_flow(paie, browser=browser, scope="openid")
    identifier = api.of("Anne")["id"]

    answer = api.patch(identifier, {"op": "Replace", "path": "active", "value": "False"})

    assert (answer.status_code, answer.json["active"], answer.json[EXTENSION]["statut"]) == (200, False, "suspendu")
    assert browser.get("/compte").status_code == 303
    assert count(wsgi_app.flask, AccountEvent, kind="account-disabled", declarant_id=people["Anne"]) == 1
    assert count(wsgi_app.flask, Mail, kind="suspension") == 1
    [line] = journal("PersonManaged")
    assert (line["act"], line["declarant_id"], line["partenaire"]) == ("suspendre", people["Anne"], "paie")
    assert api.patch(identifier, {"op": "replace", "value": {"active": True}}).json["active"] is True
    assert count(wsgi_app.flask, AccountEvent, kind="account-enabled") == 1
    assert count(wsgi_app.flask, Mail, kind="reactivation") == 1


def test_backchannel_logout_leaves_as_by_hand(wsgi_app, partner, people, browser_of, code_flow):
    client = un_logiciel(partner, backchannel_logout_uri="https://paie.test/fin")
    entrust(wsgi_app, "paie", people["Odile"])
    code_flow(client, browser=browser_of(people["Anne"]), scope="openid")
    api = Api(client)

    api.patch(api.of("Anne")["id"], SUSPEND)

    assert count(wsgi_app.flask, LogoutNotice) == 1


@ONLY_SQLITE
def test_7644_3_5_1_replacing(wsgi_app, api, people):
    one = api.of("Anne")
    same = {name: one[name] for name in ("schemas", "name", "emails", EXTENSION)}

    put = api(
        "PUT",
        f"Users/{one['id']}",
        {**same, "externalId": "m1", "nickName": "Nanou", "name": {"familyName": "LEFEVRE", "givenName": "anne"}},
    )

    assert (put.status_code, put.json["externalId"], put.json["active"], put.json["name"]) == (200, "m1", True, one["name"])
    assert "externalId" not in api("PUT", f"Users/{one['id']}", {**same, "active": False}).json
    assert row_of(wsgi_app.flask, people["Anne"]).statut is Statut.SUSPENDU
    for change in (
        {"name": {"familyName": "Autre", "givenName": "Anne"}},
        {"emails": [{"value": "autre@exemple.fr"}]},
        {EXTENSION: {"siret": BRANCH}},
        {"password": "x"},
    ):
        refused(api("PUT", f"Users/{one['id']}", {**same, **change}), 400, "mutability")


@ONLY_SQLITE
@pytest.mark.parametrize(
    ("operation", "scim_type"),
    [
        ({"op": "replace", "path": "name.familyName", "value": "Autre"}, "mutability"),
        ({"op": "replace", "path": 'emails[type eq "work"].value', "value": "x@y.fr"}, "mutability"),
        ({"op": "add", "path": "emails", "value": [{"value": "x@y.fr"}]}, "mutability"),
        ({"op": "remove", "path": "emails"}, "mutability"),
        ({"op": "remove", "path": "active"}, "mutability"),
        ({"op": "replace", "path": f"{EXTENSION}:siret", "value": BRANCH}, "mutability"),
        ({"op": "replace", "path": f"{EXTENSION}:role", "value": "administrateur"}, "mutability"),
        ({"op": "replace", "path": "userName", "value": "x"}, "mutability"),
        ({"op": "replace", "path": "id", "value": "x"}, "mutability"),
        ({"op": "replace", "path": "password", "value": "x"}, "mutability"),
        ({"op": "add", "value": {"Password": "x"}}, "mutability"),
        ({"op": "remove"}, "noTarget"),
        ({"op": "move", "path": "active"}, "invalidValue"),
        ({"op": "replace", "path": "active", "value": {"a": 1}}, "invalidValue"),
        ({"op": "replace", "path": "a..b", "value": 1}, "invalidPath"),
        ({"op": "add", "path": "externalId"}, "invalidValue"),
    ],
)
def test_7644_3_5_2_an_operation_that_cannot_be_changes_nothing(wsgi_app, api, operation, scim_type):
    one = api.of("Anne")

    refused(api.patch(one["id"], SUSPEND, operation), 400, scim_type)

    assert api.of("Anne") == one


@ONLY_SQLITE
def test_7644_3_5_2_a_patch_without_operations_is_refused(api):
    identifier = api.of("Anne")["id"]

    refused(api("PATCH", f"Users/{identifier}", {"schemas": [PATCH], "Operations": []}), 400, "invalidValue")
    refused(api("PATCH", f"Users/{identifier}", {"schemas": [CORE]}), 400, "invalidSyntax")


def test_7644_3_14_versions(wsgi_app, api, people):
    one = api.of("Anne")
    version, path = one["meta"]["version"], f"Users/{one['id']}"
    assert api("GET", path, If_None_Match=version).status_code == 304

    assert api.patch(one["id"], {"op": "add", "path": "externalId", "value": "m1"}, If_Match=version).status_code == 200

    refused(api.patch(one["id"], SUSPEND, If_Match=version), 412)
    refused(api("PUT", path, user("Anne", "Lefèvre"), If_Match=version), 412)
    refused(api("DELETE", path, If_Match=f'"x", {version}'), 412)
    assert api("GET", path, If_None_Match=version).status_code == 200
    assert row_of(wsgi_app.flask, people["Anne"]).statut is Statut.ACTIF
    assert api("DELETE", path, If_Match="*").status_code == 204


@ONLY_SQLITE
@pytest.mark.parametrize(
    ("body", "scim_type"),
    [
        ({"attributes": ["userName"] * 31}, "tooMany"),
        ({"ExcludedAttributes": "name," * 30}, "tooMany"),
        ({"attributes": ["name," * 20, "name," * 20]}, "tooMany"),
        ({"filter": "id pr or " * 450 + "id pr"}, "invalidValue"),
        ({f"n{rank}": 1 for rank in range(101)}, "tooMany"),
        ({"Operations": [SUSPEND] * 101}, "tooMany"),
        ({"Operations": [{"op": "add", "value": {"x" * 4001: 1}}]}, "invalidValue"),
        ({"name": {"familyName": "x" * 4001}}, "invalidValue"),
    ],
)
def test_what_is_too_large_is_refused_before_it_is_read(wsgi_app, api, people, body, scim_type):
    path = f"Users/{api.of('Anne')['id']}"
    for method, where in (("POST", "Users/.search"), ("POST", "Users"), ("PUT", path), ("PATCH", path)):
        refused(api(method, where, body), 400, scim_type)
    assert row_of(wsgi_app.flask, people["Anne"]).statut is Statut.ACTIF
    refused(api("GET", f"{path}?attributes={','.join(['name'] * 31)}"), 400, "tooMany")


def test_an_unknown_identifier_is_looked_for_once_among_those_not_named_yet(api, monkeypatch):
    monkeypatch.setattr("partners.scim.models.AT_ONCE", 3)
    computed, subject = [], Utilisateurs._sub
    monkeypatch.setattr(Utilisateurs, "_sub", lambda self, uid: computed.append(uid) or subject(self, uid))

    refused(api("GET", "Users/inconnu"), 404)
    assert len(computed) == 4
    refused(api("DELETE", "Users/inconnu"), 404)
    assert api.list(filter=" or ".join(f'id eq "x{rank}"' for rank in range(30))).json["totalResults"] == 0

    assert len(computed) == 4


@ONLY_SQLITE
@pytest.mark.parametrize(("error", "status", "later"), [(RuntimeError("secret"), 500, None), (StoreUnavailableError("redis"), 503, "5")])
def test_7644_3_12_what_nobody_foresaw_is_told_in_scim_s_words_too(api, monkeypatch, error, status, later):
    def fails(*_):
        raise error

    monkeypatch.setattr(Utilisateurs, "search", fails)
    answer = api.list()

    assert "secret" not in refused(answer, status)
    assert answer.headers["X-Request-ID"]
    assert answer.headers.get("Retry-After") == later


def suspended_by_hand(app, giver_id, person_id):
    """As an administrator does it on the page."""
    with app.app_context():
        giver, person = (db.session.get(Declarant, one) for one in (giver_id, person_id))
        gestion.suspendre(giver, person, datetime.now(UTC), issuer="https://mag.test")
        db.session.commit()


def suspended_by_time(app, person_id):
    with app.app_context():
        suspendre(db.session.get(Declarant, person_id), datetime.now(UTC), by=By.TEMPS, actor="temps")
        db.session.commit()


def test_a_partner_lifts_its_own_suspension_and_no_other(wsgi_app, api, people, partner):
    app, odile = wsgi_app.flask, people["Odile"]
    anne = api.of("Anne")
    same = {name: anne[name] for name in ("schemas", "name", "emails", EXTENSION)}
    other = un_logiciel(partner, "voisin")
    entrust(wsgi_app, "voisin", odile)
    neighbour = Api(other)
    path = f"Users/{anne['id']}"

    assert api.patch(anne["id"], SUSPEND).json["active"] is False
    assert "administrator reinstates" in refused(neighbour.patch(neighbour.of("Anne")["id"], ACTIVE), 403)
    assert api("PUT", path, {**same, "externalId": "m1", "active": False}).json["externalId"] == "m1"
    assert api("PUT", path, {**same, "active": True}).json["active"] is True

    suspended_by_hand(app, odile, people["Anne"])
    refused(api("PUT", path, {**same, "active": True}), 403)
    refused(api.patch(anne["id"], ACTIVE), 403)
    left = api("PUT", path, {**same, "externalId": "m2"}).json
    assert (left["active"], left["externalId"]) == (False, "m2")
    assert row_of(app, people["Anne"]).statut is Statut.SUSPENDU

    suspended_by_time(app, people["Éric"])
    assert "administrator reinstates" in refused(api.patch(api.of("Éric")["id"], ACTIVE), 403)
    assert row_of(app, people["Éric"]).statut is Statut.SUSPENDU


@ONLY_SQLITE
def test_nobody_who_gave_their_word_is_acted_on_even_on_another_s(wsgi_app, api, people, new_declarant):
    lea = new_declarant(prenom="Léa", siret=BRANCH, role=Role.ADMINISTRATEUR)
    entrust(wsgi_app, "paie", lea)

    for prenom, person_id in (("Odile", people["Odile"]), ("Léa", lea)):
        identifier = api.of(prenom)["id"]
        refused(api.patch(identifier, SUSPEND), 403)
        refused(api("DELETE", f"Users/{identifier}"), 403)
        assert row_of(wsgi_app.flask, person_id).statut is Statut.ACTIF
    assert api.patch(api.of("Rémi")["id"], SUSPEND).json["active"] is False


@ONLY_SQLITE
def test_the_rules_of_administrators_hold_for_a_partner_too(wsgi_app, api, people, new_declarant):
    giver = api.of("Odile")["id"]
    refused(api.patch(giver, SUSPEND), 403)
    refused(api("DELETE", f"Users/{giver}"), 403)
    assert row_of(wsgi_app.flask, people["Odile"]).statut is Statut.ACTIF
    with wsgi_app.flask.app_context():
        suspendre(db.session.get(Declarant, people["Éric"]), datetime.now(UTC), actor="operateur:ines")
        db.session.commit()

    refused(api.patch(api.of("Éric")["id"], ACTIVE), 403)


def test_7644_3_6_deleting_ends_the_account(wsgi_app, api, people, browser_of, journal):
    browser, identifier = browser_of(people["Anne"]), api.of("Anne")["id"]

    answer = api("DELETE", f"Users/{identifier}")

    assert (answer.status_code, answer.data) == (204, b"")
    assert row_of(wsgi_app.flask, people["Anne"]).statut is Statut.RADIE
    assert browser.get("/compte").status_code == 303
    assert count(wsgi_app.flask, AccountEvent, kind="account-purged", declarant_id=people["Anne"]) == 1
    assert count(wsgi_app.flask, Mail, kind="radiation") == 1
    assert [(line["act"], line["declarant_id"]) for line in journal("PersonManaged")] == [("radier", people["Anne"])]
    refused(api("GET", f"Users/{identifier}"), 404)
    refused(api("DELETE", f"Users/{identifier}"), 404)
    assert api.list().json["totalResults"] == 3


@ONLY_SQLITE
def test_a_client_that_asks_too_often_is_slowed_down(api, monkeypatch):
    monkeypatch.setattr("partners.scim.endpoints.CHANGES", 2)
    statuses = [api("DELETE", "Users/inconnu").status_code for _ in range(3)]

    assert statuses == [404, 404, 429]
    assert api.list().status_code == 200


@ONLY_SQLITE
def test_the_person_s_file_says_how_partners_name_them(wsgi_app, api, people):
    api.patch(api.of("Anne")["id"], {"op": "add", "path": "externalId", "value": "m1"})

    with wsgi_app.flask.app_context():
        assert CompteScim.told(people["Anne"]) == [{"partenaire": "paie", "identifiant_chez_lui": "m1"}]
        assert db.session.scalar(db.select(Delegation)).in_force


# -------------------------------------------------------------------------------------------------------------- properties

WORDS = st.sampled_from(
    [
        "userName",
        "name.familyName",
        "emails",
        "emails.value",
        "active",
        "meta.created",
        "externalId",
        "id",
        EXTENSION + ":siret",
        "x",
        "schemas",
    ]
)
VALUES = st.one_of(st.text(max_size=8), st.booleans(), st.none(), st.integers(), st.floats(allow_nan=False, allow_infinity=False))
OPERATORS = st.sampled_from(["eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le", "EQ", "zz"])
TERMS = st.builds(lambda name, op, value: f"{name} {op} {json.dumps(value)}", WORDS, OPERATORS, VALUES) | WORDS.map(
    lambda name: f"{name} pr"
)
FILTERS = st.recursive(
    TERMS | st.text(max_size=20),
    lambda inner: (
        st.builds(lambda a, b, word: f"{a} {word} {b}", inner, inner, st.sampled_from(["and", "or"]))
        | inner.map(lambda one: f"not ({one})")
        | inner.map(lambda one: f"emails[{one}]")
    ),
    max_leaves=6,
)
JSON = st.recursive(
    VALUES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS | st.text(max_size=5), inner, max_size=3), max_leaves=6
)
PATHS = WORDS | FILTERS.map(lambda one: f"emails[{one}].value") | st.text(max_size=10)
OPERATIONS = st.dictionaries(st.sampled_from(["op", "path", "value"]), JSON) | st.fixed_dictionaries(
    {"op": st.sampled_from(["add", "remove", "replace", "Add"]), "path": PATHS, "value": JSON}
)
QUICKLY = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture
def unbraked(api, monkeypatch):
    monkeypatch.setattr("partners.scim.endpoints.CHANGES", 10**6)
    monkeypatch.setattr("partners.scim.endpoints.A_MINUTE", 10**6)
    return api


@ONLY_SQLITE
@QUICKLY
@given(filter_=FILTERS, start=st.integers(), size=st.integers(max_value=300))
def test_any_question_is_answered_or_refused(unbraked, filter_, start, size):
    message = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "filter": filter_, "startIndex": start, "count": size}
    answer = unbraked("POST", "Users/.search", message)

    if answer.status_code != 200:
        refused(answer, 400, answer.json.get("scimType"))
        assert answer.json["scimType"] in ("invalidFilter", "invalidValue", "invalidSyntax")


@ONLY_SQLITE
@QUICKLY
@given(operations=st.lists(OPERATIONS, max_size=4))
def test_any_patch_is_done_or_refused(unbraked, operations):
    one = unbraked.list(filter='name.familyName eq "Lefèvre" and name.givenName eq "Anne"').json["Resources"][0]
    answer = unbraked.patch(one["id"], *operations)

    if answer.status_code != 200:
        refused(answer, 400, answer.json.get("scimType"))
    else:
        assert answer.json["name"] == one["name"]


@ONLY_SQLITE
@QUICKLY
@given(body=st.dictionaries(WORDS | st.sampled_from(["name", "schemas", EXTENSION]), JSON))
def test_any_body_is_read_or_refused(unbraked, body):
    answer = unbraked("POST", "Users", {**user(), **body})

    assert answer.status_code in (201, 400, 403, 409, 429), answer.text
