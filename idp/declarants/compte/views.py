"""« Mon compte »: what a person reads and changes of their own identity. Nothing here decides; operations of this room and others do.

Passwords, sessions and history are in `acces/`; what is kept and what was agreed to, in `donnees/`.
"""

from flask import Blueprint, Response, make_response, render_template, request
from flask.typing import ResponseReturnValue

from idp import http, visitor
from idp.arrival import close_ways_in, set_session_cookie
from idp.audit import journal
from idp.authentication.denial import deny
from idp.authentication.recours.models import Recours
from idp.database import db
from idp.declarants import transitions
from idp.declarants.compte import adresse, messages
from idp.declarants.compte.adresse import CONFIRM, REVERT, STILL
from idp.declarants.compte.events import ProfileChanged
from idp.declarants.compte.forms import CLOSING_WORD, Closing, Coordonnees, NewAddress
from idp.declarants.models import Declarant
from idp.declarants.parcours.models import ConditionsAcceptees, ConsentementInformation
from idp.declarants.parcours.telephones import region_of
from idp.declarants.statuts import Act, By
from idp.declarants.transitions import LastAdministratorError
from idp.entreprises.models import Etablissement
from idp.ephemeral import Counter, beyond
from idp.errors import RefusedError
from idp.habilitations.depart import Destin, Settlement, holdings, partir
from idp.habilitations.gesture import Gesture
from idp.notifications.messages import day_in_words, in_words
from idp.notifications.models import Mail
from idp.oidc import removal
from idp.oidc.account.sessions import open_sessions
from idp.oidc.backchannel.notices import tell_of_person
from idp.visitor import Visitor, see

bp = Blueprint("compte", __name__, template_folder="templates")
DAY = 24 * 3600
MOST_MAILS = 5
"""Mails that one account may have sent in a day to addresses that are not proved yet."""


class TooManyAccountMailsError(RefusedError):
    """This account had enough mails sent for today."""

    code = "trop_de_courriers"
    number = "M200413"
    remedy = "Attendez le lendemain, ou adressez-vous à l'assistance."
    status = 429
    public = "Trop de courriers ont été demandés aujourd'hui pour ce compte. Réessayez demain, ou adressez-vous à l'assistance."


def _purpose(found: Visitor) -> str:
    return f"compte|{found.session.sid}"


def _csrf(found: Visitor) -> str:
    return http.csrf_token(_purpose(found))


def _count_mail(person: Declarant) -> None:
    """Raises TooManyAccountMailsError."""
    if beyond(http.mag().ephemeral, {Counter(f"compte:courriers:{person.id}", DAY): MOST_MAILS}):
        raise TooManyAccountMailsError(f"declarant {person.id}")


# ------------------------------------------------------------------------------------------------------------ the account


@bp.get("/compte")
def overview() -> ResponseReturnValue:
    """Who the person is, how they are reached, how they sign in, and where each is changed."""
    found = visitor.required()
    person, mag = found.person, http.mag()
    accepted = ConditionsAcceptees.latest(person.id)
    return render_template(
        "compte/apercu.html",
        visitor=found,
        person=person,
        administrators=[one.full_name for one in Declarant.administrators(person.siret) if one.id != person.id],
        password_since=day_in_words(person.password_changed_at) if person.password_changed_at else "",
        email_since=day_in_words(person.email_verified_at) if person.email_verified_at else "",
        sessions=len(open_sessions(mag.ephemeral, mag.settings, mag.registry, person, http.now())),
        conditions=(accepted.version, day_in_words(accepted.accepted_at)) if accepted else None,
        informed=ConsentementInformation.given_by(person.id),
        done=request.args.get("fait", ""),
        left=visitor.left_told(),
        sid=found.session.sid,
        csrf=_csrf(found),
    )


@bp.get("/compte/coordonnees")
def contact_page() -> ResponseReturnValue:
    found = visitor.own()
    return _contact(found, Coordonnees.of(found.person))


def _contact(found: Visitor, form: Coordonnees, status: int = 200) -> Response:
    return make_response(render_template("compte/coordonnees.html", person=found.person, form=form, csrf=_csrf(found)), status)


@bp.post("/compte/coordonnees")
def change_contact() -> ResponseReturnValue:
    """Phones, function and unit; the identity itself is an administrator's to correct."""
    found, now = visitor.own(), http.now()
    http.check_csrf(_purpose(found))
    place = db.session.get(Etablissement, found.person.siret)
    form = Coordonnees.parse(request.form, region_of(place.code_postal if place else None))
    if form.errors:
        return _contact(found, form, 422)
    changed = form.apply(found.person)
    if changed:
        found.person.updated_at = now
        journal.record(ProfileChanged(declarant_id=found.person.id, siret=int(found.person.siret), fields=" ".join(changed)), now)
        db.session.commit()
    return see("/compte", fait="coordonnees")


# ------------------------------------------------------------------------------------------------------------- the address


@bp.get("/compte/adresse")
def address_page() -> ResponseReturnValue:
    return _address(visitor.recent(), NewAddress())


def _address(found: Visitor, form: NewAddress, status: int = 200) -> Response:
    locked = found.person.email_locked_until
    until = in_words(locked) if locked is not None and locked > http.now() else ""
    page = render_template("compte/adresse.html", person=found.person, form=form, locked=until, csrf=_csrf(found))
    return make_response(page, status)


