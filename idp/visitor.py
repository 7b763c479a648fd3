"""Who is at the page door: the person signed in, asked to sign in when the page needs it, sent back to that page afterwards.

Every page that belongs to somebody begins with `required()`. Nothing here decides what they may do there, but the role.
"""

from dataclasses import dataclass
from urllib.parse import urlencode

from flask import Flask, Response, current_app, g, make_response, request
from werkzeug.exceptions import HTTPException

from idp import http
from idp.authentication.demande import Demande, open_demande, seal_demande
from idp.authentication.session import COOKIE, Session, find_session
from idp.database import db
from idp.declarants.models import Declarant
from idp.declarants.statuts import Statut
from idp.entreprises.models import Entreprise
from idp.errors import MagError, RefusedError
from idp.oidc.account.sessions import OpenSession, left_open, open_sessions
from idp.saml import slo
from idp.saml.models import SamlParticipation
from idp.saml.provider import Sites

RECENT = 5 * 60
"""Seconds after which a sign-in no longer vouches for what touches the keys of an account (C45)."""


class AdministratorsOnlyError(RefusedError):
    """A page of the administrators, asked by somebody who is not one."""

    code = "administrateurs_seulement"
    number = "M200006"
    remedy = "Adressez-vous à un administrateur de votre établissement : votre compte dit qui il est."
    status = 403
    public = "Cette page est réservée aux administrateurs de l'établissement. Votre compte vous dit qui ils sont."


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody signed in who may still enter."""

    session: Session
    person: Declarant

    @property
    def company(self) -> str:
        """The company as it is named, or its SIREN."""
        found = Entreprise.find(self.person.siret.siren)
        return (found.nom_affiche if found else None) or f"SIREN {self.person.siret.siren.grouped}"

    @property
    def actor(self) -> str:
        """As the journal names whoever acts on another."""
        return self.person.actor


def session_here() -> Session | None:
    """The session of this browser, read from the store at each call."""
    mag = http.mag()
    return find_session(mag.ephemeral, mag.settings, request.cookies.get(COOKIE, ""), http.now())


def person_of(session: Session | None) -> Declarant | None:
    """Whose session it is; None for one who may no longer enter."""
    found = db.session.get(Declarant, session.declarant_id) if session else None
    return found if found and found.statut is Statut.ACTIF else None


def current() -> Visitor | None:
    """Whose session this browser holds; None for nobody, or for somebody who may no longer enter."""
    if "visitor" not in g:
        session = session_here()
        person = person_of(session)
        g.visitor = Visitor(session, person) if session and person else None
    return g.visitor  # type: ignore[no-any-return]  # flask.g is untyped


def sessions_of(person: Declarant) -> list[OpenSession]:
    """Where somebody is signed in, with the sites of both protocols."""
    mag, now = http.mag(), http.now()
    sites, told = Sites(mag.registry, mag.saml.providers), SamlParticipation.by_session(person.id, now)
    return open_sessions(mag.ephemeral, mag.settings, sites, person, now, told)


def left_elsewhere(person: Declarant, own: str = "") -> tuple[str, ...]:
    """Sites of SAML open in other browsers: these alone can tell them that a session ended (SAML bindings section 3.4)."""
    return left_open(sessions_of(person), own)


def to_say(left: tuple[str, ...]) -> dict[str, str]:
    """For the address of the page that follows: which sites nobody told. Nothing when there is none."""
    return {"restent": slo.seal_ends(http.mag().keyring, slo.Ends(failed=left), http.now())} if left else {}


def left_told() -> tuple[str, ...]:
    """What `to_say` put in this address."""
    return slo.read_ends(http.mag().keyring, request.args.get("restent", ""), http.now()).failed


def required(*, max_age: int = 0, back: str = "") -> Visitor:
    """The visitor; leaves for the sign-in when there is none, or when they signed in more than `max_age` seconds ago.

    Nobody who comes from a partner, or through a provider, is recent: nothing that only they know was asked here.

    The sign-in comes back to this very page, with what its address asked. A form that was posted is to be sent again: it comes back
    to the page `back`, else to the nearest one above that can be read.
    """
    found = current()
    if "refus" in request.args:
        raise HTTPException(response=see("/"))
    if found is None or (max_age and (found.session.elsewhere or http.now().timestamp() - found.session.auth_time > max_age)):
        raise HTTPException(response=to_sign_in(found, back=back))
    if request.method == "GET" and "demande" in request.args:
        raise HTTPException(response=see(request.path.removeprefix(http.mag().settings.issuer_path), **_asked_before()))
    return found


def recent(*, back: str = "") -> Visitor:
    """The visitor, who typed a password less than five minutes ago."""
    return required(max_age=RECENT, back=back)


def own(*, back: str = "") -> Visitor:
    """The visitor, for whom no partner vouches: its word says who they are, and changes neither what reaches them nor what proves them."""
    found = required(back=back)
    if found.session.vouched:
        raise HTTPException(response=to_sign_in(found, back=back))
    return found


def administrator() -> Visitor:
    """The visitor, who administers an establishment and signed in here: a partner's word governs nobody. Raises AdministratorsOnlyError."""
    found = own()
    if not found.person.role.administers:
        raise AdministratorsOnlyError(f"declarant {found.person.id}")
    return found


