"""Rights that follow declarations.

Revision 0014, after 0013. Runs while the code of the revision before still runs.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0014"
down_revision: str | Sequence[str] | None = "0013"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("services", sa.Column("lien_requis", sa.String(length=10), server_default="jamais", nullable=False))
    op.add_column("services", sa.Column("lien_ouvre", sa.String(length=80), server_default="", nullable=False))


def downgrade() -> None:
    for name in ("lien_ouvre", "lien_requis"):
        op.drop_column("services", name)
