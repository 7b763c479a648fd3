"""What the journeys of mass files share: a company with people and a portfolio, files made of lines, jobs done when a test says so."""

import io
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from flask import Flask
from sqlalchemy import select
from werkzeug.test import Client, TestResponse

from idp.database import db
from idp.habilitations import attribution, portefeuilles
from idp.habilitations.catalogue import parse, refresh, shipped
from idp.habilitations.droits import Droit
from idp.habilitations.fichiers.models import FichierDroits
from idp.habilitations.gesture import Gesture
from idp.habilitations.models import DroitDirect, Exclusion, PortefeuilleClient
from tests.factories import SIRET

PLACE = "/equipe/droits/fichiers"
HEAD = "siret;nom;prenom;portefeuille;etablissement;service;droits;fin"
CLIENT, OTHER = "35600000000048", "78467169500087"


def geste(app: Flask) -> Gesture:
    return Gesture(None, app.extensions["mag"].catalogue(), datetime.now(UTC))


def le_catalogue(app: Flask) -> None:
    with app.app_context():
        refresh(parse(shipped()), datetime.now(UTC))
        db.session.commit()
    app.extensions["mag"].versions.refresh()


def donner(app: Flask, who: int, cible: str = SIRET, service: str = "dsn", *droits: Droit) -> None:
    with app.app_context():
        attribution.attribuer(geste(app), who, int(cible), service, droits or (Droit.DECLARER,))
        db.session.commit()


def un_portefeuille(app: Flask, *members: int, cibles: Iterable[str] = (CLIENT,), nom: str = "Nord") -> int:
    """Of the company of SIRET, with « déclarer » on dsn for each client."""
    rights = {"dsn": frozenset({Droit.DECLARER, Droit.PAYER})}
    with app.app_context():
        act = geste(app)
        found = portefeuilles.creer(act, int(SIRET) // 100_000, nom, rights).id
        portefeuilles.ajouter_clients(act, found, [int(cible) for cible in cibles], {"dsn": frozenset({Droit.DECLARER})})
        for member in members:
            portefeuilles.ajouter_membre(act, found, member)
        db.session.commit()
        return found


def ligne(*cells: str) -> str:
    """`ligne("Autre", "Zoé", cible, "dsn", "declarer")`: about a person of SIRET."""
    nom, prenom, cible, service, droits, *fin = cells
    return ";".join((SIRET, nom, prenom, "", cible, service, droits, *(fin or [""])))


def envoyer_fichier(client: Client, *lines: str, name: str = "droits.csv", content: bytes | None = None, **changes: Any) -> TestResponse:
    """As the form of the page does."""
    page = client.get(PLACE).text
    typed = {part: page.split(f'name="{part}" value="', 1)[1].split('"', 1)[0] for part in ("csrf", "depot")}
    body = content if content is not None else "\r\n".join((HEAD, *lines)).encode("utf-8-sig")
    return client.post(PLACE, data={**typed, "fichier": (io.BytesIO(body), name), **changes}, content_type="multipart/form-data")


def travailler(app: Flask) -> int:
    done: int = app.extensions["mag_fichiers"].traiter()
    return done


def verifier(app: Flask, client: Client, *lines: str, **changes: Any) -> str:
    """A file sent and checked; the path of its page."""
    sent = envoyer_fichier(client, *lines, **changes)
    assert sent.status_code == 303, sent.text
    travailler(app)
    return str(sent.headers["Location"])


def le_fichier(app: Flask, path: str) -> FichierDroits:
    """As the database has it now."""
    with app.app_context():
        found = FichierDroits.find(path.partition("?")[0].rpartition("/")[2])
        assert found is not None
        db.session.expunge(found)
        return found


def droits_de(app: Flask, who: int) -> dict[int, tuple[int, ...]]:
    with app.app_context():
        rows = db.session.scalars(select(DroitDirect).where(DroitDirect.declarant_id == who))
        return {row.cible: tuple(row.masks) for row in rows}


def exclusions_de(app: Flask, who: int) -> dict[int, tuple[int, ...]]:
    with app.app_context():
        return {row.cible: tuple(row.masks) for row in db.session.scalars(select(Exclusion).where(Exclusion.declarant_id == who))}


def clients_de(app: Flask, portefeuille_id: int) -> dict[int, tuple[int, ...]]:
    with app.app_context():
        rows = db.session.scalars(select(PortefeuilleClient).where(PortefeuilleClient.portefeuille_id == portefeuille_id))
        return {row.cible: tuple(row.masks) for row in rows}
