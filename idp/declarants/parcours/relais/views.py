"""Word to the administrators before signing up, and a card said to be false. `mots.py` decides; answers tell nothing of who is there."""

from dataclasses import dataclass, field

from flask import Blueprint, Response, make_response, render_template, request
from flask.typing import ResponseReturnValue

from idp import http, visitor
from idp.arrival import asked_bits, proven_bits
from idp.authentication import challenge
from idp.authentication.throttle import BLOCK_BITS, Attempt
from idp.database import db
from idp.declarants.inscription import InvalidEmailError
from idp.declarants.parcours import limits
from idp.declarants.parcours.models import COOKIE, Inscription, ProfilEtablissement
from idp.declarants.parcours.relais import mots
from idp.declarants.saisie import NAME, read_email, shown
from idp.entreprises.models import Carte, Etablissement
from idp.visitor import see

bp = Blueprint("relais", __name__)
CSRF = "relais"
WORK = "Votre réseau a déjà écrit aujourd'hui : une courte vérification automatique est nécessaire. Envoyez de nouveau."


def _draft() -> Inscription | None:
    found = Inscription.held_with(request.cookies.get(COOKIE, ""), http.now())
    return found if found is not None and found.confirmed_at is None else None


def _block() -> str:
    return Attempt("", http.client_address()).blocks[0]


@dataclass(frozen=True, slots=True)
class Word:
    """Who writes, as typed."""

    nom: str = ""
    email: str = ""
    checked: str = ""
    errors: dict[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls) -> "Word":
        nom, email, errors, checked = shown(request.form.get("nom", ""), 80), shown(request.form.get("email", "")), dict[str, str](), ""
        if not NAME.fullmatch(nom):
            errors["nom"] = "Écrivez votre prénom et votre nom, en lettres."
        try:
            checked = read_email(email)
        except InvalidEmailError as error:
            errors["email"] = error.public
        return cls(nom, email, checked, errors)


@bp.get("/inscription/ecrire")
def write() -> ResponseReturnValue:
    """Fact 26: colleagues who are there already add somebody faster."""
    draft = _draft()
    if draft is None:
        return see("/inscription")
    return _form(draft, Word(), bits=BLOCK_BITS if mots.told(http.mag().ephemeral, _block()) >= mots.FREE else 0)


def _form(draft: Inscription, word: Word, status: int = 200, *, notice: str = "", bits: int = 0) -> Response:
    card = Etablissement.inscriptible(draft.siret).carte()
    puzzle = challenge.make_challenge(http.mag().keyring, bits, http.binding(), http.now()) if bits else ""
    page = render_template("parcours/ecrire.html", card=card, form=word, notice=notice, challenge=puzzle, csrf=http.csrf_token(CSRF))
    return make_response(page, status)


@bp.post("/inscription/ecrire")
def send() -> ResponseReturnValue:
    """The same answer whoever administers, and whether anybody does."""
    http.way_back(http.path("/inscription/ecrire"))
    http.check_csrf(CSRF)
    draft, word, mag, now = _draft(), Word.parse(), http.mag(), http.now()
    if draft is None:
        return see("/inscription")
    if word.errors:
        return _form(draft, word, 422, bits=asked_bits())
    if mots.told(mag.ephemeral, _block()) >= mots.FREE and proven_bits() < BLOCK_BITS:
        return _form(draft, word, 422, notice=WORK, bits=BLOCK_BITS)
    mots.count(mag.ephemeral, str(draft.siret), _block())
    limits.count_mail(mag.ephemeral, mag.keyring, f"relais {word.checked}")
    mots.relay(mag.settings.issuer, Etablissement.inscriptible(draft.siret).carte(), word.nom, word.checked, now)
    db.session.commit()
    return see("/inscription/ecrit")


@bp.get("/inscription/ecrit")
def sent() -> ResponseReturnValue:
    return render_template("parcours/ecrit.html")


# --------------------------------------------------------------------------------------------------- the card is false


@bp.post("/inscription/fiche")
def contest() -> ResponseReturnValue:
    """Fact 14: said by whoever inscribes."""
    http.way_back(http.path("/inscription/etablissement"))
    http.check_csrf(CSRF)
    draft = _draft()
    if draft is None:
        return see("/inscription")
    return _contested(Etablissement.inscriptible(draft.siret).carte(), None, "/inscription/etablissement")


@bp.get("/compte/etablissement")
def mine() -> ResponseReturnValue:
    """What the directory and MAG know of the establishment of whoever is signed in."""
    found = visitor.required()
    place, profil = Etablissement.find(found.person.siret), ProfilEtablissement.find(found.person.siret)
    return render_template(
        "parcours/fiche.html",
        visitor=found,
        card=place.carte() if place else None,
        profil=profil,
        faux=mots.FAUX,
        done="fait" in request.args,
        csrf=http.csrf_token(CSRF),
    )


@bp.post("/compte/etablissement")
def contest_mine() -> ResponseReturnValue:
    """Said by whoever is in."""
    found = visitor.required()
    http.check_csrf(CSRF)
    place = Etablissement.find(found.person.siret)
    return _contested(place.carte(), found, "/compte/etablissement") if place else see("/compte/etablissement")


def _contested(card: Carte, found: visitor.Visitor | None, page: str) -> Response:
    faux = [name for name in mots.FAUX if name in request.form.getlist("faux")]
    if faux and mots.count_contest(http.mag().ephemeral, str(card.siret), _block()):
        mots.contest(http.mag().settings.issuer, card, faux, found.person if found else None, http.now())
        db.session.commit()
    return see(page, fait="1") if faux else see(page)
