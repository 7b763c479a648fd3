"""A mass file comes in: kept whole, to be checked by a job. The caller commits, then wakes the worker."""

import unicodedata
from datetime import datetime

from idp.audit import journal
from idp.database import db
from idp.declarants.models import Declarant
from idp.errors import RefusedError
from idp.habilitations.fichiers.events import FichierDeposited
from idp.habilitations.fichiers.models import FichierContenu, FichierDroits, TravailFichier
from idp.habilitations.fichiers.statuts import Etat, Genre, Travail
from idp.habilitations.fichiers.tableur import MOST_BYTES, refusal
from idp.seals import random_token

LONGEST_NAME = 120
MOST_LIVING = 10
"""Files of one establishment that are not over."""


class TooManyFilesError(RefusedError):
    """An establishment has files enough under way."""

    code = "trop_de_fichiers"
    number = "M300203"
    remedy = "Appliquez ou abandonnez les fichiers en cours, puis recommencez."
    status = 409
    title = "Trop de fichiers en cours"
    public = f"{MOST_LIVING} fichiers ou changements de cet établissement sont déjà en cours. Appliquez-les ou abandonnez-les d'abord."


def deposer(
    author: Declarant, depot: str, name: str, content: bytes, now: datetime, *, genre: Genre = Genre.FICHIER, check: bool = True
) -> FichierDroits:
    """Keep a file, or an act; the one there is when this form was sent before. Raises TableurError, TooManyFilesError.

    `check`: ask that a job look at it; otherwise its caller says what it would change.
    """
    if len(depot) < 20 or len(depot) > 40 or not depot.isascii():
        raise refusal("form", "Ce formulaire n'est plus valable. Rechargez la page puis recommencez.")
    known = FichierDroits.deposited(depot)
    if known is not None and known.by_id == author.id:
        return known
    if not content:
        raise refusal("empty", "Choisissez un fichier : celui-ci est vide.")
    if len(content) > MOST_BYTES:
        raise refusal("too large", f"Ce fichier dépasse {MOST_BYTES >> 20} Mo : coupez-le en plusieurs.")
    Declarant.hold(author.siret.siren, author.id)
    if FichierDroits.living(int(author.siret)) >= MOST_LIVING:
        raise TooManyFilesError(f"siret {author.siret}")
    found = FichierDroits(
        reference=random_token(16),
        depot=depot,
        genre=genre,
        siret=int(author.siret),
        by_id=author.id,
        nom=shown_name(name) if genre is Genre.FICHIER else name[:LONGEST_NAME],
        taille=len(content),
        etat=Etat.DEPOSE,
        created_at=now,
        updated_at=now,
        bilan={},
    )
    db.session.add(found)
    db.session.flush()
    FichierContenu.keep(found.id, content)
    if check:
        TravailFichier.ask(found.id, Travail.VERIFIER, now)
    journal.record(FichierDeposited(declarant_id=author.id, siret=int(author.siret), fichier=found.reference, bytes=len(content)), now)
    return found


def shown_name(name: str) -> str:
    """The name of a file as it may be shown: its last part, printable, short."""
    last = name.replace("\\", "/").rpartition("/")[2]
    text = "".join(character for character in unicodedata.normalize("NFC", last) if character.isprintable())
    return " ".join(text.split())[:LONGEST_NAME] or "fichier"
