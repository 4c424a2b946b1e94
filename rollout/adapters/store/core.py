"""The store: one writer thread with group commit, readers on snapshots.

Work from many callers shares a commit: each piece runs under a savepoint, so one that raises is undone
alone, and every future resolves only after the commit. A commit carries at most 20 ms of work. On a full
disk only what stops is begun.
"""

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from sqlalchemy import text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from rollout.adapters.store.connection import open_engine, turnstile_for
from rollout.adapters.store.failure import disk_full, failed
from rollout.adapters.store.lookout import Lookout
from rollout.adapters.store.piece import Piece, Usher
from rollout.adapters.store.reserve import reserve_for
from rollout.adapters.store.transaction import Transaction
from rollout.errors import BusyError, RolloutError, SurroundingsError
from rollout.ports.clock import Clock

T = TypeVar("T")

COMMIT_SECONDS = 0.020  # work per commit: keeps the other processes' wait short
LEAST_STEP = 1e-6  # seconds between commits while the clock stands behind: far slower than any clock goes
QUEUE_LENGTH = 5_000  # beyond it callers are told to come back


class Store:
    """The store port over SQLAlchemy Core. Open it once a process; `close` ends the writer after its queue.

    `patience`: seconds after which work that was not begun is refused with BusyError, None for ever.
    """

    def __init__(self, url: str, clock: Clock, patience: float | None = None) -> None:
        self.url = url
        self._clock = clock
        self._writer_engine = open_engine(url, writer=True)
        self._reader_engine = open_engine(url, writer=False)
        self._turnstile = turnstile_for(url)
        self._reserve = reserve_for(url)
        self._queue: queue.Queue[Piece | None] = queue.Queue(QUEUE_LENGTH)
        self._usher = None if patience is None else Usher(patience, clock.elapsed)
        self._closed = False
        self._lookout = Lookout(self._reader_engine)
        self._commits = 0
        self._thread = threading.Thread(target=self._serve, name="store-writer", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Pieces of work in the queue."""
        return self._queue.qsize()

    def write(self, work: Callable[[Transaction], T], *, stopping: bool = False) -> "Future[T]":
        """Do `work` in a write transaction; the future resolves after the commit (ports.store.Store)."""
        if self._closed:
            raise SurroundingsError("the store is closing; nothing was written")
        future: Future[T] = Future()
        piece = Piece(work, future, self._clock.elapsed(), stopping)
        try:
            self._queue.put_nowait(piece)
        except queue.Full:
            raise BusyError("the store's queue is full; try again in a second", slug="busy") from None
        if self._usher is not None:
            self._usher.expect(piece)
        return future

    def read(self, work: Callable[[Transaction], T]) -> T:
        """Do `work` on a snapshot; its time is the clock's now."""
        try:
            now = self._clock.now()
            with self._reader_engine.connect() as connection:
                return work(Transaction(connection, now, now))
        except DBAPIError as error:
            raise failed(error) from error

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
        if self._usher is not None:
            self._usher.close()
        self._lookout.close()
        self._reader_engine.dispose()
        self._writer_engine.dispose()
        self._turnstile.close()

    def _serve(self) -> None:
        again: Piece | None = None
        while (piece := again or self._queue.get()) is not None:
            ended, again = self._serve_from(piece)
            if ended:
                return

    def _serve_from(self, piece: Piece) -> tuple[bool, Piece | None]:
        """One commit that begins with this piece; whether the queue's end was met, and the piece if it must wait.

        Every caller hears of it.
        """
        done: list[tuple[Piece, Any]] = []
        try:
            with self._turnstile, self._writer_engine.connect() as connection:
                room = self._reserve.has_room()
                self._reserve.restore()
                ended = self._commit(connection, piece, done, room)
        except Exception as error:  # noqa: BLE001 - every caller must hear of it, whatever it was
            cause = failed(error)
            if isinstance(cause, BusyError) and not done and not self._closed:
                return False, piece  # the usher says when that is too late
            _refuse(done, piece, cause)
            return False, None
        self._commits += 1
        for finished, answer in done:
            finished.resolve(answer)
        return ended, None

    def _commit(self, connection: Connection, first: Piece, done: list[tuple[Piece, Any]], room: bool) -> bool:
        """Run pieces until the time is up or the queue is empty, then commit; whether the end was met."""
        with connection.begin():
            previous = connection.execute(text("SELECT at FROM store_clock WHERE id = 1")).scalar_one()
            now = self._clock.now()
            transaction = Transaction(connection, max(float(previous) + LEAST_STEP, now), now)
            begun = self._clock.elapsed()
            piece: Piece | None = first
            ended = False
            while piece is not None:
                if piece.claim():
                    self._begin(connection, transaction, piece, done, room)
                if self._clock.elapsed() - begun > COMMIT_SECONDS:
                    break
                try:
                    piece = self._queue.get_nowait()
                except queue.Empty:
                    break
                ended = piece is None
            if any(not isinstance(answer, BaseException) for _, answer in done):
                connection.execute(text("UPDATE store_clock SET at = :at WHERE id = 1"), {"at": transaction.at})
        return ended

    def _begin(
        self, connection: Connection, transaction: Transaction, piece: Piece, done: list[tuple[Piece, Any]], room: bool
    ) -> None:
        """Run a piece; without room on the disk only one that stops, on the room that was kept for it."""
        if room:
            _run(connection, transaction, piece, done)
        elif piece.stopping:
            self._reserve.spend()
            _run(connection, transaction, piece, done)
        else:
            done.append((piece, disk_full()))


def _run(connection: Connection, transaction: Transaction, piece: Piece, done: list[tuple[Piece, Any]]) -> None:
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


def _refuse(done: list[tuple[Piece, Any]], first: Piece, cause: SurroundingsError) -> None:
    """Nothing of this transaction was kept: tell all of them, so that they ask again."""
    for piece in [piece for piece, _ in done] or [first]:
        piece.resolve(cause)
