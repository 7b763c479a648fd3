"""The mire: the page where a person signs in, and what surrounds it. Nothing here decides; `ceremony.py` does."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from flask import Blueprint, Response, current_app, make_response, redirect, render_template, request
from flask.blueprints import BlueprintSetupState
from flask.typing import ResponseReturnValue

from idp import http
from idp.audit import journal
from idp.audit.events import DeviceAdmitted
from idp.authentication import ceremony, challenge, devices, remembered
from idp.authentication.ceremony import Candidate, ChallengeRequiredError, IdentificationRefusedError, Means, Opened
from idp.authentication.demande import Demande, open_demande
from idp.authentication.device_words import device_words
from idp.authentication.devices import Device, Kind
from idp.authentication.forms import Identification, hinted
from idp.authentication.passwords import Decoys, Passwords
from idp.authentication.remembered import Remembered
from idp.authentication.session import COOKIE, Session, close_every_session, close_session, find_session
from idp.authentication.throttle import Throttle, TooManyAttemptsError
from idp.database import db
from idp.declarants.identite import Identite
from idp.declarants.models import Declarant
from idp.declarants.statuts import Statut
from idp.entreprises.models import Entreprise
from idp.errors import RefusedError
from idp.notifications.messages import in_words
from idp.oidc import farewell, logout
from idp.oidc.backchannel.notices import tell_of_person
from idp.oidc.third_party_login import lieux
from idp.seals import digest

bp = Blueprint("authentication", __name__, template_folder="templates")
BUCKET = 1024
"""Bytes: answers to a sign-in are padded to a multiple, so that their length says nothing."""
STATIC_AGE = 365 * 24 * 3600
"""Seconds: addresses of static files change with their content."""


class LinkDeadError(RefusedError):
    """The mail's link was used, has expired, or never was."""

    code = "lien_mort"
    number = "M400008"
    remedy = "Connectez-vous comme d'habitude."
    status = 404
    public = "Ce lien n'est plus valable : il a déjà servi, ou il a plus d'une heure. Essayez de vous connecter comme d'habitude."


# ------------------------------------------------------------------------------------------------------------- components


@bp.record
def _equip(state: BlueprintSetupState) -> None:
    """What one process needs to sign people in."""
    mag: http.Mag = state.app.extensions["mag"]
    passwords = Passwords(mag.settings, mag.keyring)
    decoys = Decoys(passwords, Declarant.sample_of_hashes)
    state.app.extensions["mag_means"] = Means(
        mag.settings, mag.connections, mag.ephemeral, mag.keyring, passwords, decoys, Throttle(mag.ephemeral)
    )
    state.app.config["SEND_FILE_MAX_AGE_DEFAULT"] = STATIC_AGE


def means() -> Means:
    return current_app.extensions["mag_means"]  # type: ignore[no-any-return]  # Flask's extension dict is untyped


@bp.app_template_global("asset")
def asset(name: str) -> str:
    """Address of a static file, which changes with its content."""
    return f"{http.path('/static/')}{name}?v={_version(current_app.static_folder or '', name)}"


@bp.app_template_global("issuer_host")
def issuer_host() -> str:
    """What people must read in the address bar."""
    return http.mag().settings.issuer_host


@cache
def _version(folder: str, name: str) -> str:
    return sha256((Path(folder) / name).read_bytes()).hexdigest()[:12]


# ------------------------------------------------------------------------------------------------------- what a page knows


