"""A database gets its tables from the migrations; the schema package says what they are."""

import multiprocessing

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect

from rollout.adapters.clock import SystemClock
from rollout.adapters.store.connection import open_engine
from rollout.adapters.store.migrate import known_version, migrate, open_store, stored_version
from rollout.adapters.store.schema import metadata

ADVICE = "see the docstring of rollout/adapters/store/migrate.py"


@pytest.fixture
def url(make_database):
    return make_database()


def test_the_migrations_make_the_tables_of_the_schema(url):
    migrate(url)
    engine = open_engine(url, writer=False)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == [], ADVICE
    engine.dispose()


def test_the_migrations_make_the_same_sqlite_file_as_the_schema(tmp_path):
    """Row ids, AUTOINCREMENT and defaults are seen only in the text of the tables."""

    def tables(url):
        engine = create_engine(url)
        with engine.connect() as connection:
            made = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE name <> 'alembic_version'")
            found = {name: " ".join((sql or "").split()) for name, sql in made}
        engine.dispose()
        return {name: sql for name, sql in found.items() if "alembic" not in name}

    migrated, made = (f"sqlite:///{tmp_path / name}" for name in ("migrated.db", "made.db"))
    migrate(migrated)
    engine = create_engine(made)
    metadata.create_all(engine)
    engine.dispose()
    assert tables(migrated) == tables(made), ADVICE


def test_migrating_again_changes_nothing(url):
    migrate(url)
    store = open_store(url, SystemClock())
    store.write(lambda tx: tx.people.record("act")).result(5)
    migrate(url)
    assert store.read(lambda tx: len(tx.people.audit())) == 1
    store.close()
    assert stored_version(url) == known_version()


def _migrate(url, barrier):
    barrier.wait(30)
    migrate(url)


@pytest.mark.slow
def test_two_processes_that_migrate_at_once_both_succeed(url):
    spawn = multiprocessing.get_context("spawn")
    barrier = spawn.Barrier(2)
    both = [spawn.Process(target=_migrate, args=(url, barrier)) for _ in range(2)]
    for each in both:
        each.start()
    for each in both:
        each.join(60)
    assert [each.exitcode for each in both] == [0, 0]
    store = open_store(url, SystemClock())
    assert store.write(lambda tx: tx.people.record("act")).result(5) == 1
    store.close()
    engine = open_engine(url, writer=False)
    assert set(inspect(engine).get_table_names()) == {*metadata.tables, "alembic_version"}
    engine.dispose()
