"""SCIM: what companies entrust to partners, how partners name people, the subject of whoever is invited.

Revision 0038, after 0040. Runs while the code of the revision before still runs.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0038"
down_revision: str | Sequence[str] | None = "0040"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

Big = sa.BigInteger().with_variant(sa.INTEGER(), "sqlite")
Instant = sa.DateTime(timezone=True).with_variant(sa.INTEGER(), "sqlite")
OPEN = sa.text("closed_at IS NULL")


def upgrade() -> None:
    op.create_table(
        "scim_delegations",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("partenaire_id", sa.Integer(), nullable=False),
        sa.Column("siret", Big, nullable=False),
        sa.Column("opened_at", Instant, nullable=False),
        sa.Column("opened_by", sa.Integer(), nullable=False),
        sa.Column("closed_at", Instant, nullable=True),
        sa.Column("closed_by", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["partenaire_id"], ["partenaires.id"], name=op.f("fk_scim_delegations_partenaire_id_partenaires")),
        sa.ForeignKeyConstraint(["opened_by"], ["declarants.id"], name=op.f("fk_scim_delegations_opened_by_declarants")),
        sa.ForeignKeyConstraint(["closed_by"], ["declarants.id"], name=op.f("fk_scim_delegations_closed_by_declarants")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scim_delegations")),
    )
    op.create_index(
        "uq_scim_delegations_ouverte",
        "scim_delegations",
        ["partenaire_id", "siret"],
        unique=True,
        postgresql_where=OPEN,
        sqlite_where=OPEN,
    )
    op.create_index("ix_scim_delegations_siret", "scim_delegations", ["siret"])
    op.create_table(
        "scim_comptes",
        sa.Column("client_id", sa.String(100), nullable=False),
        sa.Column("sub", sa.String(255), nullable=False),
        sa.Column("uid", sa.String(40), nullable=False),
        sa.Column("external_id", sa.String(255), nullable=True),
        sa.Column("updated_at", Instant, nullable=True),
        sa.ForeignKeyConstraint(["client_id"], ["clients.client_id"], name=op.f("fk_scim_comptes_client_id_clients"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("client_id", "sub", name=op.f("pk_scim_comptes")),
    )
    op.create_index("uq_scim_comptes_uid", "scim_comptes", ["client_id", "uid"], unique=True)
    op.create_index("ix_scim_comptes_uid", "scim_comptes", ["uid"])
    op.add_column("invitations", sa.Column("uid", sa.String(40), nullable=True))
    op.create_index("uq_invitations_uid", "invitations", ["uid"], unique=True)


def downgrade() -> None:
    op.drop_index("uq_invitations_uid", "invitations")
    op.drop_column("invitations", "uid")
    op.drop_table("scim_comptes")
    op.drop_table("scim_delegations")
