"""Brakes of sign-in: guessing is slowed down, and a stranger cannot lock anybody out.

Every attempt is counted before the password is tried, in one round trip, and refunded when it succeeds or is not really tried:
parallel attempts do not slip through, and braking one account or one address turns nothing against others.
Layers, by the letters of docs/securite.md:

- L1, an account from a device it trusts: 10 failures in 15 minutes, 25 in a day; beyond, the device is a stranger.
- L2, an account from strangers: 5 free in 15 minutes, then one attempt every 1, 2, 4, 8, 16 minutes, 25 in a day (CNIL
  2022-100, case 2). Identities that nobody bears have counters too.
- L3, a block of addresses (/32 or /64, and double for /24 or /48): 20 failures on 5 accounts in 10 minutes bring a proof of
  work to strangers, 100 bring them a refusal. A device that its account knows is left to L1.
- L4, one password, by 32 bits of a keyed digest: failed on more than 50 accounts in an hour, it brings a proof of work to the
  strangers who type it, and a line in the log. Nothing tells what it was.
- L5, a SIRET: failures under more than 10 names in an hour bring a proof of work to the strangers who type it.
- L6, the whole service: failures beyond 5 times the usual hour bring a proof of work to strangers, and a line in the log.

A store that does not answer refuses the attempt: nothing here fails open.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_network

from idp.config import HOUR, MINUTE
from idp.declarants.identite import Identite
from idp.ephemeral import Counter, Ephemeral
from idp.errors import RefusedError
from idp.logs import logger
from idp.seals import Seals, b64

FREE, FREE_WINDOW = 5, 15 * MINUTE
DAILY, DAY = 25, 24 * HOUR
LONGEST_WAIT = 16 * MINUTE
TRUSTED, TRUSTED_WINDOW = 10, 15 * MINUTE
BLOCK_FAILURES, BLOCK_ACCOUNTS, BLOCK_WINDOW = 20, 5, 10 * MINUTE
BLOCK_REFUSAL = 5
"""Times the failures of a block that bring a refusal instead of a proof of work."""
SPRAYED, NAMES = 50, 10
"""Accounts on which one password failed, names that failed on one SIRET, in an hour."""
GLOBAL_FLOOR, GLOBAL_TIMES = 500, 5
LEARNT = 24
"""Hours before this one whose failures say what is usual."""
BLOCK_BITS, GLOBAL_BITS = 16, 19
"""Leading zero bits of a proof of work: some 65,000 and 524,000 hashes."""


class TooManyAttemptsError(RefusedError):
    """This block of addresses fails far too often. Says nothing of any account."""

    code = "adresse_freinee"
    number = "M400003"
    remedy = "Réessayez dans dix minutes."
    status = 429
    public = "Trop de tentatives de connexion viennent de votre réseau. Réessayez dans dix minutes."
    retry_after = BLOCK_WINDOW


@dataclass(frozen=True, slots=True)
class Attempt:
    """Who tries, from where. `device` names a device that this account trusts; empty for a stranger."""

    account: str
    """Digest of the identity typed; never the identity itself."""
    address: str
    device: str = ""
    siret: str = ""
    """Typed; empty: L5 does not look."""
    password: str = ""
    """Some bits of its keyed digest (`sprayed`), of which many passwords are; empty: L4 does not look."""

    @property
    def blocks(self) -> tuple[str, str]:
        """The two blocks of addresses it comes from, narrow and wide."""
        address = ip_address(self.address)
        if (mapped := getattr(address, "ipv4_mapped", None)) is not None:
            address = mapped
        narrow, wide = (32, 24) if address.version == 4 else (64, 48)
        return tuple(str(ip_network((address, bits), strict=False)) for bits in (narrow, wide))  # type: ignore[return-value]  # two by construction


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the counters say of one attempt."""

    attempt: Attempt
    """As it was counted in the end: a device beyond its limit is a stranger."""
    counted: tuple[Counter, ...]
    """What a refund takes back; nothing is left of an attempt that is braked."""
    braked: str = ""
    """The layer that brakes it; the person must not be able to tell."""
    bits: int = 0
    """Of the proof of work that it must bring."""
    wait: int = 0
    """Seconds until the next attempt of a stranger, should this one fail."""


