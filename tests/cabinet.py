"""A tiers déclarant with many clients: companies of the directory, in portfolios that one person is a member of."""

from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Flask
from sqlalchemy import insert

from idp.database import db
from idp.entreprises.models import Entreprise, Etablissement
from idp.entreprises.siret import Siren, Siret, luhn
from idp.habilitations.droits import EVERYTHING, FOREVER, Catalogue, Droit, Masks
from idp.habilitations.models import Operation, Portefeuille, PortefeuilleClient, PortefeuilleMembre

TRADES = (
    *("BOULANGERIE", "GARAGE", "PHARMACIE", "MENUISERIE", "COIFFURE"),
    *("TRANSPORTS", "RESTAURANT", "PLOMBERIE", "FLEURISTE", "IMPRIMERIE"),
)
FAMILIES = ("MARTIN", "BERNARD", "PETIT", "DURAND", "LEROY", "MOREAU", "SIMON", "LAURENT", "LEFEVRE", "MICHEL", "GARCIA", "DAVID", "ROUX")
PLACES = (("69003", "LYON"), ("13001", "MARSEILLE"), ("31000", "TOULOUSE"), ("35000", "RENNES"), ("67000", "STRASBOURG"))


def completed(digits: str) -> str:
    """With the key that holds."""
    return next(f"{digits}{key}" for key in range(10) if luhn(f"{digits}{key}"))


def siret_of(number: int) -> int:
    """The head office of the client of this number."""
    return int(completed(completed(f"{40_000_000 + number:08d}") + "0001"))


def name_of(number: int) -> str:
    return f"{TRADES[number % 10]} {FAMILIES[number % 13]} {number:05d}"


def un_cabinet(app: Flask, declarant_id: int, count: int, catalogue: Catalogue, *, service: str = "dsn", each: int = 100) -> list[int]:
    """`count` clients, `each` a portfolio, where this person may declare and pay for a service; their SIRETs."""
    now = datetime.now(UTC)
    masks = catalogue.masks({service: frozenset({Droit.DECLARER, Droit.PAYER})})
    sirets = [siret_of(number) for number in range(count)]
    with app.app_context():
        write_directory(sirets)
        operation = Operation.begin(now, None, "importer")
        write_portfolios(declarant_id, sirets, masks, each, {"effective_from": now - timedelta(days=1), "operation_id": operation})
        db.session.commit()
    return sirets


def write_directory(sirets: list[int]) -> None:
    db.session.execute(
        insert(Entreprise),
        [
            {"siren": Siren.of(siret // 100_000), "etat": "A", "statut_diffusion": "O", "denomination": name_of(n)}
            for n, siret in enumerate(sirets)
        ],
    )
    places = (PLACES[n % 5] for n in range(len(sirets)))
    db.session.execute(
        insert(Etablissement),
        [
            {"siret": Siret.of(siret), "actif": True, "siege": True, "statut_diffusion": "O", "code_postal": code, "commune": commune}
            for siret, (code, commune) in zip(sirets, places, strict=True)
        ],
    )


def write_portfolios(declarant_id: int, sirets: list[int], masks: Masks, each: int, dated: dict[str, Any]) -> None:
    folders = [sirets[i : i + each] for i in range(0, len(sirets), each)]
    first = 1_000_000 + declarant_id * 10_000
    always = {**dated, "ends_at": FOREVER}
    for number, folder in enumerate(folders, first):
        db.session.add(
            Portefeuille(id=number, siren=732_829_320, nom=f"Portefeuille {number}", clients=len(folder), **EVERYTHING._asdict())
        )
    db.session.flush()
    db.session.execute(
        insert(PortefeuilleMembre),
        [
            {"declarant_id": declarant_id, "portefeuille_id": number, **always, **masks._asdict()}
            for number in range(first, first + len(folders))
        ],
    )
    db.session.execute(
        insert(PortefeuilleClient),
        [
            {"portefeuille_id": number, "cible": siret, **always, **masks._asdict()}
            for number, folder in enumerate(folders, first)
            for siret in folder
        ],
    )
