"""Operations say in French what they did, and are found by who did them, or by the portfolio they changed: for administrators' pages.

Revision 0017, after 0015. Runs while the code of the revision before still runs: the columns may be empty.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0017"
down_revision: str | Sequence[str] | None = "0015"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("operations", sa.Column("resume", sa.String(length=300), nullable=True))
    op.add_column("operations", sa.Column("portefeuille_id", sa.BigInteger().with_variant(sa.INTEGER(), "sqlite"), nullable=True))
    op.create_index("ix_operations_by_id", "operations", ["by_id", "id"])
    op.create_index("ix_operations_portefeuille_id", "operations", ["portefeuille_id", "id"])


def downgrade() -> None:
    op.drop_index("ix_operations_portefeuille_id", table_name="operations")
    op.drop_index("ix_operations_by_id", table_name="operations")
    op.drop_column("operations", "portefeuille_id")
    op.drop_column("operations", "resume")
