"""Passwords: what is accepted, what is hashed, and how much work is done at once."""

import threading

import pytest

from idp.authentication.password_policy import PasswordRefusedError, PasswordTooLongError, check_policy, normalise, own_words
from idp.authentication.passwords import Decoys, HashPool, Passwords, parameters_of
from idp.config import Secret, Settings
from idp.entreprises.siret import Siret
from idp.errors import OverloadedError
from idp.seals import Seals

OLD, NEW = Secret("ancien", bytes(range(32))), Secret("neuf", bytes(range(1, 33)))
OWN = own_words(Siret("73282932000074"), "Lefèvre", "Claire", "Ateliers du Pont")


def passwords(*secrets: Secret, **settings: int) -> Passwords:
    options = {"argon2_memory_kib": 7168, "argon2_time": 5, **settings}
    made = Settings(issuer="https://mag.test", secrets=secrets or (OLD,), **options)
    return Passwords(made, Seals(made.secrets))


@pytest.mark.parametrize(
    "password",
    [
        pytest.param("onze caract", id="sp800-63b-too-short"),
        pytest.param("azertyuiop123", id="sp800-63b-blocklist-french"),
        pytest.param("Password1234", id="sp800-63b-blocklist-whatever-the-case"),
        pytest.param("aaaaaaaaaaaabb", id="ours-few-characters"),
        pytest.param("lefèvre-2026", id="asvs-6.2.11-own-name"),
        pytest.param("73282932000074", id="ours-siret"),
        pytest.param("Ateliers du Pont!", id="ours-company"),
        pytest.param("net-entreprises", id="ours-context-word"),
        pytest.param("MAG mag MAG 12", id="ours-mag"),
    ],
)
def test_a_weak_password_is_refused_with_what_to_do(password):
    with pytest.raises(PasswordRefusedError) as refused:
        check_policy(password, OWN)

    assert "Choisissez" in refused.value.public


@pytest.mark.parametrize(
    "password", ["cheval bleu sous la pluie", "un fromage de chèvre", "8zhQ!mTb2#xK", "😀😃😄😁😆😅🤣😂🙂🙃🫠😉", "image du matin calme"]
)
def test_any_characters_do_when_there_are_enough_of_them(password):
    check_policy(password, OWN)


@pytest.mark.parametrize(
    "password",
    [
        pytest.param("x" * 129, id="C48-129-characters"),
        pytest.param("😀" * 128 + "x", id="C48-characters-not-bytes"),
        pytest.param("ﷺ" * 400, id="C48-1200-bytes"),
    ],
)
def test_a_password_beyond_the_limits_is_refused_before_any_work(password):
    with pytest.raises(PasswordTooLongError):
        normalise(password)


def test_C48_128_characters_are_hashed_to_the_last():
    made = passwords()
    stored = made.hash("é" * 127 + "a")

    assert made.verify(stored, "é" * 127 + "a")
    assert not made.verify(stored, "é" * 127 + "b")


def test_C48_two_writings_of_one_text_are_one_password_and_two_cases_are_not():
    made = passwords()
    stored = made.hash("caf\u00e9 noir du matin")

    assert made.verify(stored, "cafe\u0301 noir du matin")
    assert not made.verify(stored, "Caf\u00e9 noir du matin")


def test_a_hash_is_worth_nothing_without_its_pepper():
    stored = passwords(OLD).hash("cheval bleu sous la pluie")

    assert passwords(NEW, OLD).verify(stored, "cheval bleu sous la pluie")
    assert passwords(NEW, OLD).needs_rehash(stored)
    assert not passwords(NEW).verify(stored, "cheval bleu sous la pluie")


def test_changed_parameters_ask_for_a_new_hash():
    stored = passwords().hash("cheval bleu sous la pluie")

    assert not passwords().needs_rehash(stored)
    assert passwords(argon2_time=6).needs_rehash(stored)
    assert passwords(argon2_time=6).verify(stored, "cheval bleu sous la pluie")


def test_a_decoy_opens_to_nobody_and_costs_as_much_as_its_like():
    old, new = passwords(), passwords(argon2_time=6)
    stored = old.hash("cheval bleu sous la pluie")
    decoy = Decoys(new, lambda: [stored.hash]).of(b"somebody")

    assert parameters_of(decoy.hash) == parameters_of(stored.hash)
    assert not new.verify(decoy, "cheval bleu sous la pluie")


def test_the_decoy_of_an_identity_keeps_its_parameters():
    sample = [passwords(argon2_time=n).hash("cheval bleu sous la pluie").hash for n in (5, 6)]
    decoys = Decoys(passwords(), lambda: sample)
    drawn = {account: {parameters_of(decoys.of(account).hash) for _ in range(3)} for account in (b"a" * 8, b"b" * 8, b"c" * 8)}

    assert all(len(parameters) == 1 for parameters in drawn.values())


def test_without_any_stored_hash_a_decoy_has_todays_parameters():
    made = passwords()

    assert parameters_of(Decoys(made, list).of(b"somebody").hash) == made.current_parameters


def test_a_full_queue_refuses_before_any_work():
    pool, release, started = HashPool(slots=1, queue=0), threading.Event(), threading.Event()
    holder = threading.Thread(target=pool.run, args=(lambda: started.set() or release.wait(5),))
    holder.start()
    started.wait(5)
    try:
        with pytest.raises(OverloadedError):
            pool.run(lambda: None)
    finally:
        release.set()
        holder.join()

    assert pool.run(lambda: "libre") == "libre"


def test_who_waited_too_long_is_not_hashed():
    times = iter([0.0, 3.0])
    pool = HashPool(slots=1, queue=1, clock=lambda: next(times))

    with pytest.raises(OverloadedError):
        pool.run(lambda: pytest.fail("hashed for nobody"))
