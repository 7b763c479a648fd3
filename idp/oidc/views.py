"""People's pages of the protocol: the authorization endpoint and its consent, the end of the session.

The authorization view is the dispatcher: it alone knows the next step. With a live session it costs one round trip: the
code is made in the same step that reads the session, and revealed only if nothing else is asked.
"""

from datetime import datetime
from urllib.parse import quote_from_bytes, urlencode, urlsplit

from flask import Blueprint, Response, make_response, redirect, render_template, request
from flask.typing import ResponseReturnValue

from idp import http
from idp.audit import journal
from idp.audit.events import ConsentGiven, ConsentRefused
from idp.authentication import demande as demandes
from idp.authentication.demande import Demande
from idp.authentication.session import COOKIE, Session, find_session
from idp.database import db
from idp.habilitations.disclosure import SCOPE as HABILITATIONS
from idp.oidc import codes, logout
from idp.oidc.checks import read_request, verify
from idp.oidc.claims import SCOPE_CLAIMS, opened, scope_of_claim
from idp.oidc.dispatch import Progress, Step, next_step
from idp.oidc.errors import AuthorizationError, UntrustedRequestError
from idp.oidc.models import Consent
from idp.oidc.request import AuthorizationRequest
from idp.oidc.rights import known_services
from idp.oidc.tokens import Reader, subject
from idp.oidc.wire import UnreadableError, read_pairs
from idp.seals import digest

bp = Blueprint("oidc", __name__, template_folder="templates")
SENT_AS_IS = bytes(range(0x21, 0x7F))
LONGEST_ADDRESS = 8 * 1024
"""Bytes; the doors refuse a longer one."""


# ----------------------------------------------------------------------------------------------------- authorization


@bp.get("/authorize")
def authorize() -> ResponseReturnValue:
    """RFC 6749 section 4.1.1, OpenID Connect Core section 3.1.2."""
    given = _pairs(request.query_string)
    demande = _demande(given.get("demande", ""))
    asked = read_request(demande.parameters if demande else given, http.mag().registry.find)
    try:
        return _proceed(verify(asked), demande)
    except AuthorizationError as error:
        return _answer(asked, {"error": error.error, "error_description": error.description})


@bp.post("/authorize")
def authorize_by_post() -> ResponseReturnValue:
    """Core section 3.1.2.1 asks for POST too. A cross-site POST carries no Lax cookie: it becomes a GET of the same request."""
    parameters = _pairs(request.get_data())
    read_request(parameters, http.mag().registry.find)
    address = f"{http.path('/authorize')}?{urlencode(parameters)}"
    if len(address) > LONGEST_ADDRESS:
        raise UntrustedRequestError("longer than an address may be")
    return redirect(address, 303)


def _pairs(raw: bytes) -> dict[str, str]:
    """Parameters of a query or a form; bytes that came without percent-encoding stay the same bytes."""
    try:
        return read_pairs(quote_from_bytes(raw, SENT_AS_IS))
    except UnreadableError as error:
        raise UntrustedRequestError(str(error.description)) from None


def _demande(token: str) -> Demande | None:
    """The request of a sign-in in progress; only the browser that began it may go on (C38)."""
    if not token:
        return None
    mag = http.mag()
    return demandes.open_demande(mag.ephemeral, mag.keyring, token, http.binding(), http.now(), mag.settings.demande_lifetime)


def _proceed(asked: AuthorizationRequest, demande: Demande | None) -> ResponseReturnValue:
    mag, now = http.mag(), http.now()
    scope = asked.granted_scope(_supported_scopes())
    session, code = _session_and_code(asked, scope)
    sub = subject(mag.keyring, asked.client, session.uid) if session else None
    progress = _progress(asked, session, demande)
    told = _told_scope(asked, scope)
    step = next_step(asked, session, sub, _hinted_subject(asked), told, progress, int(now.timestamp()))
    if step is Step.ISSUE:
        return _answer(asked, {"code": code})
    token = _seal(asked, now) if demande is None else request.args["demande"]
    if step is Step.CONSENT and session is not None:
        return _consent_page(asked, told, session, token)
    where = "/connexion/choix" if step is Step.SELECT else "/connexion"
    return redirect(f"{http.path(where)}?{urlencode({'demande': token})}", 303)


def _supported_scopes() -> frozenset[str]:
    return frozenset(SCOPE_CLAIMS) | {HABILITATIONS + code for code in known_services(http.mag().catalogue())}


def _session_and_code(asked: AuthorizationRequest, scope: list[str]) -> tuple[Session | None, str]:
    """The live session and a code not yet revealed, in one round trip."""
    mag = http.mag()
    id_token, userinfo = (opened(claims, asked.client.scope) for claims in (asked.claims.id_token, asked.claims.userinfo))
    granted = codes.make_granted(asked.client.client_id, scope, asked.get("nonce"), id_token, userinfo)
    shown = codes.proof(asked.client.client_id, asked.redirect_uri, asked.get("code_challenge"))
    issued = codes.issue(mag.ephemeral, mag.settings, request.cookies.get(COOKIE, ""), granted, shown)
    if issued is None or issued[0].expires_at <= http.now().timestamp():
        return None, ""
    return issued


