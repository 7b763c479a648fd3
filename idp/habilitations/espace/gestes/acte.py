"""What an act of an administrator is, and what a form says of it. A form is sent twice, to be simulated then to be done: it says all."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from idp.database import db
from idp.declarants.models import Declarant
from idp.entreprises.siret import InvalidSirenError, InvalidSiretError, Siren, Siret, typed_digits
from idp.habilitations.droits import FOREVER, NOTHING, Catalogue, Droit, Masks, Rights
from idp.habilitations.espace.cellules import Place
from idp.habilitations.espace.lecture import Lecteur
from idp.habilitations.espace.portee import Portee
from idp.habilitations.gesture import AttributionRefusedError, Gesture, refusal
from idp.habilitations.models import Operation

PARIS = ZoneInfo("Europe/Paris")
MOST_LOOKED_AT = 5_000
"""Places whose rights a page compares before and after; a job looks at many more."""
MOST_PASTED = 2_000
"""Numbers in one form: a form has 64 KiB."""
NOT_REPEATED = frozenset({"csrf", "vu", "tape", "etape", "epreuve", "depot"})
"""What the confirmation does not send again."""


@dataclass(frozen=True, slots=True)
class Geste(Gesture):
    """Whatever it writes is one operation; one audit event for each person, or portfolio, and each set of rights."""

    resume: str = ""
    portefeuille_id: int | None = None
    traces: dict[tuple[object, ...], int] = field(default_factory=dict)

    def trace(
        self,
        kind: str,
        masks: Masks,
        *,
        declarant_id: int | None = None,
        cible: int | None = None,
        portefeuille_id: int | None = None,
        annule_id: int | None = None,
    ) -> int:
        operation_id = next(iter(self.traces.values()), None) or self._begin(kind, annule_id)
        seen = (kind, masks, declarant_id, portefeuille_id)
        if seen not in self.traces:
            self.traces[seen] = operation_id
            self.record(operation_id, kind, masks, declarant_id=declarant_id, cible=cible, portefeuille_id=portefeuille_id)
        return operation_id

    def _begin(self, kind: str, annule_id: int | None) -> int:
        operation_id = Operation.begin(self.now, self.by, kind, annule_id)
        row = db.session.get_one(Operation, operation_id)
        row.resume, row.portefeuille_id = self.resume[:300], self.portefeuille_id
        return operation_id

    @property
    def operation_id(self) -> int | None:
        """None while nothing is written."""
        return next(iter(self.traces.values()), None)


@dataclass(frozen=True, slots=True)
class Acte:
    """What would be done: whom it concerns, where to look, and how to do it."""

    resume: str
    personnes: Mapping[int, Declarant]
    """Whose rows are held, and whom the administrator must administer."""
    places: Sequence[Place]
    """Where rights may change."""
    faire: Callable[[Geste], object]
    retour: str
    """The page it comes from."""
    horizon: datetime
    """When what it gives is open."""
    total: int = 0
    """How many places there are; more than `places` when they are too many to be looked at one by one."""
    portefeuille_id: int | None = None
    avis: tuple[str, ...] = ()
    """To be read before it is confirmed."""
    portefeuilles: Callable[[], Collection[int]] = tuple
    """Those whose clients or members make its places."""

    @property
    def complete(self) -> bool:
        return self.total <= len(self.places)


class TooManyPlacesError(AttributionRefusedError):
    """More places than a page, or a job, looks at."""

    code = "trop_de_places"
    number = "M300005"
    remedy = "Confiez le changement au travail de fond, ou passez par un portefeuille ou un fichier."
    title = "Trop d'établissements à la fois"


def too_many(most: int) -> TooManyPlacesError:
    number = f"{most:,}".replace(",", "\u202f")
    return TooManyPlacesError(
        f"more than {most} places", public=f"Ce changement touche plus de {number} droits : passez par un portefeuille ou un fichier."
    )


@dataclass(frozen=True, slots=True)
class Demande:
    """Who asks what: the form, the administrator's scope, what reads rights."""

    portee: Portee
    lecteur: Lecteur
    champs: Mapping[str, Sequence[str]]
    most: int = MOST_LOOKED_AT
    """Places that may be looked at."""

    @property
    def now(self) -> datetime:
        return self.lecteur.now

    @property
    def catalogue(self) -> Catalogue:
        return self.lecteur.catalogue

    def un(self, name: str, longest: int = 200) -> str:
        """The first value of a field."""
        return next(iter(self.champs.get(name, ())), "").strip()[:longest]

    @property
    def repeated(self) -> list[tuple[str, str]]:
        """What the confirmation sends again."""
        return [(name, value) for name, values in self.champs.items() if name not in NOT_REPEATED for value in values]

    def personnes(self, name: str = "personne") -> dict[int, Declarant]:
        """Raises AttributionRefusedError when there is none, UnknownPageError for those of others."""
        found = [self.portee.person(uid) for uid in dict.fromkeys(self.champs.get(name, ())) if uid]
        if not found:
            raise refusal("nobody", "Choisissez au moins une personne.")
        return {one.id: one for one in found}

    def ticked_rights(self) -> Rights:
        """`droit=dsn.declarer`, as many times as there are; what does not exist is left aside."""
        found: dict[str, frozenset[Droit]] = {}
        for text in self.champs.get("droit", ()):
            code, _, droit = text.rpartition(".")
            if code in self.catalogue.services and droit in set(Droit):
                found[code] = found.get(code, frozenset()) | {Droit(droit)}
        return found

    def rights(self) -> Rights:
        """At least one. Raises AttributionRefusedError."""
        found = self.ticked_rights()
        if self.catalogue.masks(found) == NOTHING:
            raise refusal("no right", "Choisissez au moins un droit.")
        return found

    def cibles(self) -> tuple[int, ...]:
        """SIRETs and SIRENs typed or pasted, in any layout. Raises AttributionRefusedError, naming the first that is wrong."""
        text = " ".join(self.champs.get("cibles", ()))
        words = [word for word in _numbers(text) if word]
        if len(words) > MOST_PASTED:
            raise refusal("too many numbers", f"Collez {MOST_PASTED} numéros au plus à la fois.")
        return tuple(dict.fromkeys(_cible(word) for word in words))

    def dates(self) -> tuple[datetime | None, datetime]:
        """The first day, midnight in Paris; the last one, included. Raises AttributionRefusedError."""
        first, last = _day(self.un("debut", 10)), _day(self.un("fin", 10))
        if last is not None and (last < self.now.astimezone(PARIS).date() or (first is not None and last < first)):
            raise refusal("ends before it opens", "La date de fin doit suivre la date d'ouverture du droit.")
        return (
            None if first is None else _midnight(first),
            FOREVER if last is None else _midnight(last + timedelta(days=1)),
        )


