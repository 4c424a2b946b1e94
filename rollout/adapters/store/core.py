"""The store: one writer thread with group commit, readers on snapshots.

Work from many callers shares a commit: each piece runs under a savepoint, so one that raises is undone
alone, and every future resolves only after the commit. A commit carries at most 20 ms of work.
"""

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from rollout.adapters.store.connection import open_engine, turnstile_for
from rollout.adapters.store.lookout import Lookout
from rollout.adapters.store.transaction import Transaction
from rollout.errors import BusyError, RolloutError, SurroundingsError
from rollout.ports.clock import Clock

T = TypeVar("T")

COMMIT_SECONDS = 0.020  # work per commit: keeps the other processes' wait short
QUEUE_LENGTH = 5_000  # beyond it callers are told to come back


@dataclass(slots=True)
class _Piece:
    """Work and where its answer goes."""

    work: Callable[[Transaction], Any]
    future: "Future[Any]"


class Store:
    """The store port over SQLAlchemy Core. Open it once a process; `close` ends the writer after its queue."""

    def __init__(self, url: str, clock: Clock) -> None:
        self.url = url
        self._clock = clock
        self._writer_engine = open_engine(url, writer=True)
        self._reader_engine = open_engine(url, writer=False)
        self._turnstile = turnstile_for(url)
        self._queue: queue.Queue[_Piece | None] = queue.Queue(QUEUE_LENGTH)
        self._closed = False
        self._lookout = Lookout(self._reader_engine)
        self._commits = 0
        self._thread = threading.Thread(target=self._serve, name="store-writer", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Pieces of work in the queue."""
        return self._queue.qsize()

    def write(self, work: Callable[[Transaction], T]) -> "Future[T]":
        """Do `work` in a write transaction; the future resolves after the commit (ports.store.Store)."""
        if self._closed:
            raise SurroundingsError("the store is closing; nothing was written")
        future: Future[T] = Future()
        try:
            self._queue.put_nowait(_Piece(work, future))
        except queue.Full:
            raise BusyError("the store's queue is full; try again in a second", slug="busy") from None
        return future

    def read(self, work: Callable[[Transaction], T]) -> T:
        """Do `work` on a snapshot; its time is the clock's now."""
        try:
            with self._reader_engine.connect() as connection:
                return work(Transaction(connection, self._clock.now()))
        except DBAPIError as error:
            raise _failed(error) from error

    def version(self) -> int:
        """Changes when anybody, this process included, has committed."""
        return self._lookout.number() + self._commits

    def close(self) -> None:
        """Finish what is queued, then let go of everything."""
        if self._closed:
            return
        self._closed = True
        self._queue.put(None)
        self._thread.join()
        self._lookout.close()
        self._reader_engine.dispose()
        self._writer_engine.dispose()
        self._turnstile.close()

    def _serve(self) -> None:
        while (piece := self._queue.get()) is not None:
            done: list[tuple[_Piece, Any]] = []
            try:
                with self._turnstile, self._writer_engine.connect() as connection:
                    ended = self._commit(connection, piece, done)
            except Exception as error:  # noqa: BLE001 - every caller must hear of it, whatever it was
                _refuse(done, piece, error)
                ended = False
            else:
                self._commits += 1
                for finished, answer in done:
                    _resolve(finished.future, answer)
            if ended:
                return

    def _commit(self, connection: Connection, first: _Piece, done: list[tuple[_Piece, Any]]) -> bool:
        """Run pieces until the time is up or the queue is empty, then commit; whether the end was met."""
        with connection.begin():
            previous = connection.execute(text("SELECT at FROM store_clock WHERE id = 1")).scalar_one()
            transaction = Transaction(connection, max(float(previous), self._clock.now()))
            begun = self._clock.elapsed()
            piece: _Piece | None = first
            ended = False
            while piece is not None:
                _run(connection, transaction, piece, done)
                if self._clock.elapsed() - begun > COMMIT_SECONDS:
                    break
                try:
                    piece = self._queue.get_nowait()
                except queue.Empty:
                    break
                ended = piece is None
            connection.execute(text("UPDATE store_clock SET at = :at WHERE id = 1"), {"at": transaction.at})
        return ended


def _run(connection: Connection, transaction: Transaction, piece: _Piece, done: list[tuple[_Piece, Any]]) -> None:
    """One piece under its own savepoint; its error is its own."""
    connection.exec_driver_sql("SAVEPOINT piece")
    try:
        answer = piece.work(transaction)
    except RolloutError as error:
        connection.exec_driver_sql("ROLLBACK TO SAVEPOINT piece")
        connection.exec_driver_sql("RELEASE SAVEPOINT piece")
        done.append((piece, error))
    except BaseException:
        done.append((piece, None))
        raise
    else:
        connection.exec_driver_sql("RELEASE SAVEPOINT piece")
        done.append((piece, answer))


def _resolve(future: "Future[Any]", answer: Any) -> None:
    try:
        if isinstance(answer, BaseException):
            future.set_exception(answer)
        else:
            future.set_result(answer)
    except InvalidStateError:
        pass  # its caller went away; the commit stands


def _refuse(done: list[tuple[_Piece, Any]], first: _Piece, error: Exception) -> None:
    """Nothing of this transaction was kept: tell all of them, so that they ask again."""
    pieces = [piece for piece, _ in done] or [first]
    cause = _failed(error)
    for piece in pieces:
        _resolve(piece.future, cause)


def _failed(error: Exception) -> SurroundingsError:
    failed = SurroundingsError(f"the store failed ({type(error).__name__}: {error}); nothing was written", slug="store")
    failed.__cause__ = error
    return failed
