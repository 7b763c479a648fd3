"""Accounts linked between MAG and a partner, identities of one person linked together, charters accepted.

Revision 0031, after 0032. Runs while the code of the revision before still runs.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0031"
down_revision: str | Sequence[str] | None = "0032"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

Instant = sa.DateTime(timezone=True).with_variant(sa.INTEGER(), "sqlite")
OPEN, SINGLE = sa.text("closed_at IS NULL"), sa.text("closed_at IS NULL AND seul")


def upgrade() -> None:
    op.create_table(
        "rattachements",
        sa.Column("id", sa.String(length=22), nullable=False),
        sa.Column("partenaire_id", sa.Integer(), nullable=False),
        sa.Column("declarant_id", sa.Integer(), nullable=False),
        sa.Column("compte", sa.String(length=255), nullable=False),
        sa.Column("libelle", sa.String(length=120), nullable=False),
        sa.Column("origine", sa.String(length=10), nullable=False),
        sa.Column("preuve", sa.String(length=10), nullable=False),
        sa.Column("seul", sa.Boolean(), nullable=False),
        sa.Column("opened_at", Instant, nullable=False),
        sa.Column("closed_at", Instant, nullable=True),
        sa.Column("closed_by", sa.String(length=10), nullable=True),
        sa.Column("used_at", Instant, nullable=True),
        sa.ForeignKeyConstraint(["partenaire_id"], ["partenaires.id"], name=op.f("fk_rattachements_partenaire_id_partenaires")),
        sa.ForeignKeyConstraint(
            ["declarant_id"], ["declarants.id"], name=op.f("fk_rattachements_declarant_id_declarants"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rattachements")),
    )
    op.create_index(
        "uq_rattachements_compte", "rattachements", ["partenaire_id", "compte"], unique=True, postgresql_where=OPEN, sqlite_where=OPEN
    )
    op.create_index(
        "uq_rattachements_declarant",
        "rattachements",
        ["partenaire_id", "declarant_id"],
        unique=True,
        postgresql_where=SINGLE,
        sqlite_where=SINGLE,
    )
    op.create_index("ix_rattachements_declarant_id", "rattachements", ["declarant_id"])
    op.create_index("ix_rattachements_closed_at", "rattachements", ["closed_at"])
    op.create_table(
        "identites_liees",
        sa.Column("declarant_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("groupe", sa.String(length=22), nullable=False),
        sa.Column("linked_at", Instant, nullable=False),
        sa.ForeignKeyConstraint(
            ["declarant_id"], ["declarants.id"], name=op.f("fk_identites_liees_declarant_id_declarants"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("declarant_id", name=op.f("pk_identites_liees")),
    )
    op.create_index("ix_identites_liees_groupe", "identites_liees", ["groupe"])
    op.create_table(
        "chartes_acceptees",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("declarant_id", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(length=20), nullable=False),
        sa.Column("version", sa.String(length=20), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("amr", sa.String(length=100), nullable=False),
        sa.Column("accepted_at", Instant, nullable=False),
        sa.ForeignKeyConstraint(
            ["declarant_id"], ["declarants.id"], name=op.f("fk_chartes_acceptees_declarant_id_declarants"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_chartes_acceptees")),
        sa.UniqueConstraint("declarant_id", "code", "version", name=op.f("uq_chartes_acceptees_declarant_id_code_version")),
    )


def downgrade() -> None:
    op.drop_table("chartes_acceptees")
    op.drop_table("identites_liees")
    op.drop_table("rattachements")