def account_of(seals: Seals, identite: Identite) -> str:
    """The name of an identity's counters: a keyed digest, so that the store never says who signs in."""
    return b64(seals.mac("throttle", f"{identite.siret}|{identite.cle}".encode("utf-8", "surrogatepass"))[:16])


def sprayed(seals: Seals, password: str) -> str:
    """What L4 knows a password by: 32 bits, too few to look one up, enough to count one that everybody is tried with."""
    return b64(seals.mac("spray", password.encode("utf-8", "surrogatepass"))[:4])


class Throttle:
    """The counters of one process; they live in the store, shared by all."""

    def __init__(self, store: Ephemeral, *, clock: Callable[[], float] = time.time) -> None:
        self._store, self._clock = store, clock
        self._usual = (0, GLOBAL_FLOOR)
        """The minute in which it was learnt, and the failures an hour that are too many."""
        self._alarmed: dict[str, str] = {}
        """By alarm, the last hour whose excess this process knows to be told."""

    def count(self, attempt: Attempt) -> Verdict:
        """Count one more attempt, and say what to do with it. Raises TooManyAttemptsError, StoreUnavailableError."""
        limit = self._limit()
        counters = self._counters(attempt)
        numbers = dict(zip(counters, self._store.count(*counters.values()), strict=True))
        self._settle(counters, numbers)
        layer = _braked(attempt, numbers)
        if numbers["g"] > limit:
            self._alarm(counters["g"].name, "sign-ins fail far more than usual: strangers must bring a proof of work", limit)
        if numbers.get("m", 0) > SPRAYED:
            self._alarm(
                f"l4:{self._hour(0).name}", "one password is tried on many accounts: strangers who type it bring a proof of work", SPRAYED
            )
        if layer:
            self._store.count(*counters.values(), by=-1)
            counters = {}
        if layer == "L1":
            return self.count(replace(attempt, device=""))
        if layer == "L3":
            raise TooManyAttemptsError(f"from {attempt.blocks[0]}")
        bits = 0 if attempt.device else _bits(numbers, limit)
        return Verdict(attempt, tuple(counters.values()), layer, bits, 0 if layer else _wait(attempt, numbers))

    def refund(self, verdict: Verdict) -> None:
        """It succeeded, or was not tried: as if it had never been."""
        if verdict.counted:
            self._store.count(*verdict.counted, by=-1)

    def failed(self, verdict: Verdict) -> None:
        """It was tried and failed: the next stranger waits."""
        if verdict.wait:
            gate = Counter(self._own(verdict.attempt)["w"].name, verdict.wait)
            if not self._store.prolong(gate):
                self._store.count(gate)

    def release(self, account: str) -> None:
        """An operator lifts the brake of an account."""
        for counter in self._own(Attempt(account, "0.0.0.0")).values():  # noqa: S104  # any address
            self._store.delete("n", counter.name)

    def _alarm(self, hour: str, words: str, limit: int) -> None:
        """One line an hour for the whole service, when its failures go beyond what is usual."""
        if self._alarmed.get(words) == hour:
            return
        self._alarmed[words] = hour
        if self._store.count(Counter(f"{hour}:alerte", HOUR)) == [1]:
            logger.warning(words, extra={"fields": {"limit": limit}})

    def _own(self, attempt: Attempt) -> dict[str, Counter]:
        """The counters of the account: of one device, or of all strangers."""
        if attempt.device:
            name = f"l1:{attempt.account}:{attempt.device}"
            return {"t": Counter(f"{name}:q", TRUSTED_WINDOW), "d": Counter(f"{name}:j", DAY)}
        name = f"l2:{attempt.account}"
        return {"s": Counter(f"{name}:q", FREE_WINDOW), "d": Counter(f"{name}:j", DAY), "w": Counter(f"{name}:w", MINUTE)}

    def _counters(self, attempt: Attempt) -> dict[str, Counter]:
        """Every counter of an attempt. a: failures of a block; e: accounts it tried; p: this account from it; g: the hour.

        m: accounts that a password failed on; n: names that failed on a SIRET; mp, np: this account among them.
        """
        counters = self._own(attempt)
        for width, block in enumerate(attempt.blocks, 1):
            counters[f"a{width}"] = Counter(f"l3:{block}", BLOCK_WINDOW)
            counters[f"e{width}"] = Counter(f"l3:{block}:e", BLOCK_WINDOW)
            counters[f"p{width}"] = Counter(f"l3:{block}:{attempt.account}", BLOCK_WINDOW)
        for name, layer, what in (("m", "l4", attempt.password), ("n", "l5", attempt.siret)):
            if what:
                counters[name] = Counter(f"{layer}:{what}", HOUR)
                counters[f"{name}p"] = Counter(f"{layer}:{what}:{attempt.account}", HOUR)
        counters["g"] = self._hour(0)
        return counters

    def _hour(self, ago: int) -> Counter:
        return Counter(f"l6:{int(self._clock()) // HOUR - ago}", (LEARNT + 2) * HOUR)

    def _settle(self, counters: dict[str, Counter], numbers: dict[str, int]) -> None:
        """An account that was counted already is not one more account: that count is taken back at once."""
        pairs = {"e1": "p1", "e2": "p2", "m": "mp", "n": "np"}
        seen = [name for name, own in pairs.items() if numbers.get(own, 0) > 1]
        if seen:
            self._store.count(*(counters.pop(name) for name in seen), by=-1)
            numbers.update({name: numbers[name] - 1 for name in seen})

    def _limit(self) -> int:
        """Failures an hour that are too many, learnt from the last day; read again once a minute."""
        minute = int(self._clock()) // MINUTE
        if self._usual[0] != minute:
            hours = self._store.count(*(self._hour(ago) for ago in range(1, LEARNT + 1)), by=0)
            self._usual = (minute, max(GLOBAL_FLOOR, GLOBAL_TIMES * sum(hours) // LEARNT))
        return self._usual[1]


def _hammers(numbers: dict[str, int], times: int = 1) -> bool:
    """One of the two blocks of addresses fails too often, on too many accounts; the wide one is allowed double."""
    return any(numbers[f"a{width}"] > BLOCK_FAILURES * width * times and numbers[f"e{width}"] >= BLOCK_ACCOUNTS * width for width in (1, 2))


def _bits(numbers: dict[str, int], limit: int) -> int:
    """What strangers owe: L3 to the block they come from, L4 to a password, L5 to a SIRET, L6 to the whole service."""
    if numbers["g"] > limit:
        return GLOBAL_BITS
    many = numbers.get("m", 0) > SPRAYED or numbers.get("n", 0) > NAMES
    return BLOCK_BITS if many or _hammers(numbers) else 0


def _braked(attempt: Attempt, numbers: dict[str, int]) -> str:
    """The layer that brakes the attempt, empty when none does."""
    if attempt.device:
        return "L1" if numbers["t"] > TRUSTED or numbers["d"] > DAILY else ""
    if _hammers(numbers, BLOCK_REFUSAL):
        return "L3"
    free = numbers["s"] <= FREE
    return "L2" if numbers["d"] > DAILY or not (free or numbers["w"] == 1) else ""


def _wait(attempt: Attempt, numbers: dict[str, int]) -> int:
    """Seconds that strangers wait after this attempt, should it fail."""
    if attempt.device or numbers["s"] < FREE:
        return 0
    return min(MINUTE << max(0, numbers["d"] - FREE), LONGEST_WAIT)
