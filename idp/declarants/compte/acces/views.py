"""Pages of the password, of open sessions and of the history of an account. Whoever ends sessions tells the partners that took part."""

from typing import Any

from flask import Blueprint, Response, make_response, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound

from idp import http, visitor
from idp.arrival import device_here, means, set_session_cookie
from idp.audit import journal
from idp.audit.events import ConnexionOpened, SessionsClosed
from idp.authentication import ceremony, devices, levels
from idp.authentication.ceremony import Candidate, ChallengeRequiredError, IdentificationRefusedError
from idp.authentication.device_words import device_words
from idp.authentication.devices import Kind, network_of
from idp.authentication.factors.models import KnownDevice
from idp.authentication.new_password import FIELD, NewPassword
from idp.authentication.password_change import change_password, words_of
from idp.authentication.password_policy import in_force
from idp.authentication.session import COOKIE, close_every_session, guard_of_session, open_session
from idp.authentication.throttle import TooManyAttemptsError
from idp.database import db
from idp.declarants.compte import messages
from idp.declarants.identite import Identite
from idp.declarants.models import Declarant
from idp.notifications.messages import day_in_words
from idp.notifications.models import Mail
from idp.oidc import logout
from idp.oidc.account import history
from idp.oidc.account.sessions import left_open
from idp.oidc.backchannel.notices import tell_of_person
from idp.saml.models import SamlParticipation
from idp.visitor import Visitor, see

bp = Blueprint("compte_acces", __name__)
WRONG = "Ce n'est pas votre mot de passe actuel, ou trop d'essais ont échoué depuis cet appareil : attendez alors quelques minutes."
SAME = "Ce mot de passe est celui que vous avez déjà. Choisissez-en un autre."


def _purpose(found: Visitor) -> str:
    return f"compte|{found.session.sid}"


# ------------------------------------------------------------------------------------------------------------ the password


@bp.get("/compte/mot-de-passe")
def password_page() -> ResponseReturnValue:
    found = visitor.required()
    return _password(found, found.person, NewPassword(policy=in_force(http.mag().settings)))


def _password(found: Visitor, person: Declarant, form: NewPassword, *, wrong: str = "", status: int = 200) -> Response:
    page = render_template(
        "compte/mot_de_passe.html",
        person=person,
        form=form,
        wrong=wrong,
        since=day_in_words(person.password_changed_at) if person.password_changed_at else "",
        csrf=http.csrf_token(_purpose(found)),
    )
    return make_response(page, status)


@bp.post("/compte/mot-de-passe")
def set_password() -> ResponseReturnValue:
    """Another password, given the one in force: other sessions end, this one goes on under a new identifier."""
    found, mag = visitor.required(), http.mag()
    http.check_csrf(_purpose(found))
    current, person = request.form.get("actuel", ""), found.person
    form = NewPassword.parse(request.form, in_force(mag.settings), words_of(person))
    if not current or form.errors:
        return _password(found, person, form, wrong="" if current else "Saisissez votre mot de passe actuel.", status=422)
    proven = _proven(person, current)
    if proven is None:
        return _password(found, db.session.merge(person), form, wrong=WRONG, status=422)
    if form.password == current:
        return _password(found, proven, NewPassword(policy=form.policy, errors={FIELD: SAME}), status=422)
    return _changed(found, proven, form.password)


def _proven(person: Declarant, password: str) -> Declarant | None:
    """The same person, by the ceremony of sign-in: its brakes count here too. Raises TooManyAttemptsError."""
    db.session.expunge(person)
    candidate = Candidate(Identite(person.siret, person.nom, person.prenom), password, device_here(), http.client_address())
    try:
        return ceremony.identify(means(), candidate, http.now())
    except (IdentificationRefusedError, ChallengeRequiredError):
        db.session.commit()
        return None
    except TooManyAttemptsError:
        db.session.commit()
        raise


def _changed(found: Visitor, person: Declarant, password: str) -> Response:
    mag, now = http.mag(), http.now()
    left = visitor.left_elsewhere(person, found.session.sid)
    change_password(mag.ephemeral, mag.settings, means().passwords, person, password, now)
    response = see("/compte", fait="mot-de-passe", **visitor.to_say(left))
    _go_on(response, found, person, typed=True)
    tell_of_person(mag.registry, mag.settings, person.id, now)
    if person.email:
        message = messages.password_changed(mag.settings.issuer, person.full_name, now)
        Mail.write("mot_de_passe_change", person.email, message, now, person.id)
    db.session.commit()
    mag.messenger.wake()
    return response


