"""Inviting, resending, cancelling; and the page where somebody invited chooses a password. `invitation.py` decides.

The link shows a form and spends nothing, since mail scanners follow links: only the form spends it (C44).
"""

from flask import Blueprint, current_app, make_response, render_template, request
from flask.typing import ResponseReturnValue

from idp import http, visitor
from idp.authentication.ceremony import Means
from idp.authentication.new_password import NewPassword
from idp.authentication.password_change import change_password
from idp.authentication.password_policy import in_force, own_words
from idp.database import db
from idp.declarants.controles import reexamen
from idp.declarants.equipe import invitation as invitations
from idp.declarants.equipe.authority import check_place, sirets_of
from idp.declarants.equipe.gestion import TITLES
from idp.declarants.equipe.invitation import InvitationDeadError, Invited
from idp.declarants.equipe.models import PAGE, Invitation
from idp.declarants.equipe.saisie import InvitationForm, place_in
from idp.declarants.identite import InvalidNameError
from idp.declarants.inscription import HomonymeError, InvalidEmailError
from idp.declarants.models import Declarant
from idp.declarants.parcours import conditions
from idp.entreprises.models import Entreprise
from idp.ephemeral import Counter, beyond
from idp.errors import RefusedError, UnknownPageError
from idp.habilitations import depart
from idp.habilitations.gesture import Gesture
from idp.oidc.backchannel.notices import tell_of_person

bp = Blueprint("invitations", __name__)
FIELDS: tuple[tuple[type[RefusedError], str], ...] = (
    (InvalidNameError, "nom"),
    (HomonymeError, "prenom"),
    (InvalidEmailError, "email"),
)
"""Under which field a refusal is shown; others go under the SIRET."""
TRIES, WINDOW = 60, 600
"""Answers to invitations that one address may send in so many seconds."""


class TooManyAnswersError(RefusedError):
    """One address answers far too many invitations."""

    code = "trop_de_reponses"
    number = "M200210"
    remedy = "Réessayez dans dix minutes."
    status = 429
    public = "Trop de réponses viennent de votre réseau. Réessayez dans dix minutes."
    retry_after = WINDOW


@bp.get("/equipe/invitations")
def listed() -> ResponseReturnValue:
    """Invitations that nobody accepted yet, a page at a time."""
    found, after = visitor.administrator(), place_in(request.args)
    within = sirets_of(found.person)
    living = Invitation.living(within, after)
    return render_template(
        "equipe/invitations.html",
        visitor=found,
        invitations=living[:PAGE],
        count=Invitation.count_living(within),
        after=after,
        following=living[PAGE - 1].id if len(living) > PAGE else 0,
        titles=TITLES,
        now=http.now(),
        done=request.args.get("fait", ""),
        csrf=http.csrf_token("equipe-invitation"),
    )


@bp.get("/equipe/inviter")
def ask() -> ResponseReturnValue:
    """Who, where, as what."""
    found = visitor.administrator()
    return _form(found, InvitationForm(siret=found.person.siret.grouped))


def _form(found: visitor.Visitor, form: InvitationForm, status: int = 200) -> ResponseReturnValue:
    page = render_template(
        "equipe/inviter.html",
        visitor=found,
        form=form,
        titles=TITLES,
        several=found.person.at_head_office,
        csrf=http.csrf_token("equipe-inviter"),
    )
    return make_response(page, status)


@bp.post("/equipe/inviter")
def invite() -> ResponseReturnValue:
    """A mail leaves; for an administrator's role, whoever invites typed a password a moment ago."""
    found, form = visitor.administrator(), InvitationForm.parse(request.form)
    http.way_back(http.path("/equipe/inviter"))
    http.check_csrf("equipe-inviter")
    if form.role.administers:
        visitor.recent()
    if form.number is None or form.errors:
        return _form(found, form, 422)
    try:
        check_place(found.person, form.number)
        invited = Invited(form.number, form.nom, form.prenom, form.email, form.role)
        invitations.inviter(found.person, invited, http.now(), issuer=http.mag().settings.issuer)
    except RefusedError as error:
        db.session.rollback()
        name = next((name for kind, name in FIELDS if isinstance(error, kind)), "siret")
        return _form(found, form.refused(name, error.public), 429 if error.status == 429 else 422)
    db.session.commit()
    return visitor.see("/equipe/invitations", fait="envoi")


