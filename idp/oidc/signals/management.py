"""What a receiver does with its stream: opens, reads, changes, ends it; asks for less; has it tried. In the caller's transaction.

Implements Shared Signals Framework 1.0 sections 8.1.1 to 8.1.4. ours: one stream for a client; everybody whom the client knows is told
of (`default_subjects` ALL), and a subject may be taken out, then put back; an unknown subject is answered like the others.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from idp.audit import journal
from idp.config import Settings
from idp.database import Version, db
from idp.oidc.client import Client
from idp.oidc.metadata import SIGNALS
from idp.oidc.signals import reading
from idp.oidc.signals.audience import Audience
from idp.oidc.signals.events import SUPPORTED, UPDATED, VERIFICATION
from idp.oidc.signals.facts import SignalsRetried, SignalStreamChanged
from idp.oidc.signals.models import DISABLED, ENABLED, PAUSED, POLL, PUSH, VERSION, KnownSubject, MutedSubject, Signal, Stream
from idp.oidc.signals.outbox import SEALED_FOR
from idp.seals import Seals, random_token

VERIFICATION_EVERY = 10
"""Seconds between two events asked for to verify a stream."""
Given = Mapping[str, Any]


class StreamExistsError(Exception):
    """Of two that were opened at once, the other one is there."""


class StreamUnknownError(Exception):
    """No such stream, or another client's."""


class StreamHeldError(Exception):
    """An operator paused it: the receiver waits."""


class StreamFillingError(Exception):
    """Opened a moment ago: those who came before it are not all known to it."""


class TooSoonError(Exception):
    """Verified a moment ago."""


