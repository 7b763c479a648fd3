"""What all changes of rights share: who makes them, when, under which catalogue; the rules they keep and the traces they leave.

A gesture that changes something writes an operation, moves an epoch and records an audit event, in the caller's transaction.
Left out on purpose: who may administer whom, which the pages of administration ask before they come here.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from idp.audit import journal
from idp.audit.events import HabilitationClosed, HabilitationOpened
from idp.database import db
from idp.declarants.models import ACTOR, Declarant
from idp.declarants.statuts import Statut
from idp.errors import RefusedError
from idp.habilitations.droits import (
    NOTHING,
    WORDS,
    Catalogue,
    Dated,
    Droit,
    Grain,
    Masks,
    Period,
    Rights,
    give,
    is_siren,
    is_siret,
    siren_of,
    written,
)
from idp.habilitations.droits import spoken as spoken  # noqa: PLC0414  # pages take it from here
from idp.habilitations.droits import words as words  # noqa: PLC0414  # pages take it from here
from idp.habilitations.models import DroitDirect, Operation, PortefeuilleClient, locked_declarant, rows_on

OWN_COMPANY = Masks(*(-1 if droit == Droit.TELECHARGER_OFFICIEL else 0 for droit in Droit))
"""Rights that only the company's own people may hold (fact 61)."""
EVENTS: Mapping[str, type[HabilitationOpened | HabilitationClosed]] = {
    "attribuer": HabilitationOpened, "retirer": HabilitationClosed, "exclure": HabilitationClosed, "reintegrer": HabilitationOpened,
    "creer_portefeuille": HabilitationOpened, "ouvrir_services": HabilitationOpened, "fermer_services": HabilitationClosed,
    "ajouter_clients": HabilitationOpened, "retirer_clients": HabilitationClosed,
    "ajouter_membre": HabilitationOpened, "retirer_membre": HabilitationClosed,
    "annuler": HabilitationClosed, "importer_plat": HabilitationOpened, "copier": HabilitationOpened, "promouvoir": HabilitationOpened,
    "transferer": HabilitationOpened, "solder": HabilitationClosed, "scinder": HabilitationOpened, "renommer": HabilitationOpened,
    "importer_fichier": HabilitationOpened,
}
"""Gestures, and what the audit journal calls them."""


class AttributionRefusedError(RefusedError):
    """Rights that cannot be given, withdrawn or excluded. `public` says what to do."""

    code = "attribution_refusee"
    number = "M300003"
    remedy = "Lisez la phrase affichée : elle dit quel droit ne peut être donné, et pourquoi."
    status = 422
    public = "Ces habilitations ne peuvent pas être attribuées."


def refusal(reason: str, public: str) -> AttributionRefusedError:
    return AttributionRefusedError(reason, public=public)


@dataclass(frozen=True, slots=True)
class Gesture:
    """Who changes rights, under which catalogue, when. `by` is a déclarant's id; None is an operator's command."""

    by: int | None
    catalogue: Catalogue
    now: datetime

    @property
    def actor(self) -> str:
        """As the journal names them."""
        return "commande" if self.by is None else f"{ACTOR}{self.by}"

    def masks(self, rights: Rights, cible: int | None = None, *, giving: bool = True) -> Masks:
        """The bits of rights that exist, and may be held on this target. Raises AttributionRefusedError."""
        if cible is not None and not (is_siren(cible) or is_siret(cible)):
            raise refusal("neither SIREN nor SIRET", "Indiquez un SIREN de 9 chiffres ou un SIRET de 14 chiffres.")
        for code, droits in rights.items():
            check_service(self.catalogue, code, droits, giving=giving)
            service = self.catalogue.services[code]
            if giving and cible is not None and is_siret(cible) and service.grain == Grain.SIREN:
                raise refusal(f"{code} by SIRET", f"« {service.libelle} » se donne pour l'entreprise entière : indiquez son SIREN.")
        masks = self.catalogue.masks(rights)
        if not any(masks):
            raise refusal("no right", "Choisissez au moins un droit.")
        return masks

    def openings(self, rights: Rights, opens_at: datetime | None, ends_at: datetime) -> dict[Period, Masks]:
        """Each right from the end of its service's delay (fact 24), or from `opens_at` when that is later."""
        found: dict[Period, Masks] = {}
        for code, droits in rights.items():
            start = max(self.now + self.catalogue.services[code].opening_delay, opens_at or self.now)
            if ends_at <= start:
                raise refusal("ends before it opens", "La date de fin doit suivre la date d'ouverture du droit.")
            period = Period(start, ends_at)
            found[period] = found.get(period, NOTHING).union(self.catalogue.masks({code: droits}))
        return found

    def given(self, rights: Rights, opens_at: datetime | None, ends_at: datetime) -> Callable[[Dated], Dated]:
        """What a place holds once these rights are given there, from what it held."""
        openings = self.openings(rights, opens_at, ends_at)

        def added(held: Dated) -> Dated:
            for period, opened in openings.items():
                held = give(held, period, opened, self.now)
            return held

        return added

    def declarant(self, declarant_id: int, *, giving: bool = True) -> Declarant:
        """The account, its row locked. Raises AttributionRefusedError when it is unknown or, to give it rights, not active."""
        found = locked_declarant(declarant_id)
        if found is None:
            raise refusal(f"no declarant {declarant_id}", "Ce déclarant n'existe pas.")
        if giving and found.statut != Statut.ACTIF:
            raise refusal(f"declarant is {found.statut}", "Ce déclarant n'est pas actif : il ne peut recevoir aucun droit.")
        return found

    def trace(
        self, kind: str, masks: Masks, *, declarant_id: int | None = None, cible: int | None = None, portefeuille_id: int | None = None,
        annule_id: int | None = None,
    ) -> int:
        """Write the operation and its audit event, whose `droits` reads `dsn:declarer,payer atmp:consulter`; the operation's id."""
        operation_id = Operation.begin(self.now, self.by, kind, annule_id)
        self.record(operation_id, kind, masks, declarant_id=declarant_id, cible=cible, portefeuille_id=portefeuille_id)
        return operation_id

    def record(
        self, operation_id: int, kind: str, masks: Masks, *, declarant_id: int | None, cible: int | None, portefeuille_id: int | None,
    ) -> None:
        """The audit event of an operation."""
        held = self.catalogue.held(masks).items()
        journal.record(EVENTS[kind](
            declarant_id=declarant_id, cible=None if cible is None else written(cible), portefeuille_id=portefeuille_id,
            droits=" ".join(f"{code}:{','.join(d for d in Droit if d in droits)}" for code, droits in held),
            operation_id=operation_id, actor=self.actor), self.now)


