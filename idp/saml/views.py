"""The doors of SAML: requests of service providers, agreement, logout, metadata. What a person must read is a page; the rest goes on.

Service providers post from their own origin, without the session's cookie: a posted message is verified, kept a moment and read
again by a GET of this site (as `/authorize` does). What they ask is in the signed message, hence no anti-forgery value there.
"""

from collections.abc import Mapping
from urllib.parse import parse_qsl, urlencode, urlsplit

from flask import Blueprint, Response, make_response, render_template, request
from flask.typing import ResponseReturnValue

from idp import http, visitor
from idp.arrival import Asked, departing, see, set_session_cookie, telling_others
from idp.audit import journal
from idp.audit.events import ConsentGiven, ConsentRefused
from idp.authentication import demande as demandes
from idp.authentication.session import COOKIE, Session, close_session, guard_of_session, row_of
from idp.database import db
from idp.oidc import logout
from idp.oidc.models import Consent
from idp.oidc.rights import known_services
from idp.oidc.told import told as told_in_french
from idp.saml import slo
from idp.saml.bindings import Arrived, Departure, from_post, from_redirect
from idp.saml.dispatch import Progress, Step
from idp.saml.errors import MessageRefusedError, SamlError, StaleMessageError
from idp.saml.events import AssertionIssued
from idp.saml.models import TAKE_PART, SamlParticipation
from idp.saml.request import KEPT
from idp.saml.sso import TARGET, Signon, metadata_of
from idp.seals import digest, random_token

bp = Blueprint("saml", __name__, template_folder="templates")
POSTED, POSTED_LIFETIME = "saml_recu", 300
PAGES = {Step.SIGN_IN: "/connexion", Step.RAISE: "/connexion/second-facteur"}
METADATA = "application/samlmetadata+xml"


# ------------------------------------------------------------------------------------------------------------ sign-on


@bp.route("/saml/sso", methods=["GET", "POST"])
def sso() -> ResponseReturnValue:
    """SAML profiles section 4.1.3: by redirect, by post, or a request in progress."""
    mag, now = http.mag(), http.now()
    if request.method == "POST":
        posted = Signon.receive(mag, _only_request(from_post(request.form)), now)
        return _kept(TARGET, posted.request.dump())
    asked = Asked.read(request.args.get("demande", ""))
    if asked.demande is not None:
        return _proceed(Signon.resume(mag, _of_saml(asked.demande.parameters), now), asked)
    if "suite" in request.args:
        return _proceed(Signon.resume(mag, _of_saml(_taken()), now), asked)
    return _proceed(Signon.receive(mag, _only_request(from_redirect(request.query_string.decode("latin-1"))), now), asked)


@bp.get("/saml/vers/<code>")
def begin(code: str) -> ResponseReturnValue:
    """Profiles section 4.1.5: MAG begins, towards a service provider whose operator allows it."""
    found = Signon.unasked(http.mag(), code, "", http.now())
    return _proceed(found, Asked("", None))


def _proceed(signon: Signon, asked: Asked) -> Response:
    """To the service provider, or to the page that must come first."""
    session = visitor.session_here()
    http.on_behalf_of(signon.provider.client_id)
    try:
        step = signon.step(session, _progress(signon, session, asked))
        if step is Step.ISSUE and session is not None:
            return _issue(signon, session)
    except SamlError as error:
        return _sent(signon.refuse(error))
    mag = http.mag()
    token = asked.token or demandes.seal_demande(
        mag.ephemeral, mag.keyring, signon.demande(_presented()), http.binding(), mag.settings.demande_lifetime
    )
    if step is Step.CONSENT and session is not None:
        return _consent_page(signon, session, token)
    return see(f"{http.path(PAGES[step])}?{urlencode({'demande': token})}")


def _progress(signon: Signon, session: Session | None, asked: Asked) -> Progress:
    here = asked.demande
    younger = here is not None and session is not None and here.before != _presented() and session.auth_time >= here.asked_at
    consent = None
    if session is not None and not signon.provider.first_party:
        consent = db.session.get(Consent, (session.declarant_id, signon.provider.client_id))
    return Progress(
        signed_in_since=younger and session is not None and not session.vouched,
        refused=asked.demande is not None and "refus" in request.args,
        level_refused=asked.demande is not None and "niveau" in request.args,
        demanded=signon.demanded(session),
        consented_at=consent.given_at if consent else None,
        consented_scope=frozenset(consent.scope.split()) if consent else frozenset(),
    )


def _presented() -> str:
    """Tells one session cookie from another, and nothing else."""
    return row_of(request.cookies.get(COOKIE, ""))[:16]


def _issue(signon: Signon, session: Session) -> Response:
    departure, row = signon.issue(session)
    mag = http.mag()
    event = AssertionIssued(declarant_id=session.declarant_id, client_id=signon.provider.client_id, sid=session.sid, acr=session.acr)
    with mag.connections.transaction():
        mag.connections.run(TAKE_PART[mag.connections.dialect.name], **{f"new_{name}": value for name, value in row.items()})
        journal.write(mag.connections, event, signon.now)
    return _sent(departure)


def _sent(departure: Departure, heading: str = "Retour vers le site", lead: str = "") -> Response:
    """The message by a form that sends itself; without JavaScript, a button does. A redirect, when it holds everything."""
    if not departure.fields:
        return see(departure.url)
    at = urlsplit(departure.url)
    http.page_policy(f"{at.scheme}://{at.netloc}")
    words = lead or "Vous allez être renvoyé vers le site qui vous a demandé de vous connecter."
    shown = {"action": departure.url, "fields": departure.fields, "method": "post", "heading": heading, "lead": words}
    return make_response(render_template("saml/envoi.html", **shown))


