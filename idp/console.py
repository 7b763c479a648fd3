"""What commands share: a refusal ends one with its sentence. Left out on purpose: what each room's commands do (`commands.py`)."""

from collections.abc import Iterator
from contextlib import contextmanager

import click

from idp.database import db
from idp.errors import MagError


@contextmanager
def answers() -> Iterator[None]:
    """A refusal ends the command with its sentence, and changes nothing."""
    try:
        yield
    except MagError as error:
        db.session.rollback()
        raise click.ClickException(error.public) from error
