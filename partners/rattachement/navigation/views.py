"""The doors of people who come from a partner: `/navigation` with what it signed, `/navigation/<partenaire>` by its OpenID provider.

Nobody's session changes without a word where the browser could have been sent by a stranger: what a partner signed waits on a page that
names the identity (login CSRF, RFC 9700 section 4.7); a provider's answer comes to the browser that asked, and opens at once.
"""

from collections.abc import Mapping
from urllib.parse import parse_qsl, urlencode, urlsplit

from flask import Blueprint, Response, current_app, render_template, request
from flask.typing import ResponseReturnValue

from idp import http, visitor
from idp.arrival import Asked, proceed, see
from idp.audit import journal
from idp.authentication.demande import Demande, seal_demande
from idp.database import db
from idp.ephemeral import Counter, beyond
from idp.errors import MagError
from partners.amont import relying
from partners.amont.models import Fournisseur
from partners.rattachement import accord, attente, preuve, signees
from partners.rattachement.accord import Accord
from partners.rattachement.attente import Venue
from partners.rattachement.events import NavigationOpened, NavigationRefused
from partners.rattachement.models import Rattachement
from partners.rattachement.navigation import venues
from partners.rattachement.navigation.venues import Porte
from partners.rattachement.refus import (
    DemandeRefuseeError,
    DestinationInconnueError,
    PropositionFinieError,
    TropDeNavigationsError,
)

bp = Blueprint("navigation", __name__, template_folder="../templates")
PURPOSE = "navigation"
A_MINUTE = 180
"""Attempts a minute from one address."""
HINT = "login_hint_token"
LONGEST = 500


# ------------------------------------------------------------------------------------------------- what the partner signed


@bp.get("/navigation")
def arrive() -> ResponseReturnValue:
    """RFC 7523 section 3, `assertion`; or `login_hint_token` of an authorization request (the name is CIBA Core's, section 7.1)."""
    _count()
    asked = Asked.read(request.args.get("demande", ""))
    if asked.demande is not None:
        http.way_back(f"{http.path('/connexion')}?{urlencode({'demande': asked.token})}")
    elif "demande" in request.args or "refus" in request.args:
        return see(http.path("/"))
    text = (asked.demande.parameters.get(HINT, "") if asked.demande else "") or request.args.get("assertion", "")
    try:
        return _arrived(asked, text)
    except MagError as error:
        _refused(error, _said_by(text))
        raise


def _said_by(text: str) -> str:
    """Who says it wrote, for the journal, when it is one we know."""
    try:
        return signees.unverified_partner(http.mag().registry, text).code
    except MagError:
        return "inconnu"


def _arrived(asked: Asked, text: str) -> Response:
    mag, now = http.mag(), http.now()
    passage = signees.read_passage(mag.registry, mag.ephemeral, mag.settings.issuer, text, now.timestamp())
    venues.agreed(passage.accord)
    if asked.demande is not None and _partner_of(asked) != passage.accord.code:
        raise DemandeRefuseeError(f"{HINT} of {passage.accord.code} in a request of another partner")
    vers = "" if asked.demande else _checked(request.args.get("vers", "") or passage.vers)
    row = venues.linked(passage.accord, passage.compte)
    venue = Venue(rattachement=row.id, comme="signature", acr=passage.acr, auth_time=passage.auth_time, vers=vers, demande=asked.token)
    porte = venues.opened(mag.registry, mag.settings, venue, row, now)
    return _led(venue) if venues.is_there(visitor.session_here(), porte) else _to_page(venue)


def _partner_of(asked: Asked) -> str:
    client = http.mag().registry.find(asked.client_id or "")
    return client.partenaire if client else ""


def _to_page(venue: Venue) -> Response:
    word = attente.keep(http.mag().ephemeral, venue, http.binding())
    return see(http.path(f"/navigation/passage/{word}"))


@bp.get("/navigation/passage/<mot>")
def confirm(mot: str) -> ResponseReturnValue:
    """Who would come in, from where; who is there already."""
    venue = attente.venue(http.mag().ephemeral, mot, http.binding())
    porte = _porte(venue)
    if venue is not None and venue.demande:
        Asked.read(venue.demande)  # the form may end where the partner's request does
    return render_template(
        "rattachement/passage.html",
        accord=porte.accord,
        person=porte.person,
        other=visitor.current(),
        compte=porte.rattachement.libelle,
        mot=mot,
        csrf=http.csrf_token(f"passage|{mot}"),
    )


@bp.post("/navigation/passage/<mot>")
def enter(mot: str) -> ResponseReturnValue:
    """The session opens, once; or nothing does, and the person signs in by themselves."""
    http.check_csrf(f"passage|{mot}")
    venue = attente.venue(http.mag().ephemeral, mot, http.binding(), take=True)
    if venue is not None and request.form.get("reponse") != "continuer":
        return see(http.path("/connexion") + (f"?{urlencode({'demande': venue.demande, 'autre': 1})}" if venue.demande else ""))
    porte = _porte(venue)
    assert venue is not None  # noqa: S101  # `_porte` sees to it
    try:
        return _open(porte, venue)
    except MagError as error:
        _refused(error, porte.accord.code)
        raise


def _porte(venue: Venue | None) -> Porte:
    """Raises PropositionFinieError, and whatever closed the way meanwhile."""
    if venue is None:
        raise PropositionFinieError("no such passage")
    mag, row = http.mag(), db.session.get(Rattachement, venue.rattachement)
    http.way_back(f"{http.path('/connexion')}{'?' + urlencode({'demande': venue.demande}) if venue.demande else ''}")
    try:
        return venues.opened(mag.registry, mag.settings, venue, row, http.now())
    except MagError as error:
        _refused(error, row.partenaire.code if row else "inconnu")
        raise