@bp.post("/compte/adresse")
def ask_address() -> ResponseReturnValue:
    """A link goes to the new address; nothing else changes yet. Sent twice, the form sends one mail."""
    found, now = visitor.recent(), http.now()
    http.check_csrf(_purpose(found))
    form = NewAddress.parse(request.form, found.person.email)
    if form.errors:
        return _address(found, form, 422)
    if not adresse.just_asked(found.person, form.email, now):
        _count_mail(found.person)
        adresse.ask(http.mag().settings.issuer, found.person, form.email, now)
        db.session.commit()
    return see("/compte/adresse/envoyee")


@bp.get("/compte/adresse/envoyee")
def address_sent() -> ResponseReturnValue:
    return render_template("compte/adresse_envoyee.html", person=visitor.required().person)


@bp.post("/compte/adresse/verifier")
def prove_address() -> ResponseReturnValue:
    """A link to the address in force, for whoever was never asked, or no longer has the mail."""
    found, now = visitor.required(), http.now()
    http.check_csrf(_purpose(found))
    if found.person.email and not adresse.just_asked(found.person, found.person.email, now, adresse.STILL):
        _count_mail(found.person)
        adresse.ask_again(http.mag().settings.issuer, found.person, now)
        db.session.commit()
    return see("/compte/adresse/envoyee")


@bp.get("/compte/adresse/confirmer/<jeton>", defaults={"purpose": CONFIRM})
@bp.get("/compte/adresse/annuler/<jeton>", defaults={"purpose": REVERT})
@bp.get("/compte/adresse/toujours/<jeton>", defaults={"purpose": STILL})
def show_link(jeton: str, purpose: str) -> ResponseReturnValue:
    """Shows a form and spends nothing: mail scanners follow links (C44)."""
    link, person = adresse.owner(purpose, jeton, http.now())
    return render_template(
        "compte/lien.html", person=person, address=link.address, purpose=purpose, action=request.path, csrf=http.csrf_token(purpose)
    )


@bp.post("/compte/adresse/confirmer/<jeton>")
def confirm_address(jeton: str) -> ResponseReturnValue:
    """The new address is in force."""
    http.check_csrf(CONFIRM)
    person = adresse.confirm(http.mag().settings.issuer, jeton, http.now())
    db.session.commit()
    return render_template("compte/lien_fait.html", person=person, purpose=CONFIRM)


@bp.post("/compte/adresse/toujours/<jeton>")
def keep_address(jeton: str) -> ResponseReturnValue:
    """The address is still theirs."""
    http.check_csrf(STILL)
    person = adresse.still(jeton, http.now())
    db.session.commit()
    return render_template("compte/lien_fait.html", person=person, purpose=STILL)


@bp.post("/compte/adresse/annuler/<jeton>")
def revert_address(jeton: str) -> ResponseReturnValue:
    """The former address is back: whoever changed it is thrown out, everywhere, and the password they knew is locked."""
    http.check_csrf(REVERT)
    mag, now = http.mag(), http.now()
    link, person = adresse.owner(REVERT, jeton, now)
    person.email = link.address
    deny(mag.ephemeral, mag.settings, person, link.created_at, now)
    adresse.revert(jeton, now)
    close_ways_in(person)
    Recours.end_others(person.id, 0, now)
    tell_of_person(mag.registry, mag.settings, person.id, now)
    db.session.commit()
    mag.messenger.wake()
    return render_template("compte/lien_fait.html", person=person, purpose=REVERT)


# ----------------------------------------------------------------------------------------------------------------- the end


@bp.get("/compte/fermeture")
def closing_page() -> ResponseReturnValue:
    return _closing(visitor.recent(), Closing())


def _closing(found: Visitor, form: Closing, status: int = 200) -> Response:
    """What closing takes away; nothing to post for the last administrator."""
    try:
        transitions.check_not_last(found.person)
        last = ""
    except LastAdministratorError as error:
        last = error.public
    page = render_template(
        "compte/fermeture.html",
        person=found.person,
        company=found.company,
        held=holdings(found.person.id, http.now()),
        left=visitor.left_elsewhere(found.person),
        last=last,
        word=CLOSING_WORD,
        days=removal.KEPT.days,
        form=form,
        csrf=_csrf(found),
    )
    db.session.rollback()  # the check held the rows of the other administrators
    return make_response(page, status)


@bp.post("/compte/fermeture")
def close() -> ResponseReturnValue:
    """The account ends, with its sessions, tokens, rights and links. Raises LastAdministratorError."""
    found, mag, now = visitor.recent(), http.mag(), http.now()
    http.check_csrf(_purpose(found))
    form = Closing.parse(request.form)
    if form.errors:
        return _closing(found, form, 422)
    person = found.person
    transitions.check_not_last(person)
    db.session.rollback()
    removal.end_sessions(mag.ephemeral, mag.settings, person)
    partir(Gesture(person.id, mag.catalogue(), now), person, Settlement(Destin.ABANDON), act=Act.FERMER, by=By.SOI)
    removal.remove(mag.settings, mag.registry, person, now)
    _tell_of_closing(person)
    db.session.commit()
    mag.messenger.wake()
    response = make_response(render_template("compte/ferme.html", days=removal.KEPT.days))
    set_session_cookie(response, "")
    return response


def _tell_of_closing(person: Declarant) -> None:
    issuer, now = http.mag().settings.issuer, http.now()
    if person.email:
        message = messages.account_closed(issuer, person.full_name, now, removal.KEPT.days)
        Mail.write("compte_ferme", person.email, message, now, person.id)
    for one in Declarant.administrators(person.siret):
        if one.email and one.id != person.id:
            message = messages.colleague_left(issuer, one.full_name, person.full_name, now)
            Mail.write("collegue_parti", one.email, message, now, one.id)
