"""`mag demo`: prepares the folder the first time, starts everything, says what to try, stops everything."""

import contextlib
import io
import os
import shlex
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import click
from flask import Flask
from flask.cli import ScriptInfo

from idp.database import db
from idp.entreprises.siret import Siret
from partners.demo import population, portails
from partners.demo.lieux import PORT_BASE, Lieux
from partners.demo.population import JEDECLARE, PASSWORD
from partners.demo.processes import ChildError, Children, Order, busy
from partners.demo.secrets import DemoSecrets, write_private

FOLDER = click.Path(file_okay=False, path_type=Path)
FREE = Siret("00012001400014")
"""An establishment where nobody is inscribed."""
DIRIGEANT = "Sylvie Marchand"
"""The legal representative of that company, in `donnees/representants.csv`."""
READY = "pret"
"""A file that says the folder was prepared to the end."""
PORTALS = {"facile": "partners.portals", "portailpro": "partners.portals", JEDECLARE: "partners.portals.jedeclare"}
"""By the name of its port and of its settings file: where the program is."""
OURS = ("*.sqlite3*", "secrets.json", *(f"{name}.json" for name in PORTALS), "partenaires.toml", "reglages.env", "journaux/*.log")
MAG = (sys.executable, "-c", "from wsgi import command_line; command_line()")


@click.command("demo")
@click.option("--port-base", default=PORT_BASE, show_default=True, type=click.IntRange(1024, 65000), help="Premier des ports.")
@click.option("--dossier", default=Path("var/demo"), show_default=True, type=FOLDER, help="Où tout est gardé.")
@click.option("--base", "database_url", default="", help="Adresse d'une base PostgreSQL vide ; SQLite dans le dossier sinon.")
@click.option("--redis", "redis_url", default="", help="Adresse d'un Redis ; la base garde tout sinon.")
@click.pass_context
def demo(context: click.Context, port_base: int, dossier: Path, database_url: str, redis_url: str) -> None:
    """Démonstration : MAG, trois portails et un attrape-courrier sur cette machine. Ctrl-C arrête tout."""
    lieux = Lieux(dossier.resolve(), port_base)
    taken = busy(lieux.ports)
    if taken is not None:
        raise click.ClickException(f"Le port {taken[1]} ({taken[0]}) est déjà pris : libérez-le, ou donnez --port-base.")
    lieux.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not (lieux.folder / READY).exists():
        click.echo("Préparation de la démonstration…")
        forget(lieux)
    secrets = DemoSecrets.load(lieux.folder)
    use_settings(lieux, secrets, database_url, redis_url)
    link = prepare(context, lieux, secrets)
    run(lieux, link, lambda: rely_on_jedeclare(context, lieux, secrets))


def forget(lieux: Lieux) -> None:
    """A first start that was interrupted leaves nothing to build on; files that are not ours stay."""
    for pattern in OURS:
        for left in lieux.folder.glob(pattern):
            left.unlink()


def use_settings(lieux: Lieux, secrets: DemoSecrets, database_url: str, redis_url: str) -> None:
    """The settings of this process and of its children: those of the demonstration, whatever the environment had."""
    for name in [name for name in os.environ if name.startswith("MAG_")]:
        del os.environ[name]
    settings = {
        "MAG_ISSUER": lieux.issuer,
        "MAG_SECRETS": secrets.master,
        "MAG_DATABASE_URL": database_url or lieux.database_url,
        "MAG_REDIS_URL": redis_url,
        "MAG_SMTP_URL": f"smtp://127.0.0.1:{lieux.ports['smtp']}",
        "MAG_LOG_LEVEL": "INFO",
        "MAG_TEST_IDENTITIES": population.test_identities(),
        "MAG_SANDBOX": "1",
        "MAG_DESK_URL": lieux.bureau,
        "MAG_OUTGOING_HOSTS": ",".join(urlsplit(origin).netloc for origin in (lieux.facile, lieux.entreprises, lieux.jedeclare)),
    }
    os.environ |= settings
    write_private(lieux.folder / "reglages.env", "".join(f"{name}={shlex.quote(value)}\n" for name, value in settings.items()))


def prepare(context: click.Context, lieux: Lieux, secrets: DemoSecrets) -> str:
    """Schema, people, partners, portals; where the operator enrols, empty once done. A second time only does what is missing."""
    invoke(context, "migrate")
    app: Flask = context.ensure_object(ScriptInfo).load_app()
    with app.app_context():
        mag, now = app.extensions["mag"], datetime.now(UTC)
        if not (lieux.folder / READY).exists():
            population.populate(mag, now)
        population.declare_partners(lieux, secrets, now)
        population.open_streams(mag, lieux, now)
        link = population.desk_link(lieux.bureau, now)
        db.session.remove()
        db.engine.dispose()
        mag.connections.drop()
    portails.write(lieux, secrets)
    (lieux.folder / READY).touch()
    return link


