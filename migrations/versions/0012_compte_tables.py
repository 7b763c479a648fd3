"""Recoveries: requests that others settle, and secret questions.

Revision 0012, after 0011. Runs while the code of the revision before still runs.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0012"
down_revision: str | Sequence[str] | None = "0011"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

Instant = sa.DateTime(timezone=True).with_variant(sa.INTEGER(), "sqlite")
Json = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
BigInt = sa.BigInteger().with_variant(sa.INTEGER(), "sqlite")
VOIES = ("courriel", "administrateur", "assistance", "question")
ETAPES = ("ouvert", "propose", "confirme", "remis", "fini", "refuse", "annule")


def upgrade() -> None:
    op.create_table(
        "recours",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("declarant_id", sa.Integer(), nullable=True),
        sa.Column("siret", BigInt, nullable=False),
        sa.Column("voie", sa.Enum(*VOIES, name="voie", native_enum=False, create_constraint=True, length=30), nullable=False),
        sa.Column("etape", sa.Enum(*ETAPES, name="etape", native_enum=False, create_constraint=True, length=30), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("address", sa.String(length=254), nullable=True),
        sa.Column("telephone", sa.String(length=30), nullable=True),
        sa.Column("answered", sa.Boolean(), nullable=False),
        sa.Column("asked_at", Instant, nullable=False),
        sa.Column("expires_at", Instant, nullable=False),
        sa.Column("proposed_by", sa.String(length=120), nullable=True),
        sa.Column("proposed_at", Instant, nullable=True),
        sa.Column("checks", Json, nullable=False),
        sa.Column("agreed_by", sa.String(length=120), nullable=True),
        sa.Column("agreed_at", Instant, nullable=True),
        sa.Column("ready_at", Instant, nullable=True),
        sa.Column("code_hash", sa.String(length=64), nullable=True),
        sa.Column("code_expires_at", Instant, nullable=True),
        sa.Column("closed_at", Instant, nullable=True),
        sa.ForeignKeyConstraint(["declarant_id"], ["declarants.id"], name=op.f("fk_recours_declarant_id_declarants"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recours")),
    )
    op.create_index("ix_recours_declarant_id", "recours", ["declarant_id"])
    op.create_index("ix_recours_siret_etape", "recours", ["siret", "etape"])
    op.create_index("ix_recours_etape_ready_at", "recours", ["etape", "ready_at"])
    op.create_table(
        "secret_questions",
        sa.Column("declarant_id", sa.Integer(), nullable=False),
        sa.Column("text", sa.String(length=200), nullable=False),
        sa.Column("answer_hash", sa.String(length=255), nullable=False),
        sa.Column("pepper_id", sa.String(length=40), nullable=False),
        sa.Column("set_at", Instant, nullable=False),
        sa.ForeignKeyConstraint(
            ["declarant_id"], ["declarants.id"], name=op.f("fk_secret_questions_declarant_id_declarants"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("declarant_id", name=op.f("pk_secret_questions")),
    )


def downgrade() -> None:
    op.drop_table("secret_questions")
    op.drop_table("recours")
