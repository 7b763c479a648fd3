"""Controls of inscriptions, the registers they read, and the operators of the desk.

Revision 0009, after 0008. Runs while the code of the revision before still runs.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0009"
down_revision: str | Sequence[str] | None = "0008"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

Instant = sa.DateTime(timezone=True).with_variant(sa.INTEGER(), "sqlite")
Json = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
Big = sa.BigInteger().with_variant(sa.INTEGER(), "sqlite")


def closed(name: str, *values: str) -> sa.Enum:
    """Text that is one of these values."""
    return sa.Enum(*values, name=name, native_enum=False, length=30, create_constraint=True)


def upgrade() -> None:
    op.create_table(
        "controles",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("declarant_id", sa.Integer(), nullable=False),
        sa.Column("siret", Big, nullable=False),
        sa.Column("moment", closed("moment", "inscription", "declaration"), nullable=False),
        sa.Column("verdict", closed("verdict", "pass", "warn", "manual", "block"), nullable=False),
        sa.Column("motifs", sa.String(length=200), nullable=False),
        sa.Column("findings", Json, nullable=False),
        sa.Column("profil", sa.String(length=30), nullable=False),
        sa.Column("services", Json, nullable=False),
        sa.Column("examined_at", Instant, nullable=False),
        sa.Column("decided_at", Instant, nullable=True),
        sa.Column("decided_by", sa.String(length=120), nullable=True),
        sa.Column("decision", sa.String(length=20), nullable=True),
        sa.Column("reason", sa.String(length=1000), nullable=True),
        sa.CheckConstraint("decided_at is null or decision is not null", name=op.f("ck_controles_decided_with_a_decision")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_controles")),
    )
    op.create_index("ix_controles_declarant_id", "controles", ["declarant_id"])
    op.create_table(
        "controle_listes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("sens", closed("sens", "autorise", "interdit", "representant"), nullable=False),
        sa.Column("nature", closed("nature", "siret", "siren", "domaine", "email", "tous"), nullable=False),
        sa.Column("valeur", sa.String(length=254), nullable=False),
        sa.Column("service", sa.String(length=40), nullable=False),
        sa.Column("motif", sa.String(length=300), nullable=False),
        sa.Column("proprietaire", sa.String(length=120), nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("expires_at", Instant, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_controle_listes")),
    )
    op.create_index("uq_controle_listes_line", "controle_listes", ["sens", "nature", "valeur", "service"], unique=True)
    op.create_index("ix_controle_listes_valeur", "controle_listes", ["valeur"])
    op.create_table(
        "liens_declares",
        sa.Column("siret_declarant", Big, nullable=False),
        sa.Column("siret_declare", Big, nullable=False),
        sa.Column("dernier_mois", sa.String(length=7), nullable=False),
        sa.Column("imported_at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("siret_declarant", "siret_declare", name=op.f("pk_liens_declares")),
    )
    op.create_index("ix_liens_declares_siret_declare", "liens_declares", ["siret_declare"])
    op.create_table(
        "tableau_ordre",
        sa.Column("numero", sa.String(length=20), nullable=False),
        sa.Column("nom", sa.String(length=200), nullable=False),
        sa.Column("siren", Big, nullable=False),
        sa.Column("imported_at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("numero", name=op.f("pk_tableau_ordre")),
    )
    op.create_index("ix_tableau_ordre_siren", "tableau_ordre", ["siren"])
    op.create_table(
        "representants",
        sa.Column("siren", Big, autoincrement=False, nullable=False),
        sa.Column("nom", sa.String(length=80), nullable=False),
        sa.Column("prenom", sa.String(length=80), nullable=False),
        sa.Column("qualite", sa.String(length=120), nullable=False),
        sa.Column("imported_at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("siren", "nom", "prenom", name=op.f("pk_representants")),
    )
    op.create_table(
        "operateurs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("nom", sa.String(length=80), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("fonctions", Json, nullable=False),
        sa.Column("password_hash", sa.String(length=255), nullable=True),
        sa.Column("pepper_id", sa.String(length=40), nullable=True),
        sa.Column("totp_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("totp_last_step", Big, nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("enrolled_at", Instant, nullable=True),
        sa.Column("seen_at", Instant, nullable=True),
        sa.Column("disabled_at", Instant, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operateurs")),
        sa.UniqueConstraint("email", name=op.f("uq_operateurs_email")),
        sa.UniqueConstraint("nom", name=op.f("uq_operateurs_nom")),
    )


def downgrade() -> None:
    for table in ("operateurs", "representants", "tableau_ordre", "liens_declares", "controle_listes", "controles"):
        op.drop_table(table)
