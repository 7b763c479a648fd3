"""Who had access somewhere, right after an operation, or at a date: rows in force then, read by the rules of today.

Left out, because nothing keeps it: what an account's status was (somebody closed since is counted until then), and what the register of
declarations said: a declaration counts if the last one known today was made late enough.
"""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime

from idp.database import db
from idp.declarants.controles.models import LienDeclare
from idp.declarants.models import Declarant
from idp.habilitations.droits import LIEN_PAR, NOTHING, Catalogue, Droit, Masks, is_siret, siren_of
from idp.habilitations.fenetre import first_month, numbered
from idp.habilitations.historique.models import Written, containers_at, operation_at, written_at
from idp.habilitations.perimetre import DECLARED, DIRECT, EXCLUSION, Account, Origine, Row, origins

Found = dict[int, tuple[Origine, ...]]


def had_access_at(cible: int, service: str, droit: Droit, when: datetime, catalogue: Catalogue) -> Found:
    """By account, what gave the right at that instant."""
    return had_access(cible, service, droit, operation_at(when), when, catalogue)


def had_access(cible: int, service: str, droit: Droit, operation_id: int, when: datetime, catalogue: Catalogue) -> Found:
    """By account, what gave the right right after an operation; periods are read at `when`."""
    accepted = catalogue.accepted.get((service, droit))
    if accepted is None:
        return {}
    rows = rows_at(cible, operation_id, when)
    declared = declarations(cible, when, rows, follows=catalogue.liens.concerns(accepted), opens=catalogue.liens.ouverts.meets(accepted))
    found: Found = {}
    for who in sorted({*rows, *declared}):
        declarant = db.session.get(Declarant, who)
        if declarant is None or declarant.opened_at > when or (declarant.closed_at is not None and declarant.closed_at <= when):
            continue
        own, month = int(declarant.siret), declared.get(who)
        extra = [] if month is None else [Row(1, 0, cible, DECLARED, month, NOTHING)]
        declares = month is not None and (who in had_access(own, *LIEN_PAR, operation_id, when, catalogue))
        given = origins([*rows.get(who, []), *extra], Account(own, declares, catalogue.liens), accepted)
        if given:
            found[who] = given
    return found


def rows_at(cible: int, operation_id: int, when: datetime) -> dict[int, list[Row]]:
    """By account, the rows of a walk's step."""
    places = sorted({cible, siren_of(cible)})
    found: dict[int, list[Row]] = defaultdict(list)

    def add(who: int, origine: int, row: Written, masks: Masks) -> None:
        found[who].append(Row(1, 0, cible, origine, row.cible, masks))

    for row in written_at(operation_id, "d", cibles=places):
        if row.holds(when):
            add(row.sujet, DIRECT, row, Masks(*row.masks))
    clients: dict[int, list[Written]] = defaultdict(list)
    for row in written_at(operation_id, "c", cibles=places):
        if row.holds(when):
            clients[row.sujet].append(row)
    containers = containers_at(operation_id, list(clients))
    for membre in written_at(operation_id, "m", cibles=list(clients)) if clients else ():
        ceiling = Masks(*membre.masks).common(Masks(*containers.get(membre.cible, NOTHING)))
        for client in clients[membre.cible] if membre.holds(when) else ():
            add(membre.sujet, membre.cible, client, Masks(*client.masks).common(ceiling))
    for row in written_at(operation_id, "x", cibles=places):
        add(row.sujet, EXCLUSION, row, Masks(*row.masks))
    return found


def declarations(cible: int, when: datetime, rows: Mapping[int, list[Row]], *, follows: bool, opens: bool) -> dict[int, int]:
    """By account, the month of the last declaration known of its SIRET for this establishment, when it counts."""
    if not follows or not is_siret(cible):
        return {}
    oldest = first_month(when)
    links = {int(link.siret_declarant): link.dernier_mois for link in LienDeclare.for_establishment(cible) if link.dernier_mois >= oldest}
    return {one.id: numbered(links[int(one.siret)]) for one in Declarant.of_sirets(list(links)) if opens or one.id in rows}
