"""Signed links that partners make.

Revision 0024, after 0022. Runs while the code of the revision before still runs.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0024"
down_revision: str | Sequence[str] | None = "0022"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

Big = sa.BigInteger().with_variant(sa.INTEGER(), "sqlite")
Instant = sa.DateTime(timezone=True).with_variant(sa.INTEGER(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "acces_liens",
        sa.Column("id", sa.String(length=22), nullable=False),
        sa.Column("partenaire_id", sa.Integer(), nullable=False),
        sa.Column("client_id", sa.String(length=100), nullable=False),
        sa.Column("ressource", sa.Text(), nullable=False),
        sa.Column("siret", Big, nullable=True),
        sa.Column("sub", sa.String(length=255), nullable=True),
        sa.Column("libelle", sa.String(length=80), nullable=True),
        sa.Column("usage_unique", sa.Boolean(), nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("expires_at", Instant, nullable=False),
        sa.Column("revoked_at", Instant, nullable=True),
        sa.Column("used_at", Instant, nullable=True),
        sa.Column("used_by", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["partenaire_id"], ["partenaires.id"], name=op.f("fk_acces_liens_partenaire_id_partenaires")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_acces_liens")),
    )
    op.create_index("ix_acces_liens_partenaire_id", "acces_liens", ["partenaire_id", "created_at", "id"])
    op.create_index("ix_acces_liens_expires_at", "acces_liens", ["expires_at"])


def downgrade() -> None:
    op.drop_table("acces_liens")
