"""« Fichiers »: export, empty model, a file sent and followed until it is over. The report is read here; `decisions` acts on it.

Another company's files do not exist (C60). A page under work says so and comes back by itself, without a script.
"""

from collections.abc import Iterator, Mapping
from tempfile import SpooledTemporaryFile

from flask import Blueprint, Response, current_app, make_response, render_template, request, send_file
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import RequestEntityTooLarge

from idp import http, visitor
from idp.audit import journal
from idp.database import db
from idp.declarants.equipe.authority import person_of, sirets_of
from idp.declarants.models import Declarant
from idp.entreprises.siret import Siret
from idp.errors import UnknownPageError
from idp.habilitations.droits import written
from idp.habilitations.fichiers import accord, depot, exportation, tableur
from idp.habilitations.fichiers.events import FichierExported
from idp.habilitations.fichiers.exportation import Export, Portee, spaced
from idp.habilitations.fichiers.lignes import COLUMNS, name_of
from idp.habilitations.fichiers.messages import PLACE, counted, summary
from idp.habilitations.fichiers.models import FichierDroits, FichierLigne, TravailFichier
from idp.habilitations.fichiers.places import models as places
from idp.habilitations.fichiers.statuts import TITLES, UNDOABLE, Etat
from idp.seals import random_token

bp = Blueprint("fichiers", __name__, template_folder="templates")
PAGE = 50
AGAIN = "3"
"""Seconds after which a page under work is read again."""
SHOWN = {"": None, "changees": False, "refusees": True}
FORMATS = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
DONE = {
    "refus": "L'accord est refusé : l'auteur est prévenu.",
    "accord": "Votre accord est enregistré : le fichier s'applique.",
    "abandon": "Le fichier est abandonné : rien n'est changé.",
}


@bp.app_template_filter("compte")
def count(number: int, one: str, several: str) -> str:
    """`1 ligne`, `2 000 lignes`."""
    return counted(number, one, several)


def found_file(administrator: Declarant, reference: str) -> FichierDroits:
    """A file of an establishment that he administers (C60). Raises UnknownPageError."""
    found = FichierDroits.find(reference) if reference.isascii() and len(reference) <= 40 else None
    if found is None or not administrator.may_administer(Siret.of(found.siret)):
        raise UnknownPageError(f"file for declarant {administrator.id}")
    return found


# ------------------------------------------------------------------------------------------------------------------ pages


@bp.get(PLACE)
def files() -> ResponseReturnValue:
    """What can be downloaded, a file to send, and those that were."""
    return _files(visitor.administrator())


def _files(found: visitor.Visitor, refused: str = "", instead: str = "") -> str:
    """`instead`: the address of what may be downloaded in the place of what was refused."""
    before = _number(request.args.get("avant", ""))
    rows = FichierDroits.of_sirets(sirets_of(found.person), before=before, limit=PAGE + 1)
    return render_template(
        "fichiers/liste.html",
        visitor=found,
        files=rows[:PAGE],
        following=rows[PAGE - 1].id if len(rows) > PAGE else 0,
        authors=_authors(rows[:PAGE]),
        titles=TITLES,
        depot=random_token(16),
        csrf=http.csrf_token("fichiers"),
        refused=refused,
        instead=instead,
        columns=COLUMNS,
        most=tableur.MOST_BYTES >> 20,
        longest=tableur.MOST_SHEET,
    )


def _authors(rows: list[FichierDroits]) -> Mapping[int, str]:
    return {one.by_id: one.author.full_name for one in {row.by_id: row for row in rows}.values()}


