"""What mail servers write when a mail does not arrive (RFC 3464), each in its own words."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Server:
    """How one kind of server reports."""

    product: str
    hard: str
    """What it reports of a mailbox that does not exist."""
    soft: str
    """What it reports of a mailbox that is full."""


POSTFIX = Server(
    "postfix",
    "Action: failed\nStatus: 5.1.1\nRemote-MTA: dns; mx.exemple.fr\n"
    "Diagnostic-Code: smtp; 550 5.1.1 <claire@exemple.fr>: Recipient address\n    rejected: User unknown in virtual mailbox table\n",
    "Action: failed\nStatus: 5.2.2\nRemote-MTA: dns; mx.exemple.fr\nDiagnostic-Code: smtp; 552 5.2.2 Over quota\n",
)
EXIM = Server(
    "exim",
    "Action: failed\nStatus: 5.0.0\nRemote-MTA: dns; mx.exemple.fr\nDiagnostic-Code: smtp; 550 5.1.1 No such user here\n",
    "Action: failed\nStatus: 5.0.0\nRemote-MTA: dns; mx.exemple.fr\nDiagnostic-Code: smtp; 550 Mailbox is full: 192.0.2.7\n",
)
EXCHANGE = Server(
    "exchange",
    "Action: failed\nStatus: 5.1.10\nDiagnostic-Code: smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound;\n"
    " Recipient not found by SMTP address lookup\n",
    "Action: failed\nStatus: 5.2.2\nDiagnostic-Code: smtp;554 5.2.2 mailbox full; STOREDRV.Deliver; storage quota exceeded\n",
)
GMAIL = Server(
    "gmail",
    "Action: failed\nStatus: 5.1.1\nRemote-MTA: dns; gmail-smtp-in.l.google.com.\n"
    "Diagnostic-Code: smtp; 550-5.1.1 The email account that you tried to\n"
    " reach does not exist. Please try\n 550 5.1.1 double-checking the address\n",
    "Action: failed\nStatus: 4.2.2\nDiagnostic-Code: smtp; 452-4.2.2 The recipient's inbox is out of storage space.\n",
)
SERVERS = (POSTFIX, EXIM, EXCHANGE, GMAIL)
DELAYED = "Action: delayed\nStatus: 4.4.1\nDiagnostic-Code: smtp; connect to mx.exemple.fr: Connection timed out\n"
DELIVERED = "Action: delivered\nStatus: 2.0.0\n"


def report(outcome: str, *, to: str = "retours@mag.test", message_id: str = "", recipient: str = "claire@exemple.fr") -> bytes:
    """A delivery status notification, sent back to that address, about a mail of that Message-ID."""
    quoted = f"Message-ID: {message_id}\n" if message_id else ""
    return f"""Return-Path: <>
Received: from mx.exemple.fr (mx.exemple.fr [192.0.2.25])
Delivered-To: {to}
From: Mail Delivery System <MAILER-DAEMON@mx.exemple.fr>
To: {to}
Subject: =?utf-8?q?Courrier_non_remis_=C3=A0_son_destinataire?=
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="=-limite"

--=-limite
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

Ce courrier n'a pas été remis.

--=-limite
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.exemple.fr
Arrival-Date: Sat, 21 Nov 2026 10:00:00 +0100

Final-Recipient: rfc822; {recipient}
{outcome}
--=-limite
Content-Type: text/rfc822-headers

From: MAG <ne-pas-repondre@mag.test>
To: {recipient}
{quoted}Subject: Votre compte

--=-limite--
""".encode()
