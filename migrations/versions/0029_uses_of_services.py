"""The last day each service was used for each person, since when that is recorded, and how many rights each operation changed alone.

Revision 0029, after 0027. Runs while the code of the revision before still runs.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision: str = "0029"
down_revision: str | Sequence[str] | None = "0027"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

Big = sa.BigInteger().with_variant(sa.INTEGER(), "sqlite")
Instant = sa.DateTime(timezone=True).with_variant(sa.INTEGER(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "usages",
        sa.Column("declarant_id", sa.Integer(), nullable=False),
        sa.Column("bit", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("jour", sa.Date(), nullable=False),
        sa.ForeignKeyConstraint(["declarant_id"], ["declarants.id"], name=op.f("fk_usages_declarant_id_declarants")),
        sa.PrimaryKeyConstraint("declarant_id", "bit", name=op.f("pk_usages")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_usages_jour", "usages", ["jour"])
    releves = op.create_table(
        "releves",
        sa.Column("nom", sa.String(40), nullable=False),
        sa.Column("depuis", Instant, nullable=False),
        sa.PrimaryKeyConstraint("nom", name=op.f("pk_releves")),
    )
    now = datetime.now(UTC)
    begun = now if op.get_bind().dialect.name == "postgresql" else int(now.timestamp()) * 1_000_000
    op.bulk_insert(releves, [{"nom": "usages", "depuis": begun}])
    op.add_column("operations", sa.Column("droits", Big, nullable=True))
    op.create_index("ix_operations_annule_id", "operations", ["annule_id"])


def downgrade() -> None:
    op.drop_index("ix_operations_annule_id", "operations")
    op.drop_column("operations", "droits")
    op.drop_table("releves")
    op.drop_table("usages")
