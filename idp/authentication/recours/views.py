"""Pages of recovery: asking, the way back itself, the administrators' list, one's own secret question. Nothing here decides."""

from flask import Blueprint, Response, current_app, make_response, render_template, request
from flask.typing import ResponseReturnValue

from idp import http, visitor
from idp.authentication.ceremony import Means
from idp.authentication.new_password import NewPassword
from idp.authentication.password_change import words_of
from idp.authentication.password_policy import in_force
from idp.authentication.recours import accords, demandes, limites, question, reprise
from idp.authentication.recours.forms import CodeRecu, Decision, MaQuestion, Oubli, Reponse
from idp.authentication.recours.models import Recours, SecretQuestion
from idp.authentication.recours.question import OWN, QUESTIONS, AnswerRefusedError
from idp.authentication.recours.reprise import CodeRefusedError, Retour
from idp.authentication.recours.voies import MOYENS, Voie
from idp.authentication.throttle import account_of
from idp.database import db
from idp.declarants.identite import Identite
from idp.declarants.models import Declarant
from idp.notifications.messages import in_words
from idp.oidc.backchannel.notices import tell_of_person

bp = Blueprint("recours", __name__)
ASKED = (Voie.COURRIEL, Voie.ADMINISTRATEUR, Voie.ASSISTANCE)
"""What the first page may ask; the secret question has a page of its own."""


@bp.app_template_global("question_offered")
def question_offered() -> bool:
    """Whether the pages of the account propose a secret question."""
    return http.mag().settings.secret_question


def means() -> Means:
    return current_app.extensions["mag_means"]  # type: ignore[no-any-return]  # Flask's extension dict is untyped


def _page(name: str, status: int = 200, **known: object) -> Response:
    return make_response(render_template(f"authentication/recours/{name}.html", **known), status)


def _voie(text: str) -> Voie:
    return Voie(text) if text in ASKED else Voie.COURRIEL


# ------------------------------------------------------------------------------------------------------------------ asking


@bp.get("/connexion/oubli")
def ask() -> ResponseReturnValue:
    """Who asks, and which way."""
    return _ask(Oubli(voie=_voie(request.args.get("voie", ""))))


def _ask(form: Oubli, status: int = 200) -> Response:
    return _page("oubli", status, form=form, csrf=http.csrf_token("oubli"))


@bp.post("/connexion/oubli")
def asked() -> ResponseReturnValue:
    """One answer, whoever it is: the next page does not know."""
    http.check_csrf("oubli")
    form = Oubli.parse(request.form, _voie(request.form.get("voie", "")))
    if form.identite is None or form.errors:
        return _ask(form, 422)
    asking = limites.may_ask(http.mag().ephemeral, account_of(http.mag().keyring, form.identite), http.client_address())
    if asking.allowed:
        _act(form, form.identite, others=asking.others)
        db.session.commit()
    return visitor.see("/connexion/oubli/suite", voie=form.voie)


def _act(form: Oubli, identite: Identite, *, others: bool) -> None:
    settings, now = http.mag().settings, http.now()
    if form.voie is Voie.COURRIEL:
        demandes.by_mail(settings, identite, now, others=others)
    elif form.voie is Voie.ADMINISTRATEUR:
        demandes.to_administrators(settings, identite, now)
    else:
        demandes.to_support(settings, identite, form.plea, now)


@bp.get("/connexion/oubli/suite")
def after() -> ResponseReturnValue:
    """What happens now, should the identity exist."""
    return _page("suite", voie=_voie(request.args.get("voie", "")))


# ---------------------------------------------------------------------------------------------------------------- the code


@bp.get("/connexion/oubli/code")
def code() -> ResponseReturnValue:
    return _code(CodeRecu())


def _code(form: CodeRecu, status: int = 200, notice: str = "") -> Response:
    return _page("code", status, form=form, notice=notice, csrf=http.csrf_token("oubli"))


