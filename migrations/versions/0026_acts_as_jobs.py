"""What a mass file is: a file, or an act of the pages that a job does.

Revision 0026, after 0024. Adds a column with a default: runs while the code of the revision before still runs.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0026"
down_revision: str | Sequence[str] | None = "0024"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("fichiers_droits", sa.Column("genre", sa.String(length=10), server_default="fichier", nullable=False))


def downgrade() -> None:
    op.drop_column("fichiers_droits", "genre")