def check_service(catalogue: Catalogue, code: str, droits: Iterable[Droit], *, giving: bool) -> None:
    """The service exists, is enabled when a right is to be given, and has these rights."""
    service = catalogue.services.get(code)
    if service is None:
        raise refusal("unknown service", f"Le service « {code} » n'existe pas.")
    if giving and not service.enabled:
        raise refusal(f"{code} is disabled", f"« {service.libelle} » n'est plus proposé.")
    for droit in droits:
        if droit not in service.droits:
            raise refusal(f"{code} has no {droit}", f"« {service.libelle} » ne connaît pas le droit « {WORDS[droit]} ».")


def check_own_company(masks: Masks, cible: int, siren: int) -> None:
    """Fact 61: a third party may consult, only the company may download what is official."""
    if masks.meets(OWN_COMPANY) and siren_of(cible) != siren:
        raise refusal("official documents of another company", "Seule l'entreprise elle-même peut télécharger ses documents officiels.")


OnTarget = TypeVar("OnTarget", DroitDirect, PortefeuilleClient)


def dated(rows: Iterable[DroitDirect | PortefeuilleClient]) -> dict[Period, Masks]:
    return {row.period: row.masks for row in rows}


@dataclass(frozen=True, slots=True)
class Change(Generic[OnTarget]):
    """The rows of one target: those there are, and what they should say."""

    cible: int
    held: Collection[OnTarget]
    wanted: Dated

    @property
    def changes(self) -> bool:
        return self.wanted != dated(self.held)

    def write(self, operation_id: int, kind: type[OnTarget], **owner: int) -> None:
        """The rows that change, and no other."""
        rows = {row.period: row for row in self.held}
        for period in rows.keys() - self.wanted.keys():
            db.session.delete(rows[period])
        for period, masks in self.wanted.items():
            row = rows.get(period) or kind(effective_from=period.effective_from, ends_at=period.ends_at, cible=self.cible, **owner)
            if period not in rows or row.masks != masks:
                row.masks, row.operation_id = masks, operation_id
            db.session.add(row)


CHUNK = 500
"""Targets read and written at once."""


def changes(
    kind: type[OnTarget], owner_id: int, cibles: Collection[int], change: Callable[[Dated], Dated],
) -> list[Change[OnTarget]]:
    """What a rule changes, target by target, for an account or a portfolio."""
    found: list[Change[OnTarget]] = []
    distinct = sorted(set(cibles))
    for chunk in (distinct[i:i + CHUNK] for i in range(0, len(distinct), CHUNK)):
        held: dict[int, list[OnTarget]] = {cible: [] for cible in chunk}
        for row in rows_on(kind, owner_id, chunk):
            held[row.cible].append(row)
        found += (Change(cible, rows, change(dated(rows))) for cible, rows in held.items())
    return [one for one in found if one.changes]
