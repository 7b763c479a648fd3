"""The mire: the page where a person signs in, and what surrounds it. Nothing here decides; `ceremony.py` does."""

from datetime import UTC, datetime
from urllib.parse import urlencode

from flask import Blueprint, Response, make_response, redirect, render_template, request
from flask.blueprints import BlueprintSetupState
from flask.typing import ResponseReturnValue

from idp import http, visitor
from idp.arrival import (
    Asked,
    Unidentified,
    beyond_here,
    device_here,
    forget_remembered,
    identified,
    new_challenge,
    padded,
    proceed,
    remembered_here,
    see,
    set_session_cookie,
    telling_others,
)
from idp.audit import journal
from idp.audit.events import DeviceAdmitted
from idp.authentication import devices
from idp.authentication.ceremony import Means
from idp.authentication.devices import Kind
from idp.authentication.identification import Identification, hinted
from idp.authentication.levels import in_french
from idp.authentication.passwords import Decoys, Passwords
from idp.authentication.session import close_every_session, close_session
from idp.authentication.throttle import Throttle
from idp.database import db
from idp.declarants.models import Declarant
from idp.errors import DeadLinkError
from idp.habilitations.decision import services_of
from idp.habilitations.gesture import words as spoken_droits
from idp.notifications.messages import day_in_words, in_words
from idp.oidc import farewell, logout
from idp.oidc.backchannel.notices import tell_of_person
from idp.oidc.third_party_login import lieux
from idp.saml import slo
from idp.saml.models import SamlParticipation
from idp.visitor import person_of, session_here

bp = Blueprint("authentication", __name__, template_folder="templates")


class LinkDeadError(DeadLinkError):
    """The mail's link was used, has expired, or never was."""

    code = "lien_mort"
    number = "M400008"
    remedy = "Connectez-vous comme d'habitude."
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


# ---------------------------------------------------------------------------------------------------------------- the mire


@bp.get("/connexion")
def mire() -> ResponseReturnValue:
    """The page that asks for SIRET, nom, prénom and password."""
    asked = Asked.read(request.args.get("demande", ""))
    return _page(asked, _prefilled(asked))


def _prefilled(asked: Asked) -> Identification:
    """What the person will not have to type: the identity they picked, their own when they must confirm it, the partner's hint."""
    index = request.args.get("identite", "")
    picked = remembered_here().at(int(index)) if index.isascii() and index.isdigit() and len(index) < 3 else None
    if picked is not None:
        return Identification.of(picked)
    if asked.demande is None:
        return Identification()
    person = person_of(session_here()) if "autre" not in request.args else None
    if person is not None:
        return Identification(person.siret.grouped, person.nom, person.prenom)
    return hinted(asked.demande.login_hint, asked.demande.siret_hint)


def _page(asked: Asked, form: Identification, status: int = 200, *, notice: str = "", bits: int = 0) -> Response:
    text = render_template(
        "authentication/connexion.html",
        asked=asked,
        form=form,
        notice=notice,
        remembered=remembered_here().identites,
        challenge=new_challenge(bits),
        typed="saisie" in request.args or (asked.demande is not None and asked.demande.is_ours and session_here() is not None),
        wanted="saisie" in request.args,
        csrf=http.csrf_token(asked.purpose),
    )
    return make_response(padded(text) if request.method == "POST" else text, status)


@bp.post("/connexion")
def sign_in() -> ResponseReturnValue:
    """Every failure has one answer: same status, same words, same headers, same work."""
    asked = Asked.read(request.form.get("demande", ""))
    http.way_back(http.path("/connexion") + (f"?{urlencode({'demande': asked.token})}" if asked.token else ""))
    http.check_csrf(asked.purpose)
    form = Identification.parse(request.form)
    found = identified(asked, form)
    if isinstance(found, Unidentified):
        return _page(asked, form, found.status, notice=found.notice, bits=found.bits)
    return proceed(*found)


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
    response = see(f"{http.path('/connexion')}{'?' + urlencode({'demande': asked.token}) if asked.token else ''}")
    if index.isascii() and index.isdigit() and len(index) < 3:
        forget_remembered(response, int(index))
    return response


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
    response = see(http.path("/connexion"))
    device = device_here().with_entry(mag.keyring, Kind.ADMITTED, *found, now)
    http.set_cookie(response, devices.COOKIE, device.dump(), max_age=devices.LIFETIME)
    return response


