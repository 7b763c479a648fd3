"""A provider proves somebody: during an inscription, or of an account that exists. The names must be the same; nothing else opens.

« Mon compte » shows proofs with their dates, takes them away, and links an account elsewhere as a way in, once the password was typed.
"""

from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, current_app, make_response, redirect, render_template, request
from flask.typing import ResponseReturnValue

from idp import http, visitor
from idp.arrival import Asked, proceed
from idp.arrival import see as go
from idp.audit import journal
from idp.audit.events import ConnexionRefused
from idp.authentication.entree import Entree
from idp.authentication.levels import FEDERATED
from idp.authentication.session import Birth
from idp.database import db
from idp.declarants.identite import Identite
from idp.declarants.models import Declarant
from idp.declarants.parcours import conditions
from idp.declarants.parcours.etapes import Etape, may_open
from idp.declarants.parcours.models import COOKIE, Inscription
from idp.declarants.preuves import messages
from idp.declarants.preuves.events import ConnexionLinked, PreuveKept, PreuveRefused, PreuveRemoved
from idp.declarants.preuves.models import Preuve
from idp.declarants.statuts import Statut
from idp.errors import NotFoundError
from idp.notifications.messages import day_in_words
from idp.notifications.models import Mail
from idp.visitor import Visitor, see
from partners.amont import confrontation, departs, relying, sortie
from partners.amont.departs import at_least
from partners.amont.models import Fournisseur
from partners.amont.offres import Offres
from partners.amont.profils import CERTIFICATION_DIRIGEANT
from partners.amont.refus import ArriveeInconnueError, CompteNonRelieError, FournisseurInconnuError, NiveauError
from partners.amont.relying import Amont

bp = Blueprint("amont_preuves", __name__, template_folder="../templates")
AT_INSCRIPTION, IN_ACCOUNT = "inscription", "niveau"
"""Purposes, and the usages that a provider must serve."""


def _amont() -> Amont:
    return current_app.extensions["mag_amont"]  # type: ignore[no-any-return]  # Flask's extension dict is untyped


def _offers(usage: str) -> list[Any]:
    offres: Offres = current_app.extensions["mag_offres"]
    return offres(usage)


def _chosen(code: str, usage: str) -> Fournisseur:
    """Raises FournisseurInconnuError, TropDePassagesError."""
    return departs.chosen(http.mag().ephemeral, http.client_address(), code, usage)


def _leave(fournisseur: Fournisseur, purpose: str, *, back: str, bound: str, **asked: Any) -> Response:
    address = relying.start(_amont(), fournisseur, purpose, browser=http.binding(), back=back, bound=bound, now=http.now(), **asked)
    return redirect(address, 303)  # type: ignore[return-value]  # werkzeug's response, which Flask takes


def _arrived(purpose: str, bound: str) -> tuple[relying.Arrived, Fournisseur]:
    """Raises ArriveeInconnueError, FournisseurInconnuError."""
    arrived = relying.take(_amont(), request.args["arrivee"], purpose, browser=http.binding())
    if arrived.bound != bound:
        raise ArriveeInconnueError("kept for somebody else")
    return arrived, departs.still(arrived)


# ------------------------------------------------------------------------------------------------------------- inscription


def _draft() -> Inscription:
    """Of this browser, at its recap. Raises NotFoundError."""
    found = Inscription.held_with(request.cookies.get(COOKIE, ""), http.now())
    if found is None or not may_open(Etape.RECAPITULATIF, found, conditions.in_force(http.now()).version):
        raise NotFoundError("no inscription at its recap")
    return found


@bp.post("/amont/inscription")
def prove_draft() -> ResponseReturnValue:
    """To the provider; it comes back to the recap."""
    http.way_back(http.path(Etape.RECAPITULATIF.address))
    http.check_csrf("inscription")
    draft, leads = _draft(), request.form.get("dirigeant", "")
    fournisseur = _chosen(leads or request.form.get("fournisseur", ""), AT_INSCRIPTION)
    level = (CERTIFICATION_DIRIGEANT,) if leads and CERTIFICATION_DIRIGEANT in fournisseur.profile.levels else at_least(fournisseur)
    return _leave(fournisseur, AT_INSCRIPTION, back="/amont/inscription", bound=f"inscription:{draft.id}", acr_values=level)


@bp.get("/amont/inscription")
def draft_proved() -> ResponseReturnValue:
    """Back: the names typed against those that were proved."""
    http.way_back(http.path(Etape.RECAPITULATIF.address))
    if "arrivee" not in request.args:
        return see(Etape.RECAPITULATIF.address)
    draft = _draft()
    arrived, fournisseur = _arrived(AT_INSCRIPTION, f"inscription:{draft.id}")
    proof = confrontation.preuve_of(_amont().seals, fournisseur, arrived, draft.identite, http.now())
    if proof is not None:
        proof.inscription_id = draft.id
        Preuve.keep(proof)
        draft.touch(http.now())
    _tell_journal(proof, fournisseur, {"siret": int(draft.siret)})
    db.session.commit()
    query = urlencode({"preuve": "faite" if proof else "autre", "sortie": _exit(arrived)})
    return go(f"{http.path(Etape.RECAPITULATIF.address)}?{query}#preuve")


