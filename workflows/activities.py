"""Activities: each is one call of an operation, and conversion.

They only read the store and write through operations that check again; two of the same do no harm.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar

from temporalio import activity

from rollout.operation import act, advance, back
from rollout.ports.store import Store, Transaction
from workflows import timeouts
from workflows.messages import Act, Due, InRing, Outcome

T = TypeVar("T")
log = logging.getLogger(__name__)


class Publishing(Protocol):
    """What activities need of the publisher."""

    def publish_now(self, ring: str) -> object:
        """Sign and copy what the store says of a ring, now; its targets version."""
        ...


@dataclass(frozen=True)
class Forward:
    """Forward movement."""

    store: Store
    publisher: Publishing

    @activity.defn
    async def await_edge(self, rollout: str) -> Due:
        """Look at the store until something is due."""
        move = await _until(lambda: self._next(rollout), lambda move: move.next is not advance.Next.WAIT)
        return Due(move.next.value, move.ring)

    @activity.defn
    async def open_ring(self, step: InRing) -> bool:
        """Begin a ring's admission and publish its directive."""
        if not await _write(self.store, lambda tx: advance.open_ring(tx, step.rollout, step.ring)):
            return False
        await asyncio.to_thread(self.publisher.publish_now, step.ring)
        return True

    @activity.defn
    async def promote(self, step: InRing) -> bool:
        """Promote a ring, or ask for its approval."""
        return await _write(self.store, lambda tx: advance.promote(tx, step.rollout, step.ring))

    @activity.defn
    async def complete(self, step: InRing) -> bool:
        """Complete the rollout."""
        return await _write(self.store, lambda tx: advance.complete(tx, step.rollout))

    @activity.defn
    async def act(self, asked: Act) -> Outcome:
        """A person's approval or resume, decided in one transaction."""
        kind: Literal["approve", "resume"] = "approve" if asked.kind == "approve" else "resume"
        wanted = act.Act(kind, asked.rollout, asked.ring, asked.revision, asked.person, asked.reason)
        found = await _write(self.store, lambda tx: act.consent(tx, wanted))
        problem = None if found.problem is None else {"slug": found.problem.code, "detail": found.problem.detail}
        return Outcome(found.status, found.have, found.need, problem)

    async def _next(self, rollout: str) -> advance.Move:
        return await asyncio.to_thread(self.store.read, lambda tx: advance.next_move(tx, rollout))


@dataclass(frozen=True)
class Back:
    """The way back. `alarm` is told of a step that failed often: (rollout, attempt)."""

    store: Store
    publisher: Publishing
    alarm: Callable[[str, int], None]

    @activity.defn
    async def publish_back(self, rollout: str) -> None:
        """Publish the rollback directives of every ring."""
        self._warn(rollout)
        rings = await asyncio.to_thread(self.store.read, lambda tx: tx.rollouts.rings(rollout))
        for ring in rings:
            await asyncio.to_thread(self.publisher.publish_now, ring.name)

    @activity.defn
    async def await_back(self, rollout: str) -> None:
        """Look until every touched host that is not dark reports its baseline, then finish."""
        self._warn(rollout)

        async def look() -> bool:
            await asyncio.sleep(0.2)
            return await _write(self.store, lambda tx: back.finish(tx, rollout))

        await _until(look, bool)

    def _warn(self, rollout: str) -> None:
        attempt = activity.info().attempt
        if attempt >= timeouts.ALERT_AT_ATTEMPT:
            log.error("rollback step keeps failing", extra={"rollout": rollout, "attempt": attempt})
            self.alarm(rollout, attempt)


async def _write(store: Store, work: Callable[[Transaction], T]) -> T:
    return await asyncio.wrap_future(store.write(work))


async def _until(look: Callable[[], Any], enough: Callable[[Any], bool]) -> Any:
    """Ask until the answer is enough, beating each second, so that a dead worker is noticed."""
    loop = asyncio.get_running_loop()
    beat_at = loop.time()
    while not enough(found := await look()):
        if loop.time() >= beat_at:
            activity.heartbeat()
            beat_at = loop.time() + timeouts.BEAT_EVERY
        await asyncio.sleep(timeouts.POLL_EVERY)
    return found