def rely_on_jedeclare(context: click.Context, lieux: Lieux, secrets: DemoSecrets) -> None:
    """Once everything listens: MAG reads what the portal's provider says of itself."""
    app: Flask = context.ensure_object(ScriptInfo).load_app()
    with app.app_context():
        population.rely_on_jedeclare(app.extensions["mag_amont"], lieux, secrets, datetime.now(UTC))
        db.session.remove()
        db.engine.dispose()


def invoke(context: click.Context, name: str) -> None:
    """Another command of the same command line, as if it had been typed, without its words."""
    parent = context.parent
    command = parent.command.get_command(parent, name) if parent is not None and isinstance(parent.command, click.Group) else None
    if command is None:
        raise click.ClickException(f"La commande {name} n'existe pas.")
    with contextlib.redirect_stdout(io.StringIO()):
        context.invoke(command)


def run(lieux: Lieux, desk_link: str, finish: Callable[[], None]) -> None:
    """Start the children, do what they must listen for, print the table, wait."""
    children = Children()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: children.stopping.set())
    try:
        for order in orders(lieux):
            children.start(order)
        children.wait_until_ready()
        if not children.stopping.is_set():
            finish()
            click.echo(table(lieux, desk_link))
        children.watch()
    except ChildError as error:
        raise click.ClickException(str(error)) from error
    finally:
        click.echo("Arrêt de la démonstration…")
        children.stop()


def orders(lieux: Lieux) -> list[Order]:
    """The mail catcher first: MAG's sender speaks to it."""
    ports, environ = lieux.ports, {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    mail = (sys.executable, "-m", "partners.demo.mails", str(ports["courrier"]), str(ports["smtp"]))
    serve = (*MAG, "serve", "--workers", "1", "--port", str(ports["mag"]))
    plain = {name: value for name, value in environ.items() if not name.startswith("MAG_")}
    return [
        Order("courrier", mail, ports["courrier"], plain, lieux.log("courrier")),
        Order("mag", serve, ports["mag"], environ, lieux.log("mag")),
        *(
            Order(name, portal(room, ports[name]), ports[name], plain | {"PORTAIL": str(lieux.portail(name))}, lieux.log(name))
            for name, room in PORTALS.items()
        ),
        Order("envoi des courriers", (*MAG, "courrier", "suivre", "--intervalle", "1"), None, environ, lieux.log("envoi")),
    ]


def portal(room: str, port: int) -> tuple[str, ...]:
    """One process for one portal."""
    served = ("--interface", "wsgi", "--factory", f"{room}.views:create", "--host", "127.0.0.1", "--port", str(port))
    sized = ("--workers", "1", "--blocking-threads", "8", "--http", "1", "--no-ws", "--log-level", "warning")
    return (sys.executable, "-m", "granian", *served, *sized)


def table(lieux: Lieux, desk_link: str) -> str:
    """What to open, who to be, what to try."""
    people = population.people()
    width = max(len(f"{one.prenom} {one.nom}") for one in people)
    lines = [
        "",
        f"  Déclarez facile       {lieux.facile}",
        f"  Portail Entreprises   {lieux.entreprises}",
        f"  jedeclare             {lieux.jedeclare}   (il a ses propres comptes)",
        f"  Essayer le bouton     {lieux.facile}/essais",
        f"  MAG                   {lieux.issuer}",
        f"  Bureau des opérateurs {desk_link or lieux.bureau}",
        f"  Courriers envoyés     {lieux.courrier}",
        f"  Client d'essai        curl {lieux.issuer}/reg -H 'Content-Type: application/json' "
        '-d \'{"redirect_uris": ["http://localhost:3000/retour"]}\'',
        "",
        f"  Mot de passe de tous : {PASSWORD}",
        "",
        *(f"  {one.siret.grouped}   {one.prenom + ' ' + one.nom:<{width}}   {one.cas}" for one in people),
        "",
        "  Comptes de jedeclare, au même mot de passe :",
        *(f"  {one['courriel']:<{18 + width}}   {one['nom']}, aussi inscrit à MAG" for one in portails.comptes()),
        "",
        "  À essayer : connectez-vous à Déclarez facile, passez à Portail Entreprises sans mot de passe, déconnectez-vous de l'un :",
        "  vous l'êtes de l'autre. Trompez-vous de mot de passe ; écrivez votre nom sans accents.",
        "  Connectez-vous à jedeclare, associez ce compte à la même personne de MAG, puis acceptez la charte DSN sans autre mot de passe ;",
        f"  revenez à jedeclare par « Mes portails » : {lieux.issuer}/compte/portails",
        f"  Inscrivez une entreprise : {lieux.issuer}/inscription, SIRET {FREE.grouped} ; les courriers sont là-haut.",
        f"  {DIRIGEANT} la représente : sous ce nom, le compte s'ouvre aussitôt ; sous un autre, un opérateur vérifie d'abord.",
        "  Avec Claire Ortholan, donnez votre accord à Camille Roche dans l'espace administrateur ; ajoutez un second facteur.",
        f"  Journaux : {lieux.log('mag').parent}",
        "",
        "  Ctrl-C arrête tout.",
        "",
    ]
    return "\n".join(lines)
