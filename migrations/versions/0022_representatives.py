"""Agreements of legal representatives, and where a register says that they are written to.

Revision 0022, after 0021. Runs while the code of the revision before still runs: it reads neither.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0022"
down_revision: str | Sequence[str] | None = "0021"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

Instant = sa.DateTime(timezone=True).with_variant(sa.INTEGER(), "sqlite")
Big = sa.BigInteger().with_variant(sa.INTEGER(), "sqlite")


def upgrade() -> None:
    op.add_column("representants", sa.Column("email", sa.String(length=254), nullable=True))
    op.create_table(
        "accords_representant",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("controle_id", sa.Integer(), nullable=False),
        sa.Column("declarant_id", sa.Integer(), nullable=False),
        sa.Column("siret", Big, nullable=False),
        sa.Column("nom", sa.String(length=80), nullable=False),
        sa.Column("prenom", sa.String(length=80), nullable=False),
        sa.Column("qualite", sa.String(length=120), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("asked_at", Instant, nullable=False),
        sa.Column("asked_by", sa.String(length=120), nullable=True),
        sa.Column("expires_at", Instant, nullable=False),
        sa.Column("answered_at", Instant, nullable=True),
        sa.Column("answer", sa.String(length=10), nullable=True),
        sa.ForeignKeyConstraint(
            ["declarant_id"], ["declarants.id"], name=op.f("fk_accords_representant_declarant_id_declarants"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accords_representant")),
        sa.UniqueConstraint("key_hash", name=op.f("uq_accords_representant_key_hash")),
    )
    op.create_index("ix_accords_representant_controle_id", "accords_representant", ["controle_id"])
    op.create_index("ix_accords_representant_declarant_id", "accords_representant", ["declarant_id"])


def downgrade() -> None:
    op.drop_table("accords_representant")
    op.drop_column("representants", "email")
