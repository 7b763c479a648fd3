"""A way back through a provider of identity above MAG: one more word among the ways of a recovery.

Revision 0040, after 0037. Runs while the code of the revision before still runs.
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0040"
down_revision: str | Sequence[str] | None = "0037"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

BEFORE = ("courriel", "administrateur", "assistance", "question")
AFTER = (*BEFORE, "fournisseur")


def _among(voies: tuple[str, ...]) -> None:
    """SQLite rebuilds the table: what it holds is a few days of requests."""
    words = ", ".join(f"'{voie}'" for voie in voies)
    with op.batch_alter_table("recours") as table:
        table.drop_constraint(op.f("ck_recours_voie"), type_="check")
        table.create_check_constraint(op.f("ck_recours_voie"), f"voie IN ({words})")


def upgrade() -> None:
    _among(AFTER)


def downgrade() -> None:
    op.execute("DELETE FROM recours WHERE voie = 'fournisseur'")
    _among(BEFORE)
