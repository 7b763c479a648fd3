"""Short-lived state: codes, sessions, counters, single-use identifiers. Each entry has a lifetime.

One contract, two backends: Redis when MAG_REDIS_URL is set, else the SQL database. Every method is one round trip.

*Guards.* An entry may name guards; once one of them is ended (`end`), the entry is as if it had never been. Signing out
ends `sid:…`, disabling an account ends `compte:…`: whatever hangs on them dies in the same instant.

*Proofs.* An entry put with a proof is spent only by who shows the same proof; a wrong proof changes nothing.

*Epoch.* The store knows when it was born. When Redis comes back empty a new epoch starts, and a single-use identifier made
before it is refused, since nobody can tell whether it was used (RFC 7523 section 3, RFC 9449 section 11.1).

Keys are hashed by the callers when they are secrets: the store never holds a code or a session identifier in clear.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, Protocol

import redis
from redis.connection import Connection, ConnectionPool
from sqlalchemy import Index, String, Text, and_, bindparam, case, delete, exists, func, literal_column, or_, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Mapped, aliased, mapped_column

from idp.database import BigInt, Connections, Model, Statement
from idp.errors import StoreUnavailableError
from idp.resp import TIMEOUT, HeldRedis, NoScriptError, RefusedCommandError


class Spent(NamedTuple):
    """What `spend` found: the value, and whether this caller was the first."""

    value: str
    first: bool


@dataclass(frozen=True, slots=True)
class Counter:
    """A counter that forgets everything `window` seconds after its first increment."""

    name: str
    window: int


class Ephemeral(Protocol):
    """The contract. Lifetimes and windows are in seconds; names are printable ASCII without spaces, 200 characters at most."""

    def put(self, kind: str, key: str, value: str, lifetime: int, *, proof: str = "", guards: Sequence[str] = ()) -> None:
        """Keep `value`; at most two guards. Replaces what was there."""

    def get(self, kind: str, key: str, *, touch: int = 0) -> str | None:
        """The value, if alive; with `touch`, its lifetime starts again at that many seconds."""

    def take(self, kind: str, key: str) -> str | None:
        """The value, and remove it: of any number of simultaneous callers one gets it."""

    def spend(self, kind: str, key: str, proof: str) -> Spent | None:
        """Mark as spent for the rest of its lifetime; None when unknown, dead, or the proof is not the entry's."""

    def derive(
        self, kind: str, key: str, touch: int, target: str, target_key: str, extra: str, lifetime: int, *, proof: str = ""
    ) -> str | None:
        """If the source is alive: touch it, put `value + "\\n" + extra` at the target under the same guards, answer the value."""

    def add(self, kind: str, key: str, lifetime: int, *, made_at: float, instead_of: str = "") -> bool:
        """True once per key, and never for what was made (epoch seconds) before this store was born.

        `instead_of`: a kind whose entry of the same key is deleted, whatever the answer.
        """

    def count(self, *counters: Counter, by: int = 1) -> list[int]:
        """Add `by` (0 reads, negative refunds) to each counter; their new values, never below 0."""

    def prolong(self, counter: Counter) -> bool:
        """The window of a counter starts again, whatever it counts; False when it counts nothing."""

    def end(self, *guards: str, lifetime: int) -> None:
        """End guards, for at least `lifetime` seconds: as long as anything that names them may live."""

    def read(self, guards: Sequence[str], kind: str, key: str) -> tuple[float, bool, str | None]:
        """Birth of the store (epoch seconds), whether one of the guards is ended, and the value of one entry."""

    def delete(self, kind: str, key: str) -> None: ...

    def purge(self) -> int:
        """Remove what is dead; how many."""


def beyond(store: Ephemeral, limits: Mapping[Counter, int]) -> Counter | None:
    """Count one more everywhere: the counter that goes beyond its limit, and then nothing was counted; None when it may go on.

    Counted before judged: what comes at once does not slip through.
    """
    numbers = store.count(*limits)
    for (counter, most), number in zip(limits.items(), numbers, strict=True):
        if number > most:
            store.count(*limits, by=-1)
            return counter
    return None


# ---------------------------------------------------------------------------------------------------------------- Redis

