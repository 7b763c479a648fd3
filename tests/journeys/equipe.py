"""What the journeys of administrators share: people signed in, the outbox, forms sent as a browser sends them."""

import html
import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from flask import Flask
from sqlalchemy import select
from werkzeug.test import Client, TestResponse

from idp.database import db
from idp.declarants.cooptation import open_candidacy
from idp.declarants.identite import Identite
from idp.declarants.inscription import inscrire
from idp.declarants.models import Declarant
from idp.declarants.statuts import Act, By, Role
from idp.entreprises.models import Entreprise, Etablissement
from idp.entreprises.siret import Siret
from idp.notifications.models import Mail
from tests.factories import PASSWORD, SIRET, csrf_in, se_connecter, un_administrateur

SECOND = "73282932000082"
ISSUER = "https://mag.test"


def un_etablissement(app: Flask, siret: str = SIRET, *, statut_diffusion: str = "O", siege: bool = True, **changes: Any) -> None:
    """The directory knows it."""
    with app.app_context():
        number = Siret(siret)
        if Entreprise.find(number.siren) is None:
            company = Entreprise(siren=number.siren, etat="A", statut_diffusion=statut_diffusion, denomination="LES ATELIERS DU PONT")
            company.nic_siege = int(number.nic) if siege else None
            db.session.add(company)
        place = {"voie": "12 RUE DU PONT", "code_postal": "69003", "commune": "LYON", "actif": True, "siege": siege, **changes}
        db.session.add(Etablissement(siret=number, statut_diffusion=statut_diffusion, **place))
        db.session.commit()


def un_candidat(
    app: Flask,
    *,
    nom: str = "Petit",
    prenom: str = "Nina",
    email: str | None = "nina@exemple.fr",
    namesake: bool = False,
    **changes: Any,
) -> Declarant:
    """Somebody who asks to administer, with a password, as the inscription leaves them."""
    from idp.authentication.password_change import change_password

    now = changes.pop("now", datetime.now(UTC))
    with app.app_context():
        means = app.extensions["mag_means"]
        identite = Identite(Siret.parse(changes.pop("siret", SIRET)), nom, prenom)
        how = {"role": Role.ADMINISTRATEUR, "act": Act.INSCRIRE_CANDIDAT, "by": By.SOI}
        found = inscrire(identite, now, email=email, namesake=namesake, **how)
        change_password(means.store, means.settings, means.passwords, found, PASSWORD, now)
        db.session.flush()
        open_candidacy(found, now, issuer=ISSUER)
        db.session.commit()
        db.session.refresh(found)
        db.session.expunge(found)
        return found


def administrateur_connecte(app: Flask, client: Client, **changes: Any) -> Declarant:
    found = un_administrateur(app, **{"email": "claire@exemple.fr", **changes})
    assert se_connecter(client, nom=found.nom, prenom=found.prenom, siret=str(found.siret)).status_code == 303
    return found


def envoyer(client: Client, path: str, page: str = "", **typed: str) -> TestResponse:
    """Posts a form with the anti-forgery value of its page."""
    return client.post(path, data={"csrf": csrf_in(client.get(page or path).text), **typed})


def courriers(app: Flask, kind: str) -> list[Mail]:
    with app.app_context():
        found = list(db.session.scalars(select(Mail).where(Mail.kind == kind).order_by(Mail.id)))
        db.session.expunge_all()
        return found


def lien(mail: Mail, start: str) -> str:
    """The path of the link of a mail that begins so."""
    address = re.search(rf"{re.escape(ISSUER + start)}\S*", mail.body or "")
    assert address is not None
    return urlsplit(address[0]).path


def relu(app: Flask, declarant_id: int) -> Declarant | None:
    """As the database has them now."""
    with app.app_context():
        found = db.session.get(Declarant, declarant_id)
        if found is not None:
            db.session.expunge(found)
        return found


def texte(response: TestResponse) -> str:
    return html.unescape(response.text).replace("\xa0", " ")
