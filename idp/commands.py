"""Commands of the operator that belong to no room: server, secrets, signing keys, settings, housekeeping."""

import gc
import os
import sys
from contextlib import suppress
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
from flask import current_app
from flask.cli import with_appcontext

from idp import http
from idp.audit import journal
from idp.audit.events import KeyChanged
from idp.config import Settings
from idp.database import Version, db
from idp.errors import RefusedError, SettingError, table
from idp.key_states import initialise, purge_retired, rotate, withdraw
from idp.keys import ALGORITHMS, SigningKey, certify
from idp.oidc.backchannel.models import PURGE_NOTICES, PURGE_PARTICIPATIONS
from idp.oidc.decoupled.models import PURGE_DEMANDES
from idp.oidc.models import PURGE_FAMILIES
from idp.oidc.upkeep import keep_up
from idp.seals import new_secret

BLOCKING_THREADS = 64
"""Per worker. A sign-in that waits for its hash holds one: the slots and the queue leave RESERVED_THREADS or more to the rest
(docs/decisions/0005)."""
RESERVED_THREADS = 16
"""Threads of a worker that no sign-in can hold."""
NAMES = {"ignore_unknown_options": True}
"""For commands that are given the name of a key: one in sixty-four begins with a dash."""
NOTICES_KEPT = timedelta(days=30)
"""Notices delivered or given up, for operators; a session that ended is never told again meanwhile."""


def loaded_settings() -> Settings:
    """The settings of the environment; a refusal is one clear line."""
    try:
        return Settings.load()
    except SettingError as error:
        raise click.ClickException(f"MAG ne démarre pas : {error}") from error


@click.command("secret")
def secret() -> None:
    """Fabrique un secret maître pour MAG_SECRETS."""
    click.echo(new_secret())


@click.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="Adresse d'écoute.")
@click.option("--port", default=8000, show_default=True, help="Port d'écoute.")
@click.option("--workers", default=os.cpu_count() or 1, show_default=True, help="Processus ; un par cœur.")
@click.option("--threads", default=BLOCKING_THREADS, show_default=True, help="Requêtes simultanées par processus.")
@click.option("--bureau", is_flag=True, help="Servir le bureau des opérateurs, et lui seul.")
def serve(host: str, port: int, workers: int, threads: int, *, bureau: bool) -> None:
    """Sert MAG avec Granian. Les réglages sont vérifiés avant de commencer."""
    _check_threads(loaded_settings(), threads)
    from granian.cli import cli

    gc.freeze()  # workers are forks: what was imported is read once, and stays shared as long as nobody touches it
    _in_turn()
    cli(
        [
            "--interface",
            "wsgi",
            "--factory",
            "wsgi:create_bureau" if bureau else "wsgi:create_wsgi",
            "--host",
            host,
            "--port",
            str(port),
            "--workers",
            str(workers),
            "--blocking-threads",
            str(threads),
            "--http",
            "1",
            "--respawn-failed-workers",
            "--workers-kill-timeout",
            "10",
            "--no-ws",
            "--log-level",
            "warning",
        ],
        auto_envvar_prefix="GRANIAN",
    )


def _in_turn() -> None:
    """Threads of a worker that wake wait for the one that runs, which would only take the interpreter's lock from it (Linux).

    A sixth less processor for a sign-in without a password, and as much waiting (docs/performance.md). Left alone: whoever chose otherwise.
    """
    if sys.platform == "linux":
        with suppress(OSError):  # a sandbox may refuse, or know no other policy
            if os.sched_getscheduler(0) == os.SCHED_OTHER:
                os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def _check_threads(settings: Settings, threads: int) -> None:
    """Sign-ins that wait must not hold every thread. A server of one thread, for measures, has no queue at all."""
    least = settings.hash_slots + settings.hash_queue + RESERVED_THREADS
    if 1 < threads < least:
        raise click.ClickException(
            f"MAG ne démarre pas : --threads {threads} est trop peu pour MAG_HASH_SLOTS et MAG_HASH_QUEUE ; "
            f"il en faut {least}, ou une file plus courte."
        )


@click.command("reglages")
@with_appcontext
def settings_in_force() -> None:
    """Affiche chaque réglage, sa valeur (secrets masqués) et ce qu'il fait."""
    current = http.mag().settings
    for f in fields(Settings):
        value = getattr(current, f.name)
        shown = "(masqué)" if f.metadata["secret"] and value else value
        click.echo(f"MAG_{f.name.upper()} = {shown}\n    {f.metadata['doc']}")


@click.command("erreurs")
def errors() -> None:
    """Affiche la table des codes d'erreur, en Markdown : celle de docs/erreurs.md."""
    click.echo(table())


