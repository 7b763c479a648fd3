"""Firefox ESR and WebKitGTK, driven without a dependency: Marionette over a socket, W3C WebDriver over HTTP.

Debian has no geckodriver; Firefox speaks Marionette by itself. WebKitGTK has its own driver and wants a display: Xvfb, beside it. Both
answer the same commands (W3C WebDriver sections 10 to 13). Only what the tests of the button need is here.
"""

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from tests import services

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
"""W3C WebDriver section 11."""
PATIENCE = 60.0
"""Seconds: two cores serve everything."""
COMMANDS: Mapping[str, tuple[str, str, str]] = {
    "navigate": ("WebDriver:Navigate", "POST", "/url"),
    "url": ("WebDriver:GetCurrentURL", "GET", "/url"),
    "back": ("WebDriver:Back", "POST", "/back"),
    "refresh": ("WebDriver:Refresh", "POST", "/refresh"),
    "execute": ("WebDriver:ExecuteScript", "POST", "/execute/sync"),
    "click": ("WebDriver:ElementClick", "POST", "/element/{id}/click"),
    "keys": ("WebDriver:ElementSendKeys", "POST", "/element/{id}/value"),
    "windows": ("WebDriver:GetWindowHandles", "GET", "/window/handles"),
    "window": ("WebDriver:GetWindowHandle", "GET", "/window"),
    "switch": ("WebDriver:SwitchToWindow", "POST", "/window"),
    "new": ("WebDriver:NewWindow", "POST", "/window/new"),
    "close": ("WebDriver:CloseWindow", "DELETE", "/window"),
    "cookies": ("WebDriver:GetCookies", "GET", "/cookie"),
    "forget": ("WebDriver:DeleteAllCookies", "DELETE", "/cookie"),
}
"""What each is called by Marionette, and where HTTP has it."""


class DriverError(Exception):
    """What the browser refused to do."""


