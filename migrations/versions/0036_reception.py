"""Security events that others send: transmitters, events received, whoever must sign in by two factors.

Revision 0036, after 0038. Runs while the code of the revision before still runs.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0036"
down_revision: str | Sequence[str] | None = "0038"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

Instant = sa.DateTime(timezone=True).with_variant(sa.INTEGER(), "sqlite")
Json = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.add_column("declarants", sa.Column("renforcer_at", Instant, nullable=True))
    op.create_table(
        "emetteurs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(60), nullable=False),
        sa.Column("nom", sa.String(120), nullable=False),
        sa.Column("partenaire", sa.String(60), nullable=True),
        sa.Column("fournisseur", sa.String(60), nullable=True),
        sa.Column("issuer", sa.String(300), nullable=False),
        sa.Column("audience", sa.String(300), nullable=False),
        sa.Column("jwks_uri", sa.String(1000), nullable=True),
        sa.Column("jwks", Json, nullable=True),
        sa.Column("secret_hash", sa.String(64), nullable=True),
        sa.Column("releve_url", sa.String(1000), nullable=True),
        sa.Column("autorisation_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("flux", sa.String(200), nullable=True),
        sa.Column("essai_url", sa.String(1000), nullable=True),
        sa.Column("essai_etat", sa.String(64), nullable=True),
        sa.Column("verified_at", Instant, nullable=True),
        sa.Column("sujets", Json, nullable=False),
        sa.Column("politique", Json, nullable=False),
        sa.Column("plafond_heure", sa.Integer(), nullable=False),
        sa.Column("plafond_jour", sa.Integer(), nullable=False),
        sa.Column("alerte_at", Instant, nullable=True),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("heard_at", Instant, nullable=True),
        sa.Column("updated_at", Instant, nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("next_try_at", Instant, nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("sent_at", Instant, nullable=True),
        sa.Column("failure", sa.String(200), nullable=True),
        sa.CheckConstraint("(partenaire is null) <> (fournisseur is null)", name=op.f("ck_emetteurs_of_one")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_emetteurs")),
        sa.UniqueConstraint("code", name=op.f("uq_emetteurs_code")),
        sa.UniqueConstraint("issuer", name=op.f("uq_emetteurs_issuer")),
    )
    op.create_index("ix_emetteurs_next_try_at", "emetteurs", ["next_try_at"])
    op.create_table(
        "signaux_recus",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("emetteur_id", sa.Integer(), nullable=False),
        sa.Column("jti", sa.String(255), nullable=True),
        sa.Column("kind", sa.String(300), nullable=False),
        sa.Column("declarant_id", sa.Integer(), nullable=True),
        sa.Column("effet", sa.String(12), nullable=False),
        sa.Column("motif", sa.String(200), nullable=False),
        sa.Column("details", Json, nullable=False),
        sa.Column("occurred_at", Instant, nullable=True),
        sa.Column("received_at", Instant, nullable=False),
        sa.ForeignKeyConstraint(["emetteur_id"], ["emetteurs.id"], name=op.f("fk_signaux_recus_emetteur_id_emetteurs"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["declarant_id"], ["declarants.id"], name=op.f("fk_signaux_recus_declarant_id_declarants"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signaux_recus")),
    )
    op.create_index("uq_signaux_recus_jti", "signaux_recus", ["emetteur_id", "jti"], unique=True)
    op.create_index("ix_signaux_recus_emetteur_id", "signaux_recus", ["emetteur_id", "received_at"])
    op.create_index("ix_signaux_recus_declarant_id", "signaux_recus", ["declarant_id"])
    op.create_index("ix_signaux_recus_received_at", "signaux_recus", ["received_at"])


def downgrade() -> None:
    op.drop_table("signaux_recus")
    op.drop_table("emetteurs")
    op.drop_column("declarants", "renforcer_at")
