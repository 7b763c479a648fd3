"""Agreements between bodies, evidence of the tokens made under them, suspicious behaviours that they tell one another.

Revision 0032, after 0034. Runs while the code of the revision before still runs.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0032"
down_revision: str | Sequence[str] | None = "0034"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

Big = sa.BigInteger().with_variant(sa.INTEGER(), "sqlite")
Instant = sa.DateTime(timezone=True).with_variant(sa.INTEGER(), "sqlite")
Json = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
REFUSE = "traces is append-only"


def upgrade() -> None:
    op.create_table(
        "conventions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(length=60), nullable=False),
        sa.Column("client_id", sa.Integer(), nullable=False),
        sa.Column("fournisseur_id", sa.Integer(), nullable=False),
        sa.Column("du", sa.Date(), nullable=False),
        sa.Column("au", sa.Date(), nullable=False),
        sa.Column("termes", Json, nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("updated_at", Instant, nullable=False),
        sa.Column("ceased_at", Instant, nullable=True),
        sa.CheckConstraint("au >= du", name=op.f("ck_conventions_ends_after_it_begins")),
        sa.ForeignKeyConstraint(["client_id"], ["partenaires.id"], name=op.f("fk_conventions_client_id_partenaires")),
        sa.ForeignKeyConstraint(["fournisseur_id"], ["partenaires.id"], name=op.f("fk_conventions_fournisseur_id_partenaires")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conventions")),
        sa.UniqueConstraint("code", name=op.f("uq_conventions_code")),
    )
    op.create_table(
        "traces_chaines",
        sa.Column("nom", sa.String(length=60), nullable=False),
        sa.Column("rang", Big, nullable=False),
        sa.Column("empreinte", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("nom", name=op.f("pk_traces_chaines")),
    )
    op.create_table(
        "traces",
        sa.Column("id", Big, nullable=False),
        sa.Column("chaine", sa.String(length=60), nullable=False),
        sa.Column("rang", Big, nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.Column("nature", sa.String(length=20), nullable=False),
        sa.Column("vecteur", sa.String(length=64), nullable=False),
        sa.Column("contenu", sa.Text(), nullable=False),
        sa.Column("precedent", sa.String(length=64), nullable=False),
        sa.Column("empreinte", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_traces")),
        sa.UniqueConstraint("chaine", "rang", name=op.f("uq_traces_chaine_rang")),
    )
    op.create_index("ix_traces_vecteur", "traces", ["vecteur", "id"])
    op.create_table(
        "comportements_suspects",
        sa.Column("id", sa.String(length=22), nullable=False),
        sa.Column("sens", sa.String(length=10), nullable=False),
        sa.Column("convention", sa.String(length=60), nullable=False),
        sa.Column("partenaire_id", sa.Integer(), nullable=False),
        sa.Column("vecteur", sa.String(length=64), nullable=False),
        sa.Column("declarant_id", sa.Integer(), nullable=True),
        sa.Column("motif", sa.String(length=30), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("reference", sa.String(length=80), nullable=True),
        sa.Column("declared_at", Instant, nullable=False),
        sa.Column("declared_by", sa.String(length=120), nullable=False),
        sa.Column("reaction", sa.String(length=20), nullable=False),
        sa.Column("delivered_at", Instant, nullable=True),
        sa.Column("seen_at", Instant, nullable=True),
        sa.Column("seen_by", sa.String(length=120), nullable=True),
        sa.ForeignKeyConstraint(["partenaire_id"], ["partenaires.id"], name=op.f("fk_comportements_suspects_partenaire_id_partenaires")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_comportements_suspects")),
    )
    op.create_index("ix_comportements_suspects_declared_at", "comportements_suspects", ["declared_at", "id"])
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"""
            CREATE FUNCTION traces_refuse() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION '{REFUSE}'; END $$
        """)
        op.execute("""
            CREATE TRIGGER traces_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON traces
            FOR EACH STATEMENT EXECUTE FUNCTION traces_refuse()
        """)
        return
    for verb in ("UPDATE", "DELETE"):
        op.execute(f"""
            CREATE TRIGGER traces_no_{verb.lower()} BEFORE {verb} ON traces
            BEGIN SELECT RAISE(ABORT, '{REFUSE}'); END
        """)


def downgrade() -> None:
    for table in ("comportements_suspects", "traces", "traces_chaines", "conventions"):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION traces_refuse()")
