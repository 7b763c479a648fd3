"""Composition root: the one file that knows every room.

Two doors, one code base: people's pages are Flask; the endpoints that machines call all day are a small WSGI application in
front of it (docs/decisions/0001). `create_wsgi()` composes both, for any WSGI server; `mag` and `flask --app wsgi` are the
command line.
"""

import gc

gc.disable()  # nothing that is imported is garbage, and looking for some takes a quarter of a start

from datetime import UTC, datetime
from functools import partial

import click
from flask import Flask, current_app
from flask.cli import FlaskGroup, NoAppException
from jinja2 import ChoiceLoader, FileSystemLoader

import migrations
from idp import commands, http, logs, visitor
from idp.audit.traces import commands as traces_commands
from idp.authentication import commands as authentication_commands
from idp.authentication import views as authentication_views
from idp.authentication.appareils import views as appareils_views
from idp.authentication.factors import commands as factors_commands
from idp.authentication.factors import views as factors_views
from idp.authentication.factors.models import POLICIES, FactorLoss, KnownDevice, Passkey
from idp.authentication.factors.policy import read_policies
from idp.authentication.liees import views as liees_views
from idp.authentication.recours import commands as recours_commands
from idp.authentication.recours import views as recours_views
from idp.authentication.recours.models import Recours
from idp.authentication.steps import views as steps_views
from idp.config import Settings
from idp.database import Connections, Kept, Versions, db, engine_options
from idp.declarants import commands as declarants_commands
from idp.declarants.chartes import views as chartes_views
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
from idp.declarants.preuves.models import Preuve
from idp.doors import Doors
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
from idp.habilitations.usages.carnet import Carnet
from idp.habilitations.usages.models import Usage
from idp.keys import Keyring
from idp.notifications import commands as notifications_commands
from idp.notifications.models import Letter, Mail, OneTimeLink
from idp.oidc import removal
from idp.oidc import views as oidc_views
from idp.oidc.account import data as account_data
from idp.oidc.account.logiciels import views as logiciels_views
from idp.oidc.account.recus import views as recus_views
from idp.oidc.authorization import AuthorizationDoor
from idp.oidc.authzen.models import SujetConnu
from idp.oidc.backchannel import commands as backchannel_commands
from idp.oidc.backchannel.logout_outbox import LogoutOutbox
from idp.oidc.decoupled import views as decoupled_views
from idp.oidc.delivery.messenger import Messenger
from idp.oidc.encryption import Encrypter
from idp.oidc.endpoints import Endpoint, Machines
from idp.oidc.metadata import INTEROPS, LINKED, LINKS, SCIM, SIGNALS, resource_address
from idp.oidc.models import watch_profiles
from idp.oidc.people import People
from idp.oidc.reception.effets import Means as EffectMeans
from idp.oidc.reception.endpoints import PATH as PUSHED_PATH
from idp.oidc.reception.endpoints import Pushed
from idp.oidc.reception.models import SignalRecu
from idp.oidc.reception.reception import Reception
from idp.oidc.reception.releve import Releves
from idp.oidc.rights import Rights
from idp.oidc.signals import commands as signals_commands
from idp.oidc.signals import endpoints as signals_endpoints
from idp.oidc.signals.audience import Audience
from idp.oidc.signals.models import watch_events
from idp.oidc.signals.outbox import SignalOutbox
from idp.oidc.signals.polling import Transaction
from idp.oidc.signals.spread.spreading import Spreading
from idp.oidc.subjects import Subjects
from idp.oidc.tokens import Mint
from idp.oidc.upkeep import Watch, keep_up
from idp.saml import views as saml_views
from idp.saml.keyring import SamlKeys
from idp.saml.models import SamlParticipation
from idp.saml.sso import Saml
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
from idp.support.recus import views as received_views
from idp.support.signaux import views as signals_views
from partners import commands as partners_commands
from partners import endpoints as partners_endpoints
from partners import registration
from partners.acces import commands as acces_commands
from partners.acces import endpoints as liens_endpoints
from partners.acces import views as acces_views
from partners.acces.models import Lien
from partners.amont import commands as amont_commands
from partners.amont import sortie
from partners.amont import views as amont_views
from partners.amont.offres import Offres
from partners.amont.preuves import views as preuves_views
from partners.amont.recours import views as amont_recours_views
from partners.amont.relying import Amont
from partners.conventions import commands as conventions_commands
from partners.demo import commands as demo
from partners.emetteurs import commands as emetteurs_commands
from partners.emetteurs.connus import Connus
from partners.machine.endpoints import PATH as DOOR_PATH
from partners.machine.endpoints import TOKEN_PATH as DOOR_TOKEN_PATH
from partners.machine.endpoints import MachineDoor
from partners.models import InitialToken
from partners.outgoing import Fetcher
from partners.published_keys import JwksCache
from partners.rattachement import association as rattachement_association
from partners.rattachement import endpoints as rattachement_endpoints
from partners.rattachement import views as rattachement_views
from partners.rattachement.models import Rattachement
from partners.rattachement.navigation import venues
from partners.rattachement.navigation import views as navigation_views
from partners.rattachement.navigation.jetons import Jetons
from partners.rattachement.question import views as question_views
from partners.registry import Registry
from partners.saml import commands as saml_commands
from partners.saml.registry import Providers
from partners.saml.telling import Telling
from partners.scim import endpoints as scim_endpoints
from partners.scim import views as scim_views
from partners.scim.models import CompteScim
from partners.suspicions import commands as suspicions_commands
from partners.suspicions.bureau import views as suspicions_views
from partners.suspicions.endpoints import SUSPICIONS_PATH, TRACES_PATH, Interops
from partners.suspicions.models import purge_signals
from partners.transaction import transaction
from widget import commands as widget_commands
from widget import views as widget_views
from widget.cadre import views as cadre_views
from widget.developpeurs import views as developpeurs_views
from widget.fedcm import Fedcm
from widget.releases import ReleaseDoor

