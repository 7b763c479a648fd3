"""Sending the outbox over SMTP: at least once, with retries, never while somebody waits for a page (C73)."""

import smtplib
import ssl
from dataclasses import dataclass
from datetime import datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid, parseaddr
from typing import Self
from urllib.parse import unquote, urlsplit

from idp.config import Settings
from idp.database import db
from idp.errors import SettingError
from idp.logs import logger
from idp.notifications.models import Mail

TIMEOUT = 10
"""Seconds for each step of the conversation."""
PORTS = {"smtp": 25, "smtps": 465, "smtp+starttls": 587}


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


def send_due(settings: Settings, now: datetime) -> Sent:
    """Send what is due, each mail in its own transaction: a crash repeats one mail at most. Commits."""
    relay = Relay.read(settings.smtp_url)
    sent = failed = 0
    while mails := Mail.due(now, limit=1):
        if _send(relay, settings, mails[0], now):
            sent += 1
        else:
            failed += 1
        db.session.commit()
    db.session.rollback()
    return Sent(sent, failed)


def _send(relay: Relay, settings: Settings, mail: Mail, now: datetime) -> bool:
    """Whether it left. One that can never leave is given up at once; whatever happens to one, the others are tried."""
    if not _is_address(mail.recipient):
        _log(mail, "recipient")
        mail.give_up("recipient")
        return False
    try:
        with relay.connect() as server:
            server.send_message(_compose(settings, mail, now))
    except (OSError, ValueError, MessageError, smtplib.SMTPException) as error:
        _log(mail, type(error).__name__)
        mail.failed(now, type(error).__name__)
        return False
    mail.sent(now)
    return True


def _log(mail: Mail, error: str) -> None:
    logger.warning("mail not sent", extra={"fields": {"mail": mail.id, "kind": mail.kind, "error": error}})


def _is_address(recipient: str) -> bool:
    """One address, in ASCII: what the standard library can write and any server understands."""
    try:
        return bool(Address(addr_spec=recipient).domain) and recipient.isascii() and recipient.isprintable()
    except (MessageError, ValueError, LookupError, AttributeError, TypeError):  # its parser fails in all these ways
        return False


def _compose(settings: Settings, mail: Mail, now: datetime) -> EmailMessage:
    composed = EmailMessage()
    composed["From"], composed["To"], composed["Subject"] = settings.mail_from, mail.recipient, mail.subject
    composed["Date"] = format_datetime(now)
    composed["Message-ID"] = make_msgid(f"mag{mail.id}", parseaddr(settings.mail_from)[1].rpartition("@")[2] or "localhost")
    composed["Auto-Submitted"] = "auto-generated"
    composed["Content-Language"] = "fr"
    composed.set_content(mail.body or "", cte="quoted-printable")
    if mail.html:
        composed.add_alternative(mail.html, subtype="html", cte="quoted-printable")
    return composed