@dataclass(frozen=True, slots=True)
class Asked:
    """The sign-in in progress: its sealed word, and what it says; a person may also come by themselves."""

    token: str
    demande: Demande | None

    @classmethod
    def read(cls, token: str) -> "Asked":
        """Raises DemandeInvalidError, DemandeExpiredError."""
        if not token:
            return cls("", None)
        mag = http.mag()
        found = open_demande(mag.ephemeral, mag.keyring, token, http.binding(), http.now(), mag.settings.demande_lifetime)
        http.on_behalf_of(found.client_id)
        logo = urlsplit(found.client_logo)
        http.page_policy(found.form_action, f"{logo.scheme}://{logo.netloc}" if found.client_logo else "")
        return cls(token, found)

    @property
    def purpose(self) -> str:
        """Anti-forgery values serve one sign-in (C39)."""
        return f"connexion|{digest(self.token)}"

    def onward(self, **more: str) -> Response:
        """Back to whoever asked: the dispatcher alone knows the next step."""
        if self.demande is None:
            return _see(http.path("/"))
        return _see(f"{http.path(self.demande.target)}?{urlencode({'demande': self.token, **more})}")


def _see(address: str) -> Response:
    response = make_response("", 303)
    response.headers["Location"] = address
    return response


def _session() -> Session | None:
    mag = http.mag()
    return find_session(mag.ephemeral, mag.settings, request.cookies.get(COOKIE, ""), http.now())


def _person(session: Session | None) -> Declarant | None:
    """Whose session it is; None for one who may no longer enter."""
    found = db.session.get(Declarant, session.declarant_id) if session else None
    return found if found and found.statut is Statut.ACTIF else None


def _remembered() -> Remembered:
    return Remembered.read(http.mag().keyring, request.cookies.get(remembered.COOKIE, ""))


def _device() -> Device:
    return Device.read(request.cookies.get(devices.COOKIE, ""))


def set_session_cookie(response: Response, cookie: str) -> None:
    """The SSO session lives as long as the browser, and no longer than the store says; `Set-Login` tells the browser (FedCM)."""
    http.set_cookie(response, COOKIE, cookie, max_age=None if cookie else 0)
    response.headers["Set-Login"] = "logged-in" if cookie else "logged-out"


# ---------------------------------------------------------------------------------------------------------------- the mire


@bp.get("/connexion")
def mire() -> ResponseReturnValue:
    """The page that asks for SIRET, nom, prénom and password."""
    asked = Asked.read(request.args.get("demande", ""))
    return _page(asked, _prefilled(asked))


def _prefilled(asked: Asked) -> Identification:
    """What the person will not have to type: the identity they picked, their own when they must confirm it, the partner's hint."""
    index = request.args.get("identite", "")
    picked = _remembered().at(int(index)) if index.isascii() and index.isdigit() and len(index) < 3 else None
    if picked is not None:
        return Identification.of(picked)
    if asked.demande is None:
        return Identification()
    person = _person(_session()) if "autre" not in request.args else None
    if person is not None:
        return Identification(person.siret.grouped, person.nom, person.prenom)
    return hinted(asked.demande.login_hint, asked.demande.siret_hint)


def _page(asked: Asked, form: Identification, status: int = 200, *, notice: str = "", bits: int = 0) -> Response:
    text = render_template(
        "authentication/connexion.html",
        asked=asked,
        form=form,
        notice=notice,
        remembered=_remembered().identites,
        challenge=challenge.make_challenge(http.mag().keyring, bits, http.binding(), http.now()) if bits else "",
        csrf=http.csrf_token(asked.purpose),
    )
    if request.method == "POST":
        size = len(text.encode())
        text += " " * (-size % BUCKET)
    return make_response(text, status)


