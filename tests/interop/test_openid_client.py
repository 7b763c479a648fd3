"""npm's openid-client, the certified client of the JavaScript world, against a served MAG."""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import ECKey

from idp.database import db
from idp.seals import digest
from partners import onboarding
from tests import factories, services

pytestmark = pytest.mark.interop
HERE = Path(__file__).parent / "openid_client"
REDIRECT, OUT = "https://portail.test/retour", "https://portail.test/fini"
SECRET = "un secret : avec +%& des signes, 32 caracteres"


@pytest.fixture(scope="session")
def relying_party() -> Path:
    """The script beside its dependencies: installed once for all, under a name that tells which."""
    lock = (HERE / "package-lock.json").read_bytes()
    folder = Path(tempfile.gettempdir()) / f"mag-openid-client-{os.getuid()}-{hashlib.sha256(lock).hexdigest()[:12]}"
    if not (folder / "node_modules").exists():
        fresh = Path(tempfile.mkdtemp(prefix="mag-npm-"))
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, fresh)
        subprocess.run(
            ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=fresh, check=True, capture_output=True, timeout=300
        )
        try:
            fresh.rename(folder)
        except OSError:  # another worker was first
            shutil.rmtree(fresh)
    return folder


@pytest.fixture
def served(app: Any, live_server: Callable[..., str]) -> str:
    """MAG at an address that a foreign client resolves, and a person who may sign in there."""
    factories.un_declarant(app, nom="Lefèvre", prenom="Anne", email="anne@exemple.fr")
    port = services.free_port()
    return live_server(port, MAG_ISSUER=f"http://127.0.0.1:{port}").replace("mag.localhost", "127.0.0.1")


def register(app: Any, secret: str | None, **metadata: Any) -> None:
    with app.app_context():
        now = datetime.now(UTC)
        owner = onboarding.register_partenaire("etranger", "Client étranger", None, now)
        given = {
            "client_name": "Client étranger",
            "redirect_uris": [REDIRECT],
            "post_logout_redirect_uris": [OUT],
            "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
            "scope": "openid profile email siret api:lire",
            **metadata,
        }
        digests = [digest(secret)] if secret else []
        onboarding.register_client(owner, given, now, client_id="etranger", secret_hashes=digests)
        db.session.commit()


def run(relying_party: Path, issuer: str, **given: Any) -> dict[str, Any]:
    shutil.copy(HERE / "relying_party.mjs", relying_party)
    person = {"siret": factories.SIRET, "nom": "LEFEVRE", "prenom": "anne", "password": factories.PASSWORD}
    asked = {
        "issuer": issuer,
        "client_id": "etranger",
        "redirect_uri": REDIRECT,
        "post_logout_redirect_uri": OUT,
        "scope": "openid profile email siret",
        "person": person,
        **given,
    }
    command = ["node", str(relying_party / "relying_party.mjs")]
    done = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def check(seen: dict[str, Any], *, token_type: str = "bearer", rotated: bool = True) -> None:
    assert seen["userinfo"]["siret"] == factories.SIRET
    assert seen["userinfo"]["email"] == "anne@exemple.fr"
    assert seen["introspection"]["active"] is True
    assert seen["refreshed"] == {"sub": seen["claims"]["sub"], "auth_time": seen["claims"]["auth_time"], "rotated": rotated}
    assert seen["hop"] == {"sub": seen["claims"]["sub"], "password_asked": False}
    assert seen["revoked"] == {"active": False}
    assert seen["machine"] == {"token_type": token_type, "scope": "api:lire"}
    assert seen["signed_out"] == f"{OUT}?state=fini"
    assert seen["after"] == "login_required"
    assert seen["dead"] == 401


def test_openid_client_signs_in_refreshes_reads_and_signs_out(app: Any, served: str, relying_party: Path) -> None:
    register(app, SECRET, id_token_signed_response_alg="RS256")

    check(run(relying_party, served, client_secret=SECRET, metadata={"id_token_signed_response_alg": "RS256"}))


def test_openid_client_with_a_private_key_and_signed_userinfo(app: Any, served: str, relying_party: Path) -> None:
    key = ECKey.generate_key("P-256", {"kid": "k1", "alg": "ES256"})
    algs = {"id_token_signed_response_alg": "ES256", "userinfo_signed_response_alg": "ES256"}
    register(app, None, token_endpoint_auth_method="private_key_jwt", jwks={"keys": [key.as_dict(private=False)]}, **algs)

    check(run(relying_party, served, key=key.as_dict(private=True), metadata=algs))


@pytest.mark.parametrize("nonces", ["", "fapi2"], ids=["without-nonces", "with-nonces"])
def test_openid_client_under_fapi2_pushes_its_requests_and_proves_its_key(
    app: Any, live_server: Callable[..., str], relying_party: Path, nonces: str
) -> None:
    factories.un_declarant(app, nom="Lefèvre", prenom="Anne", email="anne@exemple.fr")
    port = services.free_port()
    live_server(port, MAG_ISSUER=f"http://127.0.0.1:{port}", MAG_DPOP_NONCE=nonces)
    key = ECKey.generate_key("P-256", {"kid": "k1", "alg": "ES256"})
    algs = {"id_token_signed_response_alg": "ES256"}
    method = {"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [key.as_dict(private=False)]}}
    register(app, None, profile="fapi2", **method, **algs)

    seen = run(relying_party, f"http://127.0.0.1:{port}", key=key.as_dict(private=True), metadata=algs, dpop=True)
    check(seen, token_type="dpop", rotated=False)
    assert seen["introspection"]["cnf"].keys() == {"jkt"}
