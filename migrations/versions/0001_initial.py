"""Every table of the first release.

Revision 0001, after nothing. Runs while the code of the revision before still runs.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0001"
down_revision: str | Sequence[str] | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "audit_events",
        sa.Column("id", sa.BigInteger().with_variant(sa.INTEGER(), "sqlite"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True).with_variant(sa.INTEGER(), "sqlite"), nullable=False),
        sa.Column("kind", sa.String(length=60), nullable=False),
        sa.Column("outcome", sa.String(length=10), nullable=False),
        sa.Column("declarant_id", sa.Integer(), nullable=True),
        sa.Column("client_id", sa.String(length=100), nullable=True),
        sa.Column("siret", sa.BigInteger().with_variant(sa.INTEGER(), "sqlite"), nullable=True),
        sa.Column("actor", sa.String(length=120), nullable=True),
        sa.Column("address", sa.String(length=45), nullable=True),
        sa.Column("request_id", sa.String(length=40), nullable=True),
        sa.Column("details", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_events")),
    )
    with op.batch_alter_table("audit_events", schema=None) as batch_op:
        batch_op.create_index("ix_audit_events_declarant_id", ["declarant_id", "id"], unique=False)
        batch_op.create_index("ix_audit_events_kind", ["kind", "id"], unique=False)

    op.create_table(
        "declarants",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uid", sa.String(length=40), nullable=False),
        sa.Column("siret", sa.BigInteger().with_variant(sa.INTEGER(), "sqlite"), nullable=False),
        sa.Column("nom", sa.String(length=80), nullable=False),
        sa.Column("prenom", sa.String(length=80), nullable=False),
        sa.Column("cle", sa.String(length=200), nullable=False),
        sa.Column(
            "statut",
            sa.Enum("actif", "primo", "candidat", "suspendu", "radie", name="statut", native_enum=False, create_constraint=True, length=30),
            nullable=False,
        ),
        sa.Column(
            "role",
            sa.Enum(
                "declarant", "administrateur", "administrateur_declarant", name="role", native_enum=False, create_constraint=True, length=30
            ),
            nullable=False,
        ),
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column("email_verified", sa.Boolean(), nullable=False),
        sa.Column("telephone", sa.String(length=30), nullable=True),
        sa.Column("fonction", sa.String(length=120), nullable=True),
        sa.Column("service_interne", sa.String(length=120), nullable=True),
        sa.Column("password_hash", sa.String(length=255), nullable=True),
        sa.Column("pepper_id", sa.String(length=40), nullable=True),
        sa.Column("password_changed_at", sa.DateTime(timezone=True).with_variant(sa.INTEGER(), "sqlite"), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("epoque", sa.Integer(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True).with_variant(sa.INTEGER(), "sqlite"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True).with_variant(sa.INTEGER(), "sqlite"), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True).with_variant(sa.INTEGER(), "sqlite"), nullable=True),
        sa.CheckConstraint("length(cle) between 3 and 200", name=op.f("ck_declarants_cle_is_folded")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_declarants")),
        sa.UniqueConstraint("uid", name=op.f("uq_declarants_uid")),
    )
    with op.batch_alter_table("declarants", schema=None) as batch_op:
        batch_op.create_index("uq_declarants_siret_cle", ["siret", "cle"], unique=True)

    op.create_table(
        "entreprises",
        sa.Column("siren", sa.BigInteger().with_variant(sa.INTEGER(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("nic_siege", sa.Integer(), nullable=True),
        sa.Column("categorie_juridique", sa.String(length=4), nullable=True),
        sa.Column("etat", sa.String(length=1), nullable=False),
        sa.Column("statut_diffusion", sa.String(length=1), nullable=False),
        sa.Column("categorie_entreprise", sa.String(length=3), nullable=True),
        sa.Column("tranche_effectifs", sa.String(length=2), nullable=True),
        sa.Column("activite_principale", sa.String(length=6), nullable=True),
        sa.Column("cree_le", sa.Date(), nullable=True),
        sa.Column("mis_a_jour", sa.Date(), nullable=True),
        sa.Column("denomination", sa.String(), nullable=True),
        sa.Column("sigle", sa.String(), nullable=True),
        sa.Column("nom", sa.String(), nullable=True),
        sa.Column("prenom", sa.String(), nullable=True),
        sa.CheckConstraint("etat in ('A', 'C')", name=op.f("ck_entreprises_etat_is_known")),
        sa.CheckConstraint("statut_diffusion in ('O', 'P')", name=op.f("ck_entreprises_statut_diffusion_is_known")),
        sa.CheckConstraint("nic_siege between 0 and 99999", name=op.f("ck_entreprises_nic_has_5_digits")),
        sa.CheckConstraint("siren between 10000 and 999999999", name=op.f("ck_entreprises_siren_has_9_digits")),
        sa.PrimaryKeyConstraint("siren", name=op.f("pk_entreprises")),
    )
    op.create_table(
        "ephemeres",
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("proof", sa.String(length=100), nullable=False),
        sa.Column("guard_1", sa.String(length=200), nullable=False),
        sa.Column("guard_2", sa.String(length=200), nullable=False),
        sa.Column("number", sa.BigInteger().with_variant(sa.INTEGER(), "sqlite"), nullable=False),
        sa.Column("expires_at", sa.BigInteger().with_variant(sa.INTEGER(), "sqlite"), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_ephemeres")),
    )
    with op.batch_alter_table("ephemeres", schema=None) as batch_op:
        batch_op.create_index("ix_ephemeres_expires_at", ["expires_at"], unique=False)

    op.create_table(
        "etablissements",
        sa.Column("siret", sa.BigInteger().with_variant(sa.INTEGER(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("actif", sa.Boolean(), nullable=False),
        sa.Column("siege", sa.Boolean(), nullable=False),
        sa.Column("statut_diffusion", sa.String(length=1), nullable=False),
        sa.Column("activite_principale", sa.String(length=6), nullable=True),
        sa.Column("tranche_effectifs", sa.String(length=2), nullable=True),
        sa.Column("cree_le", sa.Date(), nullable=True),
        sa.Column("mis_a_jour", sa.Date(), nullable=True),
        sa.Column("enseigne", sa.String(), nullable=True),
        sa.Column("denomination_usuelle", sa.String(), nullable=True),
        sa.Column("complement", sa.String(), nullable=True),
        sa.Column("voie", sa.String(), nullable=True),
        sa.Column("distribution", sa.String(), nullable=True),
        sa.Column("code_postal", sa.String(length=5), nullable=True),
        sa.Column("commune", sa.String(), nullable=True),
        sa.Column("code_commune", sa.String(length=5), nullable=True),
        sa.Column("cedex", sa.String(), nullable=True),
        sa.Column("code_pays", sa.String(length=5), nullable=True),
        sa.Column("pays", sa.String(), nullable=True),
        sa.CheckConstraint("statut_diffusion in ('O', 'P')", name=op.f("ck_etablissements_statut_diffusion_is_known")),
        sa.CheckConstraint("siret between 1000000000 and 99999999999999", name=op.f("ck_etablissements_siret_has_14_digits")),
        sa.PrimaryKeyConstraint("siret", name=op.f("pk_etablissements")),
    )
    op.create_table(
        "imports_rcd",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("genre", sa.String(length=20), nullable=False),
        sa.Column("fichier", sa.String(), nullable=False),
        sa.Column("taille", sa.BigInteger().with_variant(sa.INTEGER(), "sqlite"), nullable=False),
        sa.Column("position", sa.BigInteger().with_variant(sa.INTEGER(), "sqlite"), nullable=False),
        sa.Column("ligne", sa.BigInteger().with_variant(sa.INTEGER(), "sqlite"), nullable=False),
        sa.Column("controle", sa.BigInteger().with_variant(sa.INTEGER(), "sqlite"), nullable=False),
        sa.Column("lues", sa.BigInteger().with_variant(sa.INTEGER(), "sqlite"), nullable=False),
        sa.Column("ecrites", sa.BigInteger().with_variant(sa.INTEGER(), "sqlite"), nullable=False),
        sa.Column("refusees", sa.BigInteger().with_variant(sa.INTEGER(), "sqlite"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True).with_variant(sa.INTEGER(), "sqlite"), nullable=False),
        sa.Column("advanced_at", sa.DateTime(timezone=True).with_variant(sa.INTEGER(), "sqlite"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True).with_variant(sa.INTEGER(), "sqlite"), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_imports_rcd")),
    )
    op.create_table(
        "mails",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=60), nullable=False),
        sa.Column("recipient", sa.String(length=254), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("declarant_id", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True).with_variant(sa.INTEGER(), "sqlite"), nullable=False),
        sa.Column("next_try_at", sa.DateTime(timezone=True).with_variant(sa.INTEGER(), "sqlite"), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True).with_variant(sa.INTEGER(), "sqlite"), nullable=True),
        sa.Column("failure", sa.String(length=200), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mails")),
    )
    with op.batch_alter_table("mails", schema=None) as batch_op:
        batch_op.create_index("ix_mails_next_try_at", ["next_try_at"], unique=False)

    op.create_table(
        "partenaires",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(length=60), nullable=False),
        sa.Column("nom", sa.String(length=120), nullable=False),
        sa.Column("contact", sa.String(length=254), nullable=True),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True).with_variant(sa.INTEGER(), "sqlite"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_partenaires")),
        sa.UniqueConstraint("code", name=op.f("uq_partenaires_code")),
    )
    op.create_table(
        "portefeuilles",
        sa.Column("id", sa.BigInteger().with_variant(sa.INTEGER(), "sqlite"), nullable=False),
        sa.Column("siren", sa.BigInteger().with_variant(sa.INTEGER(), "sqlite"), nullable=False),
        sa.Column("nom", sa.String(length=120), nullable=False),
        sa.Column("epoque", sa.BigInteger().with_variant(sa.INTEGER(), "sqlite"), nullable=False),
        sa.Column("clients", sa.Integer(), nullable=False),
        sa.Column("declarer", sa.BigInteger().with_variant(sa.INTEGER(), "sqlite"), nullable=False),
        sa.Column("payer", sa.BigInteger().with_variant(sa.INTEGER(), "sqlite"), nullable=False),
        sa.Column("consulter", sa.BigInteger().with_variant(sa.INTEGER(), "sqlite"), nullable=False),
        sa.Column("telecharger_officiel", sa.BigInteger().with_variant(sa.INTEGER(), "sqlite"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_portefeuilles")),
    )
    with op.batch_alter_table("portefeuilles", schema=None) as batch_op:
        batch_op.create_index("ix_portefeuilles_siren", ["siren"], unique=False)

    op.create_table(
        "sealed_secrets",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_sealed_secrets")),
    )
    op.create_table(
        "services",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("bit", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.Column("libelle", sa.String(length=120), nullable=False),
        sa.Column("grain", sa.Enum("siret", "siren", name="grain", native_enum=False, create_constraint=True, length=30), nullable=False),
        sa.Column("declarer", sa.Boolean(), nullable=False),
        sa.Column("payer", sa.Boolean(), nullable=False),
        sa.Column("consulter", sa.Boolean(), nullable=False),
        sa.Column("telecharger_officiel", sa.Boolean(), nullable=False),
        sa.Column("opening_delay", sa.Integer(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.CheckConstraint("bit between 0 and 62", name=op.f("ck_services_bit_fits_mask")),
        sa.CheckConstraint("opening_delay >= 0", name=op.f("ck_services_opening_delay_is_positive")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_services")),
        sa.UniqueConstraint("bit", name=op.f("uq_services_bit")),
        sa.UniqueConstraint("code", name=op.f("uq_services_code")),
    )
    op.create_table(
        "signing_keys",
        sa.Column("kid", sa.String(length=64), nullable=False),
        sa.Column("alg", sa.String(length=10), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("public_jwk", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("private_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True).with_variant(sa.INTEGER(), "sqlite"), nullable=False),
        sa.Column("activated_at", sa.DateTime(timezone=True).with_variant(sa.INTEGER(), "sqlite"), nullable=True),
        sa.Column("retired_at", sa.DateTime(timezone=True).with_variant(sa.INTEGER(), "sqlite"), nullable=True),
        sa.PrimaryKeyConstraint("kid", name=op.f("pk_signing_keys")),
    )
    with op.batch_alter_table("signing_keys", schema=None) as batch_op:
        batch_op.create_index(
            "uq_signing_keys_active",
            ["alg"],
            unique=True,
            postgresql_where=sa.text("state = 'active'"),
            sqlite_where=sa.text("state = 'active'"),
        )
        batch_op.create_index(
            "uq_signing_keys_next", ["alg"], unique=True, postgresql_where=sa.text("state = 'next'"), sqlite_where=sa.text("state = 'next'")
        )

    op.create_table(
        "versions",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("number", sa.BigInteger().with_variant(sa.INTEGER(), "sqlite"), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_versions")),
    )
    op.create_table(
        "clients",
        sa.Column("client_id", sa.String(length=100), nullable=False),
        sa.Column("partenaire_id", sa.Integer(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("client_metadata", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True).with_variant(sa.INTEGER(), "sqlite"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True).with_variant(sa.INTEGER(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(["partenaire_id"], ["partenaires.id"], name=op.f("fk_clients_partenaire_id_partenaires")),
        sa.PrimaryKeyConstraint("client_id", name=op.f("pk_clients")),
    )
    with op.batch_alter_table("clients", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_clients_partenaire_id"), ["partenaire_id"], unique=False)

    op.create_table(
        "consents",
        sa.Column("declarant_id", sa.Integer(), nullable=False),
        sa.Column("client_id", sa.String(length=100), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("given_at", sa.DateTime(timezone=True).with_variant(sa.INTEGER(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(["declarant_id"], ["declarants.id"], name=op.f("fk_consents_declarant_id_declarants")),
        sa.PrimaryKeyConstraint("declarant_id", "client_id", name=op.f("pk_consents")),
    )
    op.create_table(
        "operations",
        sa.Column("id", sa.BigInteger().with_variant(sa.INTEGER(), "sqlite"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True).with_variant(sa.INTEGER(), "sqlite"), nullable=False),
        sa.Column("by_id", sa.Integer(), nullable=True),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(["by_id"], ["declarants.id"], name=op.f("fk_operations_by_id_declarants")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operations")),
    )
    op.create_table(
        "refresh_families",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("client_id", sa.String(length=100), nullable=False),
        sa.Column("declarant_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("sid", sa.String(length=32), nullable=False),
        sa.Column("offline", sa.Boolean(), nullable=False),
        sa.Column("context", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("current_hash", sa.String(length=64), nullable=False),
        sa.Column("previous_hash", sa.String(length=64), nullable=True),
        sa.Column("successor_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("rotated_at", sa.DateTime(timezone=True).with_variant(sa.INTEGER(), "sqlite"), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True).with_variant(sa.INTEGER(), "sqlite"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True).with_variant(sa.INTEGER(), "sqlite"), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True).with_variant(sa.INTEGER(), "sqlite"), nullable=True),
        sa.Column("closed_reason", sa.String(length=30), nullable=True),
        sa.ForeignKeyConstraint(["declarant_id"], ["declarants.id"], name=op.f("fk_refresh_families_declarant_id_declarants")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refresh_families")),
    )
    with op.batch_alter_table("refresh_families", schema=None) as batch_op:
        batch_op.create_index("ix_refresh_families_declarant_id", ["declarant_id"], unique=False)
        batch_op.create_index("ix_refresh_families_expires_at", ["expires_at"], unique=False)
        batch_op.create_index("ix_refresh_families_sid", ["sid"], unique=False)

    op.create_table(
        "refus_rcd",
        sa.Column("import_id", sa.Integer(), nullable=False),
        sa.Column("ligne", sa.BigInteger().with_variant(sa.INTEGER(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("motif", sa.String(length=300), nullable=False),
        sa.ForeignKeyConstraint(["import_id"], ["imports_rcd.id"], name=op.f("fk_refus_rcd_import_id_imports_rcd"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("import_id", "ligne", name=op.f("pk_refus_rcd")),
    )
    op.create_table(
        "service_acces",
        sa.Column("service_id", sa.Integer(), nullable=False),
        sa.Column(
            "droit",
            sa.Enum(
                "declarer", "payer", "consulter", "telecharger_officiel", name="droit", native_enum=False, create_constraint=True, length=30
            ),
            nullable=False,
        ),
        sa.Column("declarer", sa.BigInteger().with_variant(sa.INTEGER(), "sqlite"), nullable=False),
        sa.Column("payer", sa.BigInteger().with_variant(sa.INTEGER(), "sqlite"), nullable=False),
        sa.Column("consulter", sa.BigInteger().with_variant(sa.INTEGER(), "sqlite"), nullable=False),
        sa.Column("telecharger_officiel", sa.BigInteger().with_variant(sa.INTEGER(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(["service_id"], ["services.id"], name=op.f("fk_service_acces_service_id_services")),
        sa.PrimaryKeyConstraint("service_id", "droit", name=op.f("pk_service_acces")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "service_heritages",
        sa.Column("service_id", sa.Integer(), nullable=False),
        sa.Column(
            "droit",
            sa.Enum(
                "declarer", "payer", "consulter", "telecharger_officiel", name="droit", native_enum=False, create_constraint=True, length=30
            ),
            nullable=False,
        ),
        sa.Column("source_id", sa.Integer(), nullable=False),
        sa.Column(
            "droit_source",
            sa.Enum(
                "declarer",
                "payer",
                "consulter",
                "telecharger_officiel",
                name="droit_source",
                native_enum=False,
                create_constraint=True,
                length=30,
            ),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(["service_id"], ["services.id"], name=op.f("fk_service_heritages_service_id_services")),
        sa.ForeignKeyConstraint(["source_id"], ["services.id"], name=op.f("fk_service_heritages_source_id_services")),
        sa.PrimaryKeyConstraint("service_id", "droit", "source_id", "droit_source", name=op.f("pk_service_heritages")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "client_secrets",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("client_id", sa.String(length=100), nullable=False),
        sa.Column("secret_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True).with_variant(sa.INTEGER(), "sqlite"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True).with_variant(sa.INTEGER(), "sqlite"), nullable=True),
        sa.ForeignKeyConstraint(["client_id"], ["clients.client_id"], name=op.f("fk_client_secrets_client_id_clients")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_client_secrets")),
        sa.UniqueConstraint("secret_hash", name=op.f("uq_client_secrets_secret_hash")),
    )
    with op.batch_alter_table("client_secrets", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_client_secrets_client_id"), ["client_id"], unique=False)

    op.create_table(
        "droits",
        sa.Column("declarant_id", sa.Integer(), nullable=False),
        sa.Column("cible", sa.BigInteger().with_variant(sa.INTEGER(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("operation_id", sa.BigInteger().with_variant(sa.INTEGER(), "sqlite"), nullable=False),
        sa.Column("declarer", sa.BigInteger().with_variant(sa.INTEGER(), "sqlite"), nullable=False),
        sa.Column("payer", sa.BigInteger().with_variant(sa.INTEGER(), "sqlite"), nullable=False),
        sa.Column("consulter", sa.BigInteger().with_variant(sa.INTEGER(), "sqlite"), nullable=False),
        sa.Column("telecharger_officiel", sa.BigInteger().with_variant(sa.INTEGER(), "sqlite"), nullable=False),
        sa.Column("effective_from", sa.DateTime(timezone=True).with_variant(sa.INTEGER(), "sqlite"), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True).with_variant(sa.INTEGER(), "sqlite"), nullable=False),
        sa.CheckConstraint("cible between 10000 and 99999999999999", name=op.f("ck_droits_cible_is_siren_or_siret")),
        sa.ForeignKeyConstraint(["declarant_id"], ["declarants.id"], name=op.f("fk_droits_declarant_id_declarants")),
        sa.ForeignKeyConstraint(["operation_id"], ["operations.id"], name=op.f("fk_droits_operation_id_operations")),
        sa.PrimaryKeyConstraint("declarant_id", "cible", "effective_from", "ends_at", name=op.f("pk_droits")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("droits", schema=None) as batch_op:
        batch_op.create_index("ix_droits_cible", ["cible", "declarant_id"], unique=False)

    op.create_table(
        "exclusions",
        sa.Column("declarant_id", sa.Integer(), nullable=False),
        sa.Column("cible", sa.BigInteger().with_variant(sa.INTEGER(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("operation_id", sa.BigInteger().with_variant(sa.INTEGER(), "sqlite"), nullable=False),
        sa.Column("declarer", sa.BigInteger().with_variant(sa.INTEGER(), "sqlite"), nullable=False),
        sa.Column("payer", sa.BigInteger().with_variant(sa.INTEGER(), "sqlite"), nullable=False),
        sa.Column("consulter", sa.BigInteger().with_variant(sa.INTEGER(), "sqlite"), nullable=False),
        sa.Column("telecharger_officiel", sa.BigInteger().with_variant(sa.INTEGER(), "sqlite"), nullable=False),
        sa.CheckConstraint("cible between 10000 and 99999999999999", name=op.f("ck_exclusions_cible_is_siren_or_siret")),
        sa.ForeignKeyConstraint(["declarant_id"], ["declarants.id"], name=op.f("fk_exclusions_declarant_id_declarants")),
        sa.ForeignKeyConstraint(["operation_id"], ["operations.id"], name=op.f("fk_exclusions_operation_id_operations")),
        sa.PrimaryKeyConstraint("declarant_id", "cible", name=op.f("pk_exclusions")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "portefeuille_clients",
        sa.Column("portefeuille_id", sa.BigInteger().with_variant(sa.INTEGER(), "sqlite"), nullable=False),
        sa.Column("cible", sa.BigInteger().with_variant(sa.INTEGER(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("operation_id", sa.BigInteger().with_variant(sa.INTEGER(), "sqlite"), nullable=False),
        sa.Column("declarer", sa.BigInteger().with_variant(sa.INTEGER(), "sqlite"), nullable=False),
        sa.Column("payer", sa.BigInteger().with_variant(sa.INTEGER(), "sqlite"), nullable=False),
        sa.Column("consulter", sa.BigInteger().with_variant(sa.INTEGER(), "sqlite"), nullable=False),
        sa.Column("telecharger_officiel", sa.BigInteger().with_variant(sa.INTEGER(), "sqlite"), nullable=False),
        sa.Column("effective_from", sa.DateTime(timezone=True).with_variant(sa.INTEGER(), "sqlite"), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True).with_variant(sa.INTEGER(), "sqlite"), nullable=False),
        sa.CheckConstraint("cible between 10000 and 99999999999999", name=op.f("ck_portefeuille_clients_cible_is_siren_or_siret")),
        sa.ForeignKeyConstraint(["operation_id"], ["operations.id"], name=op.f("fk_portefeuille_clients_operation_id_operations")),
        sa.ForeignKeyConstraint(
            ["portefeuille_id"], ["portefeuilles.id"], name=op.f("fk_portefeuille_clients_portefeuille_id_portefeuilles")
        ),
        sa.PrimaryKeyConstraint("portefeuille_id", "cible", "effective_from", "ends_at", name=op.f("pk_portefeuille_clients")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("portefeuille_clients", schema=None) as batch_op:
        batch_op.create_index("ix_portefeuille_clients_cible", ["cible", "portefeuille_id"], unique=False)

    op.create_table(
        "portefeuille_membres",
        sa.Column("declarant_id", sa.Integer(), nullable=False),
        sa.Column("portefeuille_id", sa.BigInteger().with_variant(sa.INTEGER(), "sqlite"), nullable=False),
        sa.Column("operation_id", sa.BigInteger().with_variant(sa.INTEGER(), "sqlite"), nullable=False),
        sa.Column("declarer", sa.BigInteger().with_variant(sa.INTEGER(), "sqlite"), nullable=False),
        sa.Column("payer", sa.BigInteger().with_variant(sa.INTEGER(), "sqlite"), nullable=False),
        sa.Column("consulter", sa.BigInteger().with_variant(sa.INTEGER(), "sqlite"), nullable=False),
        sa.Column("telecharger_officiel", sa.BigInteger().with_variant(sa.INTEGER(), "sqlite"), nullable=False),
        sa.Column("effective_from", sa.DateTime(timezone=True).with_variant(sa.INTEGER(), "sqlite"), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True).with_variant(sa.INTEGER(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(["declarant_id"], ["declarants.id"], name=op.f("fk_portefeuille_membres_declarant_id_declarants")),
        sa.ForeignKeyConstraint(["operation_id"], ["operations.id"], name=op.f("fk_portefeuille_membres_operation_id_operations")),
        sa.ForeignKeyConstraint(
            ["portefeuille_id"], ["portefeuilles.id"], name=op.f("fk_portefeuille_membres_portefeuille_id_portefeuilles")
        ),
        sa.PrimaryKeyConstraint("declarant_id", "portefeuille_id", name=op.f("pk_portefeuille_membres")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("portefeuille_membres", schema=None) as batch_op:
        batch_op.create_index("ix_portefeuille_membres_portefeuille_id", ["portefeuille_id", "declarant_id"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("portefeuille_membres", schema=None) as batch_op:
        batch_op.drop_index("ix_portefeuille_membres_portefeuille_id")

    op.drop_table("portefeuille_membres")
    with op.batch_alter_table("portefeuille_clients", schema=None) as batch_op:
        batch_op.drop_index("ix_portefeuille_clients_cible")

    op.drop_table("portefeuille_clients")
    op.drop_table("exclusions")
    with op.batch_alter_table("droits", schema=None) as batch_op:
        batch_op.drop_index("ix_droits_cible")

    op.drop_table("droits")
    with op.batch_alter_table("client_secrets", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_client_secrets_client_id"))

    op.drop_table("client_secrets")
    op.drop_table("service_heritages")
    op.drop_table("service_acces")
    op.drop_table("refus_rcd")
    with op.batch_alter_table("refresh_families", schema=None) as batch_op:
        batch_op.drop_index("ix_refresh_families_sid")
        batch_op.drop_index("ix_refresh_families_expires_at")
        batch_op.drop_index("ix_refresh_families_declarant_id")

    op.drop_table("refresh_families")
    op.drop_table("operations")
    op.drop_table("consents")
    with op.batch_alter_table("clients", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_clients_partenaire_id"))

    op.drop_table("clients")
    op.drop_table("versions")
    with op.batch_alter_table("signing_keys", schema=None) as batch_op:
        batch_op.drop_index("uq_signing_keys_next", postgresql_where=sa.text("state = 'next'"), sqlite_where=sa.text("state = 'next'"))
        batch_op.drop_index(
            "uq_signing_keys_active", postgresql_where=sa.text("state = 'active'"), sqlite_where=sa.text("state = 'active'")
        )

    op.drop_table("signing_keys")
    op.drop_table("services")
    op.drop_table("sealed_secrets")
    with op.batch_alter_table("portefeuilles", schema=None) as batch_op:
        batch_op.drop_index("ix_portefeuilles_siren")

    op.drop_table("portefeuilles")
    op.drop_table("partenaires")
    with op.batch_alter_table("mails", schema=None) as batch_op:
        batch_op.drop_index("ix_mails_next_try_at")

    op.drop_table("mails")
    op.drop_table("imports_rcd")
    op.drop_table("etablissements")
    with op.batch_alter_table("ephemeres", schema=None) as batch_op:
        batch_op.drop_index("ix_ephemeres_expires_at")

    op.drop_table("ephemeres")
    op.drop_table("entreprises")
    with op.batch_alter_table("declarants", schema=None) as batch_op:
        batch_op.drop_index("uq_declarants_siret_cle")

    op.drop_table("declarants")
    with op.batch_alter_table("audit_events", schema=None) as batch_op:
        batch_op.drop_index("ix_audit_events_kind")
        batch_op.drop_index("ix_audit_events_declarant_id")

    op.drop_table("audit_events")
