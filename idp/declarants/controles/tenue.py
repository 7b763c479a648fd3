"""Keeping the lists of the controls: a line has an owner, a reason, and may expire. The caller commits."""

from collections.abc import Collection
from datetime import datetime

from idp.audit import journal
from idp.database import db
from idp.declarants.controles.dossier import Nature, Sens, Subject
from idp.declarants.controles.events import ListChanged
from idp.declarants.controles.listes import refusals
from idp.declarants.controles.models import EntreeListe
from idp.declarants.inscription import EMAIL
from idp.entreprises.siret import Siren, Siret
from idp.errors import RefusedError

EVERYBODY = "*"
LONGEST_MOTIF, LONGEST_PROPRIETAIRE = 300, 120
"""Characters, as the database has them."""


class LineRefusedError(RefusedError):
    """A line of a list that means nothing. `public` says what to correct."""

    code = "ligne_de_liste"
    number = "M200101"
    remedy = "Opérateur : corrigez la ligne, la phrase affichée dit quoi."
    status = 422


def ajouter(
    sens: Sens,
    nature: Nature,
    unverified_valeur: str,
    now: datetime,
    *,
    service: str,
    services: Collection[str],
    motif: str,
    proprietaire: str,
    expires_at: datetime | None,
    actor: str,
) -> EntreeListe:
    """Add a line, or change that of the same value; `services` are those of the catalogue, `service` empty for all.

    Raises LineRefusedError, InvalidSiretError, InvalidSirenError.
    """
    valeur = checked(sens, nature, unverified_valeur)
    _check(sens, service, services, motif, proprietaire, expires_at, now)
    line = EntreeListe.line(sens, nature, valeur, service)
    change = "changed" if line else "added"
    line = line or EntreeListe(sens=sens, nature=nature, valeur=valeur, service=service, created_at=now)
    line.motif, line.proprietaire, line.expires_at = motif.strip(), proprietaire.strip(), expires_at
    db.session.add(line)
    db.session.flush()
    journal.record(ListChanged(change=change, sens=sens, valeur=f"{nature}:{valeur}", service=service or None, actor=actor), now)
    return line


def retirer(line: EntreeListe, now: datetime, *, actor: str) -> None:
    """The line goes; the journal keeps it."""
    valeur = f"{line.nature}:{line.valeur}"
    journal.record(ListChanged(change="removed", sens=line.sens, valeur=valeur, service=line.service or None, actor=actor), now)
    db.session.delete(line)
    db.session.flush()


def refused(subject: Subject, now: datetime) -> frozenset[str]:
    """Of the services of the subject, those that a living list refuses: whoever decides, nobody opens them."""
    lines = refusals(EntreeListe.about(subject, now), subject)
    everything = any(not line.service for line in lines)
    return frozenset(code for code in subject.services if everything or code in {line.service for line in lines})


def checked(sens: Sens, nature: Nature, unverified_valeur: str) -> str:
    """The value as rules compare it."""
    text = unverified_valeur.strip()
    if nature is Nature.SIRET:
        return str(Siret.parse(text))
    if nature is Nature.SIREN:
        return str(Siren.parse(text))
    if nature is Nature.TOUS:
        return _everybody(sens)
    lower = text.lower()
    if not EMAIL.fullmatch(lower if nature is Nature.EMAIL else f"x@{lower}") or len(lower) > 250:
        raise LineRefusedError("not an address", public="Cette adresse ou ce domaine n'est pas valable : jean@exemple.fr, ou exemple.fr.")
    return lower


def _everybody(sens: Sens) -> str:
    """« Tous » says that a service wants representatives; to allow or to refuse everybody is the catalogue's matter."""
    if sens is not Sens.REPRESENTANT:
        raise LineRefusedError("everybody", public="« Tous » ne convient qu'à l'exigence d'un représentant légal.")
    return EVERYBODY


def _check(
    sens: Sens, service: str, services: Collection[str], motif: str, proprietaire: str, expires_at: datetime | None, now: datetime
) -> None:
    if service and service not in services:
        raise LineRefusedError("unknown service", public="Ce service n'est pas au catalogue.")
    if sens is not Sens.INTERDIT and not service:
        raise LineRefusedError(
            "no service", public="Une liste autorisée, ou l'exigence d'un représentant, est celle d'un service : dites lequel."
        )
    if not 1 <= len(motif.strip()) <= LONGEST_MOTIF or not 1 <= len(proprietaire.strip()) <= LONGEST_PROPRIETAIRE:
        raise LineRefusedError(
            "no reason or owner", public="Dites le motif (300 caractères au plus) et qui répond de cette ligne (120 au plus)."
        )
    if expires_at is not None and expires_at <= now:
        raise LineRefusedError("expired", public="L'échéance est déjà passée.")
