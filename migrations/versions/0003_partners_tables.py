"""Clients that register themselves: initial access tokens, software publishers, ends of clients; secrets kept sealed for client_secret_jwt.

Revision 0003, after 0002. Runs while the code of the revision before still runs.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0003"
down_revision: str | Sequence[str] | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

Instant = sa.DateTime(timezone=True).with_variant(sa.INTEGER(), "sqlite")
Json = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.add_column("clients", sa.Column("expires_at", Instant, nullable=True))
    op.add_column("client_secrets", sa.Column("secret_sealed", sa.LargeBinary(), nullable=True))
    op.create_table(
        "client_registrations",
        sa.Column("client_id", sa.String(length=100), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("origin", sa.String(length=20), nullable=False),
        sa.Column("terms", Json, nullable=False),
        sa.Column("statement", Json, nullable=True),
        sa.ForeignKeyConstraint(["client_id"], ["clients.client_id"], name=op.f("fk_client_registrations_client_id_clients")),
        sa.PrimaryKeyConstraint("client_id", name=op.f("pk_client_registrations")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_client_registrations_token_hash")),
    )
    op.create_table(
        "initial_access_tokens",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("partenaire_id", sa.Integer(), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("terms", Json, nullable=False),
        sa.Column("uses_left", sa.Integer(), nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("expires_at", Instant, nullable=False),
        sa.ForeignKeyConstraint(["partenaire_id"], ["partenaires.id"], name=op.f("fk_initial_access_tokens_partenaire_id_partenaires")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_initial_access_tokens")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_initial_access_tokens_token_hash")),
    )
    op.create_index(op.f("ix_initial_access_tokens_partenaire_id"), "initial_access_tokens", ["partenaire_id"])
    op.create_table(
        "software_publishers",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("partenaire_id", sa.Integer(), nullable=False),
        sa.Column("iss", sa.String(length=300), nullable=False),
        sa.Column("alg", sa.String(length=10), nullable=False),
        sa.Column("jwks", Json, nullable=False),
        sa.Column("terms", Json, nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.ForeignKeyConstraint(["partenaire_id"], ["partenaires.id"], name=op.f("fk_software_publishers_partenaire_id_partenaires")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_software_publishers")),
        sa.UniqueConstraint("iss", name=op.f("uq_software_publishers_iss")),
    )
    op.create_index(op.f("ix_software_publishers_partenaire_id"), "software_publishers", ["partenaire_id"])


def downgrade() -> None:
    op.drop_table("software_publishers")
    op.drop_table("initial_access_tokens")
    op.drop_table("client_registrations")
    with op.batch_alter_table("client_secrets") as batch_op:
        batch_op.drop_column("secret_sealed")
    with op.batch_alter_table("clients") as batch_op:
        batch_op.drop_column("expires_at")
