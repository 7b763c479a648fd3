"""The kit as a partner installs it: a wheel, in an environment where MAG is not, against a served MAG; the README's own application."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import factories, services
from tests.interop.conftest import IDENTITY, ROOT, secret_of
from tests.interop.person import Browser

pytestmark = pytest.mark.interop
KIT = ROOT / "partners" / "kit"
README = (KIT / "README.md").read_text("utf-8")
NOT_MINE = "import importlib.util; print([n for n in ('idp', 'partners', 'wsgi', 'sqlalchemy', 'redis') if importlib.util.find_spec(n)])"
SERVED = """
from werkzeug.serving import make_server
make_server("127.0.0.1", {port}, app, threaded=True).serve_forever()
"""


def run(*command: str | Path, cwd: Path) -> str:
    """Nothing of this environment is seen by the child but how to reach the package index."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV") and name[:4] != "MAG_"}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built aside: a build leaves traces beside its source."""
    folder = tmp_path_factory.mktemp("wheel")
    shutil.copytree(KIT, folder / "kit", ignore=shutil.ignore_patterns("__pycache__"))
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, folder / "kit", cwd=folder)
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def python(wheel: Path) -> Path:
    """An environment that holds the wheel and what it asks for, from the index."""
    folder = wheel.parent / "environment"
    run(sys.executable, "-m", "venv", folder, cwd=wheel.parent)
    found = folder / "bin" / "python"
    run(found, "-m", "pip", "install", "--quiet", wheel, cwd=wheel.parent)
    return found


def test_the_wheel_holds_all_that_the_kit_is_made_of(wheel: Path) -> None:
    held = {name.removeprefix("mag_kit/") for name in zipfile.ZipFile(wheel).namelist() if name.startswith("mag_kit/")}
    made_of = {str(path.relative_to(KIT)) for kind in ("*.py", "*.html", "*.css", "py.typed") for path in KIT.rglob(kind)}

    assert held == made_of
    assert wheel.name == "mag_kit-1.0.0-py3-none-any.whl"


def test_nothing_of_the_provider_comes_with_it(python: Path) -> None:
    assert run(python, "-c", NOT_MINE, cwd=python.parent).strip() == "[]"
    listed = {row["name"].lower() for row in json.loads(run(python, "-m", "pip", "list", "--format", "json", cwd=python.parent))}
    assert {"mag-kit", "flask", "authlib", "joserfc", "requests"} <= listed
    assert "mag" not in listed


def test_the_application_of_its_readme_signs_somebody_in(python: Path, serve: Callable[..., str], tmp_path: Path) -> None:
    port, mag = services.free_port(), services.free_port()
    site = f"http://localhost:{port}"
    registered: dict[str, Any] = {
        "client_name": "Mon portail",
        "redirect_uris": [f"{site}/auth/mag/callback"],
        "post_logout_redirect_uris": [f"{site}/auth/mag/logged-out"],
        "grant_types": ["authorization_code", "refresh_token"],
        "id_token_signed_response_alg": "ES256",
        "scope": "openid profile siret habilitations:dsn",
    }
    issuer = serve("sqlite", {"mon-portail": registered}, issuer=f"http://localhost:{mag}")
    (source,) = re.findall(r"```python\n(.*?)```", README, re.S)
    for written, here in {"https://mag.example.fr": issuer, "https://portail.example.fr": site, "3kP…": secret_of("mon-portail")}.items():
        source = source.replace(written, here)
    (tmp_path / "site.py").write_text(source + SERVED.format(port=port), "utf-8")
    server = services.Server([str(python), "site.py"], port, environment={"PATH": os.environ["PATH"]}, folder=tmp_path)
    try:
        tour(site, issuer)
    finally:
        server.stop()


def tour(site: str, issuer: str) -> None:
    browser = Browser()
    mire = browser.follow(f"{site}/espace")
    assert mire.url.startswith(issuer)
    page = browser.submit(mire, **IDENTITY)
    assert page.json() == {"nom": "Anne Lefèvre", "siret": factories.SIRET, "declarer_dsn": True}
    assert browser.get(f"{site}/auth/mag/session").json()["active"] is True

    params = browser.get(f"{site}/auth/mag/start?mode=fedcm").json()["params"]
    assert params["redirect_uri"] == f"{site}/auth/mag/callback"
    out = browser.request("POST", f"{site}/auth/mag/logout")
    assert out.headers["Location"].startswith(issuer)
    assert browser.get(f"{site}/auth/mag/session").json() == {"active": False, "sid_hint": None}
    refused = browser.get(f"{site}/auth/mag/start?mode=inconnu")
    assert (refused.status_code, "pas valable" in refused.text) == (400, True)