def _own(reference: str) -> tuple[visitor.Visitor, Invitation]:
    """One of his invitations; of another company, none (C60)."""
    found = visitor.administrator()
    http.way_back(http.path("/equipe/invitations"))
    http.check_csrf("equipe-invitation")
    wanted = Invitation.with_reference(reference) if reference.isascii() and len(reference) <= 40 else None
    if wanted is None or not found.person.may_administer(wanted.siret):
        raise UnknownPageError(f"invitation for declarant {found.person.id}")
    return found, wanted


@bp.post("/equipe/invitations/<reference>/renvoyer")
def send_again(reference: str) -> ResponseReturnValue:
    """Another link, for seven days."""
    found, wanted = _own(reference)
    _brake(f"invitation:renvoi:{wanted.id}", 5, 24 * 3600)
    invitations.renvoyer(wanted, found.person, http.now(), issuer=http.mag().settings.issuer)
    db.session.commit()
    return visitor.see("/equipe/invitations", fait="renvoi")


@bp.post("/equipe/invitations/<reference>/annuler")
def cancel(reference: str) -> ResponseReturnValue:
    """The link dies; rights that came with it stay with their keeper."""
    found, wanted = _own(reference)
    if invitations.annuler(wanted, found.person, http.now()):
        depart.forget([wanted.id])
    db.session.commit()
    return visitor.see("/equipe/invitations", fait="annulation")


def _brake(name: str, most: int, window: int) -> None:
    if beyond(http.mag().ephemeral, {Counter(name, window): most}):
        raise TooManyAnswersError(name)


# ------------------------------------------------------------------------------------------------------------ who is invited


def _living(token: str) -> Invitation:
    """Raises InvitationDeadError."""
    found = Invitation.with_token(token, http.now())
    if found is None:
        raise InvitationDeadError("unknown link")
    invitations.host_of(found)
    return found


@bp.get("/invitation/<token>")
def show(token: str) -> ResponseReturnValue:
    """Shows a form and spends nothing."""
    return _answer_page(token, _living(token), NewPassword(policy=in_force(http.mag().settings)))


def _answer_page(token: str, found: Invitation, form: NewPassword, status: int = 200, *, agreed: bool = False) -> ResponseReturnValue:
    host = db.session.get(Declarant, found.invited_by) if found.invited_by else None
    page = render_template(
        "equipe/invitation.html",
        token=token,
        invitation=found,
        form=form,
        host=host,
        company=_company(found),
        role=TITLES[found.role],
        conditions=conditions.in_force(http.now()),
        agreed=agreed,
        csrf=http.csrf_token("invitation"),
    )
    return make_response(page, status)


def _company(found: Invitation) -> str:
    company = Entreprise.find(found.siret.siren)
    return (company.nom_affiche if company else None) or ""


@bp.post("/invitation/<token>")
def accept(token: str) -> ResponseReturnValue:
    """The person is inscribed with the password they chose, and receives the rights that were kept for them."""
    http.check_csrf("invitation")
    mag, now = http.mag(), http.now()
    _brake(f"invitation:{http.client_address()}", TRIES, WINDOW)
    found = _living(token)
    own = own_words(found.siret, found.nom, found.prenom, _company(found))
    form = NewPassword.parse(request.form, in_force(mag.settings), own)
    agreed, version = request.form.get("accord") == "oui", request.form.get("conditions", "")
    current = conditions.in_force(now)
    if not agreed or version != current.version:
        form = NewPassword(
            form.password, form.strength, form.policy, {**form.errors, "accord": "Acceptez les conditions d'utilisation pour continuer."}
        )
    if form.errors:
        return _answer_page(token, found, form, 422, agreed=agreed)
    person = invitations.accepter(found, now, issuer=mag.settings.issuer, rights=found.keeper_id is not None)
    reexamen.invite(person, now)
    means: Means = current_app.extensions["mag_means"]
    change_password(means.store, means.settings, means.passwords, person, form.password, now)
    tell_of_person(mag.registry, mag.settings, person.id, now)
    conditions.accept(person, current, now)
    depart.remettre(Gesture(found.invited_by, mag.catalogue(), now), found, person)
    db.session.commit()
    return make_response(render_template("equipe/invitation_acceptee.html", person=person, company=_company(found)))