# ------------------------------------------------------------------------------------------------- messages that were posted


def _only_request(arrived: Arrived) -> Arrived:
    if arrived.kind != "SAMLRequest":
        raise MessageRefusedError("a response where requests are read")
    return arrived


def _kept(target: str, kept: Mapping[str, str]) -> Response:
    """A cross-site POST carries no Lax cookie: what it said, once verified, is read again by a GET of this site."""
    handle = random_token(16)
    http.mag().ephemeral.put(POSTED, digest(handle), urlencode(kept), POSTED_LIFETIME)
    return see(f"{http.path(target)}?{urlencode({'suite': handle})}")


def _taken() -> Mapping[str, str]:
    """Raises StaleMessageError."""
    found = http.mag().ephemeral.get(POSTED, digest(request.args["suite"][:100]))
    if found is None:
        raise StaleMessageError("the message is no longer kept")
    return dict(parse_qsl(found, keep_blank_values=True))


def _of_saml(kept: Mapping[str, str], name: str = KEPT) -> Mapping[str, str]:
    if name not in kept:
        raise MessageRefusedError("a sign-in of another protocol")
    return kept


# ------------------------------------------------------------------------------------------------------------------- logout


@bp.route(slo.TARGET, methods=["GET", "POST"])
def logout_service() -> ResponseReturnValue:
    """SAML profiles section 4.4: a service provider asks for the end of a session, or answers that it ended its own."""
    doing = slo.Logout(http.mag(), http.now())
    if "suite" in request.args and request.method == "GET":
        return _end(doing, slo.Asked.load(_of_saml(_taken(), slo.KIND)[slo.KIND]))
    posted = request.method == "POST"
    arrived = from_post(request.form) if posted else from_redirect(request.query_string.decode("latin-1"))
    if arrived.kind == "SAMLResponse":
        return telling_others(doing, doing.answered(arrived))
    asked = doing.receive(arrived)
    return _kept(slo.TARGET, {slo.KIND: asked.dump()}) if posted else _end(doing, asked)


def _end(doing: slo.Logout, asked: slo.Asked) -> Response:
    """The session ends here first; then each of the others is told, those of OpenID Connect by their back channel."""
    mag, session = http.mag(), visitor.session_here()
    sid = doing.session_of(asked, session)
    if not sid:
        departure = doing.unknown(asked)
        return departing(departure) if departure else see(http.path("/deconnexion"))
    participants = SamlParticipation.of_session(sid)
    here = session is not None and session.sid == sid
    if session is not None and here:
        close_session(mag.ephemeral, mag.settings, session)
    else:
        mag.ephemeral.end(guard_of_session(sid), lifetime=mag.settings.session_lifetime)
    client_id = next(one.client_id for one in participants if one.name_id == asked.name)
    told = logout.ended(mag.registry, sid, participants[0].declarant_id, client_id, "partenaire", doing.now)
    chain = doing.chain(asked, sid, participants, [client.client_name for client in told if not client.backchannel_logout_uri])
    SamlParticipation.forget_session(sid)
    db.session.commit()
    mag.messenger.wake()
    response = telling_others(doing, chain)
    if here:
        set_session_cookie(response, "")
    return response


# ----------------------------------------------------------------------------------------------------------------- agreement


def _consent_page(signon: Signon, session: Session, token: str) -> Response:
    provider, said = signon.provider, told_in_french(signon.scope, known_services(http.mag().catalogue()))
    at, logo = urlsplit(signon.recipient), urlsplit(provider.uris.get("logo", ""))
    http.page_policy(f"{at.scheme}://{at.netloc}", f"{logo.scheme}://{logo.netloc}" if logo.netloc else "")
    shown = {
        "client_name": provider.name,
        "subject_type": "pairwise",
        "logo_uri": provider.uris.get("logo", ""),
        "policy_uri": provider.uris.get("policy", ""),
        "tos_uri": provider.uris.get("tos", ""),
    }
    page = render_template(
        "saml/consentement.html",
        client=shown,
        host=at.netloc,
        told=said.claims,
        rights=said.rights,
        demande=token,
        person=logout.person_of(session),
        csrf=http.csrf_token(f"consentement|{session.sid}|{token}"),
    )
    return make_response(page)


@bp.post("/saml/consentement")
def consent() -> ResponseReturnValue:
    """The person agrees, or not; the dispatcher goes on."""
    now, asked, session = http.now(), Asked.read(request.form.get("demande", "")), visitor.session_here()
    if session is None or asked.demande is None:
        return see(f"{http.path('/connexion')}?{urlencode({'demande': asked.token})}")
    http.check_csrf(f"consentement|{session.sid}|{asked.token}")
    signon = Signon.resume(http.mag(), _of_saml(asked.demande.parameters), now)
    scope, agreed = " ".join(signon.scope), request.form.get("reponse") == "accepter"
    client_id, event = signon.provider.client_id, ConsentGiven if agreed else ConsentRefused
    if agreed:
        db.session.merge(Consent(declarant_id=session.declarant_id, client_id=client_id, scope=scope, given_at=now))
    journal.record(event(declarant_id=session.declarant_id, client_id=client_id, scope=scope), now)
    db.session.commit()
    return asked.onward() if agreed else asked.onward(refus="1")


# ------------------------------------------------------------------------------------------------------------------ metadata


@bp.get("/saml/metadata")
def metadata() -> ResponseReturnValue:
    """Metadata section 4.1: at the address that is the entityID's well-known location."""
    response = make_response(metadata_of(http.mag(), http.now()))
    response.mimetype = METADATA
    return response
