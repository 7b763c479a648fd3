"""Every call that MAG makes to an address a partner wrote: a small JSON document fetched without trust, a notice delivered.

Implements C52 and C55: https alone, no redirect, no private address, 64 KiB, 3 seconds (5 for a notice).
The name is resolved once and the connection goes to that very address, so that a second answer of the DNS changes nothing.
Hosts of `MAG_OUTGOING_HOSTS` may be private, and http; names ending in `.localhost` are this machine (RFC 6761 section 6.3).
"""

import functools
import io
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as LateError
from dataclasses import dataclass
from functools import partial
from http.client import HTTPResponse
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from socket import SOCK_STREAM, gaierror, getaddrinfo, socket
from typing import Any, cast
from urllib.parse import SplitResult, urlsplit

import orjson
import urllib3
from urllib3.exceptions import HTTPError

from idp.config import Settings
from idp.errors import RefusedError

SIZE_LIMIT = 64 * 1024
TIME_LIMIT = 3.0
"""Seconds, from the name to the last byte."""
NOTICE_LIMIT = 5.0
"""The same, for a notice: nobody waits for it."""
JSON_TYPES = ("application/json", "application/jwk-set+json", "application/jwks+json")
NAT64 = IPv6Network("64:ff9b::/96")
RESOLVERS = 32
"""Names asked at the same time. The system's resolver has no time limit of its own: each slow name holds one thread, and one only."""


class OutgoingRefusedError(RefusedError):
    """The address may not be called, or what it answered may not be used. The message says which and why.

    Of a name, `public` does not say whether it exists: who registers must not learn the names of a private network.
    """

    code = "appel_sortant"
    number = "M600008"
    remedy = "Partenaire : cette adresse doit être publique, en https, et répondre vite. Exploitant : MAG_OUTGOING_HOSTS."

    def __init__(self, reason: str, *, public: str | None = None) -> None:
        super().__init__(reason, public=public or reason)


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address is one of the Internet's, also inside what carries IPv4 in IPv6."""
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if inner is None and address in NAT64:
            inner = IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
    return address.is_global and not address.is_multicast


def resolve(host: str, port: int) -> list[str]:
    """Addresses of a name, in the order of preference."""
    if host == "localhost" or host.endswith(".localhost"):
        return ["127.0.0.1"]
    return [str(entry[4][0]) for entry in getaddrinfo(host, port, type=SOCK_STREAM)]


