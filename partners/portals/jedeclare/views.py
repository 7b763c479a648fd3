"""Pages of the portal, and the doors of its OpenID provider. Served by any WSGI server: `partners.portals.jedeclare.views:create`."""

import hmac
import os
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlencode

from flask import Flask, Response, current_app, jsonify, redirect, render_template, request, session
from flask.typing import ResponseReturnValue

from partners.kit import MagKit, current_identity
from partners.kit.signals import SecurityEvent
from partners.portals.jedeclare.liens import Liens
from partners.portals.jedeclare.mag import Mag, MagRefusedError
from partners.portals.jedeclare.portail import Compte, Portail, own_path
from partners.portals.jedeclare.provider import Provider

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self' {mag}; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
CHARTE = "/charte/dsn"
FRESH = 240
"""Seconds after which MAG would ask for another sign-in before two accounts are linked."""


def create() -> Flask:
    return create_portal(Portail.read(Path(os.environ["PORTAIL"]).read_text("utf-8")))


def create_portal(portail: Portail) -> Flask:
    app = Flask(__name__, template_folder="../templates", static_folder="../static")
    app.secret_key = portail.secret_key
    app.config.update(
        SESSION_COOKIE_NAME="jedeclare", SESSION_COOKIE_SAMESITE="Lax", SESSION_COOKIE_HTTPONLY=True, MAX_CONTENT_LENGTH=16384
    )
    liens = Liens(portail.liens)
    kit, mag = MagKit(app, on_event=lambda event: told(liens, event), **portail.kit), Mag(portail)
    app.extensions["jedeclare"] = (portail, mag, Provider(portail, mag.key), liens)
    app.jinja_env.globals.update(portail=portail, kit=kit.config, jeton=_token)
    app.after_request(lambda response: _headers(response, portail.mag))
    for path, view, methods in (
        ("/", home, ["GET"]),
        ("/connexion", sign_in_page, ["GET"]),
        ("/connexion", sign_in, ["POST"]),
        ("/deconnexion", sign_out, ["POST"]),
        ("/espace", space, ["GET"]),
        ("/mag/associer", associate, ["GET", "POST"]),
        ("/mag/associe", associated, ["GET"]),
        ("/mag/delier", unlink, ["POST"]),
        ("/mag/passer", vouch, ["GET"]),
        ("/mag/entrer", enter, ["GET"]),
        ("/mag/arrive", arrived, ["GET"]),
        ("/.well-known/openid-configuration", configuration, ["GET"]),
        ("/oidc/jwks", jwks, ["GET"]),
        ("/oidc/authorize", authorize, ["GET"]),
        ("/oidc/token", token, ["POST"]),
    ):
        app.add_url_rule(path, view_func=view, methods=methods)
    return app


def told(liens: Liens, event: SecurityEvent) -> None:
    """MAG says that two accounts are linked, or no longer, whichever side did it."""
    if event.kind == "rattachement-ouvert":
        liens.keep(str(event.content["compte"]), event.sub, str(event.content["lien"]))
    elif event.kind == "rattachement-clos":
        liens.drop(str(event.content["lien"]))


def _headers(response: Response, mag: str) -> Response:
    response.headers.setdefault("Content-Security-Policy", POLICY.format(mag="/".join(mag.split("/")[:3])))
    response.headers.setdefault("Referrer-Policy", "same-origin")
    response.headers["X-Content-Type-Options"] = "nosniff"
    if request.endpoint != "static":
        response.headers["Cache-Control"] = "no-store"
    return response


def _all() -> tuple[Portail, Mag, Provider, Liens]:
    return current_app.extensions["jedeclare"]  # type: ignore[no-any-return]  # Flask's extension dict is untyped


def _here() -> Compte | None:
    """Who is signed in; a session that MAG vouched for lasts as long as the one of the same person at MAG."""
    if sub := session.get("mag"):
        identity = current_identity()
        if identity is None or identity.sub != sub:
            return None
    return _all()[0].compte(str(session.get("compte", "")))


def _since() -> int:
    """When the password was given here; 0 when it was not: MAG's word is not given back to MAG."""
    return int(session.get("depuis", 0)) if _here() else 0