HEAD = """
local function alive(raw)
  if not raw then return nil end
  local a = string.find(raw, '\\n', 1, true)
  local b = string.find(raw, '\\n', a + 1, true)
  for guard in string.gmatch(string.sub(raw, a + 1, b - 1), '%S+') do
    if redis.call('EXISTS', 'mag:fin:' .. guard) == 1 then return nil end
  end
  return string.sub(raw, 1, a - 1), string.sub(raw, a + 1, b - 1), string.sub(raw, b + 1)
end
"""
SCRIPTS = {
    "get": HEAD
    + """
local _, _, value = alive(redis.call('GET', KEYS[1]))
if value and ARGV[1] ~= '0' then redis.call('EXPIRE', KEYS[1], ARGV[1]) end
return value or false""",
    "take": HEAD
    + """
local _, _, value = alive(redis.call('GETDEL', KEYS[1]))
return value or false""",
    "spend": HEAD
    + """
local raw = redis.call('GET', KEYS[1])
if not raw then return false end
local spent = string.sub(raw, 1, 1) == '!'
if spent then raw = string.sub(raw, 2) end
local proof, _, value = alive(raw)
if spent then
  local a = string.find(raw, '\\n', 1, true)
  proof, value = string.sub(raw, 1, a - 1), string.sub(raw, string.find(raw, '\\n', a + 1, true) + 1)
end
if not value or proof ~= ARGV[1] then return false end
if not spent then redis.call('SET', KEYS[1], '!' .. raw, 'KEEPTTL') end
return {spent and 0 or 1, value}""",
    "derive": HEAD
    + """
local _, guards, value = alive(redis.call('GET', KEYS[1]))
if not value then return false end
redis.call('EXPIRE', KEYS[1], ARGV[1])
redis.call('SET', KEYS[2], ARGV[4] .. '\\n' .. guards .. '\\n' .. value .. '\\n' .. ARGV[2], 'EX', ARGV[3])
return value""",
    "add": """
if KEYS[2] then redis.call('DEL', KEYS[2]) end
local born = redis.call('GET', 'mag:epoch')
if not born then born = ARGV[3]; redis.call('SET', 'mag:epoch', born) end
if tonumber(ARGV[2]) <= tonumber(born) then return 0 end
return redis.call('SET', KEYS[1], '', 'NX', 'EX', ARGV[1]) and 1 or 0""",
    "count": """
local out = {}
for i, key in ipairs(KEYS) do
  local n = tonumber(redis.call('GET', key) or '0')
  local by = tonumber(ARGV[1])
  if by < -n then by = -n end
  if by ~= 0 then
    n = redis.call('INCRBY', key, by)
    if redis.call('TTL', key) < 0 then redis.call('EXPIRE', key, ARGV[i + 1]) end
  end
  out[i] = n
end
return out""",
    "read": HEAD
    + """
local born = redis.call('GET', 'mag:epoch')
if not born then born = ARGV[1]; redis.call('SET', 'mag:epoch', born) end
local ended = 0
for i = 2, #KEYS do ended = ended + redis.call('EXISTS', KEYS[i]) end
local _, _, value = alive(redis.call('GET', KEYS[1]))
return {born, ended, value or false}""",
}


