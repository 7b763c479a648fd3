"""The schema: made from nothing, undone, made again, and the same as the models say, on both databases."""

import sqlite3
from contextlib import closing
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from idp.database import Model
from migrations import config, downgrade, load_models, upgrade

both_databases = pytest.mark.parametrize("empty_database_url", ["sqlite", "postgresql"], indirect=True)
HOUSEKEEPING = {"alembic_version"}


def engine_of(url: str) -> Any:
    return create_engine(url, poolclass=NullPool)


def revision_of(url: str) -> str | None:
    with engine_of(url).connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def conditions(index: Any) -> list[str]:
    """Of a partial index, and whatever else one database alone knows."""
    return sorted(f"{name}={value}" for name, value in index.get("dialect_options", {}).items())


def portrait(url: str) -> dict[str, Any]:
    """Everything that a database says of its tables, in an order that does not depend on how they were made."""
    inspector = inspect(engine_of(url))
    columns, keys, references = inspector.get_multi_columns(), inspector.get_multi_pk_constraint(), inspector.get_multi_foreign_keys()
    unique, indexes, checks = (
        inspector.get_multi_unique_constraints(),
        inspector.get_multi_indexes(),
        inspector.get_multi_check_constraints(),
    )
    return {
        table[1]: {
            "columns": {c["name"]: (str(c["type"]), c["nullable"], c["default"]) for c in columns[table]},
            "key": keys[table]["constrained_columns"],
            "references": sorted((f["name"], f["constrained_columns"], f["referred_table"], str(f["options"])) for f in references[table]),
            "unique": sorted((u["name"], u["column_names"]) for u in unique[table]),
            "indexes": sorted((i["name"], i["column_names"], bool(i["unique"]), conditions(i)) for i in indexes[table]),
            "checks": sorted((c["name"], c["sqltext"]) for c in checks[table]),
        }
        for table in columns
        if table[1] not in HOUSEKEEPING
    }


def functions_and_triggers(url: str) -> list[str]:
    """What MAG's migrations made beside tables."""
    query = {
        "sqlite": "SELECT name FROM sqlite_master WHERE type IN ('trigger', 'view')",
        "postgresql": "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
        " UNION ALL SELECT tgname FROM pg_trigger WHERE NOT tgisinternal",
    }
    engine = engine_of(url)
    with engine.connect() as connection:
        return sorted(connection.scalars(text(query[engine.dialect.name])))


@both_databases
def test_a_schema_is_made_undone_and_made_again(empty_database_url):
    upgrade(empty_database_url)
    made = portrait(empty_database_url)
    assert "declarants" in made

    downgrade(empty_database_url)
    assert portrait(empty_database_url) == {}
    assert functions_and_triggers(empty_database_url) == []
    assert revision_of(empty_database_url) is None

    upgrade(empty_database_url)
    assert portrait(empty_database_url) == made


@both_databases
def test_each_migration_can_be_undone_alone(empty_database_url):
    script = ScriptDirectory.from_config(config(empty_database_url))
    before: dict[str, Any] = {}
    for revision in reversed(list(script.walk_revisions())):
        upgrade(empty_database_url, revision.revision)
        downgrade(empty_database_url, "-1")
        assert portrait(empty_database_url) == before, f"{revision.revision} leaves something behind"
        upgrade(empty_database_url, revision.revision)
        before = portrait(empty_database_url)


@both_databases
def test_an_upgrade_run_twice_changes_nothing(empty_database_url):
    upgrade(empty_database_url)
    made, revision = portrait(empty_database_url), revision_of(empty_database_url)

    upgrade(empty_database_url)

    assert (portrait(empty_database_url), revision_of(empty_database_url)) == (made, revision)


@both_databases
def test_alembic_sees_no_difference_between_models_and_migrations(empty_database_url):
    load_models()
    upgrade(empty_database_url)

    with engine_of(empty_database_url).connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Model.metadata) == []


