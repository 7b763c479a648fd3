"""Where transmitters push: `/ssf/v1/events/<code>`.

Implements RFC 8935 sections 2.1 to 2.4: one token a request, `application/secevent+jwt`; 202 and nothing else once it is kept, whoever it
is about; 400 and `err` otherwise. A transmitter shows its own secret (RFC 6750 section 2.1), or an access token of its partner's client
with the scope `ssf.send`. ours: the same answer for a transmitter that does not exist and for a wrong secret; 600 events a minute for each
transmitter, 1200 requests a minute from one address.
"""

import hmac
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from authlib.oauth2.rfc6749.errors import OAuth2Error

from idp.audit.journal import circumstances
from idp.database import db
from idp.ephemeral import Counter, beyond
from idp.oidc.bearer import Bearers
from idp.oidc.metadata import SEND_SIGNALS, SIGNALS
from idp.oidc.reception.lecture import LONGEST, SetRefusedError, refused
from idp.oidc.reception.models import Emetteur
from idp.oidc.reception.reception import KeysAwayError, Reception
from idp.oidc.signals.polling import Transaction
from idp.oidc.wire import NO_STORE, Answer, Environ, UnreadableRequestError, bearer_token, json_answer, read_body
from idp.seals import digest

if TYPE_CHECKING:
    from idp.http import Mag

PATH = f"{SIGNALS}/events/"
KIND = "application/secevent+jwt"
EVENTS_A_MINUTE, REQUESTS_A_MINUTE = 600, 1200
ENGLISH = (*NO_STORE, ("Content-Language", "en"))
TAKEN = Answer(202, b"")
LATER = Answer(503, b"", headers=(*NO_STORE, ("Retry-After", "30")))
"""The keys of a transmitter cannot be read: it keeps the event, and sends it again (section 2.4)."""
TOO_MANY = Answer(429, b"", headers=(*NO_STORE, ("Retry-After", "60")))


def stranger() -> SetRefusedError:
    return SetRefusedError("authentication_failed", "no transmitter of this address shows this authorization")


def not_allowed() -> SetRefusedError:
    return SetRefusedError("access_denied", "this client may not send events here")


def error_answer(error: SetRefusedError, status: int = 400) -> Answer:
    """Section 2.3."""
    return json_answer({"err": error.err, "description": error.description}, status, ENGLISH)


class Pushed:
    """Takes what is pushed, for one process."""

    def __init__(self, mag: "Mag", bearers: Bearers, reception: Reception, transaction: Transaction) -> None:
        """`transaction` opens one of the page session, which commits at its end."""
        self.mag, self.bearers, self.reception, self.transaction = mag, bearers, reception, transaction

    def take(self, environ: Environ) -> Answer:
        """One event. Raises StoreUnavailableError."""
        now, address = datetime.now(UTC), circumstances.get().address or ""
        if beyond(self.mag.ephemeral, {Counter(f"set:{address}", 60): REQUESTS_A_MINUTE}):
            return TOO_MANY
        try:
            text = read_token(environ)
        except OAuth2Error as error:
            return error_answer(refused(str(error.description)), error.status_code)
        except SetRefusedError as error:
            return error_answer(error)
        return self._received(environ, text, now)

    def _received(self, environ: Environ, text: str, now: datetime) -> Answer:
        code = str(environ["PATH_INFO"]).rpartition("/")[2]
        with self.transaction():
            emetteur = Emetteur.named(code) if code.isascii() and len(code) <= 60 else None
            try:
                emetteur = self._authenticated(environ, emetteur, now)
            except SetRefusedError as error:
                return error_answer(error)
            if beyond(self.mag.ephemeral, {Counter(f"set:recu:{emetteur.code}", 60): EVENTS_A_MINUTE}):
                return TOO_MANY
            db.session.expunge(emetteur)  # no connection waits for the server that publishes its keys
        try:
            lu = self.reception.verified(emetteur, text, now)
        except KeysAwayError:
            return LATER
        except SetRefusedError as error:
            with self.transaction():
                self.reception.refuse(emetteur, error, now)
            return error_answer(error)
        with self.transaction():
            self.reception.receive(emetteur.id, lu, now)
        self.mag.messenger.wake()
        return TAKEN

    def _authenticated(self, environ: Environ, emetteur: Emetteur | None, now: datetime) -> Emetteur:
        """Section 3 leaves the way open. Raises SetRefusedError."""
        if emetteur is None or emetteur.is_fetched or not emetteur.enabled or not self.reception.registre.lives(emetteur):
            raise stranger()
        if emetteur.secret_hash is None:
            self._check_client(environ, emetteur, now)
        elif not hmac.compare_digest(emetteur.secret_hash, digest(bearer_token(environ) or "")):
            raise stranger()
        return emetteur

    def _check_client(self, environ: Environ, emetteur: Emetteur, now: datetime) -> None:
        found = self.bearers.machine(environ, now.timestamp(), SEND_SIGNALS, self.mag.settings.issuer + SIGNALS)
        if isinstance(found, Answer):
            raise not_allowed() if found.status == 403 else stranger()
        if found.client.partenaire != emetteur.partenaire:
            raise not_allowed()


def read_token(environ: Environ) -> str:
    """The body, as it is. Raises SetRefusedError, OAuth2Error."""
    kind = str(environ.get("CONTENT_TYPE", "")).split(";", 1)[0]
    if kind.strip().lower() != KIND:
        raise UnreadableRequestError(f"the content type must be {KIND}", 415)
    try:
        return read_body(environ, LONGEST).decode("ascii").strip()
    except UnicodeDecodeError:
        raise refused("not a signed token") from None