class RedisEphemeral:
    """One connection per thread, held; one script per operation, called by its digest.

    No pool keeps them: servers start and end threads as load asks, and a connection ends with the thread that held it.
    """

    def __init__(self, url: str, *, clock: Callable[[], float] = time.time) -> None:
        pool = ConnectionPool.from_url(url, protocol=3, decode_responses=True, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT)
        self._open: Callable[[], Connection] = partial(pool.connection_class, **pool.connection_kwargs)
        self._local = threading.local()
        self._digests: dict[str, str] = {}
        self._clock = clock
        self.count_of_trips = 0

    def _command(self, *words: Any) -> Any:
        self.count_of_trips += 1
        try:
            held: HeldRedis | None = getattr(self._local, "held", None)
            if held is None:
                held = self._local.held = HeldRedis(self._open())
            return held.command(words)
        except NoScriptError:
            raise
        except RefusedCommandError as error:
            raise StoreUnavailableError(f"redis: {error}") from error
        except (redis.RedisError, OSError) as error:
            self._drop()
            raise StoreUnavailableError(f"redis: {type(error).__name__}") from error

    def _drop(self) -> None:
        held: HeldRedis | None = self._local.__dict__.pop("held", None)
        if held is not None:
            held.close()

    def _script(self, name: str, keys: Sequence[str], *arguments: Any) -> Any:
        digest = self._digests.get(name)
        if digest is None:
            digest = self._digests[name] = self._command("SCRIPT", "LOAD", SCRIPTS[name])
        try:
            return self._command("EVALSHA", digest, len(keys), *keys, *arguments)
        except NoScriptError:
            return self._command("EVAL", SCRIPTS[name], len(keys), *keys, *arguments)

    def put(self, kind: str, key: str, value: str, lifetime: int, *, proof: str = "", guards: Sequence[str] = ()) -> None:
        self._command("SET", f"mag:{kind}:{key}", f"{proof}\n{' '.join(guards)}\n{value}", "EX", lifetime)

    def get(self, kind: str, key: str, *, touch: int = 0) -> str | None:
        found: str | None = self._script("get", [f"mag:{kind}:{key}"], touch)
        return found

    def take(self, kind: str, key: str) -> str | None:
        found: str | None = self._script("take", [f"mag:{kind}:{key}"])
        return found

    def spend(self, kind: str, key: str, proof: str) -> Spent | None:
        found = self._script("spend", [f"mag:{kind}:{key}"], proof)
        return Spent(found[1], bool(found[0])) if found else None

    def derive(
        self, kind: str, key: str, touch: int, target: str, target_key: str, extra: str, lifetime: int, *, proof: str = ""
    ) -> str | None:
        found: str | None = self._script("derive", [f"mag:{kind}:{key}", f"mag:{target}:{target_key}"], touch, extra, lifetime, proof)
        return found

    def add(self, kind: str, key: str, lifetime: int, *, made_at: float, instead_of: str = "") -> bool:
        keys = [f"mag:{kind}:{key}", *([f"mag:{instead_of}:{key}"] if instead_of else [])]
        return bool(self._script("add", keys, lifetime, made_at, self._clock()))

    def count(self, *counters: Counter, by: int = 1) -> list[int]:
        return [int(n) for n in self._script("count", [f"mag:n:{c.name}" for c in counters], by, *(c.window for c in counters))]

    def prolong(self, counter: Counter) -> bool:
        return bool(self._command("EXPIRE", f"mag:n:{counter.name}", counter.window))

    def end(self, *guards: str, lifetime: int) -> None:
        for guard in guards:
            self._command("SET", f"mag:fin:{guard}", "", "EX", lifetime)

    def read(self, guards: Sequence[str], kind: str, key: str) -> tuple[float, bool, str | None]:
        born, ended, value = self._script("read", [f"mag:{kind}:{key}", *(f"mag:fin:{g}" for g in guards)], self._clock())
        return float(born), bool(ended), value

    def delete(self, kind: str, key: str) -> None:
        self._command("DEL", f"mag:{kind}:{key}")

    def purge(self) -> int:
        """Redis removes the dead itself."""
        return 0


# ------------------------------------------------------------------------------------------------------------------ SQL


class Ephemere(Model):
    """One short-lived entry, where there is no Redis."""

    __tablename__ = "ephemeres"
    __table_args__ = (Index("ix_ephemeres_expires_at", "expires_at"),)

    name: Mapped[str] = mapped_column(String(256), primary_key=True)
    value: Mapped[str] = mapped_column(Text)
    proof: Mapped[str] = mapped_column(String(100))
    guard_1: Mapped[str] = mapped_column(String(200))
    guard_2: Mapped[str] = mapped_column(String(200))
    number: Mapped[int] = mapped_column(BigInt)
    """Value of a counter; for an entry, how many times it was spent."""
    expires_at: Mapped[int] = mapped_column(BigInt)
    """Microseconds of the epoch."""


