"""Streams that are being filled with who is known already; suspicious behaviours told by a signal, and closed with a reason.

Revision 0037, after 0031. Runs while the code of the revision before still runs.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0037"
down_revision: str | Sequence[str] | None = "0031"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("signal_streams", sa.Column("filled_to", sa.Integer(), nullable=True))
    op.add_column("comportements_suspects", sa.Column("signal_jti", sa.String(length=32), nullable=True))
    op.add_column("comportements_suspects", sa.Column("conclusion", sa.Text(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("comportements_suspects") as declarations:
        declarations.drop_column("conclusion")
        declarations.drop_column("signal_jti")
    with op.batch_alter_table("signal_streams") as streams:
        streams.drop_column("filled_to")
