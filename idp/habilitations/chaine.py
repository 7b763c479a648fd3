"""Why somebody may, or may not, in French: the whole chain that gives or refuses a right, and what to ask whom. Pure.

The same rules as `perimetre.origins`, told one by one; the property tests hold the two together.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from idp.habilitations.droits import (
    LIEN_PAR,
    NOTHING,
    WORDS,
    Catalogue,
    Droit,
    Lien,
    Masks,
    Period,
    siren_of,
    spoken,
    union,
    written,
)
from idp.habilitations.fenetre import expiry

MONTHS = ("janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre", "décembre")


@dataclass(frozen=True, slots=True)
class Explication:
    """The answer, and what it comes from: French sentences, the decisive ones first."""

    granted: bool
    reasons: tuple[str, ...]
    conseil: str = ""
    """What to ask whom, when the answer is no."""


@dataclass(frozen=True, slots=True)
class Source:
    """One row that gives something there, open or not."""

    name: str
    masks: Masks
    """What the row says: for a client of a portfolio, the content."""
    periods: tuple[Period, ...]
    container: Masks | None = None
    """Of the portfolio; None for a direct right."""
    ceiling: Masks | None = None
    """Of the member; None for a direct right."""

    @property
    def given(self) -> Masks:
        """What comes through."""
        return self.masks if self.container is None or self.ceiling is None else self.masks.common(self.container).common(self.ceiling)

    def holds(self, now: datetime) -> bool:
        return all(period.holds(now) for period in self.periods)


@dataclass(frozen=True, slots=True)
class Situation:
    """All that matters of one account and one establishment, at one instant."""

    cible: int
    siret: int
    """The account's own."""
    sources: tuple[Source, ...]
    excluded: Masks
    month: int | None = None
    """Of the last declaration made by the account's SIRET for the establishment (202610), however old."""
    is_recent: bool = False
    declares: bool = False
    """Holds LIEN_PAR on its own SIRET."""

    @property
    def lien(self) -> Lien:
        return Lien(siren_of(self.cible) == siren_of(self.siret), self.is_recent, self.declares)

    def given(self, now: datetime) -> Masks:
        return union(source.given for source in self.sources if source.holds(now))


def tell(situation: Situation, service: str, droit: Droit, catalogue: Catalogue, now: datetime) -> Explication:
    """Whether, why, and what to do."""
    accepted = catalogue.accepted.get((service, droit))
    if accepted is None:
        return Explication(False, ("Ce service n'existe pas, n'est plus proposé, ou ne connaît pas ce droit.",))
    left = catalogue.liens.left(situation.given(now), situation.excluded, situation.lien)
    told = [one for source in situation.sources for one in told_of(source, situation, catalogue, accepted, now)]
    told += told_of_lien(situation, catalogue, accepted, now)
    told.sort(key=lambda one: not one[0])
    if not told:
        told = [(False, "Rien ne donne ce droit sur cet établissement.")]
    reasons = tuple(sentence for _, sentence in told) + tuple(inherited(service, droit, catalogue, left))
    granted = left.meets(accepted)
    return Explication(granted, reasons, "" if granted else advice(situation, service, droit, catalogue, now))


def told_of(source: Source, situation: Situation, catalogue: Catalogue, accepted: Masks, now: datetime) -> Iterator[tuple[bool, str]]:
    """What one source says of the right: whether it gives it now, and the sentence."""
    if not source.masks.meets(accepted):
        if source.container is not None and source.ceiling is not None and source.container.common(source.ceiling).meets(accepted):
            yield False, f"Ouvert au {source.name.split(',')[0]}, mais pas pour ce client."
        return
    if not source.given.meets(accepted):
        yield False, f"{capital(source.name)} : {blocked(source, catalogue, accepted)}."
        return
    masks = source.given.common(accepted)
    late = [p.effective_from for p in source.periods if p.effective_from > now]
    past = [p.ends_at for p in source.periods if p.ends_at <= now]
    kept = masks.minus(situation.excluded)
    counted = catalogue.liens.left(kept, NOTHING, situation.lien._replace(declares=has_declaring(situation, catalogue, now)))
    if past:
        yield False, f"Fini depuis le {instant(min(past))}, {source.name} : {spoken(catalogue, masks)}."
    elif late:
        yield False, f"Pas encore ouvert (il s'ouvrira le {instant(max(late))}), {source.name} : {spoken(catalogue, masks)}."
    elif not any(kept):
        yield False, f"Écarté par une exclusion, {source.name} : {spoken(catalogue, masks)}."
    elif not any(kept.common(counted)):
        yield False, f"Sans déclaration récente pour cet établissement, {source.name} : {spoken(catalogue, kept)}."
    else:
        yield True, f"Par {source.name} : {spoken(catalogue, kept.common(counted))}."


