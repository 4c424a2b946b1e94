"""Adoptions of one run: grants by the production windows, and what becomes of each.

Hosts that adopt together are one batch of consecutive orders. They confirm together, at the first beat after their
uptime, but for those that are in trouble: dead, silent, asleep, or starting again after a crash.
"""

import math
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from rollout.simulation.askers import Askers, allot
from rollout.simulation.batch import Batch, Batches
from rollout.simulation.fleet import CONFIRMED, DARK, FAILED, GRANTED, Cell
from rollout.simulation.nature import Crash, Exposed
from rollout.simulation.world import HOUR, World

RESTART_SECONDS: Final = 60.0
"""How long a host needs to be up again: after a crash, and for each restart that a confirmation asks for."""
LOAD_SECONDS: Final = 5.0
"""From a go to the end of a host that a lethal release kills."""
ASK_SECONDS: Final = 60.0
"""How often those who could not be granted yet are looked at again."""


class Adoptions:
    """Grants and outcomes. `crashes` takes what befalls the exposed."""

    def __init__(
        self, world: World, suffer: Callable[[Sequence[Crash]], None], kill: Callable[[int, float], None]
    ) -> None:
        self._world, self._suffer, self._kill = world, suffer, kill
        confirm = world.policy.confirm
        self._confirm_seconds = (
            confirm.uptime.total_seconds() + world.scenario.fleet.beat + RESTART_SECONDS * confirm.reboots
        )
        self._overdue_seconds = world.policy.overdue.total_seconds()
        self._deadline_seconds = confirm.deadline.total_seconds()
        self.askers = Askers(world)
        self._batches = Batches()
        self._overdue: set[int] = set()
        self._asleep: dict[int, float] = {}
        self._next_order = 0
        self._settled = 0  # confirmed or failed
        self._outstanding = [0 for _ in world.strata]
        self._minute: deque[tuple[float, int]] = deque()
        self._asking = False
        self.stopped = False
        self.unbound = False

    @property
    def granted(self) -> int:
        """How many adoptions were granted."""
        return self._next_order

    @property
    def unsettled(self) -> int:
        """How many are neither confirmed, failed nor overdue."""
        return self._next_order - self._settled - len(self._overdue)

    def open_ring(self, ring: str, at: float) -> None:
        """Let the hosts of a ring ask."""
        self.askers.open_ring(ring, at)
        self.offer(at)

    def granted_at(self, host: int) -> float | None:
        """Return when a host was granted."""
        batch = self._batches.of(host)
        return None if batch is None else batch.at

    def offer(self, at: float) -> None:
        """Grant what the windows admit now; ask again later where hosts are left."""
        world = self._world
        if self.stopped or world.blind is not None:
            return
        asking = self.askers.asking(at)
        if any(count for _, count in asking):
            self._grant(at, asking)
        if self.askers.are_left() and not self._asking:
            self._asking = True
            world.queue.put(at + ASK_SECONDS, self._ask_again)

    def _ask_again(self, at: float) -> None:
        self._asking = False
        self.offer(at)
        self._world.changed(at)

    def _grant(self, at: float, asking: list[tuple[Cell, int]]) -> None:
        world = self._world
        asked = [sum(n for cell, n in asking if cell.stratum == stratum) for stratum in range(len(world.strata))]
        room, rooms = self._room(at)
        left = allot(world.rng, asked, room, rooms)
        for cell, there in asking:
            for start, end in self.askers.take(cell, min(left[cell.stratum], there)):
                left[cell.stratum] -= end - start
                self._begin(at, cell, start, end)
        world.segment(at)
        world.tick(at)

    def _room(self, at: float) -> tuple[int, list[int]]:
        """Return how many may be granted now: in all, and by stratum."""
        world, limit = self._world, self._world.fleet.hosts
        if self.unbound:
            return limit, [limit for _ in world.strata]
        ring = world.policy.ring(world.ring)
        if ring.max_per_minute is not None:
            while self._minute and self._minute[0][0] <= at - 60.0:
                self._minute.popleft()
            limit = ring.max_per_minute - sum(count for _, count in self._minute)
        world.pen.flush()
        fold = world.pen.fold
        if fold.halt is not None or fold.pause is not None:
            return 0, [0 for _ in world.strata]
        windows = fold.windows
        rooms = [windows[name] - held for name, held in zip(world.strata, self._outstanding, strict=True)]
        return min(limit, fold.window - world.counts.outstanding), rooms

    def _begin(self, at: float, cell: Cell, start: int, end: int) -> None:
        world = self._world
        size = end - start
        batch = Batch(start, end, self._next_order, at, cell)
        self._next_order += size
        self._batches.add(batch)
        world.advance(at)
        world.fleet.grant(start, end)
        world.neighbours.ages[cell.stratum].grant(at / HOUR, size)
        world.counts.outstanding += size
        self._outstanding[cell.stratum] += size
        self._minute.append((at, size))
        world.pen.adoption("granted", at, cell.ring or "", cell.stratum, batch.order, size)
        self._befall(batch)
        gateway, clock = world.gateway, world.gateway.clock(at)
        world.queue.put(gateway.arrival(at + self._confirm_seconds), partial(self._confirm, batch))
        world.queue.put(gateway.when(clock + self._overdue_seconds) + 1e-3, partial(self._lose, batch))
        world.queue.put(gateway.when(clock + self._deadline_seconds) + 1e-3, partial(self._expire, batch))

    def _befall(self, batch: Batch) -> None:
        """Let the fault and their habits act on hosts that begin now."""
        world, rng, at = self._world, self._world.rng, batch.at
        faulty = world.is_faulty(batch.cell.stratum)
        size, fault = batch.end - batch.start, world.scenario.fault
        exposed = Exposed(batch.start, batch.end, at / HOUR, faulty)
        world.exposed.append(exposed)
        self._suffer(world.nature.added([exposed], at / HOUR, world.block_end))
        if fault.lethal > 0 and faulty:
            for host in batch.chosen(rng, int(rng.binomial(size, fault.lethal))):
                self._kill(host, at + LOAD_SECONDS)
        for share, how in world.habits.sleepers:
            chance = share * -math.expm1(-self._confirm_seconds / HOUR / how.awake)
            for host in batch.chosen(rng, int(rng.binomial(size, chance))):
                if host in world.silent.at:
                    continue  # dead before it could announce a sleep
                nap = float(rng.exponential(how.asleep)) * HOUR
                world.troubled.add(host, at)
                self._asleep[host] = at + self._confirm_seconds + nap

    def _confirm(self, batch: Batch, at: float) -> None:
        """Confirm the batch but for those in trouble."""
        world = self._world
        world.advance(at)
        batch.left = [
            host
            for host in world.troubled.within(batch.start, batch.end)
            if batch.at <= world.troubled.at[host] <= at or world.fleet.state[host] & FAILED
        ]
        start = batch.start
        for host in [*batch.left, batch.end]:
            if host > start:
                self._settle_run(batch, start, host, at)
            start = host + 1
        for host in batch.left:
            self._confirm_later(host, at)
        self._after(at)

    def _confirm_later(self, host: int, at: float) -> None:
        """A host in trouble confirms once it has been up for long enough, if it ever is."""
        world = self._world
        if host in self._asleep:
            due = self._asleep[host]
        else:
            due = world.troubled.at[host] + RESTART_SECONDS + self._confirm_seconds
        world.queue.put(world.gateway.arrival(max(due, at)), partial(self._confirm_one, host))

    def _confirm_one(self, host: int, at: float) -> None:
        world = self._world
        state = world.fleet.state[host]
        if state & (FAILED | CONFIRMED | DARK) or host in world.silent.at:
            return
        batch = self._batches.of(host)
        if batch is not None:
            self._settle_run(batch, host, host + 1, at)
            self._after(at)

    def _settle_run(self, batch: Batch, start: int, end: int, at: float) -> None:
        world, stratum = self._world, batch.cell.stratum
        world.advance(at)
        world.fleet.confirm(start, end)
        world.counts.outstanding -= end - start
        self._outstanding[stratum] -= end - start
        if end - start == 1:
            self._not_overdue(start)
            self._asleep.pop(start, None)
        self._settled += end - start
        order = batch.order + start - batch.start
        world.pen.adoption("confirmed", at, batch.cell.ring or "", stratum, order, end - start)

    def back(self, host: int, at: float) -> None:
        """A silent host speaks again: an open adoption begins its proof anew, a waiting host asks."""
        state = self._world.fleet.state[host]
        if not state & GRANTED:
            if self.askers.may_ask(host):
                self.offer(at)
        elif not state & (FAILED | CONFIRMED):
            self._world.queue.put(at + self._confirm_seconds, partial(self._confirm_one, host))

    def fail(self, host: int, at: float) -> None:
        """The open adoption of a host fails; its slot is held for one more deadline."""
        world = self._world
        state = world.fleet.state[host]
        batch = self._batches.of(host)
        if batch is None or state & (FAILED | CONFIRMED):
            return
        world.fleet.move(host, state | FAILED)
        world.troubled.add(host, at)
        self._not_overdue(host)
        self._settled += 1
        self._write("failed", batch, host, at)
        world.tick(at)
        world.changed(at)
        due = world.gateway.when(world.gateway.clock(at) + self._deadline_seconds) + 1e-3
        world.queue.put(due, partial(self._resolve, batch, host))

    def _lose(self, batch: Batch, at: float) -> None:
        """Those of a batch that are still open are overdue."""
        lost = [host for host in batch.left if self._is_open(host)]
        for host in lost:
            self._overdue.add(host)
            self._count_overdue(host, 1)
            self._write("overdue", batch, host, at)
        if lost:
            self._world.tick(at)
            self._world.changed(at)

    def _expire(self, batch: Batch, at: float) -> None:
        """Those of a batch that are still open have failed; an announced sleep stops that clock."""
        for host in batch.left:
            if self._is_open(host) and host not in self._asleep:
                self.fail(host, at)

    def _resolve(self, batch: Batch, host: int, at: float) -> None:
        self._world.counts.outstanding -= 1
        self._outstanding[batch.cell.stratum] -= 1
        self._write("resolved", batch, host, at)
        self._after(at)

    def _after(self, at: float) -> None:
        self._world.tick(at)
        self.offer(at)
        self._world.changed(at)

    def _write(self, outcome: str, batch: Batch, host: int, at: float) -> None:
        order = batch.order + host - batch.start
        self._world.pen.adoption(outcome, at, batch.cell.ring or "", batch.cell.stratum, order)

    def _not_overdue(self, host: int) -> None:
        if host in self._overdue:
            self._overdue.remove(host)
            self._count_overdue(host, -1)

    def _count_overdue(self, host: int, by: int) -> None:
        """Whoever sleeps has announced it, and sleeps until it confirms."""
        counts = self._world.counts
        counts.overdue += by
        counts.overdue_asleep += by if host in self._asleep else 0

    def _is_open(self, host: int) -> bool:
        return not self._world.fleet.state[host] & (FAILED | CONFIRMED)
