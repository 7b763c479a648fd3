"""Establishments that people picked lately, to act for them.

Revision 0018, after 0017. Runs while the code of the revision before still runs.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0018"
down_revision: str | Sequence[str] | None = "0017"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

Instant = sa.DateTime(timezone=True).with_variant(sa.INTEGER(), "sqlite")
Big = sa.BigInteger().with_variant(sa.INTEGER(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "etablissements_choisis",
        sa.Column("declarant_id", sa.Integer(), nullable=False),
        sa.Column("siret", Big, autoincrement=False, nullable=False),
        sa.Column("chosen_at", Instant, nullable=False),
        sa.ForeignKeyConstraint(["declarant_id"], ["declarants.id"], name=op.f("fk_etablissements_choisis_declarant_id_declarants")),
        sa.PrimaryKeyConstraint("declarant_id", "siret", name=op.f("pk_etablissements_choisis")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_etablissements_choisis_chosen_at", "etablissements_choisis", ["chosen_at"])


def downgrade() -> None:
    op.drop_table("etablissements_choisis")
