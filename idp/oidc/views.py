"""People's pages of the protocol: consent and its withdrawal, the establishment to act for, an answer to be posted, the end of the session.

The authorization endpoint itself is `authorization.py`, at the machines' door: it leaves here what a person must read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from flask import Blueprint, Response, current_app, make_response, redirect, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound

from idp import http, visitor
from idp.arrival import Asked, beyond_here, see, set_session_cookie, telling_others
from idp.audit import journal
from idp.audit.events import ConsentGiven, ConsentRefused, EstablishmentPicked
from idp.authentication import demande as demandes
from idp.authentication.demande import Demande
from idp.authentication.session import COOKIE, Session, find_session
from idp.database import db
from idp.declarants.models import Declarant
from idp.errors import FileError
from idp.habilitations.choix.models import EtablissementChoisi
from idp.habilitations.choix.recherche import LONGEST, Chercheur
from idp.oidc import logout
from idp.oidc.account.portals import Seen, disconnect, portals
from idp.oidc.acting import is_picked, wanted
from idp.oidc.authorization import AuthorizationDoor, AuthorizationEndpoint, ConsentAsked, Handover, parameters_of, told_scope
from idp.oidc.checks import verify
from idp.oidc.client import Client
from idp.oidc.details import Acting
from idp.oidc.errors import AuthorizationError
from idp.oidc.families import guard_of_family
from idp.oidc.farewell import Farewell, farewell, read, seal
from idp.oidc.models import Consent
from idp.oidc.responses import FormPost, joined, origin
from idp.oidc.rights import known_services
from idp.oidc.tokens import Reader
from idp.oidc.told import told
from idp.oidc.wire import is_form_or_empty
from idp.saml import slo
from idp.saml.events import SiteLeftOpen
from idp.saml.models import SamlParticipation
from idp.saml.provider import CODE, Sites
from idp.seals import digest

bp = Blueprint("oidc", __name__, template_folder="templates")


# ----------------------------------------------------------------------------------------------------- authorization


@bp.route("/authorize", methods=["GET", "POST"])
def authorize() -> ResponseReturnValue:
    """What the machines' door leaves to a page: a refusal, a question, or an answer to be posted."""
    left = request.environ.get(AuthorizationDoor.LEFT) or NotFound()
    if isinstance(left, ConsentAsked):
        return _consent_page(left)
    if isinstance(left, FormPost):
        http.page_policy(origin(left.action))
        return make_response(render_template("oidc/form_post.html", action=left.action, fields=left.fields))
    if isinstance(left, Handover):
        told = {"account": left.account, "fields": left.fields, "signed_in": "code" in left.fields}
        return make_response(render_template("oidc/navigateur.html", **told))
    raise left


def _endpoint() -> AuthorizationEndpoint:
    return current_app.extensions["mag_authorization"]  # type: ignore[no-any-return]  # Flask's extension dict is untyped


def _demande(token: str) -> Demande:
    """The request of a sign-in in progress; only the browser that began it may go on (C38)."""
    mag = http.mag()
    return demandes.open_demande(mag.ephemeral, mag.keyring, token, http.binding(), http.now(), mag.settings.demande_lifetime)


# ------------------------------------------------------------------------------------------------------------ consent