# ----------------------------------------------------------------------------------------------------- home, and sign-out


@bp.get("/")
def home() -> ResponseReturnValue:
    """Who is signed in here, for which company, since when."""
    found = visitor.current()
    if found is None:
        return redirect(http.path("/connexion"), 303)
    session, person = found.session, found.person
    return render_template(
        "authentication/accueil.html",
        person=person,
        company=found.company,
        sid=session.sid,
        rights=_rights(person),
        role=person.role.words.capitalize(),
        password_since=day_in_words(person.password_changed_at) if person.password_changed_at else "",
        means=in_french(session.amr),
        since=in_words(datetime.fromtimestamp(session.auth_time, UTC)),
        until=in_words(datetime.fromtimestamp(session.expires_at, UTC)),
        lieux=lieux(http.mag().registry.every(), http.mag().settings.issuer),
        csrf=http.csrf_token("deconnexion"),
    )


def _rights(person: Declarant) -> list[tuple[str, str]]:
    """Services on which the person holds a right, and which, by name."""
    mag = http.mag()
    catalogue = mag.catalogue()
    held = services_of(mag.connections, catalogue, person.id, http.now())
    named = ((catalogue.services[code].libelle, spoken_droits(droits)) for code, droits in held.items() if code in catalogue.services)
    return sorted(named, key=lambda one: one[0].casefold())


@bp.post("/deconnexion")
def sign_out() -> ResponseReturnValue:
    """Here, or on every device (`portee=partout`)."""
    http.check_csrf("deconnexion")
    mag, session, now = http.mag(), session_here(), http.now()
    person = db.session.get(Declarant, session.declarant_id) if session else None
    left, participants = dict[str, str](), SamlParticipation.of_session(session.sid) if session else []
    if session is not None:
        everywhere = person if request.form.get("portee") == "partout" else None
        left = visitor.to_say(visitor.left_elsewhere(everywhere, session.sid)) if everywhere is not None else {}
        close_session(mag.ephemeral, mag.settings, session)
        if everywhere is not None:
            close_every_session(mag.ephemeral, mag.settings, everywhere)
        told = logout.ended(mag.registry, session.sid, session.declarant_id, None, "partout" if everywhere else "personne", now)
        if everywhere is not None:
            told = tell_of_person(mag.registry, mag.settings, everywhere.id, now)
        SamlParticipation.forget_session(session.sid)
        db.session.commit()
        mag.messenger.wake()
        if told:
            left["depart"] = farewell.seal(mag.keyring, told, session.sid, int(now.timestamp()))
    final = http.path("/deconnexion") + (f"?{urlencode(left)}" if left else "")
    response = see(final)
    if session is not None and participants:
        response = telling_others(slo.Logout(mag, now), slo.begun_here(session.sid, participants, final))
    set_session_cookie(response, "")
    return response


@bp.get("/deconnexion")
def signed_out() -> ResponseReturnValue:
    """Says that it is done, and who is told; someone still signed in is asked."""
    if visitor.current() is not None:
        return redirect(http.path("/"), 303)
    above = beyond_here(f"{http.path('/deconnexion')}?{request.query_string.decode('ascii', 'ignore')}")
    if above is not None:
        return above
    mag, now = http.mag(), http.now()
    bye = farewell.read(mag.keyring, mag.registry, mag.settings.issuer, request.args.get("depart", ""), int(now.timestamp()))
    ends = slo.read_ends(mag.keyring, request.args.get("saml", ""), now)
    bye = bye.with_ends(ends.confirmed, ends.failed)
    http.allow_frames(bye.origins)
    return render_template("oidc/deconnecte.html", bye=bye, left=visitor.left_told(), onward="", client_name="")


# ----------------------------------------------------------------------------------------------------------- plain pages


@bp.get("/aide")
def help_page() -> ResponseReturnValue:
    return render_template("authentication/aide.html")


@bp.get("/accessibilite")
def accessibility() -> ResponseReturnValue:
    return render_template("authentication/accessibilite.html")
