"""Composition root: the one file that knows every room.

Two doors, one code base: people's pages are Flask; the endpoints that machines call all day are a small WSGI application in
front of it (docs/decisions/0001). `create_wsgi()` composes both, for any WSGI server; `mag` and `flask --app wsgi` are the
command line.
"""

import os
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from random import getrandbits
from typing import Any
from urllib.parse import urlsplit

import click
from flask import Flask, current_app
from flask.cli import FlaskGroup, NoAppException
from jinja2 import ChoiceLoader, FileSystemLoader

import migrations
from idp import commands, http, logs, visitor
from idp.audit.journal import Circumstances, circumstances
from idp.authentication import commands as authentication_commands
from idp.authentication import views as authentication_views
from idp.authentication.appareils import views as appareils_views
from idp.authentication.factors import commands as factors_commands
from idp.authentication.factors import views as factors_views
from idp.authentication.factors.models import POLICIES, FactorLoss, KnownDevice, Passkey
from idp.authentication.factors.policy import read_policies
from idp.authentication.recours import commands as recours_commands
from idp.authentication.recours import views as recours_views
from idp.authentication.recours.models import Recours
from idp.authentication.steps import views as steps_views
from idp.config import Settings
from idp.database import Connections, Kept, Versions, db, engine_options
from idp.declarants import commands as declarants_commands
from idp.declarants.compte import commands as compte_commands
from idp.declarants.compte import views as compte_views
from idp.declarants.compte.acces import views as compte_acces_views
from idp.declarants.compte.donnees import views as compte_donnees_views
from idp.declarants.controles import commands as controles_commands
from idp.declarants.controles.models import Controle, EntreeListe
from idp.declarants.controles.representants import views as representants_views
from idp.declarants.equipe import views as equipe_views
from idp.declarants.equipe.administrateurs import views as administrateurs_views
from idp.declarants.equipe.cle import views as cle_views
from idp.declarants.equipe.demandes import views as demandes_views
from idp.declarants.equipe.depart import views as depart_views
from idp.declarants.equipe.fichier import views as personnes_fichier_views
from idp.declarants.equipe.invitations import views as invitations_views
from idp.declarants.equipe.models import Candidature, Invitation
from idp.declarants.models import AccountEvent
from idp.declarants.parcours import views as parcours_views
from idp.declarants.parcours.arrivee import views as arrivee_views
from idp.declarants.parcours.models import Inscription
from idp.declarants.parcours.relais import views as relais_views
from idp.entreprises import commands as entreprises_commands
from idp.ephemeral import open_ephemeral
from idp.errors import SettingError, StoreUnavailableError
from idp.habilitations import commands as habilitations_commands
from idp.habilitations.annuaire.noms import Annuaire
from idp.habilitations.choix.models import EtablissementChoisi
from idp.habilitations.decision import read_catalogue
from idp.habilitations.espace import views as droits_views
from idp.habilitations.espace.dossiers import views as dossiers_views
from idp.habilitations.espace.gestes import views as gestes_views
from idp.habilitations.espace.suivi import views as suivi_views
from idp.habilitations.fichiers import commands as fichiers_commands
from idp.habilitations.fichiers import views as fichiers_views
from idp.habilitations.fichiers.decisions import views as fichiers_decisions_views
from idp.habilitations.fichiers.gestes import Reads
from idp.habilitations.fichiers.models import FichierDroits
from idp.habilitations.fichiers.ouvrier import Ouvrier
from idp.habilitations.fichiers.traitement import Surroundings
from idp.keys import Keyring
from idp.notifications import commands as notifications_commands
from idp.notifications.models import Letter, Mail, OneTimeLink
from idp.oidc import endpoints as oidc_endpoints
from idp.oidc import views as oidc_views
from idp.oidc.account.recus import views as recus_views
from idp.oidc.authorization import AuthorizationDoor
from idp.oidc.authzen.models import SujetConnu
from idp.oidc.backchannel import commands as backchannel_commands
from idp.oidc.backchannel.messenger import Messenger
from idp.oidc.decoupled import views as decoupled_views
from idp.oidc.encryption import Encrypter
from idp.oidc.metadata import LINKS, resource_address
from idp.oidc.models import watch_profiles
from idp.oidc.people import People
from idp.oidc.subjects import Subjects
from idp.oidc.tokens import Mint
from idp.oidc.upkeep import Watch, keep_up
from idp.support import bureau
from idp.support import commands as support_commands
from idp.support import views as support_views
from idp.support.controles import views as reviews_views
from idp.support.facteurs import views as losses_views
from idp.support.fiches import views as cards_views
from idp.support.fichiers import views as files_views
from idp.support.lettres import views as letters_views
from idp.support.personnes import views as people_views
from idp.support.recours import views as recoveries_views
from partners import commands as partners_commands
from partners import endpoints as partners_endpoints
from partners import registration
from partners.acces import commands as acces_commands
from partners.acces import endpoints as liens_endpoints
from partners.acces import views as acces_views
from partners.acces.models import Lien
from partners.demo import commands as demo
from partners.models import InitialToken
from partners.outgoing import Fetcher, JwksCache
from partners.registry import Registry
from widget import commands as widget_commands
from widget import views as widget_views
from widget.developpeurs import views as developpeurs_views
from widget.fedcm import Fedcm
from widget.releases import ReleaseDoor

