"""The authorization endpoint, at the machines' door: most of its answers are redirects that no page needs.

One request: read its parameters, find out what it asks (`sources.py`), verify it (`checks.py`), find the session and make a
code not yet revealed in one round trip, take the next step (`dispatch.py`). What a person must read is left to `views.py`.
RFC 6749 section 4.1.1, OpenID Connect Core section 3.1.2.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol
from urllib.parse import quote_from_bytes, urlencode, urlsplit

from authlib.oauth2.rfc6749.errors import OAuth2Error

from idp.authentication import demande as demandes
from idp.authentication.demande import BINDING, Demande, binding_of
from idp.authentication.factors.policy import Policies
from idp.authentication.session import COOKIE, Session, row_of
from idp.config import Settings
from idp.database import Connections, Kept
from idp.demands import any_rule, demanded
from idp.ephemeral import Ephemeral
from idp.errors import FileError
from idp.habilitations.disclosure import SCOPE as HABILITATIONS
from idp.habilitations.disclosure import services_of_scope
from idp.habilitations.droits import Catalogue
from idp.keys import Keyring
from idp.oidc import codes
from idp.oidc.acting import Establishments, Pick, wanted
from idp.oidc.checks import verify
from idp.oidc.claims import SCOPE_CLAIMS, opened, scope_of_claim
from idp.oidc.client_auth import Clients
from idp.oidc.codes import Granted
from idp.oidc.details import Acting
from idp.oidc.dispatch import Progress, Step, asked_levels, next_step, required_levels
from idp.oidc.errors import AuthorizationError, UntrustedRequestError
from idp.oidc.front_channel import tokens_for
from idp.oidc.issuing import Issuer
from idp.oidc.models import FIND_CONSENT
from idp.oidc.par import BOUND_KEY, OURS, REFERENCE, PushedRequests, take_ours
from idp.oidc.request import AuthorizationRequest
from idp.oidc.responses import FormPost, origin, redirection, respond
from idp.oidc.rights import known_services
from idp.oidc.sandbox import TestIdentities, shown_name
from idp.oidc.sources import Sources
from idp.oidc.tokens import Reader
from idp.oidc.wire import Answer, Environ, cookies_of, is_form_or_empty, read_body, read_pairs

SENT_AS_IS = bytes(range(0x21, 0x7F))
LONGEST_QUERY = 6 * 1024
"""Characters; the doors refuse an address of 8 KiB."""
Headers = Iterable[tuple[str, str]]
PICK = "/connexion/client"
VOUCHED, PASSAGE = "login_hint_token", "/navigation"
"""What a partner signed about whoever is at the browser (the name is CIBA Core's, section 7.1), and the page that reads it."""
CONTINUED = OURS + "fedcm"
"""Ours, beside the parameters: a browser waits for the answer, and gives it to the page that asked."""
PAGES = {Step.SELECT: "/connexion/choix", Step.SIGN_IN: "/connexion", Step.RAISE: "/connexion/second-facteur"}


@dataclass(frozen=True, slots=True)
class ConsentAsked:
    """A page must ask the person to agree: to what, for whom, in which sign-in."""

    asked: AuthorizationRequest
    scope: list[str]
    session: Session
    demande: str


class Browser(NamedTuple):
    """What the browser brought: its binding, where the session it presents is kept."""

    binding: str
    is_new: bool
    row: str

    @classmethod
    def of(cls, environ: Environ) -> "Browser":
        cookies = cookies_of(environ)
        given = cookies.get(BINDING, "")
        binding = binding_of(given)
        return cls(binding, binding != given, row_of(cookies.get(COOKIE, "")))

    @property
    def presented(self) -> str:
        """Tells one session cookie from another, and nothing else."""
        return self.row[:16]


@dataclass(frozen=True, slots=True)
class Handover:
    """An answer that a page of MAG gives to the browser, which waits for it (FedCM section on continuation): whose, and what."""

    account: str
    fields: Mapping[str, str]


class Weighed(NamedTuple):
    """What a verified request would get now: the next step, and what a code, not yet revealed, stands for."""

    step: Step
    session: Session | None
    code: str
    granted: Granted
    told: list[str]
    progress: Progress
    pick: Pick | None = None
    """The establishment is to be picked before anything is issued."""


class Components(Protocol):
    """What the endpoint needs of the process."""

    @property
    def settings(self) -> Settings: ...
    @property
    def connections(self) -> Connections: ...
    @property
    def ephemeral(self) -> Ephemeral: ...
    @property
    def keyring(self) -> Keyring: ...
    @property
    def registry(self) -> Clients: ...
    @property
    def catalogue(self) -> Kept[Catalogue]: ...
    @property
    def policies(self) -> Kept[Policies]: ...


def plain(issuer: str, asked: AuthorizationRequest, answer: Mapping[str, str]) -> dict[str, str]:
    """An authorization response that no address carries (RFC 6749 section 4.1.2, RFC 9207 section 2)."""
    told = {**answer, "state": asked.state, "iss": issuer}
    return {name: value for name, value in told.items() if value}


class AuthorizationEndpoint:
    """The authorization endpoint of one process."""

    def __init__(self, mag: Components, issuer: Issuer) -> None:
        self.mag, self.issuer = mag, issuer
        self.pushed = PushedRequests(mag.settings, mag.ephemeral)
        self.sources = Sources(mag.settings, mag.registry, self.pushed)
        self.reader = Reader(mag.settings, mag.keyring)
        self.establishments = Establishments(mag.connections, mag.catalogue, issuer.rights)
        self.test_identities = TestIdentities(mag.settings, mag.connections)
        self._supported: tuple[object, frozenset[str]] = (None, frozenset())

    def act(self, environ: Environ) -> Answer | FormPost | ConsentAsked | Handover:
        """Raises MagError for a page that refuses."""
        given, posted = take_ours(_parameters(environ)), environ["REQUEST_METHOD"] == "POST"
        browser, now = Browser.of(environ), datetime.now(UTC)
        if browser.is_new:
            environ["mag.binding"] = browser.binding
        demande = self._demande(given.get("demande", ""), browser, now)
        asked = self.sources.read(dict(demande.parameters) if demande else given)
        try:
            if asked.refusal is not None:
                raise asked.refusal
            if posted:
                return self._as_get(asked.request, given)
            return self._proceed(verify(asked.request, front_channel=self.mag.settings.front_channel_tokens), demande, given, browser, now)
        except AuthorizationError as error:
            if reference := asked.request.get(REFERENCE):
                self.pushed.answered(reference)
            answer = {"error": error.error, "error_description": error.description}
            return self._respond(asked.request, answer, now)

    def _as_get(self, asked: AuthorizationRequest, given: Mapping[str, str]) -> Answer:
        """Core section 3.1.2.1 asks for POST too. A cross-site POST carries no Lax cookie: it becomes a GET of the same request.

        One that an address cannot hold is kept as if it had been pushed.
        """
        query = urlencode(given)
        if len(query) > LONGEST_QUERY:
            verify(asked, front_channel=self.mag.settings.front_channel_tokens)
            query = urlencode({"client_id": asked.client.client_id, "request_uri": self.pushed.push(asked.client, given)})
        return redirection(f"{self.mag.settings.issuer_path}/authorize?{query}")

    def _demande(self, token: str, browser: Browser, now: datetime) -> Demande | None:
        """The request of a sign-in in progress; only the browser that began it may go on (C38)."""
        if not token:
            return None
        mag = self.mag
        return demandes.open_demande(mag.ephemeral, mag.keyring, token, browser.binding, now, mag.settings.demande_lifetime)

    def _proceed(
        self, asked: AuthorizationRequest, demande: Demande | None, given: Mapping[str, str], browser: Browser, now: datetime
    ) -> Answer | FormPost | ConsentAsked | Handover:
        if demande is None and asked.get(VOUCHED) and "none" not in asked.prompt:
            return self._to_page(PASSAGE, {"demande": self.seal(asked, browser, now)}, browser)
        found = self.weigh(asked, browser, now, demande, given)
        session, step = found.session, found.step
        if step is Step.ISSUE and session is not None and found.pick is None:
            return self._issue(asked, found, now)
        token = given["demande"] if demande is not None else self.seal(asked, browser, now)
        if step is Step.CONSENT and session is not None:
            return ConsentAsked(asked, found.told, session, token)
        where, query = to_pick_at(found.pick, given) if found.pick else (PAGES[step], {})
        query["demande"] = token
        if demande is None and step is Step.SIGN_IN and "create" in asked.prompt:
            where = "/inscription"  # Prompt Create 1.0 section 4; its page also leads to the sign-in
        if step is Step.SIGN_IN and CONTINUED in asked.parameters:
            query["autre"] = "1"  # the chooser said who, and it is not whoever is signed in
        if step is Step.RAISE and not required_levels(asked) and not found.progress.demanded:
            query["souhait"] = "1"
        return self._to_page(where, query, browser)

    def _to_page(self, where: str, query: Mapping[str, str], browser: Browser) -> Answer:
        """303 to a page of MAG, which only this browser may go on with."""
        answer = redirection(f"{self.mag.settings.issuer_path}{where}?{urlencode(query)}")
        if browser.is_new:
            cookie = f"{BINDING}={browser.binding}; Secure; HttpOnly; Path=/; SameSite=Lax"
            answer.headers = (*answer.headers, ("Set-Cookie", cookie))
        return answer

    def weigh(
        self,
        asked: AuthorizationRequest,
        browser: Browser,
        now: datetime,
        demande: Demande | None = None,
        given: Mapping[str, str] = MappingProxyType({}),
    ) -> Weighed:
        """Raises AuthorizationError, for the partner."""
        scope = asked.granted_scope(self.supported_scopes())
        acting = wanted(asked, scope, given.get("pour", "") if demande else "")
        granted = self._granted(asked, scope, acting)
        session, code = self._session_and_code(asked, granted, browser, now)
        if demande is None and CONTINUED in asked.parameters and (session is None or session.sid != asked.parameters[CONTINUED]):
            raise UntrustedRequestError("the window was opened for the session of another browser")
        if session is not None and self.test_identities.bars(asked.client, session.declarant_id):
            if demande is not None and signed_in_since(demande, session, browser):
                raise AuthorizationError("access_denied", "only test identities sign in at a sandbox client")
            session = None
        hinted = self._hinted_subject(asked)
        sub = self.issuer.mint.subjects.of(asked.client, session.uid) if session and hinted is not None else None
        told = told_scope(asked, scope)
        progress = self._progress(asked, session, demande, given, browser)
        step = next_step(asked, session, sub, hinted, told, progress, int(now.timestamp()))
        issued = step is Step.ISSUE and session is not None
        pick = self.establishments.to_pick(asked, acting, session, now) if issued and acting and session else None
        return Weighed(step, session, code, granted, told, progress, pick)

    def supported_scopes(self) -> frozenset[str]:
        catalogue = self.mag.catalogue()
        if self._supported[0] is not catalogue:
            self._supported = (catalogue, frozenset(SCOPE_CLAIMS) | {HABILITATIONS + code for code in known_services(catalogue)})
        return self._supported[1]

    def _granted(self, asked: AuthorizationRequest, scope: list[str], acting: Acting | None) -> Granted:
        id_token, userinfo = opened(asked.claims.id_token, asked.client.scope), opened(asked.claims.userinfo, asked.client.scope)
        bound = asked.get(BOUND_KEY) or asked.get("dpop_jkt")
        client_id, nonce, acr = asked.client.client_id, asked.get("nonce"), asked_levels(asked)
        return codes.make_granted(
            client_id, scope, nonce, id_token, userinfo, resource=asked.resource, dpop_jkt=bound, acr=acr, acting=acting
        )

    def _session_and_code(
        self, asked: AuthorizationRequest, granted: Granted, browser: Browser, now: datetime
    ) -> tuple[Session | None, str]:
        """The live session and a code not yet revealed, in one round trip."""
        mag = self.mag
        shown = codes.proof(asked.client.client_id, asked.redirect_uri, asked.get("code_challenge"))
        issued = codes.issue(mag.ephemeral, mag.settings, browser.row, granted, shown)
        if issued is None or issued[0].expires_at <= now.timestamp():
            return None, ""
        return issued

    def _issue(self, asked: AuthorizationRequest, found: Weighed, now: datetime) -> Answer | FormPost | Handover:
        self.spend(asked)
        session = found.granted.told(found.session) if found.session else None
        if asked.response_type == "code" or session is None:
            return self._respond(asked, {"code": found.code}, now, session.uid if session else "")
        return self._respond(asked, tokens_for(self.issuer, asked, session, found.granted, found.code, now), now)

    def spend(self, asked: AuthorizationRequest) -> None:
        """A pushed request serves once. Raises AuthorizationError."""
        reference = asked.get(REFERENCE)
        if reference and not self.pushed.answered(reference):
            raise AuthorizationError("invalid_request_uri", "request_uri was already used")

    def _respond(
        self, asked: AuthorizationRequest, answer: Mapping[str, str], now: datetime, account: str = ""
    ) -> Answer | FormPost | Handover:
        """Raises NoClientKeyError: what cannot be encrypted goes nowhere."""
        if CONTINUED in asked.parameters:
            return Handover(account, plain(self.mag.settings.issuer, asked, answer))
        return respond(self.issuer.mint, asked, answer, int(now.timestamp()))

    def _hinted_subject(self, asked: AuthorizationRequest) -> str | None:
        """Core section 3.1.2.2 (`id_token_hint`, expired or not) and 5.5.1 (`sub` asked by value)."""
        hint = asked.get("id_token_hint")
        if hint:
            claims = self.reader.id_token_hint(hint)
            if claims is None or claims.get("aud") != asked.client.client_id:
                raise AuthorizationError("invalid_request", "id_token_hint is not one of ours for this client")
            return str(claims.get("sub"))
        return asked.claims.required_sub()

    def _progress(
        self, asked: AuthorizationRequest, session: Session | None, demande: Demande | None, given: Mapping[str, str], browser: Browser
    ) -> Progress:
        """Consent is read only where the rules may ask for it: first-party partners cost no query."""
        consent = None
        if session is not None and (not asked.client.first_party or "consent" in asked.prompt):
            consent = self.mag.connections.one(FIND_CONSENT, declarant_id=session.declarant_id, client_id=asked.client.client_id)
        return Progress(
            asked_at=demande.asked_at if demande else None,
            signed_in_since=demande is not None and session is not None and signed_in_since(demande, session, browser),
            selected=demande is not None and "choix" in given,
            refused=demande is not None and "refus" in given,
            level_refused=demande is not None and "niveau" in given,
            demanded=session is not None and self._demands(asked, session),
            consented_at=consent[1] if consent else None,
            consented_scope=frozenset(consent[0].split()) if consent else frozenset(),
        )

    def _demands(self, asked: AuthorizationRequest, session: Session) -> bool:
        """By partner, by what it asks to be told."""
        if not any_rule(self.mag):
            return False
        services = services_of_scope(asked.granted_scope(self.supported_scopes())) | (asked.acting.codes if asked.acting else frozenset())
        return demanded(self.mag, asked.client.client_id, services, session, datetime.now(UTC))

    def seal(self, asked: AuthorizationRequest, browser: Browser, now: datetime) -> str:
        """The request as one word, for this browser alone."""
        client, mag = asked.client, self.mag
        demande = Demande(
            target="/authorize",
            parameters=dict(asked.parameters),
            client_id=client.client_id,
            client_name=shown_name(client),
            client_host=urlsplit(asked.redirect_uri).netloc,
            client_logo=client.logo_uri,
            form_action=origin(asked.redirect_uri),
            login_hint=asked.get("login_hint"),
            siret_hint=asked.get("siret_hint"),
            asked_at=int(now.timestamp()),
            before=browser.presented,
            select=bool(asked.prompt & {"select_account", "select_organization"}),
            establishments="select_organization" in asked.prompt or bool(asked.siret_hint),
            create="create" in asked.prompt,
        )
        return demandes.seal_demande(mag.ephemeral, mag.keyring, demande, browser.binding, mag.settings.demande_lifetime)


def _parameters(environ: Environ) -> dict[str, str]:
    """Of a query or a form. Raises FileError for a body that does not say it is one, UntrustedRequestError."""
    if environ["REQUEST_METHOD"] != "POST":
        return parameters_of(str(environ.get("QUERY_STRING", "")).encode("latin-1"))
    if not is_form_or_empty(environ):
        raise FileError("POST of another content type")
    try:
        return parameters_of(read_body(environ))
    except OAuth2Error as error:
        raise UntrustedRequestError(str(error.description)) from None


def parameters_of(raw: bytes) -> dict[str, str]:
    """Bytes that came without percent-encoding stay the same bytes. Raises UntrustedRequestError."""
    try:
        return read_pairs(quote_from_bytes(raw, SENT_AS_IS) if raw.translate(None, SENT_AS_IS) else raw.decode("ascii"))
    except OAuth2Error as error:
        raise UntrustedRequestError(str(error.description)) from None


def told_scope(asked: AuthorizationRequest, scope: list[str]) -> list[str]:
    """The scopes granted, and those that claims asked one by one, or the services of details, amount to: what a person agrees to is
    all that may be told.
    """
    if not asked.claims and asked.acting is None:
        return scope
    alone = (scope_of_claim(claim, asked.client.scope) for claim in (*asked.claims.id_token, *asked.claims.userinfo))
    named = (HABILITATIONS + code for code in sorted(asked.acting.codes if asked.acting else ()))
    return list(dict.fromkeys((*scope, *(s for s in alone if s is not None and s != "openid"), *named)))


def to_pick_at(pick: Pick, given: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """Where an establishment is picked, or at once the only one; what the person already answered on the way is kept."""
    answered = {name: given[name] for name in ("choix", "niveau") if name in given}
    return ("/authorize", {**answered, "pour": pick.sole}) if pick.sole else (PICK, answered)


def signed_in_since(demande: Demande, session: Session, browser: Browser) -> bool:
    """Another session than the one presented when the partner asked, and a younger one: an old session brought along is not a sign-in, nor
    is the word of another partner, however recent the sign-in there.
    """
    return demande.before != browser.presented and session.auth_time >= demande.asked_at and not session.vouched


class AuthorizationDoor:
    """The endpoint on plain WSGI; what a person must read goes on to `pages`, under `mag.left` of the environment."""

    LEFT = "mag.left"

    def __init__(self, endpoint: AuthorizationEndpoint, pages: Callable[..., Any], headers: Headers) -> None:
        self.endpoint, self.pages, self.headers = endpoint, pages, tuple(headers)

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD", "POST"):
            return self._left(None, environ, start_response)
        try:
            answer = self.endpoint.act(environ)
        except Exception as error:
            return self._left(error, environ, start_response)
        if not isinstance(answer, Answer):
            return self._left(answer, environ, start_response)
        return answer.send(start_response, *self.headers, ("X-Request-ID", environ["mag.request_id"]))

    def _left(self, what: object, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        environ[self.LEFT] = what
        left: Iterable[bytes] = self.pages(environ, start_response)
        return left
