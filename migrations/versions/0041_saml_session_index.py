"""What a service provider calls a session that was renewed since: it is told of its end by that name.

Revision 0041, after 0036. Runs while the code of the revision before still runs: it leaves the column empty, as nearly every row does.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0041"
down_revision: str | Sequence[str] | None = "0036"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

RENEWED = sa.text("session_index IS NOT NULL")


def upgrade() -> None:
    op.add_column("saml_participations", sa.Column("session_index", sa.String(length=32), nullable=True))
    op.create_index(
        "ix_saml_participations_session_index",
        "saml_participations",
        ["session_index"],
        postgresql_where=RENEWED,
        sqlite_where=RENEWED,
    )


def downgrade() -> None:
    op.drop_index("ix_saml_participations_session_index", "saml_participations")
    op.drop_column("saml_participations", "session_index")
