"""docs/sequences.md, typed line after line in a shell by a partner who has MAG before him; a person answers where one must.

Each block is one command. What an answer holds becomes a variable of the next, as the page tells its reader to do by hand.
"""

import json
import re
import subprocess
from base64 import urlsafe_b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from joserfc.jwk import RSAKey

from tests import factories
from tests.interop.conftest import IDENTITY, secret_of
from tests.interop.person import Browser

pytestmark = pytest.mark.interop
PAGE = (Path(__file__).parents[2] / "docs" / "sequences.md").read_text("utf-8")
PREPARATION, *SEQUENCES = re.split(r"^## (?=Avant|\d)", PAGE, flags=re.M)[1:]
KEY = RSAKey.generate_key(2048, {"kid": "k1", "use": "sig"})
SITE = "https://portail.example.fr/"
ANSWERS = "curl() { command curl -sS -w '\\n%{http_code}' \"$@\"; }\n"
PAGES = {"/connexion", "/device", "/demandes", "/espace", "/deconnexion", "/auth/mag/callback"}
"""Read or answered by a person, or the partner's own."""


def blocks(language: str, text: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.S | re.M)


@pytest.fixture(scope="module")
def issuer(serve: Callable[..., str]) -> str:
    clients: dict[str, dict[str, Any]] = json.loads(blocks("json", PREPARATION)[0])
    clients["mon-logiciel"]["jwks"] = {"keys": [KEY.as_dict(private=False)]}
    return serve("sqlite", clients)


class Reader:
    """A shell, a browser, and what was read so far."""

    def __init__(self, issuer: str, folder: Path) -> None:
        self.issuer, self.folder, self.browser = issuer, folder, Browser()
        self.known: dict[str, str] = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
        self.preparation = self.written(blocks("sh", PREPARATION)[0])
        (folder / "cle.pem").write_bytes(KEY.as_pem(private=True))

    def written(self, text: str) -> str:
        secrets = re.sub(r'-u "([\w-]+):\$SECRET"', lambda found: f'-u "{found[1]}:{secret_of(found[1])}"', text)
        return secrets.replace("https://mag.example.fr", self.issuer)

    def type(self, block: str) -> dict[str, Any]:
        """The answer of MAG in JSON, if the command asked it something; the person does what an address asks of them."""
        script = f"set -a\n{self.preparation}{ANSWERS}{self.written(block)}\nprintf '\\0'\nenv -0"
        done = subprocess.run(
            ["bash", "-c", script], cwd=self.folder, env=self.known, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        printed, *variables = done.stdout.split("\0")
        self.known |= dict(line.split("=", 1) for line in variables if "=" in line)
        if printed.startswith(self.issuer):
            self.answer(printed.strip())
            return {}
        body, _, status = printed.rpartition("\n")
        expected = re.findall(r"# (\d{3})$", block, re.M)[-1]
        assert status == expected, f"{block}\n{printed}"
        return self.learn(json.loads(body) if body else {})

    def learn(self, answer: dict[str, Any]) -> dict[str, Any]:
        self.known |= {name.upper(): str(value) for name, value in answer.items()}
        if "id_token" in answer:
            payload = answer["id_token"].split(".")[1]
            self.known["SUB"] = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["sub"]
        return answer

    # ---------------------------------------------------------------------------------------------------------- the person

    def answer(self, address: str) -> None:
        match urlsplit(address).path:
            case "/authorize":
                back = parse_qs(urlsplit(self.browser.sign_in(address, IDENTITY, SITE)).query)
                assert (back["state"], back["iss"]) == ([self.known["STATE"]], [self.issuer])
                self.known["CODE"] = back["code"][0]
            case "/session/end":
                assert self.browser.follow(address, SITE).headers["Location"] == f"{SITE}?state={self.known['STATE']}"
            case "/device":
                asked = self.signed_in(self.browser.submit(self.browser.follow(address), code=self.known["USER_CODE"]))
                self.browser.submit(asked, reponse="accepter")
            case "/demandes":
                asked = self.signed_in(self.browser.follow(address))
                assert "Dossier 4321" in asked.text
                self.browser.submit(asked, reponse="accepter")
            case other:
                raise AssertionError(f"nobody knows what to do at {other}")

    def signed_in(self, page: requests.Response) -> requests.Response:
        return self.browser.submit(page, **IDENTITY) if 'type="password"' in page.text else page


def test_every_command_of_the_page(issuer: str, tmp_path: Path) -> None:
    """In its order: what one sequence obtains, the next uses."""
    reader = Reader(issuer, tmp_path)
    seen = {int(text.split(".")[0]): [reader.type(block) for block in blocks("sh", text)] for text in SEQUENCES}

    assert list(seen) == list(range(1, 12))
    assert seen[1][-1]["siret"] == factories.SIRET
    assert [answer.get("active") for answer in seen[2]] == [True, None, False]
    assert {"id_token", "refresh_token"} <= set(seen[3][-1])
    assert seen[4][-1]["refresh_token"] != seen[3][-1]["refresh_token"]
    assert seen[5][-1]["issued_token_type"] == "urn:ietf:params:oauth:token-type:access_token"
    assert seen[6][-1]["error"] == "invalid_grant"
    assert {"id_token", "refresh_token"} & set(seen[7][-1]) == set()
    assert {"access_token", "id_token"} <= set(seen[8][-1])
    assert {"access_token", "id_token"} <= set(seen[9][-1])
    assert set(seen[10][-1]) & {"access_token", "id_token", "refresh_token"} == {"access_token"}
    assert seen[11][-1]["decision"] is False


@pytest.mark.parametrize("sequence", SEQUENCES, ids=lambda text: text.split(".")[0])
def test_a_diagram_names_addresses_that_exist(issuer: str, sequence: str) -> None:
    documents = (f"{issuer}/.well-known/{name}-configuration" for name in ("openid", "authzen"))
    published = [value for document in documents for value in requests.get(document, timeout=10).json().values()]
    doors = {urlsplit(value).path for value in published if isinstance(value, str) and value.startswith(issuer)}
    (diagram,) = blocks("mermaid", sequence)

    assert set(re.findall(r"(?:GET|POST) (/[\w/-]+)", diagram)) <= doors | PAGES
    assert ";" not in diagram, "Mermaid ends a statement there"
