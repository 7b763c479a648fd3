"""A transmitter of security events as MAG meets one: it signs tokens, pushes them, or keeps them at an address of its own (RFC 8936)."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from joserfc import jws
from joserfc.jwk import ECKey
from werkzeug.test import TestResponse

CAEP, RISC, SSF = (f"https://schemas.openid.net/secevent/{name}/event-type/" for name in ("caep", "risc", "ssf"))
ISSUER = "https://paie.test"
SECEVENT = "application/secevent+jwt"


class Emitter:
    """Declared at MAG by the operator's own command, with its key in a file."""

    def __init__(self, doors: Any, folder: Any, code: str = "paie", *words: str, issuer: str = ISSUER, partenaire: str = "portail") -> None:
        self.doors, self.code, self.issuer, self.sent = doors, code, issuer, 0
        self.key = ECKey.generate_key("P-256", {"kid": "cle-1", "use": "sig", "alg": "ES256"})
        file = folder / f"{code}.json"
        file.write_text(json.dumps({"keys": [self.key.as_dict(private=False)]}))
        owner = () if "--fournisseur" in words else ("--partenaire", partenaire)
        keys = () if "--jwks-uri" in words else ("--jwks-fichier", str(file))
        said = self.command("ajouter", code, "--issuer", issuer, *owner, *keys, *words)
        doors.mag.versions.refresh()
        self.secret = said.partition("Bearer ")[2].split("\n")[0].strip()
        self.audience = f"{doors.mag.settings.issuer}/ssf/v1/events/{code}"

    def command(self, *words: str, fails: bool = False) -> str:
        done = self.doors.flask.test_cli_runner().invoke(args=["signaux", "recus", *words])
        assert (done.exit_code != 0) is fails, done.output
        return str(done.output)

    def about(self, sub: str) -> dict[str, str]:
        """A person, as MAG named them to the partner."""
        return {"format": "iss_sub", "iss": self.doors.mag.settings.issuer, "sub": sub}

    def claims(self, event: str, subject: Any, **changes: Any) -> dict[str, Any]:
        """What a good token says; a change to None leaves a claim out."""
        self.sent += 1
        given = {
            **{"iss": self.issuer, "aud": self.audience, "iat": int(time.time()), "jti": f"{self.code}-{self.sent}"},
            **{"sub_id": subject, "events": {event: {}}},
            **changes,
        }
        return {name: value for name, value in given.items() if value is not None}

    def token(self, event: str, subject: Any, *, header: dict[str, Any] | None = None, key: Any = None, **changes: Any) -> str:
        head = {"alg": "ES256", "kid": "cle-1", "typ": "secevent+jwt", **(header or {})}
        claims = json.dumps(self.claims(event, subject, **changes))
        return jws.serialize_compact(head, claims, key or self.key, algorithms=["ES256", "HS256"])

    def push(self, send: Any, text: str | bytes, **options: Any) -> TestResponse:
        options.setdefault("token", self.secret)
        options.setdefault("content_type", SECEVENT)
        return send(f"/ssf/v1/events/{self.code}", data=text, **options)  # type: ignore[no-any-return]  # a fixture


class Keeper:
    """A transmitter's server: it keeps tokens until they are acknowledged, publishes its keys, and is asked to verify a stream."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}
        self.refused: dict[str, dict[str, str]] = {}
        self.asked: list[dict[str, Any]] = []
        self.verified: list[dict[str, Any]] = []
        self.authorizations: list[str] = []
        self.documents: dict[str, Any] = {}
        self.status, self.raw = 200, b""
        keeper = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                document = keeper.documents.get(self.path)
                self._answer(200 if document is not None else 404, json.dumps(document).encode())

            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
                keeper.authorizations.append(self.headers.get("Authorization", ""))
                if self.path == "/verification":
                    keeper.verified.append(asked)
                    return self._answer(keeper.status if keeper.status != 200 else 204, b"")
                return self._answer(keeper.status, keeper.raw or json.dumps(keeper.polled(asked)).encode())

            def _answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def address(self, path: str) -> str:
        return f"http://partenaire.localhost:{self.server.server_address[1]}{path}"

    def polled(self, asked: dict[str, Any]) -> dict[str, Any]:
        """RFC 8936 section 2: what is settled goes, what waits is given."""
        self.asked.append(asked)
        self.refused |= asked.get("setErrs", {})
        for jti in [*asked.get("ack", ()), *asked.get("setErrs", {})]:
            self.kept.pop(jti, None)
        given = dict(list(self.kept.items())[: asked["maxEvents"]])
        return {"sets": given, **({"moreAvailable": True} if len(given) < len(self.kept) else {})}


@contextmanager
def keeping() -> Iterator[Keeper]:
    found = Keeper()
    try:
        yield found
    finally:
        found.server.shutdown()
        found.server.server_close()