@dataclass(frozen=True, slots=True)
class Streams:
    """Acts on streams, for one process."""

    settings: Settings
    seals: Seals
    audience: Audience

    # ------------------------------------------------------------------------------------------------- the receiver's own

    def create(self, client: Client, given: Given, now: datetime) -> Stream:
        """Section 8.1.1.1; whoever signed in before becomes known after the answer, some at a time, however many they are
        (`spread/filling.py`). Raises InvalidRequestError, StreamExistsError."""
        stream = Stream(id=random_token(16), client_id=client.client_id, status=ENABLED, created_at=now, filled_to=0)
        self._fill(stream, given, now)
        if not stream.insert():
            raise StreamExistsError
        self._note(stream, "created", now)
        return stream

    def open_at(self, client: Client, address: str, now: datetime, authorization: str | None = None) -> Stream:
        """An operator opens the stream of a partner that has no program for it, or moves it. Raises InvalidRequestError."""
        delivery = {"method": reading.NAMES[PUSH], "endpoint_url": address, "authorization_header": authorization}
        stream = Stream.of_client(client.client_id, lock=True)
        if stream is None:
            try:
                return self.create(client, {"delivery": delivery}, now)
            except StreamExistsError:
                return self.open_at(client, address, now, authorization)  # its partner opened it in the meantime
        if stream.endpoint_url != address or authorization is not None:
            self.update(stream, {"delivery": delivery}, now)
        return stream

    def replace(self, stream: Stream, given: Given, now: datetime) -> None:
        """Section 8.1.1.4. Raises InvalidRequestError."""
        reading.unchanged(given, self.told(stream))
        self._fill(stream, given, now)
        stream.reset_outbox(now)
        self._note(stream, "changed", now)

    def update(self, stream: Stream, given: Given, now: datetime) -> None:
        """Section 8.1.1.3: what is not said stays. Raises InvalidRequestError."""
        held = {"description": stream.description, "events_requested": stream.requested, "delivery": self._delivery(stream)}
        self.replace(stream, {**held, **{name: given[name] for name in given}}, now)

    def delete(self, stream: Stream, now: datetime) -> None:
        """Section 8.1.1.5: nothing is sent any more, nor held."""
        db.session.delete(stream)
        self._note(stream, "deleted", now)

    def set_status(self, stream: Stream, given: Given, now: datetime) -> None:
        """Section 8.1.2.2. Raises InvalidRequestError, StreamHeldError."""
        status, reason = reading.status(given), reading.text(given, "reason")
        if stream.held_by and status == ENABLED:
            raise StreamHeldError
        self._set(stream, status, reason, now)

    def mute(self, stream: Stream, given: Given) -> None:
        """Section 8.1.3.3. Raises InvalidRequestError, StreamFillingError."""
        for declarant_id in self._known(stream, given):
            db.session.merge(MutedSubject(stream_id=stream.id, declarant_id=declarant_id))

    def unmute(self, stream: Stream, given: Given) -> None:
        """Section 8.1.3.2. Raises InvalidRequestError, StreamFillingError."""
        for declarant_id in self._known(stream, given):
            muted = db.session.get(MutedSubject, (stream.id, declarant_id))
            if muted is not None:
                db.session.delete(muted)

    def _known(self, stream: Stream, given: Given) -> set[int]:
        """Nobody is said to be unknown while some are not known yet. Raises InvalidRequestError, StreamFillingError."""
        if stream.filled_to is not None:
            raise StreamFillingError
        sub = reading.person(given, self.settings.issuer)
        return set(KnownSubject.named(self.audience.covered(stream.client_id), sub))

    def verify(self, stream: Stream, given: Given, now: datetime) -> None:
        """Section 8.1.4.2. Raises InvalidRequestError, TooSoonError."""
        state = reading.text(given, "state")
        if stream.verified_at is not None and now - stream.verified_at < timedelta(seconds=VERIFICATION_EVERY):
            raise TooSoonError
        stream.verified_at = now
        Signal.of_stream(stream, VERIFICATION, now, **({"state": state} if state else {}))

    # -------------------------------------------------------------------------------------------------------- an operator's

    def pause(self, stream: Stream, actor: str, now: datetime) -> None:
        """Events wait; the receiver reads that the transmitter did it (section 8.1.5)."""
        if stream.status == ENABLED:
            stream.held_by = actor
            self._set(stream, PAUSED, "held by the transmitter", now, actor)
            Signal.of_stream(stream, UPDATED, now, status=PAUSED, reason="held by the transmitter")

    def resume(self, stream: Stream, actor: str, now: datetime) -> None:
        """What waited leaves."""
        if stream.status != ENABLED:
            stream.held_by = None
            self._set(stream, ENABLED, None, now, actor)
            Signal.of_stream(stream, UPDATED, now, status=ENABLED)

    def test(self, stream: Stream, now: datetime) -> None:
        """An event that says nothing of anybody, to see whether it arrives (section 8.1.4)."""
        Signal.of_stream(stream, VERIFICATION, now)

    def again(self, stream: Stream, actor: str, now: datetime) -> int:
        """What failed leaves once more; how many."""
        count = Signal.again(stream, now)
        journal.record(SignalsRetried(client_id=stream.client_id, actor=actor, stream=stream.id, count=count), now)
        return count

    # ------------------------------------------------------------------------------------------------------------- shared

    def _fill(self, stream: Stream, given: Given, now: datetime) -> None:
        delivery = reading.Delivery.read(given.get("delivery") or {"method": reading.NAMES[POLL]}, self.settings.outgoing_hosts)
        same = stream.endpoint_url == delivery.address and delivery.authorization is None
        stream.description = reading.text(given, "description")
        stream.requested = reading.requested(given)
        stream.method, stream.endpoint_url = delivery.method, delivery.address
        if delivery.authorization is not None:
            stream.authorization_sealed = self.seals.seal(SEALED_FOR, delivery.authorization.encode(), stream.id)
        elif not same:
            stream.authorization_sealed = None
        stream.changed(now)

    def _set(self, stream: Stream, status: str, reason: str | None, now: datetime, actor: str | None = None) -> None:
        stream.status, stream.reason = status, reason
        if status == DISABLED:
            stream.drop_waiting()
        stream.changed(now)
        self._note(stream, status, now, actor)

    def _note(self, stream: Stream, step: str, now: datetime, actor: str | None = None) -> None:
        Version.bump(VERSION)
        journal.record(SignalStreamChanged(client_id=stream.client_id, actor=actor, stream=stream.id, step=step), now)

    def _delivery(self, stream: Stream) -> dict[str, str]:
        address = stream.endpoint_url or f"{self.settings.issuer}{SIGNALS}/poll/{stream.id}"
        return {"method": reading.NAMES[stream.method], "endpoint_url": address}

    def told(self, stream: Stream) -> dict[str, Any]:
        """The configuration as its receiver reads it (section 8.1.1). ours: the authorization it gave is never told again."""
        return {
            "stream_id": stream.id,
            "iss": self.settings.issuer,
            "aud": stream.client_id,
            "delivery": self._delivery(stream),
            "events_supported": list(SUPPORTED),
            "events_requested": stream.requested,
            "events_delivered": [address for address in SUPPORTED if address in stream.requested],
            "min_verification_interval": VERIFICATION_EVERY,
            **({"description": stream.description} if stream.description else {}),
        }

    @staticmethod
    def status(stream: Stream) -> dict[str, str]:
        """Section 8.1.2.1."""
        return {"stream_id": stream.id, "status": stream.status, **({"reason": stream.reason} if stream.reason else {})}
