"""A sign-in that MAG starts: the home page leads to partners that declared where (OpenID Connect Core section 4)."""

import pytest

from idp.oidc.client_metadata import InvalidClientMetadataError


def test_4_the_home_page_leads_to_partners_with_the_issuer(partner, signed_in):
    partner("zebre", client_name="Zèbre", initiate_login_uri="https://zebre.test/entrer?depuis=mag")
    partner("abeille", client_name="Abeille & fils", initiate_login_uri="https://abeille.test/entrer")
    partner("sans", client_name="Sans adresse")

    page = signed_in.get("/").text

    assert "Y aller" in page
    assert page.index("Abeille &amp; fils") < page.index("Zèbre")
    assert 'href="https://zebre.test/entrer?depuis=mag&amp;iss=https%3A%2F%2Fmag.test"' in page
    assert 'href="https://abeille.test/entrer?iss=https%3A%2F%2Fmag.test"' in page
    assert "Sans adresse" not in page


def test_ours_only_first_party_partners_are_there(partner, signed_in):
    partner("tiers", client_name="Tiers", first_party=False, initiate_login_uri="https://tiers.test/entrer")
    partner("essai", client_name="Essai", profile="sandbox", initiate_login_uri="https://essai.test/entrer")

    page = signed_in.get("/").text

    assert "Tiers" not in page
    assert "Y aller" not in page


@pytest.mark.parametrize("uri", ["http://zebre.test/entrer", "javascript:alert(1)", "https://zebre.test/#x"])
def test_4_the_address_is_https(partner, uri):
    with pytest.raises(InvalidClientMetadataError, match="initiate_login_uri"):
        partner("zebre", initiate_login_uri=uri)
