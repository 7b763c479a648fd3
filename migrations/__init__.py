"""Schema migrations: the only way a schema comes to be, on PostgreSQL and on SQLite.

Alembic is set up in code, there is no alembic.ini: the address of the database is MAG's own setting. `upgrade` may be run
by several processes at once, and again and again. A migration runs while the old code still runs: expand, deploy, contract.

    from migrations import config, upgrade, downgrade
"""

from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # servers and most commands change no schema, and start without Alembic
    from alembic.config import Config

FOLDER = Path(__file__).parent


def config(database_url: str) -> "Config":
    """Alembic's configuration for one database; give it to `alembic.command` functions."""
    from alembic.config import Config

    found = Config()
    found.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    found.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    found.attributes["database_url"] = database_url
    return found


def upgrade(database_url: str, revision: str = "head") -> None:
    """Bring the schema to `revision`; does nothing when it is already there."""
    from alembic import command

    command.upgrade(config(database_url), revision)


def downgrade(database_url: str, revision: str = "base") -> None:
    """Take the schema back to `revision`. Data of what is removed is lost."""
    from alembic import command

    command.downgrade(config(database_url), revision)


def load_models() -> None:
    """Import every module that declares tables, so that `Model.metadata` is complete."""
    import idp
    import partners

    for name in ("idp.database", "idp.ephemeral", "idp.keys"):
        import_module(name)
    for package in (idp, partners):
        for found in walk_packages(package.__path__, f"{package.__name__}."):
            if found.name.endswith(".models"):
                import_module(found.name)
