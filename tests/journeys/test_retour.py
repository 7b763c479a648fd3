"""After a sign-in that a form called for, one stands on a page that can be read."""

import re
from datetime import UTC, datetime

import pytest

from idp.authentication.demande import BINDING, open_demande
from tests.factories import un_administrateur

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
CASES = {
    "/compte/securite/application/retirer": "/compte/securite",
    "/compte/securite/cles/7": "/compte/securite",
    "/compte/securite/accords/7": "/compte/securite/accords",
    "/compte/adresse/verifier": "/compte/adresse",
    "/compte/information": "/compte",
    "/equipe/demandes/7": "/equipe/demandes/7",
}


def comes_back_to(app, client, path):
    """Where the sign-in that a posted form calls for leads; None when it calls for none."""
    location = client.post(path).headers.get("Location", "")
    if not re.match(r"/connexion\?demande=.", location):
        return None
    mag, host = app.extensions["mag"], "mag.test"
    binding = client.get_cookie(BINDING, domain=host, path="/").value
    asked = open_demande(mag.ephemeral, mag.keyring, location.partition("=")[2], binding, datetime.now(UTC), mag.settings.demande_lifetime)
    return asked.target


def test_no_form_sent_without_a_session_ends_on_a_page_that_cannot_be_read(app, client):
    un_administrateur(app)
    forms = [rule for rule in app.url_map.iter_rules() if "POST" in rule.methods]
    routes, seen = app.url_map.bind(""), {}
    for rule in forms:
        path = re.sub(r"<[^>]*>", "7", rule.rule)
        back = comes_back_to(app, client, path)
        if back is not None:
            seen[path] = back

    assert len(seen) > 20
    assert [path for path, back in seen.items() if not routes.test(back, "GET")] == []
    assert {path: seen.get(path) for path in CASES} == CASES
