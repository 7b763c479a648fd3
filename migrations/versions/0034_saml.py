"""SAML 2.0: keys that sign responses, service providers, who took part in sessions.

Revision 0034, after 0035. Runs while the code of the revision before still runs.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0034"
down_revision: str | Sequence[str] | None = "0035"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

Instant = sa.DateTime(timezone=True).with_variant(sa.INTEGER(), "sqlite")
Json = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "saml_keys",
        sa.Column("kid", sa.String(64), nullable=False),
        sa.Column("alg", sa.String(10), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("certificate", sa.LargeBinary(), nullable=False),
        sa.Column("private_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("expires_at", Instant, nullable=False),
        sa.Column("activated_at", Instant, nullable=True),
        sa.Column("retired_at", Instant, nullable=True),
        sa.PrimaryKeyConstraint("kid", name=op.f("pk_saml_keys")),
    )
    for state in ("active", "next"):
        where = sa.text(f"state = '{state}'")
        op.create_index(f"uq_saml_keys_{state}", "saml_keys", ["alg"], unique=True, postgresql_where=where, sqlite_where=where)
    op.create_table(
        "service_providers",
        sa.Column("code", sa.String(60), nullable=False),
        sa.Column("entity_id", sa.String(1024), nullable=False),
        sa.Column("partenaire_id", sa.Integer(), nullable=False),
        sa.Column("nom", sa.String(120), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("described", Json, nullable=False),
        sa.Column("choices", Json, nullable=False),
        sa.Column("source_url", sa.String(1000), nullable=True),
        sa.Column("pinned", sa.LargeBinary(), nullable=True),
        sa.Column("valid_until", Instant, nullable=True),
        sa.Column("read_at", Instant, nullable=False),
        sa.Column("warned_until", Instant, nullable=True),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("updated_at", Instant, nullable=False),
        sa.ForeignKeyConstraint(["partenaire_id"], ["partenaires.id"], name=op.f("fk_service_providers_partenaire_id_partenaires")),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_service_providers")),
        sa.UniqueConstraint("entity_id", name=op.f("uq_service_providers_entity_id")),
    )
    op.create_index(op.f("ix_service_providers_partenaire_id"), "service_providers", ["partenaire_id"])
    op.create_table(
        "saml_participations",
        sa.Column("sid", sa.String(32), nullable=False),
        sa.Column("client_id", sa.String(100), nullable=False),
        sa.Column("declarant_id", sa.Integer(), nullable=False),
        sa.Column("name_id", sa.String(256), nullable=False),
        sa.Column("name_id_format", sa.String(60), nullable=False),
        sa.Column("opened_at", Instant, nullable=False),
        sa.Column("expires_at", Instant, nullable=False),
        sa.ForeignKeyConstraint(["declarant_id"], ["declarants.id"], name=op.f("fk_saml_participations_declarant_id_declarants")),
        sa.PrimaryKeyConstraint("sid", "client_id", name=op.f("pk_saml_participations")),
    )
    for column in ("declarant_id", "expires_at"):
        op.create_index(op.f(f"ix_saml_participations_{column}"), "saml_participations", [column])


def downgrade() -> None:
    op.drop_table("saml_participations")
    op.drop_table("service_providers")
    op.drop_table("saml_keys")
