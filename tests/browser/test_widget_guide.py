"""docs/widget.md, tried as a new partner would: its file is registered, its application and its five-line page run as they are written.

`MAG_TEST_IMAGES=docs/images` writes the sequence of images of the document again.
"""

import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from werkzeug.serving import make_server

from tests import services
from tests.driver import playwright
from tests.factories import NOM, PASSWORD, PRENOM, SIRET, un_declarant
from widget.releases import releases, tag

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "widget.md").read_text("utf-8")
MAG, SITE = "https://mag.example.fr", "https://portail.example.fr"
pytestmark = [pytest.mark.browser, pytest.mark.parametrize("backend", ["sqlite"], indirect=True)]


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, re.S)


@pytest.fixture
def portal(app, live_server, tmp_path: Path) -> Iterator[str]:
    """The partner's site, made of the document's blocks alone; its address."""
    mag, port = live_server(), services.free_port()
    site = f"http://portail.localhost:{port}"

    def here(text: str) -> str:
        return text.replace(MAG, mag).replace(SITE, site).replace("from mag_kit import", "from partners.kit import")

    (tmp_path / "client.json").write_text(here(blocks("json")[0]), "utf-8")
    command = blocks("console")[0].split('"Mon portail"')
    words = [*command[0].split()[2:], "Mon portail", *command[1].replace("client.json", str(tmp_path / "client.json")).split()]
    told = app.test_cli_runner().invoke(args=words).output
    un_declarant(app)
    (tmp_path / "templates").mkdir()
    for name, text in zip(("accueil.html", "espace.html"), blocks("html"), strict=True):
        (tmp_path / "templates" / name).write_text(here(text), "utf-8")
    module: dict[str, Any] = {"__name__": "portail", "__file__": str(tmp_path / "portail.py")}
    source = here(blocks("python")[0]).replace("3kP…", told.split("client_secret : ")[1].split()[0])
    exec(compile(source.replace("Flask(__name__)", f"Flask(__name__, root_path={str(tmp_path)!r})"), "portail.py", "exec"), module)
    server = make_server("127.0.0.1", port, module["app"], threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield site
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def visitor() -> Iterator[Any]:
    """A browser without FedCM, as most are: the button goes by redirect."""
    switches = ["--no-sandbox", "--host-resolver-rules=MAP *.localhost 127.0.0.1", "--disable-features=FedCm"]
    found = playwright().chromium.launch(executable_path=services.headless(), args=switches)
    context = found.new_context(locale="fr-FR", viewport={"width": 560, "height": 200}, color_scheme="light")
    context.set_default_timeout(15_000)
    yield context.new_page()
    found.close()


def keep(page: Any, name: str) -> None:
    """An image of the document."""
    if folder := os.environ.get("MAG_TEST_IMAGES"):
        page.screenshot(path=f"{folder}/widget-{name}.png")


def type_identity(page: Any) -> None:
    for name, text in {"siret": SIRET, "nom": NOM, "prenom": PRENOM, "password": PASSWORD}.items():
        page.fill(f"#{name}", text)


def test_the_tag_of_the_document_is_the_latest(backend):
    assert tag(MAG, releases()[0]) in blocks("html")[0]
    assert blocks("html")[0].count("\n") == 5


def test_the_page_of_five_lines_signs_somebody_in(portal, visitor):
    visitor.goto(portal)
    visitor.locator("mag-login").get_by_role("link", name="Se connecter avec MAG").wait_for()
    keep(visitor, "1-page")
    visitor.locator("mag-login").get_by_role("link", name="Se connecter avec MAG").click()
    visitor.get_by_text("Mon portail", exact=True).first.wait_for()
    visitor.set_viewport_size({"width": 560, "height": 900})
    type_identity(visitor)
    visitor.evaluate("document.activeElement.blur()")
    keep(visitor, "2-connexion")
    visitor.get_by_role("button", name="Se connecter", exact=True).click()
    visitor.get_by_role("heading", name="Bonjour Claire Lefèvre").wait_for()
    visitor.set_viewport_size({"width": 560, "height": 200})
    keep(visitor, "3-espace")
    assert visitor.url == f"{portal}/espace"

    visitor.get_by_role("button", name="Se déconnecter").click()
    visitor.wait_for_url(f"{portal}/")
    visitor.goto(f"{portal}/espace")
    visitor.get_by_role("heading", name="Connexion").wait_for()


def test_the_link_of_the_page_signs_in_without_a_script(portal, page):
    opened = page(javascript=False)
    opened.goto(portal)
    opened.get_by_role("link", name="Se connecter avec MAG").click()
    type_identity(opened)
    opened.get_by_role("button", name="Se connecter", exact=True).click()

    assert opened.get_by_role("heading", name="Bonjour Claire Lefèvre").is_visible()


def test_the_button_and_the_document_name_the_same_things(backend):
    """Attributes, events and properties of the source, all of them."""
    source = (ROOT / "widget" / "mag-login.js").read_text("utf-8")
    attributes = set(re.findall(r'given\("([a-z-]+)"\)', source)) | set(re.findall(r'digits\("([a-z-]+)"\)', source))
    properties = set(re.findall(r"var\((--mag-[a-z-]+)", source))

    assert {one for one in (*attributes, *properties) if f"`{one}`" not in GUIDE} == set()
    assert {one for one in ("ready", "start", "success", "cancel", "error", "logout") if f"`mag:{one}`" not in GUIDE} == set()
