"""The frame: the form, what is typed in it, and what it says to the page that holds it, which its script passes on (`cadre.js`).

The page is known by its origin: it names it, the registry must have it, and browsers hold it to that (`frame-ancestors`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from flask import Blueprint, Response, current_app, make_response, render_template, request
from flask.typing import ResponseReturnValue

from idp import http
from idp.arrival import Asked, Unidentified, device_here, identified, means, new_challenge, padded, remaining
from idp.audit import journal
from idp.authentication import ceremony, devices
from idp.authentication.ceremony import Opened
from idp.authentication.demande import FRAME_BINDING, Demande
from idp.authentication.device_words import device_words
from idp.authentication.identification import Identification, hinted
from idp.authentication.levels import FRAMED
from idp.authentication.session import close_session, row_of
from idp.database import db
from idp.declarants.models import Declarant
from idp.errors import RefusedError
from idp.oidc.authorization import AuthorizationEndpoint, Browser, parameters_of, plain, told_scope
from idp.oidc.client import Client
from idp.oidc.dispatch import Step
from idp.oidc.errors import AuthorizationError
from idp.oidc.par import take_ours
from idp.oidc.request import AuthorizationRequest
from widget.asked import asked_by_page, speaks
from widget.cadre.limites import beyond
from widget.events import FrameCodeIssued, FrameLeft

bp = Blueprint("cadre", __name__, template_folder="templates")
REFUSAL = "cadre/refus.html"


class FrameRefusedError(RefusedError):
    """Not a frame, or of a page that the registry does not give it to. Nothing may hold the page that says so."""

    code = "cadre_refuse"
    number = "M900410"
    remedy = "Partenaire : le cadre demande widget_modes avec inline, et une page de vos origines ; redirect marche partout."
    status = 403
    public = "Cette page ne s'affiche que dans un site autorisé à la montrer. Revenez-y et utilisez le lien « Se connecter avec MAG »."


@dataclass(frozen=True, slots=True)
class Frame:
    """Whose it is, and the origin of the page that holds it."""

    client: Client
    page: str

    @classmethod
    def here(cls) -> "Frame":
        """From now on this page may hold the answer, refusals included. Raises FrameRefusedError."""
        client_id, page = request.args.get("client_id", ""), request.args.get("origine", "")
        if request.headers.get("Sec-Fetch-Dest") != "iframe":
            raise FrameRefusedError("not in a frame")
        client = http.mag().registry.find(client_id) if client_id.isascii() and len(client_id) <= 100 else None
        if client is None or not speaks(client, "inline"):
            raise FrameRefusedError("not a client of frames")
        if page not in client.origins:
            raise FrameRefusedError("the page is not of this client")
        http.on_behalf_of(client.client_id)
        http.be_framed_by(page, REFUSAL)
        return cls(client, page)

    @property
    def address(self) -> str:
        """Where its form goes."""
        return f"{http.path('/cadre')}?{urlencode({'client_id': self.client.client_id, 'origine': self.page})}"


def _endpoint() -> AuthorizationEndpoint:
    return current_app.extensions["mag_authorization"]  # type: ignore[no-any-return]  # Flask's extension dict is untyped


@bp.get("/cadre")
def show() -> ResponseReturnValue:
    """The form, for a request that a frame may answer."""
    frame, endpoint = Frame.here(), _endpoint()
    given = take_ours(parameters_of(request.query_string))
    given.pop("origine")
    try:
        asked = asked_by_page(endpoint, frame.client, given)
    except AuthorizationError as error:
        return _said(_fault(error, given.get("state", "")))
    if beyond(asked, told_scope(asked, asked.granted_scope(endpoint.supported_scopes()))):
        return _left(frame, "La demande de ce site est de celles qui se traitent dans une fenêtre de MAG.")
    token = endpoint.seal(asked, Browser(http.binding(), False, ""), http.now())
    return _form(frame, Asked.read(token), hinted(asked.get("login_hint"), asked.siret_hint))


@bp.post("/cadre")
def sign_in() -> ResponseReturnValue:
    """As at the mire, every failure has one answer; a success opens no session in this browser."""
    frame = Frame.here()
    if FRAME_BINDING not in request.cookies:
        return _left(frame, "Votre navigateur ne garde pas les cookies des cadres.")
    asked = Asked.read(request.form.get("demande", ""))
    http.check_csrf(asked.purpose)
    if asked.demande is None or asked.client_id != frame.client.client_id:
        raise FrameRefusedError("the request is of another client")
    try:
        wanted = asked_by_page(_endpoint(), frame.client, asked.demande.parameters)
    except AuthorizationError as error:  # the registry changed since the form was shown
        return _said(_fault(error, asked.demande.parameters.get("state", "")))
    form = Identification.parse(request.form)
    found = identified(asked, form)
    if isinstance(found, Unidentified):
        return _form(frame, asked, form, found)
    person, arrived = found
    if (step := remaining(person, arrived, http.now())) is not None:
        return _leave(frame, person, step)
    return _signed_in(frame, asked.demande, wanted, person)


def _signed_in(frame: Frame, demande: Demande, wanted: AuthorizationRequest, person: Declarant) -> Response:
    """A code, born of a session that no cookie shows: one level lower, for this client."""
    mag, now, endpoint = http.mag(), http.now(), _endpoint()
    opened = _open(person, frame)
    try:
        found = endpoint.weigh(wanted, Browser(http.binding(), False, row_of(opened.cookie)), now, demande)
        if found.step is not Step.ISSUE or found.session is None or found.pick is not None:
            close_session(mag.ephemeral, mag.settings, opened.session)
            return _leave(frame, person, found.step if found.pick is None else "establishment")
        endpoint.spend(wanted)
    except AuthorizationError as error:
        close_session(mag.ephemeral, mag.settings, opened.session)
        return _said(_fault(error, wanted.state))
    journal.record(FrameCodeIssued(declarant_id=person.id, client_id=frame.client.client_id, sid=opened.session.sid), now)
    db.session.commit()
    response = _said(plain(mag.settings.issuer, wanted, {"code": found.code}))
    http.set_cookie(response, devices.COOKIE, opened.device.dump(), max_age=devices.LIFETIME)
    return response


def _open(person: Declarant, frame: Frame) -> Opened:
    """The device is known among the frames of this site alone: its owner is told of it as of any other."""
    opened = ceremony.open_for(
        means(),
        person,
        device_here(),
        http.now(),
        client_id=frame.client.client_id,
        words=device_words(request.user_agent.string),
        address=http.client_address(),
        acr=FRAMED,
    )
    db.session.commit()
    return opened


# ---------------------------------------------------------------------------------------------------------------- answers


def _form(frame: Frame, asked: Asked, form: Identification, found: Unidentified | None = None) -> Response:
    http.page_policy()  # it goes nowhere else: the answer is said, not redirected
    bits = found.bits if found else 0
    text = render_template(
        "cadre/connexion.html",
        frame=frame,
        asked=asked,
        form=form,
        notice=found.notice if found else "",
        challenge=new_challenge(bits),
        csrf=http.csrf_token(asked.purpose),
    )
    return make_response(padded(text) if found else text, found.status if found else 200)


def _leave(frame: Frame, person: Declarant, reason: str) -> Response:
    """The password was right; what remains needs a window, where it is typed again: nothing passes from a frame to a window."""
    journal.record(FrameLeft(declarant_id=person.id, client_id=frame.client.client_id, reason=str(reason)), http.now())
    db.session.commit()
    return _left(frame, "Votre connexion demande une étape de plus, qui ne se fait pas dans un cadre.")


def _left(frame: Frame, why: str) -> Response:
    return make_response(render_template("cadre/fenetre.html", frame=frame, why=why))


def _said(fields: Mapping[str, str]) -> Response:
    """An authorization response, which the script gives to the page."""
    return make_response(render_template("cadre/fini.html", fields=fields))


def _fault(error: AuthorizationError, state: str) -> dict[str, str]:
    """RFC 6749 section 4.1.2.1."""
    told = {"error": error.error, "error_description": error.description, "state": state, "iss": http.mag().settings.issuer}
    return {name: value for name, value in told.items() if value}
