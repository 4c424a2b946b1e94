"""Has anybody committed? A number that every process's commits change, asked for every 20 ms."""

import threading

from sqlalchemy import Engine
from sqlalchemy.engine import Connection

from rollout.errors import SurroundingsError

# Every commit of a store updates the clock's row: `xmin` is the transaction that did so last.
_QUESTION = {"sqlite": "PRAGMA data_version", "postgresql": "SELECT xmin::text::bigint FROM store_clock WHERE id = 1"}


class Lookout:
    """One connection that only looks, opened when first asked; for several threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._question = _QUESTION[engine.dialect.name]
        self._lock = threading.Lock()
        self._connection: Connection | None = None

    def number(self) -> int:
        """A number that changes with commits of others; SurroundingsError when the database does not answer."""
        with self._lock:
            if self._connection is None:
                self._connection = self._engine.connect()
            try:
                cursor = self._connection.connection.cursor()  # the driver's: no transaction is begun
                cursor.execute(self._question)
                (number,) = cursor.fetchone() or (0,)
                return int(number)
            except self._engine.dialect.loaded_dbapi.Error as error:
                self._connection.invalidate()
                self._close()
                raise SurroundingsError(f"the store does not answer ({error})", slug="store") from error

    def close(self) -> None:
        """Let go of the connection."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
