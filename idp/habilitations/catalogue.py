"""The catalogue of services, from its file to the tables. The file is the truth: reading it twice changes nothing.

A service that left the file is disabled: its rights stay written, and its bit stays taken.
"""

import re
import tomllib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib import resources
from typing import Any

from idp.audit import journal
from idp.audit.events import CatalogueChanged
from idp.database import Version, db
from idp.declarants.profils import Profil
from idp.habilitations.droits import Catalogue, Droit, Exigence, Grain, Heritage, InvalidCatalogueError, Pair, Service
from idp.habilitations.models import ServiceAcces, ServiceDeclaratif, ServiceHeritage


@dataclass(frozen=True, slots=True)
class Description:
    """What a file says."""

    services: tuple[Service, ...]
    heritages: tuple[Heritage, ...]


KEYS = {"code", "bit", "libelle", "grain", "droits", "opening_delay", "enabled", "herite", "profils", "lien_requis", "lien_ouvre"}


def shipped() -> str:
    """The catalogue that MAG comes with."""
    return resources.files("idp.habilitations").joinpath("data/services.toml").read_text(encoding="utf-8")


def parse(text: str) -> Description:
    """Raises InvalidCatalogueError, naming the service, on anything missing, unknown or contradictory."""
    try:
        entries = tomllib.loads(text)["services"]
        found = Description(tuple(map(parse_service, entries)), tuple(one for entry in entries for one in parse_heritages(entry)))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidCatalogueError(f"not a catalogue: {error}") from error
    if len({service.code for service in found.services}) != len(found.services):
        raise InvalidCatalogueError("a service is described twice")
    Catalogue.build(found.services, found.heritages)
    return found


def parse_service(entry: dict[str, Any]) -> Service:
    """One table of the file."""
    if unknown := entry.keys() - KEYS:
        raise InvalidCatalogueError(f"{entry.get('code')}: {', '.join(sorted(unknown))} is not known")
    service = Service(
        entry["bit"], entry["code"], entry["libelle"], Grain(entry["grain"]), frozenset(map(Droit, entry["droits"])),
        timedelta(hours=entry.get("opening_delay", 0)), entry.get("enabled", True), profils_of(entry),
        Exigence(entry.get("lien_requis", "jamais")), frozenset(map(Droit, entry.get("lien_ouvre", ()))))
    is_named = re.fullmatch(r"[a-z][a-z0-9_]{1,39}", service.code) and 1 <= len(service.libelle) <= 120
    is_typed = type(entry["bit"]) is int and type(entry.get("enabled", True)) is bool
    if not (is_named and is_typed and service.droits and service.opening_delay >= timedelta()):
        raise InvalidCatalogueError(f"{service.code}: a value is not of its kind")
    return service


def profils_of(entry: dict[str, Any]) -> frozenset[str]:
    """The profiles it is proposed to. Raises ValueError on an unknown one."""
    return frozenset(Profil(profil) for profil in entry.get("profils", ()))


def parse_heritages(entry: dict[str, Any]) -> list[Heritage]:
    """`herite.declarer = ["atmp.declarer"]`: sources are `service.droit`."""
    return [
        Heritage((entry["code"], Droit(droit)), pair_of(source))
        for droit, sources in entry.get("herite", {}).items() for source in sources
    ]


def pair_of(text: str) -> Pair:
    code, _, droit = text.rpartition(".")
    return code, Droit(droit)


def refresh(description: Description, now: datetime) -> list[str]:
    """Bring the tables to what the file says; what changed, in words, nothing when nothing did. The caller commits.

    Raises InvalidCatalogueError when a bit would pass from one service to another.
    """
    rows = {row.code: row for row in ServiceDeclaratif.all()}
    check_bits_stay(rows.values(), description.services)
    changes = [change for service in description.services for change in write(rows, service)]
    changes += [f"{row.code} désactivé" for code, row in rows.items() if row.enabled and code not in {s.code for s in description.services}]
    for row in rows.values():
        row.enabled = row.enabled and row.code in {service.code for service in description.services}
    db.session.flush()
    if write_heritages(rows, description.heritages):
        changes.append("héritages")
    if changes:
        write_closure(rows, Catalogue.build(description.services, description.heritages))
        Version.bump("catalogue")
        journal.record(CatalogueChanged(actor="commande", summary=", ".join(changes)), now)
    return changes


def check_bits_stay(rows: Collection[ServiceDeclaratif], services: Iterable[Service]) -> None:
    """Rows of rights hold bits, not names: a bit that changed hands would give the rights of one service on another."""
    owner = {row.bit: row.code for row in rows}
    bits = {row.code: row.bit for row in rows}
    for service in services:
        if bits.get(service.code, service.bit) != service.bit or owner.get(service.bit, service.code) != service.code:
            raise InvalidCatalogueError(f"{service.code}: bit {service.bit} cannot change hands")


def write(rows: dict[str, ServiceDeclaratif], service: Service) -> list[str]:
    """One service; what changed."""
    wanted = {
        "libelle": service.libelle, "grain": service.grain, "enabled": service.enabled,
        "opening_delay": service.opening_delay // timedelta(hours=1), "profils": " ".join(sorted(service.profils)),
        "lien_requis": service.lien_requis.value, "lien_ouvre": " ".join(droit for droit in Droit if droit in service.lien_ouvre),
        **{droit.value: droit in service.droits for droit in Droit},
    }
    row = rows.get(service.code)
    if row is None:
        rows[service.code] = ServiceDeclaratif(code=service.code, bit=service.bit, **wanted)
        db.session.add(rows[service.code])
        return [f"{service.code} ajouté"]
    changed = [name for name, value in wanted.items() if getattr(row, name) != value]
    for name in changed:
        setattr(row, name, wanted[name])
    return [f"{service.code} : {', '.join(changed)}"] if changed else []


def write_heritages(rows: dict[str, ServiceDeclaratif], heritages: Iterable[Heritage]) -> bool:
    """Whether they changed."""
    kept = {(h.service_id, h.droit, h.source_id, h.droit_source): h for h in ServiceHeritage.all()}
    wanted = {(rows[h.cible[0]].id, h.cible[1], rows[h.source[0]].id, h.source[1]) for h in heritages}
    for key in kept.keys() - wanted:
        db.session.delete(kept[key])
    for service_id, droit, source_id, droit_source in wanted - kept.keys():
        db.session.add(ServiceHeritage(service_id=service_id, droit=droit, source_id=source_id, droit_source=droit_source))
    return kept.keys() != wanted


def write_closure(rows: dict[str, ServiceDeclaratif], catalogue: Catalogue) -> None:
    """For questions asked in SQL; machines read the catalogue into memory."""
    ServiceAcces.clear()
    for (code, droit), masks in catalogue.accepted.items():
        row = ServiceAcces(service_id=rows[code].id, droit=droit)
        row.masks = masks
        db.session.add(row)
