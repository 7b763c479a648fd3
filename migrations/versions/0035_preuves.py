"""Proofs of persons by providers above MAG.

Revision 0035, after 0033. Runs while the code of the revision before still runs.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0035"
down_revision: str | Sequence[str] | None = "0033"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

Big = sa.BigInteger().with_variant(sa.INTEGER(), "sqlite")
Instant = sa.DateTime(timezone=True).with_variant(sa.INTEGER(), "sqlite")
LINKED = sa.text("connexion_at is not null")


def upgrade() -> None:
    op.create_table(
        "preuves",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("declarant_id", sa.Integer(), nullable=True),
        sa.Column("inscription_id", sa.Integer(), nullable=True),
        sa.Column("fournisseur", sa.String(length=60), nullable=False),
        sa.Column("nom", sa.String(length=120), nullable=False),
        sa.Column("sujet_hash", sa.String(length=64), nullable=False),
        sa.Column("identite_hash", sa.String(length=64), nullable=False),
        sa.Column("niveau", sa.String(length=120), nullable=False),
        sa.Column("siret", Big, nullable=True),
        sa.Column("dirigeant", sa.Boolean(), nullable=False),
        sa.Column("proved_at", Instant, nullable=False),
        sa.Column("expires_at", Instant, nullable=False),
        sa.Column("connexion_at", Instant, nullable=True),
        sa.CheckConstraint("declarant_id is not null or inscription_id is not null", name=op.f("ck_preuves_of_somebody")),
        sa.ForeignKeyConstraint(["declarant_id"], ["declarants.id"], name=op.f("fk_preuves_declarant_id_declarants"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["inscription_id"], ["inscriptions.id"], name=op.f("fk_preuves_inscription_id_inscriptions"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_preuves")),
    )
    op.create_index("uq_preuves_declarant_id", "preuves", ["declarant_id", "fournisseur"], unique=True)
    op.create_index("uq_preuves_inscription_id", "preuves", ["inscription_id", "fournisseur"], unique=True)
    op.create_index(
        "uq_preuves_connexion", "preuves", ["fournisseur", "sujet_hash"], unique=True, postgresql_where=LINKED, sqlite_where=LINKED
    )
    op.create_index("ix_preuves_expires_at", "preuves", ["expires_at"])


def downgrade() -> None:
    op.drop_table("preuves")
