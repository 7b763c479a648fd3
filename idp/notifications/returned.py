"""What mail servers write back: delivery status notifications (RFC 3464), and which of our mails each is about.

A returned mail is believed only when it names one of ours with its tag, in the address that it was returned to or in the
Message-ID that it quotes: nobody else may say that an address is dead. Pure but for the key of the tags.
Left out on purpose: notifications that are no report (vacations, free text), and complaints.
"""

import re
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.errors import MessageError
from email.message import Message
from email.utils import getaddresses

from idp.seals import Seals

LONGEST = 2 * 1024 * 1024
"""Bytes of a message that are read."""
TAG = 16
GONE = re.compile(r"5\.(1\.[0-36]|1\.10|2\.1|4\.4)\b")
"""RFC 3463: bad mailbox, bad domain, moved, disabled, no route. The rest may pass: a full mailbox, a policy, a size."""
STATUS = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.]*\d)")
IN_ADDRESS = re.compile(rf"\+(\d{{1,10}})\.([0-9a-f]{{{TAG}}})@")
IN_IDENTIFIER = re.compile(rf"<mag\.(\d{{1,10}})\.([0-9a-f]{{{TAG}}})\.")


@dataclass(frozen=True, slots=True)
class Returned:
    """One of our mails did not arrive."""

    mail_id: int
    status: str
    """As RFC 3463 writes it: `5.1.1`."""


def tag_of(seals: Seals, mail_id: int) -> str:
    """What proves that MAG numbered this mail."""
    return seals.mac("retour", str(mail_id).encode()).hex()[:TAG]


def is_gone(status: str) -> bool:
    return GONE.match(status) is not None


def read(seals: Seals, raw: bytes) -> Returned | None:
    """None for whatever is not a report of failure about a mail of ours."""
    try:
        report = message_from_bytes(raw[:LONGEST], policy=policy.default)
        status = _status(report)
        mail_id = _number(seals, report, raw[:LONGEST]) if status else None
    except (MessageError, ValueError, LookupError, AttributeError, TypeError):  # the parser fails in all these ways
        return None
    return Returned(mail_id, status) if mail_id is not None else None


def _status(report: Message) -> str:
    """RFC 3464 section 2.3: the first recipient whose Action is `failed`; empty without one."""
    for part in report.walk():
        if part.get_content_type() != "message/delivery-status":
            continue
        for block in part.get_payload() if isinstance(part.get_payload(), list) else ():
            if not isinstance(block, Message) or str(block.get("Action", "")).strip().casefold() != "failed":
                continue
            return _precise(str(block.get("Status", "")), str(block.get("Diagnostic-Code", "")))
    return ""


def _precise(status: str, diagnostic: str) -> str:
    """The status; where it says nothing, as Exim's `5.0.0`, the one that the other server wrote after its answer (RFC 2034)."""
    found = STATUS.search(status)
    written = found[1] if found else "5.0.0"
    heard = STATUS.search(diagnostic) if written.endswith(".0.0") else None
    return heard[1] if heard and heard[1][0] == written[0] else written


def _number(seals: Seals, report: Message, raw: bytes) -> int | None:
    """The address it came back to names the mail (VERP); else the Message-ID that it quotes."""
    headers = [str(value) for name in ("To", "Delivered-To", "X-Original-To", "Envelope-To") for value in report.get_all(name, [])]
    addresses = [address for _, address in getaddresses(headers)]
    text = raw.decode("ascii", "replace")
    for number, tag in (
        *(m.groups() for a in addresses for m in IN_ADDRESS.finditer(a.lower())),
        *(m.groups() for m in IN_IDENTIFIER.finditer(text)),
    ):
        if any(mac.hex()[:TAG] == tag for mac in seals.macs("retour", str(int(number)).encode())):
            return int(number)
    return None
