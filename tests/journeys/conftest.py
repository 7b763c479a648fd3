"""What journeys that cross MAG and a partner's site stand on: see `portal.py`. They override `settings` with an address to listen at."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from idp.database import db
from idp.declarants.models import Declarant
from idp.habilitations import catalogue
from tests.factories import un_declarant
from tests.journeys.portal import Portal, make_portal, serving


@pytest.fixture
def served(wsgi_app: Any) -> Iterator[Any]:
    """The application, listening."""
    with serving(wsgi_app):
        yield wsgi_app


@pytest.fixture
def personne(served: Any) -> Declarant:
    with served.flask.app_context():
        catalogue.refresh(catalogue.parse(catalogue.shipped()), datetime.now(UTC))
        db.session.commit()
    served.mag.versions.refresh()
    return un_declarant(served.flask)


@pytest.fixture
def portal(served: Any, personne: Declarant) -> Portal:
    return make_portal(served, "facile", {})
