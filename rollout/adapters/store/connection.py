"""Connections to the store: SQLite in WAL mode, or PostgreSQL, by URL."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import Connection, make_url

from rollout.adapters.store.turnstile import NoTurnstile, Turnstile

# One transaction at a time writes on PostgreSQL too: the order of events is the order of commits.
POSTGRES_WRITE_LOCK = 7_190_724


def open_engine(url: str, *, writer: bool) -> Engine:
    """An engine whose transactions begin as the store needs: IMMEDIATE for the writer, read-only otherwise.

    Args:
        url: SQLAlchemy database URL.
        writer: whether its transactions write.
    """
    if make_url(url).get_backend_name() == "sqlite":
        return _open_sqlite(url, writer=writer)
    return _open_postgres(url, writer=writer)


def _open_postgres(url: str, *, writer: bool) -> Engine:
    from rollout.adapters.store.postgres import SILENCE, prepare  # noqa: PLC0415 - its driver is an extra

    engine = create_engine(url, pool_pre_ping=True, connect_args=dict(SILENCE))

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        prepare(connection)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        if writer:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({POSTGRES_WRITE_LOCK})")
        else:
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")

    return engine


def _open_sqlite(url: str, *, writer: bool) -> Engine:
    engine = create_engine(url, connect_args={"timeout": 5.0, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _connect(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # the driver must not begin transactions of its own
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA cache_size=-65536")
        if not writer:
            cursor.execute("PRAGMA query_only=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writer else "BEGIN")

    return engine


def turnstile_for(url: str) -> Turnstile | NoTurnstile:
    """The queue in front of the writer."""
    files = turn_files(url)
    return Turnstile(*files) if files else NoTurnstile()


def turn_files(url: str) -> Sequence[Path]:
    """The files by whose locks writers queue: who is next, and who writes. None where the database does that."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        return ()
    file = Path(parsed.database)
    return tuple(file.with_name(f"{file.name}.{name}") for name in ("ahead", "inside"))
