"""Two real origins for the button: MAG, and partners whose pages hold it; Chromium as people have it.

Playwright's own switches open storage partitions and lift the popup blocker, so none of them is kept; the policy of third-party
cookies is that of a fresh profile.
"""

import contextlib
import json
import queue
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Response, request
from markupsafe import escape
from playwright.sync_api import Error as PlaywrightError

from idp.authentication import remembered
from idp.authentication.remembered import Remembered
from idp.authentication.session import COOKIE, Session, open_session
from idp.config import Settings
from idp.database import db
from idp.declarants.identite import Identite
from idp.declarants.models import Declarant
from partners.kit import MagKit, SqliteSessions, current_identity
from tests import services
from tests.conftest import QUICK_HASH, SECRETS, composed
from tests.driver import playwright
from tests.journeys.portal import listening
from tests.protocol.relying import register, write_client
from widget.releases import releases, tag

SECRET = "secret-de-portail-0123456789-"
"""The kit's client library writes it as it is in Basic, so that it holds nothing to encode."""
PATIENCE = 15
"""Seconds."""
POLICIES = {"3pc-allowed": 0, "3pc-blocked": 1}
PAGE = """<!doctype html><html lang="{lang}"><head><meta charset="utf-8"><title>Portail</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
<script type="module" src="/vu.js"></script>
{tag}</head><body><main><h1>Portail</h1>
{elements}
</main></body></html>"""
SEEN = """
globalThis.seen = [];
for (const name of ["ready", "start", "success", "cancel", "error", "logout"])
  addEventListener("mag:" + name, (event) => {
    const stays = name === "success" && document.querySelector("[stays]");
    if (stays) event.preventDefault();
    seen.push([name, event.detail]);
  });
addEventListener("pagehide", () => document.querySelector("[keeps]") && localStorage.setItem("seen", JSON.stringify(seen)));
for (const event of ["securitypolicyviolation"]) addEventListener(event, ({ violatedDirective, blockedURI }) =>
  seen.push(["violation", violatedDirective + " " + blockedURI]));
"""
LINK = '<a href="/auth/mag/start?return_to=/espace">Se connecter avec MAG</a>'


@dataclass
class Site:
    """A partner's site. `headers` go with its page, beside a strict policy."""

    name: str
    issuer: str
    port: int = field(default_factory=services.free_port)
    headers: dict[str, str] = field(default_factory=dict)
    scheme: str = "http"
    tag: str = ""
    """Another than that of the latest release."""
    frames: str = "'none'"
    """Origins whose frames its page may hold."""
    held: list[str] | None = None
    """With a list, answers of MAG stay there instead of being read: their addresses."""

    @property
    def origin(self) -> str:
        return f"{self.scheme}://{self.name}.localhost:{self.port}"

    @property
    def metadata(self) -> dict[str, Any]:
        return {
            "redirect_uris": [f"{self.origin}/auth/mag/callback"],
            "post_logout_redirect_uris": [f"{self.origin}/auth/mag/logged-out"],
            "backchannel_logout_uri": f"{self.origin}/auth/mag/backchannel-logout",
            "token_endpoint_auth_method": "client_secret_basic",
            "id_token_signed_response_alg": "ES256",
            "scope": "openid profile siret",
        }

    def application(self, secret: str, sessions: Path) -> Flask:
        app = Flask(self.name)
        app.secret_key = "une-cle-de-portail-de-plus-de-32-caracteres"
        scope = "openid profile siret"
        MagKit(
            app,
            sessions=SqliteSessions(str(sessions)),
            issuer=self.issuer,
            base_url=self.origin,
            client_id=self.name,
            client_secret=secret,
            scope=scope,
            recheck=0,
        )
        app.before_request(self._hold)
        app.add_url_rule("/", view_func=self.home)
        app.add_url_rule(
            "/espace", "espace", view_func=lambda: f"Bonjour {identity.full_name}" if (identity := current_identity()) else "Personne"
        )
        app.add_url_rule("/cadre", view_func=holder)
        app.add_url_rule("/vu.js", "vu", view_func=lambda: Response(SEEN, mimetype="text/javascript"))
        return app

    def _hold(self) -> str | None:
        if self.held is None or request.path != "/auth/mag/callback":
            return None
        self.held.append(request.url)
        return "Retenu"

    def home(self) -> Response:
        """`?<attribute>=<value>`: of the element; `keeps`: what was seen stays once left; `elements`: how many; `lang`: of the page."""
        given = request.args.to_dict()
        number, lang = int(given.pop("elements", 1)), given.pop("page", "fr")
        common = {"client-id": self.name, "start": "/auth/mag/start", "session": "/auth/mag/session", "return-to": "/espace", **given}
        attributes = " ".join(f'{name}="{value}"' for name, value in common.items())
        elements = f"<mag-login {attributes}>{LINK}</mag-login>\n" * number
        body = PAGE.format(lang=lang, tag=self.tag or tag(self.issuer, releases()[0]), elements=elements)
        policy = (
            f"default-src 'none'; script-src 'self' {self.issuer}; connect-src 'self' {self.issuer}; frame-src {self.frames}; "
            "base-uri 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
        )
        return Response(body, headers={"Content-Security-Policy": policy, **self.headers})


