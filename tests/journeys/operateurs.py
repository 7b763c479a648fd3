"""Operators as tests know them: invited, enrolled by the pages of the desk, at work in a browser of their own."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import pyotp
from flask import Flask

from idp.authentication import totp
from idp.authentication.ceremony import Means
from idp.database import db
from idp.support import enrolment
from idp.support.models import Fonction, Operateur
from tests.conftest import MagClient
from tests.factories import csrf_in

DESK = "https://bureau.test"
PASSWORD = "un bureau plein de dossiers verts"
EVERYTHING = tuple(Fonction)


def un_operateur(app: Flask, nom: str = "Aline Roux", *, fonctions: Iterable[Fonction] = EVERYTHING) -> str:
    """Enrolled, as by the pages; the secret of the application that makes codes. Its e-mail is the name with dots, at mag.test."""
    with app.app_context():
        means: Means = app.extensions["mag_means"]
        now = datetime.now(UTC)
        token = enrolment.inviter(nom, email_of(nom), list(fonctions), now, "essai")
        secret = totp.new_secret()
        code = pyotp.TOTP(secret).at(now)
        operateur = enrolment.enrol(means.seals, means.passwords, token, PASSWORD, secret, code, now)
        operateur.totp_last_step = 0
        db.session.commit()
    return secret


def email_of(nom: str) -> str:
    return f"{nom.lower().replace(' ', '.')}@mag.test"


def code_of(secret: str, at: datetime | None = None) -> str:
    return pyotp.TOTP(secret).at(at or datetime.now(UTC))


def entrer(client: MagClient, secret: str, nom: str = "Aline Roux", **typed: Any) -> Any:
    """Sends the sign-in of the desk."""
    page = client.get("/connexion")
    form = {"email": email_of(nom), "password": PASSWORD, "code": code_of(secret), "csrf": csrf_in(page.text), **typed}
    return client.post("/connexion", data=form)


def au_bureau(wsgi_app: Any, nom: str = "Aline Roux", *, fonctions: Iterable[Fonction] = EVERYTHING) -> MagClient:
    """The browser of an operator who is in."""
    secret = un_operateur(wsgi_app.flask, nom, fonctions=fonctions)
    client = MagClient(wsgi_app, DESK)
    assert entrer(client, secret, nom).status_code == 303
    return client


def poster(client: MagClient, page: str, path: str, **form: Any) -> Any:
    """Posts a form found on a page of the desk."""
    return client.post(path, data={"csrf": csrf_in(client.get(page).text), **form})


def operateurs(app: Flask) -> dict[str, Operateur]:
    with app.app_context():
        found = Operateur.every()
        db.session.expunge_all()
        return {one.nom: one for one in found}
