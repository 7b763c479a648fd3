"""npm's oidc-client-ts in Chromium: a single-page site on an origin of its own, with bearer tokens, then with DPoP."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests import factories, services
from tests.interop.conftest import IDENTITY, JAVASCRIPT

pytestmark = [pytest.mark.interop, pytest.mark.browser]
PAGE = '<!doctype html><html lang="fr" data-authority="{issuer}"><meta charset="utf-8"><title>Site</title>'
PAGE += '<script type="module" src="/site.mjs"></script><body></body></html>'
POLICY = "default-src 'none'; script-src 'self'; connect-src {issuer}; frame-src {issuer} 'self'"


def handler(issuer: str, packages: Path) -> type[BaseHTTPRequestHandler]:
    """The site: its script, the library as npm ships it, and one page for every other address."""
    scripts = {
        "/site.mjs": JAVASCRIPT / "oidc_client_ts" / "site.mjs",
        "/oidc-client-ts.js": packages / "oidc-client-ts" / "dist" / "esm" / "oidc-client-ts.js",
        "/jwt-decode": packages / "jwt-decode" / "build" / "esm" / "index.js",
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            script = scripts.get(self.path)
            text = script.read_text().replace('"jwt-decode"', '"/jwt-decode"') if script else PAGE.format(issuer=issuer)
            self.send_response(200)
            self.send_header("Content-Type", f"text/{'javascript' if script else 'html'}; charset=utf-8")
            self.send_header("Content-Security-Policy", POLICY.format(issuer=issuer))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            return

    return Handler


@pytest.fixture(scope="module")
def site(serve: Callable[..., str], packages: Path) -> Iterator[str]:
    """The origin of the site."""
    issuer = f"http://mag.localhost:{services.free_port()}"
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(issuer, packages))
    origin = f"http://portail.localhost:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    serve("postgresql", {name: registered(f"{origin}/{name}", dpop=name == "lie") for name in ("libre", "lie")}, issuer)
    yield origin
    server.shutdown()
    server.server_close()


def registered(at: str, *, dpop: bool) -> dict[str, Any]:
    return {
        "token_endpoint_auth_method": "none",
        "redirect_uris": [f"{at}/retour", f"{at}/silence"],
        "post_logout_redirect_uris": [f"{at}/fini"],
        "grant_types": ["authorization_code", "refresh_token"],
        "scope": "openid profile email siret",
        "id_token_signed_response_alg": "ES256",
        "dpop_bound_access_tokens": dpop,
    }


def sign_in(tab: Any, at: str) -> None:
    tab.goto(f"{at}/")
    assert said(tab) == "fait"
    tab.evaluate("void site.manager.signinRedirect()")
    tab.wait_for_selector("input[name=password]")
    for name, value in IDENTITY.items():
        tab.fill(f"input[name={name}]", value)
    tab.click("#identification button[type=submit]")
    tab.wait_for_url(f"{at}/retour*")
    assert said(tab) == "fait"


def said(tab: Any) -> str:
    """How the page finished what sent the browser to it."""
    found: str = tab.wait_for_selector("body[data-said]", state="attached").get_attribute("data-said")
    return found


@pytest.mark.parametrize(("client_id", "token_type"), [("libre", "Bearer"), ("lie", "DPoP")])
def test_a_page_signs_in_renews_revokes_and_signs_out(page: Callable[..., Any], site: str, client_id: str, token_type: str) -> None:
    """Seen with real clients, 3: the library throws unless revocation answers as it should; 10: a frame is answered, not left to hang."""
    tab, at = page(), f"{site}/{client_id}"
    sign_in(tab, at)
    first = tab.evaluate("site.user()")
    assert first["token_type"].lower() == token_type.lower()
    assert tab.evaluate("user => site.userinfo(user)", first) == {"status": 200, "siret": factories.SIRET}
    assert client_id == "lie" or first["profile"]["email"] == "anne@exemple.fr"

    second = tab.evaluate("site.renew()")
    assert second["access_token"] != first["access_token"]
    assert second["refresh_token"] != first["refresh_token"]
    assert tab.evaluate("site.frame()") == "login_required"

    assert tab.evaluate("site.revoke()") == "revoked"
    assert tab.evaluate("user => site.userinfo(user)", second)["status"] == 401
    tab.evaluate("void site.manager.signoutRedirect()")
    tab.wait_for_url(f"{at}/fini*")
    assert said(tab) == "fait"