@bp.post("/connexion")
def sign_in() -> ResponseReturnValue:
    """Every failure has one answer: same status, same words, same headers, same work."""
    asked = Asked.read(request.form.get("demande", ""))
    http.way_back(http.path("/connexion") + (f"?{urlencode({'demande': asked.token})}" if asked.token else ""))
    http.check_csrf(asked.purpose)
    form = Identification.parse(request.form)
    if form.identite is None:
        return _page(asked, form, 400 if form.too_long else 422)
    candidate = Candidate(form.identite, form.password, _device(), http.client_address(), _proven_bits(), _client_id(asked))
    try:
        declarant = ceremony.identify(means(), candidate, http.now())
    except IdentificationRefusedError as error:
        db.session.commit()
        return _page(asked, form, error.status, notice=error.public, bits=_asked_bits())
    except ChallengeRequiredError as error:
        db.session.commit()
        return _page(asked, form, error.status, notice=error.public, bits=error.bits)
    except TooManyAttemptsError:
        db.session.commit()
        raise
    presented, before = request.cookies.get(COOKIE, ""), _session()
    words, client_id = device_words(request.user_agent.string), candidate.client_id
    opened = ceremony.open_for(means(), declarant, candidate.device, http.now(), presented=presented, client_id=client_id, words=words)
    replaced = before if before is not None and before.declarant_id != declarant.id else None
    if replaced is not None:
        logout.ended(http.mag().registry, replaced.sid, replaced.declarant_id, None, "autre_personne", http.now())
    db.session.commit()
    if replaced is not None:
        http.mag().messenger.wake()
    remember = Identite(declarant.siret, declarant.nom, declarant.prenom) if form.remember else None
    return _signed_in(asked, opened, remember)


def _client_id(asked: Asked) -> str | None:
    return (asked.demande.client_id or None) if asked.demande else None


def _proven_bits() -> int:
    given, number, mag = request.form.get("defi", ""), request.form.get("preuve", ""), http.mag()
    return challenge.proven_bits(mag.ephemeral, mag.keyring, given, number, http.binding(), http.now()) if given else 0


def _asked_bits() -> int:
    """A failure after a proof of work asks for another at once, rather than for the password twice."""
    return challenge.asked_bits(http.mag().keyring, request.form.get("defi", ""), http.binding())


def _signed_in(asked: Asked, opened: Opened, remember: Identite | None) -> Response:
    response = asked.onward(**({"choix": "1"} if asked.demande and asked.demande.select else {}))
    set_session_cookie(response, opened.cookie)
    http.set_cookie(response, devices.COOKIE, opened.device.dump(), max_age=devices.LIFETIME)
    if remember is not None:
        _keep(response, _remembered().adding(remember))
    return response


def _keep(response: Response, identities: Remembered) -> None:
    if identities.identites:
        http.set_cookie(response, remembered.COOKIE, identities.dump(http.mag().keyring), max_age=remembered.LIFETIME)
    else:
        http.set_cookie(response, remembered.COOKIE, "", max_age=0)


@bp.post("/connexion/annuler")
def cancel() -> ResponseReturnValue:
    """The person gives up: the partner is told."""
    asked = Asked.read(request.form.get("demande", ""))
    http.check_csrf(asked.purpose)
    return asked.onward(refus="1")


@bp.post("/connexion/oublier")
def forget() -> ResponseReturnValue:
    """This browser forgets one remembered identity."""
    asked = Asked.read(request.form.get("demande", ""))
    http.check_csrf(asked.purpose)
    index = request.form.get("identite", "")
    response = _see(f"{http.path('/connexion')}{'?' + urlencode({'demande': asked.token}) if asked.token else ''}")
    if index.isascii() and index.isdigit() and len(index) < 3:
        _keep(response, _remembered().without(int(index)))
    return response


# ------------------------------------------------------------------------------------------------------ choice of identity


@bp.get("/connexion/choix")
def choice() -> ResponseReturnValue:
    """OpenID Connect Core section 3.1.2.1, `prompt=select_account`: who is signed in, who is remembered, or another."""
    asked = Asked.read(request.args.get("demande", ""))
    person, identities = _person(_session()), _remembered().identites
    if person is not None:
        identities = tuple(i for i in identities if (i.siret, i.cle) != (person.siret, person.cle))
    wished = hinted("", asked.demande.siret_hint).siret if asked.demande else ""
    choices = [(_remembered().identites.index(i), i) for i in identities]
    return render_template(
        "authentication/choix.html",
        asked=asked,
        person=person,
        hinted=wished,
        identities=sorted(choices, key=lambda choice: choice[1].siret.grouped != wished),
        csrf=http.csrf_token(asked.purpose),
    )


@bp.post("/connexion/choix")
def choose() -> ResponseReturnValue:
    """Go on as whoever is signed in."""
    asked = Asked.read(request.form.get("demande", ""))
    http.check_csrf(asked.purpose)
    return asked.onward(choix="1")