@bp.post("/connexion/oubli/code")
def use_code() -> ResponseReturnValue:
    """One answer for every failure."""
    http.check_csrf("oubli")
    form = CodeRecu.parse(request.form)
    if form.identite is None or form.errors:
        return _code(form, 422)
    try:
        reprise.use_code(means(), form.identite, form.code, form.email, http.client_address(), http.now())
    except CodeRefusedError as error:
        db.session.commit()
        return _code(form, error.status, error.public)
    db.session.commit()
    return visitor.see("/connexion/oubli/code/suite")


@bp.get("/connexion/oubli/code/suite")
def after_code() -> ResponseReturnValue:
    return _page("suite", voie="code")


# -------------------------------------------------------------------------------------------------------- secret question


@bp.get("/connexion/oubli/question")
def secret() -> ResponseReturnValue:
    question.check_offered(http.mag().settings)
    return _secret(Reponse())


def _secret(form: Reponse, status: int = 200, notice: str = "") -> Response:
    return _page("question", status, form=form, notice=notice, questions=QUESTIONS, own=OWN, csrf=http.csrf_token("oubli"))


@bp.post("/connexion/oubli/question")
def answer_secret() -> ResponseReturnValue:
    """One answer for every failure; the right one leads to the new password."""
    question.check_offered(http.mag().settings)
    http.check_csrf("oubli")
    form = Reponse.parse(request.form)
    if form.identite is None or form.answer is None or form.errors:
        return _secret(form, 422)
    try:
        token = question.answer_to(means(), form.identite, form.answer, http.client_address(), http.now())
    except AnswerRefusedError as error:
        db.session.commit()
        return _secret(form, error.status, error.public)
    db.session.commit()
    return visitor.see(f"/connexion/oubli/{token}")


# ------------------------------------------------------------------------------------------------------------ the way back


@bp.get("/connexion/oubli/<jeton>")
def choose(jeton: str) -> ResponseReturnValue:
    """Shows a form and spends nothing: mail scanners follow links (C44)."""
    return _choose(reprise.find(jeton, http.now()), jeton, NewPassword(policy=in_force(http.mag().settings)))


def _choose(found: Retour, jeton: str, form: NewPassword, status: int = 200) -> Response:
    return _page("nouveau", status, found=found, jeton=jeton, form=form, csrf=http.csrf_token("recours"))


@bp.post("/connexion/oubli/<jeton>")
def chosen(jeton: str) -> ResponseReturnValue:
    """The new password; sessions end, and partners are told."""
    http.check_csrf("recours")
    mag, now = http.mag(), http.now()
    found = reprise.find(jeton, now)
    form = NewPassword.parse(request.form, in_force(mag.settings), words_of(found.declarant))
    if form.errors:
        return _choose(found, jeton, form, 422)
    declarant = reprise.reprendre(means(), jeton, form.password, now)
    tell_of_person(mag.registry, mag.settings, declarant.id, now)
    db.session.commit()
    mag.messenger.wake()
    return visitor.see("/connexion/oubli/fait")


@bp.get("/connexion/oubli/fait")
def done() -> ResponseReturnValue:
    return _page("fait")


@bp.get("/connexion/oubli/arreter/<jeton>")
def stop(jeton: str) -> ResponseReturnValue:
    """Shows a form and spends nothing."""
    return _page("arreter", jeton=jeton, csrf=http.csrf_token("recours"))


@bp.post("/connexion/oubli/arreter/<jeton>")
def stopped(jeton: str) -> ResponseReturnValue:
    """The owner stops a request; said the same way when there was none, or no more."""
    http.check_csrf("recours")
    mag, now = http.mag(), http.now()
    ended = accords.cancel(mag.ephemeral, mag.settings, jeton, now)
    if ended is not None:
        tell_of_person(mag.registry, mag.settings, ended.id, now)
    db.session.commit()
    if ended is not None:
        mag.messenger.wake()
    return visitor.see("/connexion/oubli/arrete")


