"""The releases of the widget: what partners load is what was published, small, hashed, and never changes."""

import gzip
import re
from dataclasses import replace

import orjson
import pytest

from widget import publication
from widget.publication import BUDGETS, PublicationRefusedError, built, publish, squeezed
from widget.releases import FOLDER, LIST, integrity, releases, tag

wsgi_app = pytest.fixture(lambda standing_app: standing_app)
LATEST = releases()[0]
FILES = [(release, name) for release in releases() for name in release.files]


@pytest.mark.parametrize(("release", "name"), FILES, ids=lambda value: getattr(value, "version", value))
def test_w13_a_file_is_what_its_hash_says_and_within_its_budget(client, release, name):
    answer = client.get(f"/widget/{release.version}/{name}")

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert integrity(answer.data) == release.files[name]["integrity"]
    assert len(answer.data) == release.files[name]["bytes"] <= BUDGETS[name][0]
    assert len(gzip.compress(answer.data, 9, mtime=0)) <= BUDGETS[name][1]


@pytest.mark.parametrize(
    ("name", "whole", "broken"),
    [
        pytest.param("mag-login.js", '["Session terminée.", "Session ended."]', '["Session terminée."]', id="W12-no-english"),
        pytest.param("mag-login.js", '["Rouvrir la fenêtre", "Reopen the window"]', '["", "Reopen the window"]', id="W12-no-french"),
        pytest.param("mag-login.js", '["Session terminée.", "Session ended."]', '["Session terminée.", " "]', id="W12-blank"),
        pytest.param("mag-login.js", "const WORDS = {", "const TEXTS = {", id="W12-no-words"),
        pytest.param("mag-inline.js", '["Connexion avec MAG", "Sign in with MAG"]', '["Connexion avec MAG"]', id="W12-title"),
    ],
)
def test_a_missing_translation_fails_the_build(name, whole, broken):
    source = (publication.SOURCES / name).read_text("utf-8")
    publication.check_words(name, source)
    assert source.count(whole) == 1

    with pytest.raises(PublicationRefusedError, match="words"):
        publication.check_words(name, source.replace(whole, broken))


def test_w12_every_word_shown_has_its_texts():
    """What the element says by name is in its list: nothing else could be shown."""
    source = (publication.SOURCES / "mag-login.js").read_text("utf-8")
    known = set(re.findall(r"^  (\w+): \[", source, re.M))

    assert {"signin", "continue", "link"} | set(re.findall(r'put\(\w+, "(\w+)"\)', source)) <= known
    assert set(re.findall(r'\bsay\("(\w+)"\)', source)) <= known


@pytest.mark.parametrize("name", LATEST.files)
def test_w13_nothing_evaluates_nor_writes_markup(name):
    text = (FOLDER / LATEST.version / name).read_text("utf-8")

    assert (
        re.findall(r"\beval\b|new Function|innerHTML|outerHTML|insertAdjacentHTML|document\.write|localStorage|sessionStorage", text) == []
    )
    assert re.findall(r"https?://[^\"'` ]*", text) == []


def test_a_smaller_answer_for_who_takes_it(client):
    path = f"/widget/{LATEST.version}/mag-login.js"
    answer = client.get(path, headers={"Accept-Encoding": "br, gzip"})

    assert answer.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(answer.data) == client.get(path).data
    assert answer.headers["Vary"] == "Accept-Encoding"
    assert client.head(path).headers["Content-Length"] == client.get(path).headers["Content-Length"]


def test_the_list_of_releases(client):
    answer = client.get("/widget/releases.json")

    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Cache-Control"] == "public, max-age=3600"
    assert answer.json == orjson.loads((FOLDER / LIST).read_bytes())
    assert {"version", "date", "end_of_support", "files"} == set(answer.json["releases"][0])


@pytest.mark.parametrize(
    "path", ["/widget/", "/widget/latest/mag-login.js", f"/widget/{LATEST.version}/../releases.json", "/widget/9.9.9/mag-done.js"]
)
def test_nothing_else_is_served(client, path):
    assert client.get(path).status_code == 404


def test_a_release_is_read_only(client):
    assert client.post(f"/widget/{LATEST.version}/mag-login.js").status_code == 405


# -------------------------------------------------------------------------------------------------------------- publication


def test_the_tag_names_the_version_and_the_hash(wsgi_app):
    runner = wsgi_app.flask.test_cli_runner()
    printed = runner.invoke(args=["widget", "balise"])
    written = tag("https://mag.test", LATEST)

    assert printed.output == written + "\n"
    assert f'src="https://mag.test/widget/{LATEST.version}/mag-login.js"' in written
    assert f'integrity="{LATEST.files["mag-login.js"]["integrity"]}"' in written
    assert runner.invoke(args=["widget", "balise", "--version", "0.0.1"]).exit_code == 1


MADE = {"mag-login.js": b"export {};\n", "mag-done.js": b"close();\n"}


def test_a_published_version_never_changes(tmp_path):
    first = publish(MADE, "2026-01-01", tmp_path)

    assert publish(MADE, "2026-02-02", tmp_path) == first
    with pytest.raises(PublicationRefusedError):
        publish({**MADE, "mag-done.js": b"open();\n"}, "2026-02-02", tmp_path)
    assert (tmp_path / first.version / "mag-done.js").read_bytes() == b"close();\n"


def test_one_that_nobody_loads_yet_is_written_again(tmp_path):
    first = publish(MADE, "2026-01-01", tmp_path)
    again = publish({**MADE, "mag-done.js": b"open();\n"}, "2026-02-02", tmp_path, again=True)

    assert releases(tmp_path) == [again]
    assert again == replace(first, files=again.files)


def test_the_next_version_comes_first_and_the_former_stays(tmp_path, monkeypatch):
    former = publish(MADE, "2026-01-01", tmp_path)
    monkeypatch.setattr(publication, "version", lambda: "9.0.0")
    publish(MADE, "2026-02-02", tmp_path)

    assert [release.version for release in releases(tmp_path)] == ["9.0.0", former.version]


def test_a_release_that_is_too_heavy_or_cannot_be_made_is_refused(tmp_path):
    heavy = tmp_path / "esbuild"
    heavy.write_text("#!/bin/sh\nhead -c 9000 /dev/zero | tr '\\0' x\n")
    heavy.chmod(0o755)

    with pytest.raises(PublicationRefusedError, match="9000"):
        built(heavy)
    with pytest.raises(PublicationRefusedError, match="esbuild"):
        built(tmp_path / "nothing")


def test_a_style_loses_the_spaces_that_mean_nothing():
    assert squeezed("\na, b { margin: 0 1em; --x: var(--y, #fff) }\n:host(:hover) i { color: red }") == (
        "a,b{margin:0 1em;--x:var(--y,#fff)}:host(:hover) i{color:red}"
    )


def test_the_command_says_what_is_missing(wsgi_app, tmp_path):
    broken = tmp_path / "esbuild"
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o755)
    done = wsgi_app.flask.test_cli_runner().invoke(args=["widget", "publier", "--esbuild", str(broken)])

    assert done.exit_code == 1
    assert "esbuild n'a pas abouti" in done.output


def test_the_page_that_says_what_mag_is(client):
    page = client.get("/qu-est-ce-que-mag")

    assert page.status_code == 200
    assert "Jamais votre mot de passe" in page.text
