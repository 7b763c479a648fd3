"""Second factors: authenticator applications, passkeys, recovery codes, factors said lost, policies, known devices.

Revision 0011, after 0010. Runs while the code of the revision before still runs.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0011"
down_revision: str | Sequence[str] | None = "0010"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

Instant = sa.DateTime(timezone=True).with_variant(sa.INTEGER(), "sqlite")
Json = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
BigInt = sa.BigInteger().with_variant(sa.INTEGER(), "sqlite")
TABLES = ("known_devices", "factor_losses", "factor_policies", "passkey_identities", "passkeys", "recovery_codes", "totp_credentials")


def upgrade() -> None:
    op.create_table(
        "factor_policies",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "tous",
                "role",
                "service",
                "droit",
                "partenaire",
                name="factor_policy_kind",
                native_enum=False,
                create_constraint=True,
                length=30,
            ),
            nullable=False,
        ),
        sa.Column("value", sa.String(length=100), nullable=False),
        sa.Column("grace_days", sa.Integer(), nullable=False),
        sa.Column("max_age", sa.Integer(), nullable=True),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("created_by", sa.String(length=120), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_factor_policies")),
        sa.UniqueConstraint("kind", "value", name="uq_factor_policies_kind_value"),
    )
    op.create_table(
        "passkeys",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("credential_id", sa.String(length=1400), nullable=False),
        sa.Column("user_handle", sa.String(length=100), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", BigInt, nullable=False),
        sa.Column("transports", sa.String(length=100), nullable=False),
        sa.Column("discoverable", sa.Boolean(), nullable=False),
        sa.Column("backup_eligible", sa.Boolean(), nullable=False),
        sa.Column("backed_up", sa.Boolean(), nullable=False),
        sa.Column("aaguid", sa.String(length=36), nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("used_at", Instant, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_passkeys")),
        sa.UniqueConstraint("credential_id", name=op.f("uq_passkeys_credential_id")),
    )
    op.create_table(
        "factor_losses",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("declarant_id", sa.Integer(), nullable=False),
        sa.Column("asked_at", Instant, nullable=False),
        sa.Column("effective_at", Instant, nullable=False),
        sa.Column("expires_at", Instant, nullable=False),
        sa.Column("needs_agreement", sa.Boolean(), nullable=False),
        sa.Column("agreed_at", Instant, nullable=True),
        sa.Column("agreed_by", sa.String(length=120), nullable=True),
        sa.Column("told_at", Instant, nullable=False),
        sa.Column("closed_at", Instant, nullable=True),
        sa.ForeignKeyConstraint(
            ["declarant_id"], ["declarants.id"], name=op.f("fk_factor_losses_declarant_id_declarants"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_factor_losses")),
    )
    op.create_index("ix_factor_losses_declarant_id", "factor_losses", ["declarant_id"], unique=False)
    op.create_index("ix_factor_losses_told_at", "factor_losses", ["told_at"], unique=False)
    op.create_table(
        "known_devices",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("declarant_id", sa.Integer(), nullable=False),
        sa.Column("device_hash", sa.String(length=64), nullable=False),
        sa.Column("label", sa.String(length=80), nullable=False),
        sa.Column("network", sa.String(length=60), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("seen_at", Instant, nullable=False),
        sa.ForeignKeyConstraint(
            ["declarant_id"], ["declarants.id"], name=op.f("fk_known_devices_declarant_id_declarants"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_known_devices")),
        sa.UniqueConstraint("declarant_id", "device_hash", name="uq_known_devices_declarant_id_device_hash"),
    )
    op.create_table(
        "passkey_identities",
        sa.Column("passkey_id", sa.Integer(), nullable=False),
        sa.Column("declarant_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("added_at", Instant, nullable=False),
        sa.ForeignKeyConstraint(
            ["declarant_id"], ["declarants.id"], name=op.f("fk_passkey_identities_declarant_id_declarants"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["passkey_id"], ["passkeys.id"], name=op.f("fk_passkey_identities_passkey_id_passkeys"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("passkey_id", "declarant_id", name=op.f("pk_passkey_identities")),
    )
    op.create_index("ix_passkey_identities_declarant_id", "passkey_identities", ["declarant_id"], unique=False)
    op.create_table(
        "recovery_codes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("declarant_id", sa.Integer(), nullable=False),
        sa.Column("code_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("used_at", Instant, nullable=True),
        sa.ForeignKeyConstraint(
            ["declarant_id"], ["declarants.id"], name=op.f("fk_recovery_codes_declarant_id_declarants"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recovery_codes")),
        sa.UniqueConstraint("declarant_id", "code_hash", name="uq_recovery_codes_declarant_id_code_hash"),
    )
    op.create_table(
        "totp_credentials",
        sa.Column("declarant_id", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("last_step", BigInt, nullable=False),
        sa.Column("confirmed_at", Instant, nullable=False),
        sa.Column("used_at", Instant, nullable=True),
        sa.ForeignKeyConstraint(
            ["declarant_id"], ["declarants.id"], name=op.f("fk_totp_credentials_declarant_id_declarants"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("declarant_id", name=op.f("pk_totp_credentials")),
    )
    op.add_column("declarants", sa.Column("second_factor", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("declarants", sa.Column("password_locked_at", Instant, nullable=True))
    op.add_column("declarants", sa.Column("forgotten_devices", Json, nullable=False, server_default="{}"))


def downgrade() -> None:
    for table in TABLES:
        op.drop_table(table)
    for column in ("forgotten_devices", "password_locked_at", "second_factor"):
        op.drop_column("declarants", column)
