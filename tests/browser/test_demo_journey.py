"""`mag demo`, as a newcomer meets it: Chromium signs in at one portal, is known at the other, signs out, is out of both."""

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from partners.demo.lieux import Lieux
from partners.demo.population import PASSWORD
from tests.browser.conftest import look_at

pytestmark = pytest.mark.browser
ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-c", "from wsgi import command_line; command_line()", "demo")


def free_base() -> int:
    """A base whose five ports are free."""
    for base in range(20000 + os.getpid() % 200 * 100, 60000, 100):
        with socket.socket() as first, socket.socket() as last:
            try:
                first.bind(("127.0.0.1", base))
                last.bind(("127.0.0.1", base + 26))
            except OSError:
                continue
            return base
    raise RuntimeError("no free ports")


@dataclass
class Demo:
    """A demonstration that runs."""

    lieux: Lieux
    process: subprocess.Popen[str]
    output: str

    def stop(self, number: int = signal.SIGINT) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(60)


def start(folder: Path, base: int, *options: str) -> Demo:
    """Ready when it has said how to stop it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAG_")} | {"PYTHONUNBUFFERED": "1"}
    command = [*COMMAND, "--port-base", str(base), "--dossier", str(folder), *options]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "Ctrl-C arrête tout" in line:
            return Demo(Lieux(folder, base), process, "".join(lines))
    raise AssertionError("".join(lines))


def redis_in_service(url: str) -> str:
    """Emptied, and as old as a Redis in service is: a new one refuses client assertions for some minutes."""
    from redis import Redis

    with Redis.from_url(url) as client:
        client.flushall()
        client.set("mag:epoch", "1")
    return url


@pytest.fixture(scope="module", params=["sqlite", "postgresql-redis"])
def demo(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    options: tuple[str, ...] = ()
    if request.param != "sqlite":
        database_url = request.getfixturevalue("postgresql").create("demo")
        options = ("--base", database_url, "--redis", redis_in_service(request.getfixturevalue("redis_server").url))
    found = start(tmp_path_factory.mktemp("demo"), free_base(), *options)
    yield found
    found.stop()


@pytest.fixture
def new_tab(page: Callable[..., Any]) -> Callable[..., Any]:
    """A page that waits longer: five servers of ours share the machine with the other tests."""

    def open_tab(**options: Any) -> Any:
        tab = page(**options)
        tab.set_default_timeout(60_000)
        return tab

    return open_tab


def sign_in(page: Any, siret: str, nom: str, prenom: str) -> None:
    """At MAG, by what a person reads on the page."""
    page.get_by_label(re.compile("SIRET")).first.fill(siret)
    page.get_by_label("Nom", exact=True).fill(nom)
    page.get_by_label("Prénom", exact=True).fill(prenom)
    page.get_by_label("Mot de passe", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Se connecter", exact=True).click()


def sign_out(page: Any) -> None:
    page.get_by_role("button", name="Se déconnecter").click()


def is_out(page: Any, origin: str) -> bool:
    page.goto(f"{origin}/")
    return bool(
        page.get_by_role("link", name="Se connecter avec MAG").is_visible()
        and not page.get_by_role("button", name="Se déconnecter").count()
    )


@pytest.mark.parametrize("javascript", [True, False], ids=["javascript", "no-javascript"])
def test_one_sign_in_opens_both_portals_and_one_sign_out_closes_them(demo: Demo, new_tab: Callable[..., Any], javascript: bool):
    tab, lieux = new_tab(javascript=javascript), demo.lieux
    tab.goto(lieux.facile)
    tab.get_by_role("link", name="Se connecter avec MAG").click()
    assert tab.url.startswith(lieux.issuer)
    assert "Déclarez facile" in tab.inner_text("main")

    sign_in(tab, "000 110 031 00010", "NOEL", "gaetan")
    tab.wait_for_url(f"{lieux.facile}/espace")
    assert tab.inner_text("h1") == "Bonjour Gaëtan Noël"
    assert "000 110 031 00010" in tab.inner_text("main").replace("\u202f", " ")
    bayonne = tab.locator("article", has_text="Bayonne")
    assert bayonne.get_by_role("button", name="Déclarer : DSN").is_enabled()
    assert bayonne.get_by_role("button", name="Payer : DSN").is_disabled()
    assert tab.locator("article", has_text="Mont-de-Marsan").get_by_role("button", name="Payer : DSN").is_enabled()

    tab.get_by_role("link", name="Portail Entreprises").click()
    tab.wait_for_url(f"{lieux.entreprises}/espace")
    assert tab.inner_text("h1") == "Bonjour Gaëtan Noël"
    tab.locator("article", has_text="Mont-de-Marsan").get_by_role("button", name="Payer : DSN").click()
    assert tab.inner_text("h1") == "Paiement ouvert"

    sign_out(tab)
    tab.wait_for_url(f"{lieux.entreprises}/")
    assert is_out(tab, lieux.entreprises)
    assert is_out(tab, lieux.facile)
    tab.goto(f"{lieux.facile}/espace")
    assert tab.url.startswith(f"{lieux.issuer}/connexion")


def test_a_button_that_is_not_offered_is_refused_all_the_same(demo: Demo, new_tab: Callable[..., Any]):
    tab = new_tab(bypass_csp=True)
    tab.goto(f"{demo.lieux.facile}/espace")
    sign_in(tab, "00011001500013", "Girard", "Paul")
    tab.wait_for_url("**/espace")
    assert tab.get_by_role("button", name="Déclarer : DSN").first.is_disabled()

    answer = tab.evaluate("""async () => (await fetch('/acte', {method: 'POST',
        headers: {'Content-Type': 'application/x-www-form-urlencoded'}, body: 'acte=declarer|dsn|00011001500013'})).status""")
    assert answer == 403


def test_a_firm_with_sixty_clients_finds_one(demo: Demo, new_tab: Callable[..., Any]):
    tab = new_tab(javascript=False)
    tab.goto(f"{demo.lieux.facile}/espace")
    sign_in(tab, "000 110 023 00025", "celik", "jean noel")
    tab.wait_for_url("**/espace")
    assert "60 établissements ou entreprises, page 1 sur 3." in tab.inner_text("main")

    tab.get_by_role("link", name="Suivante").click()
    assert "page 2 sur 3" in tab.inner_text("main")
    tab.get_by_label("Nom ou SIRET").fill("librairie bellevue")
    tab.get_by_role("button", name="Chercher").click()
    assert tab.locator("article").count() == 1
    tab.get_by_role("button", name="Déclarer : DSN").click()
    assert tab.inner_text("h1") == "Déclaration ouverte"


def test_whole_company_save_one_and_nobody_who_is_suspended(demo: Demo, new_tab: Callable[..., Any]):
    tab = new_tab()
    tab.goto(f"{demo.lieux.facile}/espace")
    sign_in(tab, "000 110 031 00028", "nguyen", "zoe")
    tab.wait_for_url("**/espace")
    assert "sauf 000 110 031 00036" in tab.inner_text("main").replace("\u202f", " ")

    stranger = new_tab()
    stranger.goto(f"{demo.lieux.facile}/espace")
    sign_in(stranger, "00011005600017", "Renard", "Sophie")
    assert stranger.url.startswith(demo.lieux.issuer)
    assert "suspendu" not in stranger.inner_text("main").lower()


def test_the_portals_hold_in_the_window_and_their_structure_is_sound(demo: Demo, new_tab: Callable[..., Any]):
    tab = new_tab(bypass_csp=True)
    for origin in (demo.lieux.facile, demo.lieux.entreprises):
        for path in ("/", "/espace", "/auth/mag/callback"):
            tab.goto(origin + path)
            if tab.url.startswith(demo.lieux.issuer):
                sign_in(tab, "00011003100010", "Noël", "Gaëtan")
                tab.wait_for_url(f"{origin}/espace")
            look_at(tab)


def test_mails_are_caught_and_shown(demo: Demo):
    import smtplib
    from email.message import EmailMessage

    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@mag.demo", "claire@ortholan.demo", "Essai <b>"
    message.set_content("Suivez http://mag.localhost/x puis <script>")
    message.add_alternative("<p>Mis en page</p>", subtype="html")
    with smtplib.SMTP("127.0.0.1", demo.lieux.ports["smtp"]) as server:
        server.send_message(message)

    catcher = f"http://127.0.0.1:{demo.lieux.ports['courrier']}"
    with urllib.request.urlopen(f"{catcher}/") as answer:
        shown = answer.read().decode()
    laid_out = re.search(r'"(/mail/\d+)"', shown)
    assert laid_out is not None
    with urllib.request.urlopen(catcher + laid_out[1]) as answer:
        assert "Mis en page" in answer.read().decode()
    assert "Essai &lt;b&gt;" in shown
    assert '<a href="http://mag.localhost/x"' in shown
    assert "<script>" not in shown


# --------------------------------------------------------------------------------------------------- the command itself


def test_the_table_says_where_who_and_what(demo: Demo):
    for word in (demo.lieux.facile, demo.lieux.entreprises, demo.lieux.issuer, demo.lieux.courrier, PASSWORD, "Ludovic Lefèvre d'Œuvre"):
        assert word in demo.output


def test_a_second_start_keeps_the_data_and_a_busy_port_is_one_line(tmp_path: Path):
    base = free_base()
    first = start(tmp_path / "demo", base)
    assert "Préparation" in first.output
    kept = (first.lieux.folder / "secrets.json").read_text()
    busy = subprocess.run(
        [*COMMAND, "--port-base", str(base), "--dossier", str(tmp_path / "autre")], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert busy.returncode == 1
    assert busy.stderr.strip() == f"Error: Le port {base} (mag) est déjà pris : libérez-le, ou donnez --port-base."
    assert first.stop(signal.SIGTERM) == 0

    second = start(tmp_path / "demo", base)
    assert "Préparation" not in second.output
    assert (second.lieux.folder / "secrets.json").read_text() == kept
    assert second.stop(signal.SIGINT) == 0
    with socket.socket() as port:
        port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        port.bind(("127.0.0.1", base))


def test_a_child_that_dies_is_reported_and_the_others_stop(tmp_path: Path):
    found = start(tmp_path / "demo", free_base())
    children = Path(f"/proc/{found.process.pid}/task/{found.process.pid}/children").read_text().split()
    assert "partners.demo.mails" in Path(f"/proc/{children[0]}/cmdline").read_text()
    os.kill(int(children[0]), signal.SIGKILL)

    assert found.process.wait(60) == 1
    assert found.process.stdout is not None
    assert "courrier s'est arrêté" in found.process.stdout.read()
