"""The brakes of sign-in, layer by layer, on the embedded store and a clock of our own."""

from pathlib import Path

import pytest

from idp.authentication import throttle as module
from idp.authentication.throttle import (
    BLOCK_BITS,
    DAILY,
    FREE,
    GLOBAL_BITS,
    NAMES,
    SPRAYED,
    TRUSTED,
    Attempt,
    Throttle,
    TooManyAttemptsError,
)
from idp.database import Connections
from idp.ephemeral import Ephemere, SqlEphemeral

MINUTE = 60


class Clock:
    def __init__(self) -> None:
        self.at = 1_790_000_000.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def throttle(tmp_path: Path, clock):
    connections = Connections(f"sqlite:///{tmp_path / 'store.sqlite3'}")
    Ephemere.__table__.create(connections.engine)
    return Throttle(SqlEphemeral(connections, clock=clock), clock=clock)


def fail(throttle, account="victime", address="192.0.2.1", device="", siret="", password=""):
    """One attempt that fails, if it is not braked; its verdict."""
    verdict = throttle.count(Attempt(account, address, device, siret, password))
    if not verdict.braked:
        throttle.failed(verdict)
    return verdict


def addresses(count):
    """So many addresses, each in a block of its own."""
    return (f"10.{n}.0.1" for n in range(count))


# ------------------------------------------------------------------------------------------------------------- L2, account


def test_five_failures_are_free_and_the_sixth_waits(throttle):
    tried = [fail(throttle).braked for _ in range(FREE + 1)]

    assert tried == [""] * FREE + ["L2"]


def test_C35_twenty_addresses_do_not_make_twenty_attempts(throttle):
    tried = [fail(throttle, address=address).braked for address in addresses(20)]

    assert tried == [""] * FREE + ["L2"] * 15


def test_waits_double_up_to_sixteen_minutes(throttle, clock):
    for _ in range(FREE):
        fail(throttle)
    waited = []
    for _ in range(7):
        minutes = 0
        while fail(throttle).braked:
            clock.at += MINUTE
            minutes += 1
        waited.append(minutes)

    assert waited[:4] == [1, 2, 4, 8]
    assert max(waited) <= 16


def test_a_braked_attempt_makes_nobody_wait_longer(throttle, clock):
    for _ in range(FREE):
        fail(throttle)
    for _ in range(50):
        fail(throttle)
    clock.at += MINUTE

    assert not fail(throttle).braked


def test_no_more_than_25_attempts_a_day(throttle, clock):
    tried = 0
    for _ in range(24 * 6 - 1):
        tried += not fail(throttle).braked
        clock.at += 10 * MINUTE

    assert tried == DAILY


def test_the_next_day_begins_anew(throttle, clock):
    for _ in range(60):
        fail(throttle)
        clock.at += MINUTE
    clock.at += 24 * 60 * MINUTE

    assert not fail(throttle).braked


def test_a_success_costs_nothing(throttle):
    for _ in range(100):
        verdict = throttle.count(Attempt("claire", "192.0.2.1"))
        assert not verdict.braked
        throttle.refund(verdict)


def test_an_operator_lifts_the_brake(throttle):
    for _ in range(10):
        fail(throttle)
    throttle.release("victime")

    assert not fail(throttle).braked


# ------------------------------------------------------------------------------------------------------ L1, trusted device


def test_C36_a_stranger_does_not_brake_the_owners_device(throttle):
    for address in addresses(30):
        fail(throttle, address=address)

    assert not fail(throttle, address="198.51.100.7", device="ordinateur").braked


def test_ten_failures_make_a_device_a_stranger(throttle):
    tried = [fail(throttle, device="ordinateur") for _ in range(TRUSTED)]
    after = fail(throttle, device="ordinateur")

    assert not any(verdict.braked for verdict in tried)
    assert after.attempt.device == ""
    assert not after.braked, "strangers have not failed yet: it goes on as one of them"


