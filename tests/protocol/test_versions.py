"""The numbers that tell processes what to read again (`idp/database.py`): none is lost."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from idp.database import Version, db

AT_ONCE, EACH = 4, 10


def test_changes_at_once_all_count(app):
    barrier = Barrier(AT_ONCE)

    def change(_: int) -> None:
        barrier.wait(10)
        for _ in range(EACH):
            with app.app_context():
                Version.bump("essai")
                db.session.commit()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(change, range(AT_ONCE)))
    with app.app_context():
        assert db.session.get(Version, "essai").number == AT_ONCE * EACH
