"""Trusted devices: a cookie that says "this browser already signed in as this person", and nothing more.

It opens nothing: it only spares its bearer the brakes that strangers pulled (OWASP, device cookies). Each entry is an HMAC
over the device, the account, the version of its credentials and the day it was made; a new password voids it, ninety days
too. One browser may be trusted by ten accounts: accountants sign in for many companies.

The link of the brake's mail makes an entry of another kind, worth an hour: it *admits* a browser without trusting it.
"""

import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from ipaddress import ip_address, ip_network
from typing import Self

from idp.authentication.session import guard_of_declarant
from idp.ephemeral import Ephemeral
from idp.seals import Seals, b64, digest, random_token

COOKIE = "__Host-mag_d"
LIFETIME = 90 * 24 * 3600
"""Seconds."""
MOST = 10
"""Accounts that one browser remembers to be trusted by."""
LONGEST = 1_000
"""Characters of the cookie."""


EVERY = "*"
"""Among forgotten devices: all of them."""
NONE: Mapping[str, int] = {}


class Kind(StrEnum):
    TRUSTED = "t"
    ADMITTED = "a"


LIFETIMES = {Kind.TRUSTED: LIFETIME, Kind.ADMITTED: 3600}


@dataclass(frozen=True, slots=True)
class Entry:
    """One account's word on a device. `made_at`: epoch seconds."""

    kind: Kind
    made_at: int
    mac: str


@dataclass(frozen=True, slots=True)
class Device:
    """A browser, by the random name it bears, and the accounts that know it: `name~kind.made_at.mac~…`."""

    name: str
    entries: tuple[Entry, ...] = ()

    @classmethod
    def read(cls, unverified_cookie: str) -> Self:
        """What the browser says; a new name when it says nothing readable. Nothing here is true until `knows` has checked it."""
        name, *entries = unverified_cookie.split("~") if unverified_cookie.isascii() and len(unverified_cookie) <= LONGEST else [""]
        if not 20 <= len(name) <= 40:
            return cls(random_token(16))
        return cls(name, tuple(_entries(entries)))

    def dump(self) -> str:
        return "~".join([self.name, *(f"{e.kind}.{e.made_at}.{e.mac}" for e in self.entries)])

    def knows(self, seals: Seals, declarant_id: int, version: int, now: datetime, forgotten: Mapping[str, int] = NONE) -> bool:
        """Whether this account trusts the device, or admitted it less than an hour ago, and did not forget it since."""
        after = self._forgotten_at(forgotten)
        return any(entry.made_at > after and self._holds(seals, entry, declarant_id, version, now) for entry in self.entries)

    def trusted(self, seals: Seals, declarant_id: int, version: int, now: datetime, forgotten: Mapping[str, int] = NONE) -> bool:
        """Whether this account signed in here, and did not forget it since."""
        trusted = Device(self.name, tuple(entry for entry in self.entries if entry.kind is Kind.TRUSTED))
        return trusted.knows(seals, declarant_id, version, now, forgotten)

    def _forgotten_at(self, forgotten: Mapping[str, int]) -> int:
        return max(forgotten.get(EVERY, -1), forgotten.get(self.hash, -1))

    @property
    def hash(self) -> str:
        """How the database names it."""
        return digest(self.name)[:32]

    def with_entry(self, seals: Seals, kind: Kind, declarant_id: int, version: int, now: datetime) -> "Device":
        """The same device, known by one account more; what the account said before is replaced."""
        at = int(now.timestamp())
        kept = [e for e in self.entries if not self._holds(seals, e, declarant_id, version, now)]
        entry = Entry(kind, at, _mac(seals.mac("device", self._bound(kind, at, declarant_id, version))))
        return Device(self.name, (entry, *kept)[:MOST])

    def _holds(self, seals: Seals, entry: Entry, declarant_id: int, version: int, now: datetime) -> bool:
        macs = seals.macs("device", self._bound(entry.kind, entry.made_at, declarant_id, version))
        matches = [hmac.compare_digest(_mac(mac), entry.mac) for mac in macs]
        return any(matches) and 0 <= now.timestamp() - entry.made_at + 60 <= LIFETIMES[entry.kind] + 60

    def _bound(self, kind: Kind, at: int, declarant_id: int, version: int) -> bytes:
        return f"{self.name}|{kind}|{at}|{declarant_id}|{version}".encode()


def _entries(texts: list[str]) -> Iterator[Entry]:
    for text in texts[:MOST]:
        kind, _, rest = text.partition(".")
        at, _, mac = rest.partition(".")
        if kind in tuple(Kind) and at.isdigit() and len(at) <= 12 and 1 <= len(mac) <= 40:
            yield Entry(Kind(kind), int(at), mac)


def _mac(mac: bytes) -> str:
    return b64(mac[:16])


def forget(forgotten: Mapping[str, int], device_hash: str, now: datetime) -> dict[str, int]:
    """`Declarant.forgotten_devices` with one more, or all (`EVERY`); what is older than any cookie is dropped."""
    at = int(now.timestamp())
    return {name: since for name, since in forgotten.items() if since > at - LIFETIME and device_hash != EVERY} | {device_hash: at}


def network_of(address: str) -> str:
    """Where from, no closer than the network: no database of places is asked."""
    found = ip_address(address)
    if (mapped := getattr(found, "ipv4_mapped", None)) is not None:
        found = mapped
    return str(ip_network((found, 24 if found.version == 4 else 48), strict=False))


# --------------------------------------------------------------------------------------------------- the link of the mail

LINK = "laissez_passer"
LINK_LIFETIME = 3600
"""Seconds."""


def make_link(store: Ephemeral, declarant_id: int, version: int) -> str:
    """The token of a link that lets one browser try again: once, for an hour, kept as a digest (C44)."""
    token = random_token()
    store.put(LINK, digest(token), f"{declarant_id} {version}", LINK_LIFETIME, guards=(guard_of_declarant(declarant_id, version),))
    return token


def link_lives(store: Ephemeral, unverified_token: str) -> bool:
    """For the page that shows it: mail scanners follow links, and burn nothing."""
    return store.get(LINK, digest(unverified_token)) is not None


def take_link(store: Ephemeral, unverified_token: str) -> tuple[int, int] | None:
    """Account and version of a link, once; None when it was used, has expired, or never was."""
    found = store.take(LINK, digest(unverified_token))
    if found is None:
        return None
    declarant_id, version = found.split()
    return int(declarant_id), int(version)