def test_a_device_fails_at_most_25_times_a_day(throttle, clock):
    as_a_device = 0
    for _ in range(100):
        as_a_device += fail(throttle, device="ordinateur").attempt.device != ""
        clock.at += 10 * MINUTE

    assert as_a_device == DAILY


# ------------------------------------------------------------------------------------------------------ L3, address blocks


def test_an_address_that_fails_on_many_accounts_must_work(throttle):
    bits = [fail(throttle, account=f"compte-{n}").bits for n in range(21)]

    assert bits == [0] * 20 + [BLOCK_BITS]


def test_an_address_that_fails_on_few_accounts_need_not(throttle):
    assert not any(fail(throttle, account=f"compte-{n % 4}").bits for n in range(40))


def test_neighbours_share_a_wider_block_that_is_allowed_double(throttle):
    bits = [fail(throttle, account=f"compte-{n}", address=f"192.0.2.{n}").bits for n in range(41)]

    assert bits == [0] * 40 + [BLOCK_BITS]


@pytest.mark.parametrize("address", ["2001:db8:1:2::{:x}", "::ffff:192.0.2.1"])
def test_a_block_of_ipv6_is_64_bits_wide_and_a_mapped_address_is_one_of_ipv4(throttle, address):
    bits = [fail(throttle, account=f"compte-{n}", address=address.format(n)).bits for n in range(21)]

    assert bits[-1] == BLOCK_BITS


def test_beyond_five_times_the_block_is_refused_and_its_victims_are_not_braked(throttle):
    for n in range(100):
        fail(throttle, account=f"compte-{n}")
    with pytest.raises(TooManyAttemptsError):
        fail(throttle, account="autre")

    assert not fail(throttle, account="autre", address="198.51.100.7").braked


def hammer(throttle, attempts, accounts, address="203.0.113.66"):
    """One host that goes on whatever it is told; how many attempts were really tried."""
    tried = 0
    for n in range(attempts):
        try:
            tried += not fail(throttle, account=f"compte-{n % accounts}", address=address).braked
        except TooManyAttemptsError:
            continue
    return tried


def test_L3_a_refused_host_does_not_turn_the_refusal_against_its_neighbours(throttle):
    assert hammer(throttle, 600, accounts=300) == 100

    neighbour = throttle.count(Attempt("voisin", "203.0.113.7"))
    assert not neighbour.braked
    assert neighbour.bits == BLOCK_BITS
    assert fail(throttle, account="ailleurs", address="203.0.114.7").bits == 0


def test_L3_braked_attempts_on_a_few_accounts_count_against_nobody(throttle):
    hammer(throttle, 400, accounts=3)

    assert throttle.count(Attempt("voisin", "203.0.113.7")).bits == 0


def test_L3_leaves_a_known_device_to_its_own_limits(throttle):
    for host in range(4):
        hammer(throttle, 110, accounts=110, address=f"203.0.113.{host}")
    with pytest.raises(TooManyAttemptsError):
        throttle.count(Attempt("voisin", "203.0.113.7"))

    known = [fail(throttle, account="voisin", address="203.0.113.7", device="ordinateur") for _ in range(TRUSTED)]
    assert not any(verdict.braked or verdict.bits for verdict in known)
    with pytest.raises(TooManyAttemptsError):
        fail(throttle, account="voisin", address="203.0.113.7", device="ordinateur")


def test_ten_minutes_later_a_block_is_as_new(throttle, clock):
    for n in range(100):
        fail(throttle, account=f"compte-{n}")
    clock.at += 10 * MINUTE

    assert fail(throttle, account="autre").bits == 0


# ------------------------------------------------------------------------------------------------------------- L6, service


@pytest.fixture
def small_service(monkeypatch):
    """Fifty failures an hour are nothing yet."""
    monkeypatch.setattr(module, "GLOBAL_FLOOR", 50)


def spray(throttle, count):
    """Failures all over the country, each on its own account."""
    for n in range(count):
        fail(throttle, account=f"compte-{n}", address=f"10.{n % 250}.{n // 250}.1")


