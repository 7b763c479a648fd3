"""« Mes portails »: accounts of partners that are linked, and may be unlinked; ways there; where a link begins at MAG.

What asks before two accounts are linked is `question/views.py`'s.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from idp import http, visitor
from idp.arrival import see
from idp.database import db
from idp.notifications.messages import day_in_words, in_words
from idp.oidc import third_party_login
from idp.oidc.responses import joined
from idp.visitor import Visitor
from partners.rattachement import accord, association, attente, preuve
from partners.rattachement.accord import Accord
from partners.rattachement.association import Place
from partners.rattachement.attente import Proposition
from partners.rattachement.models import UNDO, Rattachement, Side
from partners.rattachement.refus import PartenaireSansAccordError

bp = Blueprint("rattachement", __name__, template_folder="templates")
PAGE = "/compte/portails"


def _place() -> Place:
    mag = http.mag()
    return Place(mag.settings, mag.registry, http.now())


# ------------------------------------------------------------------------------------------------------------ « Mes portails »


@dataclass(frozen=True, slots=True)
class Lien:
    """One link, as its holder reads it."""

    id: str
    compte: str
    since: str
    used: str
    ended: str
    """When it ended, for one that may be opened again."""


@dataclass(frozen=True, slots=True)
class Portail:
    """One partner: what is linked there, and the ways."""

    code: str
    nom: str
    host: str
    go: str
    """Where a sign-in begins there."""
    may_link: bool
    open: bool
    liens: tuple[Lien, ...]


@bp.get(PAGE)
def portals() -> ResponseReturnValue:
    """Every partner with which accounts are linked, or may be."""
    found = visitor.required()
    mag, rows = http.mag(), Rattachement.of_person(found.person.id, http.now())
    accords = accord.every(mag.registry.every())
    gone = {row.partenaire.code: row.partenaire.nom for row in rows} if rows else {}
    shown = [_portal(one, [row for row in rows if row.partenaire.code == one.code]) for one in accords]
    http.page_policy(" ".join(dict.fromkeys(place for one in accords for place in preuve.origins(one).split())))
    shown += [_left(code, nom, rows) for code, nom in gone.items() if code not in {one.code for one in accords}]
    return render_template(
        "rattachement/portails.html",
        portails=shown,
        days=UNDO.days,
        done=request.args.get("fait", ""),
        csrf=http.csrf_token(_purpose(found)),
    )


def _portal(found: Accord, rows: list[Rattachement]) -> Portail:
    client = found.client
    go = third_party_login.address(client, http.mag().settings.issuer) if client.initiate_login_uri else client.client_uri
    living = [row for row in rows if row.closed_at is None]
    begins = bool(client.linking_initiate_uri) or preuve.provider(found.code) is not None
    return Portail(
        found.code,
        found.nom,
        urlsplit(client.linking_return_uris[0]).netloc,
        go,
        begins and (not living or client.linking_several),
        open=True,
        liens=_liens(rows),
    )


def _left(code: str, nom: str, rows: list[Rattachement]) -> Portail:
    """A partner without an agreement any more: what is left of it may be unlinked."""
    return Portail(code, nom, "", "", may_link=False, open=False, liens=_liens(row for row in rows if row.partenaire.code == code))


def _liens(rows: Iterable[Rattachement]) -> tuple[Lien, ...]:
    return tuple(
        Lien(
            row.id,
            row.libelle,
            day_in_words(row.opened_at),
            in_words(row.used_at) if row.used_at else "",
            in_words(row.closed_at) if row.closed_at else "",
        )
        for row in rows
    )


def _purpose(found: Visitor) -> str:
    return f"portails|{found.session.sid}"


@bp.post(f"{PAGE}/delier")
def unlink() -> ResponseReturnValue:
    """At once; the sessions that the partner's word opened end too, this one among them. May be undone for a week."""
    found, place, store = visitor.required(back=PAGE), _place(), http.mag().ephemeral
    http.check_csrf(_purpose(found))
    row = Rattachement.named(request.form.get("lien", "")[:22], declarant_id=found.person.id)
    if row is None or row.closed_at is not None:
        return visitor.see(PAGE)
    own = [] if found.session.link == row.id else [found.session.sid]
    ended = association.end_sessions(place, store, row, own)
    done = association.delier(place, row, Side.MAG)
    db.session.commit()
    association.end_sessions(place, store, row, [*own, *ended])
    db.session.commit()
    http.mag().messenger.wake()
    return visitor.see(PAGE, **({"fait": "delie"} if done else {}))


@bp.post(f"{PAGE}/retablir")
def restore() -> ResponseReturnValue:
    """The same two accounts, which were proved once; whoever does it just signed in. Raises DejaRattacheError."""
    found = visitor.recent(back=PAGE)
    http.check_csrf(_purpose(found))
    row = Rattachement.named(request.form.get("lien", "")[:22], declarant_id=found.person.id)
    done = row is not None and accord.exists(http.mag().registry, row.partenaire.code) and association.retablir(_place(), row, Side.MAG)
    db.session.commit()
    return visitor.see(PAGE, **({"fait": "retabli"} if done else {}))


@bp.post(f"{PAGE}/associer")
def begin() -> ResponseReturnValue:
    """Towards both sign-ins; by the partner's own page where it has no OpenID provider."""
    found = visitor.required(back=PAGE)
    http.check_csrf(_purpose(found))
    mag = http.mag()
    agreed = accord.of_partner(mag.registry, request.form.get("partenaire", "")[:60])
    if preuve.provider(agreed.code) is None:
        if not agreed.client.linking_initiate_uri:
            raise PartenaireSansAccordError(f"{agreed.code}: nothing proves its accounts")
        return see(joined(agreed.client.linking_initiate_uri, {"iss": mag.settings.issuer}))
    waiting = Proposition(partenaire=agreed.code, origine=Side.MAG.value, begun_at=int(http.now().timestamp()))
    return see(http.path(f"/rattachement/{attente.keep(mag.ephemeral, waiting, http.binding())}"))
