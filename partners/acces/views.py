"""The page door of a link: `/acces/<partenaire>?ressource=…`, or `?lien=…` for a signed one. Sign-in if needed, then onward.

A link signs nobody in: it only says where to go, and for whom the partner thought it was. Whoever is signed in under another identity
is asked which one to go on with.
"""

from collections.abc import Mapping
from urllib.parse import urlencode

from flask import Blueprint, Response, request
from flask.typing import ResponseReturnValue

from idp import http, visitor
from idp.arrival import Asked, see
from idp.audit import journal
from idp.authentication.demande import Demande, seal_demande
from idp.database import db
from idp.visitor import Visitor
from partners.acces import chemin
from partners.acces.chemin import Chemin
from partners.acces.events import AccesOpened
from partners.acces.refus import LienUtiliseError

bp = Blueprint("acces", __name__)
CHOICE = "/connexion/choix"


@bp.get("/acces/<partenaire>")
def lead(partenaire: str) -> ResponseReturnValue:
    """To the resource, by way of the sign-in; every link that leads nowhere says why."""
    mag, now, given = http.mag(), http.now(), _given()
    found = chemin.find(mag.registry, mag.keyring, partenaire, given.get("ressource", ""), given.get("lien", ""), now)
    http.on_behalf_of(found.client.client_id)
    if "demande" in request.args and "refus" in request.args:
        return see(found.back)
    here = visitor.current()
    if here is None:
        return _asked("/connexion", partenaire, given, found)
    if "choix" not in request.args and not found.is_for(here.person, mag.mint.subjects, mag.registry):
        return _asked(CHOICE, partenaire, given, found)
    return _led(found, here)


def _given() -> Mapping[str, str]:
    """What the link said: kept by the sign-in, once there was one. Raises DemandeInvalidError, DemandeExpiredError."""
    asked = Asked.read(request.args.get("demande", "")).demande
    return asked.parameters if asked is not None and http.path(asked.target) == request.path else request.args


def _asked(page: str, partenaire: str, given: Mapping[str, str], found: Chemin) -> Response:
    """To a page that asks who it is, on behalf of the partner; it comes back here."""
    mag, client = http.mag(), found.client
    demande = Demande(
        target=f"/acces/{partenaire}",
        parameters={name: given[name] for name in ("ressource", "lien") if name in given},
        client_id=client.client_id,
        client_name=client.client_name,
        client_host=found.host,
        client_logo=client.logo_uri,
        form_action=found.origins,
        siret_hint=found.siret,
        asked_at=int(http.now().timestamp()),
        select=found.lien is not None,
        wanted=(found.lien.libelle or "") if found.lien else "",
    )
    token = seal_demande(mag.ephemeral, mag.keyring, demande, http.binding(), mag.settings.demande_lifetime)
    return see(f"{http.path(page)}?{urlencode({'demande': token})}")


def _led(found: Chemin, here: Visitor) -> Response:
    """Raises LienUtiliseError."""
    now, lien = http.now(), found.lien
    if lien is not None and not lien.spend(here.person.id, now):
        raise LienUtiliseError(f"link {lien.id}", found.client.client_name)
    event = AccesOpened(
        host=found.host,
        lien=lien.id if lien else None,
        declarant_id=here.person.id,
        client_id=found.client.client_id,
        siret=int(here.person.siret),
    )
    journal.record(event, now)
    db.session.commit()
    return see(found.onward(http.mag().settings.issuer))
