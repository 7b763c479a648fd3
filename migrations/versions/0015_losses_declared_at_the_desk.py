"""Which operator declared a second factor lost: another one must agree.

Revision 0015, after 0014. Runs while the code of the revision before still runs: the column is empty for what the person asked.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0015"
down_revision: str | Sequence[str] | None = "0014"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("factor_losses", sa.Column("asked_by", sa.String(length=120), nullable=True))


def downgrade() -> None:
    op.drop_column("factor_losses", "asked_by")