def _go_on(response: Response, found: Visitor, person: Declarant, *, typed: bool = False) -> None:
    """This browser stays signed in, under a new session: every other one has ended. The store first, then the journal.

    Its sign-in is as old as it was (C42, C45), unless the password was just `typed` and it never vouched for more than a password. What a
    partner's word opened stays that: it ends with the link, governs nobody, and makes no device known.
    """
    mag, now, before = http.mag(), http.now(), found.session
    anew = typed and before.amr == levels.AMR
    presented, birth = request.cookies.get(COOKIE, ""), None if anew else before.birth
    session, cookie = open_session(
        mag.ephemeral,
        mag.settings,
        person,
        amr=before.amr,
        acr=before.acr,
        now=now,
        presented=presented,
        born=birth,
        link=before.link,
        switched=before.switched and not anew,
    )
    set_session_cookie(response, cookie)
    words = device_words(request.user_agent.string)
    how: dict[str, Any] = {"amr": " ".join(before.amr), "acr": before.acr, "device": words, "link": before.link or None}
    opened = ConnexionOpened(declarant_id=person.id, siret=int(person.siret), sid=session.sid, version=session.version, **how)
    journal.record(opened, now)
    SamlParticipation.renew(before.sid, session.sid)
    if not before.vouched:
        device = device_here().with_entry(mag.keyring, Kind.TRUSTED, person.id, person.version, now)
        http.set_cookie(response, devices.COOKIE, device.dump(), max_age=devices.LIFETIME)
        KnownDevice.saw(person.id, device.hash, words, network_of(http.client_address()), person.version, now)


# ------------------------------------------------------------------------------------------------------------ the sessions


@bp.get("/compte/sessions")
def sessions() -> ResponseReturnValue:
    """Where the person is signed in."""
    found = visitor.required()
    return render_template(
        "compte/sessions.html",
        person=found.person,
        sessions=visitor.sessions_of(found.person),
        own=found.session.sid,
        idle=http.mag().settings.session_idle // 3600,
        done=request.args.get("fait", ""),
        left=visitor.left_told(),
        csrf=http.csrf_token(_purpose(found)),
    )


@bp.post("/compte/sessions")
def end_session() -> ResponseReturnValue:
    """One of them ends, or all but this one. Another person's is as if it did not exist (C60)."""
    found = visitor.required()
    http.check_csrf(_purpose(found))
    if "toutes" in request.form:
        return _end_others(found)
    sid = request.form.get("session", "")
    ending = next((one for one in visitor.sessions_of(found.person) if one.sid == sid != found.session.sid), None)
    if ending is None:
        raise NotFound
    mag, now = http.mag(), http.now()
    mag.ephemeral.end(guard_of_session(sid), lifetime=mag.settings.session_lifetime)
    logout.ended(mag.registry, sid, found.person.id, None, "compte", now)
    db.session.commit()
    mag.messenger.wake()
    return see("/compte/sessions", fait="une", **visitor.to_say(left_open([ending], "")))


def _end_others(found: Visitor) -> Response:
    mag, now, person = http.mag(), http.now(), found.person
    left = visitor.left_elsewhere(person, found.session.sid)
    close_every_session(mag.ephemeral, mag.settings, person)
    response = see("/compte/sessions", fait="toutes", **visitor.to_say(left))
    _go_on(response, found, person)
    journal.record(SessionsClosed(declarant_id=person.id, siret=int(person.siret)), now)
    tell_of_person(mag.registry, mag.settings, person.id, now)
    db.session.commit()
    mag.messenger.wake()
    return response


# ------------------------------------------------------------------------------------------------------------- the history


@bp.get("/compte/historique")
def past() -> ResponseReturnValue:
    """What happened to the account in twelve months, refusals too; pages by key."""
    found, given = visitor.required(), request.args.get("avant", "")
    before = int(given) if given.isascii() and given.isdigit() and len(given) < 19 else None
    said, following = history.lines(http.mag().registry, found.person.id, http.now(), before=before)
    return render_template("compte/historique.html", lines=said, following=following, first=before is None)