def _exit(arrived: relying.Arrived) -> str:
    return relying.keep_exit(_amont(), arrived, browser=http.binding())


def _tell_journal(proof: Preuve | None, fournisseur: Fournisseur, whom: dict[str, int]) -> None:
    if proof is None:
        journal.record(PreuveRefused(fournisseur=fournisseur.code, declarant_id=whom.get("declarant_id"), siret=whom["siret"]), http.now())
        return
    known = {"niveau": proof.niveau, "dirigeant": proof.dirigeant, "declarant_id": whom.get("declarant_id"), "siret": whom["siret"]}
    journal.record(PreuveKept(fournisseur=fournisseur.code, **known), http.now())  # type: ignore[arg-type]  # each of its own type


# -------------------------------------------------------------------------------------------------------------- Mon compte

HOME = "/compte/preuves"
SAID = {
    "faite": "Votre identité est confirmée, et un courrier vous le dit.",
    "autre": "L'identité reçue n'est pas la vôtre : le nom ou le prénom diffère. Rien n'a été enregistré.",
    "retiree": "La preuve est retirée de votre compte.",
    "reliee": "Vous pouvez désormais vous connecter avec ce compte.",
    "deliee": "Ce compte ne vous connecte plus à MAG.",
    "prise": "Ce compte connecte déjà une autre identité de MAG. Déliez-le là-bas avant de le relier ici.",
}


def _purpose(found: Visitor) -> str:
    return f"preuves|{found.session.sid}"


@bp.get(HOME)
def proofs() -> ResponseReturnValue:
    """What was proved, by whom, until when."""
    found = visitor.required()
    if "arrivee" in request.args:
        return _proved(found)
    offers = _offers(IN_ACCOUNT)
    http.page_policy(form_action=" ".join(dict.fromkeys(offer.origine for offer in offers)))
    connecting = {offer.code for offer in _offers("connexion")}
    return render_template(
        "amont/preuves.html",
        proofs=[_shown(one, one.fournisseur in connecting) for one in Preuve.of(found.person.id)],
        offers=offers,
        said=SAID.get(request.args.get("fait", ""), ""),
        wrong=request.args.get("fait", "") in ("autre", "prise"),
        csrf=http.csrf_token(_purpose(found)),
        leaving=request.args.get("sortie", ""),
    )


def _shown(one: Preuve, may_connect: bool) -> dict[str, Any]:
    return {
        "id": one.id,
        "nom": one.nom,
        "depuis": day_in_words(one.proved_at),
        "jusque": day_in_words(one.expires_at),
        "vit": one.lives(http.now()),
        "dirigeant": one.dirigeant,
        "entreprise": one.siret is not None,
        "relie": one.connexion_at is not None,
        "peut_relier": may_connect,
    }


def _proved(found: Visitor) -> ResponseReturnValue:
    """Back from the provider, for whoever went there. Raises ArriveeInconnueError."""
    http.way_back(http.path(HOME))
    person, now = found.person, http.now()
    arrived, fournisseur = _arrived(IN_ACCOUNT, person.uid)
    sortie.remember(_amont(), fournisseur, arrived, browser=http.binding())
    proof = confrontation.preuve_of(_amont().seals, fournisseur, arrived, Identite(person.siret, person.nom, person.prenom), now)
    if proof is not None:
        proof.declarant_id = person.id
        Preuve.keep(proof)
        if person.email:
            message = messages.proved(http.mag().settings.issuer, person.full_name, fournisseur.nom, now, proof.expires_at)
            Mail.write("preuve", person.email, message, now, person.id)
    _tell_journal(proof, fournisseur, {"declarant_id": person.id, "siret": int(person.siret)})
    db.session.commit()
    return see(HOME, fait="faite" if proof else "autre", sortie=_exit(arrived))


@bp.post(HOME)
def act() -> ResponseReturnValue:
    """One of: prove, take away, link as a way in, unlink. A proof may recover a lost password: no partner's word adds one."""
    found = visitor.own(back=HOME)
    http.way_back(http.path(HOME))
    http.check_csrf(_purpose(found))
    if "fournisseur" in request.form:
        chosen = _chosen(request.form["fournisseur"], IN_ACCOUNT)
        return _leave(chosen, IN_ACCOUNT, back=HOME, bound=found.person.uid, acr_values=at_least(chosen))
    for action, does in (("retirer", _remove), ("relier", _link), ("delier", _unlink)):
        if action in request.form:
            return does(_own(found, request.form[action]), found)
    raise NotFoundError("no act")


