"""Passkeys in a real browser, with the authenticator that Chromium lends to tests (WebAuthn domain of its DevTools protocol)."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import look_at
from tests.factories import PASSWORD, SIRET, un_declarant

pytestmark = [pytest.mark.browser, pytest.mark.parametrize("backend", ["sqlite"], indirect=True)]
OTHER_SIRET = "35600000000048"


class Lent:
    """An authenticator inside the machine, which knows its owner and keeps what it makes."""

    def __init__(self, opened):
        self.protocol = opened.context.new_cdp_session(opened)
        self.protocol.send("WebAuthn.enable")
        options = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": True,
        }
        self.id = self.protocol.send("WebAuthn.addVirtualAuthenticator", {"options": options})["authenticatorId"]

    def credentials(self):
        return self.protocol.send("WebAuthn.getCredentials", {"authenticatorId": self.id})["credentials"]

    def answers(self, *, present=True, verified=True):
        """Whether somebody touches it, and whose finger it is."""
        self.protocol.send("WebAuthn.setAutomaticPresenceSimulation", {"authenticatorId": self.id, "enabled": present})
        self.protocol.send("WebAuthn.setUserVerified", {"authenticatorId": self.id, "isUserVerified": verified})

    def forgets(self):
        self.protocol.send("WebAuthn.clearCredentials", {"authenticatorId": self.id})

    def goes_back(self):
        """Its counter says what it said before: a copy."""
        (kept,) = self.credentials()
        self.forgets()
        self.protocol.send("WebAuthn.addCredential", {"authenticatorId": self.id, "credential": kept | {"signCount": 0}})


@pytest.fixture
def mag(app, live_server):
    un_declarant(app, email="claire@exemple.fr")
    return live_server()


@pytest.fixture
def complaints():
    """What the page's console says: a broken policy shows here."""
    return []


@pytest.fixture
def browser_of(mag, page, complaints):
    def begin(path="/connexion", **options):
        opened = page(**options)
        opened.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        opened.on("pageerror", lambda error: complaints.append(str(error)))
        lent = Lent(opened)
        opened.goto(mag + path)
        return opened, lent

    return begin


def type_password(opened, siret=SIRET):
    for name, text in {"siret": siret, "nom": "Lefèvre", "prenom": "Claire", "password": PASSWORD}.items():
        opened.fill(f"#{name}", text)
    opened.locator("#identification button[type=submit]").click()


def add_key(opened, mag, name="Ordinateur du bureau"):
    opened.goto(f"{mag}/compte/securite")
    opened.get_by_role("link", name="Ajouter une clé d'accès").click()
    opened.fill("#nom", name)
    opened.locator("[data-lancer]").click()


@pytest.fixture
def holder(mag, browser_of):
    """A browser signed in, whose passkey was just added."""
    opened, lent = browser_of()
    type_password(opened)
    opened.wait_for_url("**/")
    add_key(opened, mag)
    opened.get_by_role("link", name="J'ai gardé mes codes, continuer").click()
    opened.wait_for_url("**/compte/securite?fait=cle")
    return opened, lent


def sign_out(opened, mag):
    opened.goto(f"{mag}/")
    opened.get_by_role("button", name="Me déconnecter", exact=True).click()
    opened.wait_for_load_state()
    opened.context.clear_cookies(name="__Host-mag_i")


def test_a_key_is_added_and_kept_by_the_authenticator(holder, complaints):
    opened, lent = holder

    assert opened.get_by_label("Nom de la clé").input_value() == "Ordinateur du bureau"
    assert "Il vous reste 10 codes" in opened.locator("main").inner_text()
    assert [(key["isResidentCredential"], key["rpId"]) for key in lent.credentials()] == [(True, "mag.localhost")]
    assert complaints == []


def test_after_the_password_it_is_the_second_factor(mag, holder, complaints):
    opened, _ = holder
    sign_out(opened, mag)
    opened.add_init_script("delete PublicKeyCredential.isConditionalMediationAvailable")
    opened.goto(f"{mag}/connexion")
    type_password(opened)
    opened.wait_for_url("**/connexion/second-facteur?*")
    look_at(opened, "second-facteur-cle")
    opened.get_by_role("button", name="Utiliser ma clé d'accès").click()
    opened.wait_for_url(f"{mag}/")

    assert "clé d'accès" in opened.locator("section[aria-labelledby=session]").inner_text()
    assert complaints == []


def test_from_the_mire_it_is_a_whole_sign_in(mag, holder, complaints):
    opened, _ = holder
    sign_out(opened, mag)
    opened.add_init_script("delete PublicKeyCredential.isConditionalMediationAvailable")
    opened.goto(f"{mag}/connexion")
    opened.get_by_role("button", name="Se connecter avec une clé d'accès").click()
    opened.wait_for_url(f"{mag}/")

    assert opened.locator("h1").inner_text() == "Bonjour Claire"
    assert complaints == []


