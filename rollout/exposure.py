"""Exposure: whom a rollout reaches, and how soon at best.

A host that enrols during a rollout belongs where the map puts its point and is compared within the strata that the
rollout began with; it moves no boundary. The forecast is arithmetic on the plan: no host fails, every confirmation
comes at the moment it can, and no gate waits for more evidence than that.
"""

from dataclasses import dataclass
from datetime import timedelta

from policies.document import Policy, Ring
from policies.early_life import early_life_bound
from rollout.plan import InventoryHost, Plan, ReleaseFacts, stratum_among, why_not
from rollout.ringmap import HELD_OUT, RingMap
from rollout.turn import turn_of_newcomer


@dataclass(frozen=True, slots=True)
class Newcomer:
    """Where a host stands that enrolled after the plan was made. `ring` may be `held-out`.

    `turn`: the ring with which it may adopt, None where that is its own.
    """

    ring: str
    stratum: str
    ineligible: str | None
    turn: str | None = None


def place(
    policy: Policy, ring_map: RingMap, strata: tuple[str, ...], release: ReleaseFacts, seen: InventoryHost
) -> Newcomer:
    """Place one host in a rollout that has begun; the limits in force were shared out without it."""
    ring = ring_map.ring_of(seen.host, seen.tags) or HELD_OUT
    stratum = stratum_among(strata, seen.form, seen.os_build, seen.hardware)
    turn = ring if ring == HELD_OUT else turn_of_newcomer(policy, ring)
    why = why_not(seen, release) or ("limits" if turn is None else None)
    return Newcomer(ring, stratum, why, None if turn == ring else turn)


@dataclass(frozen=True, slots=True)
class RingForecast:
    """One ring at best: until it is wholly admitted, and then until it may be promoted."""

    name: str
    admission: timedelta
    bake: timedelta


@dataclass(frozen=True, slots=True)
class Forecast:
    """What to expect before anybody is exposed. `lethal_harm`: hosts a release that kills at once would harm.

    The hazard gate of drivers may take longer than the minimum bake: how long depends on the fleet's crashes.
    """

    rings: tuple[RingForecast, ...]
    lethal_harm: int

    @property
    def hours_at_best(self) -> float:
        """Hours from start to completion, without the watch that follows."""
        return sum((ring.admission + ring.bake for ring in self.rings), timedelta(0)) / timedelta(hours=1)


def forecast(policy: Policy, plan: Plan) -> Forecast:
    """Forecast a rollout of a release without fault, and the harm of a lethal one."""
    rings = []
    confirmed = 0
    for ring, count in zip(policy.rings, plan.rings, strict=True):
        if count.eligible == 0:
            continue
        admission = _admission(policy, ring, count.eligible, confirmed)
        rings.append(RingForecast(ring.name, admission, _bake(ring, count.eligible)))
        confirmed += count.eligible
    first = next((ring for ring, count in zip(policy.rings, plan.rings, strict=True) if count.eligible), None)
    reached = sum(count.eligible for count in plan.rings)
    return Forecast(tuple(rings), 0 if first is None else min(first.first_batch, reached))


def _admission(policy: Policy, ring: Ring, hosts: int, confirmed: int) -> timedelta:
    """Return how long the ring takes to be granted and confirmed, window by window."""
    elapsed = timedelta(0)
    granted = 0
    while granted < hosts:
        survived = confirmed + granted
        window = max(ring.first_batch, int(ring.budget / early_life_bound(survived, 0)))
        if survived < ring.first_batch:
            window = ring.first_batch
        batch = min(window, hosts - granted)
        pace = timedelta(minutes=batch / ring.max_per_minute) if ring.max_per_minute else timedelta(0)
        elapsed += max(policy.confirm.uptime, pace)
        granted += batch
    return elapsed


def _bake(ring: Ring, hosts: int) -> timedelta:
    """Return the minimum bake: wall time, and host-hours of this many hosts."""
    return max(ring.bake.min, timedelta(hours=ring.bake.host_hours / hosts))