def _consent_page(left: ConsentAsked) -> Response:
    client, said = left.asked.client, told(left.scope, known_services(http.mag().catalogue()))
    logo = urlsplit(client.logo_uri)
    http.page_policy(origin(left.asked.redirect_uri), f"{logo.scheme}://{logo.netloc}" if client.logo_uri else "")
    return make_response(
        render_template(
            "oidc/consentement.html",
            client=client,
            host=urlsplit(left.asked.redirect_uri).netloc,
            told=said.claims,
            rights=said.rights,
            demande=left.demande,
            person=logout.person_of(left.session),
            csrf=http.csrf_token(f"consentement|{left.session.sid}|{left.demande}"),
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
    onward = f"{http.path('/authorize')}?{urlencode({'demande': token})}"
    read = _endpoint().sources.read(_demande(token).parameters)
    try:
        asked = verify(read.request, front_channel=mag.settings.front_channel_tokens)
    except AuthorizationError:
        return redirect(onward, 303)
    scope = told_scope(asked, asked.granted_scope(_endpoint().supported_scopes()))
    agreed = request.form.get("reponse") == "accepter"
    if agreed:
        db.session.merge(Consent(declarant_id=session.declarant_id, client_id=asked.client.client_id, scope=" ".join(scope), given_at=now))
    event = ConsentGiven if agreed else ConsentRefused
    journal.record(event(declarant_id=session.declarant_id, client_id=asked.client.client_id, scope=" ".join(scope)), now)
    db.session.commit()
    return redirect(onward if agreed else f"{onward}&refus=1", 303)


# --------------------------------------------------------------------------------------------- which establishment to act for


@dataclass(frozen=True, slots=True)
class Picking:
    """Somebody signed in, and a request that leaves the establishment to them."""

    asked: Asked
    session: Session
    acting: Acting
    answered: Mapping[str, str]
    """What they said on the way already; the dispatcher will want it again."""

    @classmethod
    def read(cls, given: Mapping[str, str]) -> "Picking | Response":
        """Of the page's address or form; elsewhere, when there is nobody, or nothing to pick."""
        asked, session = Asked.read(given.get("demande", "")), visitor.session_here()
        if asked.demande is None or session is None:
            return see(f"{http.path('/connexion')}{'?' + urlencode({'demande': asked.token}) if asked.token else ''}")
        answered = {name: "1" for name in ("choix", "niveau") if name in given}
        try:
            found = verify(
                _endpoint().sources.read(asked.demande.parameters).request, front_channel=http.mag().settings.front_channel_tokens
            )
        except AuthorizationError:
            return asked.onward(**answered)
        acting = wanted(found, found.granted_scope(_endpoint().supported_scopes()))
        return cls(asked, session, acting, answered) if acting else asked.onward(**answered)

    @property
    def purpose(self) -> str:
        return f"client|{self.session.sid}|{digest(self.asked.token)}"

    @property
    def clients(self) -> Chercheur:
        mag = http.mag()
        return Chercheur(mag.connections, mag.catalogue(), self.session.declarant_id, self.acting.codes, http.now())


@bp.get("/connexion/client")
def to_pick() -> ResponseReturnValue:
    """The last ones picked, and a search among all of them (RFC 9396 section 3)."""
    picking = Picking.read(request.args)
    return picking if isinstance(picking, Response) else _pick_page(picking, request.args)


def _pick_page(picking: Picking, given: Mapping[str, str], *, notice: str = "") -> Response:
    text, after, clients = given.get("q", "")[:LONGEST], given.get("apres", ""), picking.clients
    recent = clients.establishments(EtablissementChoisi.of(picking.session.declarant_id)) if not (text or after) else []
    named = known_services(http.mag().catalogue())
    page = render_template(
        "oidc/client.html",
        asked=picking.asked,
        answered=picking.answered,
        services=[named[code] for code in sorted(picking.acting.codes) if code in named],
        text=text,
        after=after,
        recent=recent,
        found=clients.find(http.mag().annuaire, text, after),
        notice=notice,
        csrf=http.csrf_token(picking.purpose),
        csrf_cancel=http.csrf_token(picking.asked.purpose),
    )
    return make_response(page, 422 if notice else 200)


@bp.post("/connexion/client")
def pick() -> ResponseReturnValue:
    """One establishment; its rights are asked again, here and by the dispatcher."""
    picking = Picking.read(request.form)
    if isinstance(picking, Response):
        return picking
    http.check_csrf(picking.purpose)
    declarant_id, siret = picking.session.declarant_id, request.form.get("siret", "")
    if not is_picked(siret) or not picking.clients.rights_at([int(siret)]):
        return _pick_page(picking, request.form, notice="Vous n'avez pas de droit sur cet établissement. Choisissez-en un autre.")
    EtablissementChoisi.keep(declarant_id, int(siret), http.now())
    journal.record(EstablishmentPicked(declarant_id=declarant_id, client_id=picking.asked.client_id, siret=int(siret)), http.now())
    db.session.commit()
    return picking.asked.onward(**picking.answered, pour=siret)


# ---------------------------------------------------------------------------------------------------------- agreements


@bp.get("/autorisations")
def agreements() -> ResponseReturnValue:
    """The sites a person is connected to, what each may know, and a way back (GDPR article 7, third paragraph)."""
    found, mag = visitor.required(), http.mag()
    return render_template(
        "oidc/autorisations.html",
        portals=portals(
            Sites(mag.registry, mag.saml.providers), found.person, known_services(mag.catalogue()), http.now(), _seen(found.person)
        ),
        withdrawn="retrait" in request.args,
        ends=slo.read_ends(mag.keyring, request.args.get("saml", ""), http.now()),
        left=visitor.left_told(),
        csrf=http.csrf_token(f"autorisations|{found.session.sid}"),
    )


def _seen(person: Declarant) -> list[Seen]:
    """The service providers of SAML where the person went in a session that may live."""
    mag, found = http.mag(), dict[str, Seen]()
    for one in SamlParticipation.of_person(person.id, http.now()):
        provider = mag.saml.providers.with_code(one.client_id.removeprefix(CODE))
        if provider is not None:
            scope = tuple(mag.saml.teller.scopes(provider))
            found[one.client_id] = Seen(one.client_id, one.opened_at, one.expires_at, scope)
    return list(found.values())


@bp.post("/autorisations")
def withdraw() -> ResponseReturnValue:
    """The agreement ends, and whatever the site kept: devices, and softwares that act while nobody is there, too."""
    found, mag, now = visitor.required(), http.mag(), http.now()
    http.check_csrf(f"autorisations|{found.session.sid}")
    client_id = request.form.get("client", "")
    sids = [one.sid for one in SamlParticipation.of_person(found.person.id, now) if one.client_id == client_id]
    ended = disconnect(found.person, client_id, now, seen=bool(sids))
    if ended is None:
        return redirect(http.path("/autorisations"), 303)
    if elsewhere := len([sid for sid in sids if sid != found.session.sid]):
        journal.record(SiteLeftOpen(declarant_id=found.person.id, client_id=client_id, sessions=elsewhere), now)
    db.session.commit()
    mag.ephemeral.end(*map(guard_of_family, ended), lifetime=mag.settings.access_token_lifetime + 60)
    return _withdrawn(found.session, client_id, elsewhere=elsewhere > 0)


def _withdrawn(session: Session, client_id: str, *, elsewhere: bool) -> Response:
    """A site of SAML is told by this browser of its end in this session; `elsewhere`: it takes part in sessions of others too.

    Until it says that it ended its own, it still takes part: the end of the session tells it again.
    """
    mag = http.mag()
    provider = mag.saml.providers.with_code(client_id.removeprefix(CODE)) if elsewhere else None
    left = visitor.to_say((provider.name if provider else client_id,) if elsewhere else ())
    final = f"{http.path('/autorisations')}?{urlencode({'retrait': 1, **left})}"
    here = next((one for one in SamlParticipation.of_session(session.sid) if one.client_id == client_id), None)
    return telling_others(slo.Logout(mag, http.now()), slo.parted_here(session.sid, here, final)) if here else see(final)


# ------------------------------------------------------------------------------------------------------ end of session


@bp.route("/session/end", methods=["GET", "POST"])
@bp.route("/logout", methods=["GET", "POST"])
def end_session() -> ResponseReturnValue:
    """OpenID Connect RP-Initiated Logout section 2: at once with a valid hint of this session, after a question otherwise."""
    mag, now, posted = http.mag(), http.now(), request.method == "POST"
    if posted and not is_form_or_empty(request.environ):
        raise FileError("POST of another content type")
    parameters = parameters_of(request.get_data() if posted else request.query_string)
    asked = logout.read_request(Reader(mag.settings, mag.keyring), mag.registry, parameters)
    session = find_session(mag.ephemeral, mag.settings, request.cookies.get(COOKIE, ""), now)
    if session is not None and asked.sid != session.sid:
        return _logout_question(asked, session)
    return _leave(asked, session)


def _leave(asked: logout.LogoutRequest, session: Session | None) -> Response:
    """End the session that there is, tell its partners, say goodbye."""
    mag, told, now = http.mag(), list[Client](), http.now()
    sid = session.sid if session else asked.sid
    participants = SamlParticipation.of_session(sid) if sid else []
    if sid:
        told = logout.close(mag.ephemeral, mag.settings, mag.registry, session, asked, now)
        SamlParticipation.forget_session(sid)
        db.session.commit()
        mag.messenger.wake()
    kept = {"depart": seal(mag.keyring, told, sid, int(now.timestamp())), **asked.way_back}
    final = f"{http.path('/session/end/fin')}?{urlencode(kept)}"
    if not participants:
        return (beyond_here(final) if sid else None) or _logged_out(asked, farewell(mag.settings.issuer, told, sid))
    chain = slo.begun_here(sid, participants, final)
    response = telling_others(slo.Logout(mag, now), chain)
    set_session_cookie(response, "")
    return response


@bp.get("/session/end/fin")
def ended_everywhere() -> ResponseReturnValue:
    """After the service providers of SAML were told: back to the partner, unless there is something to read first.

    Anybody may send anybody here by a plain link: a session that lives goes on, here and at the provider above (C67).
    """
    mag, now, lives = http.mag(), http.now(), visitor.session_here() is not None
    asked = logout.read_request(Reader(mag.settings, mag.keyring), mag.registry, _way_back())
    above = None if lives else beyond_here(f"{http.path('/session/end/fin')}?{request.query_string.decode('ascii', 'ignore')}")
    if above is not None:
        return above
    ends = slo.read_ends(mag.keyring, request.args.get("saml", ""), now)
    bye = read(mag.keyring, mag.registry, mag.settings.issuer, request.args.get("depart", ""), int(now.timestamp()))
    bye = bye.with_ends(ends.confirmed, ends.failed)
    if lives and bye == Farewell() and not asked.redirect_uri:
        return see(http.path("/"))
    return _logged_out(asked, bye, lives=lives)


def _way_back() -> dict[str, str]:
    return {name: request.args[name] for name in ("client_id", "post_logout_redirect_uri", "state") if name in request.args}


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
    return _leave(asked, session) if session is not None else _logged_out(asked, Farewell())


def _logged_out(asked: logout.LogoutRequest, bye: Farewell, *, lives: bool = False) -> Response:
    """Back to the partner with its `state` and nothing else (section 3), after the frames if there are; or a page that says it is done."""
    onward = joined(asked.redirect_uri, {"state": asked.state} if asked.state else {}) if asked.redirect_uri else ""
    if onward and not bye.frames and not bye.failed:
        response = make_response("", 303)
        response.headers["Location"] = onward
    else:
        http.allow_frames(bye.origins)
        response = make_response(render_template("oidc/deconnecte.html", bye=bye, onward=onward, client_name=asked.client_name))
    if not lives:
        set_session_cookie(response, "")
    return response