URL_LIMIT = 8 * 1024
"""Bytes of path and query; longer answers 414."""
HEADERS_LIMIT = 16 * 1024
"""Bytes of the values of all headers; more answers 431."""

DESK_TEMPLATES = ("support/templates", "authentication/templates", "templates")
"""Where the desk finds pages, in order: its own first, then the fields that it shares, then the page of refusals."""

Environ = dict[str, Any]
StartResponse = Callable[..., Any]


def create_mag(settings: Settings) -> http.Mag:
    """The components of one process."""
    connections, fetcher = Connections(settings.database_url), Fetcher(settings)
    versions = Versions(connections)
    store, keyring = open_ephemeral(settings.redis_url, connections), Keyring(settings, connections, versions)
    registry = Registry(connections, versions, JwksCache(settings, fetcher=fetcher), keyring)
    catalogue = Kept(versions, "catalogue", lambda: read_catalogue(connections))
    policies = Kept(versions, POLICIES, lambda: read_policies(connections))
    mint = Mint(settings, keyring, Subjects(connections, versions, keyring), Encrypter(registry))
    messenger = Messenger(connections, mint, registry, fetcher.post)
    annuaire = Annuaire(connections)
    return http.Mag(settings, connections, versions, store, keyring, registry, catalogue, annuaire, policies, mint, messenger)


def forget_profile(declarant_id: int) -> None:
    """What partners read of somebody changed. A store that is away keeps the former profile for five minutes at most."""
    mag: http.Mag | None = current_app.extensions.get("mag")
    if mag is None:
        return  # an application of the database alone tells nobody anything
    try:
        People(mag.connections, mag.ephemeral).forget(declarant_id)
    except StoreUnavailableError:
        logs.logger.warning("a profile that changed may be told as it was", extra={"fields": {"declarant": declarant_id}})


watch_profiles(forget_profile)


def create_app(settings: Settings | None = None) -> Flask:
    """People's pages and the command line. Raises SettingError when a setting is missing or unsafe."""
    settings = settings or Settings.load()
    logs.configure(settings.log_level)
    app = Flask("idp", static_url_path=f"{settings.issuer_path}/static", static_folder="static", template_folder="templates")
    app.config.update(SQLALCHEMY_DATABASE_URI=settings.database_url, SQLALCHEMY_ENGINE_OPTIONS=engine_options(settings.database_url))
    app.url_map.merge_slashes = False  # its redirects would name the scheme and host of the request
    db.init_app(app)
    app.extensions["mag"] = mag = create_mag(settings)
    around = Surroundings(mag.catalogue, settings.issuer, Reads(mag.connections, mag.annuaire))
    app.extensions["mag_fichiers"] = Ouvrier(mag.connections, app.app_context, around)
    app.extensions["mag_purges"] = {
        "clients échus": registration.purge,
        "jetons initiaux": InitialToken.purge,
        "liens": OneTimeLink.purge,
        "candidatures": Candidature.purge,
        "invitations": Invitation.purge,
        "demandes de recours": Recours.purge,
        "appareils": KnownDevice.purge,
        "facteurs perdus": FactorLoss.purge,
        "clés d'accès orphelines": Passkey.purge,
        "sujets connus": SujetConnu.purge,
        "établissements choisis": EtablissementChoisi.purge,
        "inscriptions": Inscription.purge,
        "courriers": Mail.purge,
        "lettres": Letter.purge,
        "événements de comptes": AccountEvent.purge,
        "contrôles": Controle.purge,
        "lignes de listes": EntreeListe.purge,
        "fichiers de masse": FichierDroits.purge,
        "liens signés": Lien.purge,
    }
    http.install(app, settings.issuer)
    visitor.install(app)
    for blueprint in (
        authentication_views.bp,
        recours_views.bp,
        steps_views.bp,
        factors_views.bp,
        appareils_views.bp,
        oidc_views.bp,
        recus_views.bp,
        decoupled_views.bp,
        parcours_views.bp,
        arrivee_views.bp,
        relais_views.bp,
        representants_views.bp,
        equipe_views.bp,
        demandes_views.bp,
        invitations_views.bp,
        depart_views.bp,
        personnes_fichier_views.bp,
        administrateurs_views.bp,
        cle_views.bp,
        droits_views.bp,
        gestes_views.bp,
        dossiers_views.bp,
        suivi_views.bp,
        compte_views.bp,
        compte_acces_views.bp,
        compte_donnees_views.bp,
        fichiers_views.bp,
        fichiers_decisions_views.bp,
        widget_views.bp,
        developpeurs_views.bp,
        acces_views.bp,
    ):
        app.register_blueprint(blueprint, url_prefix=settings.issuer_path or None)
    for room in (
        commands,
        authentication_commands,
        factors_commands,
        recours_commands,
        declarants_commands,
        controles_commands,
        entreprises_commands,
        habilitations_commands,
        notifications_commands,
        backchannel_commands,
        partners_commands,
        support_commands,
        widget_commands,
    ):
        for command in room.COMMANDS:
            app.cli.add_command(command)
    for command in compte_commands.OF_DECLARANTS:
        declarants_commands.declarants.add_command(command)
    for command in acces_commands.OF_PARTENAIRES:
        partners_commands.partenaires.add_command(command)
    for command in fichiers_commands.OF_HABILITATIONS:
        habilitations_commands.habilitations.add_command(command)
    return app