def holder() -> str:
    """A page that holds a frame of whatever address it is given, as high as its page, or in a sandbox."""
    address, sandbox = escape(request.args["adresse"]), ' sandbox="allow-scripts"' if "sandbox" in request.args else ""
    style = "border:0;width:28rem;height:60rem"
    return f'<!doctype html><meta charset="utf-8"><body style="margin:0"><iframe id="f" style="{style}"{sandbox} src="{address}"></iframe>'


@contextmanager
def chromium(folder: Path, policy: str) -> Iterator[Any]:
    """A profile of its own; `policy` is one of POLICIES."""
    (folder / "Default").mkdir(parents=True)
    (folder / "Default" / "Preferences").write_text(json.dumps({"profile": {"cookie_controls_mode": POLICIES[policy]}}))
    switches = [
        "--headless", "--remote-debugging-pipe", f"--user-data-dir={folder}", "--no-sandbox", "--no-first-run", "--disable-gpu",
        "--host-resolver-rules=MAP *.localhost 127.0.0.1", "--lang=fr-FR",
    ]  # fmt: skip
    context = playwright().chromium.launch_persistent_context(
        folder, executable_path=services.chromium(), ignore_default_args=True, args=switches, locale="fr-FR"
    )
    context.set_default_timeout(10_000)
    try:
        yield context
    finally:
        context.close()


class Chooser:
    """The browser's own windows of FedCM, driven by its protocol."""

    def __init__(self, page: Any) -> None:
        self.page, self.shown = page, queue.Queue[dict[str, Any]]()
        self.protocol = page.context.new_cdp_session(page)
        self.protocol.on("FedCm.dialogShown", self.shown.put)
        self.protocol.send("FedCm.enable", {"disableRejectionDelay": True})
        self.protocol.send("FedCm.resetCooldown")

    def wait(self, kind: str = "AccountChooser") -> dict[str, Any]:
        """The next window, which must be of this kind."""
        for _ in range(200):
            if not self.shown.empty():
                found = self.shown.get()
                assert found["dialogType"] == kind, found
                return found
            self.page.wait_for_timeout(50)
        raise AssertionError(f"no {kind}: {self.page.evaluate('globalThis.seen')}")

    def select(self, index: int = 0) -> dict[str, Any]:
        """An account of the list, once it is shown."""
        found = self.wait()
        self.take(found, index)
        return found

    def take(self, found: dict[str, Any], index: int) -> None:
        """As slowly as a person: what fails within half a second is the browser's own refusal."""
        self.page.wait_for_timeout(600)
        self.protocol.send("FedCm.selectAccount", {"dialogId": found["dialogId"], "accountIndex": index})

    def close(self, found: dict[str, Any]) -> None:
        """As slowly."""
        self.page.wait_for_timeout(600)
        self.protocol.send("FedCm.dismissDialog", {"dialogId": found["dialogId"], "triggerCooldown": False})

    def read_error(self) -> None:
        """The browser says that MAG refused; the page is told once the person has read it."""
        found = self.wait("Error")
        self.protocol.send("FedCm.clickDialogButton", {"dialogId": found["dialogId"], "dialogButton": "ErrorGotIt"})

    def pass_by(self) -> None:
        """To a new sign-in, whether the browser lets this account be chosen or takes it by itself: it came here before."""
        for _ in range(200):
            if not self.shown.empty() and (found := self.shown.get())["dialogType"] == "AccountChooser":
                self.protocol.send("FedCm.selectAccount", {"dialogId": found["dialogId"], "accountIndex": 0})
            if self.page.evaluate("globalThis.seen?.some(([name, what]) => name === 'success' && what.method === 'fedcm') ?? true"):
                return
            self.page.wait_for_timeout(50)
        raise AssertionError(self.page.evaluate("globalThis.seen"))


