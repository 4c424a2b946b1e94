"""The store's own records, read from its file without any process of the service."""

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from sqlalchemy import create_engine, event
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from rollout.adapters.store.connection import open_engine
from rollout.adapters.store.transaction import Transaction

T = TypeVar("T")


class Snapshot(Transaction):
    """What a reader needs of a transaction: the tables. It writes nothing, so it has no time."""

    def __init__(self, connection: Connection) -> None:
        self.connection, self.at = connection, 0.0


class Records:
    """A reader of one store, for one thread; it never writes, and no process of the service waits for it.

    `url`: of a store that is no file of the data folder.
    """

    def __init__(self, data: Path, url: str | None = None) -> None:
        self._file = f"file:{data / 'store.sqlite3'}?mode=ro"
        if url is not None:
            self._engine = open_engine(url, writer=False)
            return
        self._engine = create_engine("sqlite://", creator=self._connect, poolclass=NullPool)
        event.listen(self._engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))

    def close(self) -> None:
        """Let go of the store."""
        self._engine.dispose()

    def read(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` on one snapshot."""
        with self._engine.begin() as connection:
            return work(Snapshot(connection))

    def try_read(self, work: Callable[[Transaction], T]) -> T | None:
        """Run `work`, or return None while nobody can read: nobody has the file open and its log needs recovery."""
        with contextlib.suppress(DBAPIError):
            return self.read(work)
        return None

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._file, uri=True, timeout=5.0, isolation_level=None, check_same_thread=False)