def _number(text: str) -> int:
    """A place in a list; anything else is the beginning."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0


@bp.post(PLACE)
@http.accepts_file(tableur.MOST_BYTES)
def send() -> ResponseReturnValue:
    """A file comes in: its page shows the check. Sent twice, it is one file."""
    found = visitor.administrator()
    try:
        http.check_csrf("fichiers")
        sent = request.files.get("fichier")
        content = sent.stream.read(tableur.MOST_BYTES + 1) if sent else b""
        kept = depot.deposer(found.person, request.form.get("depot", ""), sent.filename or "" if sent else "", content, http.now())
    except RequestEntityTooLarge:
        return _files(found, f"Ce fichier dépasse {tableur.MOST_BYTES >> 20} Mo : coupez-le en plusieurs."), 413
    except tableur.TableurError as error:
        db.session.rollback()
        return _files(found, error.public), error.status
    reference = kept.reference
    db.session.commit()
    current_app.extensions["mag_fichiers"].wake()
    return visitor.see(f"{PLACE}/{reference}")


@bp.get(f"{PLACE}/<reference>")
def one(reference: str) -> ResponseReturnValue:
    """Where a file stands, and its report line by line."""
    found = visitor.administrator()
    fichier = found_file(found.person, reference)
    asked = request.args.get("lignes", "")
    shown = asked if asked in SHOWN else ""
    lines = FichierLigne.page(fichier.id, refusee=SHOWN[shown], after=_number(request.args.get("apres", "")), limit=PAGE + 1)
    now = http.now()
    response = make_response(
        render_template(
            "fichiers/fichier.html",
            visitor=found,
            fichier=fichier,
            Etat=Etat,
            title=TITLES[fichier.etat],
            author=fichier.author.full_name,
            decided_by=decider(fichier),
            job=TravailFichier.current(fichier.id) if fichier.etat.works else None,
            lines=[(line, holder) for line, holder in zip(lines[:PAGE], _holders(lines[:PAGE]), strict=True)],
            following=lines[PAGE - 1].numero if len(lines) > PAGE else 0,
            shown=shown,
            spaced=spaced,
            services=http.mag().catalogue().services,
            said=summary(fichier.bilan),
            needed=accord.needed(fichier, http.mag().settings.mass_approval, http.now()),
            own=fichier.by_id == found.person.id,
            undoable_until=fichier.applied_at + UNDOABLE if fichier.applied_at and fichier.is_undoable(now) else None,
            done=DONE.get(request.args.get("fait", ""), ""),
            now=now,
            csrf=http.csrf_token("fichiers"),
        )
    )
    if fichier.etat.works:
        response.headers["Refresh"] = AGAIN
    return response


def decider(fichier: FichierDroits) -> str:
    """Who agreed, or refused, for people."""
    kind, _, number = (fichier.decided_by or "").partition(":")
    person = db.session.get(Declarant, int(number)) if kind == "declarant" else None
    return person.full_name if person else ("un opérateur de MAG" if kind == "operateur" else "")


def _holders(lines: list[FichierLigne]) -> list[str]:
    """Whom each line is about, as the file names them."""
    people = places.people_named({line.declarant_id for line in lines if line.declarant_id})
    folders = places.containers({line.portefeuille_id for line in lines if line.portefeuille_id})
    return [
        people.get(line.declarant_id, "")
        if line.declarant_id
        else name_of(line.portefeuille_id, folders.get(line.portefeuille_id, ("", ()))[0])
        if line.portefeuille_id
        else " ".join(filter(None, (line.cellules or [])[1:4]))
        for line in lines
    ]


# -------------------------------------------------------------------------------------------------------------- downloads


@bp.get(f"{PLACE}/export.<kind>")
def export(kind: str) -> ResponseReturnValue:
    """What exists today, whole or for one person."""
    found = visitor.administrator()
    person = request.args.get("personne", "")
    people = [person_of(found.person, person)] if person else places.people_in(sirets_of(found.person))
    portee = Portee(request.args["portee"]) if request.args.get("portee") in set(Portee) else Portee.ECRITS
    whole = not person and found.person.at_head_office
    folders = places.portefeuilles_of(int(found.person.siret.siren)) if whole else {}
    wanted = Export(http.mag().catalogue(), people, folders, portee, http.now())
    try:
        answer, lines = _download(wanted.rows(), kind, "habilitations", notes=True)
    except tableur.ClasseurTropLongError as error:
        return _files(found, error.public, f"export.csv?personne={person}&portee={portee}"), error.status
    journal.record(FichierExported(declarant_id=found.person.id, siret=int(found.person.siret), lines=lines, scope=portee), http.now())
    db.session.commit()
    return answer


@bp.get(f"{PLACE}/modele.<kind>")
def model(kind: str) -> ResponseReturnValue:
    """The columns and, in a workbook, the services."""
    visitor.administrator()
    return _download(iter(exportation.empty_model()), kind, "modele-habilitations", notes=True)[0]


@bp.get(f"{PLACE}/<reference>/refusees.<kind>")
def refused(reference: str, kind: str) -> ResponseReturnValue:
    """The refused lines as they were typed, with the reason, to be corrected and sent again."""
    fichier = found_file(visitor.administrator().person, reference)
    rows = ([*(line.cellules or []), line.raison or "", str(line.numero)] for line in FichierLigne.every(fichier.id, refusee=True))
    return _download(_headed([*COLUMNS, "erreur", "ligne"], rows), kind, "lignes-refusees")[0]


@bp.get(f"{PLACE}/<reference>/rapport.<kind>")
def report(reference: str, kind: str) -> ResponseReturnValue:
    """Every line that changes something, or that is refused."""
    fichier = found_file(visitor.administrator().person, reference)
    head = ["ligne", "état", "titulaire", "établissement", "service", "avant", "après", "raison"]
    return _download(_headed(head, _reported(fichier.id)), kind, "compte-rendu")[0]


def _reported(fichier_id: int) -> Iterator[list[str]]:
    some: list[FichierLigne] = []
    for line in FichierLigne.every(fichier_id, refusee=None):
        some.append(line)
        if len(some) == 500:
            yield from _told(some)
            some = []
    yield from _told(some)


def _told(lines: list[FichierLigne]) -> Iterator[list[str]]:
    for line, holder in zip(lines, _holders(lines), strict=True):
        target = written(line.cible) if line.cible else (line.cellules or [""] * 5)[4]
        state = "refusée" if line.refusee else "changée"
        cells = (line.service, line.avant, line.apres, line.raison)
        yield [str(line.numero), state, holder, spaced(line.cible) if line.cible else target, *(cell or "" for cell in cells)]


def _headed(head: list[str], rows: Iterator[list[str]]) -> Iterator[list[str]]:
    yield head
    yield from rows


def _download(rows: Iterator[list[str]], kind: str, name: str, *, notes: bool = False) -> tuple[Response, int]:
    """A whole file, kept on disk when it is large; how many lines. Raises UnknownPageError, TableurError and, for
    a workbook, ClasseurTropLongError.
    """
    if kind not in FORMATS:
        raise UnknownPageError(kind)
    lines = 0

    def counted_rows() -> Iterator[list[str]]:
        nonlocal lines
        for row in rows:
            lines += 1
            yield row

    out = SpooledTemporaryFile(max_size=1 << 20)  # noqa: SIM115  # send_file closes it
    if kind == "xlsx":
        beside = exportation.notes(http.mag().catalogue()) if notes else ()
        tableur.write_xlsx(out, counted_rows(), title="Habilitations", notes=beside)
    else:
        for piece in tableur.csv_of(counted_rows()):
            out.write(piece)
    out.seek(0)
    day = f"{http.now():%Y-%m-%d}"
    answer = send_file(out, mimetype=FORMATS[kind], as_attachment=True, download_name=f"{name}-{day}.{kind}", max_age=0)
    return answer, max(0, lines - 1)