def _told_scope(asked: AuthorizationRequest, scope: list[str]) -> list[str]:
    """The scopes granted, and those that claims asked one by one amount to: what a person agrees to is all that may be told."""
    alone = (scope_of_claim(claim, asked.client.scope) for claim in (*asked.claims.id_token, *asked.claims.userinfo))
    return list(dict.fromkeys((*scope, *(s for s in alone if s is not None and s != "openid"))))


def _hinted_subject(asked: AuthorizationRequest) -> str | None:
    """Core section 3.1.2.2 (`id_token_hint`, expired or not) and 5.5.1 (`sub` asked by value)."""
    hint = asked.get("id_token_hint")
    if hint:
        mag = http.mag()
        claims = Reader(mag.settings, mag.keyring).id_token_hint(hint)
        if claims is None or claims.get("aud") != asked.client.client_id:
            raise AuthorizationError("invalid_request", "id_token_hint is not one of ours for this client")
        return str(claims.get("sub"))
    return asked.claims.required_sub()


def _progress(asked: AuthorizationRequest, session: Session | None, demande: Demande | None) -> Progress:
    """Consent is read only where the rules may ask for it: first-party partners cost no query."""
    consent = None
    if session is not None and (not asked.client.first_party or "consent" in asked.prompt):
        consent = db.session.get(Consent, (session.declarant_id, asked.client.client_id))
    return Progress(
        asked_at=demande.asked_at if demande else None,
        signed_in_since=demande is not None and session is not None and _signed_in_since(demande, session),
        selected=bool(demande) and "choix" in request.args,
        refused=bool(demande) and "refus" in request.args,
        consented_at=consent.given_at if consent else None,
        consented_scope=frozenset(consent.scope.split()) if consent else frozenset(),
    )


def _signed_in_since(demande: Demande, session: Session) -> bool:
    """Another session than the one presented when the partner asked, and a younger one: an old session brought along is not a sign-in."""
    return demande.before != _presented() and session.auth_time >= demande.asked_at


def _seal(asked: AuthorizationRequest, now: datetime) -> str:
    client, mag = asked.client, http.mag()
    demande = Demande(
        target="/authorize",
        parameters=dict(asked.parameters),
        client_id=client.client_id,
        client_name=client.client_name,
        client_host=urlsplit(asked.redirect_uri).netloc,
        client_logo=client.logo_uri,
        form_action=origin(asked.redirect_uri),
        login_hint=asked.get("login_hint"),
        siret_hint=asked.get("siret_hint"),
        asked_at=int(now.timestamp()),
        before=_presented(),
        select="select_account" in asked.prompt,
    )
    return demandes.seal_demande(mag.ephemeral, mag.keyring, demande, http.binding(), mag.settings.demande_lifetime)


def _presented() -> str:
    """Tells one session cookie from another, and nothing else."""
    return digest(request.cookies.get(COOKIE, ""))[:16]


def origin(uri: str) -> str:
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc}"


def _answer(asked: AuthorizationRequest, answer: dict[str, str]) -> Response:
    """RFC 6749 section 4.1.2, RFC 9207 section 2; 303 after whatever method (RFC 9700 section 4.12)."""
    parameters = {name: value for name, value in answer.items() if value}
    if asked.state:
        parameters["state"] = asked.state
    parameters["iss"] = http.mag().settings.issuer
    return _sent_back(asked.redirect_uri, parameters)


def _sent_back(uri: str, parameters: dict[str, str]) -> Response:
    """To a registered address, its own query kept (RFC 6749 section 3.1.2)."""
    response = make_response("", 303)
    response.headers["Location"] = uri + ("&" if "?" in uri else "?") + urlencode(parameters) if parameters else uri
    return response


# ------------------------------------------------------------------------------------------------------------ consent

CLAIM_NAMES = {
    "profile": "votre nom, votre prénom et votre fonction",
    "given_name": "votre prénom",
    "usual_name": "votre nom",
    "family_name": "votre nom",
    "email": "votre adresse électronique",
    "phone": "votre numéro de téléphone",
    "uid": "un identifiant stable de votre compte",
    "siret": "le SIRET de votre établissement",
    "siren": "le SIREN de votre entreprise",
    "organizational_unit": "votre service",
    "organization_label": "le nom de votre entreprise",
    "organization": "le nom et le SIRET de votre entreprise",
    "roles": "vos rôles (déclarant, administrateur)",
    "belonging_population": "votre population d'appartenance (salarié, agent public)",
    "idp_id": "le nom de ce service d'identité",
    "idp_acr": "le niveau de votre connexion",
    "amr": "la façon dont la connexion s'est faite",
    "identite_pivot": "votre nom et votre prénom",
    "offline_access": "un accès qui se prolonge après votre déconnexion",
}