def create_desk(settings: Settings, mag: http.Mag) -> Flask:
    """The operators' desk: an application of its own, which shares the components of a process and no page with the public one."""
    desk = Flask("idp", static_folder="static", template_folder="support/templates")
    desk.jinja_loader = ChoiceLoader([FileSystemLoader(f"{desk.root_path}/{folder}") for folder in DESK_TEMPLATES])
    desk.config.update(SQLALCHEMY_DATABASE_URI=settings.database_url, SQLALCHEMY_ENGINE_OPTIONS=engine_options(settings.database_url))
    desk.url_map.merge_slashes = False
    db.init_app(desk)
    desk.extensions["mag"] = mag
    http.install(desk, settings.desk_url)
    bureau.install(desk)
    for room in (support_views, reviews_views, people_views, recoveries_views, losses_views, cards_views, letters_views, files_views):
        desk.register_blueprint(room.bp)
    return desk


class Doors:
    """Both doors behind one host check and one size limit; `flask` is the page door. The desk, if any, is behind a host of its own."""

    def __init__(self, flask: Flask, *, alone: bool = False) -> None:
        self.flask = flask
        self.mag: http.Mag = flask.extensions["mag"]
        settings = self.mag.settings
        self.default_port = ":443" if settings.issuer.startswith("https:") else ":80"
        self.hosts = frozenset(() if alone else (self._canonical(host) for host in (settings.issuer_host, *settings.hosts)))
        self.desk_host = self._canonical(urlsplit(settings.desk_url).netloc)
        self.desk = create_desk(settings, self.mag) if settings.desk_url else None
        self.machines = oidc_endpoints.Machines(self.mag)
        flask.extensions["mag_registrations"] = registrations = partners_endpoints.Registrations(self.mag, flask.app_context)
        self.machines.add("/reg", oidc_endpoints.Endpoint(("POST",), registrations.register))
        self.machines.add("/reg/", oidc_endpoints.Endpoint(("GET", "PUT", "DELETE"), registrations.manage), prefix=True)
        releases = ReleaseDoor(f"{settings.issuer_path}/widget/")
        self.machines.add("/widget/", oidc_endpoints.Endpoint(("GET", "HEAD"), releases), prefix=True)
        liens, described_at = liens_endpoints.Liens(self.mag, self.machines.bearers, flask.app_context), resource_address(settings, LINKS)
        self.machines.add(liens_endpoints.PATH, oidc_endpoints.Endpoint(("POST", "GET"), liens.collection, metadata=described_at))
        one = oidc_endpoints.Endpoint(("GET", "DELETE"), liens.one, metadata=described_at)
        self.machines.add(f"{liens_endpoints.PATH}/", one, prefix=True)
        fedcm = Fedcm(self.mag, flask.app_context, self.machines.authorization)
        for path, (methods, act) in fedcm.endpoints.items():
            self.machines.add(path, oidc_endpoints.Endpoint(methods, act))
        self.machines.routes["/.well-known/web-identity"] = oidc_endpoints.Endpoint(("GET", "HEAD"), fedcm.well_known)
        flask.extensions["mag_authorization"] = endpoint = self.machines.authorization
        self.authorize = settings.issuer_path + "/authorize"
        self.authorization = AuthorizationDoor(endpoint, flask.wsgi_app, http.redirection_headers(settings))
        self.trusted_proxies = settings.trusted_proxies
        self.surroundings = frozenset(name for name in os.environ if not name.startswith("HTTP_"))
        """Servers copy them into each request: set aside all at once, which costs less than looking at each."""
        self.watch = Watch(settings, self.mag.keyring, self._keep_up)

    def _keep_up(self) -> None:
        """Keys that are due, beside the requests."""
        with self.flask.app_context():
            keep_up(self.mag.keyring, self.mag.settings.key_rotation_days, datetime.now(UTC), "serveur")
            db.session.commit()

    def _canonical(self, host: str) -> str:
        """RFC 9110 section 4.2.3: a host has no case, and need not say the port of its scheme."""
        return host.lower().removesuffix(self.default_port)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        host = environ.get("HTTP_HOST", "")
        at_desk = self.desk is not None and self._canonical(host) == self.desk_host
        if not at_desk and host not in self.hosts and self._canonical(host) not in self.hosts:
            return refuse(start_response, "421 Misdirected Request", b"This host is not served here.\n")
        path = environ.get("PATH_INFO", "")
        if len(path) + len(environ.get("QUERY_STRING", "")) > URL_LIMIT:
            return refuse(start_response, "414 URI Too Long", b"This address is too long.\n")
        if sum([len(environ[name]) for name in environ.keys() - self.surroundings if name[:5] == "HTTP_"]) > HEADERS_LIMIT:
            return refuse(start_response, "431 Request Header Fields Too Large", b"These headers are too large.\n")
        self.watch()
        environ["mag.request_id"] = request_id = f"{getrandbits(64):016x}"
        if path == self.authorize and not at_desk:
            return self.authorization(environ, start_response)
        endpoint = None if at_desk else self.machines.find(path)
        if endpoint is None:
            pages = self.desk if at_desk and self.desk else self.flask
            return pages.wsgi_app(environ, start_response)
        token = circumstances.set(Circumstances(http.address_of(environ, self.trusted_proxies), request_id))
        try:
            return self.machines.answer(endpoint, environ, start_response)
        finally:
            circumstances.reset(token)


