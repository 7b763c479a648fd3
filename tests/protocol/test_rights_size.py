"""What tokens say of rights has a length that no account can pass, whatever it holds: forms A, B and C."""

from datetime import UTC, datetime, timedelta
from itertools import count

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from idp.database import db
from idp.habilitations.disclosure import SCOPE
from idp.habilitations.droits import Catalogue, Droit, Masks
from idp.habilitations.models import DroitDirect, Exclusion, Operation
from idp.oidc.client_metadata import read_client
from idp.oidc.details import TYPE, Acting
from idp.oidc.rights import Rights
from idp.oidc.tokens import Handle

LONGEST = 1_300
"""Bytes."""
wsgi_app = pytest.fixture(lambda standing_app: standing_app)
numbers = count(1)
CIBLES = st.integers(10**13, 10**14 - 1) | st.integers(10**8, 10**9 - 1)
MASKS = st.builds(Masks, *(st.integers(0, 2**26 - 1) for _ in Droit))
HELD = st.dictionaries(CIBLES, MASKS, max_size=60)


@pytest.fixture
def person(new_declarant):
    """Whoever is wanted: a new one for each example."""
    return lambda: new_declarant(prenom=f"Claire {next(numbers)}")


def write(doors, declarant_id: int, held: dict[int, Masks], excluded: dict[int, Masks]) -> None:
    now = datetime.now(UTC)
    with doors.flask.app_context():
        operation = Operation.begin(now, None, "essai")
        for kind, rows, dated in ((DroitDirect, held, {"effective_from": now - timedelta(days=1)}), (Exclusion, excluded, {})):
            for cible, masks in rows.items():
                db.session.add(kind(declarant_id=declarant_id, cible=cible, operation_id=operation, **masks._asdict(), **dated))
        db.session.commit()


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data(), many=st.booleans())
def test_no_account_makes_a_longer_token(services, wsgi_app, person, data, many):
    held = data.draw(HELD)
    excluded = data.draw(st.dictionaries(st.sampled_from(sorted(held)), MASKS, max_size=10)) if held else {}
    if many:
        held |= {10**13 + n * 100_000 + 17: Masks(2**26 - 1, n, 2**20 - 1, 0) for n in range(200)}
    declarant_id, mag, now = person(), wsgi_app.mag, datetime.now(UTC)
    write(wsgi_app, declarant_id, held, excluded)
    catalogue: Catalogue = mag.catalogue()
    codes = frozenset(catalogue.services)
    client = read_client("portail", {"redirect_uris": ["https://portail.test/"], "scope": " ".join(SCOPE + code for code in codes)})
    rights = Rights(mag.settings, mag.connections, mag.catalogue, mag.keyring, mag.carnet)
    claims = rights.claims(client, declarant_id, codes, now, Handle(declarant_id, 3, "f" * 22, "s" * 22))
    acting = Acting(next(iter(held), 10**13), ()).completed(codes)

    assert len(orjson.dumps(claims)) <= LONGEST, claims
    told = rights.acting(client, declarant_id, acting, now)
    assert told[0]["type"] == TYPE
    assert len(orjson.dumps(told)) <= LONGEST
