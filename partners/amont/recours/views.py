"""« Mot de passe oublié », with ProConnect or FranceConnect: to the provider, and back. One answer, whoever comes back."""

import orjson
from flask import Blueprint, Response, current_app, make_response, redirect, render_template, request
from flask.typing import ResponseReturnValue

from idp import http, visitor
from idp.authentication.recours import limites, preuves
from idp.authentication.recours.preuves import Temoignage
from idp.database import db
from idp.declarants.identite import Identite
from idp.entreprises.siret import Siret
from partners.amont import confrontation, departs, relying
from partners.amont.fournisseurs import Usage
from partners.amont.models import Fournisseur
from partners.amont.offres import Offres
from partners.amont.recours.forms import Oubli
from partners.amont.relying import Amont, Arrived

bp = Blueprint("amont_recours", __name__, template_folder="../templates")
PURPOSE = Usage.RECOURS.value
HOME = "/connexion/oubli/fournisseur"


def _amont() -> Amont:
    return current_app.extensions["mag_amont"]  # type: ignore[no-any-return]  # Flask's extension dict is untyped


def _page(form: Oubli, status: int = 200) -> Response:
    offres: Offres = current_app.extensions["mag_offres"]
    offers = offres(PURPOSE)
    http.page_policy(form_action=" ".join(dict.fromkeys(offer.origine for offer in offers)))
    return make_response(render_template("amont/recours.html", form=form, offers=offers, csrf=http.csrf_token("oubli")), status)


@bp.get(HOME)
def ask() -> ResponseReturnValue:
    """Who asks, and the providers that may prove it; or back from one of them."""
    http.way_back(http.path(HOME))
    return _proved() if "arrivee" in request.args else _page(Oubli())


@bp.post(HOME)
def leave() -> ResponseReturnValue:
    """To the provider, for a sign-in of now: what is typed goes there with nobody having looked whether it is somebody."""
    http.way_back(http.path(HOME))
    http.check_csrf("oubli")
    form = Oubli.parse(request.form)
    if form.identite is None or form.errors:
        return _page(form, 422)
    fournisseur = departs.chosen(http.mag().ephemeral, http.client_address(), form.fournisseur, PURPOSE)
    whom = orjson.dumps([str(form.identite.siret), form.identite.nom, form.identite.prenom]).decode()
    address = relying.start(
        _amont(),
        fournisseur,
        PURPOSE,
        browser=http.binding(),
        back=HOME,
        bound=whom,
        now=http.now(),
        prompt="login",
        acr_values=departs.at_least(fournisseur),
    )
    return redirect(address, 303)


def _proved() -> Response:
    """Raises ArriveeInconnueError, FournisseurInconnuError."""
    amont, mag, now = _amont(), http.mag(), http.now()
    arrived = relying.take(amont, request.args["arrivee"], PURPOSE, browser=http.binding())
    siret, nom, prenom = orjson.loads(arrived.bound)
    identite, fournisseur = Identite(Siret(siret), nom, prenom), departs.still(arrived)
    said, token = _said(fournisseur, arrived, identite), ""
    if limites.may_prove(mag.ephemeral, said.sujet_hashes[0], http.client_address()):
        token = preuves.prove(mag.settings, identite, said, now)
        db.session.commit()
    if token:
        return visitor.see(f"/connexion/oubli/{token}")
    return visitor.see(f"{HOME}/suite", sortie=relying.keep_exit(amont, arrived, browser=http.binding()))


def _said(fournisseur: Fournisseur, arrived: Arrived, identite: Identite) -> Temoignage:
    """A level at which who somebody is is their own saying proves nothing, then or now; nor does a provider that may not serve for this."""
    well = arrived.acr in confrontation.TIED and fournisseur.serves(PURPOSE)
    return Temoignage(
        fournisseur=fournisseur.code,
        nom=fournisseur.nom,
        sujet_hashes=confrontation.hashes_of(_amont().seals, fournisseur, arrived.subject),
        same_person=well and confrontation.is_same_person(arrived.claims, identite),
        niveaux=confrontation.TIED,
    )


@bp.get(f"{HOME}/suite")
def after() -> ResponseReturnValue:
    """What happens now, should that account have proved that person."""
    return make_response(render_template("amont/recours_suite.html", leaving=request.args.get("sortie", "")))