gc.enable()

DESK_TEMPLATES = ("support/templates", "authentication/templates", "templates")
"""Where the desk finds pages, in order: its own first, then the fields that it shares, then the page of refusals."""

PAGES = (
    authentication_views,
    liees_views,
    recours_views,
    steps_views,
    factors_views,
    appareils_views,
    oidc_views,
    saml_views,
    recus_views,
    logiciels_views,
    decoupled_views,
    parcours_views,
    arrivee_views,
    relais_views,
    representants_views,
    equipe_views,
    demandes_views,
    invitations_views,
    depart_views,
    personnes_fichier_views,
    administrateurs_views,
    cle_views,
    droits_views,
    gestes_views,
    dossiers_views,
    suivi_views,
    compte_views,
    chartes_views,
    compte_acces_views,
    compte_donnees_views,
    fichiers_views,
    fichiers_decisions_views,
    widget_views,
    cadre_views,
    developpeurs_views,
    acces_views,
    amont_views,
    preuves_views,
    amont_recours_views,
    rattachement_views,
    question_views,
    scim_views,
    navigation_views,
)
"""People's pages, room by room."""

COMMANDS = (
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
    signals_commands,
    partners_commands,
    amont_commands,
    saml_commands,
    conventions_commands,
    traces_commands,
    suspicions_commands,
    support_commands,
    widget_commands,
)
"""Of the command line, room by room."""

PURGES = {
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
    "usages des services": Usage.purge,
    "inscriptions": Inscription.purge,
    "courriers": Mail.purge,
    "lettres": Letter.purge,
    "événements de comptes": AccountEvent.purge,
    "contrôles": Controle.purge,
    "lignes de listes": EntreeListe.purge,
    "fichiers de masse": FichierDroits.purge,
    "liens signés": Lien.purge,
    "signaux": purge_signals,
    "signaux reçus": SignalRecu.purge,
    "preuves d'identité": Preuve.purge,
    "participations SAML": SamlParticipation.purge,
    "comptes associés": Rattachement.purge,
    "comptes SCIM": CompteScim.purge,
}
"""What `mag purge` takes away, each by its name."""


def create_mag(settings: Settings) -> http.Mag:
    """The components of one process."""
    connections, fetcher = Connections(settings.database_url), Fetcher(settings)
    versions = Versions(connections)
    store, keyring = open_ephemeral(settings.redis_url, connections), Keyring(settings, connections, versions)
    registry = Registry(connections, versions, JwksCache(settings, fetcher=fetcher), keyring)
    catalogue = Kept(versions, "catalogue", lambda: read_catalogue(connections))
    policies = Kept(versions, POLICIES, lambda: read_policies(connections))
    mint = Mint(settings, keyring, Subjects(connections, versions, keyring), Encrypter(registry))
    audience = Audience(settings, connections, versions, registry, mint.subjects)
    signals = SignalOutbox(connections, mint, registry, catalogue, Spreading(connections, audience))
    messenger = Messenger(connections, (LogoutOutbox(mint, registry), signals), fetcher.post)
    annuaire, carnet = Annuaire(connections), Carnet(connections)
    rights = (catalogue, annuaire, carnet, policies)
    told = Rights(settings, connections, catalogue, keyring, carnet)
    telling = Telling(settings, People(connections, store), told, mint.subjects, keyring, registry.conventions)
    saml = Saml(Providers(connections, versions), telling, SamlKeys(connections, versions, keyring))
    return http.Mag(settings, connections, versions, store, keyring, registry, *rights, mint, messenger, signals, saml)


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
account_data.MORE["comptes_associes"] = Rattachement.told
account_data.MORE["signaux_recus"] = SignalRecu.told
removal.LEAVING.append(rattachement_association.leave)
account_data.MORE["comptes_scim"] = CompteScim.told