def _numbers(text: str) -> list[str]:
    """One number a line, or several apart; spaces inside a number that is alone on its line are its own."""
    found: list[str] = []
    for line in text.replace(",", "\n").replace(";", "\n").replace("\t", "\n").splitlines():
        digits = typed_digits(line) or ""
        alone = len(digits) in (Siren.LENGTH, Siret.LENGTH) and not any(c.isalpha() for c in line)
        found += [digits] if alone else line.split()
    return found


def _cible(word: str) -> int:
    """Raises AttributionRefusedError."""
    kind = Siren if len(typed_digits(word) or "") == Siren.LENGTH else Siret
    try:
        return int(kind.parse(word))
    except (InvalidSirenError, InvalidSiretError) as error:
        raise refusal("not a number", f"« {word[:20]} » : {error.public[:1].lower()}{error.public[1:]}") from error


def _day(text: str) -> date | None:
    """Raises AttributionRefusedError."""
    if not text:
        return None
    try:
        found = date.fromisoformat(text)
    except ValueError as error:
        raise refusal("not a date", "Écrivez la date comme 31/12/2027, ou choisissez-la dans le calendrier.") from error
    if not 2000 <= found.year <= 2100:
        raise refusal("far date", "Choisissez une date entre 2000 et 2100.")
    return found


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), PARIS).astimezone(UTC)


def plural(number: int, word: str, several: str = "") -> str:
    """`3 personnes`."""
    return f"{number} {word if number < 2 else several or word + 's'}"
