"""`/amont/…`: where providers send people back, where they read MAG's keys. Nobody is signed in here: the page that asked decides."""

from urllib.parse import urlencode

from flask import Blueprint, Response, current_app, jsonify, make_response, redirect, request
from flask.typing import ResponseReturnValue

from idp import http
from idp.audit import journal
from idp.authentication.throttle import Attempt
from idp.config import MINUTE
from idp.database import db
from idp.declarants.parcours.etapes import Etape
from idp.declarants.parcours.models import COOKIE
from idp.ephemeral import Counter, beyond
from idp.errors import InvalidRequestError
from idp.logs import note
from partners.amont import cles, relying, sortie
from partners.amont.events import AmontArrived, AmontRefused
from partners.amont.models import Fournisseur
from partners.amont.refus import AmontError, FournisseurInconnuError, SilentRefusalError
from partners.amont.relying import Amont

bp = Blueprint("amont", __name__)
MOST_TOLD = 60
"""Refusals that the journal keeps in a minute, of one block of addresses."""


def amont() -> Amont:
    """The components that speak with providers."""
    return current_app.extensions["mag_amont"]  # type: ignore[no-any-return]  # Flask's extension dict is untyped


@bp.get(relying.RETURN)
def come_back() -> ResponseReturnValue:
    """Where every provider answers. 303 to the page that asked, which takes the arrival once."""
    if any(len(values) > 1 for _, values in request.args.lists()):
        raise InvalidRequestError("a parameter twice in the answer of a provider")
    try:
        arrived = relying.finish(amont(), request.args, browser=http.binding(), now=http.now())
    except SilentRefusalError as refused:
        return _to(refused.back, amont=refused.error)
    except AmontError as refused:
        _tell(refused)
        raise
    journal.record(AmontArrived(fournisseur=arrived.fournisseur, purpose=arrived.purpose, acr=arrived.acr), http.now())
    db.session.commit()
    return _to(arrived.back, arrivee=relying.keep(amont(), arrived, browser=http.binding()))


def _tell(refused: AmontError) -> None:
    """Anybody may come back with nothing: beyond so many a minute from one block of addresses, in the log alone."""
    block = Attempt("", http.client_address()).blocks[0]
    if beyond(http.mag().ephemeral, {Counter(f"amont-retour:{block}", MINUTE): MOST_TOLD}):
        note("provider refusal is not recorded", reason=refused.code)
        return
    journal.record(AmontRefused(reason=refused.code), http.now())
    db.session.commit()


def _to(back: str, **query: str) -> Response:
    """A page of MAG, whatever its address asks already."""
    response = make_response("", 303)
    response.headers["Location"] = http.path(back) + ("&" if "?" in back else "?") + urlencode(query)
    return response


@bp.get(relying.OUT)
def signed_out() -> ResponseReturnValue:
    """RP-Initiated Logout section 3: the provider ended its session; `state` says which sign-out of MAG goes on."""
    final = sortie.came_back(amont(), request.args.get("state", ""), browser=http.binding())
    if final:
        return redirect(final, 303)
    return redirect(http.path(Etape.RECAPITULATIF.address if COOKIE in request.cookies else "/"), 303)


@bp.get("/amont/quitter")
def leave() -> ResponseReturnValue:
    """To the provider, where the session that proved somebody ends; a computer may have other users."""
    arrived = relying.take(amont(), request.args.get("mot", ""), relying.LEAVING, browser=http.binding())
    fournisseur = Fournisseur.named(arrived.fournisseur)
    sortie.forget(amont(), browser=http.binding())
    address = relying.farewell(amont(), fournisseur, arrived.id_token) if fournisseur is not None else ""
    return redirect(address or http.path("/"), 303)


@bp.get(f"{relying.KEYS}/<code>")
def keys(code: str) -> ResponseReturnValue:
    """RFC 7517 section 5: for the provider to check MAG's assertions, and to encrypt for it."""
    fournisseur = Fournisseur.named(code)
    if fournisseur is None or not fournisseur.lives:
        raise FournisseurInconnuError(f"keys of {code[:60]}")
    response = jsonify(cles.published(amont().seals, fournisseur))
    response.headers["Cache-Control"] = "public, max-age=300"
    return response
