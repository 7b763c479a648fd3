"""What a mass file is: a file, or an act of the pages that a job does.

Revision 0026, after 0024. Adds a column with a default: the pages of the code before still work. Its workers do not: one would read an act
as a spreadsheet, so they are stopped first (docs/exploitation.md). Going back, acts that wait are given up, for the same reason.
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
    op.execute(
        "UPDATE fichiers_droits SET etat = 'abandonne' WHERE genre = 'geste' "
        "AND etat IN ('depose', 'verifie', 'a_approuver', 'a_appliquer', 'refuse', 'expire')"
    )
    op.execute(
        "DELETE FROM travaux_fichiers WHERE ended_at IS NULL "
        "AND fichier_id IN (SELECT id FROM fichiers_droits WHERE genre = 'geste' AND etat = 'abandonne')"
    )
    op.drop_column("fichiers_droits", "genre")