def to_sign_in(known: Visitor | None = None, *, back: str = "") -> Response:
    """Towards the mire, which comes back here; for somebody already known, only the password remains to be typed."""
    mag = http.mag()
    path = (request.path if request.method == "GET" else _readable(back)).removeprefix(mag.settings.issuer_path)
    parameters = request.args.to_dict() if request.method == "GET" else {}
    parameters.pop("demande", None)
    hint = f"{known.person.siret}|{known.person.nom}|{known.person.prenom}" if known else ""
    return see("/connexion", demande=sealed(path, parameters, hint))


def sealed(target: str, parameters: dict[str, str], hint: str = "") -> str:
    """The word of a sign-in that MAG itself asks for, which ends at a page of its own. `hint`: who is expected."""
    mag = http.mag()
    asked = Demande(
        target=target,
        parameters=parameters,
        client_id="",
        client_name="MAG",
        client_host=mag.settings.issuer_host,
        login_hint=hint,
        asked_at=int(http.now().timestamp()),
    )
    return seal_demande(mag.ephemeral, mag.keyring, asked, http.binding(), mag.settings.demande_lifetime)


def _readable(back: str) -> str:
    """A page to come back to after a form: `back`, or the nearest one above that answers GET. Pages send no Referer (`no-referrer`)."""
    routes, page = current_app.url_map.bind(""), http.path(back) if back else request.path
    while page and not routes.test(page, "GET"):
        page = page.rpartition("/")[0]
    return page or http.path("/")


def _asked_before() -> dict[str, str]:
    """What the address of this page said before the sign-in."""
    mag = http.mag()
    try:
        asked = open_demande(mag.ephemeral, mag.keyring, request.args["demande"], http.binding(), http.now(), mag.settings.demande_lifetime)
    except MagError:
        return {}
    return asked.parameters if http.path(asked.target) == request.path else {}


def see(address: str, **query: str) -> Response:
    """303 to a path of MAG."""
    response = make_response("", 303)
    response.headers["Location"] = http.path(address) + (f"?{urlencode(query)}" if query else "")
    return response


# -------------------------------------------------------------------------------------------------------------------- menu

MENU = (
    ("Accueil", (("/", "Accueil"),)),
    (
        "Mon compte",
        (
            ("/compte", "Vue d'ensemble"),
            ("/compte/securite", "Sécurité"),
            ("/compte/identites", "Mes identités"),
            ("/compte/logiciels", "Mes logiciels"),
        ),
    ),
    (
        "Mes droits",
        (
            ("/droits", "Mes habilitations"),
            ("/compte/administrateurs", "Mes administrateurs"),
            ("/compte/etablissement", "Mon établissement"),
        ),
    ),
    ("Mes portails", (("/compte/portails", "Comptes associés"), ("/autorisations", "Mes autorisations"))),
    ("Espace administrateur", (("/equipe", "Équipe"), ("/equipe/droits", "Habilitations"))),
)
"""Label of a group, and its pages: address, label. A group leads to its first page; the others show once one is in it."""
ADMINISTRATORS = "/equipe"
"""For administrators alone, as all that is below."""


@dataclass(frozen=True, slots=True)
class Group:
    """An entry of the menu. `pages`: address, label, whether it is the page shown."""

    label: str
    pages: tuple[tuple[str, str, bool], ...]

    @property
    def open(self) -> bool:
        return any(shown for _, _, shown in self.pages)


def menu() -> list[Group]:
    """What the visitor may open; nothing for a stranger."""
    found = current()
    if found is None:
        return []
    nearest = max((address for _, pages in MENU for address, _ in pages if _holds(address)), key=len, default="")
    return [
        Group(label, tuple((address, name, address == nearest) for address, name in pages))
        for label, pages in MENU
        if found.person.role.administers or pages[0][0] != ADMINISTRATORS
    ]


def _holds(address: str) -> bool:
    """Whether the page shown is this one, or below it."""
    path, whole = request.path.rstrip("/"), http.path(address).rstrip("/")
    return path == whole or (address != "/" and path.startswith(f"{whole}/"))


def install(app: Flask) -> None:
    """Give the templates the menu."""
    app.jinja_env.globals.update(menu=menu)
