"""Which claims a scope opens, and their values: OpenID Connect Core sections 5.1, 5.3.2 and 5.4, and ProConnect's names."""

from dataclasses import replace

import pytest

from idp.oidc.claims import CLAIMS, SCOPE_CLAIMS, Person, claims_of_scope, select_claims

PERSON = Person(
    uid="u",
    siret="73282932000074",
    nom="Lefèvre",
    prenom="Anne",
    role="administrateur_declarant",
    email="anne@exemple.fr",
    email_verified=True,
    email_verified_at=1_690_000_000,
    telephone="+33123456789",
    updated_at=1_700_000_000,
    organization_label="ATOLL",
    categorie_juridique="5710",
)
BARE = Person(uid="u", siret="73282932000074", nom="Lefèvre", prenom="Anne", role="declarant")
KNOWN = {"idp_id": "https://mag.test", "acr": "eidas1", "amr": ("pwd",)}


def test_every_claim_has_a_value_that_is_neither_null_nor_empty():
    for person in (PERSON, BARE):
        assert not [name for name, value in select_claims(person, CLAIMS, **KNOWN).items() if value is None or value in ("", [])]


def test_claims_have_the_types_of_the_standard():
    told = select_claims(PERSON, CLAIMS, **KNOWN)

    assert (told["email_verified"], told["email_verified_at"]) == (True, 1_690_000_000)
    assert told["phone_number_verified"] is False
    assert told["updated_at"] == 1_700_000_000
    assert told["roles"] == ["administrateur", "declarant"]
    assert (told["siren"], told["siret"]) == ("732829320", "73282932000074")
    assert (told["organization_label"], told["is_public_service"], told["belonging_population"]) == ("ATOLL", False, "salarie")


def test_5_3_2_what_is_not_known_is_left_out():
    told = select_claims(BARE, CLAIMS, **KNOWN)

    assert not {"email", "email_verified", "phone_number", "phone_number_verified", "updated_at", "job", "organization_label"} & told.keys()
    assert not {"is_public_service", "belonging_population"} & told.keys()


def test_a_public_body_is_told_as_such():
    agent = Person(uid="u", siret="73282932000074", nom="N", prenom="P", role="declarant", categorie_juridique="7210")

    assert select_claims(agent, CLAIMS, **KNOWN)["belonging_population"] == "agent"


def test_only_what_was_asked_is_told():
    assert select_claims(PERSON, {"email", "inconnu", "sub"}, **KNOWN) == {"email": "anne@exemple.fr"}


@pytest.mark.parametrize(
    ("scope", "claims"),
    [("email", {"email", "email_verified", "email_verified_at"}), ("siret", {"siret"}), ("inconnu", set()), ("chorusdt", set())],
)
def test_5_4_a_scope_opens_its_claims(scope, claims):
    assert claims_of_scope([scope]) == claims


def test_scopes_speak_of_known_claims():
    assert {claim for scope in SCOPE_CLAIMS for claim in claims_of_scope([scope])} <= set(CLAIMS)


def test_an_address_that_is_no_longer_proved_has_no_date():
    told = select_claims(replace(PERSON, email_verified=False), CLAIMS, **KNOWN)

    assert told["email_verified"] is False
    assert "email_verified_at" not in told
