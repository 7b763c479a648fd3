"""A file of people to invite: what each line says, and whether it may be sent. Reading changes nothing; sending checks again.

CSV in UTF-8, semicolons or commas, with or without a BOM; columns found by name. Left out on purpose: rights, which have files of their
own, and passwords, which each person chooses from the mail.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import NamedTemporaryFile

from idp.database import db
from idp.declarants.controles.imports import cells_of
from idp.declarants.equipe import invitation
from idp.declarants.equipe.authority import check_place
from idp.declarants.equipe.invitation import Invited
from idp.declarants.identite import fold
from idp.declarants.models import Declarant
from idp.declarants.saisie import read_email, shown
from idp.declarants.statuts import Role
from idp.entreprises.siret import Siret
from idp.errors import RefusedError

COLUMNS = ("siret", "nom", "prenom", "email")
ROLE = "role"
MODEL = "\ufeffsiret;nom;prenom;email;role\r\n"
MOST, MOST_BYTES = 500, 256 * 1024
ROLES: Mapping[str, Role] = {
    "": Role.DECLARANT,
    "declarant": Role.DECLARANT,
    "administrateur": Role.ADMINISTRATEUR,
    "administrateur et declarant": Role.ADMINISTRATEUR_DECLARANT,
    "administrateur declarant": Role.ADMINISTRATEUR_DECLARANT,
}


class PeopleFileError(RefusedError):
    """The file as a whole: `public` says why."""

    code = "fichier_de_personnes"
    number = "M200217"
    remedy = "Repartez du modèle : CSV en UTF-8, 500 lignes au plus."
    status = 422
    public = "Ce fichier ne contient aucune personne."


class LineError(RefusedError):
    """One line; `public` says why."""

    code = "ligne_de_personne"
    number = "M200218"
    remedy = "Corrigez la ligne, puis renvoyez le fichier."
    status = 422


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the file. Without `reason`, it may be sent."""

    number: int
    who: str
    email: str
    invited: Invited | None = None
    reason: str = ""


def read(administrator: Declarant, content: bytes, now: datetime) -> list[Line]:
    """Every line, judged as if the ones before it were sent. Raises PeopleFileError, RegisterFileError."""
    found: list[Line] = []
    seen: set[tuple[Siret, str]] = set()
    for number, cells in _cells(content):
        if len(found) == MOST:
            raise PeopleFileError("too long", public=f"Ce fichier compte plus de {MOST} personnes : coupez-le en plusieurs.")
        found.append(_judged(administrator, number, cells, seen, now))
    if not found:
        raise PeopleFileError("empty")
    return found


def _cells(content: bytes) -> list[tuple[int, dict[str, str]]]:
    with NamedTemporaryFile(suffix=".csv") as file:
        file.write(content)
        file.flush()
        lines = []
        for number, names, values in cells_of(Path(file.name), COLUMNS):
            cells = {name: shown(values[i]) if i < len(values) else "" for name, i in names.items() if name in (*COLUMNS, ROLE)}
            lines.append((number, cells))
        return lines


def _judged(administrator: Declarant, number: int, cells: dict[str, str], seen: set[tuple[Siret, str]], now: datetime) -> Line:
    who, email = f"{cells['prenom']} {cells['nom']}".strip(), cells["email"]
    try:
        invited = _invited(cells)
        check_place(administrator, invited.siret)
        identite = invitation.check(invited, now, most=MOST)
        if (identite.siret, identite.cle) in seen:
            raise LineError("twice", public="Cette personne est déjà plus haut dans le fichier.")
        seen.add((identite.siret, identite.cle))
    except RefusedError as error:
        return Line(number, who, email, reason=error.public)
    return Line(number, who, invited.email, invited)


def _invited(cells: dict[str, str]) -> Invited:
    role = ROLES.get(fold(cells.get(ROLE, "")).replace("_", " "))
    if role is None:
        raise LineError("role", public="Le rôle est « déclarant », « administrateur », « administrateur et déclarant », ou vide.")
    return Invited(Siret.parse(cells["siret"]), cells["nom"], cells["prenom"], read_email(cells["email"]), role)


def send(administrator: Declarant, content: bytes, now: datetime, *, issuer: str) -> list[Line]:
    """An invitation leaves for each line that may be sent; what came in between is told. Raises as `read`."""
    done: list[Line] = []
    for line in read(administrator, content, now):
        if line.invited is None:
            done.append(line)
            continue
        try:
            with db.session.begin_nested():
                invitation.inviter(administrator, line.invited, now, issuer=issuer, most=MOST)
        except RefusedError as error:
            done.append(Line(line.number, line.who, line.email, reason=error.public))
        else:
            done.append(line)
    return done


def promotes(lines: list[Line]) -> bool:
    """Whether somebody would administer."""
    return any(line.invited is not None and line.invited.role.administers for line in lines)
