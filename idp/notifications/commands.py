"""`mag courrier`: send the outbox once, or keep sending it, read what comes back. `mag lettres`: what is to be printed and posted."""

import mailbox
import os
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import click
from flask.cli import with_appcontext

from idp import http
from idp.database import db
from idp.declarants.compte.joignable import KnownRecipients, came_back
from idp.errors import SettingError
from idp.notifications import returned
from idp.notifications.delivery import Sent, send_due
from idp.notifications.following import follow
from idp.notifications.messages import in_words
from idp.notifications.models import Letter, Mail
from idp.seals import Seals


@click.group()
def courrier() -> None:
    """Courriers électroniques en attente d'envoi."""


@courrier.command("envoyer")
@with_appcontext
def envoyer() -> None:
    """Envoie les courriers en attente, puis s'arrête."""
    done = _send()
    click.echo(f"{done.sent} envoyé(s), {done.failed} en échec.")


@courrier.command("suivre")
@click.option("--intervalle", default=5.0, show_default=True, help="Secondes entre deux passages.")
@with_appcontext
def suivre(intervalle: float) -> None:
    """Envoie les courriers au fil de l'eau, jusqu'à l'arrêt du processus (SIGTERM ou Ctrl-C)."""
    follow(_send, intervalle, "mails")


def _send() -> Sent:
    settings = http.mag().settings
    if not settings.smtp_url:
        raise click.ClickException("MAG_SMTP_URL est vide : les courriers restent en attente.")
    try:
        return send_due(settings, datetime.now(UTC), KnownRecipients(settings.issuer))
    except SettingError as error:
        raise click.ClickException(str(error)) from error


@courrier.command("morts")
@click.option("--relancer", is_flag=True, help="Essaie à nouveau ceux dont le texte est encore gardé (sept jours).")
@with_appcontext
def morts(relancer: bool) -> None:
    """Liste les courriers qui n'ont pas pu partir."""
    found, now = Mail.dead(), datetime.now(UTC)
    for mail in found:
        click.echo(f"{mail.id:>8}  {mail.kind:<24} {in_words(mail.created_at)}  {mail.failure}")
    tried = sum(mail.again(now) for mail in found) if relancer else 0
    db.session.commit()
    click.echo(f"{len(found)} courrier(s) resté(s) en échec" + (f", {tried} relancé(s)." if relancer else "."))


@courrier.command("retours")
@click.option("--maildir", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Boîte au format Maildir.")
@click.option("--mbox", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Boîte au format mbox.")
@with_appcontext
def retours(maildir: Path | None, mbox: Path | None) -> None:
    """Lit les avis de non-remise (RFC 3464) d'une boîte, ou un seul sur l'entrée standard, et marque les adresses mortes.

    Un message de la boîte est marqué comme lu une fois traité ; un avis déjà traité ne compte pas deux fois.
    """
    seals, issuer = Seals(http.mag().settings.secrets), http.mag().settings.issuer
    counts = [0, 0]
    for raw, mark in _messages(maildir, mbox):
        counts[0] += 1
        found = returned.read(seals, raw)
        mail = db.session.get(Mail, found.mail_id) if found else None
        if found is not None and mail is not None:
            counts[1] += came_back(issuer, mail, found.status, datetime.now(UTC))
        db.session.commit()
        mark()
    click.echo(f"{counts[0]} message(s) lu(s), {counts[1]} retour(s) pris en compte.")


def _messages(maildir: Path | None, mbox: Path | None) -> Iterator[tuple[bytes, Callable[[], None]]]:
    """Each message that was not read yet, and what says that it is."""
    if maildir is None and mbox is None:
        yield sys.stdin.buffer.read(returned.LONGEST), _nothing
        return
    boxes: list[mailbox.Mailbox[Any]] = [mailbox.Maildir(maildir, create=False)] if maildir else []
    if mbox:
        boxes.append(mailbox.mbox(mbox, create=False))
    for box in boxes:
        try:
            box.lock()  # nobody delivers into an mbox meanwhile; a Maildir needs no lock
        except mailbox.ExternalClashError as error:
            raise click.ClickException("Un autre programme écrit dans cette boîte : réessayez dans un instant.") from error
        try:
            for key in box.keys():  # noqa: SIM118  # a mailbox iterates over messages, not keys
                message = box[key]
                if "S" in message.get_flags() or "R" in message.get_flags():
                    continue
                yield box.get_bytes(key), partial(_mark, box, key, message)
        finally:
            box.unlock()
            box.close()


def _nothing() -> None:
    """A pipe is read once."""


def _mark(box: "mailbox.Mailbox[Any]", key: str, message: Any) -> None:
    """Read: the next passage leaves it."""
    if isinstance(message, mailbox.MaildirMessage):
        message.set_subdir("cur")
    message.add_flag("S" if isinstance(message, mailbox.MaildirMessage) else "R")
    box[key] = message
    box.flush()


@click.group()
def lettres() -> None:
    """Lettres à imprimer et à poster : les lister, les prendre, dire qu'elles sont parties."""


@lettres.command("lister")
@with_appcontext
def lister() -> None:
    """Liste les lettres qui attendent, de la plus ancienne à la plus récente."""
    found = Letter.waiting()
    for letter in found:
        state = f"prise le {in_words(letter.exported_at)}" if letter.exported_at else "à prendre"
        click.echo(f"{letter.id:>6}  {letter.kind:<22} {in_words(letter.created_at)}  {state}")
    click.echo(f"{len(found)} lettre(s) en attente.")


@lettres.command("exporter")
@click.argument("dossier", type=click.Path(file_okay=False, path_type=Path))
@click.option("--encore", is_flag=True, help="Reprend aussi celles qui ont déjà été prises et ne sont pas imprimées.")
@with_appcontext
def exporter(dossier: Path, encore: bool) -> None:
    """Écrit chaque lettre dans DOSSIER, un fichier PDF par lettre, lisible par son seul propriétaire."""
    dossier.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = Letter.waiting(exported=None if encore else False)
    for letter in found:
        _write(dossier / f"lettre-{letter.id:06d}.pdf", letter.pdf or b"")
        letter.exported_at = datetime.now(UTC)
        db.session.commit()
    click.echo(f"{len(found)} lettre(s) écrite(s). Une fois imprimées, lancez « mag lettres imprimees », puis effacez les fichiers.")


def _write(path: Path, pdf: bytes) -> None:
    """Whole or not at all, and for its owner alone: it may hold a key."""
    draft = path.with_suffix(".tmp")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(pdf)
    draft.replace(path)


@lettres.command("imprimees")
@click.argument("numeros", type=int, nargs=-1)
@with_appcontext
def imprimees(numeros: tuple[int, ...]) -> None:
    """Dit que des lettres sont imprimées : toutes celles qui ont été prises, ou celles de ces NUMEROS. Leur contenu est effacé."""
    found = [letter for letter in Letter.waiting(exported=True) if not numeros or letter.id in numeros]
    for letter in found:
        letter.printed(datetime.now(UTC))
    db.session.commit()
    click.echo(f"{len(found)} lettre(s) imprimée(s) : leur contenu est effacé.")


COMMANDS = (courrier, lettres)