@dataclass
class Scene:
    """MAG, two partners, one browser for a whole file; each test starts signed out, on pages of its own."""

    doors: Any
    browser: Any
    a: Site
    b: Site

    @property
    def issuer(self) -> str:
        issuer: str = self.doors.mag.settings.issuer
        return issuer

    def register(self, **metadata: Any) -> None:
        """The first partner, as the operator changes it."""
        with self.doors.flask.app_context():
            given = {"client_name": "Portail A", "grant_types": ["authorization_code", "refresh_token"], **self.a.metadata, **metadata}
            write_client(self.a.name, self.a.name, given, SECRET + self.a.name, self.doors.mag.keyring)
        self.doors.mag.versions.refresh()

    def allow_frames(self) -> None:
        """The registry gives the first partner the mode `inline`, and its pages hold frames of MAG."""
        self.a.frames = self.issuer
        modes = ["fedcm", "popup", "redirect", "inline"]
        self.register(widget_modes=modes, widget_inline_reason="Un guichet sans fenêtre, accord du 12 mars.")

    def begin(self) -> None:
        """Nobody is signed in anywhere, and the browser knows it."""
        self.browser.clear_cookies()
        kept = self.browser.new_page()
        for page in self.browser.pages:
            if page is not kept:
                page.close()
        kept.goto(self.issuer + "/deconnexion")

    def sign_in(self, declarant: Declarant, *others: Declarant, acr: str = "eidas1") -> Session:
        """A session that was really opened, told to the browser by a page of MAG. `others` are only remembered."""
        mag, host = self.doors.mag, urlsplit(self.issuer).hostname
        with self.doors.flask.app_context():
            person = db.session.get(Declarant, declarant.id)
            assert person is not None
            session, cookie = open_session(mag.ephemeral, mag.settings, person, amr=("pwd",), acr=acr, now=datetime.now(UTC))
            db.session.commit()
        known = Remembered(tuple(Identite(one.siret, one.nom, one.prenom) for one in others)).dump(mag.keyring)
        values = {COOKIE: cookie, **({remembered.COOKIE: known} if others else {})}
        common = {"domain": host, "path": "/", "secure": True, "httpOnly": True, "sameSite": "Lax"}
        self.browser.add_cookies([{"name": name, "value": value, **common} for name, value in values.items()])
        page = self.browser.new_page()
        page.goto(self.issuer + "/fedcm/fini")
        page.close()
        return session

    def open(self, site: Site | None = None, query: str = "", **options: Any) -> Any:
        """A partner's page, once its element is there. `before`: a script that runs ahead of its own; `auto`: silent access stays."""
        page = self.browser.new_page()
        if before := options.get("before"):
            page.add_init_script(before)
        page.goto(f"{(site or self.a).origin}/?{query}")
        until(page, "globalThis.seen?.some(([name]) => name === 'ready')")
        if not options.get("auto"):  # the browser takes no account by itself, wherever it went before
            page.evaluate("navigator.credentials.preventSilentAccess()")
        return page


def button(page: Any, number: int = 0) -> Any:
    return page.locator("mag-login [part=button]").nth(number)


def until(page: Any, expression: str, argument: Any = None) -> None:
    """Once it is true. Asked from here: the page's own policy refuses what it would evaluate by itself, again and again."""
    deadline = time.monotonic() + PATIENCE
    while True:
        with contextlib.suppress(PlaywrightError):  # between two documents nothing answers
            if page.evaluate(expression, argument):
                return
        assert time.monotonic() < deadline, expression
        page.wait_for_timeout(20)


def seen(page: Any, name: str) -> Any:
    """What the page's event of this name said, once it came."""
    until(page, "name => seen.some(([one]) => one === name)", name)
    return page.evaluate("name => seen.filter(([one]) => one === name).at(-1)[1]", name)


def violations(page: Any) -> list[Any]:
    return [what for name, what in page.evaluate("seen") if name == "violation"]


@contextmanager
def raised(template: Path, folder: Path, policy: str, kind: type[Site] = Site) -> Iterator[Scene]:
    """Everything, on a copy of a migrated database. `kind`: of both sites."""
    database, port = folder / "mag.sqlite3", services.free_port()
    shutil.copyfile(template, database)
    issuer = f"http://mag.localhost:{port}"
    settings = Settings(issuer=issuer, secrets=SECRETS, database_url=f"sqlite:///{database}", **QUICK_HASH)
    sites = (kind("portail-a", issuer), kind("portail-b", issuer))
    with ExitStack() as stack:
        doors = stack.enter_context(composed(settings))
        stack.enter_context(listening(doors, port))
        for site in sites:
            partner = register(doors, site.name, secret=SECRET, **site.metadata)
            stack.enter_context(listening(site.application(partner.secret, folder / f"{site.name}.sqlite3"), site.port))
        yield Scene(doors, stack.enter_context(chromium(folder / "profile", policy)), *sites)
