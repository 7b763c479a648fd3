"""Who is at the desk: the operator signed in, what they may open, their cookie. The edge of every page of operators."""

from dataclasses import dataclass

from flask import Flask, Response, current_app, g, request
from werkzeug.exceptions import HTTPException

from idp import http
from idp.audit import journal
from idp.authentication.passwords import Passwords
from idp.database import db
from idp.declarants.models import Declarant
from idp.errors import RefusedError
from idp.notifications.messages import in_words
from idp.support.desk_session import COOKIE, find_session
from idp.support.events import PersonConsulted
from idp.support.models import Fonction, Operateur
from idp.support.sign_in import Means
from idp.visitor import see


class FunctionMissingError(RefusedError):
    """An operator asks for a page that is not of their work."""

    code = "fonction_manquante"
    number = "M700010"
    remedy = "Demandez cette fonction à un exploitant."
    status = 403
    public = "Vos fonctions d'opérateur ne donnent pas accès à cette page."


@dataclass(frozen=True, slots=True)
class Page:
    """An entry of the menu, and who may open it."""

    address: str
    label: str
    fonctions: frozenset[Fonction]


EVERYONE = frozenset(Fonction)
REVIEWS = frozenset({Fonction.CONTROLES})
PEOPLE = frozenset({Fonction.ASSISTANCE, Fonction.SECURITE})
LETTERS = frozenset({Fonction.ASSISTANCE})
SECURITY = frozenset({Fonction.SECURITE})
PAGES = (
    Page("/", "Accueil", EVERYONE),
    Page("/controles", "Vérifications", REVIEWS),
    Page("/listes", "Listes", REVIEWS),
    Page("/fichiers", "Fichiers", REVIEWS),
    Page("/fiches", "Fiches", REVIEWS),
    Page("/personnes", "Personnes", PEOPLE),
    Page("/recours", "Recours", PEOPLE),
    Page("/facteurs", "Facteurs perdus", PEOPLE),
    Page("/lettres", "Lettres", LETTERS),
    Page("/signaux", "Signaux", SECURITY),
    Page("/suspicions", "Suspicions", SECURITY),
    Page("/operateurs", "Opérateurs", SECURITY),
)


def current() -> Operateur | None:
    """Whose session this browser holds; None for nobody, or for somebody who may no longer enter."""
    if "operateur" not in g:
        session = find_session(http.mag().ephemeral, request.cookies.get(COOKIE, ""), http.now())
        found = Operateur.find(session.operateur_id) if session else None
        g.operateur = found if found and session and found.active and found.version == session.version else None
    return g.operateur  # type: ignore[no-any-return]  # flask.g is untyped


def operator(fonctions: frozenset[Fonction] = EVERYONE) -> Operateur:
    """The operator, who has one of these functions; leaves for the sign-in without one. Raises FunctionMissingError."""
    found = current()
    if found is None:
        raise HTTPException(response=see("/connexion"))
    if not any(found.may(fonction) for fonction in fonctions):
        raise FunctionMissingError(f"{found.actor} lacks {sorted(fonctions)}")
    return found


def acting(fonctions: frozenset[Fonction]) -> Operateur:
    """The operator who posts a form of one of our pages. Raises FunctionMissingError, ForbiddenError."""
    found = operator(fonctions)
    http.check_csrf(purpose(found))
    return found


def purpose(of: Operateur) -> str:
    """Anti-forgery values serve one operator, until their credentials change."""
    return f"bureau|{of.id}.{of.version}"


def consulted(of: Operateur, declarant: Declarant) -> None:
    """The journal keeps who read whose file."""
    journal.record(PersonConsulted(declarant_id=declarant.id, siret=int(declarant.siret), actor=of.actor), http.now())


def commit_end() -> None:
    """Commit what ended somebody's sessions: servers and partners learn it within seconds."""
    db.session.commit()
    http.mag().messenger.wake()


def csrf() -> str:
    found = current()
    return http.csrf_token(purpose(found)) if found else ""


def set_cookie(response: Response, value: str) -> None:
    """Strict: no link of another site opens a page of the desk with a session."""
    age = None if value else 0
    response.set_cookie(COOKIE, value, max_age=age, secure=True, httponly=True, samesite="Strict", path="/")


def means() -> Means:
    """What signing in works with; passwords hash on threads of their own process."""
    mag = http.mag()
    return Means(mag.connections, mag.ephemeral, mag.keyring, current_app.extensions["mag_passwords"])


def menu() -> list[Page]:
    """What the operator may open."""
    found = current()
    return [page for page in PAGES if found and any(found.may(fonction) for fonction in page.fonctions)]


def here(address: str) -> bool:
    """Whether the page shown is this entry of the menu, or below it."""
    return request.path == address or (address != "/" and request.path.startswith(f"{address}/"))


def install(app: Flask) -> None:
    """Equip an application to be the desk."""
    mag: http.Mag = app.extensions["mag"]
    app.extensions["mag_passwords"] = Passwords(mag.settings, mag.keyring)
    app.jinja_env.globals.update(menu=menu, here=here, operateur=current, bureau_csrf=csrf, in_words=in_words)
