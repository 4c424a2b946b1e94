"""Activities: each is one call of an operation, and conversion.

They only read the store and write through operations that check again; two of the same do no harm.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from rollout.errors import BusyError, Problem
from rollout.operation import act, advance, back
from rollout.ports.store import Store, Transaction
from workflows import timeouts
from workflows.messages import Act, Due, InRing, Outcome

T = TypeVar("T")
MARKS = 500  # hosts marked back in one transaction
log = logging.getLogger(__name__)


class Publishing(Protocol):
    """What activities need of the publisher."""

    def publish_now(self, ring: str) -> object:
        """Sign and copy what the store says of a ring, now; its targets version."""
        ...


@dataclass(frozen=True)
class Forward:
    """Forward movement. `eyes`: this process's own, shared by all of it; `looks`: see ACT_LOOKS."""

    store: Store
    publisher: Publishing
    eyes: advance.Eyes
    looks: int = timeouts.ACT_LOOKS

    @activity.defn
    async def await_edge(self, rollout: str) -> Due:
        """Look at the store until something is due."""
        move = await _until(lambda: self._next(rollout), lambda move: move.next is not advance.Next.WAIT)
        return Due(move.next.value, move.ring)

    @activity.defn
    async def open_ring(self, step: InRing) -> bool:
        """Begin a ring's admission and publish its directive."""
        if not await _write(self.store, lambda tx: advance.open_ring(tx, step.rollout, step.ring, self.eyes)):
            return False
        await asyncio.to_thread(self.publisher.publish_now, step.ring)
        return True

    @activity.defn
    async def promote(self, step: InRing) -> bool:
        """Promote a ring, or ask for its approval."""
        return await _write(self.store, lambda tx: advance.promote(tx, step.rollout, step.ring, self.eyes))

    @activity.defn
    async def complete(self, step: InRing) -> bool:
        """Complete the rollout."""
        return await _write(self.store, lambda tx: advance.complete(tx, step.rollout, self.eyes))

    @activity.defn
    async def act(self, asked: Act) -> Outcome:
        """A person's approval or resume, decided in one transaction."""
        if asked.kind not in act.ASKABLE:
            unknown = {"slug": "unknown-act", "detail": f"nobody can {asked.kind!r} through a workflow"}
            return Outcome(409, problem=unknown)
        kind: Literal["approve", "resume"] = "approve" if asked.kind == "approve" else "resume"
        wanted = act.Act(kind, asked.rollout, asked.ring, asked.revision, asked.person, asked.reason)
        await self._look(asked.rollout)
        found = await _write(self.store, lambda tx: _consent(tx, wanted, self.eyes))
        problem = None if found.problem is None else {"slug": found.problem.code, "detail": found.problem.detail}
        return Outcome(found.status, found.have, found.need, problem)

    async def _look(self, rollout: str) -> None:
        """Look until the judgement is seen to move, or a person has waited long enough.

        The worker that waits for the edge has seen it move all the time; another one sees it for the first time.
        """

        def unseen(tx: Transaction) -> bool:
            record = tx.rollouts.get(rollout)
            return record is not None and self.eyes.blindness(tx, record) == advance.NOT_FRESH

        for _ in range(self.looks):
            if not await asyncio.to_thread(self.store.read, unseen):
                return
            await asyncio.sleep(timeouts.POLL_EVERY)

    async def _next(self, rollout: str) -> advance.Move:
        return await asyncio.to_thread(self.store.read, lambda tx: advance.next_move(tx, rollout, self.eyes))


@dataclass(frozen=True)
class Back:
    """The way back. `alarm` is told of a step that failed often: (rollout, attempt)."""

    store: Store
    publisher: Publishing
    alarm: Callable[[str, int], None]

    @activity.defn
    async def publish_back(self, rollout: str) -> None:
        """Publish the rollback directives of every ring; one whose copy is late keeps no other waiting."""
        self._warn(rollout)
        rings = await asyncio.to_thread(self.store.read, lambda tx: tx.rollouts.rings(rollout))
        late: list[BusyError] = []
        for ring in rings:
            try:
                await asyncio.to_thread(self.publisher.publish_now, ring.name)
            except BusyError as error:
                late.append(error)
        if late:
            raise late[0]  # this step is tried again until hosts of every ring can read it

    @activity.defn
    async def await_back(self, rollout: str) -> None:
        """Look until every touched host that is not dark reports its baseline, then finish."""
        self._warn(rollout)
        await _until(lambda: self._look_back(rollout), bool)

    async def _look_back(self, rollout: str) -> bool:
        """Survey on a snapshot, mark in small transactions, and count in a write only when it may be done.

        Surveying a large fleet takes a while: it has at most a fifth of the time.
        """
        clock = asyncio.get_running_loop().time
        began = clock()
        way = await asyncio.to_thread(self.store.read, lambda tx: back.survey(tx, rollout))
        pause = max(timeouts.LOOK_BACK_EVERY, 4 * (clock() - began))
        for first in range(0, len(way.arrived), MARKS):
            part = way.arrived[first : first + MARKS]
            await _write(self.store, lambda tx, part=part: back.mark(tx, part))  # type: ignore[misc]  # bound now
            activity.heartbeat()
        if way.done and await _write(self.store, lambda tx: back.finish(tx, rollout)):
            return True
        await asyncio.sleep(min(pause, timeouts.HEARTBEAT.total_seconds() / 2))
        return False

    def _warn(self, rollout: str) -> None:
        attempt = activity.info().attempt
        if attempt >= timeouts.ALERT_AT_ATTEMPT:
            log.error("rollback step keeps failing", extra={"rollout": rollout, "attempt": attempt})
            self.alarm(rollout, attempt)


def _consent(tx: Transaction, wanted: act.Act, eyes: advance.Eyes) -> act.Outcome:
    """Consent promotes, so it needs what promoting needs: a judgement that is seen to live."""
    known, record = act.settled(tx, wanted), tx.rollouts.get(wanted.rollout)
    if known is not None or record is None:
        return known or act.consent(tx, wanted)
    why = eyes.blindness(tx, record) if wanted.kind == "approve" else None
    if why is not None:
        return act.Outcome(409, problem=Problem("not-promotable", f"nothing may be promoted now: {why}; try again"))
    return act.consent(tx, wanted)


async def _write(store: Store, work: Callable[[Transaction], T]) -> T:
    return await asyncio.wrap_future(store.write(work))


async def _until(look: Callable[[], Awaitable[T]], enough: Callable[[T], bool]) -> T:
    """Ask until the answer is enough, beating each second, so that a dead worker is noticed.

    A worker that is told to stop hands its waiting over at once.
    """
    loop = asyncio.get_running_loop()
    beat_at = loop.time()
    while not enough(found := await look()):
        if activity.is_worker_shutdown():
            raise ApplicationError("this worker stops; another one waits on", category=ApplicationErrorCategory.BENIGN)
        if loop.time() >= beat_at:
            activity.heartbeat()
            beat_at = loop.time() + timeouts.BEAT_EVERY
        await asyncio.sleep(timeouts.POLL_EVERY)
    return found
