"""The mail catcher: takes any mail on one port, shows the last ones on a small page on another. Keeps them in memory.

Run by the demonstration as `python -m partners.demo.mails <web port> <smtp port>`; the page loads itself again every ten seconds.
"""

import re
import signal
import sys
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes, policy
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller

KEPT = 200
STYLE = (
    "body{font:1rem/1.5 system-ui,sans-serif;margin:0 auto;max-width:52rem;padding:1.5rem 1rem;background:Canvas;color:CanvasText}"
    ":root{color-scheme:light dark}article{border:1px solid GrayText;border-radius:.5rem;padding:1rem;margin:1rem 0}"
    "h2{font-size:1.05rem;margin:0}pre{white-space:pre-wrap;overflow-wrap:anywhere;font:inherit;margin:.75rem 0 0}p{margin:.2rem 0}")
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'"


@dataclass(frozen=True, slots=True)
class Caught:
    """One mail."""

    at: datetime
    recipients: tuple[str, ...]
    subject: str
    text: str
    html: str = ""
    number: int = 0
    """Its place since the start, from 1."""


class Catcher:
    """What aiosmtpd calls for each mail."""

    def __init__(self) -> None:
        self.mails: deque[Caught] = deque(maxlen=KEPT)
        self.caught = 0

    def answer(self, path: str) -> bytes:
        """The page of all mails, or one of them as its reader lays it out; empty for anything else."""
        if path == "/":
            return page(tuple(self.mails))
        number = path.removeprefix("/mail/")
        return next((one.html.encode() for one in tuple(self.mails) if str(one.number) == number), b"")

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802  # aiosmtpd's name
        message = message_from_bytes(envelope.content, policy=policy.default)
        body = message.get_body(("plain",))
        laid_out = message.get_body(("html",))
        text, html = (part.get_content() if part is not None else "" for part in (body, laid_out))
        self.caught += 1
        subject = str(message["Subject"] or "")
        self.mails.appendleft(Caught(datetime.now().astimezone(), tuple(envelope.rcpt_tos), subject, text, html, self.caught))
        return "250 OK"


def page(mails: Sequence[Caught]) -> bytes:
    """The mails, newest first; links may be followed."""
    articles = "".join(
        f"<article><h2>{escape(one.subject)}</h2><p>Pour {escape(', '.join(one.recipients))}, à {one.at:%H:%M:%S}{laid_out(one)}</p>"
        f"<pre>{linked(one.text)}</pre></article>" for one in mails)
    return (
        '<!doctype html><html lang="fr"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        '<meta http-equiv="refresh" content="10"><title>Courriers de la démonstration</title>'
        f"<style>{STYLE}</style><h1>Courriers envoyés par MAG</h1>"
        f"{articles or '<p>Aucun courrier pour le moment.</p>'}</html>").encode()


def laid_out(mail: Caught) -> str:
    return f' · <a href="/mail/{mail.number}">voir la mise en page</a>' if mail.html else ""


def linked(text: str) -> str:
    """Addresses of the text as links."""
    words = (escape(word) for word in re.split(r"(\s+)", text))
    return "".join(f'<a href="{w}" rel="noreferrer">{w}</a>' if w.startswith(("http://", "https://")) else w for w in words)


def serve(web_port: int, smtp_port: int) -> None:
    """Until SIGTERM or SIGINT."""
    catcher = Catcher()

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = catcher.answer(self.path)
            self.send_response(200 if body else 404)
            for name, value in (("Content-Type", "text/html; charset=utf-8"), ("Content-Length", str(len(body))),
                                ("Content-Security-Policy", POLICY), ("Cache-Control", "no-store")):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

    smtp = Controller(catcher, hostname="127.0.0.1", port=smtp_port)
    smtp.start()
    web = ThreadingHTTPServer(("127.0.0.1", web_port), Page)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    stop.wait()
    web.shutdown()
    smtp.stop()


if __name__ == "__main__":
    serve(int(sys.argv[1]), int(sys.argv[2]))