class Until(io.RawIOBase):
    """What a server says, until a deadline: each read waits for what is left, however slowly the bytes come."""

    def __init__(self, sock: socket, deadline: float) -> None:
        self._sock, self._deadline = sock, deadline
        self._raw = cast(io.RawIOBase, sock.makefile("rb", buffering=0))

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("took too long")
        self._sock.settimeout(left)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class BoundedResponse(HTTPResponse):
    """An answer of which the status, the headers and the body come before the deadline."""

    def __init__(self, sock: socket, *args: Any, deadline: float, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self.fp.close()
        self.fp = io.BufferedReader(Until(sock, deadline))


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said, whatever its status."""

    status: int
    kind: str
    """Its media type, without parameters."""
    body: bytes


@functools.cache
def trusted(extra_ca: str) -> ssl.SSLContext:
    """TLS 1.2 at least, with the authorities of the system and those of this file. Read once, as it costs 30 ms."""
    found = ssl.create_default_context()
    found.minimum_version = ssl.TLSVersion.TLSv1_2
    if extra_ca:
        found.load_verify_locations(extra_ca)
    return found


class Fetcher:
    """Fetches JSON, delivers notices. One for each process."""

    def __init__(self, settings: Settings, *, resolver: Callable[[str, int], list[str]] = resolve) -> None:
        self._hosts = frozenset(host.lower() for host in settings.outgoing_hosts)
        self._resolver = resolver
        self._resolvers = ThreadPoolExecutor(RESOLVERS, "mag-resolver")
        self._resolving: dict[tuple[str, int], Future[list[str]]] = {}
        self._lock = threading.Lock()
        self._extra_ca = settings.extra_ca

    def json(self, url: str) -> Any:
        """Raises OutgoingRefusedError, whatever went wrong."""
        deadline = time.monotonic() + TIME_LIMIT
        parts, allowed = self._parts(url)
        try:
            address = self._address(parts, allowed, deadline)
            return orjson.loads(self._body(parts, address, deadline))
        except (HTTPError, OSError, ValueError) as error:
            raise OutgoingRefusedError(f"{url}: {type(error).__name__}") from error

    def text(self, url: str, kinds: Sequence[str]) -> str:
        """What is there, of one of these media types. Raises OutgoingRefusedError."""
        try:
            return self.document(url, kinds).decode("ascii")
        except ValueError as error:
            raise OutgoingRefusedError(f"{url}: {type(error).__name__}") from error

    def document(self, url: str, kinds: Sequence[str]) -> bytes:
        """The same, in bytes. Raises OutgoingRefusedError."""
        deadline = time.monotonic() + TIME_LIMIT
        parts, allowed = self._parts(url)
        try:
            return self._body(parts, self._address(parts, allowed, deadline), deadline, kinds)
        except (HTTPError, OSError, ValueError) as error:
            raise OutgoingRefusedError(f"{url}: {type(error).__name__}") from error

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        """Deliver `body`; the status of the answer, whose text is not read. Raises OutgoingRefusedError when there is none."""
        deadline = time.monotonic() + NOTICE_LIMIT
        parts, allowed = self._parts(url)
        try:
            address = self._address(parts, allowed, deadline)
            with self._pool(parts, address) as pool:
                answer = self._ask(pool, parts, deadline, "POST", headers, body)
                answer.close()
                return answer.status
        except (HTTPError, OSError) as error:
            raise OutgoingRefusedError(f"{url}: {type(error).__name__}") from error

    def ask(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> Answer:
        """The whole answer, of 64 KiB at most. Raises OutgoingRefusedError when there is none."""
        deadline = time.monotonic() + NOTICE_LIMIT
        parts, allowed = self._parts(url)
        try:
            address = self._address(parts, allowed, deadline)
            with self._pool(parts, address) as pool:
                answer = self._ask(pool, parts, deadline, method, headers, body)
                try:
                    self._check_plain(parts, answer)
                    return Answer(answer.status, media_type(answer), self._read(parts, answer, deadline))
                finally:
                    answer.close()
        except (HTTPError, OSError) as error:
            raise OutgoingRefusedError(f"{url}: {type(error).__name__}") from error

    def check(self, url: str) -> None:
        """That it may be called at all, or a browser sent there. Raises OutgoingRefusedError."""
        self._parts(url)

    def _parts(self, url: str) -> tuple[SplitResult, bool]:
        try:
            parts = urlsplit(url)
            host, netloc, _ = parts.hostname or "", parts.netloc.lower(), parts.port
        except ValueError:
            raise OutgoingRefusedError(f"{url}: not an address") from None
        allowed = netloc in self._hosts or host in self._hosts
        if not host or parts.username is not None or parts.password is not None or not url.isascii() or not url.isprintable():
            raise OutgoingRefusedError(f"{url}: not an acceptable address")
        if parts.scheme != "https" and not (parts.scheme == "http" and allowed):
            raise OutgoingRefusedError(f"{url}: only https is called")
        return parts, allowed

    def _address(self, parts: SplitResult, allowed: bool, deadline: float) -> str:
        """The address to connect to. One private address among public ones is refused too."""
        host = cast(str, parts.hostname)
        unusable = f"{host}: not the name of a public address"
        try:
            found = self._resolve(host, parts.port or 443).result(deadline - time.monotonic())
            addresses = [ip_address(text.partition("%")[0]) for text in found]
        except (gaierror, LateError, UnicodeError):
            raise OutgoingRefusedError(f"{host}: this name does not resolve", public=unusable) from None
        if not addresses or not (allowed or all(is_public(address) for address in addresses)):
            raise OutgoingRefusedError(f"{host}: not a public address; MAG_OUTGOING_HOSTS may allow it", public=unusable)
        return str(addresses[0])

    def _resolve(self, host: str, port: int) -> Future[list[str]]:
        """A name that is being asked already is not asked again: whoever is slow holds one thread, and the others theirs."""
        with self._lock:
            asked = self._resolving.get((host, port))
            if asked is None or asked.done():
                self._resolving = {name: one for name, one in self._resolving.items() if not one.done()}
                asked = self._resolving[host, port] = self._resolvers.submit(self._resolver, host, port)
            return asked

    def _pool(self, parts: SplitResult, address: str) -> urllib3.HTTPConnectionPool:
        """A connection to the address; the certificate must be the name's."""
        if parts.scheme == "http":
            return urllib3.HTTPConnectionPool(address, parts.port or 80)
        return urllib3.HTTPSConnectionPool(
            address, parts.port or 443, ssl_context=trusted(self._extra_ca), server_hostname=parts.hostname, assert_hostname=parts.hostname
        )

    def _body(self, parts: SplitResult, address: str, deadline: float, kinds: Sequence[str] = JSON_TYPES) -> bytes:
        with self._pool(parts, address) as pool:
            answer = self._ask(pool, parts, deadline, "GET", {"Accept": ", ".join(kinds)})
            try:
                self._check_head(parts, answer, kinds)
                return self._read(parts, answer, deadline)
            finally:
                answer.close()

    def _ask(
        self,
        pool: urllib3.HTTPConnectionPool,
        parts: SplitResult,
        deadline: float,
        method: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
    ) -> urllib3.BaseHTTPResponse:
        """The head of the answer, whatever it says: no redirect is followed, nothing is asked twice."""
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        sent = {"Host": parts.netloc, "Accept-Encoding": "identity", "User-Agent": "MAG", **headers}
        bounded = {"response_class": partial(BoundedResponse, deadline=deadline)}
        pool.ConnectionCls = cast(Any, type("BoundedConnection", (pool.ConnectionCls,), bounded))
        return pool.urlopen(
            method,
            target,
            body=body,
            headers=sent,
            retries=False,
            redirect=False,
            preload_content=False,
            decode_content=False,
            timeout=urllib3.Timeout(total=max(0.1, deadline - time.monotonic())),
        )

    def _check_head(self, parts: SplitResult, answer: urllib3.BaseHTTPResponse, kinds: Sequence[str]) -> None:
        kind = media_type(answer)
        if answer.status != 200:
            raise OutgoingRefusedError(f"{parts.netloc}: answered {answer.status}")
        if kind not in kinds and not (kinds is JSON_TYPES and kind.startswith("application/") and kind.endswith("+json")):
            raise OutgoingRefusedError(f"{parts.netloc}: did not answer {kinds[0]}")
        self._check_plain(parts, answer)

    def _check_plain(self, parts: SplitResult, answer: urllib3.BaseHTTPResponse) -> None:
        if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise OutgoingRefusedError(f"{parts.netloc}: answered a compressed document")

    def _read(self, parts: SplitResult, answer: urllib3.BaseHTTPResponse, deadline: float) -> bytes:
        """Piece by piece, so that a long answer is cut before it is held whole."""
        body = b""
        while piece := answer.read1(8192):
            body += piece
            if len(body) > SIZE_LIMIT:
                raise OutgoingRefusedError(f"{parts.netloc}: answered more than {SIZE_LIMIT} bytes")
            if time.monotonic() > deadline:
                raise OutgoingRefusedError(f"{parts.netloc}: took more than {TIME_LIMIT:.0f} seconds")
        return body


def media_type(answer: urllib3.BaseHTTPResponse) -> str:
    """Without its parameters."""
    return answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