def blocked(source: Source, catalogue: Catalogue, accepted: Masks) -> str:
    """Which of the container and the ceiling stops the content."""
    masks = source.masks.common(accepted)
    if source.container is not None and not masks.meets(source.container):
        return f"{spoken(catalogue, masks)} n'est pas ouvert au portefeuille lui-même"
    return f"{spoken(catalogue, masks)} dépasse ce que le membre peut y faire"


def has_declaring(situation: Situation, catalogue: Catalogue, now: datetime) -> bool:
    """Whether a declaration may serve the account."""
    return situation.declares or situation.given(now).minus(situation.excluded).meets(catalogue.liens.par)


def told_of_lien(situation: Situation, catalogue: Catalogue, accepted: Masks, now: datetime) -> Iterator[tuple[bool, str]]:
    """What declarations do to the right."""
    if not catalogue.liens.concerns(accepted):
        return
    opened = accepted.common(catalogue.liens.ouverts)
    if situation.month is None:
        yield False, f"Aucune déclaration (DSN) connue pour cet établissement par le SIRET {written(situation.siret)}."
        return
    when = f"déclaration (DSN) faite pour cet établissement en {in_month(situation.month)}"
    until = expiry(situation.month) - timedelta(days=1)
    if not situation.is_recent:
        yield False, f"La dernière {when} ne compte plus depuis le {until:%d/%m/%Y} : elle doit dater de moins de trois mois."
    elif not has_declaring(situation, catalogue, now):
        yield False, f"Une {when} existe, mais ce déclarant ne peut déclarer la DSN ni pour cet établissement ni pour le sien."
    elif not any(opened):
        yield False, f"Une {when} compte jusqu'au {until:%d/%m/%Y} inclus."
    elif any(opened.minus(situation.excluded)):
        yield True, f"Par la {when}, jusqu'au {until:%d/%m/%Y} inclus : {spoken(catalogue, opened.minus(situation.excluded))}."
    else:
        yield False, f"Écarté par une exclusion, malgré la {when}."


def inherited(service: str, droit: Droit, catalogue: Catalogue, left: Masks) -> Iterator[str]:
    """The rule of inheritance that is at work, when the right itself is not held."""
    own = catalogue.services[service].mask_of(droit)
    if left.meets(catalogue.accepted[service, droit]) and not left.meets(own):
        sources = spoken(catalogue, left.common(catalogue.accepted[service, droit]))
        yield f"{spoken(catalogue, own)} découle de {sources}."


def advice(situation: Situation, service: str, droit: Droit, catalogue: Catalogue, now: datetime) -> str:
    """What to ask whom. Rights are given by an administrator of the account's own establishment, or of its head office."""
    found, accepted = catalogue.services[service], catalogue.accepted[service, droit]
    whom = f"un administrateur de l'établissement {written(situation.siret)}, ou du siège de son entreprise,"
    what = f"« {found.libelle} » ({WORDS[droit]})"
    if droit == Droit.TELECHARGER_OFFICIEL and not situation.lien.is_own:
        return f"Seule l'entreprise {written(siren_of(situation.cible))} peut l'obtenir : demandez le document à l'un de ses déclarants."
    late = [p.effective_from for s in situation.sources if s.given.meets(accepted) for p in s.periods if p.effective_from > now]
    if late:
        return f"Rien à demander : attendez l'ouverture, le {instant(min(late))}."
    given = situation.given(now)
    if given.meets(accepted) and not given.minus(situation.excluded).meets(accepted):
        return f"Demandez à {whom} de lever l'exclusion."
    needs = found.masks.meets(catalogue.liens.lacking(situation.lien))
    if needs and not situation.is_recent:
        wanted = "" if found.lien_ouvre or given.meets(accepted) else f" Demandez aussi à {whom} d'attribuer {what}."
        return f"Déposez une DSN pour cet établissement, depuis le SIRET {written(situation.siret)}.{wanted}"
    if droit in found.lien_ouvre and situation.is_recent and not has_declaring(situation, catalogue, now):
        libelle = catalogue.services[LIEN_PAR[0]].libelle if LIEN_PAR[0] in catalogue.services else "la DSN"
        return f"Demandez à {whom} d'attribuer « {libelle} » (déclarer)."
    return f"Demandez à {whom} d'attribuer {what}."


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def instant(when: datetime) -> str:
    return f"{when:%d/%m/%Y à %H:%M} (UTC)"


def in_month(month: int) -> str:
    """202610 → `octobre 2026`."""
    return f"{MONTHS[month % 100 - 1]} {month // 100}"