def wake_messenger() -> None:
    """Something was committed that partners hear of."""
    mag: http.Mag | None = current_app.extensions.get("mag")
    if mag is not None:
        mag.messenger.wake()


watch_events(wake_messenger)


def create_app(settings: Settings | None = None) -> Flask:
    """People's pages and the command line. Raises SettingError when a setting is missing or unsafe."""
    settings = settings or Settings.load()
    logs.configure(settings.log_level)
    app = Flask("idp", static_url_path=f"{settings.issuer_path}/static", static_folder="static", template_folder="templates")
    app.config.update(SQLALCHEMY_DATABASE_URI=settings.database_url, SQLALCHEMY_ENGINE_OPTIONS=engine_options(settings.database_url))
    app.url_map.merge_slashes = False  # its redirects would name the scheme and host of the request
    db.init_app(app)
    app.extensions["mag"] = mag = create_mag(settings)
    app.extensions["mag_amont"] = Amont.build(settings, mag.ephemeral, mag.keyring, Fetcher(settings))
    app.extensions["mag_sortie"] = partial(sortie.take, app.extensions["mag_amont"])
    app.extensions["mag_lien"] = venues.use
    app.extensions["mag_delier"] = rattachement_association.leave
    app.extensions["mag_reception"] = receive_signals(mag, Fetcher(settings), partial(transaction, app.app_context))
    app.extensions["mag_offres"] = app.jinja_env.globals["fournisseurs_de"] = Offres(app.extensions["mag_amont"])
    around = Surroundings(mag.catalogue, settings.issuer, Reads(mag.connections, mag.annuaire))
    app.extensions["mag_fichiers"] = Ouvrier(mag.connections, app.app_context, around)
    app.extensions["mag_purges"] = PURGES
    http.install(app, settings.issuer)
    visitor.install(app)
    for room in PAGES:
        app.register_blueprint(room.bp, url_prefix=settings.issuer_path or None)
    for room in COMMANDS:
        for command in room.COMMANDS:
            app.cli.add_command(command)
    for command in compte_commands.OF_DECLARANTS:
        declarants_commands.declarants.add_command(command)
    for command in acces_commands.OF_PARTENAIRES:
        partners_commands.partenaires.add_command(command)
    for command in fichiers_commands.OF_HABILITATIONS:
        habilitations_commands.habilitations.add_command(command)
    for command in emetteurs_commands.OF_SIGNAUX:
        signals_commands.signaux.add_command(command)
    return app


def receive_signals(mag: http.Mag, fetcher: Fetcher, transaction: Transaction) -> Reception:
    """What others tell MAG: pushed to the machines' door, or fetched by the messenger."""
    registre = Connus(JwksCache(mag.settings, fetcher=fetcher), mag.keyring)
    reception = Reception(EffectMeans(mag.settings, mag.ephemeral, mag.registry), registre)
    mag.messenger.serve(Releves(reception, mag.keyring, fetcher.ask, transaction))
    return reception


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
    pages = (reviews_views, people_views, recoveries_views, losses_views, cards_views, letters_views, files_views, signals_views)
    for room in (support_views, *pages, suspicions_views, received_views):
        desk.register_blueprint(room.bp)
    return desk


def add_registrations(machines: Machines, flask: Flask, mag: http.Mag) -> None:
    """RFC 7591 and RFC 7592."""
    flask.extensions["mag_registrations"] = registrations = partners_endpoints.Registrations(mag, flask.app_context)
    machines.add("/reg", Endpoint(("POST",), registrations.register))
    machines.add("/reg/", Endpoint(("GET", "PUT", "DELETE"), registrations.manage), prefix=True)


def add_links(machines: Machines, flask: Flask, mag: http.Mag) -> None:
    """Signed links, then linked accounts."""
    at, signed = resource_address(mag.settings, LINKS), liens_endpoints.Liens(mag, machines.bearers, flask.app_context)
    machines.add(liens_endpoints.PATH, Endpoint(("POST", "GET"), signed.collection, metadata=at))
    machines.add(f"{liens_endpoints.PATH}/", Endpoint(("GET", "DELETE"), signed.one, metadata=at), prefix=True)
    at, linked = resource_address(mag.settings, LINKED), rattachement_endpoints.Liens(mag, machines.bearers, flask.app_context)
    machines.add(rattachement_endpoints.PATH, Endpoint(("GET",), linked.collection, metadata=at))
    machines.add(f"{rattachement_endpoints.PATH}/", Endpoint(("GET", "DELETE", "POST"), linked.one, metadata=at), prefix=True)
    machines.server.links = Jetons(mag, flask.app_context)


