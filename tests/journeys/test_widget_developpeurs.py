"""The developer's page over HTTP: what it prints, what it refuses, what it never tells."""

import re
from datetime import UTC, datetime
from html import unescape

import pytest

from idp.database import db
from partners import onboarding
from widget.releases import LOGIN, releases

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
PAGE = "/developpeurs/widget"


@pytest.fixture
def portail(app):
    """A client, and its secret."""
    now = datetime.now(UTC)
    with app.app_context():
        partenaire = onboarding.register_partenaire("portail", "Portail", "contact@portail.test", now)
        metadata = {"client_name": "Portail & fils", "redirect_uris": ["https://portail.test/auth/mag/callback"]}
        secret = onboarding.register_client(partenaire, metadata, now, client_id="portail")[1]
        db.session.commit()
    app.extensions["mag"].versions.refresh()
    return secret


def code_in(page, name="page"):
    return unescape(re.search(rf'<code id="{name}-code">(.*?)</code>', page.text, re.S)[1])


def test_the_tag_is_the_one_of_the_latest_release(client):
    code = code_in(client.get(PAGE))

    assert f'integrity="{releases()[0].files[LOGIN]["integrity"]}"' in code
    assert f'src="https://mag.test/widget/{releases()[0].version}/mag-login.js"' in code
    assert '<mag-login client-id="mon-portail" start="/auth/mag/start" session="/auth/mag/session" return-to="/espace">' in code
    assert '<a href="/auth/mag/start">Se connecter avec MAG</a>' in code


def test_choices_are_written(client):
    chosen = (
        "client=abc&modes=redirect&modes=popup&label=link&lang=en&siret=732+829+320+00074&siren=732829320&retour=/x&auto=oui&heartbeat=oui"
    )
    code = code_in(client.get(f"{PAGE}?{chosen}&rayon=4&bg=%23ABCDEF"))

    for attribute in (
        'client-id="abc"',
        'modes="popup redirect"',
        'label="link"',
        'lang="en"',
        'login-hint="73282932000074"',
        'domain-hint="732829320"',
    ):
        assert attribute in code
    assert code.split(">\n  <a")[0].endswith(" auto heartbeat")
    assert "Link my MAG identity" in code
    style = code_in(client.get(f"{PAGE}?{chosen}&rayon=4&bg=%23ABCDEF"), "style")
    assert "--mag-bg: #abcdef;" in style
    assert "--mag-radius: 4px;" in style


def test_the_client_is_told_as_its_sign_in_page_tells_it(client, portail):
    page = client.get(f"{PAGE}?client=portail&modes=redirect").text

    assert "Portail &amp; fils" in page
    assert "https://portail.test" in page
    assert portail not in page
    assert "contact@portail.test" not in page
    assert "Aucun client en service" in client.get(f"{PAGE}?client=autre&modes=redirect").text


@pytest.mark.parametrize(
    ("server", "said"), [("flask", "MagKit(app"), ("php", "random_bytes(32)"), ("node", "openid-client"), ("cobol", "MagKit(app")]
)
def test_each_server_has_its_code(client, portail, server, said):
    code = code_in(client.get(f"{PAGE}?client=portail&modes=redirect&retour=/x&serveur={server}"), "serveur")

    assert said in code
    assert "https://mag.test" in code
    assert "portail" in code


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("client=%3Cscript%3E&modes=popup", "Un identifiant de client"),
        ("client=a", "Choisissez au moins un mode"),
        ("modes=popup&siret=12", "SIRET"),
        ("modes=popup&siren=12", "SIREN"),
        ("modes=popup&retour=//autre.test", "chemin de votre site"),
        ("modes=popup&retour=/%5Cautre.test", "chemin de votre site"),
        ("modes=popup&retour=javascript:alert(1)", "chemin de votre site"),
        ("modes=popup&serveur=php&retour=/x';system($_GET[0]);//", "chemin de votre site"),
        ("modes=popup&serveur=node&retour=/x'%2Bprocess.env.SECRET%2B'", "chemin de votre site"),
        ("modes=popup&retour=/x%22%3E%3Cscript/src=//autre.test%3E%3C/script%3E", "chemin de votre site"),
        ("modes=popup&rayon=41", "L'arrondi"),
        ("modes=popup&rayon=-1", "L'arrondi"),
        ("modes=popup&bg=red", "Une couleur"),
        ("modes=popup&bg=%23fff%3B%7D*%7Bcolor:red", "Une couleur"),
    ],
)
def test_a_choice_that_cannot_be_is_said_and_not_printed(client, query, said):
    answer = client.get(f"{PAGE}?{query}")

    assert answer.status_code == 200
    assert said in unescape(answer.text)
    assert "Vérifiez votre saisie" in answer.text
    assert "<script>" not in answer.text
    assert "autre.test" not in code_in(answer)
    assert "red" not in client.get(f"{PAGE}.css?{query}").text


def test_unreadable_colours_are_said(client):
    page = client.get(f"{PAGE}?modes=popup&bg=%23ffee00&fg=%23ffffff").text

    assert "Insuffisant" in page
    assert "Changez la couleur signalée" in page
    assert "Insuffisant" not in client.get(PAGE).text


def test_the_style_sheet_holds_the_chosen_colours(client):
    answer = client.get("/developpeurs/widget.css?modes=popup&bg=%23123456&page=%23000000")

    assert answer.mimetype == "text/css"
    assert "mag-login { --mag-bg: #123456; }" in answer.text
    assert ".apercu { background: #000000; color: #ffffff; }" in answer.text


def test_nothing_starts_here(client):
    answer = client.get("/developpeurs/widget/essai?mode=fedcm")
    assert (answer.mimetype, answer.json) == ("application/json", {})
    page = client.get("/developpeurs/widget/essai?mode=popup&return_to=%3Cb%3E&autre=x").text
    assert "&lt;b&gt;" in page
    assert "autre" not in page


def test_the_page_keeps_the_policy_of_every_page(client):
    policy = client.get(PAGE).headers["Content-Security-Policy"]

    assert "script-src 'self'; style-src 'self'" in policy
    assert "require-trusted-types-for 'script'; trusted-types 'none'" in policy
