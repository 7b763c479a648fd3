"""Which addresses are under a partner's prefix: part by part, and nothing that two programs could read in two ways."""

import pytest

from idp.oidc.link_prefixes import AmbiguousAddressError, longest_holding, read_place

PREFIX = "https://portail.test/declarations"


@pytest.mark.parametrize(
    "address",
    [
        PREFIX,
        f"{PREFIX}/",
        f"{PREFIX}/dsn/2026-11",
        f"{PREFIX}/dsn?mois=2026-11&page=2",
        "HTTPS://Portail.TEST:443/declarations/dsn".replace("HTTPS", "https"),
        "https://portail.test/d%65clarations/dsn",
        f"{PREFIX}/caf%C3%A9",
    ],
)
def test_an_address_under_the_prefix_is_held(address):
    assert read_place(PREFIX, prefix=True).holds(read_place(address))


@pytest.mark.parametrize(
    "address",
    [
        "https://portail.test/",
        "https://portail.test/declarations-fausses",
        "https://portail.test/Declarations",
        "https://portail.test/autre/declarations",
        "http://portail.test/declarations",
        "https://portail.test:8443/declarations",
        "https://autre.test/declarations",
        "https://portail.test.autre.test/declarations",
        "https://autre.test/?x=https://portail.test/declarations",
        "https://portail.test./declarations",
    ],
)
def test_an_address_elsewhere_is_not(address):
    assert not read_place(PREFIX, prefix=True).holds(read_place(address))


@pytest.mark.parametrize(
    "address",
    [
        "",
        "declarations",
        "/declarations",
        "//portail.test/declarations",
        "https:/portail.test/declarations",
        "https:portail.test/declarations",
        "https:///portail.test/declarations",
        "javascript:alert(1)",
        "data:text/html,x",
        "https://moi@portail.test/declarations",
        "https://portail.test:x/declarations",
        "https://portail.test%2eautre.test/declarations",
        "https://portail.test@autre.test/declarations",
        "https://@portail.test/declarations",
        f"{PREFIX}/../admin",
        f"{PREFIX}/%2e%2e/admin",
        f"{PREFIX}/%2E./admin",
        f"{PREFIX}/..;/admin",
        f"{PREFIX}/./dsn",
        f"{PREFIX}//admin",
        f"{PREFIX}/dsn//",
        "https://portail.test//",
        f"{PREFIX}%2fadmin",
        f"{PREFIX}/a%5cb",
        f"{PREFIX}\\admin",
        f"{PREFIX}/%252e%252e/admin",
        f"{PREFIX}/%zz",
        f"{PREFIX}/%ff",
        f"{PREFIX}/%00",
        f"{PREFIX}/a%0db",
        f"{PREFIX}#admin",
        f"{PREFIX}/a b",
        f"{PREFIX}/\ta",
        f"{PREFIX}/\n",
        f"{PREFIX}/é",
        f"{PREFIX}/{'a' * 2000}",
        "https://[::1/declarations",
    ],
)
def test_an_address_that_could_be_read_in_two_ways_is_refused(address):
    with pytest.raises(AmbiguousAddressError):
        read_place(address)


def test_a_prefix_has_no_query():
    with pytest.raises(AmbiguousAddressError):
        read_place(f"{PREFIX}?a=b", prefix=True)


def test_the_nearest_prefix_counts():
    prefixes = ("https://portail.test", PREFIX, f"{PREFIX}/dsn/")

    assert longest_holding(prefixes, read_place(f"{PREFIX}/dsn/1")) == 2
    assert longest_holding(prefixes, read_place("https://portail.test/")) == 0
    assert longest_holding(prefixes, read_place("https://autre.test/")) == -1
