"""Cards of establishments, as they were last known.

Revision 0027, after 0026. Runs while the code of the revision before still runs.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0027"
down_revision: str | Sequence[str] | None = "0026"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

Big = sa.BigInteger().with_variant(sa.INTEGER(), "sqlite")
Instant = sa.DateTime(timezone=True).with_variant(sa.INTEGER(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "fiches_connues",
        sa.Column("siret", Big, autoincrement=False, nullable=False),
        sa.Column("carte", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("mis_a_jour", sa.Date(), nullable=True),
        sa.Column("entreprise_mise_a_jour", sa.Date(), nullable=True),
        sa.Column("known_at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("siret", name=op.f("pk_fiches_connues")),
    )


def downgrade() -> None:
    op.drop_table("fiches_connues")
