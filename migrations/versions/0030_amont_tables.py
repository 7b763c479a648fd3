"""Providers of identity above MAG.

Revision 0030, after 0029. Runs while the code of the revision before still runs.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0030"
down_revision: str | Sequence[str] | None = "0029"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

Instant = sa.DateTime(timezone=True).with_variant(sa.INTEGER(), "sqlite")
Json = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "fournisseurs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(length=60), nullable=False),
        sa.Column("nom", sa.String(length=120), nullable=False),
        sa.Column("profil", sa.String(length=20), nullable=False),
        sa.Column("issuer", sa.String(length=300), nullable=False),
        sa.Column("client_id", sa.String(length=255), nullable=False),
        sa.Column("auth_method", sa.String(length=30), nullable=False),
        sa.Column("secret_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("cles_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("reglages", Json, nullable=False),
        sa.Column("partenaire_id", sa.Integer(), nullable=True),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("updated_at", Instant, nullable=False),
        sa.CheckConstraint("length(code) > 0", name=op.f("ck_fournisseurs_code_is_given")),
        sa.ForeignKeyConstraint(["partenaire_id"], ["partenaires.id"], name=op.f("fk_fournisseurs_partenaire_id_partenaires")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fournisseurs")),
        sa.UniqueConstraint("code", name=op.f("uq_fournisseurs_code")),
        sa.UniqueConstraint("issuer", name=op.f("uq_fournisseurs_issuer")),
    )
    op.create_index(op.f("ix_fournisseurs_partenaire_id"), "fournisseurs", ["partenaire_id"])


def downgrade() -> None:
    op.drop_table("fournisseurs")
