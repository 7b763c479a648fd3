"""What the journeys of rights share: a firm with an administrator, two colleagues, and a portfolio of clients."""

import html
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flask import Flask

from idp.database import db
from idp.declarants.models import Declarant
from idp.entreprises.models import Entreprise
from idp.entreprises.siret import Siren, Siret, is_siret
from idp.habilitations.catalogue import parse, refresh, shipped
from idp.habilitations.droits import Droit
from idp.habilitations.gesture import Gesture
from idp.habilitations.portefeuilles import ajouter_clients, ajouter_membre, creer
from tests.factories import SIRET, csrf_in, un_declarant
from tests.journeys.equipe import administrateur_connecte, texte, un_etablissement
from tests.protocol import work

D, P, C, T = Droit
HERE = int(SIRET)
SIREN = HERE // 100_000
DSN = {"dsn": frozenset({D, P})}
DPAE = {"dpae": frozenset({D})}


def clients_numbered(first: int, number: int) -> list[int]:
    """SIRETs that exist, of as many companies."""
    found: list[int] = []
    siren = first
    while len(found) < number:
        digits = f"{siren:09d}"
        found += [int(nic) for nic in (f"{digits}{n:05d}" for n in range(10, 30)) if is_siret(nic)][:1]
        siren += 1
    return found


CLIENTS = clients_numbered(400_000_000, 30)


@dataclass(frozen=True)
class Cabinet:
    """Who is there, and the portfolio « Nord »."""

    claire: Declarant
    zoe: Declarant
    bruno: Declarant
    nord: int


def un_catalogue(app: Flask) -> Any:
    with app.app_context():
        refresh(parse(shipped()), datetime.now(UTC))
        db.session.commit()
        return app.extensions["mag"].catalogue()


def geste(app: Flask, by: int | None = None) -> Gesture:
    return Gesture(by, app.extensions["mag"].catalogue(), datetime.now(UTC))


def un_cabinet(app: Flask, client: Any) -> Cabinet:
    """Claire administers and is signed in; Zoé is a member of « Nord », thirty clients, DSN alone; Bruno has nothing."""
    un_etablissement(app)
    claire = administrateur_connecte(app, client)
    zoe = un_declarant(app, nom="Autre", prenom="Zoé", email="zoe@exemple.fr")
    bruno = un_declarant(app, nom="Blanc", prenom="Bruno", email="bruno@exemple.fr")
    un_catalogue(app)
    with app.app_context():
        for cible in CLIENTS[:3]:
            name = f"BOULANGERIE {cible % 1000}"
            db.session.add(Entreprise(siren=Siren(str(Siret.of(cible).siren)), etat="A", statut_diffusion="O", denomination=name))
        db.session.commit()
        nord = creer(geste(app), SIREN, "Nord", DSN | DPAE).id
        ajouter_clients(geste(app), nord, CLIENTS, DSN)
        ajouter_membre(geste(app), nord, zoe.id)
        db.session.commit()
    return Cabinet(claire, zoe, bruno, nord)


def statements(app: Flask) -> Any:
    """How many statements both ways to the database run: `found()`."""
    with app.app_context():
        return work.statements(db.engine, app.extensions["mag"].connections)


def simuler(client: Any, **fields: Any) -> Any:
    """The first posting of a form of acts."""
    page = client.get("/equipe/droits/personnes/" + fields["personne"][0] + "/agir") if "personne" in fields else None
    token = csrf_in((page or client.get("/equipe/droits/portefeuilles/nouveau")).text)
    return client.post("/equipe/droits/gestes", data={"csrf": token, **fields})


def champs(page: Any) -> dict[str, list[str]]:
    """The hidden fields of the confirmation."""
    form = page.text.split('<form method="post"')[1].split("</form>")[0]
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form):
        found.setdefault(html.unescape(name), []).append(html.unescape(value))
    return found


def a_taper(page: Any) -> str:
    found = re.search(r'<label for="tape">[^<]*?(\d+)</label>', page.text)
    return found[1] if found else ""


def confirmer(client: Any, page: Any, **changes: Any) -> Any:
    """The second posting, as the preview asks for it."""
    return client.post("/equipe/droits/gestes", data={**champs(page), "tape": a_taper(page), **changes})


def fait(client: Any, page: Any) -> int:
    """Confirm a preview; the operation."""
    response = confirmer(client, page)
    assert response.status_code == 303, texte(response)
    return int(re.search(r"/operations/(\d+)", response.headers["Location"])[1])  # type: ignore[index]
