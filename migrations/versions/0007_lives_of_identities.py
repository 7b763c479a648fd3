"""What the life of an identity needs: second phone, expiry, last sign-in, one-time links, laid-out mails.

Revision 0007, after 0006. Runs while the code of the revision before still runs.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0007"
down_revision: str | Sequence[str] | None = "0006"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

Instant = sa.DateTime(timezone=True).with_variant(sa.INTEGER(), "sqlite")
Json = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    for column in (
        sa.Column("email_verified_at", Instant, nullable=True),
        sa.Column("mobile", sa.String(length=30), nullable=True),
        sa.Column("expires_at", Instant, nullable=True),
        sa.Column("seen_at", Instant, nullable=True),
    ):
        op.add_column("declarants", column)
    op.add_column("mails", sa.Column("html", sa.Text(), nullable=True))
    op.create_table(
        "one_time_links",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("purpose", sa.String(length=40), nullable=False),
        sa.Column("declarant_id", sa.Integer(), nullable=True),
        sa.Column("address", sa.String(length=254), nullable=True),
        sa.Column("data", Json, nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("expires_at", Instant, nullable=False),
        sa.Column("spent_at", Instant, nullable=True),
        sa.ForeignKeyConstraint(
            ["declarant_id"], ["declarants.id"], name=op.f("fk_one_time_links_declarant_id_declarants"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_one_time_links")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_one_time_links_token_hash")),
    )
    op.create_index("ix_one_time_links_declarant_id", "one_time_links", ["declarant_id"])
    op.create_index("ix_one_time_links_expires_at", "one_time_links", ["expires_at"])


def downgrade() -> None:
    op.drop_table("one_time_links")
    op.drop_column("mails", "html")
    for column in ("seen_at", "expires_at", "mobile", "email_verified_at"):
        op.drop_column("declarants", column)
