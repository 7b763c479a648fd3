"""What kept digests say of a chain of evidence."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from idp.audit.traces.empreinte import ORIGIN, Ligne, Tete, empreinte, faults

OTHER = "a" * 64
EMPTY = "rang 0 : l'empreinte gardée n'est pas celle d'une chaîne vide"
NOT_KEPT, ABSENT = "rang 1 : n'est pas celle dont l'empreinte a été gardée", "rang 3 : ligne absente, son empreinte a été gardée"


def chain(length):
    found, last = [], ORIGIN
    for rang in range(1, length + 1):
        bare = Ligne("c", rang, datetime(2027, 1, 1, tzinfo=UTC), "jeton", "v", "{}", last)
        found.append(replace(bare, empreinte=empreinte(bare)))
        last = found[-1].empreinte
    return found


FIRST, LAST = (Tete(one.rang, one.empreinte) for one in chain(2))


@pytest.mark.parametrize(
    ("anchors", "said"),
    [
        pytest.param([Tete(), FIRST, FIRST, LAST], [], id="right"),
        pytest.param([Tete(0, OTHER)], [EMPTY], id="empty-chain-with-a-digest"),
        pytest.param([Tete(1, OTHER), FIRST], [NOT_KEPT], id="contradiction"),
        pytest.param([FIRST, Tete(1, OTHER)], [NOT_KEPT], id="contradiction-in-the-other-order"),
        pytest.param([Tete(3, OTHER), Tete(3, ORIGIN)], [ABSENT], id="beyond-the-end"),
    ],
)
def test_each_kept_digest_is_held_against_the_chain(anchors, said):
    assert list(faults(chain(2), LAST, anchors)) == said
    assert list(faults([], Tete(), [Tete()])) == []
