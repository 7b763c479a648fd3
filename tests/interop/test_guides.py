"""The partners' guides, stack by stack: what a reader copies is what runs here, against a served MAG.

Python, Node, Java and Apache are played as written, but for addresses, the secret and what http asks of a library. PHP and .NET are
not: their registrations are accepted by MAG, and what they write is compared with what it publishes.
"""

import json
import os
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests

from tests import factories, services
from tests.interop.conftest import IDENTITY, secret_of
from tests.interop.person import Browser
from tests.journeys.portal import listening

pytestmark = pytest.mark.interop
DOCS = Path(__file__).parents[2] / "docs"
GUIDES = {path.stem: path.read_text("utf-8") for path in sorted((DOCS / "guides").glob("*.md"))}
PLAYED = ("apache", "java-spring", "node", "python-flask")
MODULES = Path("/usr/lib/apache2/modules")
PATIENCE = 15
"""Seconds."""
JVM = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
"""What a short life is cheaper with."""
HEADERS = '<Location /prive>\nHeader always set X-Claim-Siret "%{OIDC_CLAIM_siret}e"\n</Location>\n'
"""What the application behind Apache would read."""


def blocks(guide: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", GUIDES[guide], re.S | re.M)


def registered(guide: str, site: str) -> dict[str, Any]:
    """What the guide has registered, at another address."""
    metadata: dict[str, Any] = json.loads(blocks(guide, "json")[0].replace("https://portail.example.fr", site))
    return metadata


@pytest.fixture(scope="module")
def ports() -> dict[str, int]:
    return {guide: services.free_port() for guide in PLAYED}


@pytest.fixture(scope="module")
def issuer(serve: Callable[..., str], ports: dict[str, int]) -> str:
    """MAG, told of each guide's client: accepting the registrations of all is part of the test."""
    sites = {guide: f"http://127.0.0.1:{ports[guide]}" if guide in ports else "https://portail.example.fr" for guide in GUIDES}
    hosts = ",".join(f"127.0.0.1:{port}" for port in ports.values())
    return serve("sqlite", {guide: registered(guide, sites[guide]) for guide in GUIDES}, MAG_OUTGOING_HOSTS=hosts)


@pytest.fixture
def written(issuer: str, ports: dict[str, int]) -> Callable[[str, str], str]:
    """`written("node", text)`: with the addresses and the secret of here."""

    def fill(guide: str, text: str) -> str:
        found = text.replace("https://mag.example.fr", issuer).replace("https://portail.example.fr", f"http://127.0.0.1:{ports[guide]}")
        return found.replace("mon-portail", guide).replace("3kP…", secret_of(guide))

    return fill


# ------------------------------------------------------------------------------------------------------------------- played


def visit(site: str, issuer: str, page: str) -> tuple[Browser, requests.Response]:
    """Section 3 of each guide, first lines: the page leads to MAG, which names the site, and comes back."""
    browser = Browser()
    mire = browser.follow(f"{site}{page}")
    assert mire.url.startswith(issuer)
    assert "Mon portail" in mire.text
    return browser, browser.submit(mire, **IDENTITY)


def leave_mag(browser: Browser, issuer: str) -> None:
    """From MAG's own page: the site is told by the backchannel."""
    browser.submit(browser.follow(f"{issuer}/"), f"{issuer}/", to="/deconnexion")


def until_asked_again(browser: Browser, page: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while browser.get(page).status_code == 200:
        assert time.monotonic() < deadline, "the site was not told"


def tour(guide: str, site: str, issuer: str, mismatch: str) -> None:
    """What sections 3 of the Python and Node guides promise, and the error of section 4 that anybody meets first."""
    browser, page = visit(site, issuer, "/espace")
    assert page.json() == {"nom": "Anne Lefèvre", "siret": factories.SIRET}
    leave_mag(browser, issuer)
    until_asked_again(browser, f"{site}/espace")

    browser, page = visit(site, issuer, "/espace")
    out = browser.request("POST", f"{site}/deconnexion")
    assert browser.follow(out.headers["Location"]).url == f"{site}/"
    assert browser.get(f"{site}/espace").status_code in (302, 303)
    assert "Mon portail" in browser.follow(f"{site}/espace").text
    assert requests.post(f"{site}/auth/mag/backchannel-logout", data={"logout_token": "faux"}, timeout=10).status_code == 400
    refused = browser.follow(f"{site}/auth/mag/callback?code=faux&state=faux&iss={issuer}")
    assert (refused.status_code, refused.json()) == (400, {"erreur": mismatch})
    assert f"| `{mismatch}` au retour |" in GUIDES[guide]


def test_python(issuer: str, ports: dict[str, int], written: Callable[[str, str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")
    (source,) = blocks("python-flask", "python")
    module: dict[str, Any] = {"__name__": "application"}
    exec(compile(written("python-flask", source), "python-flask.md", "exec"), module)

    with listening(module["app"], ports["python-flask"]):
        tour("python-flask", f"http://127.0.0.1:{ports['python-flask']}", issuer, "mismatching_state")


def test_node(
    issuer: str,
    ports: dict[str, int],
    written: Callable[[str, str], str],
    packages: Path,
    tmp_path: Path,
    start_process: Callable[..., services.Server],
) -> None:
    """http asks one more argument of `discovery`, which the guide tells."""
    (source,) = blocks("node", "js")
    more = re.findall(r"`(\{ execute: \[oidc\.allowInsecureRequests\] \})`", GUIDES["node"])[0]
    text = written("node", source).replace("listen(3000", f"listen({ports['node']}")
    plain = re.sub(r"(oidc\.ClientSecretBasic\('[^']+'\))\)", rf"\1, {more})", text)
    assert plain != text
    (tmp_path / "application.mjs").write_text(plain, "utf-8")
    (tmp_path / "node_modules").symlink_to(packages)
    start_process(["node", "--experimental-global-webcrypto", "application.mjs"], ports["node"])

    tour("node", f"http://127.0.0.1:{ports['node']}", issuer, "OAUTH_INVALID_RESPONSE")


def test_apache(
    issuer: str,
    ports: dict[str, int],
    written: Callable[[str, str], str],
    folder: Path,
    start_process: Callable[..., services.Server],
) -> None:
    (source,) = blocks("apache", "apache")
    start = (Path(__file__).parent / "httpd.conf").read_text().split("\n\n")[0]
    account = "User www-data\nGroup www-data" if os.geteuid() == 0 else ""
    start = start.format(port=ports["apache"], folder=folder, modules=MODULES, account=account)
    inside = f"<Directory {folder}/site>\nRequire all granted\n</Directory>\n"
    (folder / "httpd.conf").write_text(f"{start}\n{inside}{written('apache', source)}\n{HEADERS}", "utf-8")
    start_process(["/usr/sbin/apache2", "-f", str(folder / "httpd.conf"), "-D", "FOREGROUND"], ports["apache"])
    site = f"http://127.0.0.1:{ports['apache']}"

    browser, page = visit(site, issuer, "/prive/page.txt")
    assert (page.text, page.headers["X-Claim-Siret"]) == ("page privée\n", factories.SIRET)
    leave_mag(browser, issuer)
    until_asked_again(browser, f"{site}/prive/page.txt")

    browser, page = visit(site, issuer, "/prive/page.txt")
    link = re.findall(r"`(/prive/retour\?logout=[^`]+)`", GUIDES["apache"])[0]
    out = link.replace("https%3A%2F%2Fportail.example.fr", f"http%3A%2F%2F127.0.0.1%3A{ports['apache']}")
    assert browser.follow(f"{site}{out}").text == "au revoir\n"
    assert "Mon portail" in browser.follow(f"{site}/prive/page.txt").text


def test_java_spring(
    issuer: str,
    ports: dict[str, int],
    packaged: Callable[[Mapping[str, str]], Path],
    start_process: Callable[..., services.Server],
) -> None:
    """The project is what the page alone makes; the addresses of here are arguments of the program, which has nothing to warn of."""
    guide, port, client = GUIDES["java-spring"], ports["java-spring"], "spring.security.oauth2.client"
    files = dict(re.findall(r"^`(\S+)`[^`\n]*:\n\n```\w+\n(.*?)^```", guide, re.S | re.M))
    secret, jar = re.findall(r"^\$ (\w+)=3kP… java -jar (\S+)$", blocks("java-spring", "console")[0], re.M)[0]
    here = {
        "server.address": "127.0.0.1",
        "server.port": port,
        f"{client}.provider.mag.issuer-uri": issuer,
        f"{client}.registration.mag.client-id": "java-spring",
    }
    command = ["java", *JVM, "-jar", str(packaged(files) / jar), *(f"--{name}={value}" for name, value in here.items())]
    server = start_process(command, port, **{secret: secret_of("java-spring")})
    site = f"http://127.0.0.1:{port}"

    browser, page = visit(site, issuer, "/espace")
    assert page.json() == {"nom": "Anne Lefèvre", "siret": factories.SIRET}
    leave_mag(browser, issuer)
    until_asked_again(browser, f"{site}/espace")

    browser, page = visit(site, issuer, "/espace")
    assert browser.request("POST", f"{site}/logout").status_code == 403, "without the value of the form"
    assert browser.get(f"{site}/espace").status_code == 200
    assert browser.submit(browser.get(f"{site}/")).url == f"{site}/"
    assert "Mon portail" in browser.follow(f"{site}/espace").text

    spring_refuses(site, issuer)
    spring_stands_behind_a_proxy(site, issuer)
    (version,) = re.findall(r"<version>(\d+\.\d+\.\d+)</version>", files["pom.xml"])
    assert f"telle qu'elle est écrite, avec Spring Boot {version}" in guide
    assert f"(v{version})" in server.output()
    assert not re.search(r" (WARN|ERROR) |Exception", server.output())


def departure(browser: Browser, site: str, **sent: str) -> dict[str, str]:
    """What a Spring site asks of MAG."""
    asked = browser.get(f"{site}/oauth2/authorization/mag", sent=sent).headers["Location"]
    return dict(parse_qsl(urlsplit(asked).query))


def spring_refuses(site: str, issuer: str) -> None:
    """Notices that are none, returns that nobody left for, and those that bring no code of MAG's."""
    for notice in ({"logout_token": "faux"}, {"logout_token": ""}, {}):
        assert requests.post(f"{site}/logout/connect/back-channel/mag", data=notice, timeout=10).status_code == 400
    browser, back = Browser(), f"{site}/login/oauth2/code/mag"
    lost = browser.get(f"{back}?code=faux&state=faux&iss={issuer}")
    assert (lost.status_code, lost.text.split()[-1]) == (400, "authorization_request_not_found")
    assert "| `authorization_request_not_found` au retour |" in GUIDES["java-spring"]
    for answer, code in (("code=faux", "invalid_grant"), ("error=access_denied", "access_denied"), ("error=<b>", "<b>")):
        refused = browser.get(f"{back}?{answer}&state={departure(browser, site)['state']}&iss={issuer}")
        assert (refused.status_code, refused.text.split()[-1]) == (400, code)
        assert refused.headers["Content-Type"].startswith("text/plain"), "nothing of the address is a page"
        assert refused.headers["X-Content-Type-Options"] == "nosniff"
    assert browser.get(f"{site}/espace").status_code == 302


def spring_stands_behind_a_proxy(site: str, issuer: str) -> None:
    """https outside, http inside; then the error of whose proxy tells another name."""
    start = requests.get(f"{site}/espace", allow_redirects=False, timeout=10)
    assert {"secure", "httponly", "samesite=lax"} <= {part.strip().lower() for part in start.headers["Set-Cookie"].split(";")}
    proxy = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "portail.example.fr"}
    assert departure(Browser(), site, **proxy)["redirect_uri"] in registered("java-spring", "https://portail.example.fr")["redirect_uris"]
    asked = departure(Browser(), site, **proxy | {"X-Forwarded-Host": "interne.example.fr"})
    assert "M500001" in requests.get(f"{issuer}/authorize", params=asked, timeout=10).text


# --------------------------------------------------------------------------------------------------------------- not played


@pytest.mark.parametrize(
    ("guide", "language", "of_issuer", "of_scopes"),
    [
        pytest.param("php", "php", r"OpenIDConnectClient\('(.*?)'", r"addScope\(\[(.*?)\]", id="php"),
        pytest.param("dotnet", "csharp", r'Authority = "(.*?)"', r"((?:\s*options\.Scope\.Add.*\n)+)", id="dotnet"),
    ],
)
def test_what_is_not_played_agrees_with_what_mag_publishes(issuer: str, guide: str, language: str, of_issuer: str, of_scopes: str) -> None:
    """Issuer, scopes, methods, algorithms, addresses; and the page says that it is not played."""
    published = requests.get(f"{issuer}/.well-known/openid-configuration", timeout=10).json()
    metadata, source = registered(guide, "https://portail.example.fr"), "\n".join(blocks(guide, language))
    asked = re.findall(of_scopes, source, re.M)[0]
    scopes = re.findall(r"\w+(?=['\",]|$)", asked, re.M)

    assert re.findall(of_issuer, source) == ["https://mag.example.fr"]
    assert sorted(scopes) == sorted(metadata["scope"].split())
    assert set(scopes) <= set(published["scopes_supported"])
    assert metadata["token_endpoint_auth_method"] in published["token_endpoint_auth_methods_supported"]
    assert metadata["id_token_signed_response_alg"] in published["id_token_signing_alg_values_supported"]
    assert set(metadata["grant_types"]) <= set(published["grant_types_supported"])
    assert "S256" in published["code_challenge_methods_supported"]
    assert "query" in published["response_modes_supported"]
    assert published["backchannel_logout_session_supported"]
    assert "n'est pas jouée par la suite d'essais" in GUIDES[guide]


@pytest.mark.parametrize("guide", GUIDES)
def test_each_guide_has_the_same_four_parts(guide: str) -> None:
    """Install and register, the code, what to see, three errors; the overview leads to it."""
    text = GUIDES[guide]
    parts = re.findall(r"^## \d\. (.*)$", text, re.M)

    assert [parts[0], *parts[2:]] == ["Installer, inscrire", "Ce que vous devez voir", "Les trois erreurs habituelles"]
    assert len(re.findall(r"^\| (?!Ce que|---)", text.split("## 4.")[1], re.M)) == 3
    assert f"guides/{guide}.md" in (DOCS / "partenaires.md").read_text("utf-8")
    assert all(f"`{code}`" in (DOCS / "erreurs.md").read_text("utf-8") for code in re.findall(r"M\d{6}", text))


def test_there_is_a_guide_for_each_stack() -> None:
    assert list(GUIDES) == ["apache", "dotnet", "java-spring", "node", "php", "python-flask"]
