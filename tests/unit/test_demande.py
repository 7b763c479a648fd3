"""A sign-in in progress belongs to its browser and dies in time."""

from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from idp.authentication.demande import LONGEST, DemandeExpiredError, DemandeInvalidError, open_demande, seal_demande
from idp.config import Secret
from idp.seals import Seals
from tests.factories import une_demande

SEALS = Seals((Secret("essai", bytes(range(32))),))
LIFETIME = 1800
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
BINDING = "a" * 22


class Shelf(dict[str, str]):
    """The two methods of the store that a request too long needs."""

    def put(self, kind, key, value, lifetime):
        self[f"{kind}:{key}"] = value

    def get(self, kind, key):
        return super().get(f"{kind}:{key}")


@pytest.fixture
def shelf():
    return Shelf()


def asked(**changes):
    return une_demande(asked_at=int(NOW.timestamp()), **changes)


def test_what_was_asked_comes_back(shelf):
    demande = asked(login_hint="é|è", select=True)
    token = seal_demande(shelf, SEALS, demande, BINDING, LIFETIME)

    assert open_demande(shelf, SEALS, token, BINDING, NOW, LIFETIME) == demande
    assert not shelf, "an ordinary request costs no store"


def test_a_request_too_long_for_an_address_is_kept_under_a_reference(shelf):
    demande = asked(parameters={"claims": Random(1).randbytes(2000).hex()})
    token = seal_demande(shelf, SEALS, demande, BINDING, LIFETIME)

    assert len(token) < 50 < LONGEST
    assert open_demande(shelf, SEALS, token, BINDING, NOW, LIFETIME) == demande


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda token: token[:40] + ("A" if token[40] != "A" else "B") + token[41:], id="ours-altered"),
        pytest.param(lambda token: "x", id="ours-nonsense"),
        pytest.param(lambda token: "é" * 20, id="ours-not-ascii"),
        pytest.param(lambda token: "A" * (LONGEST + 1), id="ours-too-long"),
    ],
)
def test_a_word_that_we_did_not_seal_is_refused(shelf, spoil):
    token = seal_demande(shelf, SEALS, asked(), BINDING, LIFETIME)

    with pytest.raises(DemandeInvalidError):
        open_demande(shelf, SEALS, spoil(token), BINDING, NOW, LIFETIME)


def test_C38_another_browser_cannot_go_on(shelf):
    token = seal_demande(shelf, SEALS, asked(), BINDING, LIFETIME)

    with pytest.raises(DemandeInvalidError):
        open_demande(shelf, SEALS, token, "b" * 22, NOW, LIFETIME)


@pytest.mark.parametrize("later", [timedelta(seconds=LIFETIME + 1), timedelta(days=1), timedelta(minutes=-10)])
def test_a_request_too_old_or_of_the_future_is_refused(shelf, later):
    token = seal_demande(shelf, SEALS, asked(), BINDING, LIFETIME)

    with pytest.raises(DemandeExpiredError):
        open_demande(shelf, SEALS, token, BINDING, NOW + later, LIFETIME)


def test_an_unknown_reference_says_to_start_again(shelf):
    with pytest.raises(DemandeExpiredError) as refused:
        open_demande(shelf, SEALS, "~inconnue", BINDING, NOW, LIFETIME)

    assert "recommencez" in refused.value.public