def test_an_unusual_hour_asks_strangers_for_work_and_known_devices_for_none(throttle, small_service):
    spray(throttle, 50)

    assert fail(throttle, address="198.51.100.7").bits == GLOBAL_BITS
    assert fail(throttle, address="198.51.100.7", device="ordinateur").bits == 0


def test_what_is_usual_is_learnt_from_the_day_before(throttle, clock, small_service):
    for _ in range(24):
        spray(throttle, 12)
        clock.at += 60 * MINUTE
    spray(throttle, 55)

    assert fail(throttle, address="198.51.100.7").bits == 0, "12 an hour are usual here: 60 are not"


def test_L6_one_host_that_insists_on_one_account_asks_nobody_for_work(throttle, small_service):
    for _ in range(200):
        fail(throttle, account="une seule", address="203.0.113.66")

    assert throttle.count(Attempt("autre", "198.51.100.1")).bits == 0


def test_L6_an_unusual_hour_is_one_line_of_log(throttle, small_service, caplog):
    spray(throttle, 50)
    assert not caplog.records
    for _ in range(5):
        throttle.refund(throttle.count(Attempt("autre", "198.51.100.1")))
    Throttle(throttle._store, clock=throttle._clock).count(Attempt("autre", "198.51.100.1"))

    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_L2_the_wait_of_a_failure_leaves_no_gap(throttle, clock):
    """Between the end of a failed attempt and the wait that it brings, nobody slips through."""
    verdicts = [throttle.count(Attempt("victime", address)) for address in addresses(FREE)]
    slipped = []

    class Watching(SqlEphemeral):
        def delete(self, kind, key):
            super().delete(kind, key)
            slipped.append(throttle.count(Attempt("victime", "10.99.0.1")).braked)

    Throttle(Watching(throttle._store.connections, clock=clock), clock=clock).failed(verdicts[-1])

    assert "" not in slipped
    assert fail(throttle, address="10.98.0.1").braked == "L2"


def test_L2_a_failure_that_took_long_still_makes_strangers_wait(throttle, clock):
    verdicts = [throttle.count(Attempt("victime", address)) for address in addresses(FREE)]
    clock.at += MINUTE + 1
    throttle.failed(verdicts[-1])

    assert fail(throttle).braked == "L2"


# ---------------------------------------------------------------------------------------- L4, one password; L5, one SIRET


def elsewhere(count):
    """So many accounts, each tried from a network of its own."""
    return ((f"compte{n}", f"10.{n}.0.1") for n in range(count))


def test_L4_a_password_that_fails_on_many_accounts_costs_work_to_whoever_types_it(throttle, clock, caplog):
    tried = [fail(throttle, account, address, password="abc").bits for account, address in elsewhere(SPRAYED + 2)]

    assert tried == [0] * SPRAYED + [BLOCK_BITS] * 2
    assert fail(throttle, "autre", "172.16.0.1", password="def").bits == 0, "another password"
    assert fail(throttle, "autre", "172.16.0.1", device="a", password="abc").bits == 0, "a device that its account knows"
    assert [record.message for record in caplog.records] == [
        "one password is tried on many accounts: strangers who type it bring a proof of work"
    ]
    clock.at += 61 * MINUTE
    assert fail(throttle, "autre", "172.16.0.1", password="abc").bits == 0


def test_L4_one_account_is_counted_once_and_a_success_is_not(throttle):
    for _ in range(3 * SPRAYED):
        fail(throttle, password="abc")
    for account, address in elsewhere(SPRAYED + 5):
        throttle.refund(throttle.count(Attempt(account, address, "", "", "abc")))

    assert fail(throttle, "autre", "172.16.0.1", password="abc").bits == 0


def test_L5_many_names_on_one_siret_cost_work_on_it_alone(throttle):
    tried = [fail(throttle, account, address, siret="73282932000074").bits for account, address in elsewhere(NAMES + 2)]

    assert tried == [0] * NAMES + [BLOCK_BITS] * 2
    assert fail(throttle, "autre", "172.16.0.1", siret="35600000000048").bits == 0
    assert fail(throttle, "autre", "172.16.0.1", device="a", siret="73282932000074").bits == 0
