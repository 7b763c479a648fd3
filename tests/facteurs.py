"""People with second factors, and what they do with them, for tests of any folder."""

import html
import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pyotp
from flask import Flask
from werkzeug.test import Client, TestResponse

from idp.authentication.factors.models import TotpCredential
from idp.authentication.factors.proof import new_recovery_codes, seal_secret
from idp.authentication.totp import PERIOD, new_secret
from idp.database import db
from idp.declarants.models import Declarant
from idp.notifications.models import Mail
from tests.factories import csrf_in, un_declarant


def with_totp(app: Flask, declarant: Declarant) -> str:
    """Give somebody an application; its secret. Recovery codes are made too, unknown."""
    secret, now = new_secret(), datetime.now(UTC)
    with app.app_context():
        seals = app.extensions["mag"].keyring
        credential = TotpCredential(declarant_id=declarant.id, sealed=seal_secret(seals, declarant.id, secret), last_step=0)
        credential.confirmed_at = now
        db.session.add(credential)
        db.session.get_one(Declarant, declarant.id).second_factor = True
        db.session.commit()
    return secret


def with_codes(app: Flask, declarant: Declarant) -> list[str]:
    with app.app_context():
        codes = new_recovery_codes(app.extensions["mag"].keyring, declarant.id, datetime.now(UTC))
        db.session.commit()
    return list(codes)


def une_personne_protegee(app: Flask, **changes: Any) -> tuple[Declarant, str]:
    declarant = un_declarant(app, **{"email": "claire@exemple.fr", **changes})
    return declarant, with_totp(app, declarant)


def code(secret: str, steps: int = 0) -> str:
    """What the application shows, `steps` periods from now."""
    return pyotp.TOTP(secret).at(datetime.now(UTC).timestamp() + steps * PERIOD)


def where(response: TestResponse) -> tuple[str, dict[str, str]]:
    """Path and query of a redirection."""
    parts = urlsplit(response.headers["Location"])
    return parts.path, {name: values[0] for name, values in parse_qs(parts.query).items()}


def step(client: Client, response: TestResponse, **typed: str) -> TestResponse:
    """Opens the page of a step and sends its form."""
    path, query = where(response)
    page = client.get(path, query_string=query)
    return client.post(path, data={"csrf": csrf_in(page.text), **query, **typed})


def letters(app: Flask, kind: str = "") -> list[Mail]:
    with app.app_context():
        found = list(db.session.query(Mail).order_by(Mail.id))
        db.session.expunge_all()
        return [mail for mail in found if mail.kind == kind or not kind]


def link_in(mail: Mail, path: str) -> str:
    """The path of a mail's link."""
    assert mail.body is not None
    return next(urlsplit(found).path for found in re.findall(r"https?://\S+", mail.body) if path in found)


def shown(page: str, name: str) -> str:
    """The value of a field of a page."""
    return html.unescape(page.split(f'name="{name}" value="', 1)[1].split('"', 1)[0])
