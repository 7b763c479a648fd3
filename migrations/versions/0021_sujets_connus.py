"""Subjects that partners may ask decisions about.

Revision 0021, after 0019. Runs while the code of the revision before still runs.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0021"
down_revision: str | Sequence[str] | None = "0019"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

Instant = sa.DateTime(timezone=True).with_variant(sa.INTEGER(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "sujets_connus",
        sa.Column("client_id", sa.String(length=100), nullable=False),
        sa.Column("sub", sa.String(length=255), nullable=False),
        sa.Column("lien", sa.String(length=32), nullable=False),
        sa.Column("offline", sa.Boolean(), nullable=False),
        sa.Column("declarant_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("services", sa.Text(), nullable=False),
        sa.Column("expires_at", Instant, nullable=False),
        sa.ForeignKeyConstraint(["declarant_id"], ["declarants.id"], name=op.f("fk_sujets_connus_declarant_id_declarants")),
        sa.PrimaryKeyConstraint("client_id", "sub", "lien", name=op.f("pk_sujets_connus")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_sujets_connus_declarant_id", "sujets_connus", ["declarant_id", "client_id"])
    op.create_index("ix_sujets_connus_lien", "sujets_connus", ["lien"])
    op.create_index("ix_sujets_connus_expires_at", "sujets_connus", ["expires_at"])


def downgrade() -> None:
    op.drop_table("sujets_connus")