now_, name_, life_ = bindparam("now", type_=BigInt), bindparam("name", type_=String), bindparam("expires_at", type_=BigInt)
fin = aliased(Ephemere)
UNGUARDED = ~exists().where(
    and_(
        fin.expires_at > now_,
        or_(fin.name == literal_column("'fin:'").concat(Ephemere.guard_1), fin.name == literal_column("'fin:'").concat(Ephemere.guard_2)),
    )
)
ALIVE = and_(Ephemere.name == name_, Ephemere.expires_at > now_, UNGUARDED)
FIELDS = ("name", "value", "proof", "guard_1", "guard_2", "number", "expires_at")
COLUMNS = Ephemere.__table__.c


def _insert(dialect: str) -> Any:
    return (postgresql_insert if dialect == "postgresql" else sqlite_insert)(Ephemere)


def _upsert(dialect: str) -> Statement:
    def build() -> Any:
        row = _insert(dialect).values({f: bindparam(f, type_=COLUMNS[f].type) for f in FIELDS})
        return row.on_conflict_do_update(index_elements=["name"], set_={f: row.excluded[f] for f in FIELDS[1:]})

    return Statement(build)


def _add(dialect: str) -> Statement:
    def build() -> Any:
        row = _insert(dialect).values({f: bindparam(f, type_=COLUMNS[f].type) for f in FIELDS})
        return row.on_conflict_do_update(
            index_elements=["name"], set_={"expires_at": row.excluded.expires_at}, where=Ephemere.expires_at <= now_
        )

    return Statement(build)


def _count(dialect: str) -> Statement:
    least = func.greatest if dialect == "postgresql" else func.max

    def build() -> Any:
        row = _insert(dialect).values({f: bindparam(f, type_=COLUMNS[f].type) for f in FIELDS})
        dead = Ephemere.expires_at <= now_
        number = case((dead, row.excluded.number), else_=least(0, Ephemere.number + bindparam("by", type_=BigInt)))
        expires = case((dead, row.excluded.expires_at), else_=Ephemere.expires_at)
        return row.on_conflict_do_update(index_elements=["name"], set_={"number": number, "expires_at": expires}).returning(Ephemere.number)

    return Statement(build)


def _refund(dialect: str) -> Statement:
    least = func.greatest if dialect == "postgresql" else func.max
    return Statement(
        lambda: (
            update(Ephemere)
            .where(Ephemere.name == name_, Ephemere.expires_at > now_)
            .values(number=least(0, Ephemere.number + bindparam("by", type_=BigInt)))
            .returning(Ephemere.number)
        )
    )


