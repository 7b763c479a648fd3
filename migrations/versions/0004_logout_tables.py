"""logout_tables

Revision 0004, after 0003. Runs while the code of the revision before still runs.
"""

from collections.abc import Sequence

revision: str = "0004"
down_revision: str | Sequence[str] | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None: ...


def downgrade() -> None: ...
