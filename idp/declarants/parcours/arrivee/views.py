"""The mail's link makes an inscription final: GET shows, POST acts; then the result, and the receipt to keep (facts 22-24).

In another browser than the one that filled the inscription in, the password chosen is asked for: whoever inscribes somebody
else with a mailbox of theirs and a password of their own gets nobody to confirm it for them.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from flask import Blueprint, Response, current_app, make_response, render_template, request
from flask.typing import ResponseReturnValue

from idp import http, visitor
from idp.authentication.ceremony import Means
from idp.authentication.demande import Demande, seal_demande
from idp.authentication.password_policy import PasswordTooLongError
from idp.authentication.passwords import Stored
from idp.database import db
from idp.declarants import activation
from idp.declarants.controles.models import Controle
from idp.declarants.controles.representants import accord
from idp.declarants.controles.verdict import Verdict
from idp.declarants.cooptation import open_candidacy
from idp.declarants.inscription import HomonymeError
from idp.declarants.models import Declarant
from idp.declarants.parcours import limits, messages, recu
from idp.declarants.parcours.confirmation import InscriptionLinkDeadError, confirmer, draft_of
from idp.declarants.parcours.etapes import MILESTONES, Etape
from idp.declarants.parcours.models import CONFIRM, COOKIE, IDLE, ConditionsAcceptees, Inscription, RecuInscription
from idp.declarants.statuts import Statut
from idp.entreprises.models import Etablissement
from idp.errors import NotFoundError
from idp.habilitations import premiers_droits
from idp.notifications.messages import Message, in_words
from idp.notifications.models import Mail, OneTimeLink
from idp.notifications.pdf import render
from idp.seals import digest, random_token

bp = Blueprint("arrivee", __name__)
CSRF = "inscription"
WRONG = (
    "Ce n'est pas le mot de passe choisi pendant l'inscription. Vérifiez-le, ou ouvrez le lien dans le navigateur où vous l'aviez remplie."
)
BRAKED = "Trop d'essais. Ouvrez le lien dans le navigateur où vous aviez rempli l'inscription, ou recommencez demain."


def _mine() -> Inscription | None:
    """The inscription that this browser holds."""
    return Inscription.held_with(request.cookies.get(COOKIE, ""), http.now())


def _page(template: str, status: int = 200, **known: Any) -> Response:
    known |= {"milestones": [name for name, _ in MILESTONES], "milestone": len(MILESTONES) - 1, "done": len(MILESTONES) - 1}
    return make_response(render_template(f"parcours/{template}.html", etape=Etape.RESULTAT, csrf=http.csrf_token(CSRF), **known), status)


# ------------------------------------------------------------------------------------------------------------- the link


@bp.get("/inscription/confirmer/<token>")
def show(token: str) -> ResponseReturnValue:
    """Spends nothing: mail scanners follow links (C44)."""
    mine = _mine()
    if mine is not None and mine.confirmed_at is not None:
        return visitor.see(Etape.RESULTAT.address)
    draft = draft_of(OneTimeLink.find(CONFIRM, token, http.now()), http.now())
    return _confirmation(draft, token)


def _confirmation(draft: Inscription, token: str, status: int = 200, *, error: str = "", notice: str = "") -> Response:
    mine = _mine()
    card = Etablissement.inscriptible(draft.siret).carte()
    foreign = mine is None or mine.id != draft.id
    return _page("confirmer", status, draft=draft, token=token, card=card, foreign=foreign, error=error, notice=notice)


@bp.post("/inscription/confirmer/<token>")
def confirm(token: str) -> ResponseReturnValue:
    """Once. A form sent twice ends on the same page."""
    http.check_csrf(CSRF)
    now, mine = http.now(), _mine()
    if mine is not None and mine.confirmed_at is not None:
        return visitor.see(Etape.RESULTAT.address)
    draft = draft_of(OneTimeLink.find(CONFIRM, token, now), now)
    foreign = mine is None or mine.id != draft.id
    if foreign and (error := _wrong_password(draft)):
        return _confirmation(draft, token, 422, error=error)
    draft = draft_of(OneTimeLink.spend(CONFIRM, token, now), now, lock=True)
    try:
        declarant = confirmer(draft, now, Verdict(http.mag().settings.first_administrator))
    except HomonymeError as refused:
        db.session.rollback()
        return _confirmation(draft_of(OneTimeLink.find(CONFIRM, token, now), now), token, refused.status, notice=refused.public)
    _settle(draft, declarant)
    reference = random_token() if foreign else ""
    if reference:
        draft.autre_reference_hash = digest(reference)
    db.session.commit()
    response = visitor.see(Etape.RESULTAT.address)
    if reference:
        http.set_cookie(response, COOKIE, reference, max_age=int(IDLE.total_seconds()))
    return response


def _wrong_password(draft: Inscription) -> str:
    """What to say; empty when it is the right one."""
    means: Means = current_app.extensions["mag_means"]
    if not limits.count_try(http.mag().ephemeral, draft.id):
        return BRAKED
    stored = Stored(draft.password_hash or "", draft.pepper_id or "")
    try:
        return "" if means.passwords.verify(stored, request.form.get("password", "")) else WRONG
    except PasswordTooLongError as error:
        return error.public


# ---------------------------------------------------------------------------------------------------------- what follows


def _settle(draft: Inscription, declarant: Declarant | None) -> None:
    """Rights, candidacy, receipt and mail, in the transaction that inscribes."""
    mag, now, card = http.mag(), http.now(), Etablissement.inscriptible(draft.siret).carte()
    issuer = mag.settings.issuer
    if declarant is None:
        message = messages.set_aside(issuer, draft.full_name, card.designation)
        Mail.write("inscription_ecartee", draft.email or "", message, now)
        return
    opens = {}
    if declarant.statut is Statut.ACTIF:
        opens = {one.code: int(one.opens_at.timestamp()) for one in premiers_droits.ouvrir(declarant, mag.catalogue(), now)}
    elif declarant.statut is Statut.CANDIDAT:
        open_candidacy(declarant, now, issuer=issuer)
    else:
        accord.ask_known(mag.settings, mag.keyring, Controle.of(declarant.id)[0], declarant, now)
    known = mag.catalogue().services
    services = [
        {"code": code, "libelle": known[code].libelle, "opens_at": opens.get(code)} for code in draft.services or [] if code in known
    ]
    accepted = ConditionsAcceptees.latest(declarant.id)
    if accepted is None or draft.profil is None or draft.secteur is None:
        raise InscriptionLinkDeadError("incomplete")
    what = recu.claims(issuer, declarant, card, accepted, (draft.profil, draft.secteur), services, now)
    kept = RecuInscription.keep(declarant.id, what, recu.sign(mag.keyring, what), now)
    Mail.write("inscription_recu", declarant.email or "", _proof(declarant, kept), now, declarant.id)


def _proof(declarant: Declarant, kept: RecuInscription) -> Message:
    issuer, name, facts = http.mag().settings.issuer, declarant.full_name, recu.facts(kept.claims)
    if declarant.statut is Statut.ACTIF:
        return messages.inscribed(issuer, name, facts, kept.jws)
    until = declarant.expires_at or http.now()
    if declarant.statut is Statut.CANDIDAT:
        return messages.candidate(issuer, name, facts, kept.jws, until)
    return messages.awaiting_review(issuer, name, facts, kept.jws, until, by_post=activation.by_post(declarant))


# ---------------------------------------------------------------------------------------------------- result and receipt


@bp.get("/inscription/resultat")
def result() -> ResponseReturnValue:
    """What became of it, and what comes next; the person may have been decided upon since."""
    draft = _mine()
    if draft is None or draft.confirmed_at is None:
        return visitor.see("/inscription")
    declarant = db.session.get(Declarant, draft.declarant_id) if draft.declarant_id else None
    kept = RecuInscription.of(declarant.id) if declarant else None
    known: dict[str, Any] = {
        "issue": declarant.statut if declarant else draft.issue,
        "until": in_words(declarant.expires_at) if declarant and declarant.expires_at else "",
        "by_post": declarant is not None and activation.by_post(declarant),
        "facts": recu.facts(kept.claims) if kept else [],
        "openings": recu.openings(kept.claims) if kept else [],
    }
    asker = _asker(draft)
    return _page("resultat", draft=draft, declarant=declarant, asker=asker, onward=_onward(asker), **known)


def _asker(draft: Inscription) -> Demande | None:
    """The partner that sent the person, should this be the browser that it sent (C38)."""
    if not draft.demande or draft.navigateur != digest(http.binding()):
        return None
    return Demande.load(draft.demande.encode())


def _onward(asker: Demande | None) -> str:
    """The sign-in, which goes back to that partner: its request, asked anew."""
    if asker is None:
        return http.path("/connexion")
    mag = http.mag()
    again = replace(asker, asked_at=int(http.now().timestamp()), create=False)
    token = seal_demande(mag.ephemeral, mag.keyring, again, http.binding(), mag.settings.demande_lifetime)
    return f"{http.path('/connexion')}?demande={token}"


@bp.get("/inscription/recu.pdf")
def receipt() -> ResponseReturnValue:
    """The receipt, to print."""
    kept = _receipt()
    return _file(
        render(recu.paper(kept.claims, kept.jws), kept.created_at), "application/pdf", f"inscription-mag-{kept.claims['siret']}.pdf"
    )


@bp.get("/inscription/recu.jws")
def signed_receipt() -> ResponseReturnValue:
    """The receipt as MAG signed it."""
    kept = _receipt()
    return _file(kept.jws.encode(), "application/jose", f"inscription-mag-{kept.claims['siret']}.jws")


def _receipt() -> RecuInscription:
    """Of whoever just finished here, or of whoever is signed in. Raises NotFoundError."""
    draft, someone = _mine(), visitor.current()
    declarant_id = draft.declarant_id if draft is not None and draft.confirmed_at is not None else None
    if declarant_id is None and someone is not None:
        declarant_id = someone.person.id
    kept = RecuInscription.of(declarant_id) if declarant_id is not None else None
    if kept is None:
        raise NotFoundError("no receipt here")
    return kept


def _file(content: bytes, kind: str, name: str) -> Response:
    headers: Mapping[str, str] = {"Content-Type": kind, "Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, headers=headers)
