"""Gathering: rows of many requests share a commit, and each request is answered after its own.

A commit begins as soon as the one before it has ended, with what has come in meanwhile: alone a row does not
wait, under load commits fill up by themselves. How many rows fit is learned from how long the last ones took,
so that a transaction stays near 20 ms (DESIGN section 3) whatever its rows cost.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from rollout.errors import BusyError, RolloutError, SurroundingsError
from rollout.ports.store import Store, Transaction
from rollout.service.gateway.metrics import Metrics

RowT = TypeVar("RowT")
ResultT = TypeVar("ResultT")
AnswerT = TypeVar("AnswerT")

WORK_SECONDS: Final = 0.020
LEAST_ROWS: Final = 20


@dataclass(slots=True)
class _Pending(Generic[RowT, AnswerT]):
    """One request's rows, how many are committed, and where their answers go."""

    rows: Sequence[RowT]
    answers: list[AnswerT]
    future: "asyncio.Future[list[AnswerT]]"
    taken: int = 0


@dataclass(frozen=True, slots=True)
class Work(Generic[RowT, ResultT, AnswerT]):
    """What a commit does with its rows, and how its result becomes one answer a row, after the commit.

    `undone`: called when a commit failed, to forget what was read in it.
    """

    name: str
    record: Callable[[Transaction, Sequence[RowT]], ResultT]
    answers: Callable[[ResultT], Sequence[AnswerT]]
    rows_per_commit: int
    most_waiting: int
    undone: Callable[[], None] = lambda: None


class Gathering(Generic[RowT, ResultT, AnswerT]):
    """A queue of rows in front of the store's writer; used from one event loop."""

    def __init__(self, store: Store, work: Work[RowT, ResultT, AnswerT], metrics: Metrics) -> None:
        self._store = store
        self._work = work
        self._metrics = metrics
        self._queue: deque[_Pending[RowT, AnswerT]] = deque()
        self._waiting = 0
        self._shares: dict[Hashable, int] = {}
        self._room = work.rows_per_commit
        self._arrived = asyncio.Event()

    @property
    def is_full(self) -> bool:
        """Whether it would send callers away."""
        return self._waiting >= self._work.most_waiting

    async def put(self, rows: Sequence[RowT], caller: Hashable = None) -> list[AnswerT]:
        """One answer a row, after the last of them is committed; BusyError, nothing kept, when the queue is full.

        It is full for a caller who holds half of it: one that floods leaves room for all others.
        """
        if not rows:
            return []
        mine = self._shares.get(caller, 0)
        crowded = mine and mine + len(rows) > self._work.most_waiting // 2
        if crowded or (self._waiting and self._waiting + len(rows) > self._work.most_waiting):
            raise BusyError("the gateway's queue is full; try again in a second", slug="busy")
        pending: _Pending[RowT, AnswerT] = _Pending(rows, [], asyncio.get_running_loop().create_future())
        self._queue.append(pending)
        self._count(len(rows))
        self._arrived.set()
        self._shares[caller] = mine + len(rows)
        try:
            return await pending.future
        finally:
            self._shares[caller] -= len(rows)
            if not self._shares[caller]:
                del self._shares[caller]

    async def run(self) -> None:
        """Commit what arrives, until cancelled."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._queue:
                await self._commit(self._take())

    def _take(self) -> list[tuple[_Pending[RowT, AnswerT], int, int]]:
        """The next rows in order of arrival: (request, from, to)."""
        room = self._room
        taken: list[tuple[_Pending[RowT, AnswerT], int, int]] = []
        while room and self._queue:
            pending = self._queue[0]
            end = min(len(pending.rows), pending.taken + room)
            taken.append((pending, pending.taken, end))
            room -= end - pending.taken
            pending.taken = end
            if end == len(pending.rows):
                self._queue.popleft()
        return taken

    async def _commit(self, taken: list[tuple[_Pending[RowT, AnswerT], int, int]]) -> None:
        rows: list[RowT] = [row for pending, start, end in taken for row in pending.rows[start:end]]
        try:
            with self._metrics.commit_seconds.labels(self._work.name).time():
                future = self._store.write(lambda tx: self._record(tx, rows))
                result = await asyncio.wrap_future(future)
        except RolloutError as error:
            self._fail(taken, error)
        except Exception as error:  # noqa: BLE001 - whatever it was, callers hear of it and the queue goes on
            self._fail(taken, SurroundingsError(f"recording failed: {error!r}", slug="store"))
        else:
            self._answer(taken, self._work.answers(result))
        finally:
            self._count(-len(rows))

    def _record(self, tx: Transaction, rows: Sequence[RowT]) -> ResultT:
        """Do the work, in the store's thread, and learn how many rows fit into the next commit."""
        begun = time.perf_counter()
        result = self._work.record(tx, rows)
        fitting = int(len(rows) * WORK_SECONDS / max(time.perf_counter() - begun, 1e-6))
        self._room = max(LEAST_ROWS, min(fitting, self._work.rows_per_commit))
        return result

    def _answer(self, taken: list[tuple[_Pending[RowT, AnswerT], int, int]], answers: Sequence[AnswerT]) -> None:
        position = 0
        for pending, start, end in taken:
            pending.answers += answers[position : position + end - start]
            position += end - start
            if end == len(pending.rows) and not pending.future.done():
                pending.future.set_result(pending.answers)

    def _fail(self, taken: list[tuple[_Pending[RowT, AnswerT], int, int]], error: RolloutError) -> None:
        """Tell each request; rows that it still has in the queue are dropped, since it will send them again."""
        self._work.undone()
        for pending, _, end in taken:
            if self._queue and self._queue[0] is pending:
                self._queue.popleft()
                self._count(end - len(pending.rows))
            if not pending.future.done():
                pending.future.set_exception(error)

    def _count(self, rows: int) -> None:
        self._waiting += rows
        self._metrics.queue.labels(self._work.name).set(self._waiting)
