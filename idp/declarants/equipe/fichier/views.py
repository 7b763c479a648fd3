"""« Inviter par fichier »: a file is read and reported line by line, then sent once. `lecture.py` decides.

The file waits a quarter of an hour in the store, sealed, for the administrator who sent it; whoever sends twice sends once.
"""

from flask import Blueprint, Response, make_response, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import RequestEntityTooLarge

from idp import http, visitor
from idp.database import db
from idp.declarants.controles.imports import RegisterFileError
from idp.declarants.equipe.fichier import lecture
from idp.declarants.equipe.fichier.lecture import MODEL, MOST, MOST_BYTES, Line, PeopleFileError
from idp.errors import MagError
from idp.seals import b64, digest, random_token, seal_under, unb64, unseal_under

bp = Blueprint("personnes_fichier", __name__)
PAGE = "/equipe/inviter/fichier"
CSRF, KIND, LIFETIME = "equipe-fichier", "fichier_personnes", 15 * 60
TOO_BIG = f"Ce fichier dépasse {MOST_BYTES >> 10} Ko : coupez-le en plusieurs."


@bp.get(PAGE)
def ask() -> ResponseReturnValue:
    return _form(visitor.administrator())


def _form(found: visitor.Visitor, refused: str = "", status: int = 200) -> Response:
    page = render_template("equipe/fichier.html", visitor=found, refused=refused, most=MOST, csrf=http.csrf_token(CSRF))
    return make_response(page, status)


@bp.get(f"{PAGE}/modele.csv")
def model() -> ResponseReturnValue:
    """The empty file, as a spreadsheet opens it."""
    visitor.administrator()
    response = make_response(MODEL.encode())
    response.headers["Content-Type"] = "text/csv; charset=utf-8"
    response.headers["Content-Disposition"] = 'attachment; filename="personnes-a-inviter.csv"'
    return response


@bp.post(PAGE)
@http.accepts_file(MOST_BYTES)
def check() -> ResponseReturnValue:
    """A dry run: nothing is written, each line is judged."""
    found = visitor.administrator()
    try:
        http.check_csrf(CSRF)
        sent = request.files.get("fichier")
        content = sent.stream.read(MOST_BYTES + 1) if sent else b""
        if len(content) > MOST_BYTES:
            return _form(found, TOO_BIG, 413)
        lines = lecture.read(found.person, content, http.now())
    except RequestEntityTooLarge:
        return _form(found, TOO_BIG, 413)
    except (PeopleFileError, RegisterFileError) as error:
        return _form(found, error.public, 422)
    word = random_token()
    http.mag().ephemeral.put(KIND, _key(found, word), b64(seal_under(word, content)), LIFETIME)
    return _report("equipe/fichier_apercu.html", found, lines, word=word)


def _key(found: visitor.Visitor, word: str) -> str:
    """Of another session, there is no such file."""
    return digest(f"{found.session.sid}|{word}")


def _report(template: str, found: visitor.Visitor, lines: list[Line], **known: str) -> str:
    ready = [line for line in lines if line.invited is not None]
    refused = [line for line in lines if line.invited is None]
    return render_template(template, visitor=found, ready=ready, refused=refused, csrf=http.csrf_token(CSRF), **known)


@bp.post(f"{PAGE}/envoyer")
def send() -> ResponseReturnValue:
    """Once; whoever makes administrators typed a password a moment ago."""
    found, word = visitor.administrator(), request.form.get("mot", "")[:100]
    http.way_back(http.path(PAGE))
    http.check_csrf(CSRF)
    mag, now = http.mag(), http.now()
    held = mag.ephemeral.get(KIND, _key(found, word))
    if held is None:
        return visitor.see("/equipe/invitations")
    content = unseal_under(word, unb64(held))
    if lecture.promotes(lecture.read(found.person, content, now)):
        visitor.recent(back=PAGE)
    if mag.ephemeral.take(KIND, _key(found, word)) is None:
        return visitor.see("/equipe/invitations")
    try:
        lines = lecture.send(found.person, content, now, issuer=mag.settings.issuer)
    except MagError as error:
        db.session.rollback()
        return _form(found, error.public, error.status)
    page = _report("equipe/fichier_fait.html", found, lines)
    db.session.commit()
    return page
