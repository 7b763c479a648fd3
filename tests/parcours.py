"""An inscription driven page by page, as a browser without a screen would; and the mails it causes, as they are read."""

import re
from datetime import UTC, date, datetime
from typing import Any

from flask import Flask
from sqlalchemy import select
from werkzeug.test import Client, TestResponse

from idp.database import db
from idp.entreprises.models import Entreprise, Etablissement
from idp.entreprises.siret import Siret
from idp.habilitations import catalogue
from idp.notifications.models import Mail
from tests.factories import SIRET, csrf_in

EMAIL = "claire.lefevre@ateliers-du-pont.fr"
COMPANY = {"denomination": "LES ATELIERS DU PONT", "categorie_juridique": "5710", "tranche_effectifs": "11"}
PERSON = {
    "nom": "Lefèvre",
    "prenom": "Claire",
    "telephone": "01 23 45 67 89",
    "mobile": "06 12 34 56 78",
    "email": EMAIL,
    "email2": EMAIL,
}
PASSWORD = "trois nuages violets sur la colline"
ORDER = ("etablissement", "identite", "conditions", "profil", "services", "mot-de-passe", "recapitulatif")


def un_etablissement(app: Flask, siret: str = SIRET, *, actif: bool = True, siege: bool = True, **company: Any) -> None:
    """An establishment of the directory, with its company, and the services of the catalogue."""
    number = Siret(siret)
    with app.app_context():
        said = {"statut_diffusion": "O", "mis_a_jour": date(2026, 10, 1)}
        if Entreprise.find(number.siren) is None:
            db.session.add(
                Entreprise(siren=number.siren, nic_siege=int(number.nic) if siege else 1, etat="A", **(said | COMPANY | company))
            )
        place = {"voie": "8 RUE DU PONT", "code_postal": "31000", "commune": "TOULOUSE"} | said
        db.session.add(Etablissement(siret=number, actif=actif, siege=siege, **place))
        catalogue.refresh(catalogue.parse(catalogue.shipped()), datetime.now(UTC))
        db.session.commit()


def mails(app: Flask, recipient: str = EMAIL) -> list[Mail]:
    """What was written to somebody, the oldest first."""
    with app.app_context():
        found = list(db.session.scalars(select(Mail).filter_by(recipient=recipient).order_by(Mail.id)))
        db.session.expunge_all()
        return found


def link_in(mail: Mail, kind: str = "confirmer") -> str:
    """The path of a mail's link."""
    found = re.search(rf"/inscription/{kind}/[\w-]+", mail.body or "")
    assert found is not None, mail.body
    return found.group()


class Parcours:
    """One browser, going through the inscription."""

    def __init__(self, client: Client, address: str = "192.0.2.7") -> None:
        self.client, self.address = client, address

    def get(self, path: str) -> TestResponse:
        return self.client.get(path, environ_overrides={"REMOTE_ADDR": self.address})

    def post(self, path: str, page: str | None = None, **form: Any) -> TestResponse:
        """Sends a form with the anti-forgery value of a page of this browser."""
        data = {"csrf": csrf_in(page or self.get("/inscription").text), **form}
        return self.client.post(path, data=data, environ_overrides={"REMOTE_ADDR": self.address})

    def send(self, etape: str, **changes: Any) -> TestResponse:
        """The form of one step, filled in as a first administrator would."""
        forms: dict[str, dict[str, Any]] = {
            "siret": {"siret": SIRET},
            "etablissement": {"accord": "oui"},
            "identite": PERSON,
            "conditions": {"accord": "oui", "version": "2026-1"},
            "profil": {"profil": "entreprise", "secteur": "prive"},
            "services": {"accord": "oui", "services": ["dsn", "atmp"]},
            "mot-de-passe": {"nouveau": PASSWORD, "confirmation": PASSWORD},
            "recapitulatif": {},
        }
        path = "/inscription" if etape == "siret" else f"/inscription/{etape}"
        return self.post(path, **(forms[etape] | changes))

    def until(self, last: str, **changes: dict[str, Any]) -> TestResponse:
        """Every step up to and with that one; `changes` are by step."""
        response = self.send("siret", **changes.get("siret", {}))
        for etape in ORDER[: ORDER.index(last) + 1] if last != "siret" else ():
            assert response.status_code == 303, (etape, response.status_code, response.text[:3000])
            response = self.send(etape, **changes.get(etape, {}))
        return response

    def confirm(self, link: str, **form: Any) -> TestResponse:
        return self.post(link, self.get(link).text, **form)
