"""Rights that follow declarations; what rights were, kept by triggers; promotions proposed to administrators.

Revision 0014, after 0013. Runs while the code of the revision before still runs: rows that it changes are kept without an operation
on PostgreSQL, and under the last one on SQLite.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0014"
down_revision: str | Sequence[str] | None = "0013"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

Instant = sa.DateTime(timezone=True).with_variant(sa.INTEGER(), "sqlite")
Big = sa.BigInteger().with_variant(sa.INTEGER(), "sqlite")
MASKS = ("declarer", "payer", "consulter", "telecharger_officiel")
COLUMNS = f"genre, sujet, cible, effective_from, ends_at, {', '.join(MASKS)}, operation_id, closed_by"
TABLES = {
    "droits": ("d", "declarant_id", "cible", True),
    "exclusions": ("x", "declarant_id", "cible", False),
    "portefeuille_clients": ("c", "portefeuille_id", "cible", True),
    "portefeuille_membres": ("m", "declarant_id", "portefeuille_id", True),
    "portefeuilles": ("p", "id", "0", False),
}


def copied(table: str, row: str, closed_by: str) -> str:
    """The values of one closed row."""
    genre, sujet, cible, dated = TABLES[table]
    cells = [f"{row}.{sujet}", "0" if cible == "0" else f"{row}.{cible}"]
    cells += [f"{row}.effective_from", f"{row}.ends_at"] if dated else ["NULL", "NULL"]
    return ", ".join([f"'{genre}'", *cells, *(f"{row}.{mask}" for mask in MASKS), f"{row}.operation_id", closed_by])


def differs() -> str:
    return " OR ".join(f"OLD.{mask} <> NEW.{mask}" for mask in MASKS)


def upgrade() -> None:
    op.add_column("services", sa.Column("lien_requis", sa.String(length=10), server_default="jamais", nullable=False))
    op.add_column("services", sa.Column("lien_ouvre", sa.String(length=80), server_default="", nullable=False))
    op.add_column("operations", sa.Column("annule_id", Big, nullable=True))
    op.add_column("portefeuilles", sa.Column("operation_id", Big, nullable=True))
    op.create_table(
        "sets_clos",
        sa.Column("id", Big, nullable=False),
        sa.Column("genre", sa.String(length=1), nullable=False),
        sa.Column("sujet", Big, nullable=False),
        sa.Column("cible", Big, nullable=False),
        sa.Column("effective_from", Instant, nullable=True),
        sa.Column("ends_at", Instant, nullable=True),
        sa.Column("operation_id", Big, nullable=True),
        sa.Column("closed_by", Big, nullable=True),
        *(sa.Column(mask, Big, nullable=False) for mask in MASKS),
        sa.CheckConstraint("genre in ('d', 'x', 'c', 'm', 'p')", name=op.f("ck_sets_clos_genre_is_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sets_clos")),
    )
    op.create_index("ix_sets_clos_sujet", "sets_clos", ["genre", "sujet", "cible"])
    op.create_index("ix_sets_clos_cible", "sets_clos", ["cible", "genre"])
    op.create_index("ix_sets_clos_closed_by", "sets_clos", ["closed_by"])
    op.create_table(
        "promotions_proposees",
        sa.Column("declarant_id", sa.Integer(), nullable=False),
        sa.Column("siren", Big, nullable=False),
        sa.Column("etablissements", sa.Integer(), nullable=False),
        sa.Column("operation_id", Big, nullable=False),
        sa.Column("proposed_at", Instant, nullable=False),
        sa.Column("decided_at", Instant, nullable=True),
        sa.Column("accepted", sa.Boolean(), nullable=True),
        *(sa.Column(mask, Big, nullable=False) for mask in MASKS),
        sa.ForeignKeyConstraint(["declarant_id"], ["declarants.id"], name=op.f("fk_promotions_proposees_declarant_id_declarants")),
        sa.PrimaryKeyConstraint("declarant_id", "siren", name=op.f("pk_promotions_proposees")),
    )
    op.create_index("ix_promotions_proposees_siren", "promotions_proposees", ["siren"])
    if op.get_bind().dialect.name == "postgresql":
        keep_on_postgresql()
    else:
        keep_on_sqlite()


def keep_on_postgresql() -> None:
    """One copy a statement; for containers, whose other columns change all day, one a row whose masks change."""
    current = "nullif(current_setting('mag.operation', true), '')::bigint"
    for table in TABLES:
        row, source = ("OLD", "") if table == "portefeuilles" else ("closed", " FROM closed")
        op.execute(f"""
            CREATE FUNCTION keep_{table}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            INSERT INTO sets_clos ({COLUMNS}) SELECT {copied(table, row, current)}{source}; RETURN NULL; END $$
        """)
        if table == "portefeuilles":
            op.execute(f"CREATE TRIGGER keep_{table}_update AFTER UPDATE ON {table} FOR EACH ROW WHEN ({differs()}) EXECUTE FUNCTION keep_{table}()")
            continue
        for verb in ("UPDATE", "DELETE"):
            op.execute(f"""
                CREATE TRIGGER keep_{table}_{verb.lower()} AFTER {verb} ON {table}
                REFERENCING OLD TABLE AS closed FOR EACH STATEMENT EXECUTE FUNCTION keep_{table}()
            """)


def keep_on_sqlite() -> None:
    current = "(SELECT max(id) FROM operations)"
    for table in TABLES:
        for verb in ("UPDATE",) if table == "portefeuilles" else ("UPDATE", "DELETE"):
            when = f" WHEN {differs()}" if table == "portefeuilles" else ""
            kept = f"INSERT INTO sets_clos ({COLUMNS}) VALUES ({copied(table, 'OLD', current)})"  # noqa: S608
            op.execute(f"CREATE TRIGGER keep_{table}_{verb.lower()} AFTER {verb} ON {table}{when} BEGIN {kept}; END")


def downgrade() -> None:
    postgresql = op.get_bind().dialect.name == "postgresql"
    for table in TABLES:
        for verb in ("update",) if table == "portefeuilles" else ("update", "delete"):
            op.execute(f"DROP TRIGGER keep_{table}_{verb}" + (f" ON {table}" if postgresql else ""))
        if postgresql:
            op.execute(f"DROP FUNCTION keep_{table}()")
    op.drop_table("promotions_proposees")
    op.drop_table("sets_clos")
    op.drop_column("portefeuilles", "operation_id")
    op.drop_column("operations", "annule_id")
    for name in ("lien_ouvre", "lien_requis"):
        op.drop_column("services", name)
