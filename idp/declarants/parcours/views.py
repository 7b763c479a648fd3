"""The inscription of a company, page by page: each one parses, keeps what was typed, and leads to the next (facts 12-26).

A draft belongs to the browser that holds its reference; a page that is not open yet leads to the one that is (C43). Once the
mail is asked for, `arrivee/views.py` goes on.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NoReturn
from urllib.parse import urlsplit

from flask import Blueprint, Response, current_app, make_response, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import HTTPException

from idp import http
from idp.audit import journal
from idp.authentication.ceremony import Means
from idp.authentication.demande import Demande, open_demande
from idp.authentication.new_password import NewPassword
from idp.authentication.password_policy import in_force as policy_in_force
from idp.authentication.password_policy import own_words
from idp.authentication.throttle import Attempt
from idp.database import db
from idp.declarants.models import Declarant
from idp.declarants.parcours import conditions, limits, messages
from idp.declarants.parcours.confirmation import InscriptionLinkDeadError, warn
from idp.declarants.parcours.etapes import MILESTONES, Etape, may_open, milestone, reached
from idp.declarants.parcours.events import (
    InscriptionAbandoned,
    InscriptionBraked,
    InscriptionDuplicated,
    InscriptionStarted,
    InscriptionSubmitted,
)
from idp.declarants.parcours.forms import Activite, Adresse, Coordonnees, Depart, chosen_services
from idp.declarants.parcours.limits import TooManyInscriptionsError, TooManyMailsError
from idp.declarants.parcours.models import CONFIRM, COOKIE, IDLE, LINK_LIFE, RESUME, Inscription
from idp.declarants.parcours.relais import mots
from idp.declarants.parcours.telephones import region_of
from idp.declarants.preuves.models import Offre, Preuve
from idp.declarants.profils import Profil, Secteur
from idp.entreprises.models import Carte, ClosedSiretError, Entreprise, Etablissement, UnknownSiretError
from idp.entreprises.siret import Siret
from idp.errors import MagError, NotFoundError, RefusedError
from idp.habilitations import premiers_droits
from idp.notifications.messages import MONTHS
from idp.notifications.models import Mail, OneTimeLink
from idp.seals import digest, random_token
from idp.visitor import see

bp = Blueprint("parcours", __name__, template_folder="templates")
CSRF = "inscription"


# ------------------------------------------------------------------------------------------------------- whose draft it is


def _means() -> Means:
    return current_app.extensions["mag_means"]  # type: ignore[no-any-return]  # Flask's extension dict is untyped


def _draft() -> Inscription | None:
    """The inscription that this browser holds."""
    return Inscription.held_with(request.cookies.get(COOKIE, ""), http.now())


def _version() -> str:
    return conditions.in_force(http.now()).version


def _leave(address: str) -> NoReturn:
    raise HTTPException(response=see(address))


def _at(etape: Etape) -> Inscription:
    """The draft, on a page that is open to it; leaves for the right page otherwise."""
    draft = _draft()
    if draft is None:
        _leave("/inscription")
    if not may_open(etape, draft, _version()):
        _leave(reached(draft, _version()).address)
    return draft


def _posted(etape: Etape) -> Inscription:
    """The same for a form: its draft lives on. A form of a page that is not open does nothing."""
    http.way_back(http.path(etape.address))
    http.check_csrf(CSRF)
    draft = _at(etape)
    draft.touch(http.now())
    return draft


def _onward(draft: Inscription) -> Response:
    """Commit, and go on with the first page that is not done."""
    next_page = reached(draft, _version())
    db.session.commit()
    return see(next_page.address)


def _page(template: str, etape: Etape, draft: Inscription | None, status: int = 200, **known: Any) -> Response:
    """A page of the journey, with what its top shows."""
    here = None if draft is None else reached(draft, _version())
    page = render_template(
        f"parcours/{template}.html",
        etape=etape,
        draft=draft,
        milestones=[name for name, _ in MILESTONES],
        milestone=milestone(etape),
        done=milestone(here) if here else 0,
        csrf=http.csrf_token(CSRF),
        **known,
    )
    return make_response(page, status)


def _card(siret: Siret) -> Carte:
    """Raises UnknownSiretError, ClosedSiretError."""
    return Etablissement.inscriptible(siret).carte()


def _is_head_office(siret: Siret) -> bool:
    company = Entreprise.find(siret.siren)
    return company is None or company.siege in (None, siret)


@bp.app_template_filter("jour")
def jour(day: Any) -> str:
    """`21 novembre 2026`."""
    return f"{'1er' if day.day == 1 else day.day} {MONTHS[day.month - 1]} {day.year}"


# ------------------------------------------------------------------------------------------------------------ the departure


@bp.get("/inscription")
def depart() -> ResponseReturnValue:
    """Which establishment; and the inscription in progress, if there is one."""
    token = request.args.get("demande", "")
    asker = _asker(token)
    hint = Depart.parse(MultiDict({"siret": asker.siret_hint})) if asker and asker.siret_hint else Depart()
    return _depart(replace(hint, errors={}), token)


def _depart(form: Depart, token: str, status: int = 200, *, refused: MagError | None = None) -> Response:
    draft, asker = _draft(), _asker(token)
    if asker is not None and asker.client_logo:
        logo = urlsplit(asker.client_logo)
        http.page_policy(image=f"{logo.scheme}://{logo.netloc}")
    open_draft = draft if draft is not None and draft.confirmed_at is None else None
    return _page("depart", Etape.ETABLISSEMENT, None, status, form=form, token=token, asker=asker, open_draft=open_draft, refused=refused)


def _asker(token: str) -> Demande | None:
    """The partner that sent the person here; None when it is too late to come back to it."""
    if not token:
        return None
    mag = http.mag()
    try:
        return open_demande(mag.ephemeral, mag.keyring, token, http.binding(), http.now(), mag.settings.demande_lifetime)
    except RefusedError:
        return None


@bp.post("/inscription")
def begin() -> ResponseReturnValue:
    """A SIRET: known, open, and not asked for too often. Another SIRET in an inscription begun keeps the rest."""
    token = request.form.get("demande", "")
    http.way_back(http.path("/inscription"))
    http.check_csrf(CSRF)
    asker, draft = _asker(token), _draft()
    if draft is not None and draft.confirmed_at is not None:
        draft = None
    if draft is not None and "reprendre" in request.form:
        return _resumed(draft, asker)
    form = Depart.parse(request.form)
    if form.number is None:
        return _depart(form, token, 422)
    _count_start(form.number)
    try:
        Etablissement.inscriptible(form.number)
    except (UnknownSiretError, ClosedSiretError) as error:
        return _depart(form, token, error.status, refused=error)
    return _begun(draft, form.number, asker)


def _resumed(draft: Inscription, asker: Demande | None) -> Response:
    _remember(draft, asker)
    draft.touch(http.now())
    return _onward(draft)


def _begun(draft: Inscription | None, siret: Siret, asker: Demande | None) -> Response:
    now, reference = http.now(), ""
    if draft is None:
        reference = random_token()
        draft = Inscription.begin(digest(reference), siret, now)
        journal.record(InscriptionStarted(siret=int(siret)), now)
    elif draft.siret != siret:
        draft.siret, draft.etablissement_at = siret, None
        draft.password_hash = draft.pepper_id = draft.submitted_at = None
    _remember(draft, asker)
    draft.touch(now)
    db.session.commit()
    response = see(Etape.ETABLISSEMENT.address)
    if reference:
        http.set_cookie(response, COOKIE, reference, max_age=int(IDLE.total_seconds()))
    return response


def _remember(draft: Inscription, asker: Demande | None) -> None:
    """Where the person comes from, and from which browser: it alone goes back there (C38)."""
    if asker is not None:
        draft.demande, draft.navigateur = asker.dump().decode(), digest(http.binding())


def _count_start(siret: Siret) -> None:
    """Raises TooManyInscriptionsError."""
    try:
        limits.count_start(http.mag().ephemeral, Attempt("", http.client_address()).blocks, str(siret))
    except TooManyInscriptionsError as error:
        _braked(error)


def _braked(error: TooManyInscriptionsError | TooManyMailsError) -> NoReturn:
    journal.record(InscriptionBraked(layer=str(error).partition(":")[0]), http.now())
    db.session.commit()
    raise error


# --------------------------------------------------------------------------------------------------- the establishment's card


@bp.get("/inscription/etablissement")
def etablissement() -> ResponseReturnValue:
    """Fact 14: what the directory says, read-only. Fact 26: that an administrator exists, and nothing of who."""
    draft = _at(Etape.ETABLISSEMENT)
    card = _card(draft.siret)
    said: dict[str, Any] = {"faux": mots.FAUX, "contested": "fait" in request.args, "csrf_relais": http.csrf_token("relais")}
    return _page("etablissement", Etape.ETABLISSEMENT, draft, card=card, administered=Declarant.is_administered(draft.siret), **said)


@bp.post("/inscription/etablissement")
def confirm_etablissement() -> ResponseReturnValue:
    """It is theirs."""
    draft = _posted(Etape.ETABLISSEMENT)
    _card(draft.siret)
    draft.etablissement_at = draft.etablissement_at or http.now()
    return _onward(draft) if request.form.get("accord") == "oui" else see(Etape.ETABLISSEMENT.address)


# ------------------------------------------------------------------------------------------------------------- the person


@bp.get("/inscription/identite")
def identite() -> ResponseReturnValue:
    """Fact 12."""
    draft = _at(Etape.IDENTITE)
    return _page("identite", Etape.IDENTITE, draft, form=Coordonnees.of(draft))


@bp.post("/inscription/identite")
def keep_identite() -> ResponseReturnValue:
    """Says nothing of who is inscribed already: neither the name nor the address is looked up here."""
    draft = _posted(Etape.IDENTITE)
    place = Etablissement.find(draft.siret)
    form = Coordonnees.parse(request.form, draft.siret, region_of(place.code_postal if place else None))
    if form.errors:
        db.session.rollback()
        return _page("identite", Etape.IDENTITE, _draft(), 422, form=form)
    if draft.password_hash is not None and (draft.nom, draft.prenom) != (form.nom, form.prenom):
        draft.password_hash = draft.pepper_id = None
    draft.nom, draft.prenom, draft.email = form.nom, form.prenom, form.email
    draft.telephone, draft.mobile = form.telephone, form.mobile or None
    return _onward(draft)


# ---------------------------------------------------------------------------------------------------------- terms of use


@bp.get("/inscription/conditions")
def terms() -> ResponseReturnValue:
    draft = _at(Etape.CONDITIONS)
    return _page("conditions", Etape.CONDITIONS, draft, conditions=conditions.in_force(http.now()), changed=False)


@bp.post("/inscription/conditions")
def keep_terms() -> ResponseReturnValue:
    """Fact 13: agreed to, with the digest of what was read; a refusal stops here. Fact 15: information only for who asks."""
    draft, current = _posted(Etape.CONDITIONS), conditions.in_force(http.now())
    answer = request.form.get("accord", "")
    if answer == "non":
        db.session.rollback()
        return _page("refus_conditions", Etape.CONDITIONS, _draft())
    if answer != "oui" or request.form.get("version") != current.version:
        db.session.rollback()
        return _page("conditions", Etape.CONDITIONS, _draft(), 422, conditions=current, changed=answer == "oui")
    draft.conditions_version, draft.conditions_sha256, draft.conditions_at = current.version, current.sha256, http.now()
    draft.information = request.form.get("information") == "oui"
    return _onward(draft)


@bp.post("/inscription/abandonner")
def abandon() -> ResponseReturnValue:
    """What was typed is deleted at once."""
    http.check_csrf(CSRF)
    draft = _draft()
    if draft is not None and draft.confirmed_at is None:
        reason = "conditions" if request.form.get("motif") == "conditions" else "abandon"
        journal.record(InscriptionAbandoned(siret=int(draft.siret), reason=reason), http.now())
        db.session.delete(draft)
        db.session.commit()
    response = make_response(render_template("parcours/abandon.html"))
    http.set_cookie(response, COOKIE, "", max_age=0)
    return response


@bp.get("/conditions")
def read_terms() -> ResponseReturnValue:
    """The terms in force, for anybody."""
    return render_template("parcours/lecture.html", conditions=conditions.in_force(http.now()))


@bp.get("/conditions/<version>.txt")
def download_terms(version: str) -> ResponseReturnValue:
    """The very bytes whose digest is kept with each agreement."""
    found = conditions.find(version)
    if found is None:
        raise NotFoundError(f"terms {version[:20]}")
    response = make_response(found.text.encode("utf-8"))
    response.headers["Content-Type"] = "text/plain; charset=utf-8"
    response.headers["Content-Disposition"] = f'attachment; filename="conditions-mag-{found.version}.txt"'
    return response


# ------------------------------------------------------------------------------------------------------ profile and services


@bp.get("/inscription/profil")
def profil() -> ResponseReturnValue:
    draft = _at(Etape.PROFIL)
    return _profil(draft, Activite(draft.profil, draft.secteur))


def _profil(draft: Inscription | None, form: Activite, status: int = 200) -> Response:
    return _page("profil", Etape.PROFIL, draft, status, form=form, profils=list(Profil), secteurs=list(Secteur))


@bp.post("/inscription/profil")
def keep_profil() -> ResponseReturnValue:
    """Fact 6. Services chosen before stay chosen."""
    draft, form = _posted(Etape.PROFIL), Activite.parse(request.form)
    if form.errors:
        db.session.rollback()
        return _profil(_draft(), form, 422)
    changes = draft.profil != form.profil
    draft.profil, draft.secteur = form.profil, form.secteur
    if changes and draft.services is not None:
        db.session.commit()
        return see(Etape.SERVICES.address)
    return _onward(draft)


@bp.get("/inscription/services")
def services() -> ResponseReturnValue:
    """Fact 19: proposed by profile, ticked until the person says otherwise; the others are there too."""
    draft = _at(Etape.SERVICES)
    head_office, catalogue = _is_head_office(draft.siret), http.mag().catalogue()
    every = premiers_droits.offered(catalogue, head_office=head_office)
    codes = premiers_droits.proposed(catalogue, draft.profil, head_office=head_office) if draft.profil else []
    return _page(
        "services",
        Etape.SERVICES,
        draft,
        proposed=[service for service in every if service.code in codes],
        others=[service for service in every if service.code not in codes],
        ticked=codes if draft.services is None else draft.services,
    )


@bp.post("/inscription/services")
def keep_services() -> ResponseReturnValue:
    """None at all is an answer: an administrator need not declare."""
    draft = _posted(Etape.SERVICES)
    if request.form.get("accord") != "oui":
        return see(Etape.SERVICES.address)
    every = premiers_droits.offered(http.mag().catalogue(), head_office=_is_head_office(draft.siret))
    draft.services = chosen_services(request.form, [service.code for service in every])
    return _onward(draft)


# ------------------------------------------------------------------------------------------------------------- password


@bp.get("/inscription/mot-de-passe")
def password() -> ResponseReturnValue:
    return _password(_at(Etape.MOT_DE_PASSE), NewPassword(policy=policy_in_force(http.mag().settings)))


def _password(draft: Inscription, form: NewPassword, status: int = 200) -> Response:
    identifiant = f"{draft.siret}|{draft.nom}|{draft.prenom}"
    return _page("mot_de_passe", Etape.MOT_DE_PASSE, draft, status, form=form, identifiant=identifiant)


@bp.post("/inscription/mot-de-passe")
def keep_password() -> ResponseReturnValue:
    """Only the hash is kept. Already chosen, an empty form keeps it."""
    draft = _posted(Etape.MOT_DE_PASSE)
    if draft.password_hash is not None and "garder" in request.form:
        return _onward(draft)
    card, settings = _card(draft.siret), http.mag().settings
    own = own_words(draft.siret, draft.nom or "", draft.prenom or "", card.nom)
    form = NewPassword.parse(request.form, policy_in_force(settings), own)
    if form.errors:
        return _password(draft, form, 422)
    stored = _means().passwords.hash(form.password)
    draft.password_hash, draft.pepper_id = stored.hash, stored.pepper_id
    return _onward(draft)


# -------------------------------------------------------------------------------------------------------- recap, and the mail


@bp.get("/inscription/recapitulatif")
def recap() -> ResponseReturnValue:
    draft = _at(Etape.RECAPITULATIF)
    card, administered = _card(draft.siret), Declarant.is_administered(draft.siret)
    proofs, offers = Preuve.of_draft(draft.id, draft.identite, http.now()), _offers()
    http.page_policy(form_action=" ".join(dict.fromkeys(offer.origine for offer in offers)))
    known: dict[str, Any] = {"card": card, "administered": administered, "services": _chosen(draft), "proofs": proofs, "offers": offers}
    known |= {"proved": request.args.get("preuve", ""), "leaving": request.args.get("sortie", "")}
    return _page("recapitulatif", Etape.RECAPITULATIF, draft, **known)


def _offers() -> list[Offre]:
    """Providers of identity that may prove somebody here; `wsgi.py` says who knows them."""
    offered: Callable[[str], list[Offre]] = current_app.extensions["mag_offres"]
    return offered("inscription")


def _chosen(draft: Inscription) -> list[Any]:
    known = http.mag().catalogue().services
    return [known[code] for code in draft.services or [] if code in known]


@bp.post("/inscription/recapitulatif")
def submit() -> ResponseReturnValue:
    """Everything is right: a mail leaves. Asked twice, it leaves once."""
    http.way_back(http.path(Etape.RECAPITULATIF.address))
    http.check_csrf(CSRF)
    draft = _at(Etape.RECAPITULATIF)
    _card(draft.siret)
    if reached(draft, _version()) is not Etape.RECAPITULATIF:
        _leave(reached(draft, _version()).address)
    _count_mail(draft, draft.email or "")
    if draft.submit(http.now()):
        _send(draft)
    return _onward(draft)


def _count_mail(draft: Inscription, address: str) -> None:
    """Raises TooManyMailsError."""
    try:
        limits.check_draft(draft.mails)
        limits.count_mail(http.mag().ephemeral, http.mag().keyring, address)
    except TooManyMailsError as error:
        _braked(error)


def _send(draft: Inscription) -> None:
    """The mail that confirms. When this identity exists, its own address alone is told so: a stranger's mailbox learns nothing.

    The same statements in every case, so that a stranger's clock learns nothing either (C34).
    """
    now, issuer, card = http.now(), http.mag().settings.issuer, _card(draft.siret)
    place, email, data = card.designation, draft.email or "", {"inscription": draft.id}
    draft.mails += 1
    known = Declarant.namesakes(draft.identite)
    theirs, bearer = any(one.writes_from(email) for one in known), next((one for one in known if not one.is_namesake), None)
    warn(None if theirs else bearer, messages.attempted(issuer, (bearer or draft).full_name, place, now), now)
    journal.record((InscriptionDuplicated if known else InscriptionSubmitted)(siret=int(draft.siret)), now)
    if theirs:
        token = OneTimeLink.issue(RESUME, now, IDLE, address=email, data=data)
        message = messages.exists(issuer, token, draft.full_name, place)
    else:
        token = OneTimeLink.issue(CONFIRM, now, LINK_LIFE, address=email, data=data | {"at": draft.stamp})
        message = messages.confirm(issuer, token, draft.full_name, place, now + LINK_LIFE)
    Mail.write("inscription", email, message, now)


@bp.get("/inscription/courriel")
def mailbox() -> ResponseReturnValue:
    """Look into your mailbox; the same page whether the identity exists or not."""
    draft = _at(Etape.COURRIEL)
    return _page("courriel", Etape.COURRIEL, draft, form=Adresse(), resent=request.args.get("envoi", ""))


@bp.post("/inscription/courriel")
def resend() -> ResponseReturnValue:
    """The mail again, or to another address; limited either way."""
    draft = _posted(Etape.COURRIEL)
    if "adresse" not in request.form:
        return _sent_again(draft, draft.email or "", "encore")
    form = Adresse.parse(request.form)
    if form.errors:
        db.session.rollback()
        return _page("courriel", Etape.COURRIEL, _draft(), 422, form=form, resent="")
    return _sent_again(draft, form.checked, "adresse")


def _sent_again(draft: Inscription, address: str, said: str) -> Response:
    """The store counts before anything is flushed; a new address makes the links of the old one worthless."""
    with db.session.no_autoflush:
        _count_mail(draft, address)
    draft.email = address
    _send(draft)
    db.session.commit()
    return see(Etape.COURRIEL.address, envoi=said)


@bp.post("/inscription/modifier")
def reopen() -> ResponseReturnValue:
    """Back to the recap, before the mail is confirmed."""
    draft = _posted(Etape.COURRIEL)
    draft.submitted_at = None
    return _onward(draft)


# --------------------------------------------------------------------------------------------------------- leave and resume


LATER, LATER_AGAIN = "plus_tard", 120
"""A form sent twice within so many seconds sends one mail (C82), unless its link was used."""


def _later_key(draft: Inscription) -> str:
    return digest(f"{draft.id}|{draft.email}")


@bp.post("/inscription/plus-tard")
def later() -> ResponseReturnValue:
    """A mail with the way back, for whoever goes on elsewhere."""
    http.check_csrf(CSRF)
    draft = _draft()
    if draft is None or draft.email is None or draft.confirmed_at is not None:
        _leave("/inscription")
    mag, now = http.mag(), http.now()
    if not mag.ephemeral.add(LATER, _later_key(draft), LATER_AGAIN, made_at=now.timestamp()):
        return _page("plus_tard", reached(draft, _version()), draft)
    _count_mail(draft, draft.email)
    issuer = mag.settings.issuer
    draft.touch(now)
    token = OneTimeLink.issue(RESUME, now, IDLE, address=draft.email, data={"inscription": draft.id})
    draft.mails += 1
    message = messages.resume(issuer, token, draft.full_name, _card(draft.siret).designation, now + IDLE)
    Mail.write("inscription", draft.email, message, now)
    db.session.commit()
    return _page("plus_tard", reached(draft, _version()), draft)


@bp.get("/inscription/reprendre/<token>")
def show_resume(token: str) -> ResponseReturnValue:
    """Spends nothing: mail scanners follow links (C44)."""
    _resumable(OneTimeLink.find(RESUME, token, http.now()))
    return render_template("parcours/reprendre.html", token=token, csrf=http.csrf_token(CSRF))


@bp.post("/inscription/reprendre/<token>")
def resume(token: str) -> ResponseReturnValue:
    """The draft moves to this browser: the one before holds nothing any more, not even the password that it chose."""
    http.check_csrf(CSRF)
    mine, found = _draft(), _resumable(OneTimeLink.find(RESUME, token, http.now()))
    http.mag().ephemeral.delete(LATER, _later_key(found))
    draft = _resumable(OneTimeLink.spend(RESUME, token, http.now()))
    if mine is None or mine.id != draft.id:
        draft.password_hash = draft.pepper_id = None
    reference = random_token()
    draft.reference_hash, draft.autre_reference_hash = digest(reference), None
    draft.submitted_at = None
    draft.touch(http.now())
    response = _onward(draft)
    http.set_cookie(response, COOKIE, reference, max_age=int(IDLE.total_seconds()))
    return response


def _resumable(link: OneTimeLink | None) -> Inscription:
    draft = Inscription.locked(int(link.data["inscription"]), http.now()) if link else None
    if link is None or draft is None or draft.confirmed_at is not None or draft.email != link.address:
        raise InscriptionLinkDeadError("resume")
    return draft
