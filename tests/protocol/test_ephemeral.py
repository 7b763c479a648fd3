"""The contract of short-lived state (`idp/ephemeral.py`), on Redis, on SQLite and on PostgreSQL."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from redis import Redis

from idp.database import Connections
from idp.ephemeral import Counter, Ephemeral, RedisEphemeral, SqlEphemeral, open_ephemeral
from idp.errors import StoreUnavailableError
from tests.services import free_port

CALLERS = 50


@pytest.fixture
def later(ephemeral, clock, request) -> Callable[[int], None]:
    """Let seconds pass: the clock moves, and each key of Redis loses as much of the life that it has."""

    def pass_time(seconds: int) -> None:
        clock.passed += seconds
        if isinstance(ephemeral, RedisEphemeral):
            with Redis.from_url(request.getfixturevalue("redis_url_kept")) as client:
                for key in client.scan_iter():
                    if (left := client.ttl(key)) >= 0:
                        client.expire(key, left - seconds)

    return pass_time


@pytest.fixture
def redis_url_kept(redis_server) -> str:
    return redis_server.url


@pytest.fixture
def raw(redis_url) -> Iterator[Redis]:
    with Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


def all_at_once(act: Callable[[int], Any]) -> list[Any]:
    """The act of 50 threads that start together, each on its own connection."""
    barrier = Barrier(CALLERS)

    def run(number: int) -> Any:
        barrier.wait(30)
        return act(number)

    with ThreadPoolExecutor(CALLERS) as pool:
        return list(pool.map(run, range(CALLERS)))


# ------------------------------------------------------------------------------------------------------------- put and get


def test_what_was_never_put_is_not_there(ephemeral):
    assert ephemeral.get("code", "a") is None
    assert ephemeral.take("code", "a") is None
    assert ephemeral.spend("code", "a", "") is None


@pytest.mark.parametrize(
    "value",
    ["", "x", "deux\nlignes\n", "Œuvre d'été ⚖", "!", "\n\n", "a" * 100_000],
    ids=["empty", "short", "lines", "accents", "mark", "newlines", "long"],
)
def test_a_value_comes_back_as_it_was_put(ephemeral, value):
    ephemeral.put("demande", "a", value, 60, guards=["sid:1"])

    assert ephemeral.get("demande", "a") == value
    assert ephemeral.read([], "demande", "a")[2] == value
    assert ephemeral.take("demande", "a") == value


def test_kinds_do_not_mix(ephemeral):
    ephemeral.put("code", "a", "x", 60)

    assert ephemeral.get("demande", "a") is None
    assert ephemeral.get("code", "a") == "x"


def test_a_second_put_replaces_value_lifetime_guards_and_use(ephemeral, later):
    ephemeral.put("code", "a", "x", 10, proof="p", guards=["sid:1"])
    ephemeral.spend("code", "a", "p")
    ephemeral.put("code", "a", "y", 60, proof="q")
    ephemeral.end("sid:1", lifetime=600)
    later(30)

    assert ephemeral.get("code", "a") == "y"
    assert ephemeral.spend("code", "a", "q").first


def test_a_value_lives_its_lifetime_and_no_longer(ephemeral, later):
    ephemeral.put("code", "a", "x", 60, proof="p")
    later(55)
    assert ephemeral.get("code", "a") == "x"

    later(6)
    assert ephemeral.get("code", "a") is None
    assert ephemeral.get("code", "a", touch=60) is None
    assert ephemeral.spend("code", "a", "p") is None
    assert ephemeral.take("code", "a") is None


def test_reading_does_not_lengthen_a_life_but_touching_does(ephemeral, later):
    ephemeral.put("session", "read", "x", 60)
    ephemeral.put("session", "touched", "x", 60)
    later(40)
    assert ephemeral.get("session", "read") == "x"
    assert ephemeral.get("session", "touched", touch=60) == "x"

    later(40)
    assert ephemeral.get("session", "read") is None
    assert ephemeral.get("session", "touched") == "x"


def test_a_deleted_value_is_gone(ephemeral):
    ephemeral.put("demande", "a", "x", 60)
    ephemeral.delete("demande", "a")
    ephemeral.delete("demande", "never")

    assert ephemeral.get("demande", "a") is None


# ----------------------------------------------------------------------------------------------------------- take and spend


def test_a_value_is_taken_once(ephemeral):
    ephemeral.put("reset", "a", "x", 60)

    assert [ephemeral.take("reset", "a") for _ in range(3)] == ["x", None, None]


def test_of_fifty_simultaneous_takes_exactly_one_wins(ephemeral):
    ephemeral.put("reset", "a", "x", 60)

    taken = all_at_once(lambda _: ephemeral.take("reset", "a"))

    assert sorted(taken, key=str) == [None] * (CALLERS - 1) + ["x"]


def test_the_first_who_spends_is_told_apart_from_a_replay(ephemeral):
    ephemeral.put("code", "a", "x", 60, proof="client")

    spent = [ephemeral.spend("code", "a", "client") for _ in range(3)]

    assert [(s.value, s.first) for s in spent] == [("x", True), ("x", False), ("x", False)]


def test_a_wrong_proof_changes_nothing(ephemeral):
    ephemeral.put("code", "a", "x", 60, proof="client")
    assert ephemeral.spend("code", "a", "other") is None
    assert ephemeral.spend("code", "a", "") is None

    assert ephemeral.spend("code", "a", "client").first
    assert ephemeral.spend("code", "a", "other") is None


def test_a_replay_is_told_for_the_rest_of_the_lifetime(ephemeral, later):
    ephemeral.put("code", "a", "x", 60, proof="client")
    ephemeral.spend("code", "a", "client")
    later(55)
    assert ephemeral.spend("code", "a", "client").first is False

    later(6)
    assert ephemeral.spend("code", "a", "client") is None


def test_a_replay_is_told_even_when_the_guard_has_ended_since(ephemeral):
    """So that whoever signed out after a theft still has the stolen tokens revoked."""
    ephemeral.put("code", "a", "x", 60, proof="client", guards=["sid:1"])
    ephemeral.spend("code", "a", "client")
    ephemeral.end("sid:1", lifetime=600)

    assert ephemeral.spend("code", "a", "client").first is False


def test_of_fifty_simultaneous_spends_exactly_one_is_first(ephemeral):
    ephemeral.put("code", "a", "x", 60, proof="client")

    spent = all_at_once(lambda _: ephemeral.spend("code", "a", "client"))

    assert [s.value for s in spent] == ["x"] * CALLERS
    assert sum(s.first for s in spent) == 1


# ------------------------------------------------------------------------------------------------------------------- guards


@pytest.mark.parametrize("ended", ["sid:1", "compte:7"])
def test_what_hangs_on_an_ended_guard_is_gone(ephemeral, ended):
    for kind in ("get", "take", "spend", "derive", "read"):
        ephemeral.put(kind, "a", "x", 60, guards=["sid:1", "compte:7"])
    ephemeral.put("get", "free", "x", 60, guards=["sid:2", "compte:8"])

    ephemeral.end(ended, lifetime=600)

    assert ephemeral.get("get", "a") is None
    assert ephemeral.get("get", "a", touch=60) is None
    assert ephemeral.take("take", "a") is None
    assert ephemeral.spend("spend", "a", "") is None
    assert ephemeral.derive("derive", "a", 60, "code", "b", "", 60) is None
    assert ephemeral.read([], "read", "a")[2] is None
    assert ephemeral.get("get", "free") == "x"


def test_several_guards_end_together(ephemeral):
    ephemeral.put("session", "a", "x", 60, guards=["sid:1"])
    ephemeral.put("session", "b", "y", 60, guards=["sid:2"])
    ephemeral.end("sid:1", "sid:2", lifetime=600)

    assert ephemeral.get("session", "a") is None
    assert ephemeral.get("session", "b") is None


def test_a_guard_ended_before_the_value_was_put_holds_too(ephemeral):
    ephemeral.end("compte:7", lifetime=600)
    ephemeral.put("session", "a", "x", 60, guards=["sid:1", "compte:7"])

    assert ephemeral.get("session", "a") is None


# ------------------------------------------------------------------------------------------------------------------- derive


def test_a_derived_value_carries_its_source_and_its_guards(ephemeral):
    ephemeral.put("session", "s", "who", 60, guards=["sid:1", "compte:7"])

    assert ephemeral.derive("session", "s", 60, "code", "c", "what\nelse", 30, proof="client") == "who"
    assert ephemeral.spend("code", "c", "wrong") is None
    assert ephemeral.spend("code", "c", "client").value == "who\nwhat\nelse"

    ephemeral.derive("session", "s", 60, "code", "d", "what", 30)
    ephemeral.end("compte:7", lifetime=600)
    assert ephemeral.get("code", "d") is None


def test_deriving_touches_the_source_and_gives_the_target_its_own_lifetime(ephemeral, later):
    ephemeral.put("session", "s", "who", 60)
    later(40)
    ephemeral.derive("session", "s", 60, "code", "c", "what", 30)
    later(35)

    assert ephemeral.get("session", "s") == "who"
    assert ephemeral.get("code", "c") is None


def test_nothing_derives_from_what_is_dead(ephemeral, later):
    ephemeral.put("session", "s", "who", 60)
    later(61)

    assert ephemeral.derive("session", "s", 60, "code", "c", "what", 30) is None
    assert ephemeral.derive("session", "never", 60, "code", "c", "what", 30) is None
    assert ephemeral.get("code", "c") is None


# ---------------------------------------------------------------------------------------------------------------------- add


def test_an_identifier_is_added_once(ephemeral, clock, later):
    assert [ephemeral.add("jti", "a", 60, made_at=clock()) for _ in range(3)] == [True, False, False]
    assert ephemeral.add("jti", "b", 60, made_at=clock())

    later(61)
    assert ephemeral.add("jti", "a", 60, made_at=clock())
    assert not ephemeral.add("jti", "a", 60, made_at=clock())


def test_an_identifier_is_added_instead_of_the_entry_of_its_key_alone(ephemeral, clock):
    for kind, key in (("par", "a"), ("par", "b"), ("autre", "a")):
        ephemeral.put(kind, key, "valeur", 60)

    assert [ephemeral.add("par-fini", "a", 60, made_at=clock(), instead_of="par") for _ in range(2)] == [True, False]
    assert [ephemeral.get(*entry) for entry in (("par", "a"), ("par", "b"), ("autre", "a"))] == [None, "valeur", "valeur"]


def test_of_fifty_simultaneous_adds_exactly_one_wins(ephemeral, clock):
    made_at = clock()

    added = all_at_once(lambda _: ephemeral.add("jti", "a", 60, made_at=made_at))

    assert sorted(added) == [False] * (CALLERS - 1) + [True]


@pytest.mark.parametrize("ephemeral", ["redis"], indirect=True)
def test_a_redis_that_forgot_refuses_what_was_made_before(ephemeral, clock, raw):
    """RFC 7523 section 3: nobody can tell any more whether it was used."""
    made_at = clock()
    assert ephemeral.add("jti", "a", 600, made_at=made_at)
    clock.passed += 1
    raw.flushall()

    assert not ephemeral.add("jti", "a", 600, made_at=made_at)
    assert not ephemeral.add("jti", "b", 600, made_at=made_at)
    assert ephemeral.add("jti", "c", 600, made_at=clock() + 1)
    assert ephemeral.read([], "session", "s")[0] == pytest.approx(clock(), abs=5)


@pytest.mark.parametrize("ephemeral", ["sqlite", "postgresql"], indirect=True)
def test_a_database_never_forgets(ephemeral):
    assert ephemeral.add("jti", "a", 600, made_at=1.0)
    assert ephemeral.read([], "session", "s")[0] == 0.0


# -------------------------------------------------------------------------------------------------------------------- count


def test_counters_count_and_are_read_without_counting(ephemeral):
    address, person = Counter("adresse:192.0.2.1", 60), Counter("identite:a", 600)

    assert ephemeral.count(address, by=0) == [0]
    assert ephemeral.count(address) == [1]
    assert ephemeral.count(address, person) == [2, 1]
    assert ephemeral.count(person, address, by=3) == [4, 5]
    assert ephemeral.count(address, person, by=0) == [5, 4]


def test_a_counter_is_refunded_and_never_below_zero(ephemeral):
    counter = Counter("essais", 60)
    ephemeral.count(counter, by=2)

    assert ephemeral.count(counter, by=-1) == [1]
    assert ephemeral.count(counter, by=-5) == [0]
    assert ephemeral.count(counter, Counter("jamais", 60), by=-1) == [0, 0]
    assert ephemeral.count(counter) == [1]


def test_a_counter_forgets_one_window_after_its_first_increment(ephemeral, later):
    short, long = Counter("court", 60), Counter("long", 600)
    ephemeral.count(short, long)
    later(55)
    assert ephemeral.count(short, long) == [2, 2]

    later(6)
    assert ephemeral.count(short, long, by=0) == [0, 2]
    assert ephemeral.count(short, long) == [1, 3]


def test_neither_a_reading_nor_a_refund_opens_the_window(ephemeral, later):
    counter = Counter("essais", 60)
    ephemeral.count(counter, by=0)
    ephemeral.count(counter, by=-1)
    later(40)
    ephemeral.count(counter)
    later(40)

    assert ephemeral.count(counter, by=0) == [1]


def test_the_window_of_a_counter_starts_again_and_its_number_stays(ephemeral, later):
    counter = Counter("essais", 60)
    ephemeral.count(counter, by=3)
    later(50)

    assert ephemeral.prolong(counter)
    later(50)
    assert ephemeral.count(counter, by=0) == [3]
    later(20)
    assert not ephemeral.prolong(counter)


def test_fifty_simultaneous_counts_make_fifty(ephemeral):
    counter = Counter("essais", 60)

    seen = all_at_once(lambda _: ephemeral.count(counter)[0])

    assert sorted(seen) == list(range(1, CALLERS + 1))
    assert ephemeral.count(counter, by=0) == [CALLERS]


# ----------------------------------------------------------------------------------------------------------- read and purge


def test_one_reading_tells_the_birth_the_guards_and_the_value(ephemeral, clock):
    ephemeral.put("jeton", "a", "x", 60)
    born, ended, value = ephemeral.read(["sid:1", "compte:7"], "jeton", "a")
    assert (born < clock(), ended, value) == (True, False, "x")

    ephemeral.end("compte:7", lifetime=600)
    assert ephemeral.read(["sid:1", "compte:7"], "jeton", "a")[1:] == (True, "x")
    assert ephemeral.read(["sid:1"], "jeton", "a")[1:] == (False, "x")
    assert ephemeral.read([], "jeton", "never")[1:] == (False, None)


def test_purging_removes_the_dead_alone(ephemeral, later):
    ephemeral.put("code", "dead", "x", 10)
    ephemeral.put("code", "alive", "x", 60)
    later(30)

    assert ephemeral.purge() == (0 if isinstance(ephemeral, RedisEphemeral) else 1)
    assert ephemeral.get("code", "dead") is None
    assert ephemeral.get("code", "alive") == "x"


# ------------------------------------------------------------------------------------------------------------ when it is away

OPERATIONS: dict[str, Callable[[Ephemeral], object]] = {
    "put": lambda store: store.put("code", "a", "x", 60),
    "get": lambda store: store.get("code", "a"),
    "take": lambda store: store.take("code", "a"),
    "spend": lambda store: store.spend("code", "a", ""),
    "derive": lambda store: store.derive("session", "a", 60, "code", "b", "", 60),
    "add": lambda store: store.add("jti", "a", 60, made_at=2e9),
    "count": lambda store: store.count(Counter("a", 60)),
    "prolong": lambda store: store.prolong(Counter("a", 60)),
    "end": lambda store: store.end("sid:1", lifetime=60),
    "read": lambda store: store.read(["sid:1"], "code", "a"),
    "delete": lambda store: store.delete("code", "a"),
}


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("kind", ["redis", "postgresql"])
def test_a_store_that_does_not_answer_is_said_unavailable(kind, operation):
    port = free_port()
    connections = Connections(f"postgresql+psycopg://mag@127.0.0.1:{port}/mag")
    store = open_ephemeral(f"redis://127.0.0.1:{port}/0" if kind == "redis" else "", connections)

    with pytest.raises(StoreUnavailableError):
        OPERATIONS[operation](store)


def test_a_lost_connection_to_redis_is_opened_again(redis_url, raw):
    store = RedisEphemeral(redis_url)
    store.put("code", "a", "x", 60)
    raw.client_kill_filter(_type="normal", skipme=True)

    with pytest.raises(StoreUnavailableError):
        store.get("code", "a")
    assert store.get("code", "a") == "x"


def test_a_lost_connection_to_postgresql_is_opened_again(postgresql, postgresql_url):
    store = SqlEphemeral(Connections(postgresql_url))
    store.put("code", "a", "x", 60)
    postgresql.disconnect(postgresql_url)

    with pytest.raises(StoreUnavailableError):
        store.get("code", "a")
    assert store.get("code", "a") == "x"


def test_a_redis_that_lost_its_scripts_is_given_them_again(redis_url, raw):
    store = RedisEphemeral(redis_url)
    store.put("code", "a", "x", 60)
    store.get("code", "a")
    raw.script_flush()

    assert store.get("code", "a") == "x"


@pytest.mark.parametrize("operation", ["put", "add", "count"])
def test_a_redis_that_is_full_is_said_unavailable(redis_url, raw, operation):
    store = RedisEphemeral(redis_url)
    raw.config_set("maxmemory", "1")
    try:
        with pytest.raises(StoreUnavailableError):
            OPERATIONS[operation](store)
    finally:
        raw.config_set("maxmemory", "0")
