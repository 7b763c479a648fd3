"""The page of known devices, and the two of « ce n'était pas moi »."""

from datetime import timedelta

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from idp import http
from idp.arrival import close_ways_in
from idp.audit import journal
from idp.authentication import denial, devices
from idp.authentication.devices import EVERY, Device
from idp.authentication.factors.events import DeviceForgotten
from idp.authentication.factors.models import KnownDevice
from idp.database import db
from idp.declarants.models import Declarant
from idp.errors import DeadLinkError
from idp.notifications.messages import in_words
from idp.notifications.models import OneTimeLink
from idp.oidc.backchannel.notices import tell_of_person
from idp.visitor import required, see

bp = Blueprint("appareils", __name__)


class DenialDeadError(DeadLinkError):
    """The mail's link was used, or is a week old."""

    code = "desaveu_mort"
    number = "M400431"
    remedy = "Si vous avez un doute, changez votre mot de passe."
    public = "Ce lien n'est plus valable : il a déjà servi, ou il a plus de sept jours. En cas de doute, changez votre mot de passe."


@bp.get("/compte/securite/appareils")
def known() -> ResponseReturnValue:
    """Browsers that this account trusts, and this one among them."""
    visitor, now = required(), http.now()
    here = Device.read(request.cookies.get(devices.COOKIE, ""))
    found = KnownDevice.trusted_by(visitor.person, now - timedelta(seconds=devices.LIFETIME))
    shown = [(one, in_words(one.seen_at), one.device_hash == here.hash) for one in found]
    return render_template(
        "facteurs/appareils.html", devices=shown, forgotten="oubli" in request.args, csrf=http.csrf_token(_purpose(visitor.session.sid))
    )


def _purpose(sid: str) -> str:
    return f"appareils|{sid}"


@bp.post("/compte/securite/appareils")
def forget() -> ResponseReturnValue:
    """One, or all: strangers again. Sessions that are open stay, the page of sessions ends them."""
    visitor, now = required(), http.now()
    http.check_csrf(_purpose(visitor.session.sid))
    name = request.form.get("appareil", "")
    found = KnownDevice.trusted_by(visitor.person, now - timedelta(seconds=devices.LIFETIME))
    gone = found if name == EVERY else [one for one in found if one.device_hash == name]
    if gone or name == EVERY:
        person = visitor.person
        person.forgotten_devices = devices.forget(person.forgotten_devices, name, now)
        for one in gone:
            db.session.delete(one)
        journal.record(DeviceForgotten(declarant_id=person.id, siret=int(person.siret), every=name == EVERY), now)
        db.session.commit()
    return see("/compte/securite/appareils", oubli="1")


# -------------------------------------------------------------------------------------------------- « ce n'était pas moi »


@bp.get("/connexion/desaveu/<jeton>")
def show_denial(jeton: str) -> ResponseReturnValue:
    """Says what will happen and spends nothing: mail scanners follow links (C44)."""
    if OneTimeLink.find(denial.PURPOSE, jeton, http.now()) is None:
        raise DenialDeadError("unknown link")
    return render_template("facteurs/desaveu.html", jeton=jeton, done=False, csrf=http.csrf_token("desaveu"))


@bp.post("/connexion/desaveu/<jeton>")
def deny(jeton: str) -> ResponseReturnValue:
    """Sessions end, the password is locked, what led in without it is untied, partners are told."""
    http.check_csrf("desaveu")
    mag, now = http.mag(), http.now()
    link = OneTimeLink.find(denial.PURPOSE, jeton, now)
    person = db.session.get(Declarant, link.declarant_id) if link and link.declarant_id else None
    if link is None or person is None:
        raise DenialDeadError("unknown link")
    denial.deny(mag.ephemeral, mag.settings, person, link.created_at, now)
    if OneTimeLink.spend(denial.PURPOSE, jeton, now) is None:
        raise DenialDeadError("played again meanwhile")
    close_ways_in(person)
    OneTimeLink.void(denial.PURPOSE, person.id, now)
    tell_of_person(mag.registry, mag.settings, person.id, now)
    db.session.commit()
    mag.messenger.wake()
    return render_template("facteurs/desaveu.html", jeton="", done=True, csrf="")
