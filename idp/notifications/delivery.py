"""Sending the outbox over SMTP: at least once, with retries, never while somebody waits for a page (C73).

One conversation serves a whole round. A domain that asks to wait is left alone until the next one. Each mail leaves under an envelope
sender and a Message-ID of its own, so that what comes back names it (`returned.py`).
"""

import re
import smtplib
import ssl
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from typing import Protocol, Self
from urllib.parse import unquote, urlsplit

from idp.config import Settings
from idp.database import db
from idp.errors import SettingError
from idp.logs import logger
from idp.notifications.models import Mail
from idp.notifications.returned import tag_of
from idp.seals import Seals, random_token

TIMEOUT = 10
"""Seconds for each step of the conversation."""
PORTS = {"smtp": 25, "smtps": 465, "smtp+starttls": 587}
MOST = 100
"""Mails in one conversation: servers refuse those that last for ever."""
REST = timedelta(minutes=2)
"""How long a domain that asked to wait is left alone."""


class Recipients(Protocol):
    """What the rooms above know of those to whom mails are written."""

    def unreachable(self, mail: Mail) -> bool:
        """Whether it would come back: then it does not leave."""

    def refused(self, mail: Mail, status: str, now: datetime) -> None:
        """Its server said at once that it will not arrive."""


class Anybody:
    """Nothing is known of anybody."""

    def unreachable(self, mail: Mail) -> bool:  # noqa: ARG002  # of nobody
        return False

    def refused(self, mail: Mail, status: str, now: datetime) -> None:
        """Nobody is told."""


@dataclass(frozen=True, slots=True)
class Relay:
    """The mail server of the settings."""

    scheme: str
    host: str
    port: int
    user: str
    password: str

    @classmethod
    def read(cls, url: str) -> Self:
        """Raises SettingError."""
        parts = urlsplit(url)
        if parts.scheme not in PORTS or not parts.hostname:
            raise SettingError("MAG_SMTP_URL must be smtp://host:port, smtps://… or smtp+starttls://…")
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        return cls(parts.scheme, parts.hostname, parts.port or PORTS[parts.scheme], user, password)

    def connect(self) -> smtplib.SMTP:
        """An open conversation, authenticated when the setting names a user. Raises OSError or SMTPException."""
        context = ssl.create_default_context()
        if self.scheme == "smtps":
            server: smtplib.SMTP = smtplib.SMTP_SSL(self.host, self.port, timeout=TIMEOUT, context=context)
        else:
            server = smtplib.SMTP(self.host, self.port, timeout=TIMEOUT)
        if self.scheme == "smtp+starttls":
            server.starttls(context=context)
        if self.user:
            server.login(self.user, self.password)
        return server


@dataclass(frozen=True, slots=True)
class Sent:
    """What one round did."""

    sent: int = 0
    failed: int = 0


@dataclass(slots=True)
class Conversation:
    """One connection for several mails; opened when there is one, opened again when it broke."""

    relay: Relay
    server: smtplib.SMTP | None = None
    count: int = 0

    def send(self, message: EmailMessage, sender: str) -> None:
        """Raises OSError or SMTPException; whatever is left of the connection is then not used again."""
        if self.count >= MOST:
            self.close()
        fresh = self.server is None
        try:
            self._send(message, sender)
        except (smtplib.SMTPServerDisconnected, ConnectionError):
            self.close()
            if fresh:
                raise
            self._send(message, sender)  # it was closed meanwhile: servers tire of those who wait

    def _send(self, message: EmailMessage, sender: str) -> None:
        self.server = self.server or self.relay.connect()
        try:
            self.server.send_message(message, from_addr=sender)
        except smtplib.SMTPResponseException as error:
            if error.smtp_code == 421:
                self.close()
            raise
        except smtplib.SMTPRecipientsRefused:
            raise
        except (OSError, smtplib.SMTPException):
            self.close()
            raise
        self.count += 1

    def close(self) -> None:
        """Politely, if the other side still listens."""
        server, self.server, self.count = self.server, None, 0
        if server is not None:
            try:
                server.quit()
            except (OSError, smtplib.SMTPException):
                server.close()