def refuse(start_response: StartResponse, status: str, text: bytes) -> Iterable[bytes]:
    headers = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(text)))]
    start_response(status, [*headers, ("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff")])
    return [text]


def create_wsgi(settings: Settings | None = None, *, alone: bool = False) -> Doors:
    """The whole identity provider, as one WSGI application; `alone`, its desk and nothing else. A bad setting ends the process."""
    try:
        app = create_app(settings)
        if alone and not app.extensions["mag"].settings.desk_url:
            raise SettingError("MAG_DESK_URL is missing: there is no desk to serve")
        doors = Doors(app, alone=alone)
    except SettingError as error:
        raise SystemExit(f"MAG ne démarre pas : {error}") from error
    doors.mag.messenger.start()
    app.extensions["mag_fichiers"].start()
    return doors


def create_bureau() -> Doors:
    """The operators' desk by itself, for a process that the public network does not reach."""
    return create_wsgi(alone=True)


@click.command("migrate")
@click.option("--vers", "revision", default="head", show_default=True, help="Révision à atteindre.")
def migrate(revision: str) -> None:
    """Met le schéma de la base à niveau."""
    migrations.upgrade(commands.loaded_settings().database_url, revision)
    click.echo("Le schéma de la base est à jour.")


def application_for_commands() -> Flask:
    """A setting that prevents the start is one clear line (C75)."""
    try:
        return create_app()
    except SettingError as error:
        raise NoAppException(f"MAG ne démarre pas : {error}") from error


@click.group(cls=FlaskGroup, create_app=application_for_commands, add_default_commands=False, add_version_option=False)
def command_line() -> None:
    """Mire d'Authentification Générique : exploitation en ligne de commande."""


command_line.params.clear()
"""No --app, no --debug: this command line serves this application, and never a debugger (C59)."""

for without_application in (commands.secret, commands.serve, migrate, demo.demo):
    command_line.add_command(without_application)
