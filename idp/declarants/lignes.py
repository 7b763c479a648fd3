"""Files of another system whose lines name people MAG knows, and give each of them one value: `uid,<value>` or `siret,nom,prenom,<value>`.

CSV with a header, comma or semicolon, read line by line: it may be large. A line that cannot be is told with its reason and left
out. Left out on purpose: the value, which is its room's.
"""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain

from idp.declarants.identite import Identite, check_name
from idp.declarants.models import Declarant
from idp.entreprises.siret import Siret
from idp.errors import RefusedError

Line = Mapping[str, str]
Refusal = Callable[[str], RefusedError]
"""The error of a room, from a sentence in French."""


@dataclass(slots=True)
class Bilan:
    """What became of the lines."""

    written: int = 0
    unchanged: int = 0
    refused: list[tuple[int, str]] = field(default_factory=list)
    """Number of the line in the file, and why."""

    def import_lines(self, source: Iterable[str], value: str, refusal: Refusal, write: Callable[[Line], bool]) -> Iterator[int]:
        """The number of each line once it is settled here; `write` says whether it changed something. Raises what `refusal` makes."""
        for number, line in read_lines(source, value, refusal):
            try:
                if not line:
                    raise refusal("Cette ligne n'a pas le même nombre de colonnes que la première.")
                written = write(line)
            except RefusedError as error:
                self.refused.append((number, error.public))
            else:
                self.written, self.unchanged = self.written + written, self.unchanged + (not written)
            yield number


def read_lines(source: Iterable[str], value: str, refusal: Refusal) -> Iterator[tuple[int, Line]]:
    """Numbered from the top of the file; blank ones are left out, one that has not the columns of the header is empty."""
    lines, headers = iter(source), (("uid", value), ("siret", "nom", "prenom", value))
    try:
        first = next(lines, "").lstrip("\ufeff")
        reader = csv.reader(chain([first], lines), delimiter=";" if ";" in first else ",", strict=True)
        header = tuple(name.strip().lower() for name in next(reader, []))
        if header not in headers:
            raise refusal(f"La première ligne doit être « {' » ou « '.join(','.join(one) for one in headers)} ».")
        for values in reader:
            if values:
                yield reader.line_num, dict(zip(header, values, strict=True)) if len(values) == len(header) else {}
    except (csv.Error, UnicodeDecodeError) as error:
        raise refusal(f"Ce fichier n'est pas un CSV lisible en UTF-8 : {error}.") from None


def person_of(line: Line, refusal: Refusal) -> Declarant:
    """Whom a line names. Raises InvalidSiretError, InvalidNameError, and what `refusal` makes for nobody."""
    if "uid" in line:
        found = Declarant.with_uid(line["uid"].strip())
    else:
        found = Declarant.find(Identite(Siret.parse(line["siret"]), check_name(line["nom"]), check_name(line["prenom"])))
    if found is None:
        raise refusal("Personne n'est inscrit sous cette identité.")
    return found