@both_databases
def test_migrated_tables_are_those_of_the_models_to_the_last_constraint(empty_database_url, postgresql, tmp_path):
    """Alembic compares neither checks nor the conditions of indexes: a database made from the models tells."""
    load_models()
    upgrade(empty_database_url)
    sqlite = empty_database_url.startswith("sqlite")
    made_from_models = f"sqlite:///{tmp_path / 'models.sqlite3'}" if sqlite else postgresql.create("models")
    Model.metadata.create_all(engine_of(made_from_models))
    try:
        assert portrait(empty_database_url) == portrait(made_from_models)
    finally:
        if not sqlite:
            postgresql.drop("models")


@both_databases
def test_there_is_one_line_of_migrations(empty_database_url):
    assert len(ScriptDirectory.from_config(config(empty_database_url)).get_heads()) == 1


@pytest.mark.parametrize("empty_database_url", ["postgresql"], indirect=True)
def test_C72_a_migration_does_not_keep_those_who_work_waiting(empty_database_url):
    """A lock that does not come in time is given up, and nothing is half done; those who hold the table go on."""
    upgrade(empty_database_url)
    engine, made = engine_of(empty_database_url), portrait(empty_database_url)
    with engine.begin() as reader:
        reader.execute(text("SELECT count(*) FROM declarants"))
        with pytest.raises(OperationalError, match="lock timeout"):
            downgrade(empty_database_url, "base")
        assert reader.execute(text("SELECT count(*) FROM declarants")).scalar() == 0

    assert portrait(empty_database_url) == made


@both_databases
def test_C72_a_migration_that_fails_leaves_nothing_half_done(empty_database_url, monkeypatch):
    """The last migration is made to stumble on a table that is already there, after what it already did."""
    engine = engine_of(empty_database_url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE service_heritages (id integer)"))

    with pytest.raises(Exception, match="already exists"):
        upgrade(empty_database_url)

    assert set(portrait(empty_database_url)) == {"service_heritages"}
    assert revision_of(empty_database_url) is None


@pytest.mark.parametrize("empty_database_url", ["sqlite"], indirect=True)
def test_going_back_before_acts_were_jobs_gives_up_those_that_wait(empty_database_url):
    """The code before would read an act as a spreadsheet; files go on, and an act that is being undone is."""
    upgrade(empty_database_url, "0026")
    engine = engine_of(empty_database_url)
    files = (("fichier", "a_appliquer"), ("geste", "a_appliquer"), ("geste", "a_approuver"), ("geste", "a_annuler"), ("geste", "applique"))
    file = "INSERT INTO fichiers_droits (id, reference, depot, siret, by_id, genre, nom, taille, etat, bilan, created_at, updated_at)"
    job = "INSERT INTO travaux_fichiers (fichier_id, genre, created_at, tries, faites, total) VALUES (:n, 'appliquer', '', 0, 0, 0)"
    people = (
        "INSERT INTO declarants (id, uid, siret, nom, prenom, cle, statut, role, email_verified, version, epoque, opened_at, updated_at)"
        " VALUES (1, 'u', 35600000000048, 'Autre', 'Zoe', 'autre zoe', 'actif', 'declarant', 0, 1, 1, '', '')"
    )
    with closing(sqlite3.connect(engine.url.database or "")) as connection, connection:
        connection.execute(people)
        for n, (genre, etat) in enumerate(files):
            values = {"n": n, "genre": genre, "etat": etat}
            connection.execute(f"{file} VALUES (:n, :n, :n, 1, 1, :genre, '', 1, :etat, '{{}}', '', '')", values)
            connection.execute(job, values)

    downgrade(empty_database_url, "0024")

    with engine.connect() as connection:
        states = connection.scalars(text("SELECT etat FROM fichiers_droits ORDER BY id")).all()
        jobs = connection.scalars(text("SELECT fichier_id FROM travaux_fichiers ORDER BY fichier_id")).all()
    assert (states, jobs) == (["a_appliquer", "abandonne", "abandonne", "a_annuler", "applique"], [0, 3, 4])
