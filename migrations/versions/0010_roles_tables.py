"""Candidacies, keys by post, invitations, and rights entrusted until an invitation is accepted.

Revision 0010, after 0009. Runs while the code of the revision before still runs.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0010"
down_revision: str | Sequence[str] | None = "0009"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

Instant = sa.DateTime(timezone=True).with_variant(sa.INTEGER(), "sqlite")
BigInt = sa.BigInteger().with_variant(sa.INTEGER(), "sqlite")
MASKS = ("declarer", "payer", "consulter", "telecharger_officiel")


def _enum(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=30)


def upgrade() -> None:
    op.create_table(
        "candidatures",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("reference", sa.String(length=40), nullable=False),
        sa.Column("declarant_id", sa.Integer(), nullable=False),
        sa.Column("siret", BigInt, nullable=False),
        sa.Column("opened_at", Instant, nullable=False),
        sa.Column("expires_at", Instant, nullable=False),
        sa.Column("warned", sa.Integer(), nullable=False),
        sa.Column("decision", _enum("decision", "accord", "refus", "cle", "expiration"), nullable=True),
        sa.Column("decided_at", Instant, nullable=True),
        sa.Column("decided_by", sa.Integer(), nullable=True),
        sa.Column("replaced_id", sa.Integer(), nullable=True),
        sa.Column("proof", sa.String(length=200), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_candidatures")),
        sa.UniqueConstraint("reference", name=op.f("uq_candidatures_reference")),
        sa.UniqueConstraint("declarant_id", name=op.f("uq_candidatures_declarant_id")),
    )
    op.create_index("ix_candidatures_expires_at", "candidatures", ["decided_at", "expires_at"])
    op.create_table(
        "activation_keys",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("declarant_id", sa.Integer(), nullable=False),
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("asked_at", Instant, nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("spent_at", Instant, nullable=True),
        sa.ForeignKeyConstraint(
            ["declarant_id"], ["declarants.id"], name=op.f("fk_activation_keys_declarant_id_declarants"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_activation_keys")),
    )
    op.create_index("ix_activation_keys_declarant_id", "activation_keys", ["declarant_id"])
    _invitations()
    op.create_table(
        "droits_confies",
        sa.Column("invitation_id", sa.Integer(), nullable=False),
        sa.Column("source", BigInt, nullable=False),
        sa.Column("cible", BigInt, nullable=False),
        sa.Column("effective_from", Instant, nullable=False),
        sa.Column("ends_at", Instant, nullable=False),
        *(sa.Column(name, BigInt, nullable=False) for name in MASKS),
        *(sa.Column(f"ajout_{name}", BigInt, nullable=False) for name in MASKS),
        sa.ForeignKeyConstraint(
            ["invitation_id"], ["invitations.id"], name=op.f("fk_droits_confies_invitation_id_invitations"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("invitation_id", "source", "cible", "effective_from", "ends_at", name=op.f("pk_droits_confies")),
    )


def _invitations() -> None:
    references = (("invited_by", "SET NULL"), ("keeper_id", "SET NULL"), ("declarant_id", "SET NULL"))
    op.create_table(
        "invitations",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("reference", sa.String(length=40), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("siret", BigInt, nullable=False),
        sa.Column("nom", sa.String(length=80), nullable=False),
        sa.Column("prenom", sa.String(length=80), nullable=False),
        sa.Column("cle", sa.String(length=200), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("role", _enum("role", "declarant", "administrateur", "administrateur_declarant"), nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=True) for name, _ in references),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("sent_at", Instant, nullable=False),
        sa.Column("expires_at", Instant, nullable=False),
        sa.Column("closed_at", Instant, nullable=True),
        sa.Column("closing", _enum("closing", "acceptee", "annulee", "expiree"), nullable=True),
        *(
            sa.ForeignKeyConstraint([name], ["declarants.id"], name=op.f(f"fk_invitations_{name}_declarants"), ondelete=rule)
            for name, rule in references
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitations")),
        sa.UniqueConstraint("reference", name=op.f("uq_invitations_reference")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_invitations_token_hash")),
    )
    op.create_index("ix_invitations_siret", "invitations", ["siret", "closed_at"])
    op.create_index("ix_invitations_expires_at", "invitations", ["closed_at", "expires_at"])


def downgrade() -> None:
    for table in ("droits_confies", "invitations", "activation_keys", "candidatures"):
        op.drop_table(table)
