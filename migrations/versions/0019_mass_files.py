"""Mass files of rights, their lines, and the jobs that servers do of them.

Revision 0019, after 0018. Adds tables only: runs while the code of the revision before still runs.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0019"
down_revision: str | Sequence[str] | None = "0018"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

Instant = sa.DateTime(timezone=True).with_variant(sa.INTEGER(), "sqlite")
Big = sa.BigInteger().with_variant(sa.INTEGER(), "sqlite")
Json = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
STATES = (
    "depose",
    "verifie",
    "a_approuver",
    "a_appliquer",
    "applique",
    "a_annuler",
    "annule",
    "illisible",
    "refuse",
    "expire",
    "abandonne",
    "echec",
)


def choice(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, native_enum=False, length=30, name=name, create_constraint=True)


def upgrade() -> None:
    op.create_table(
        "fichiers_droits",
        sa.Column("id", Big, nullable=False),
        sa.Column("reference", sa.String(length=40), nullable=False),
        sa.Column("depot", sa.String(length=40), nullable=False),
        sa.Column("siret", Big, nullable=False),
        sa.Column("by_id", sa.Integer(), nullable=False),
        sa.Column("nom", sa.String(length=120), nullable=False),
        sa.Column("taille", sa.Integer(), nullable=False),
        sa.Column("etat", choice("etat", *STATES), nullable=False),
        sa.Column("motif", sa.String(length=300), nullable=True),
        sa.Column("bilan", Json, nullable=False),
        sa.Column("empreinte", sa.String(length=64), nullable=True),
        sa.Column("operation_id", Big, nullable=True),
        sa.Column("applied_at", Instant, nullable=True),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("updated_at", Instant, nullable=False),
        sa.Column("expires_at", Instant, nullable=True),
        sa.Column("bureau", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("decided_by", sa.String(length=60), nullable=True),
        sa.Column("decided_at", Instant, nullable=True),
        sa.ForeignKeyConstraint(["by_id"], ["declarants.id"], name=op.f("fk_fichiers_droits_by_id_declarants")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fichiers_droits")),
        sa.UniqueConstraint("reference", name=op.f("uq_fichiers_droits_reference")),
        sa.UniqueConstraint("depot", name=op.f("uq_fichiers_droits_depot")),
    )
    op.create_index("ix_fichiers_droits_siret", "fichiers_droits", ["siret", "id"])
    op.create_index("ix_fichiers_droits_etat", "fichiers_droits", ["etat"])
    op.create_table(
        "fichier_contenus",
        sa.Column("fichier_id", Big, nullable=False),
        sa.Column("contenu", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["fichier_id"], ["fichiers_droits.id"], name=op.f("fk_fichier_contenus_fichier_id_fichiers_droits"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("fichier_id", name=op.f("pk_fichier_contenus")),
    )
    op.create_table(
        "fichier_lignes",
        sa.Column("fichier_id", Big, nullable=False),
        sa.Column("numero", sa.Integer(), nullable=False),
        sa.Column("refusee", sa.Boolean(), nullable=False),
        sa.Column("raison", sa.String(length=400), nullable=True),
        sa.Column("cellules", Json, nullable=True),
        sa.Column("declarant_id", sa.Integer(), nullable=True),
        sa.Column("portefeuille_id", Big, nullable=True),
        sa.Column("cible", Big, nullable=True),
        sa.Column("service", sa.String(length=40), nullable=True),
        sa.Column("avant", sa.String(length=300), nullable=True),
        sa.Column("apres", sa.String(length=300), nullable=True),
        sa.ForeignKeyConstraint(
            ["fichier_id"], ["fichiers_droits.id"], name=op.f("fk_fichier_lignes_fichier_id_fichiers_droits"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("fichier_id", "numero", name=op.f("pk_fichier_lignes")),
    )
    op.create_index("ix_fichier_lignes_refusee", "fichier_lignes", ["fichier_id", "refusee", "numero"])
    op.create_table(
        "travaux_fichiers",
        sa.Column("id", Big, nullable=False),
        sa.Column("fichier_id", Big, nullable=False),
        sa.Column("genre", choice("travail", "verifier", "appliquer", "annuler"), nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("worker", sa.String(length=40), nullable=True),
        sa.Column("leased_until", Instant, nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("faites", sa.Integer(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("ended_at", Instant, nullable=True),
        sa.Column("failure", sa.String(length=200), nullable=True),
        sa.ForeignKeyConstraint(
            ["fichier_id"], ["fichiers_droits.id"], name=op.f("fk_travaux_fichiers_fichier_id_fichiers_droits"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_travaux_fichiers")),
    )
    op.create_index("ix_travaux_fichiers_ended_at", "travaux_fichiers", ["ended_at", "leased_until"])
    op.create_index("ix_travaux_fichiers_fichier_id", "travaux_fichiers", ["fichier_id"])


def downgrade() -> None:
    for table in ("travaux_fichiers", "fichier_lignes", "fichier_contenus", "fichiers_droits"):
        op.drop_table(table)