@bp.get("/connexion/oubli/arrete")
def after_stop() -> ResponseReturnValue:
    return _page("arrete")


# ------------------------------------------------------------------------------------------------------ the administrators


@bp.get("/equipe/recours")
def queue() -> ResponseReturnValue:
    """Who lost their password in the establishments that the visitor administers."""
    admin = visitor.administrator().person
    waiting = [(recours, declarant, in_words(recours.asked_at)) for recours, declarant in Recours.queue(admin, http.now())]
    return _page("equipe", waiting=waiting)


@bp.get("/equipe/recours/<int(max=2147483647):numero>")
def look(numero: int) -> ResponseReturnValue:
    admin = visitor.administrator().person
    return _look(*accords.for_administrator(admin, numero, http.now()), Decision())


def _look(recours: Recours, declarant: Declarant, form: Decision, status: int = 200) -> Response:
    times = {"asked": in_words(recours.asked_at), "until": in_words(recours.expires_at)}
    beside = Recours.beside(recours, http.now())
    return _page(
        "decision",
        status,
        beside=beside,
        recours=recours,
        declarant=declarant,
        form=form,
        moyens=MOYENS,
        csrf=http.csrf_token("accord"),
        **times,
    )


@bp.post("/equipe/recours/<int(max=2147483647):numero>")
def decide(numero: int) -> ResponseReturnValue:
    """An agreement or a refusal; the first decision counts. A code is shown in the answer, once."""
    visitor.administrator()
    admin = visitor.recent().person
    http.check_csrf("accord")
    mag, now = http.mag(), http.now()
    recours, declarant = accords.for_administrator(admin, numero, now)
    form = Decision.parse(request.form)
    if form.errors or (form.accepted and form.moyen is None):
        return _look(recours, declarant, form, 422)
    shown = ""
    if form.accepted and form.moyen is not None and form.by_code:
        limites.renew_code_tries(mag.ephemeral, account_of(mag.keyring, Identite(declarant.siret, declarant.nom, declarant.prenom)))
        shown = accords.agree_by_code(mag.settings, mag.keyring, admin, recours, form.moyen, now)
    elif form.accepted and form.moyen is not None:
        accords.agree_by_mail(mag.settings, admin, recours, form.moyen, now)
    else:
        accords.refuse(mag.settings, recours, admin.actor, now)
    db.session.commit()
    return _page("decide", declarant=declarant, accepted=form.accepted, code=shown, sent_to=declarant.email)


# ------------------------------------------------------------------------------------------------------ one's own question


@bp.get("/compte/question")
def my_question() -> ResponseReturnValue:
    question.check_offered(http.mag().settings)
    return _my_question(visitor.recent().person, MaQuestion())


def _my_question(person: Declarant, form: MaQuestion, status: int = 200) -> Response:
    alone = not (person.second_factor or person.role.administers)
    kept = SecretQuestion.of(person.id)
    return _page("ma_question", status, form=form, kept=kept, alone=alone, questions=QUESTIONS, own=OWN, csrf=http.csrf_token("question"))


@bp.post("/compte/question")
def set_my_question() -> ResponseReturnValue:
    question.check_offered(http.mag().settings)
    person = visitor.recent().person
    http.check_csrf("question")
    form = MaQuestion.parse(request.form)
    if form.errors or form.answer is None:
        return _my_question(person, form, 422)
    question.choose(means(), person, form.answer, form.text, http.now())
    db.session.commit()
    return visitor.see("/compte/question")


@bp.post("/compte/question/retirer")
def remove_my_question() -> ResponseReturnValue:
    person = visitor.recent().person
    http.check_csrf("question")
    question.remove(http.mag().settings, person, http.now())
    db.session.commit()
    return visitor.see("/compte/question" if http.mag().settings.secret_question else "/")
