"""Each route has a test: every address of both doors is named in some test of this folder's neighbours."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


def is_named(route: str, text: str) -> bool:
    """A route as tests write it: its fixed parts in order, whatever stands for its variables, then the end of the address."""
    start, *parts = map(re.escape, re.split(r"<[^>]+>", route))
    pattern = r"[^\s\"'/]+".join([rf"{start}(?<![\w/]{start})", *parts])  # fixed text first: it is found at once
    return re.search(rf"{pattern}(?![\w/-])", text) is not None


def routes_of(doors) -> Iterator[str]:
    for rule in doors.flask.url_map.iter_rules():
        if rule.endpoint != "static":
            yield rule.rule
    yield from doors.machines.routes


def test_each_route_is_named_in_a_test(wsgi_app):
    text = "\n".join(path.read_text("utf-8") for path in TESTS.rglob("*.py") if path != Path(__file__))

    assert sorted({route for route in routes_of(wsgi_app) if not is_named(route, text)}) == []


def test_the_rule_notices_a_route_that_nobody_tests(wsgi_app):
    wsgi_app.flask.add_url_rule("/jamais-essayee", view_func=lambda: "")

    assert [route for route in routes_of(wsgi_app) if not is_named(route, "client.get('/jamais')")] != []
    assert not is_named("/jamais-essayee", "/jamais-essayee-non /jamais /autre/jamais-essayee")
    assert is_named("/compte/<int:n>/clore", "client.post(f'/compte/{n}/clore')")