@click.group("cles")
def keys() -> None:
    """Clés de signature des jetons."""


def _told(key: SigningKey) -> None:
    journal.record(KeyChanged(kid=key.kid, state=key.state, actor="commande"))
    click.echo(f"{key.alg}  {key.state:8}  {key.kid}")


@keys.command("init")
@with_appcontext
def keys_init() -> None:
    """Fabrique les clés qui manquent ; sans effet si elles existent."""
    made = initialise(http.mag().keyring, datetime.now(UTC))
    for key in made:
        _told(key)
    db.session.commit()
    click.echo(f"{len(made)} clé(s) créée(s)." if made else "Toutes les clés existent déjà.")


@keys.command("lister")
@with_appcontext
def keys_list() -> None:
    """Liste les clés publiées et leur état."""
    for key in SigningKey.every():
        click.echo(f"{key.alg}  {key.state:8}  {key.created_at:%Y-%m-%d %H:%M} UTC  {key.kid}")


@keys.command("tourner")
@click.option("--alg", type=click.Choice(ALGORITHMS), multiple=True, help="Un algorithme ; tous par défaut.")
@click.option("--urgence", is_flag=True, help="Même si la clé suivante est publiée depuis moins de 24 heures.")
@with_appcontext
def keys_rotate(alg: tuple[str, ...], urgence: bool) -> None:
    """La clé suivante signe, l'ancienne reste publiée, une nouvelle est annoncée."""
    for one in alg or ALGORITHMS:
        try:
            for key in rotate(http.mag().keyring, one, datetime.now(UTC), emergency=urgence):
                _told(key)
        except RefusedError as error:
            raise click.ClickException(error.public) from error
    db.session.commit()


@keys.command("retirer", context_settings=NAMES)
@click.argument("kid")
@with_appcontext
def keys_withdraw(kid: str) -> None:
    """Cesse de publier une clé retirée : ce qu'elle a signé est refusé partout."""
    try:
        key = withdraw(kid)
    except RefusedError as error:
        raise click.ClickException(error.public) from error
    journal.record(KeyChanged(kid=key.kid, state="withdrawn", actor="commande"))
    db.session.commit()
    click.echo(f"La clé {kid} n'est plus publiée.")


@keys.command("entretenir")
@with_appcontext
def keys_keep_up() -> None:
    """Fait ce qui est dû : fabrique ce qui manque, tourne ce qui est ancien, cesse de publier ce qui est mort."""
    mag = http.mag()
    changed = keep_up(mag.keyring, mag.settings.key_rotation_days, datetime.now(UTC), "commande")
    db.session.commit()
    for event in changed:
        click.echo(f"{event.state:9}  {event.kid}")
    click.echo(f"{len(changed)} changement(s)." if changed else "Rien à faire.")


@keys.command("certificat", context_settings=NAMES)
@click.argument("kid")
@click.argument("fichier", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@with_appcontext
def keys_certify(kid: str, fichier: Path) -> None:
    """Publie avec une clé la chaîne de certificats d'un fichier PEM (x5c) ; celui de la clé en premier."""
    key = db.session.get(SigningKey, kid)
    if key is None:
        raise click.ClickException(f"La clé {kid} n'existe pas.")
    try:
        certify(key, fichier.read_bytes(), datetime.now(UTC))
    except RefusedError as error:
        raise click.ClickException(error.public) from error
    Version.bump("keys")
    journal.record(KeyChanged(kid=kid, state="certified", actor="commande"))
    db.session.commit()
    click.echo(f"La clé {kid} est publiée avec son certificat.")


@click.command("purge")
@with_appcontext
def purge() -> None:
    """Supprime ce qui est mort : états de courte durée, familles de jetons échues, clés retirées. À lancer chaque heure."""
    now = datetime.now(UTC)
    mag = http.mag()
    families = mag.connections.run(PURGE_FAMILIES, before=now - timedelta(seconds=mag.settings.session_lifetime))
    demandes = mag.connections.run(PURGE_DEMANDES, before=now)
    removed = {"états": mag.ephemeral.purge(), "familles": families, "demandes": demandes}
    removed["participations"] = mag.connections.run(PURGE_PARTICIPATIONS, before=now)
    removed["avis"] = mag.connections.run(PURGE_NOTICES, before=now - NOTICES_KEPT)
    removed["clés"] = len(purge_retired(now))  # last: on SQLite the transaction of a page lets no other connection write
    removed |= {name: act(now) for name, act in current_app.extensions["mag_purges"].items()}
    db.session.commit()
    click.echo(", ".join(f"{name} : {count}" for name, count in removed.items()))


COMMANDS = (settings_in_force, errors, keys, purge)
"""Commands that need an application; `secret` and `serve` need none."""