@dataclass(slots=True)
class Round:
    """One passage over the outbox."""

    settings: Settings
    seals: Seals
    conversation: Conversation
    recipients: Recipients
    now: datetime
    resting: set[str] = field(default_factory=set)
    """Domains that asked to wait."""

    def send(self, mail: Mail) -> bool | None:
        """Whether it left; None when it was put off. One that can never leave is given up at once."""
        if not _is_address(mail.recipient) or self.recipients.unreachable(mail):
            return self._give_up(mail, "recipient")
        domain = mail.recipient.rpartition("@")[2].casefold()
        if domain in self.resting:
            mail.put_off(self.now + REST)
            return None
        try:
            self.conversation.send(compose(self.settings, self.seals, mail, self.now), sender(self.settings, self.seals, mail))
        except smtplib.SMTPRecipientsRefused as error:
            code, said = next(iter(error.recipients.values()), (450, b""))
            return self._refused(mail, domain, code, said.decode("utf-8", "replace"))
        except (OSError, ValueError, MessageError, smtplib.SMTPException) as error:
            return self._failed(mail, type(error).__name__)
        mail.sent(self.now)
        return True

    def _refused(self, mail: Mail, domain: str, code: int, said: str) -> bool:
        """RFC 5321 section 4.2.1: 4yz may pass, 5yz will not; RFC 2034 writes the status of RFC 3463 after it."""
        found = re.search(r"\b([45]\.\d{1,3}\.\d{1,3})\b", said)
        status = found[1] if found else f"{code // 100}.0.0"
        if code < 500:
            self.resting.add(domain)
            return self._failed(mail, f"{code} {status}")
        if status.startswith("5.7"):  # a policy, ours or theirs: the address may be good
            return self._failed(mail, f"{code} {status}")
        self.recipients.refused(mail, status, self.now)
        return self._give_up(mail, f"{code} {status}")

    def _give_up(self, mail: Mail, reason: str) -> bool:
        _log(mail, reason)
        mail.give_up(reason)
        return False

    def _failed(self, mail: Mail, reason: str) -> bool:
        _log(mail, reason)
        mail.failed(self.now, reason)
        return False


def send_due(settings: Settings, now: datetime, recipients: Recipients | None = None) -> Sent:
    """Send what is due, each mail in its own transaction: a crash repeats one mail at most. Commits. Raises SettingError."""
    conversation = Conversation(Relay.read(settings.smtp_url))
    passage = Round(settings, Seals(settings.secrets), conversation, recipients or Anybody(), now)
    done: list[bool | None] = []
    try:
        while mails := Mail.due(now, limit=1):
            done.append(passage.send(mails[0]))
            db.session.commit()
    finally:
        conversation.close()
    db.session.rollback()
    return Sent(done.count(True), done.count(False))


def _log(mail: Mail, error: str) -> None:
    logger.warning("mail not sent", extra={"fields": {"mail": mail.id, "kind": mail.kind, "error": error}})


def _is_address(recipient: str) -> bool:
    """One address, in ASCII: what the standard library can write and any server understands."""
    try:
        return bool(Address(addr_spec=recipient).domain) and recipient.isascii() and recipient.isprintable()
    except (MessageError, ValueError, LookupError, AttributeError, TypeError):  # its parser fails in all these ways
        return False


def sender(settings: Settings, seals: Seals, mail: Mail) -> str:
    """The envelope sender: where it comes back to, and under which number (VERP)."""
    if not settings.bounce_address:
        return parseaddr(settings.mail_from)[1]
    local, _, domain = settings.bounce_address.rpartition("@")
    return f"{local}+{mail.id}.{tag_of(seals, mail.id)}@{domain}"


def compose(settings: Settings, seals: Seals, mail: Mail, now: datetime) -> EmailMessage:
    composed = EmailMessage()
    composed["From"], composed["To"], composed["Subject"] = settings.mail_from, mail.recipient, mail.subject
    composed["Date"] = format_datetime(now)
    domain = parseaddr(settings.mail_from)[1].rpartition("@")[2] or "localhost"
    composed["Message-ID"] = f"<mag.{mail.id}.{tag_of(seals, mail.id)}.{random_token(9)}@{domain}>"
    composed["Auto-Submitted"] = "auto-generated"
    composed["Content-Language"] = "fr"
    composed.set_content(mail.body or "", cte="quoted-printable")
    if mail.html:
        composed.add_alternative(mail.html, subtype="html", cte="quoted-printable")
    return composed