def test_the_browser_proposes_it_among_what_it_fills_in(mag, holder, complaints):
    """Conditional mediation: nobody clicks; the authenticator of tests accepts what a person would pick in the list."""
    opened, _ = holder
    if not opened.evaluate("PublicKeyCredential.isConditionalMediationAvailable()"):
        pytest.skip("this Chromium has no conditional mediation")
    sign_out(opened, mag)
    opened.goto(f"{mag}/connexion")
    opened.wait_for_url(f"{mag}/")

    assert opened.locator("h1").inner_text() == "Bonjour Claire"
    assert complaints == []


def quietly(opened):
    """Nothing is proposed before somebody clicks."""
    opened.add_init_script("delete PublicKeyCredential.isConditionalMediationAvailable")


def said(opened):
    alert = opened.locator("[data-erreur]")
    expect(alert).not_to_be_empty()
    return alert.inner_text()


def at_the_second_factor(opened, mag):
    sign_out(opened, mag)
    quietly(opened)
    opened.goto(f"{mag}/connexion")
    type_password(opened)
    opened.wait_for_url("**/connexion/second-facteur?*")


def copied(lent, opened):
    lent.goes_back()


def of_nobody(lent, opened):
    lent.answers(verified=False)


def unplugged(lent, opened):
    opened.context.set_offline(True)


@pytest.mark.parametrize(
    ("happens", "words"),
    [
        (copied, "elle semble avoir été copiée"),
        (of_nobody, "L'opération a été annulée, ou elle a pris trop de temps"),
        (unplugged, "Le service est injoignable"),
    ],
)
def test_what_goes_wrong_is_said_in_french_and_another_try_works(mag, holder, happens, words):
    opened, lent = holder
    sign_out(opened, mag)
    quietly(opened)
    opened.goto(f"{mag}/connexion")
    happens(lent, opened)
    button = opened.get_by_role("button", name="Se connecter avec une clé d'accès")
    button.click()

    assert words in said(opened)
    opened.context.set_offline(False)
    lent.answers()
    if happens is not copied:
        button.click()
        opened.wait_for_url(f"{mag}/")


def test_a_key_that_was_removed_is_not_recognised(mag, holder):
    opened, _ = holder
    opened.get_by_role("button", name="Retirer Ordinateur du bureau").click()
    opened.get_by_text("ce second facteur est retiré").wait_for()
    sign_out(opened, mag)
    quietly(opened)
    opened.goto(f"{mag}/connexion")
    opened.get_by_role("button", name="Se connecter avec une clé d'accès").click()

    assert "n'a pas été reconnue" in said(opened)


def test_the_same_authenticator_makes_no_second_key(mag, holder):
    opened, _ = holder
    add_key(opened, mag, "Encore")

    assert said(opened) == "Cet appareil a déjà une clé d'accès pour ce compte."


def test_one_key_of_two_identities_asks_which(app, mag, holder, complaints):
    un_declarant(app, siret=OTHER_SIRET)
    opened, _ = holder
    sign_out(opened, mag)
    quietly(opened)
    opened.goto(f"{mag}/connexion")
    type_password(opened, OTHER_SIRET)
    opened.wait_for_url(f"{mag}/")
    opened.goto(f"{mag}/compte/securite/cles")
    opened.get_by_role("link", name="J'ai déjà une clé").click()
    opened.get_by_role("button", name="Utiliser cette clé ici aussi").click()
    opened.wait_for_url("**/connexion/codes?*")
    sign_out(opened, mag)
    opened.goto(f"{mag}/connexion")
    opened.get_by_role("button", name="Se connecter avec une clé d'accès").click()
    opened.wait_for_url("**/connexion/identite?*")
    look_at(opened, "identite")
    opened.locator("button.person", has_text="356 000 000 00048").click()
    opened.wait_for_url(f"{mag}/")

    assert "356 000 000 00048" in opened.locator("main").inner_text()
    assert complaints == []


def test_who_must_have_a_factor_adds_a_key_on_the_way(app, mag, browser_of, complaints):
    result = app.test_cli_runner().invoke(args=["facteurs", "politique", "exiger", "tous", "--delai", "0"])
    assert result.exit_code == 0
    opened, lent = browser_of()
    type_password(opened)
    opened.wait_for_url("**/connexion/protection?*")
    opened.get_by_role("button", name="Ajouter une clé d'accès").click()
    opened.get_by_role("link", name="J'ai gardé mes codes, continuer").click()
    opened.wait_for_url(f"{mag}/")

    assert len(lent.credentials()) == 1
    assert complaints == []
