"""What the parts of one run share: the fleet, its habits, the queue of what is to happen, evidence and clock.

Times are seconds since the rollout began; only nature and weather reckon in hours.
"""

import heapq
import math
from bisect import bisect_left, insort
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from policies.document import Policy
from rollout.evidence.matching import AtRisk
from rollout.evidence.rows import Arm
from rollout.judge.guards import GUARDS
from rollout.plan import ring_sizes
from rollout.ringmap import HELD_OUT
from rollout.simulation.fleet import CONTROL, EXPOSED, PROVEN, Fleet
from rollout.simulation.habits import Habits
from rollout.simulation.nature import Exposed, Nature
from rollout.simulation.neighbours import Neighbours
from rollout.simulation.pen import Pen
from rollout.simulation.scenario import Scenario
from rollout.simulation.weather import Gateway, Weather

HOUR: Final = 3600.0
CRASH: Final = GUARDS.index("crash")
FEW: Final = 16
"""Marks below which each is put in its place rather than all sorted."""
Event = Callable[[float], None]


class Queue:
    """What is to happen, in order; at one moment in the order in which it was put."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Event]] = []
        self._number = 0

    def put(self, at: float, event: Event) -> None:
        """Let something happen; infinitely late is never."""
        if at < math.inf:
            heapq.heappush(self._heap, (at, self._number, event))
            self._number += 1

    def take(self) -> tuple[float, Event] | None:
        """Return what is next, None where nothing is left."""
        if not self._heap:
            return None
        at, _, event = heapq.heappop(self._heap)
        return at, event


class Marked:
    """Hosts with a time each, found by range. Those added since the last look are put in their places by the next."""

    def __init__(self) -> None:
        self.at: dict[int, float] = {}
        self._sorted: list[int] = []
        self._added: list[int] = []

    def add(self, host: int, at: float) -> None:
        """Mark a host; one that is marked keeps its earlier time."""
        if host not in self.at:
            self._added.append(host)
            self.at[host] = at
        else:
            self.at[host] = min(self.at[host], at)

    def remove(self, host: int) -> None:
        """Forget a host."""
        if self.at.pop(host, None) is not None:
            self._settle()
            del self._sorted[bisect_left(self._sorted, host)]

    def within(self, start: int, end: int) -> list[int]:
        """Return the marked hosts from `start` to below `end`, ascending."""
        self._settle()
        return self._sorted[bisect_left(self._sorted, start) : bisect_left(self._sorted, end)]

    def _settle(self) -> None:
        if len(self._added) < FEW:
            for host in self._added:
                insort(self._sorted, host)
        else:
            self._sorted += self._added
            self._sorted.sort()
        self._added.clear()


@dataclass(slots=True)
class Counts:
    """Running sums of a run; `segments`: (at, exposed, control) of crashes at risk where the fault acts."""

    clock: float = 0.0
    exposed_hours: float = 0.0
    control_hours: float = 0.0
    overdue: int = 0
    overdue_asleep: int = 0
    outstanding: int = 0
    mute_exposed: int = 0
    mute_control: int = 0
    segments: list[tuple[float, int, int]] = field(default_factory=list)
    looks: list[tuple[float, float, int, int, int]] = field(default_factory=list)


class World:
    """One run's world. `rng` is its only randomness."""

    def __init__(self, scenario: Scenario, policy: Policy, rng: np.random.Generator, *, keep: bool) -> None:
        self.scenario, self.policy, self.rng = scenario, policy, rng
        restarts = policy.kind != "content" or scenario.disturbance.reboot_factor > 1.0
        self.habits = Habits(scenario.fleet, scenario.disturbance, restarts=restarts)
        self.gateway = Gateway(scenario.disturbance)
        self.weather = Weather(scenario.disturbance, float(rng.random()))
        present = dict(ring_sizes(policy, scenario.fleet.hosts))
        held_out = present.pop(HELD_OUT, 0)
        self.rings = list(present)
        self.strata = list(scenario.fleet.strata)
        self.fleet = _drawn(scenario, [*present.values(), held_out], self.rings, rng)
        self.nature = Nature(scenario, self.habits, self.weather, self.fleet.hosts, rng)
        header = {ring.name: present.get(ring.name, 0) for ring in policy.rings}
        self.pen = Pen("simulated", policy, self.strata, header, keep=keep)
        self.queue = Queue()
        self.counts = Counts()
        self.neighbours = Neighbours(self.habits, self.fleet, rng)
        self.troubled = Marked()  # hosts that will not confirm as others do, from when on
        self.silent = Marked()  # hosts that do not speak, since when
        self.exposed: list[Exposed] = []
        self.now = 0.0
        self.block_end = 0.0  # hours up to which nature was drawn
        self.ring = self.rings[0]
        self.admitted: Callable[[], bool] = lambda: False
        self.changed: Callable[[float], None] = lambda _: None
        self.row_came: Callable[[float], None] = lambda _: None
        self.blind: str | None = None

    def is_faulty(self, stratum: int) -> bool:
        """Say whether the fault acts on a stratum."""
        named = self.scenario.fault.stratum
        return named is None or self.strata[stratum] == named

    def advance(self, at: float) -> None:
        """Let the rollout clock and the host-hours run up to now."""
        counts, fleet = self.counts, self.fleet
        clock = self.gateway.clock(at)
        hours = (clock - counts.clock) / HOUR * self.habits.awake
        counts.clock, self.now = clock, at
        counts.exposed_hours += hours * (fleet.granted - fleet.dark_exposed)
        counts.control_hours += hours * (fleet.hosts - fleet.granted - fleet.dark_control)

    def tick(self, at: float) -> None:
        """Write the state of both arms."""
        self.advance(at)
        counts, fleet = self.counts, self.fleet
        reboots = counts.exposed_hours * self.scenario.fleet.reboots_per_day / 24
        self.pen.tick(
            at,
            clock=counts.clock,
            ring=self.ring,
            reporting_bp=_heard(fleet.granted - fleet.dark_exposed, counts.mute_exposed, 10_000),
            control_reporting_bp=self._control_heard(),
            exposed=fleet.granted,
            exposed_confirmed=fleet.confirmed,
            overdue=counts.overdue,
            overdue_asleep=counts.overdue_asleep,
            dark=fleet.dark_exposed,
            outstanding=counts.outstanding,
            host_hours=counts.exposed_hours,
            control_host_hours=counts.control_hours,
            reboots=int(reboots) + (fleet.granted if self.habits.restarts else 0),
            admitted=self.admitted(),
            blind=self.blind,
        )

    def _control_heard(self) -> int:
        counts, fleet = self.counts, self.fleet
        control = fleet.hosts - fleet.granted - fleet.dark_control
        if control <= 0 and self.policy.hold_out == 0:
            return 10_000 if fleet.confirmed else 0  # those who confirmed are the sight (docs/adr/0011)
        return _heard(control, counts.mute_control, 0)

    def failures(self, guards: Sequence[int], host: int, at: float, *, exposed: bool, band: int) -> list[AtRisk]:
        """Write a row of each guard; return the hosts at risk that are awake and as long since boot as this one."""
        cell, hours = self.fleet.cell(host), at / HOUR
        arm: Arm = "exposed" if exposed else "control"
        found = [self.neighbours.of(guard, host, cell.stratum, hours, band) for guard in guards]
        for guard, at_risk in zip(guards, found, strict=True):
            self.pen.failure(GUARDS[guard], at, cell, arm, at_risk)
        return found

    def segment(self, at: float) -> None:
        """Remember how many are at risk from now on, where the fault acts."""
        exposed = control = 0
        for stratum, own in enumerate(self.fleet.at_risk[CRASH]):
            if self.is_faulty(stratum):
                exposed += own[EXPOSED] + own[PROVEN]
                control += own[CONTROL]
        self.counts.segments.append((at, exposed, control))


def _heard(hosts: int, mute: int, empty: int) -> int:
    return round(10_000 * max(0, hosts - mute) / hosts) if hosts > 0 else empty


def _drawn(scenario: Scenario, sizes: Sequence[int], rings: Sequence[str], rng: np.random.Generator) -> Fleet:
    """Deal the strata over the rings as a random map does, without the hosts that are never online."""
    strata, fault = scenario.fleet.strata, scenario.fault
    shares = np.array(list(strata.values()))
    dealt = []
    for ring, size in zip([*rings, None], sizes, strict=True):
        barred = np.array([name == fault.stratum and ring in fault.absent_from for name in strata])
        weights = np.where(barred, 0.0, shares)
        if weights.sum() <= 0:
            weights = np.ones(len(shares))
        parts = rng.multinomial(size, weights / weights.sum())
        dealt.append([int(rng.binomial(part, scenario.fleet.online_share)) for part in parts])
    return Fleet(dealt[:-1], dealt[-1], rings, list(strata))
