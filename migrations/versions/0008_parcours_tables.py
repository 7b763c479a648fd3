"""Inscriptions in progress, agreements to the terms of use, consents, profiles of establishments, receipts; which services are proposed.

Revision 0008, after 0007. Runs while the code of the revision before still runs.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0008"
down_revision: str | Sequence[str] | None = "0007"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

Instant = sa.DateTime(timezone=True).with_variant(sa.INTEGER(), "sqlite")
Json = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
SIRET = sa.BigInteger().with_variant(sa.INTEGER(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "profils_etablissement",
        sa.Column("siret", SIRET, autoincrement=False, nullable=False),
        sa.Column(
            "profil",
            sa.Enum(
                "entreprise",
                "entreprise_et_clients",
                "independant",
                "independant_employeur",
                name="profil",
                native_enum=False,
                create_constraint=True,
                length=30,
            ),
            nullable=False,
        ),
        sa.Column(
            "secteur",
            sa.Enum(
                "prive", "public", "agricole", "btp", "associatif", name="secteur", native_enum=False, create_constraint=True, length=30
            ),
            nullable=False,
        ),
        sa.Column("changed_at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("siret", name=op.f("pk_profils_etablissement")),
    )
    op.create_table(
        "conditions_acceptees",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("declarant_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.String(length=20), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("accepted_at", Instant, nullable=False),
        sa.ForeignKeyConstraint(
            ["declarant_id"], ["declarants.id"], name=op.f("fk_conditions_acceptees_declarant_id_declarants"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conditions_acceptees")),
    )
    op.create_index("ix_conditions_acceptees_declarant_id", "conditions_acceptees", ["declarant_id"], unique=False)
    op.create_table(
        "consentements_information",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("declarant_id", sa.Integer(), nullable=False),
        sa.Column("given", sa.Boolean(), nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.ForeignKeyConstraint(
            ["declarant_id"], ["declarants.id"], name=op.f("fk_consentements_information_declarant_id_declarants"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consentements_information")),
    )
    op.create_index("ix_consentements_information_declarant_id", "consentements_information", ["declarant_id"], unique=False)
    op.create_table(
        "inscriptions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("reference_hash", sa.String(length=64), nullable=False),
        sa.Column("autre_reference_hash", sa.String(length=64), nullable=True),
        sa.Column("siret", SIRET, nullable=False),
        sa.Column("etablissement_at", Instant, nullable=True),
        sa.Column("nom", sa.String(length=80), nullable=True),
        sa.Column("prenom", sa.String(length=80), nullable=True),
        sa.Column("telephone", sa.String(length=30), nullable=True),
        sa.Column("mobile", sa.String(length=30), nullable=True),
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column("conditions_version", sa.String(length=20), nullable=True),
        sa.Column("conditions_sha256", sa.String(length=64), nullable=True),
        sa.Column("conditions_at", Instant, nullable=True),
        sa.Column("information", sa.Boolean(), nullable=False),
        sa.Column(
            "profil",
            sa.Enum(
                "entreprise",
                "entreprise_et_clients",
                "independant",
                "independant_employeur",
                name="profil",
                native_enum=False,
                create_constraint=True,
                length=30,
            ),
            nullable=True,
        ),
        sa.Column(
            "secteur",
            sa.Enum(
                "prive", "public", "agricole", "btp", "associatif", name="secteur", native_enum=False, create_constraint=True, length=30
            ),
            nullable=True,
        ),
        sa.Column("services", Json, nullable=True),
        sa.Column("password_hash", sa.String(length=255), nullable=True),
        sa.Column("pepper_id", sa.String(length=40), nullable=True),
        sa.Column("submitted_at", Instant, nullable=True),
        sa.Column("mails", sa.Integer(), nullable=False),
        sa.Column("confirmed_at", Instant, nullable=True),
        sa.Column("issue", sa.String(length=20), nullable=True),
        sa.Column("declarant_id", sa.Integer(), nullable=True),
        sa.Column("demande", sa.Text(), nullable=True),
        sa.Column("navigateur", sa.String(length=64), nullable=True),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("expires_at", Instant, nullable=False),
        sa.ForeignKeyConstraint(
            ["declarant_id"], ["declarants.id"], name=op.f("fk_inscriptions_declarant_id_declarants"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inscriptions")),
        sa.UniqueConstraint("autre_reference_hash", name=op.f("uq_inscriptions_autre_reference_hash")),
        sa.UniqueConstraint("reference_hash", name=op.f("uq_inscriptions_reference_hash")),
    )
    op.create_index("ix_inscriptions_expires_at", "inscriptions", ["expires_at"], unique=False)
    op.create_table(
        "recus_inscription",
        sa.Column("declarant_id", sa.Integer(), nullable=False),
        sa.Column("claims", Json, nullable=False),
        sa.Column("jws", sa.Text(), nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.ForeignKeyConstraint(
            ["declarant_id"], ["declarants.id"], name=op.f("fk_recus_inscription_declarant_id_declarants"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("declarant_id", name=op.f("pk_recus_inscription")),
    )
    op.create_table(
        "services_choisis",
        sa.Column("declarant_id", sa.Integer(), nullable=False),
        sa.Column("services", Json, nullable=False),
        sa.Column(
            "profil",
            sa.Enum(
                "entreprise",
                "entreprise_et_clients",
                "independant",
                "independant_employeur",
                name="profil",
                native_enum=False,
                create_constraint=True,
                length=30,
            ),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["declarant_id"], ["declarants.id"], name=op.f("fk_services_choisis_declarant_id_declarants"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("declarant_id", name=op.f("pk_services_choisis")),
    )
    op.add_column("services", sa.Column("profils", sa.String(length=200), server_default="", nullable=False))


def downgrade() -> None:
    op.drop_column("services", "profils")
    op.drop_table("services_choisis")
    op.drop_table("recus_inscription")
    op.drop_index("ix_inscriptions_expires_at", table_name="inscriptions")
    op.drop_table("inscriptions")
    op.drop_index("ix_consentements_information_declarant_id", table_name="consentements_information")
    op.drop_table("consentements_information")
    op.drop_index("ix_conditions_acceptees_declarant_id", table_name="conditions_acceptees")
    op.drop_table("conditions_acceptees")
    op.drop_table("profils_etablissement")
