"""Letters to print and post: the list, each paper, and the word that it is printed, which erases it."""

from flask import Blueprint, make_response, render_template
from flask.typing import ResponseReturnValue

from idp import http
from idp.audit import journal
from idp.database import db
from idp.errors import NotFoundError
from idp.notifications.models import Letter
from idp.support import bureau
from idp.support.events import LetterTaken
from idp.support.models import Operateur
from idp.visitor import see

bp = Blueprint("bureau_lettres", __name__)
MOST = 200
KINDS = {"cle_activation": "Clé d'activation", "accord_representant": "Accord du représentant légal"}


@bp.get("/lettres")
def letters() -> ResponseReturnValue:
    """What is not on paper yet, the oldest first."""
    bureau.operator(bureau.LETTERS)
    return render_template("bureau/lettres.html", letters=Letter.waiting(limit=MOST), count=Letter.count_waiting(), kinds=KINDS)


@bp.get("/lettres/<int(max=2147483647):letter_id>/pdf")
def paper(letter_id: int) -> ResponseReturnValue:
    """The paper, as a file; it may hold a key, so the journal keeps who took it."""
    operator, letter = bureau.operator(bureau.LETTERS), _letter(letter_id)
    response = make_response(letter.pdf or b"")
    response.mimetype = "application/pdf"
    response.headers["Content-Disposition"] = f'attachment; filename="lettre-{letter.id:06d}.pdf"'
    letter.exported_at = http.now()
    _told(operator, letter, "prise")
    db.session.commit()
    return response


@bp.post("/lettres/<int(max=2147483647):letter_id>/imprimee")
def printed(letter_id: int) -> ResponseReturnValue:
    """It is on paper: its content goes. Not before somebody took it."""
    operator, letter = bureau.acting(bureau.LETTERS), _letter(letter_id)
    if letter.exported_at is None:
        raise NotFoundError("not taken", public="Ouvrez d'abord cette lettre : une fois dite imprimée, son contenu est effacé.")
    letter.printed(http.now())
    _told(operator, letter, "imprimee")
    db.session.commit()
    return see("/lettres")


def _letter(letter_id: int) -> Letter:
    """A letter that waits. Raises NotFoundError."""
    found = db.session.get(Letter, letter_id)
    if found is None or found.pdf is None or found.printed_at is not None:
        raise NotFoundError(f"letter {letter_id}", public="Cette lettre est déjà imprimée, ou n'a plus lieu d'être.")
    return found


def _told(operator: Operateur, letter: Letter, step: str) -> None:
    journal.record(LetterTaken(declarant_id=letter.declarant_id, actor=operator.actor, letter_id=letter.id, step=step), http.now())
