"""The kit's own pages, which a partner who writes none has: looked at with axe, without MAG."""

from collections.abc import Iterator

import pytest
from flask import Flask

from partners.kit import MagKit
from tests.browser.conftest import look_at
from tests.journeys.portal import listening
from tests.services import free_port

pytestmark = pytest.mark.browser


@pytest.fixture
def site() -> Iterator[str]:
    """A partner whose MAG does not answer."""
    port, app = free_port(), Flask("nu")
    address = f"http://nu.localhost:{port}"
    app.secret_key = "k" * 40
    MagKit(app, issuer="http://mag.localhost:9", base_url=address, client_id="nu", client_secret="s" * 40)
    with listening(app, port):
        yield address


@pytest.mark.parametrize(
    ("path", "name", "heading"),
    [
        ("start?mode=x", "lien", "Ce lien n'est pas valable"),
        ("callback?state=x", "perdue", "La connexion a été interrompue"),
        ("callback?state=x&ui_locales=en", "lost", "The sign-in was interrupted"),
        ("start", "indisponible", "La connexion est momentanément indisponible"),
    ],
)
def test_a_page_of_refusal_is_sound_and_says_what_to_do(site, page, path, name, heading):
    opened, said = page(bypass_csp=True), []
    opened.on("console", lambda message: said.append(message.text) if message.type != "error" else None)
    opened.goto(f"{site}/auth/mag/{path}")

    assert opened.inner_text("h1") == heading
    assert opened.locator("a").count() == 2
    assert opened.evaluate("getComputedStyle(document.querySelector('main')).borderRadius") == "12px", "its sheet is there"
    look_at(opened, f"kit-{name}")
    assert said == []
