"""One transaction of a machine's request that works through the registry's own operations, as the operator's commands do.

Not for hot paths: it opens an application context, and holds a connection from one statement to the next.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from idp.database import UNAVAILABLE, db
from idp.errors import StoreUnavailableError

Context = Callable[[], AbstractContextManager[Any]]
"""Opens an application context: the database session of one request."""


@contextmanager
def transaction(context: Context) -> Iterator[None]:
    """Commits at the end; whatever is raised rolls back. Raises StoreUnavailableError for a database that went away."""
    with context():
        try:
            yield
            db.session.commit()
        except UNAVAILABLE as error:
            db.session.rollback()
            raise StoreUnavailableError(f"database: {type(error).__name__}") from error
        except BaseException:
            db.session.rollback()
            raise