def _token() -> str:
    """What a form of this site brings back."""
    return str(session.setdefault("jeton", secrets.token_urlsafe(16)))


def _is_own_form() -> bool:
    return hmac.compare_digest(request.form.get("jeton", "").encode(), str(session.get("jeton", "")).encode()) and "jeton" in session


def _leave() -> None:
    """A link that this browser asked for goes on."""
    state = session.get("etat")
    session.clear()
    if state:
        session["etat"] = state


def _open(compte: Compte, since: int, mag: str = "") -> None:
    """`mag` is who MAG says it is, when it is MAG that says so."""
    _leave()
    session.update(compte=compte.id, depuis=since, mag=mag)


def _notice(title: str, text: str, status: int) -> ResponseReturnValue:
    return render_template("jedeclare/avis.html", titre=title, texte=text, compte=_here()), status


# --------------------------------------------------------------------------------------------------------------- its accounts


def home() -> ResponseReturnValue:
    return render_template("jedeclare/accueil.html", compte=_here())


def sign_in_page() -> ResponseReturnValue:
    return render_template("jedeclare/connexion.html", suite=own_path(request.args.get("suite", "")), compte=None, refus=False)


def sign_in() -> ResponseReturnValue:
    portail, suite = _all()[0], own_path(request.form.get("suite", ""))
    found = portail.named(request.form.get("courriel", ""))
    right = found is not None and hmac.compare_digest(request.form.get("mot_de_passe", "").encode(), found.mot_de_passe.encode())
    if not _is_own_form() or found is None or not right:
        return render_template("jedeclare/connexion.html", suite=suite, compte=None, refus=True), 422
    _open(found, int(time.time()))
    return redirect(suite, 303)


def sign_out() -> ResponseReturnValue:
    if _is_own_form():
        session.clear()
    return redirect("/", 303)


def space() -> ResponseReturnValue:
    portail, _, _, liens = _all()
    compte = _here()
    if compte is None:
        return redirect("/connexion", 303)
    by_provider = f"{portail.mag}/navigation/{portail.client_id}?{urlencode({'vers': CHARTE})}"
    shown = {"lien": liens.of(compte.id), "charte": by_provider, "fait": request.args.get("fait", "")}
    return render_template("jedeclare/espace.html", compte=compte, **shown)


# -------------------------------------------------------------------------------------------------------------------- and MAG


def associate() -> ResponseReturnValue:
    """Who just signed in here asks MAG to link this account; whoever did long ago signs in again first."""
    _, mag, _, _ = _all()
    compte = _here()
    if compte is None or time.time() - _since() > FRESH or (request.method == "POST" and not _is_own_form()):
        return redirect(f"/connexion?{urlencode({'suite': '/mag/associer'})}", 303)
    session["etat"] = state = secrets.token_urlsafe(16)
    return redirect(mag.link_address(compte, _since(), state), 303)


def associated() -> ResponseReturnValue:
    """MAG's answer, for this very browser: who that is, signed; or a refusal."""
    portail, mag, _, liens = _all()
    given, compte, state = request.args, _here(), session.pop("etat", "")
    if compte is None or not state or given.get("state") != state or given.get("iss") != portail.mag:
        if _undone(mag, liens, compte, given.get("response", "")):
            return redirect("/espace", 303)
        return _notice("Demande perdue", "Cette réponse ne va avec aucune demande de ce navigateur. Recommencez depuis votre espace.", 400)
    if "error" in given:
        return redirect("/espace?fait=refuse", 303)
    try:
        claims = mag.answer(given.get("response", ""))
    except MagRefusedError:
        return _notice("Réponse illisible", "La réponse de MAG n'a pas pu être vérifiée. Recommencez dans un instant.", 502)
    if claims["compte"] != compte.id:
        return _notice("Autre compte", "La réponse de MAG porte sur un autre compte. Recommencez depuis votre espace.", 409)
    liens.keep(compte.id, str(claims["sub"]), str(claims["rattachement"]))
    return redirect("/espace?fait=associe", 303)


