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
from urllib.parse import urlsplit

import pytest

from partners.demo.lieux import Lieux
from partners.demo.population import PASSWORD
from tests.browser.conftest import look_at
from tests.browser.widget_scene import Chooser, chromium

pytestmark = pytest.mark.browser
ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-c", "from wsgi import command_line; command_line()", "demo")


def free_base() -> int:
    """A base whose six ports are free."""
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
    options: tuple[str, ...]

    @property
    def runs(self) -> bool:
        return self.process.poll() is None

    def again(self) -> None:
        """Once it has stopped: the same folder and ports."""
        later = start(self.lieux.folder, self.lieux.ports["mag"], *self.options)
        self.process, self.output = later.process, later.output

    def stop(self, number: int = signal.SIGINT) -> int:
        if self.runs:
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
            return Demo(Lieux(folder, base), process, "".join(lines), options)
    raise AssertionError("".join(lines))


def redis_in_service(url: str) -> str:
    """Emptied, and as old as a Redis in service is: a new one refuses client assertions for some minutes."""
    from redis import Redis

    with Redis.from_url(url) as client:
        client.flushall()
        client.set("mag:epoch", "1")
    return url


@pytest.fixture(scope="module", params=["sqlite", "postgresql-redis"])
def started(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """Once for the file: a start is the import of MAG by five processes."""
    options: tuple[str, ...] = ()
    if request.param != "sqlite":
        database_url = request.getfixturevalue("postgresql").create("demo")
        options = ("--base", database_url, "--redis", redis_in_service(request.getfixturevalue("redis_server").url))
    found = start(tmp_path_factory.mktemp("demo"), free_base(), *options)
    assert "Préparation" in found.output
    yield found
    if found.runs:
        assert found.stop(signal.SIGINT) == 0


@pytest.fixture
def demo(started: Demo) -> Demo:
    """Whoever comes after the test that stops it starts it again: tests of a file are not always played in its order."""
    if not started.runs:
        started.again()
    return started


@pytest.fixture
def new_tab(page: Callable[..., Any]) -> Callable[..., Any]:
    """A page that waits longer: five servers of ours share the machine with the other tests. Its browser has no chooser of its own."""

    def open_tab(**options: Any) -> Any:
        tab = page(**options)
        tab.set_default_timeout(60_000)
        tab.context.add_init_script("delete self.IdentityCredential")
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
        for path in ("/", "/essais", "/espace", "/auth/mag/callback"):
            tab.goto(origin + path)
            if tab.url.startswith(demo.lieux.issuer):
                sign_in(tab, "00011003100010", "Noël", "Gaëtan")
                tab.wait_for_url(f"{origin}/espace")
            look_at(tab, f"portail-{path.strip('/').replace('/', '-') or 'accueil'}-{urlsplit(origin).hostname}")


# ------------------------------------------------------------------------------------------------------- the button, tried


def told(tab: Any) -> list[str]:
    """What the button told the page of trials, the newest first: `mag:start {"method":"popup"}`."""
    lines = tab.locator("#journal li").all()
    return [" ".join(line.locator("strong, code").all_inner_texts()) for line in lines]


def test_a_developer_tries_a_popup_and_reads_what_it_tells(demo: Demo, new_tab: Callable[..., Any]):
    tab, lieux, said = new_tab(), demo.lieux, []
    tab.on("console", lambda one: said.append(one.text))
    tab.goto(f"{lieux.facile}/essais")
    tab.get_by_label("Façons de se connecter").select_option("popup redirect")
    tab.get_by_label("Langue").select_option("en")
    tab.get_by_label("Mots du bouton").select_option("continue")
    tab.get_by_label("Fond").fill("#5a1846")
    tab.get_by_label("SIRET proposé").fill("000 110 031 00010")
    tab.get_by_role("button", name="Appliquer").click()
    button = tab.get_by_role("link", name="Continue with MAG")
    assert button.evaluate("one => getComputedStyle(one).backgroundColor") == "rgb(90, 24, 70)"
    with tab.context.expect_page() as opened:
        button.click()
    window = opened.value
    window.on("console", lambda one: said.append(one.text))
    sign_in(window, "00011003100010", "Noël", "Gaëtan")
    tab.locator("#journal li:first-child[data-event=success]").wait_for()
    if not window.is_closed():
        window.wait_for_event("close")
    assert tab.url.startswith(f"{lieux.facile}/essais?modes=popup+redirect"), "asked to stay"
    assert [one.split(" ")[0] for one in told(tab)] == ["mag:success", "mag:start", "mag:ready", "mag:ready"]
    assert '"method":"popup"' in told(tab)[0]

    tab.goto(f"{lieux.facile}/espace")
    watch = tab.locator("mag-login")
    assert watch.is_hidden()
    other = tab.context.new_page()
    other.goto(f"{lieux.facile}/")
    sign_out(other)
    other.wait_for_url(f"{lieux.facile}/")
    tab.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
    watch.wait_for(state="visible")
    assert "Session terminée." in watch.evaluate("one => one.shadowRoot.textContent")
    assert tab.locator("h1").is_hidden(), "what the session showed is shown no more"
    assert said == [], "no violation of any policy"


def test_a_developer_tries_the_browser_s_own_chooser(demo: Demo, tmp_path: Path):
    """Signed out, in a window of the browser; then, on the other portal, one choice."""
    with chromium(tmp_path / "profile", "3pc-blocked") as context:
        context.set_default_timeout(60_000)
        tab = context.new_page()
        for origin in (demo.lieux.facile, demo.lieux.entreprises):
            tab.goto(f"{origin}/essais")
            button, chooser = tab.locator("mag-login [part=button]"), Chooser(tab)
            if origin == demo.lieux.facile:
                with context.expect_page(predicate=lambda found: found is not tab) as opened:
                    button.click()
                sign_in(opened.value, "00011003100010", "Noël", "Gaëtan")
            else:
                button.click()
            assert [one["name"] for one in chooser.select()["accounts"]] == ["Gaëtan Noël"]
            tab.locator("#journal li:first-child[data-event=success]").wait_for()
            assert '"method":"fedcm"' in told(tab)[0]
            tab.reload()
            assert "Une session est ouverte ici : Gaëtan Noël." in tab.inner_text("main").replace("\u00a0", " ")


def test_the_page_of_trials_without_a_script_is_a_form_and_a_link(demo: Demo, new_tab: Callable[..., Any]):
    tab, lieux = new_tab(javascript=False), demo.lieux
    tab.goto(f"{lieux.entreprises}/essais")
    tab.get_by_label("Façons de se connecter").select_option("redirect")
    tab.get_by_role("button", name="Appliquer").click()
    assert 'modes="redirect"' in tab.locator("pre").inner_text()
    tab.get_by_role("link", name="Se connecter avec MAG").click()
    sign_in(tab, "00011003100010", "Noël", "Gaëtan")
    tab.wait_for_url(f"{lieux.entreprises}/essais?modes=redirect&**")
    assert "Une session est ouverte ici : Gaëtan Noël." in tab.inner_text("main").replace("\u00a0", " ")


def test_a_link_of_a_mail_leads_to_the_space(demo: Demo, new_tab: Callable[..., Any]):
    tab, lieux = new_tab(javascript=False), demo.lieux
    tab.goto(lieux.facile)
    tab.get_by_role("link", name="Ouvrir mon espace, comme depuis un courrier").click()
    assert tab.url.startswith(f"{lieux.issuer}/connexion")
    sign_in(tab, "00011003100010", "Noël", "Gaëtan")
    tab.wait_for_url(f"{lieux.facile}/espace")
    assert tab.inner_text("h1") == "Bonjour Gaëtan Noël"


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


# ------------------------------------------------------------------------------------------ the portal with accounts of its own


@pytest.mark.parametrize("started", ["sqlite"], indirect=True)
def test_an_accountant_links_two_accounts_then_goes_both_ways(demo: Demo, new_tab: Callable[..., Any]):
    """In five minutes, from the card of a portal: the address, the password and the words are those that are printed."""
    tab, lieux = new_tab(), demo.lieux
    tab.goto(lieux.facile)
    tab.get_by_role("link", name="jedeclare").click()
    tab.wait_for_url(f"{lieux.jedeclare}/")
    tab.get_by_role("main").get_by_role("link", name="Se connecter").click()
    tab.get_by_label("Adresse électronique").fill("ludovic@lefevre-oeuvrard.demo")
    tab.get_by_label("Mot de passe").fill(PASSWORD)
    tab.get_by_role("main").get_by_role("button", name="Se connecter").click()
    assert tab.inner_text("h1") == "Bonjour Ludovic Lefèvre d'Œuvre"

    tab.get_by_role("button", name="Associer mon compte à MAG").click()
    sign_in(tab, "000 110 023 00017", "lefevre d oeuvre", "ludovic")
    tab.get_by_role("button", name="Accepter").click()
    tab.get_by_text("Votre compte est associé à votre identité MAG.").wait_for()

    other = new_tab()
    other.goto(f"{lieux.jedeclare}/connexion")
    other.get_by_label("Adresse électronique").fill("ludovic@lefevre-oeuvrard.demo")
    other.get_by_label("Mot de passe").fill(PASSWORD)
    other.get_by_role("main").get_by_role("button", name="Se connecter").click()
    other.get_by_role("link", name="Accepter la charte DSN").click()
    other.get_by_role("button", name="J'accepte la charte").click()
    other.get_by_text("Vous avez accepté cette charte le").wait_for()

    tab.goto(f"{lieux.issuer}/compte/portails")
    tab.get_by_role("link", name="Aller à jedeclare").click()
    tab.get_by_text("Vous arrivez de MAG : aucun mot de passe ne vous a été demandé.").wait_for()


# --------------------------------------------------------------------------------------------------- the command itself


def test_the_table_says_where_who_and_what(demo: Demo):
    lieux = demo.lieux
    for word in (lieux.facile, lieux.entreprises, lieux.jedeclare, lieux.issuer, lieux.courrier, PASSWORD, "Ludovic Lefèvre d'Œuvre"):
        assert word in demo.output
    assert "jean-noel.celik@lefevre-oeuvrard.demo" in demo.output


@pytest.mark.parametrize("started", ["sqlite"], indirect=True)
def test_a_busy_port_is_one_line(demo: Demo, tmp_path: Path):
    base = demo.lieux.ports["mag"]
    busy = subprocess.run(
        [*COMMAND, "--port-base", str(base), "--dossier", str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert busy.returncode == 1
    assert busy.stderr.strip() == f"Error: Le port {base} (mag) est déjà pris : libérez-le, ou donnez --port-base."


@pytest.mark.parametrize("started", ["sqlite"], indirect=True)
def test_a_second_start_keeps_the_data_and_a_child_that_dies_is_reported_and_the_others_stop(demo: Demo):
    secrets = demo.lieux.folder / "secrets.json"
    kept = secrets.read_text()
    assert demo.stop(signal.SIGTERM) == 0
    demo.again()
    assert "Préparation" not in demo.output
    assert secrets.read_text() == kept

    children = Path(f"/proc/{demo.process.pid}/task/{demo.process.pid}/children").read_text().split()
    assert "partners.demo.mails" in Path(f"/proc/{children[0]}/cmdline").read_text()
    os.kill(int(children[0]), signal.SIGKILL)
    assert demo.process.wait(60) == 1
    assert demo.process.stdout is not None
    assert "courrier s'est arrêté" in demo.process.stdout.read()
    with socket.socket() as port:
        port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        port.bind(("127.0.0.1", demo.lieux.ports["mag"]))