# ------------------------------------------------------------------------------------------------------ its OpenID provider


@bp.get("/navigation/<partenaire>")
def by_provider(partenaire: str) -> ResponseReturnValue:
    """`prompt=none` first, then with a page of the partner's; back here, the account is looked for among those that are linked."""
    _count()
    try:
        return _by_provider(partenaire)
    except MagError as error:
        _refused(error, partenaire[:60])
        raise


def _by_provider(partenaire: str) -> Response:
    mag = http.mag()
    found = venues.agreed(accord.of_partner(mag.registry, partenaire))
    http.on_behalf_of(found.client.client_id)
    if "arrivee" in request.args:
        return _proved(found, request.args["arrivee"])
    vers = _checked(request.args.get("vers", ""))
    here = visitor.current()
    if here is not None and any(row.partenaire.code == found.code and row.closed_at is None for row in _of(here)):
        return see(http.path(vers))
    return see(_ask(found, vers, silent="amont" not in request.args))


def _of(here: visitor.Visitor) -> list[Rattachement]:
    return Rattachement.of_person(here.person.id, http.now())


def _ask(found: Accord, vers: str, *, silent: bool) -> str:
    """Where the partner's provider is. Raises PartenaireSansAccordError for one that has none."""
    return relying.start(
        current_app.extensions["mag_amont"],
        preuve.provider_of(found),
        PURPOSE,
        browser=http.binding(),
        back=f"/navigation/{found.code}?{urlencode({'vers': vers})}",
        bound=vers,
        now=http.now(),
        prompt="none" if silent else None,
        max_age=http.mag().settings.session_lifetime - 60,
        acr_values=(),
    )


def _proved(found: Accord, handle: str) -> Response:
    mag, now = http.mag(), http.now()
    arrived = relying.take(current_app.extensions["mag_amont"], handle, PURPOSE, browser=http.binding())
    row = Fournisseur.named(arrived.fournisseur)
    if row is None or row.partenaire is None or row.partenaire.code != found.code:
        raise DemandeRefuseeError(f"{arrived.fournisseur} is not a provider of {found.code}")
    if arrived.auth_time is None:
        raise DemandeRefuseeError(f"{arrived.fournisseur} does not say when the person signed in")
    link = venues.linked(found, arrived.subject)
    venue = Venue(
        rattachement=link.id, comme="openid", acr=arrived.acr, auth_time=min(arrived.auth_time, int(now.timestamp())), vers=arrived.bound
    )
    porte, session = venues.opened(mag.registry, mag.settings, venue, link, now), visitor.session_here()
    if venues.is_there(session, porte):
        return _led(venue)
    return _to_page(venue) if session is not None else _open(porte, venue)


# ----------------------------------------------------------------------------------------------------------------- inside


def _open(porte: Porte, venue: Venue) -> Response:
    """The store first, then the journal: `proceed` commits, and opens nothing while a step remains."""
    mag = http.mag()
    entree = venues.entree(mag.settings, porte, venue, venue.demande or _sealed(porte.accord, venue.vers))
    response = proceed(porte.person, entree)
    _note(porte, venue, entree.acr)
    return response


def _led(venue: Venue) -> Response:
    """They are signed in already: nothing opens, nothing changes."""
    return Asked.read(venue.demande).onward() if venue.demande else see(http.path(venue.vers))


def _note(porte: Porte, venue: Venue, acr: str) -> None:
    row, person = porte.rattachement, porte.person
    event = NavigationOpened(
        rattachement=row.id,
        partenaire=porte.accord.code,
        comme=venue.comme,
        acr=acr,
        declarant_id=person.id,
        client_id=porte.accord.client.client_id,
        siret=int(person.siret),
    )
    journal.record(event, http.now())
    db.session.commit()


def _refused(error: MagError, partenaire: str) -> None:
    """No session, and a line: the page says what to do, the journal why."""
    db.session.rollback()
    journal.record(NavigationRefused(partenaire=partenaire, reason=str(error)[:200]), http.now())
    db.session.commit()


def _sealed(found: Accord, vers: str) -> str:
    """The word of a way that ends at a page of MAG's."""
    mag, parts = http.mag(), urlsplit(vers)
    asked = Demande(
        target=parts.path,
        parameters=dict(parse_qsl(parts.query)),
        client_id=found.client.client_id,
        client_name=found.nom,
        client_host=urlsplit(found.client.linking_return_uris[0]).netloc,
        asked_at=int(http.now().timestamp()),
    )
    return seal_demande(mag.ephemeral, mag.keyring, asked, http.binding(), mag.settings.demande_lifetime)


def _checked(vers: str) -> str:
    """A page of MAG's that people read: its path, and its query. Raises DestinationInconnueError."""
    vers = vers or "/"
    plain = vers.isascii() and vers.isprintable() and len(vers) <= LONGEST and not set('\\"<> #') & set(vers)
    if not plain or not vers.startswith("/") or vers.startswith("//"):
        raise DestinationInconnueError(f"{vers[:100]!r}")
    parts = urlsplit(vers)
    if not current_app.url_map.bind("").test(http.path(parts.path), "GET") or parts.path.startswith("/navigation"):
        raise DestinationInconnueError(f"{vers[:100]!r}: no such page")
    return vers


def _count() -> None:
    """Raises TropDeNavigationsError."""
    counters: Mapping[Counter, int] = {Counter(f"navigation:{http.client_address()}", 60): A_MINUTE}
    if beyond(http.mag().ephemeral, counters):
        raise TropDeNavigationsError(http.client_address())
