"""Streams of events: the list by partner, what one has waiting, sending again, holding, trying. And who sends MAG some (`recus`)."""

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from idp import http
from idp.database import db
from idp.errors import NotFoundError
from idp.oidc.reception.models import Emetteur, SignalRecu
from idp.oidc.reception.reception import DAY
from idp.oidc.signals.events import WORDS
from idp.oidc.signals.management import Streams
from idp.oidc.signals.models import Signal, Stream
from idp.support import bureau
from idp.support.models import Operateur
from idp.visitor import see

bp = Blueprint("bureau_signaux", __name__)
MOST, LATEST = 100, 20
STATES = {"enabled": "En service", "paused": "En pause", "disabled": "Arrêté par le partenaire"}
NOTHING = (0, 0, 0, None)
FAILURES = {
    "NewConnectionError": "connexion impossible",
    "NameResolutionError": "nom introuvable",
    "ConnectTimeoutError": "pas de connexion à temps",
    "ReadTimeoutError": "pas de réponse à temps",
    "SSLError": "certificat refusé",
}
"""What the guard of outgoing calls ran into, for whoever reads French."""


@bp.get("/signaux")
def streams() -> ResponseReturnValue:
    """Each stream, and how it goes; each transmitter, and what came in a day."""
    bureau.operator(bureau.SECURITY)
    tally = Signal.tally()
    rows = [(stream, _partner(stream), tally.get(stream.id, NOTHING)) for stream in Stream.every()]
    received = SignalRecu.tally(http.now() - DAY)
    senders = [(one, received.get(one.id, (0, 0, 0))) for one in Emetteur.every()]
    return render_template("bureau/signaux.html", rows=rows, states=STATES, senders=senders)


@bp.get("/signaux/<stream_id>")
def stream(stream_id: str) -> ResponseReturnValue:
    """What waits or failed, the latest first; then what arrived last."""
    bureau.operator(bureau.SECURITY)
    found = _stream(stream_id)
    shown = {"stream": found, "partner": _partner(found), "tally": Signal.tally().get(found.id, NOTHING)}
    signals, arrived = Signal.undelivered(found.id, MOST), Signal.arrived(found.id, LATEST)
    return render_template("bureau/flux.html", signals=signals, arrived=arrived, states=STATES, words=WORDS, why=why, **shown)


@bp.post("/signaux/<stream_id>/essayer")
def test(stream_id: str) -> ResponseReturnValue:
    """An event that says nothing of anybody."""
    _acting()
    _streams().test(_stream(stream_id), http.now())
    return _done(stream_id)


@bp.post("/signaux/<stream_id>/relancer")
def again(stream_id: str) -> ResponseReturnValue:
    """What failed leaves now."""
    operator = _acting()
    _streams().again(_stream(stream_id), operator.actor, http.now())
    return _done(stream_id)


@bp.post("/signaux/<stream_id>/suspendre")
def pause(stream_id: str) -> ResponseReturnValue:
    """Events wait, and the partner cannot start the stream again."""
    operator = _acting()
    _streams().pause(_stream(stream_id), operator.actor, http.now())
    return _done(stream_id)


@bp.post("/signaux/<stream_id>/reprendre")
def resume(stream_id: str) -> ResponseReturnValue:
    operator = _acting()
    _streams().resume(_stream(stream_id), operator.actor, http.now())
    return _done(stream_id)


def _acting() -> Operateur:
    return bureau.acting(bureau.SECURITY)


def _done(stream_id: str) -> ResponseReturnValue:
    db.session.commit()
    http.mag().versions.refresh()
    return see(f"/signaux/{stream_id}")


def _stream(stream_id: str) -> Stream:
    """Raises NotFoundError."""
    found = Stream.named(stream_id)
    if found is None:
        raise NotFoundError(f"stream {stream_id}", public="Ce flux n'existe pas, ou son partenaire l'a fermé.")
    return found


def why(failure: str) -> str:
    """The last failure of an event, in words; one that has none stays as the log says it."""
    if failure.startswith("answered "):
        return failure.replace("answered", "réponse")
    return FAILURES.get(failure.rpartition(": ")[2], failure.replace("refused:", "refus :"))


def _partner(stream: Stream) -> str:
    """What people call the client."""
    client = http.mag().registry.find(stream.client_id)
    return client.client_name if client else stream.client_id


def _streams() -> Streams:
    mag = http.mag()
    return Streams(mag.settings, mag.keyring, mag.signals.audience)
