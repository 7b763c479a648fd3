"""`mag recours …`: what a timer does about recoveries."""

from datetime import UTC, datetime

import click
from flask.cli import AppGroup

from idp import http
from idp.authentication.recours.accords import hand_over
from idp.database import db

recours = AppGroup("recours", help="Mots de passe perdus : envoyer ce que deux opérateurs ont accordé.")
COMMANDS = (recours,)


@recours.command("suivre")
def suivre() -> None:
    """Envoie les liens accordés par l'assistance dont le délai est passé ; à lancer toutes les dix minutes, deux fois étant une."""
    sent = hand_over(http.mag().settings, datetime.now(UTC))
    db.session.commit()
    click.echo(f"{sent} lien(s) envoyé(s).")