def _own(found: Visitor, given: str) -> Preuve:
    """Raises NotFoundError, of somebody else's too."""
    proof = Preuve.numbered(int(given), found.person.id) if given.isascii() and given.isdecimal() and len(given) < 10 else None
    if proof is None:
        raise NotFoundError(f"proof {given[:20]}")
    return proof


def _remove(proof: Preuve, found: Visitor) -> Response:
    event = PreuveRemoved(fournisseur=proof.fournisseur, declarant_id=found.person.id, siret=int(found.person.siret))
    _told(found, messages.removed, proof)
    db.session.delete(proof)
    return _done(event, "retiree")


def _link(proof: Preuve, found: Visitor) -> Response:
    """The password was typed less than five minutes ago, here: an account elsewhere never opens the door to another one."""
    found = visitor.recent(back=HOME)
    if "pwd" not in found.session.amr:
        return visitor.to_sign_in(found, back=HOME)
    fournisseur = Fournisseur.named(proof.fournisseur)
    if fournisseur is None or not fournisseur.serves("connexion") or not proof.lives(http.now()):
        raise FournisseurInconnuError(f"{proof.fournisseur} signs nobody in")
    if proof.connexion_at is None:
        if not proof.link(http.now()):
            return see(HOME, fait="prise")
        _told(found, messages.linked, proof)
    event = ConnexionLinked(fournisseur=proof.fournisseur, linked=True, declarant_id=found.person.id, siret=int(found.person.siret))
    return _done(event, "reliee")


def _unlink(proof: Preuve, found: Visitor) -> Response:
    if proof.connexion_at is not None:
        proof.connexion_at = None
        _told(found, messages.unlinked, proof)
    event = ConnexionLinked(fournisseur=proof.fournisseur, linked=False, declarant_id=found.person.id, siret=int(found.person.siret))
    return _done(event, "deliee")


def _told(found: Visitor, write: Any, proof: Preuve) -> None:
    if found.person.email:
        message = write(http.mag().settings.issuer, found.person.full_name, proof.nom, http.now())
        Mail.write("preuve", found.person.email, message, http.now(), found.person.id)


def _done(event: Any, said: str) -> Response:
    journal.record(event, http.now())
    db.session.commit()
    return make_response(see(HOME, fait=said))


# --------------------------------------------------------------------------------------------------------------- connexion

CONNEXION = "connexion"


@bp.get("/amont/connexion/<code>")
def leave_to_sign_in(code: str) -> ResponseReturnValue:
    """From the sign-in to the provider, on behalf of whoever asked. A session there is not enough: who signs in does so now."""
    http.way_back(http.path("/connexion"))
    asked, fournisseur = Asked.read(request.args.get("demande", "")), _chosen(code, CONNEXION)
    wanted = {"acr_values": at_least(fournisseur), "prompt": "login"}
    return _leave(fournisseur, CONNEXION, back="/amont/connexion", bound=asked.token, **wanted)


@bp.get("/amont/connexion")
def sign_in() -> ResponseReturnValue:
    """Back: whoever linked this account is signed in, through the steps that a password leads to. Raises CompteNonRelieError.

    The session is as old as the sign-in there; a provider that does not say when was asked for a new one (OpenID Connect Core section
    3.1.2.1, `prompt=login`), and its word is believed. Raises NiveauError when what would open is over already.
    """
    http.way_back(http.path("/connexion"))
    if "arrivee" not in request.args:
        return see("/connexion")
    arrived = relying.take(_amont(), request.args["arrivee"], CONNEXION, browser=http.binding())
    fournisseur = departs.still(arrived)
    proof = Preuve.signing_in(fournisseur.code, confrontation.hashes_of(_amont().seals, fournisseur, arrived.subject))
    person = db.session.get(Declarant, proof.declarant_id) if proof else None
    if person is None or person.statut is not Statut.ACTIF or person.password_locked_at is not None:
        journal.record(ConnexionRefused(reason=f"amont:{fournisseur.code}", declarant_id=person.id if person else None), http.now())
        db.session.commit()
        raise CompteNonRelieError("linked to nobody who may enter", fournisseur.nom)
    signed_in = arrived.at if arrived.auth_time is None else min(arrived.auth_time, arrived.at)
    birth = Birth(signed_in, signed_in + http.mag().settings.session_lifetime)
    if birth.expires_at <= http.now().timestamp():
        raise NiveauError(f"{fournisseur.code}: signed in {arrived.at - signed_in} s before", fournisseur.nom)
    sortie.remember(_amont(), fournisseur, arrived, browser=http.binding())
    return proceed(person, Entree(declarant_id=person.id, version=person.version, amr=(FEDERATED,), demande=arrived.bound, birth=birth))
