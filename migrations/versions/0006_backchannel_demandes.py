"""What partners ask people through the backchannel (CIBA), and addresses by which they may name them.

Revision 0006, after 0005. Runs while the code of the revision before still runs.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0006"
down_revision: str | Sequence[str] | None = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

Instant = sa.DateTime(timezone=True).with_variant(sa.INTEGER(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "backchannel_demandes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("declarant_id", sa.Integer(), nullable=True),
        sa.Column("client_id", sa.String(length=100), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("message", sa.String(length=64), nullable=False),
        sa.Column("asked_at", Instant, nullable=False),
        sa.Column("expires_at", Instant, nullable=False),
        sa.Column("answered_at", Instant, nullable=True),
        sa.ForeignKeyConstraint(["declarant_id"], ["declarants.id"], name=op.f("fk_backchannel_demandes_declarant_id_declarants")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_backchannel_demandes")),
    )
    op.create_index("ix_backchannel_demandes_declarant_id", "backchannel_demandes", ["declarant_id"])
    op.create_index("ix_backchannel_demandes_expires_at", "backchannel_demandes", ["expires_at"])
    op.create_index("ix_declarants_email", "declarants", ["email"])


def downgrade() -> None:
    op.drop_index("ix_declarants_email", "declarants")
    op.drop_table("backchannel_demandes")