class Driver(ABC):
    """One browser, at one of its windows."""

    @abstractmethod
    def ask(self, command: str, **parameters: Any) -> Any:
        """One of COMMANDS. Raises DriverError."""

    def goto(self, address: str) -> None:
        self.ask("navigate", url=address)

    @property
    def url(self) -> str:
        return str(self.ask("url"))

    def script(self, text: str, *arguments: Any) -> Any:
        """What a function of this body returns."""
        return self.ask("execute", script=text, args=list(arguments), sandbox=None)

    def find(self, selector: str, *, within: str = "") -> Any:
        """An element, in the page or in the shadow tree of `within`; waits for it to be there."""
        root = f"document.querySelector({json.dumps(within)})?.shadowRoot" if within else "document"
        return self.wait(lambda: self.script(f"return {root}?.querySelector({json.dumps(selector)}) ?? null"), f"{within} {selector}")

    def click(self, selector: str, *, within: str = "") -> None:
        """As a person does: the page has a user activation."""
        self.ask("click", id=self.find(selector, within=within)[ELEMENT])

    def fill(self, selector: str, text: str) -> None:
        self.script("arguments[0].value = ''", found := self.find(selector))
        self.ask("keys", id=found[ELEMENT], text=text)

    @property
    def text(self) -> str:
        return str(self.script("return document.body?.innerText ?? ''"))

    def wait(self, ready: Callable[[], Any], what: str) -> Any:
        """The first answer that says yes, while pages come and go."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            with suppress(DriverError):
                if found := ready():
                    return found
            time.sleep(0.05)
        raise AssertionError(f"{what}: never, at {self.url}: {self.text[:500]}")

    def arrive(self, address: str) -> None:
        """Waits for the page to be at an address that begins so."""
        self.wait(lambda: self.url.startswith(address), address)

    def says(self, text: str) -> None:
        self.wait(lambda: text in self.text, text)

    @contextmanager
    def popup(self) -> Iterator[None]:
        """At the window that the page just opened; then back, whether it closed itself or not."""
        here = self.ask("window")
        others = self.wait(lambda: [one for one in self.ask("windows") if one != here], "a window")
        self.ask("switch", handle=others[0])
        try:
            yield
        finally:
            self.ask("switch", handle=here)

    @contextmanager
    def tab(self) -> Iterator[None]:
        """In another window, closed at the end."""
        here, made = self.ask("window"), self.ask("new", type="tab")
        self.ask("switch", handle=made["handle"])
        try:
            yield
        finally:
            self.ask("close")
            self.ask("switch", handle=here)

    @property
    def window_count(self) -> int:
        return len(self.ask("windows"))


class Firefox(Driver):
    """Marionette: `length:[0, id, command, parameters]`, answered by `length:[1, id, error, result]`."""

    def __init__(self, port: int) -> None:
        self.socket = _connected(port)
        self.socket.settimeout(PATIENCE * 2)
        self.count = 0
        self._read()
        self._send("WebDriver:NewSession", {"pageLoadStrategy": "eager", "acceptInsecureCerts": True})

    def ask(self, command: str, **parameters: Any) -> Any:
        answer = self._send(COMMANDS[command][0], parameters)
        return answer.get("value") if isinstance(answer, dict) and set(answer) == {"value"} else answer

    def _send(self, name: str, parameters: Mapping[str, Any]) -> Any:
        self.count += 1
        message = json.dumps([0, self.count, name, parameters])
        self.socket.sendall(f"{len(message.encode())}:{message}".encode())
        _, _, error, result = self._read()
        if error:
            raise DriverError(f"{name}: {error['error']}: {error['message']}")
        return result

    def _read(self) -> Any:
        digits = b""
        while (byte := self.socket.recv(1)) != b":":
            if not byte:
                raise DriverError("Firefox is gone")
            digits += byte
        left, body = int(digits), b""
        while len(body) < left:
            body += self.socket.recv(left - len(body))
        return json.loads(body)


class WebKit(Driver):
    """W3C WebDriver section 6, over HTTP."""

    def __init__(self, port: int, browser: Path) -> None:
        self.address = f"http://127.0.0.1:{port}"
        options = {"binary": str(browser), "args": ["--automation"]}
        wanted = {"capabilities": {"alwaysMatch": {"acceptInsecureCerts": True, "webkitgtk:browserOptions": options}}}
        self.address += "/session/" + self._request("POST", "/session", wanted)["sessionId"]

    def ask(self, command: str, **parameters: Any) -> Any:
        _, method, path = COMMANDS[command]
        return self._request(method, path.format(**parameters), parameters if method == "POST" else None)

    def end(self) -> None:
        with suppress(DriverError):
            self._request("DELETE", "", None)

    def _request(self, method: str, path: str, body: Any) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.address + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE * 2) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise DriverError(f"{path}: {error.read()[:500]!r}") from None
        except OSError as error:
            raise DriverError(f"{path}: {error}") from None


def _connected(port: int) -> socket.socket:
    deadline = time.monotonic() + PATIENCE * 2
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=5)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


PREFERENCES: Mapping[str, Any] = {
    "app.update.auto": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.homepage_override.mstone": "ignore",
    "browser.startup.page": 0,
    "devtools.jsonview.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "dom.disable_open_during_load": True,
    "extensions.update.enabled": False,
    "intl.accept_languages": "fr-FR, fr",
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "data:,",
    "toolkit.telemetry.server": "",
}
"""A fresh profile that asks nothing of anybody; the popup blocker is on, as people have it."""


@contextmanager
def firefox(**preferences: Any) -> Iterator[Firefox]:
    """Headless, with a profile of its own."""
    port, folder = services.free_port(), Path(tempfile.mkdtemp(prefix="mag-firefox-"))
    given = {**PREFERENCES, "marionette.port": port, **preferences}
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in given.items()]
    (folder / "user.js").write_text("\n".join(lines))
    environment = {**os.environ, "HOME": str(folder), "MOZ_HEADLESS": "1", "MOZ_CRASHREPORTER_DISABLE": "1"}
    command = ["firefox-esr", "--headless", "--marionette", "--no-remote", "--profile", str(folder)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield Firefox(port)
    finally:
        process.terminate()
        process.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def webkit() -> Iterator[WebKit]:
    """MiniBrowser in a display of its own, with a profile of its own."""
    folder = Path(tempfile.mkdtemp(prefix="mag-webkit-"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        display = stack.enter_context(_display())
        folders = {name: str(folder) for name in ("HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR")}
        flags = {"LIBGL_ALWAYS_SOFTWARE": "1", "WEBKIT_DISABLE_COMPOSITING_MODE": "1", "WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS": "1"}
        environment = {**os.environ, **folders, **flags, "DISPLAY": display, "LANG": "C.UTF-8", "GDK_BACKEND": "x11"}
        port = services.free_port()
        driver = services.Server(["WebKitWebDriver", f"--port={port}", "--host=127.0.0.1"], port, environment=environment)
        stack.callback(driver.stop)
        found = WebKit(port, services.minibrowser() or Path())
        stack.callback(found.end)
        yield found


@contextmanager
def _display() -> Iterator[str]:
    reading, writing = os.pipe()
    command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1280x1024x24", "-nolisten", "tcp"]
    process = subprocess.Popen(command, pass_fds=(writing,), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.close(writing)
    try:
        with os.fdopen(reading) as told:
            yield f":{told.readline().strip()}"
    finally:
        process.terminate()
        process.wait(10)
