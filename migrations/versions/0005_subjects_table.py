"""Subjects that partners knew people by before MAG.

Revision 0005, after 0004. Runs while the code of the revision before still runs.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0005"
down_revision: str | Sequence[str] | None = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "imported_subjects",
        sa.Column("sector", sa.String(length=255), nullable=False),
        sa.Column("uid", sa.String(length=40), nullable=False),
        sa.Column("sub", sa.String(length=255), nullable=False),
        sa.ForeignKeyConstraint(["uid"], ["declarants.uid"], name=op.f("fk_imported_subjects_uid_declarants")),
        sa.PrimaryKeyConstraint("sector", "uid", name=op.f("pk_imported_subjects")),
    )
    op.create_index("uq_imported_subjects_sector_sub", "imported_subjects", ["sector", "sub"], unique=True)


def downgrade() -> None:
    op.drop_table("imported_subjects")
