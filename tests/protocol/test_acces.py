"""`/acces/<partenaire>`: a link leads through sign-in to a registered address of a partner, and nowhere else."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import pytest
import time_machine

from idp.database import db
from idp.oidc.client_metadata import InvalidClientMetadataError
from partners import onboarding
from tests.factories import csrf_in, se_connecter, un_declarant
from tests.protocol.conftest import SIRET

HERE = "https://portail.test/declarations/dsn?mois=2026-11"
PREFIXES = ["https://portail.test/declarations", "https://portail.test/paiements"]
START = "https://portail.test/auth/mag/start"
OTHER_SIRET = "55208131766522"


@pytest.fixture
def portail(partner):
    """A partner whose pages links may lead to, and which takes a sign-in that starts at MAG."""
    return partner(
        link_prefixes=PREFIXES,
        initiate_login_uri=START,
        scope="openid acces:liens",
        grant_types=["authorization_code", "client_credentials"],
        client_uri="https://portail.test/bienvenue",
    )


@pytest.fixture
def made(portail):
    """`made(**members)`: a signed link, as the API answers it."""

    def make(**members):
        token = portail.token("client_credentials").json["access_token"]
        body = {"ressource": HERE, **members}
        answer = portail.call("/acces/v1/liens", json=body, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 201, answer.text
        return answer.json

    return make


def path_of(lien) -> str:
    return lien["url"].removeprefix("https://mag.test")


def at(ressource: str, code: str = "portail") -> str:
    return f"/acces/{code}?{urlencode({'ressource': ressource})}"


def sent(response) -> tuple[str, dict[str, str]]:
    assert response.status_code == 303, response.text
    address, _, query = response.headers["Location"].partition("?")
    return address, dict(parse_qsl(query))


# ---------------------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("address", "status", "number"),
    [
        pytest.param("/acces/inconnu?ressource=https%3A%2F%2Fportail.test%2F", 404, "M600101", id="unknown-partner"),
        pytest.param("/acces/portail", 400, "M600102", id="no-resource"),
        pytest.param(at("https://portail.test/declarations/../admin"), 400, "M600102", id="dot-segment"),
        pytest.param(at("https://portail.test/declarations/%2e%2e/admin"), 400, "M600102", id="encoded-dot-segment"),
        pytest.param(at("https://portail.test/declarations%2fadmin"), 400, "M600102", id="encoded-slash"),
        pytest.param(at("https://portail.test@autre.test/declarations"), 400, "M600102", id="userinfo"),
        pytest.param(at("https://portail.test/declarations#//autre.test"), 400, "M600102", id="fragment"),
        pytest.param(at("//portail.test/declarations"), 400, "M600102", id="no-scheme"),
        pytest.param(at("javascript:alert(1)"), 400, "M600102", id="script"),
        pytest.param(at("https:\\\\autre.test"), 400, "M600102", id="backslash"),
        pytest.param(at("https://autre.test/declarations"), 403, "M600103", id="foreign-host"),
        pytest.param(at("https://portail.test:8443/declarations"), 403, "M600103", id="foreign-port"),
        pytest.param(at("http://portail.test/declarations"), 403, "M600103", id="foreign-scheme"),
        pytest.param(at("https://portail.test/declarations-fausses"), 403, "M600103", id="foreign-path"),
        pytest.param(at("https://portail.test/"), 403, "M600103", id="above"),
        pytest.param("/acces/portail?lien=abc", 404, "M600101", id="short-link"),
        pytest.param("/acces/portail?lien=" + "é" * 44, 404, "M600101", id="strange-link"),
    ],
)
@pytest.mark.parametrize("who", ["stranger", "signed-in"])
def test_a_link_that_leads_nowhere_says_why(portail, client, signed_in, address, status, number, who):
    answer = (client if who == "stranger" else signed_in).get(address)

    assert answer.status_code == status
    assert number in answer.text
    assert "Location" not in answer.headers


def test_an_altered_link_and_one_of_another_partner_are_unknown(portail, partner, made, signed_in):
    partner("autre", link_prefixes=["https://autre.test/"])
    whole = path_of(made())

    assert signed_in.get(whole[:-1] + ("A" if whole[-1] != "A" else "B")).status_code == 404
    assert signed_in.get(whole.replace("/acces/portail", "/acces/autre")).status_code == 404
    assert signed_in.get(whole).status_code == 303


def test_a_link_that_is_over_says_so(portail, made, signed_in):
    address = path_of(made(expires_in=60))

    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=61)):
        answer = signed_in.get(address)

    assert answer.status_code == 410
    assert "M600104" in answer.text
    assert "portail" in answer.text


def test_a_prefix_that_is_no_longer_registered_leads_nowhere(wsgi_app, portail, made, signed_in):
    address = path_of(made())
    with wsgi_app.flask.app_context():
        row = onboarding.client_named("portail")
        onboarding.change_client(row, {**row.client_metadata, "link_prefixes": PREFIXES[1:]}, datetime.now(UTC))
        db.session.commit()
    wsgi_app.mag.versions.refresh()

    assert signed_in.get(address).status_code == 403


@pytest.mark.parametrize(
    "prefix", ["https://portail.test/a?b=c", "https://portail.test/../a", "https://portail.test//", "ftp://portail.test/"]
)
def test_a_prefix_that_could_be_read_in_two_ways_is_not_registered(partner, prefix):
    with pytest.raises(InvalidClientMetadataError, match="link_prefixes"):
        partner(link_prefixes=[prefix])


def test_clients_of_the_sandbox_lead_nowhere(partner, signed_in):
    """Anybody may register one: it must not borrow MAG's name for a link."""
    partner("essai", profile="sandbox", link_prefixes=["https://essai.test/"])

    assert signed_in.get(at("https://essai.test/", "essai")).status_code == 404