class SqlEphemeral:
    """The same contract on the SQL database, one statement each (two where a value is touched, derived or replaced)."""

    GET = Statement(lambda: select(Ephemere.value).where(ALIVE))
    TOUCH = Statement(
        lambda: update(Ephemere).where(ALIVE).values(expires_at=life_).returning(Ephemere.value, Ephemere.guard_1, Ephemere.guard_2)
    )
    TAKE = Statement(lambda: delete(Ephemere).where(ALIVE).returning(Ephemere.value))
    SPEND = Statement(
        lambda: (
            update(Ephemere)
            .where(ALIVE, Ephemere.proof == bindparam("proof_shown", type_=String), Ephemere.number == 0)
            .values(number=1)
            .returning(Ephemere.value)
        )
    )
    SPENT = Statement(
        lambda: select(Ephemere.value).where(
            Ephemere.name == name_,
            Ephemere.expires_at > now_,
            Ephemere.proof == bindparam("proof_shown", type_=String),
            Ephemere.number > 0,
        )
    )
    NUMBER = Statement(lambda: select(Ephemere.number).where(Ephemere.name == name_, Ephemere.expires_at > now_))
    DELETE = Statement(lambda: delete(Ephemere).where(Ephemere.name == name_))
    PURGE = Statement(lambda: delete(Ephemere).where(Ephemere.expires_at <= now_))

    def __init__(self, connections: Connections, *, clock: Callable[[], float] = time.time) -> None:
        self.connections, self._clock = connections, clock
        dialect = connections.dialect.name
        self._upsert, self._add, self._count, self._refund = _upsert(dialect), _add(dialect), _count(dialect), _refund(dialect)

    def _now(self) -> int:
        return int(self._clock() * 1_000_000)

    def _row(self, name: str, value: str, lifetime: int, *, proof: str = "", guards: Sequence[str] = (), number: int = 0) -> dict[str, Any]:
        first, second = (*guards, "", "")[:2]
        return {
            "name": name,
            "value": value,
            "proof": proof,
            "guard_1": first,
            "guard_2": second,
            "number": number,
            "expires_at": self._now() + lifetime * 1_000_000,
        }

    def put(self, kind: str, key: str, value: str, lifetime: int, *, proof: str = "", guards: Sequence[str] = ()) -> None:
        self.connections.run(self._upsert, **self._row(f"{kind}:{key}", value, lifetime, proof=proof, guards=guards))

    def get(self, kind: str, key: str, *, touch: int = 0) -> str | None:
        now = self._now()
        if touch:
            row = self.connections.one(self.TOUCH, name=f"{kind}:{key}", now=now, expires_at=now + touch * 1_000_000)
        else:
            row = self.connections.one(self.GET, name=f"{kind}:{key}", now=now)
        return row[0] if row else None

    def take(self, kind: str, key: str) -> str | None:
        row = self.connections.one(self.TAKE, name=f"{kind}:{key}", now=self._now())
        return row[0] if row else None

    def spend(self, kind: str, key: str, proof: str) -> Spent | None:
        known = {"name": f"{kind}:{key}", "now": self._now(), "proof_shown": proof}
        if row := self.connections.one(self.SPEND, **known):
            return Spent(row[0], True)
        row = self.connections.one(self.SPENT, **known)
        return Spent(row[0], False) if row else None

    def derive(
        self, kind: str, key: str, touch: int, target: str, target_key: str, extra: str, lifetime: int, *, proof: str = ""
    ) -> str | None:
        now = self._now()
        row = self.connections.one(self.TOUCH, name=f"{kind}:{key}", now=now, expires_at=now + touch * 1_000_000)
        if row is None:
            return None
        self.put(target, target_key, f"{row[0]}\n{extra}", lifetime, proof=proof, guards=[g for g in row[1:] if g])
        return str(row[0])

    def add(self, kind: str, key: str, lifetime: int, *, made_at: float, instead_of: str = "") -> bool:  # noqa: ARG002  # the database never forgets: no epoch
        first = self.connections.run(self._add, **self._row(f"{kind}:{key}", "", lifetime), now=self._now()) == 1
        if instead_of:
            self.delete(instead_of, key)
        return first

    def count(self, *counters: Counter, by: int = 1) -> list[int]:
        rows = [self._count_one(counter, by) for counter in counters]
        return [int(row[0]) if row else 0 for row in rows]

    def _count_one(self, counter: Counter, by: int) -> tuple[Any, ...] | None:
        """Neither a reading nor a refund opens the window of a counter."""
        name, now = f"n:{counter.name}", self._now()
        if by == 0:
            return self.connections.one(self.NUMBER, name=name, now=now)
        if by < 0:
            return self.connections.one(self._refund, name=name, now=now, by=by)
        return self.connections.one(self._count, **self._row(name, "", counter.window, number=by), now=now, by=by)

    def prolong(self, counter: Counter) -> bool:
        return self.get("n", counter.name, touch=counter.window) is not None

    def end(self, *guards: str, lifetime: int) -> None:
        for guard in guards:
            self.put("fin", guard, "", lifetime)

    def read(self, guards: Sequence[str], kind: str, key: str) -> tuple[float, bool, str | None]:
        ended = any(self.connections.one(self.GET, name=f"fin:{guard}", now=self._now()) for guard in guards)
        return 0.0, ended, self.get(kind, key)

    def delete(self, kind: str, key: str) -> None:
        self.connections.run(self.DELETE, name=f"{kind}:{key}")

    def purge(self) -> int:
        return self.connections.run(self.PURGE, now=self._now())


def open_ephemeral(redis_url: str, connections: Connections) -> Ephemeral:
    """The backend that the settings ask for."""
    return RedisEphemeral(redis_url) if redis_url else SqlEphemeral(connections)
