"""The desk's door: sign-in, enrolment by an invitation, home page, and who works there. Nothing here decides."""

from flask import Blueprint, make_response, render_template, request
from flask.typing import ResponseReturnValue

from idp import http, qr
from idp.audit import journal
from idp.authentication import totp
from idp.authentication.factors.models import FactorLoss
from idp.authentication.new_password import NewPassword
from idp.authentication.password_policy import in_force
from idp.authentication.recours.models import Recours
from idp.database import db
from idp.declarants.controles.models import Controle
from idp.errors import ForbiddenError, RefusedError
from idp.notifications.models import Letter
from idp.oidc.reception.models import Emetteur
from idp.support import bureau, desk_session, enrolment, sign_in
from idp.support.events import OperatorLeft
from idp.support.forms import Entree
from idp.support.models import Operateur
from idp.support.sign_in import Entry
from idp.visitor import see

bp = Blueprint("bureau", __name__)
SIGN_IN = "bureau|connexion"


@bp.get("/")
def home() -> ResponseReturnValue:
    """What waits, for each of the operator's functions."""
    operator, now = bureau.operator(), http.now()
    counts = {
        "/controles": Controle.count_waiting(),
        "/recours": Recours.count_for_operators(now),
        "/facteurs": FactorLoss.count_awaiting(now),
        "/lettres": Letter.count_waiting(),
        "/signaux": Emetteur.in_alert(),
    }
    waiting = [(page, counts[page.address]) for page in bureau.menu() if page.address in counts]
    return render_template("bureau/accueil.html", operator=operator, waiting=waiting)


# ----------------------------------------------------------------------------------------------------------------- sign-in


@bp.get("/connexion")
def sign_in_page() -> ResponseReturnValue:
    """The form; whoever is in already goes home."""
    if bureau.current() is not None:
        return see("/")
    return render_template("bureau/connexion.html", form=Entree(), refused="", csrf=http.csrf_token(SIGN_IN))


@bp.post("/connexion")
def enter() -> ResponseReturnValue:
    """One answer for every failure; the journal knows why."""
    http.check_csrf(SIGN_IN)
    form, mag, now = Entree.parse(request.form), http.mag(), http.now()
    if form.errors:
        return _sign_in_again(form, "", 422)
    try:
        entry = Entry(form.email, form.password, form.code, http.client_address())
        operator = sign_in.enter(bureau.means(), entry, now)
    except RefusedError as error:
        db.session.commit()
        response = make_response(_sign_in_again(form, error.public, error.status))
        if error.retry_after is not None:
            response.headers["Retry-After"] = str(error.retry_after)
        return response
    cookie = desk_session.open_session(mag.ephemeral, operator, now, request.cookies.get(desk_session.COOKIE, ""))
    db.session.commit()
    response = see("/")
    bureau.set_cookie(response, cookie)
    return response


def _sign_in_again(form: Entree, refused: str, status: int) -> ResponseReturnValue:
    return render_template("bureau/connexion.html", form=form, refused=refused, csrf=http.csrf_token(SIGN_IN)), status


@bp.post("/deconnexion")
def leave() -> ResponseReturnValue:
    """The session ends; done twice, it is done."""
    operator = bureau.current()
    if operator is not None:
        http.check_csrf(bureau.purpose(operator))
        desk_session.forget_session(http.mag().ephemeral, request.cookies.get(desk_session.COOKIE, ""))
        journal.record(OperatorLeft(actor=operator.actor), http.now())
        db.session.commit()
    response = see("/connexion")
    bureau.set_cookie(response, "")
    return response


# --------------------------------------------------------------------------------------------------------------- enrolment


@bp.get("/invitation/<token>")
def invitation(token: str) -> ResponseReturnValue:
    """Shows a new secret each time; spends nothing."""
    operator = enrolment.invited(token, http.now())
    secret, sealed = enrolment.propose_secret(http.mag().keyring, token)
    return _enrolment(token, operator, NewPassword(policy=in_force(http.mag().settings)), secret, sealed)


@bp.post("/invitation/<token>")
def enrol(token: str) -> ResponseReturnValue:
    """Password and code together; the same secret is shown again after a mistake."""
    http.check_csrf(f"bureau|invitation|{token}")
    mag, now = http.mag(), http.now()
    operator = enrolment.invited(token, now)
    sealed = request.form.get("secret", "")
    secret = enrolment.proposed_secret(mag.keyring, token, sealed)
    form = NewPassword.parse(request.form, in_force(mag.settings), _own_words(operator))
    if form.errors:
        return _enrolment(token, operator, form, secret, sealed), 422
    try:
        enrolment.enrol(mag.keyring, bureau.means().passwords, token, form.password, secret, request.form.get("code", ""), now)
    except enrolment.CodeRefusedError as error:
        return _enrolment(token, operator, form, secret, sealed, error.public), 422
    db.session.commit()
    return see("/connexion")


def _own_words(operator: Operateur) -> set[str]:
    return {word for word in operator.nom.lower().split() if len(word) > 2} | {operator.email.partition("@")[0]}


def _enrolment(token: str, operator: Operateur, form: NewPassword, secret: str, sealed: str, refused: str = "") -> str:
    uri = totp.provisioning_uri(secret, operator.email, "Bureau MAG")
    known = {"operator": operator, "form": form, "key": totp.in_groups(secret), "sealed": sealed, "refused": refused}
    return render_template(
        "bureau/invitation.html", **known, qr=qr.svg(uri), token=token, csrf=http.csrf_token(f"bureau|invitation|{token}")
    )


# --------------------------------------------------------------------------------------------------------------- operators


@bp.get("/operateurs")
def operators() -> ResponseReturnValue:
    """Who works at the desk."""
    me = bureau.operator(bureau.SECURITY)
    return render_template("bureau/operateurs.html", operators=Operateur.every(), me=me, now=http.now())


@bp.post("/operateurs/<int(max=2147483647):operateur_id>/desactiver")
def disable(operateur_id: int) -> ResponseReturnValue:
    """Somebody leaves the team, or worse. Nobody disables themselves: the desk keeps somebody to answer."""
    me = bureau.acting(bureau.SECURITY)
    found = Operateur.find(operateur_id)
    if found is None or found.id == me.id:
        raise ForbiddenError("disable", public="Vous ne pouvez pas désactiver cet opérateur.")
    enrolment.desactiver(found, http.now(), me.actor)
    db.session.commit()
    return see("/operateurs")