# ------------------------------------------------------------------------------------------------------------------- ways


def test_4_somebody_signed_in_is_led_to_the_start_of_a_sign_in(portail, signed_in, journal):
    address, query = sent(signed_in.get(at(HERE)))

    assert (address, query) == (START, {"iss": "https://mag.test", "target_link_uri": HERE})
    assert [(line["client_id"], line["host"]) for line in journal("AccesOpened")] == [("portail", "portail.test")]


def test_without_a_start_the_resource_itself(partner, signed_in):
    partner("simple", link_prefixes=["https://simple.test/"])

    assert signed_in.get(at("https://simple.test/page?x=1", "simple")).headers["Location"] == "https://simple.test/page?x=1"


def test_the_client_whose_prefix_is_nearest_answers(partner, signed_in):
    partner("general", partenaire="maison", link_prefixes=["https://maison.test/"], initiate_login_uri="https://maison.test/general")
    partner("paie", partenaire="maison", link_prefixes=["https://maison.test/paie"], initiate_login_uri="https://maison.test/paie/entrer")

    assert sent(signed_in.get(at("https://maison.test/paie/bulletins", "maison")))[0] == "https://maison.test/paie/entrer"
    assert sent(signed_in.get(at("https://maison.test/paies", "maison")))[0] == "https://maison.test/general"


def test_a_stranger_signs_in_then_goes_on(wsgi_app, portail, client):
    page, query = sent(client.get(at(HERE)))
    mire = client.get(f"{page}?{urlencode(query)}")

    assert "Portail portail" in mire.text
    assert "portail.test" in mire.text
    assert "form-action 'self' https://portail.test;" in mire.headers["Content-Security-Policy"]
    un_declarant(wsgi_app.flask)
    back = se_connecter(client, demande=query["demande"])
    assert back.status_code == 303, back.text
    address, onward = sent(client.get(back.headers["Location"]))
    assert (address, onward["target_link_uri"]) == (START, HERE)


def test_whoever_gives_up_goes_back_to_the_partner(portail, client):
    page, query = sent(client.get(at(HERE)))
    form = {"csrf": csrf_in(client.get(f"{page}?{urlencode(query)}").text), "demande": query["demande"]}
    refused = client.post("/connexion/annuler", data=form)

    assert client.get(refused.headers["Location"]).headers["Location"] == "https://portail.test/bienvenue"


# ----------------------------------------------------------------------------------------------------------- signed links


def test_a_signed_link_leads_and_hints(portail, made, client):
    lien = made(siret=SIRET, libelle="Votre DSN de novembre")
    page, query = sent(client.get(path_of(lien)))
    mire = client.get(f"{page}?{urlencode(query)}").text

    assert page == "/connexion"
    assert "Votre DSN de novembre" in mire.replace("\u00a0", " ")
    assert 'value="732 829 320 00074"' in mire
    assert HERE not in lien["url"], "the link tells the resource to nobody"


def test_the_person_it_is_for_goes_straight_on(portail, made, signed_in):
    address, query = sent(signed_in.get(path_of(made(siret=SIRET))))

    assert (address, query["login_hint"], query["target_link_uri"]) == (START, SIRET, HERE)


def test_a_sub_is_a_hint_too(portail, made, signed_in, code_flow):
    sub = code_flow(portail, scope="openid").claims["sub"]

    assert sent(signed_in.get(path_of(made(sub=sub))))[0] == START
    assert sent(signed_in.get(path_of(made(sub="quelqu-un-d-autre"))))[0] == "/connexion/choix"


def test_somebody_else_is_asked_who_goes_on(portail, made, signed_in):
    """A hint never signs anybody in, nor keeps anybody out."""
    page, query = sent(signed_in.get(path_of(made(siret=OTHER_SIRET))))
    choice = signed_in.get(f"{page}?{urlencode(query)}")
    assert page == "/connexion/choix"
    form = {"csrf": csrf_in(choice.text), "demande": query["demande"]}
    chosen = signed_in.post("/connexion/choix", data=form)

    assert sent(signed_in.get(chosen.headers["Location"]))[0] == START


def test_a_link_used_once_serves_one_person(portail, made, signed_in, browser_of, new_declarant, journal):
    address = path_of(made(usage_unique=True))
    somebody_else = browser_of(new_declarant(nom="Autre"))

    assert signed_in.get(address).status_code == 303
    assert signed_in.get(address).status_code == 303, "a double click, the back button"
    late = somebody_else.get(address)
    assert (late.status_code, "M600105" in late.text) == (410, True)
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=6)):
        assert signed_in.get(address).status_code == 410
    assert len({line["declarant_id"] for line in journal("AccesOpened")}) == 1


def test_a_link_used_once_is_not_spent_by_a_scanner(portail, made, client, signed_in):
    address = path_of(made(usage_unique=True))
    for _ in range(3):
        assert client.get(address).status_code == 303
        assert client.head(address).status_code == 303

    assert sent(signed_in.get(address))[0] == START


def test_another_link_serves_until_its_end(portail, made, signed_in, browser_of, new_declarant):
    address = path_of(made())

    assert [browser.get(address).status_code for browser in (signed_in, browser_of(new_declarant(nom="Autre")), signed_in)] == [303] * 3


def test_nothing_of_a_link_is_taken_from_the_address_of_the_way_back(portail, signed_in):
    """The resource of a sign-in in progress is that of the link, whatever is added to the address."""
    page = signed_in.get(f"/acces/portail?demande=x&ressource={quote(HERE)}")

    assert page.status_code == 400
    assert urlsplit(page.headers.get("Location", "")).netloc == ""
