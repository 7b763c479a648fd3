"""The example of docs/logiciels.md, as it is written: a payroll software authorised once, then alone with its key, then taken back."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from tests import services
from tests.interop.conftest import IDENTITY
from tests.interop.person import Browser

pytestmark = pytest.mark.interop
DOCS = Path(__file__).parents[2] / "docs"
PROGRAM = DOCS / "exemples" / "logiciel.py"


def test_the_software_is_authorised_once_works_alone_and_is_taken_back(serve, tmp_path):
    issuer = f"http://127.0.0.1:{services.free_port()}"
    environment = {**os.environ, "MAG": issuer, "CLIENT_ID": "ma-paie"}

    def run(word, check=False):
        here = {"cwd": tmp_path, "env": environment, "capture_output": True, "text": True, "timeout": 60}
        return subprocess.run([sys.executable, PROGRAM, word], check=check, **here)

    metadata = json.loads(re.search(r"```json\n(.*?)```", (DOCS / "logiciels.md").read_text("utf-8"), re.S)[1])
    serve("sqlite", {"ma-paie": {**metadata, "jwks": json.loads(run("cle", check=True).stdout)}}, issuer)
    asking = subprocess.Popen([sys.executable, PROGRAM, "autoriser"], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        asked = asking.stdout.readline()
        address, code = re.search(r"Ouvrez (\S+) et saisissez le code (\S+)", asked).groups()
        browser = Browser()
        page = browser.follow(f"{address}?user_code={code}")
        question = browser.submit(browser.submit(page, code=code), **IDENTITY)
        browser.submit(question, reponse="accepter")
        assert asking.communicate(timeout=30)[0] == "Autorisé.\n"
    finally:
        asking.kill()

    token, siret = run("jeton", check=True).stdout.split()
    assert siret == IDENTITY["siret"]
    assert token.count(".") == 2
    mine = browser.get(f"{issuer}/compte/logiciels")
    assert "Paie Facile" in mine.text
    named = re.search(r'name="logiciel" value="([^"]+)"', mine.text)[1]
    browser.submit(mine, f"{issuer}/compte/logiciels", to="/compte/logiciels", logiciel=named)
    refused = run("jeton")
    assert (refused.returncode, refused.stderr) == (1, "Refusé : invalid_grant\n")
    assert requests.get(f"{issuer}/userinfo", headers={"Authorization": f"Bearer {token}"}, timeout=10).status_code == 401
