"""What hosts of one run report of measures: pairs of an exposed and a control host, as the service draws them.

Nobody is followed by itself: hosts that were not paired yet are taken to be spread over the bands of time since boot as
all of their arm are, and each reports one normal number.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from rollout.evidence.pairing import MOST_EXPOSED
from rollout.judge.guards import GUARDS
from rollout.simulation.fleet import CONTROL, PROVEN
from rollout.simulation.world import HOUR, World

IN_BOTH: Final = GUARDS.index("crash_or_dark")
"""Hosts that never failed in any way may be paired."""


class Measured:
    """Writes pairs at every heartbeat, of the measures that the policy judges and the scenario's fleet reports."""

    def __init__(self, world: World) -> None:
        reported = world.scenario.fleet.measures
        self._world = world
        self._names = [each.name for each in world.policy.judge.measures if each.name in reported]
        self._paired = {name: [0 for _ in world.strata] for name in self._names}
        self._heartbeat = world.policy.heartbeat.total_seconds()

    def begin(self) -> None:
        """Look for the first time, if there is anything to see."""
        if self._names:
            self._world.queue.put(self._heartbeat, self._look)

    def _look(self, at: float) -> None:
        world = self._world
        world.queue.put(at + self._heartbeat, self._look)
        if world.blind is not None or not world.fleet.confirmed:
            return
        written = sum([self._pair(name, at) for name in self._names])
        if written:
            world.row_came(at)

    def _pair(self, name: str, at: float) -> int:
        """Write the pairs of one measure; return how many."""
        free = [self._free(paired, stratum, at) for stratum, paired in enumerate(self._paired[name])]
        scale = min(1.0, MOST_EXPOSED / max(sum(free), 1))
        pairs = [int(count * scale) for count in free]
        for stratum, count in enumerate(pairs):
            self._paired[name][stratum] += count
            self._write(name, stratum, count, at)
        return sum(pairs)

    def _free(self, paired: int, stratum: int, at: float) -> int:
        """Return how many pairs of hosts that stand in none and are as long since their boot there are."""
        world = self._world
        at_risk = world.fleet.at_risk[IN_BOTH][stratum]
        exposed, control = max(0, at_risk[PROVEN] - paired), max(0, at_risk[CONTROL] - paired)
        shares, habits = world.neighbours.ages[stratum].shares(at / HOUR), world.habits
        ordinary: Sequence[float] = [1.0] if habits.plain else habits.ordinary_bands
        mine: Sequence[float] = [sum(shares)] if habits.plain else shares
        return sum(
            int(min(exposed * own, control * habits.awake * other)) for own, other in zip(mine, ordinary, strict=True)
        )

    def _write(self, name: str, stratum: int, count: int, at: float) -> None:
        world, fault = self._world, self._world.scenario.fault
        number = world.scenario.fleet.measures[name]
        drawn = world.rng.normal(number.mean, number.deviation, (count, 2))
        if world.is_faulty(stratum) and at / HOUR >= fault.onset_hours:
            drawn[:, 0] += fault.measures.get(name, 0.0)
        for exposed, control in np.asarray(drawn).tolist():
            world.pen.measure(at, world.ring, stratum, name, exposed, control)
