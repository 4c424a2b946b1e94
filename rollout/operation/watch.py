"""The watch: a loop of the worker process that judges every rollout it owns; it needs only the store.

A rollout is owned by a row (owner, epoch, counter). Who finds a counter that has not moved for 5 s of its own
clock takes over by raising the epoch. A commit by anybody wakes the loop: a failure is judged at once, other
events within a quarter of `judge.every`, and in silence it judges each `judge.every`.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rollout.errors import RolloutError, StaleOwnerError
from rollout.operation.freshness import Freshness
from rollout.operation.tick import KEEP_HEARD_SECONDS, Surroundings, tick
from rollout.operation.watching import Watched, begin
from rollout.ports.clock import Clock
from rollout.ports.rollout import RolloutRecord
from rollout.ports.store import Store, Transaction

POLL_SECONDS = 0.020
TAKE_OVER_SECONDS = 5.0
GATEWAY_SECONDS = 5.0
FORGET_SECONDS = 600.0  # how often the log of who was heard is cut while nothing is rolled out: ticks do it else

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Seen:
    """One look at the store."""

    judged: Sequence[RolloutRecord]
    watches: Mapping[str, tuple[str, int, int]]
    beacons: Mapping[str, tuple[str, int, int]]
    event: int
    failing: set[str]


@dataclass(slots=True)
class Watch:
    """What one worker watches."""

    store: Store
    clock: Clock
    owner: str
    heartbeat: float = 60.0  # seconds between beats while no rollout is open
    fresh: Freshness = field(default_factory=Freshness)
    owned: dict[str, Watched] = field(default_factory=dict)
    tick_seconds: float = 0.0  # how long the newest tick took, commit included
    _forgot: float = float("-inf")

    async def run(self, stop: asyncio.Event) -> None:
        """Watch until `stop`; a round that fails is logged and tried again."""
        version, rounds_at = -1, float("-inf")
        while not stop.is_set():
            try:
                seen = await asyncio.to_thread(self.store.version)
                now = self.clock.elapsed()
                if seen != version or now - rounds_at >= self._shortest():
                    version, rounds_at = seen, now
                    await asyncio.to_thread(self.round)
            except RolloutError as error:
                log.warning("watch round failed", extra={"error": str(error)})
            except Exception:
                log.exception("watch round failed unexpectedly; nothing of it was written")
                self.owned.clear()
            await asyncio.sleep(POLL_SECONDS)

    def ages(self) -> dict[str, float]:
        """Seconds since each rollout that we watch was last judged."""
        now = self.clock.elapsed()
        return {rollout: now - watched.elapsed for rollout, watched in dict(self.owned).items()}

    def round(self) -> None:
        """Own what nobody owns, and judge what is due."""
        now = self.clock.elapsed()
        seen = self.store.read(self._look)
        for name, (_, _, counter) in seen.beacons.items():
            self.fresh.observe(name, counter, now)
        for rollout, (_, _, counter) in seen.watches.items():
            self.fresh.observe(f"watch/{rollout}", counter, now)
        if not seen.judged:
            self._forget(now)
        # Where a failure waits first: another's tick may fail, for want of room on the disk.
        for record in sorted(seen.judged, key=lambda record: record.id not in seen.failing):
            self._own(record, seen, now)
            watched = self.owned.get(record.id)
            if watched is not None and self._due(watched, seen, now):
                self._tick(watched, seen)

    def _look(self, tx: Transaction) -> _Seen:
        failing = {name for name, w in self.owned.items() if tx.events.unfolded_failure(w.event, name)}
        return _Seen(tx.rollouts.judged(), tx.judging.watches(), tx.beacons.all("gateway/"), tx.events.last(), failing)

    def _forget(self, now: float) -> None:
        if now - self._forgot >= FORGET_SECONDS:
            self._forgot = now
            self.store.write(lambda tx: tx.events.forget_heard(tx.at - KEEP_HEARD_SECONDS)).result()

    def _gateway_alive(self, seen: _Seen, now: float) -> bool:
        ages = [self.fresh.age(name, now) for name in seen.beacons]
        return any(age is not None and age <= GATEWAY_SECONDS for age in ages)

    def _shortest(self) -> float:
        return min((w.record.policy.judge.every.total_seconds() for w in self.owned.values()), default=0.5) / 4

    def _due(self, watched: Watched, seen: _Seen, now: float) -> bool:
        every = watched.record.policy.judge.every.total_seconds()
        since = now - watched.elapsed
        return watched.record.id in seen.failing or since >= (every / 4 if seen.event > watched.event else every)

    def _own(self, record: RolloutRecord, seen: _Seen, now: float) -> None:
        """Take the watch of a rollout that nobody moves."""
        if record.id in self.owned:
            return
        row = seen.watches.get(record.id)
        if row is not None and self.fresh.still(f"watch/{record.id}", now) < TAKE_OVER_SECONDS:
            return
        expected = 0 if row is None else row[1]
        taking = self.store.write(
            lambda tx: tx.judging.take_watch(record.id, self.owner, expected),
            stopping=True,  # who watches can stop
        )
        epoch = taking.result()
        if epoch is None:
            return
        self.owned[record.id] = self.store.read(
            lambda tx: begin(tx, record, epoch, self.clock.elapsed(), self.heartbeat)
        )
        log.info("watching", extra={"rollout": record.id, "epoch": epoch})

    def _tick(self, watched: Watched, seen: _Seen) -> None:
        """Judge once. A tick that folds a failure may end in the judge's stop: it is worth the disk's last room.

        What is seen is as old as the moment when the store let us write: a judgement that waited for that is not fresh.
        """
        rollout = watched.record.id
        began = self.clock.elapsed()
        ticking: list[None] = []

        def work(tx: Transaction) -> bool:
            ticking.append(None)
            now = self.clock.elapsed()
            return tick(tx, watched, Surroundings(now, gateway=self._gateway_alive(seen, now)))

        try:
            judged = self.store.write(work, stopping=rollout in seen.failing).result()
            self.tick_seconds = self.clock.elapsed() - began
            if not judged:
                self.owned.pop(rollout, None)
                log.info("watch ended", extra={"rollout": rollout})
        except StaleOwnerError:
            self.owned.pop(rollout, None)
            log.warning("another worker watches now", extra={"rollout": rollout})
        except RolloutError:
            if not ticking:
                raise  # it was not begun: memory and store still agree
            # What this memory holds may not be what was stored: it is rebuilt under the same epoch, or given up.
            self.owned.pop(rollout, None)
            self.owned[rollout] = self.store.read(
                lambda tx: begin(tx, watched.record, watched.epoch, self.clock.elapsed(), self.heartbeat)
            )
            raise