def _undone(mag: Mag, liens: Liens, compte: Compte | None, response: str) -> bool:
    """A link that this browser did not ask for ends; True when it is the one of this account, read twice."""
    if not response:
        return False
    try:
        claims = mag.answer(response)
        if compte is not None and claims["compte"] == compte.id and liens.of(compte.id) == claims["rattachement"]:
            return True
        mag.unlink(str(claims["rattachement"]))
    except MagRefusedError:
        current_app.logger.warning("a link that nobody asked for here could not be ended")
    return False


def unlink() -> ResponseReturnValue:
    _, mag, _, liens = _all()
    compte = _here()
    if compte is None or not _is_own_form():
        return redirect("/connexion", 303)
    try:
        if rattachement := liens.of(compte.id):
            mag.unlink(rattachement)
        liens.replace(mag.links())
    except MagRefusedError:
        return _notice("MAG ne répond pas", "L'association n'a pas pu être défaite. Recommencez dans un instant.", 502)
    return redirect("/espace?fait=delie", 303)


def vouch() -> ResponseReturnValue:
    """To the charter by the portal's word, for who would rather not run an OpenID provider."""
    _, mag, _, _ = _all()
    compte = _here()
    if compte is None or not _since():
        return redirect(f"/connexion?{urlencode({'suite': '/mag/passer'})}", 303)
    return redirect(mag.passage_address(compte, _since(), CHARTE), 303)


def enter() -> ResponseReturnValue:
    """OpenID Connect Core section 4: MAG sends somebody; who it is, MAG will say."""
    portail, _, _, _ = _all()
    if request.args.get("iss", portail.mag) != portail.mag:
        return _notice("Demande refusée", "Cette demande ne vient pas de MAG.", 400)
    return redirect(f"{portail.kit.get('prefix', '/auth/mag')}/start?{urlencode({'return_to': '/mag/arrive'})}", 303)


def arrived() -> ResponseReturnValue:
    """Whoever MAG names is the holder of the account that is linked to them."""
    portail, mag, _, liens = _all()
    identity = current_identity()
    if identity is None:
        return redirect("/mag/entrer", 303)
    try:
        liens.replace(mag.links())
    except MagRefusedError:
        return _notice("MAG ne répond pas", "Vos comptes associés n'ont pas pu être lus. Recommencez dans un instant.", 502)
    found = portail.compte(liens.compte_of(identity.sub))
    if found is None:
        text = "Votre identité MAG n'est associée à aucun compte ici. Connectez-vous, puis associez les deux depuis votre espace."
        return _notice("Comptes non associés", text, 403)
    _open(found, 0, identity.sub)
    return redirect("/espace?fait=arrive", 303)


# ------------------------------------------------------------------------------------------------------------- its provider


def configuration() -> ResponseReturnValue:
    return jsonify(_all()[2].configuration())


def jwks() -> ResponseReturnValue:
    return jsonify(_all()[2].jwks())


def authorize() -> ResponseReturnValue:
    provider, asked = _all()[2], request.args
    if not provider.is_ours(asked):
        return _notice("Demande refusée", "Ce site n'est pas connu ici, ou son adresse de retour n'est pas la sienne.", 400)
    if error := provider.problem(asked):
        return redirect(provider.back(asked, error=error), 303)
    compte, prompt = _here(), asked.get("prompt", "")
    if compte is None or prompt == "login" or provider.needs_sign_in(asked, _since()):
        if prompt == "none":
            return redirect(provider.back(asked, error="login_required"), 303)
        _leave()
        return redirect(f"/connexion?{urlencode({'suite': _once_signed_in(asked)})}", 303)
    return redirect(provider.back(asked, code=provider.code(asked, compte, _since())), 303)


def _once_signed_in(asked: Mapping[str, str]) -> str:
    """The same request: what asked for the sign-in is done then. `auth_time` tells MAG when."""
    return f"/oidc/authorize?{urlencode({name: value for name, value in asked.items() if name not in ('prompt', 'max_age')})}"


def token() -> ResponseReturnValue:
    """For MAG's server."""
    answer, status = _all()[2].redeem(request.form, request.headers.get("Authorization", ""))
    response = jsonify(answer)
    response.headers["Cache-Control"] = "no-store"
    return response, status