# -------------------------------------------------------------------------------------------------- the link of the mail


@bp.get("/connexion/appareil/<jeton>")
def show_link(jeton: str) -> ResponseReturnValue:
    """Shows a form and spends nothing: mail scanners follow links (C44)."""
    if not devices.link_lives(http.mag().ephemeral, jeton):
        raise LinkDeadError("unknown link")
    return render_template("authentication/appareil.html", jeton=jeton, csrf=http.csrf_token("appareil"))


@bp.post("/connexion/appareil/<jeton>")
def use_link(jeton: str) -> ResponseReturnValue:
    """Admits this browser past the brakes, for an hour; the password remains to be typed."""
    http.check_csrf("appareil")
    mag, now = http.mag(), http.now()
    found = devices.take_link(mag.ephemeral, jeton)
    if found is None:
        raise LinkDeadError("unknown link")
    journal.record(DeviceAdmitted(declarant_id=found[0]), now)
    db.session.commit()
    response = _see(http.path("/connexion"))
    device = _device().with_entry(mag.keyring, Kind.ADMITTED, *found, now)
    http.set_cookie(response, devices.COOKIE, device.dump(), max_age=devices.LIFETIME)
    return response


# ----------------------------------------------------------------------------------------------------- home, and sign-out


@bp.get("/")
def home() -> ResponseReturnValue:
    """Who is signed in here, for which company, since when."""
    session = _session()
    person = _person(session)
    if session is None or person is None:
        return redirect(http.path("/connexion"), 303)
    company = Entreprise.find(person.siret.siren)
    return render_template(
        "authentication/accueil.html",
        person=person,
        company=company.nom_affiche if company else None,
        since=in_words(datetime.fromtimestamp(session.auth_time, UTC)),
        until=in_words(datetime.fromtimestamp(session.expires_at, UTC)),
        lieux=lieux(http.mag().registry.every(), http.mag().settings.issuer),
        csrf=http.csrf_token("deconnexion"),
    )


@bp.post("/deconnexion")
def sign_out() -> ResponseReturnValue:
    """Here, or on every device (`portee=partout`)."""
    http.check_csrf("deconnexion")
    mag, session, now = http.mag(), _session(), http.now()
    person = db.session.get(Declarant, session.declarant_id) if session else None
    left = ""
    if session is not None:
        everywhere = person if request.form.get("portee") == "partout" else None
        close_session(mag.ephemeral, mag.settings, session)
        if everywhere is not None:
            close_every_session(mag.ephemeral, mag.settings, everywhere)
        told = logout.ended(mag.registry, session.sid, session.declarant_id, None, "partout" if everywhere else "personne", now)
        if everywhere is not None:
            told = tell_of_person(mag.registry, mag.settings, everywhere.id, now)
        db.session.commit()
        mag.messenger.wake()
        left = farewell.seal(mag.keyring, told, session.sid, int(now.timestamp()))
    response = _see(http.path("/deconnexion") + (f"?{urlencode({'depart': left})}" if left else ""))
    set_session_cookie(response, "")
    return response


@bp.get("/deconnexion")
def signed_out() -> ResponseReturnValue:
    """Says that it is done, and who is told; someone still signed in is asked."""
    if _person(_session()) is not None:
        return redirect(http.path("/"), 303)
    mag, now = http.mag(), int(http.now().timestamp())
    bye = farewell.read(mag.keyring, mag.registry, mag.settings.issuer, request.args.get("depart", ""), now)
    http.allow_frames(bye.origins)
    return render_template("oidc/deconnecte.html", bye=bye, onward="", client_name="")


# ----------------------------------------------------------------------------------------------------------- plain pages


@bp.get("/aide")
def help_page() -> ResponseReturnValue:
    return render_template("authentication/aide.html")


@bp.get("/accessibilite")
def accessibility() -> ResponseReturnValue:
    return render_template("authentication/accessibilite.html")
