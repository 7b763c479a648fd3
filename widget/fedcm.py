"""Federated Credential Management, the identity provider's side: a machine door that browsers alone may use.

W3C FedCM: well-known file, configuration, accounts, assertion, disconnect. What the browser carries to a partner's page is an
authorization code, made by the authorization endpoint and bound to PKCE: the partner's server redeems it as any other. The order of
the checks of an assertion is that of `_assertion`: the browser, the session, the account, the client, the page, the request, the rules.

Left out on purpose: client metadata (the well-known file would bind more, the chooser would show two links), passive login of
several providers, `fields`: what a partner learns is its scope, as everywhere else.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from urllib.parse import urlencode

import orjson

from idp.audit import journal
from idp.audit.events import Event, PortalDisconnected
from idp.database import db
from idp.declarants.models import Declarant
from idp.declarants.parcours import conditions
from idp.ephemeral import Counter, beyond
from idp.logs import note
from idp.oidc.account.portals import disconnect
from idp.oidc.authorization import CONTINUED, AuthorizationEndpoint, Browser, Components, Weighed, plain
from idp.oidc.client import Client
from idp.oidc.dispatch import Step
from idp.oidc.errors import AuthorizationError, UntrustedRequestError
from idp.oidc.families import guard_of_family
from idp.oidc.par import take_ours
from idp.oidc.request import AuthorizationRequest
from idp.oidc.wire import NO_STORE, Answer, Environ, json_answer, read_form
from partners.transaction import Context, transaction
from widget.accounts import Shown, accounts, linked, shown_in
from widget.asked import asked_by_page, speaks
from widget.events import FedcmCodeIssued, FedcmContinued, FedcmRefused

READ, POST = ("GET", "HEAD"), ("POST",)
A_MINUTE, REQUESTS = 60, 60
"""Assertions and disconnections of one session in so many seconds."""
MOST_PARAMETERS = 40
OUT = (*NO_STORE, ("Set-Login", "logged-out"))


class RefusedByFedcm(Exception):  # noqa: N818  # it is an answer, not a fault
    """What the browser is told. `error`: a code of OAuth (RFC 6749 section 4.1.2.1), which the page may read once its origin is known."""

    def __init__(self, reason: str, status: int = 403, error: str = "access_denied", event: Event | None = None) -> None:
        super().__init__(reason)
        self.status, self.error, self.event = status, error, event


class Fedcm:
    """The door of one process. `context` opens an application context: the database session of one request."""

    def __init__(self, mag: Components, context: Context, authorization: AuthorizationEndpoint) -> None:
        self.mag, self.context, self.authorization = mag, context, authorization
        issuer, path = mag.settings.issuer, mag.settings.issuer_path
        addresses = {name: f"{path}/fedcm/{name}" for name in ("accounts", "assertion", "disconnect", "connexion")}
        self.well_known_file = {
            "provider_urls": [f"{issuer}/fedcm/config.json"],
            "accounts_endpoint": f"{issuer}/fedcm/accounts",
            "login_url": f"{issuer}/fedcm/connexion",
        }
        self.configuration = {
            "accounts_endpoint": addresses["accounts"],
            "id_assertion_endpoint": addresses["assertion"],
            "disconnect_endpoint": addresses["disconnect"],
            "login_url": addresses["connexion"],
            "supports_use_other_account": True,
            "branding": {
                "name": "MAG",
                "background_color": "#0d5c5f",
                "color": "#ffffff",
                "icons": [{"url": f"{issuer}/static/logo-96.png", "size": 96}],
            },
        }

    @property
    def endpoints(self) -> Mapping[str, tuple[tuple[str, ...], Callable[[Environ], Answer]]]:
        """Methods and act, by address under the issuer's."""
        return {
            "/fedcm/config.json": (READ, self.config),
            "/fedcm/accounts": (READ, self.accounts),
            "/fedcm/assertion": (POST, self.assertion),
            "/fedcm/disconnect": (POST, self.disconnect),
        }

    def well_known(self, _environ: Environ) -> Answer:
        """At the root of the host; the apex of the domain redirects here (docs/exploitation.md)."""
        return json_answer(self.well_known_file, headers=(("Cache-Control", "public, max-age=3600"),))

    def config(self, environ: Environ) -> Answer:
        return self._answered(environ, lambda: json_answer(self.configuration))

    def accounts(self, environ: Environ) -> Answer:
        """Nobody signed in: the browser is told, and asks no more until somebody is."""

        def act() -> Answer:
            now = datetime.now(UTC)
            return json_answer({"accounts": accounts(self._shown(environ, now, used=False), now)})

        return self._answered(environ, act)

    def assertion(self, environ: Environ) -> Answer:
        """The account chosen, for the page that asked."""
        return self._answered(environ, lambda: self._assertion(environ, datetime.now(UTC)))

    def disconnect(self, environ: Environ) -> Answer:
        """The page lets an account go: the agreement ends, and what the partner kept."""
        return self._answered(environ, lambda: self._disconnect(environ, datetime.now(UTC)))

    # -------------------------------------------------------------------------------------------------------------- the edge

    def _answered(self, environ: Environ, act: Callable[[], Answer]) -> Answer:
        """One transaction, and one way out for refusals; a page can read neither unless its origin is the client's."""
        if environ.get("HTTP_SEC_FETCH_DEST") != "webidentity":
            return json_answer({"error": {"error": "access_denied"}}, 403)
        try:
            with transaction(self.context):
                answer = act()
        except RefusedByFedcm as refusal:
            answer = self._refused(environ, refusal)
        return _readable(answer, environ)

    def _refused(self, environ: Environ, refusal: RefusedByFedcm) -> Answer:
        trace = str(environ["mag.request_id"])
        note("fedcm refused", reason=str(refusal)[:300], error=refusal.error)
        if refusal.event is not None:
            journal.write(self.mag.connections, refusal.event)
        if refusal.status == 401:
            return json_answer({"error": {"error": refusal.error}}, 401, OUT)
        where = f"{self.mag.settings.issuer}/fedcm/aide?{urlencode({'erreur': refusal.error, 'trace': trace})}"
        return json_answer({"error": {"error": refusal.error, "url": where}}, refusal.status)

    # ------------------------------------------------------------------------------------------------------------ the checks

    def _shown(self, environ: Environ, now: datetime, *, used: bool = True) -> Shown:
        """`used`: somebody acts, and the session is not idle."""
        shown = shown_in(self.mag, environ, now, used=used)
        if shown is None:
            raise RefusedByFedcm("nobody is signed in", 401)
        return shown

    def _posted(self, environ: Environ, now: datetime) -> tuple[Shown, dict[str, str]]:
        """A form of a browser that is signed in, and not too many of them. Raises what the edge answers by itself (400, 413, 415)."""
        shown = self._shown(environ, now)
        if beyond(self.mag.ephemeral, {Counter(f"fedcm:{shown.session.sid}", A_MINUTE): REQUESTS}):
            raise RefusedByFedcm("too many requests", 429, "temporarily_unavailable")
        return shown, read_form(environ)

    def _page_of(self, environ: Environ, form: Mapping[str, str], shown: Shown) -> Client:
        """A client that may use FedCM, at a page of its own."""
        client_id = form.get("client_id", "")
        client = self.mag.registry.find(client_id) if client_id.isascii() and len(client_id) <= 100 else None
        if client is None or not speaks(client, "fedcm"):
            raise self._barred(shown, client, "not a client of FedCM", "unauthorized_client")
        if environ.get("HTTP_ORIGIN") not in client.origins:
            raise self._barred(shown, client, "the page is not of this client", "unauthorized_client")
        environ["mag.fedcm_origin"] = environ["HTTP_ORIGIN"]
        return client

    def _barred(self, shown: Shown, client: Client | None, reason: str, error: str, status: int = 403) -> RefusedByFedcm:
        client_id = client.client_id if client else None
        event = FedcmRefused(declarant_id=shown.session.declarant_id, client_id=client_id, reason=reason)
        return RefusedByFedcm(reason, status, error, event)

    def _asked(self, form: Mapping[str, str], client: Client, shown: Shown) -> AuthorizationRequest:
        """The partner's request, by the rules of the authorization endpoint."""
        parameters = read_parameters(form.get("params", ""))
        try:
            if parameters is None or parameters.get("client_id", client.client_id) != client.client_id:
                raise AuthorizationError("invalid_request", "params is not an authorization request of this client")
            return asked_by_page(self.authorization, client, parameters)
        except UntrustedRequestError as error:
            raise self._barred(shown, client, str(error), "invalid_request", 400) from error
        except AuthorizationError as error:
            raise self._barred(shown, client, f"{error.error}: {error.description}", error.error, 400) from error

    # -------------------------------------------------------------------------------------------------------------- the acts

    def _assertion(self, environ: Environ, now: datetime) -> Answer:
        shown, form = self._posted(environ, now)
        chosen = shown.chosen(form.get("account_id", ""))
        if chosen is None:
            raise self._barred(shown, None, "the account is not of this session", "access_denied")
        client = self._page_of(environ, form, shown)
        asked = self._asked(form, client, shown)
        number, person = chosen
        try:
            if reason := self._must_sign_in(shown, number, now):
                if "none" in asked.prompt:
                    raise AuthorizationError("login_required", f"this account must sign in: {reason}")
                hint = {"prompt": " ".join(sorted(asked.prompt | {"login"})), "login_hint": f"{person.siret}|{person.nom}|{person.prenom}"}
                return self._continued(shown, asked, reason, now, hint)
            found = self.authorization.weigh(asked, Browser("", False, shown.row), now)
            if found.step is not Step.ISSUE or found.session is None or found.pick is not None:
                return self._continued(shown, asked, "pick" if found.pick else found.step, now)
            self.authorization.spend(asked)
        except AuthorizationError as error:
            raise self._barred(shown, client, f"{error.error}: {error.description}", error.error, 400) from error
        return self._issued(shown, asked, found, now, automatic=form.get("is_auto_selected") == "true")

    def _must_sign_in(self, shown: Shown, number: int, now: datetime) -> str:
        """What a new sign-in alone can settle; empty for nothing."""
        if number != shown.session.declarant_id:
            return "other_account"
        person = db.session.get(Declarant, number)
        if person is None or person.password_locked_at is not None:
            return "password"
        return "conditions" if conditions.to_accept(person, now) is not None else ""

    def _issued(self, shown: Shown, asked: AuthorizationRequest, found: Weighed, now: datetime, *, automatic: bool) -> Answer:
        declarant_id, sid = shown.session.declarant_id, shown.session.sid
        journal.record(FedcmCodeIssued(declarant_id=declarant_id, client_id=asked.client.client_id, sid=sid, automatic=automatic), now)
        return json_answer({"token": plain(self.mag.settings.issuer, asked, {"code": found.code})})

    def _continued(
        self, shown: Shown, asked: AuthorizationRequest, reason: str, now: datetime, changes: Mapping[str, str] | None = None
    ) -> Answer:
        """A window of MAG goes on with the same request, kept as if it had been pushed; its answer comes back to this page."""
        self.authorization.spend(asked)
        client = asked.client
        parameters = {**asked.parameters, **(changes or {}), CONTINUED: shown.session.sid}
        reference = self.authorization.pushed.push(client, parameters)
        event = FedcmContinued(declarant_id=shown.session.declarant_id, client_id=client.client_id, sid=shown.session.sid, reason=reason)
        journal.record(event, now)
        query = urlencode({"client_id": client.client_id, "request_uri": reference})
        return json_answer({"continue_on": f"{self.mag.settings.issuer_path}/fedcm/continue?{query}"})

    def _disconnect(self, environ: Environ, now: datetime) -> Answer:
        shown, form = self._posted(environ, now)
        client = self._page_of(environ, form, shown)
        chosen = shown.chosen(form.get("account_hint", ""))
        person = db.session.get(Declarant, shown.session.declarant_id)
        if chosen is None or person is None or chosen[0] != person.id:
            raise self._barred(shown, client, "the account is not the one signed in", "access_denied")
        ended = disconnect(person, client.client_id, now)
        if ended is None and client.client_id in linked(person.id, now):
            journal.record(PortalDisconnected(declarant_id=person.id, client_id=client.client_id), now)
        db.session.commit()
        if ended:
            lifetime = self.mag.settings.access_token_lifetime + 60
            self.mag.ephemeral.end(*map(guard_of_family, ended), lifetime=lifetime)
        return json_answer({"account_id": shown.live.uid})


def _readable(answer: Answer, environ: Environ) -> Answer:
    """To the page, once it is known to be the client's (Fetch section 3.2.5)."""
    origin = environ.get("mag.fedcm_origin")
    if origin:
        allowed = (("Access-Control-Allow-Origin", str(origin)), ("Access-Control-Allow-Credentials", "true"), ("Vary", "Origin"))
        answer.headers = (*answer.headers, *allowed)
    return answer


def read_parameters(text: str) -> dict[str, str] | None:
    """`params`: an object of texts, and of objects or lists for what is JSON itself (`claims`, `authorization_details`).

    None when it is not that.
    """
    try:
        given = orjson.loads(text)
        if (
            not isinstance(given, dict)
            or len(given) > MOST_PARAMETERS
            or not all(isinstance(value, str | dict | list) for value in given.values())
        ):
            return None
        written = {name: value if isinstance(value, str) else orjson.dumps(value).decode() for name, value in given.items()}
    except (ValueError, TypeError):  # the second: nested deeper than may be written again
        return None
    if any("\0" in text for pair in written.items() for text in pair):
        return None
    return {name: value for name, value in take_ours(written).items() if value}