def add_signals(machines: Machines, flask: Flask, mag: http.Mag) -> None:
    """Streams of events, the two addresses where they are described, and where others push theirs."""
    at, base = resource_address(mag.settings, SIGNALS), mag.settings.issuer_path
    api = signals_endpoints.Api(mag, machines.bearers, partial(transaction, flask.app_context))
    for path, (methods, act) in api.endpoints.items():
        machines.add(path, Endpoint(methods, act, metadata=at))
    machines.add(signals_endpoints.POLLS, Endpoint(("POST",), api.poll, metadata=at), prefix=True)
    pushed = Pushed(mag, machines.bearers, flask.extensions["mag_reception"], partial(transaction, flask.app_context))
    machines.add(PUSHED_PATH, Endpoint(("POST",), pushed.take), prefix=True)
    for address in (base + signals_endpoints.WELL_KNOWN, signals_endpoints.WELL_KNOWN + base):
        machines.routes[address] = Endpoint(("GET", "HEAD"), lambda _environ: api.document)


def add_interops(machines: Machines, flask: Flask, mag: http.Mag) -> None:
    """Evidence and suspicions between bodies; the door for stored passwords, where an operator opens it."""
    at, interops = resource_address(mag.settings, INTEROPS), Interops(mag, machines.bearers, flask.app_context, machines.issuer)
    machines.add(TRACES_PATH, Endpoint(("POST",), interops.traces, metadata=at))
    machines.add(SUSPICIONS_PATH, Endpoint(("POST",), interops.suspicions, metadata=at))
    if mag.settings.machine_door:
        door = MachineDoor(mag, flask.app_context, lambda: flask.extensions["mag_means"], machines.issuer)
        machines.add(DOOR_PATH, Endpoint(("POST",), door.sign_in))
        machines.add(DOOR_TOKEN_PATH, Endpoint(("GET",), door.check))


def add_scim(machines: Machines, flask: Flask, mag: http.Mag) -> None:
    """People of the companies entrusted to a partner."""
    scim = scim_endpoints.Scim(mag, machines.bearers, flask.app_context)
    machines.add(f"{SCIM}/", Endpoint(scim_endpoints.METHODS, scim.answer, metadata=resource_address(mag.settings, SCIM)), prefix=True)


def add_widget(machines: Machines, flask: Flask, mag: http.Mag) -> None:
    """Its files, and what browsers ask for their own chooser."""
    machines.add("/widget/", Endpoint(("GET", "HEAD"), ReleaseDoor(f"{mag.settings.issuer_path}/widget/")), prefix=True)
    fedcm = Fedcm(mag, flask.app_context, machines.authorization)
    for path, (methods, act) in fedcm.endpoints.items():
        machines.add(path, Endpoint(methods, act))
    machines.routes["/.well-known/web-identity"] = Endpoint(("GET", "HEAD"), fedcm.well_known)


def create_doors(flask: Flask, *, alone: bool = False) -> Doors:
    """Who answers at which address."""
    mag: http.Mag = flask.extensions["mag"]
    machines = Machines(mag)
    for add in (add_registrations, add_links, add_signals, add_interops, add_scim, add_widget):
        add(machines, flask, mag)
    flask.extensions["mag_authorization"] = machines.authorization
    authorization = AuthorizationDoor(machines.authorization, flask.wsgi_app, http.redirection_headers(mag.settings))
    desk = create_desk(mag.settings, mag) if mag.settings.desk_url else None
    return Doors(flask, desk, machines, authorization, Watch(mag.settings, mag.keyring, partial(keys_kept_up, flask, mag)), alone=alone)


def keys_kept_up(flask: Flask, mag: http.Mag) -> None:
    """Keys that are due, beside the requests."""
    with flask.app_context():
        keep_up(mag.keyring, mag.settings.key_rotation_days, datetime.now(UTC), "serveur")
        db.session.commit()


def create_wsgi(settings: Settings | None = None, *, alone: bool = False) -> Doors:
    """The whole identity provider, as one WSGI application; `alone`, its desk and nothing else. A bad setting ends the process."""
    try:
        app = create_app(settings)
        if alone and not app.extensions["mag"].settings.desk_url:
            raise SettingError("MAG_DESK_URL is missing: there is no desk to serve")
        doors = create_doors(app, alone=alone)
    except SettingError as error:
        raise SystemExit(f"MAG ne démarre pas : {error}") from error
    doors.mag.messenger.start()
    doors.mag.carnet.start()
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
