"""Valid things to start a test from. A test states only what it is about."""

from datetime import UTC, datetime
from typing import Any

from flask import Flask
from werkzeug.test import Client, TestResponse

from idp.authentication import password_change
from idp.authentication.ceremony import Means
from idp.authentication.demande import Demande, seal_demande
from idp.database import db
from idp.declarants.identite import Identite
from idp.declarants.inscription import inscrire
from idp.declarants.models import Declarant
from idp.declarants.statuts import Role, Statut
from idp.entreprises.siret import Siret

SIRET = "73282932000074"
NOM, PRENOM = "Lefèvre", "Claire"
PASSWORD = "cheval bleu sous la pluie"
OPTIONS = ("role", "email", "telephone", "fonction", "service_interne")


def un_declarant(
    app: Flask, *, siret: str = SIRET, nom: str = NOM, prenom: str = PRENOM, password: str | None = PASSWORD, **changes: Any
) -> Declarant:
    """A person inscribed and committed, who may sign in; `changes` are options of `inscrire`, or other columns.

    Needs no application context of the caller's. The row is detached: read what you need from it, ask the database for the rest.
    """
    options = {name: changes.pop(name) for name in OPTIONS if name in changes}
    now = changes.pop("now", datetime.now(UTC))
    with app.app_context():
        means: Means = app.extensions["mag_means"]
        declarant = inscrire(Identite(Siret.parse(siret), nom, prenom), now, **options)
        db.session.commit()
        if password is not None:
            password_change.change_password(means.store, means.settings, means.passwords, declarant, password, now)
        for name, value in changes.items():
            setattr(declarant, name, value)
        db.session.commit()
        db.session.refresh(declarant)
        db.session.expunge(declarant)
        return declarant


def un_administrateur(app: Flask, **changes: Any) -> Declarant:
    """The same, who also manages their company's people."""
    return un_declarant(app, role=Role.ADMINISTRATEUR_DECLARANT, **changes)


def une_personne_suspendue(app: Flask, **changes: Any) -> Declarant:
    return un_declarant(app, statut=Statut.SUSPENDU, **changes)


def une_demande(**changes: Any) -> Demande:
    """What a partner asks, now."""
    return Demande(
        **{
            "target": "/authorize",
            "parameters": {"client_id": "essai", "state": "s"},
            "client_id": "essai",
            "client_name": "Portail d'essai",
            "client_host": "portail.test",
            "form_action": "https://portail.test",
            "asked_at": int(datetime.now(UTC).timestamp()),
            **changes,
        }
    )


def une_demande_de(app: Flask, client: Client, demande: Demande | None = None) -> str:
    """The sealed word of a demande begun in this browser."""
    client.get("/connexion")
    binding = client.get_cookie("__Host-mag_b", domain=_host(app), path="/")
    assert binding is not None
    mag = app.extensions["mag"]
    return seal_demande(mag.ephemeral, mag.keyring, demande or une_demande(), binding.value, mag.settings.demande_lifetime)


def _host(app: Flask) -> str:
    return str(app.extensions["mag"].settings.issuer_host).partition(":")[0]


def csrf_in(page: str) -> str:
    """The anti-forgery value of a page's first form."""
    return page.split('name="csrf" value="', 1)[1].split('"', 1)[0]


def se_connecter(client: Client, *, demande: str = "", address: str = "192.0.2.1", **typed: str) -> TestResponse:
    """Opens the mire and sends it, as a browser would."""
    page = client.get("/connexion", query_string={"demande": demande} if demande else {})
    form = {"siret": SIRET, "nom": NOM, "prenom": PRENOM, "password": PASSWORD, "demande": demande, "csrf": csrf_in(page.text), **typed}
    return client.post("/connexion", data=form, environ_overrides={"REMOTE_ADDR": address})