def _consent_page(asked: AuthorizationRequest, scope: list[str], session: Session, token: str) -> Response:
    services = known_services(http.mag().catalogue())
    told = [CLAIM_NAMES[s] for s in scope if s in CLAIM_NAMES]
    rights = [services[s.removeprefix(HABILITATIONS)] for s in scope if s.startswith(HABILITATIONS)]
    http.page_policy(origin(asked.redirect_uri))
    return make_response(
        render_template(
            "oidc/consentement.html",
            client=asked.client,
            host=urlsplit(asked.redirect_uri).netloc,
            told=list(dict.fromkeys(told)),
            rights=rights,
            demande=token,
            person=logout.person_of(session),
            csrf=http.csrf_token(f"consentement|{session.sid}|{token}"),
        )
    )


@bp.post("/authorize/consentement")
def consent() -> ResponseReturnValue:
    """The person agrees, or not; the dispatcher goes on."""
    mag, now, token = http.mag(), http.now(), request.form.get("demande", "")
    session = find_session(mag.ephemeral, mag.settings, request.cookies.get(COOKIE, ""), now)
    if session is None:
        return redirect(f"{http.path('/connexion')}?{urlencode({'demande': token})}", 303)
    http.check_csrf(f"consentement|{session.sid}|{token}")
    demande = _demande(token)
    onward = f"{http.path('/authorize')}?{urlencode({'demande': token})}"
    try:
        asked = verify(read_request(demande.parameters if demande else {}, mag.registry.find))
    except AuthorizationError:
        return redirect(onward, 303)
    scope = _told_scope(asked, asked.granted_scope(_supported_scopes()))
    agreed = request.form.get("reponse") == "accepter"
    if agreed:
        db.session.merge(Consent(declarant_id=session.declarant_id, client_id=asked.client.client_id, scope=" ".join(scope), given_at=now))
    event = ConsentGiven if agreed else ConsentRefused
    journal.record(event(declarant_id=session.declarant_id, client_id=asked.client.client_id, scope=" ".join(scope)), now)
    db.session.commit()
    return redirect(onward if agreed else f"{onward}&refus=1", 303)


# ------------------------------------------------------------------------------------------------------ end of session


@bp.route("/session/end", methods=["GET", "POST"])
@bp.route("/logout", methods=["GET", "POST"])
def end_session() -> ResponseReturnValue:
    """OpenID Connect RP-Initiated Logout section 2: at once with a valid hint of this session, after a question otherwise."""
    mag, now = http.mag(), http.now()
    parameters = _pairs(request.get_data() if request.method == "POST" else request.query_string)
    asked = logout.read_request(Reader(mag.settings, mag.keyring), mag.registry, parameters)
    session = find_session(mag.ephemeral, mag.settings, request.cookies.get(COOKIE, ""), now)
    if session is not None and asked.sid != session.sid:
        return _logout_question(asked, session)
    if session is None and asked.hinted is False and asked.redirect_uri:
        return _logged_out(asked)
    if session is not None or asked.sid:
        logout.close(mag.ephemeral, mag.settings, session, asked, now)
        db.session.commit()
    return _logged_out(asked)


def _logout_question(asked: logout.LogoutRequest, session: Session) -> Response:
    if asked.redirect_uri:
        http.page_policy(origin(asked.redirect_uri))
    return make_response(
        render_template(
            "oidc/deconnexion.html",
            person=logout.person_of(session),
            client_name=asked.client_name,
            asked=asked.parameters,
            csrf=http.csrf_token("deconnexion"),
        )
    )


@bp.post("/session/end/confirmation")
def confirm_end() -> ResponseReturnValue:
    """The question was answered; refusing keeps the session and goes nowhere else."""
    http.check_csrf("deconnexion")
    mag, now = http.mag(), http.now()
    parameters = {k: v for k, v in request.form.items() if k not in ("csrf", "reponse") and v}
    asked = logout.read_request(Reader(mag.settings, mag.keyring), mag.registry, parameters)
    session = find_session(mag.ephemeral, mag.settings, request.cookies.get(COOKIE, ""), now)
    if request.form.get("reponse") != "oui":
        return redirect(http.path("/"), 303)
    if session is not None:
        logout.close(mag.ephemeral, mag.settings, session, asked, now)
        db.session.commit()
    return _logged_out(asked)


def _logged_out(asked: logout.LogoutRequest) -> Response:
    """Back to the partner with its `state` and nothing else (section 3), or a page that says it is done."""
    if asked.redirect_uri:
        response = _sent_back(asked.redirect_uri, {"state": asked.state} if asked.state else {})
    else:
        response = make_response(render_template("oidc/deconnecte.html"))
    http.set_cookie(response, COOKIE, "", max_age=0)
    response.headers["Set-Login"] = "logged-out"
    return response
