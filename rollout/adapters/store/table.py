"""What every table family has: the connection, and the few shapes of statement the store uses."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from sqlalchemy import Executable, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Row


class HasConnection(Protocol):
    """A transaction, as far as a table family needs it."""

    connection: Connection
    at: float


class TableFamily:
    """Base of the table families: statements against one transaction."""

    def __init__(self, transaction: HasConnection) -> None:
        self._transaction = transaction
        self._connection = transaction.connection

    @property
    def _at(self) -> float:
        return self._transaction.at

    def _rows(self, statement: Executable) -> Sequence[Row[Any]]:
        return self._connection.execute(statement).fetchall()

    def _row(self, statement: Executable) -> Row[Any] | None:
        return self._connection.execute(statement).one_or_none()

    def _scalar(self, statement: Executable) -> Any:
        return self._connection.execute(statement).scalar()

    def _run(self, statement: Executable, rows: Sequence[Mapping[str, Any]] | None = None) -> int:
        """Execute, once or for many rows; how many rows were touched."""
        if rows is not None and not rows:
            return 0
        counted = {"preserve_rowcount": True}  # of an INSERT too, which psycopg's result forgets otherwise
        return self._connection.execute(statement, rows, execution_options=counted).rowcount

    def _insert(self, table: Table) -> Any:
        """An INSERT of this database's dialect, for ON CONFLICT clauses."""
        return (sqlite if self._connection.dialect.name == "sqlite" else postgresql).insert(table)
