"""May the current ring be promoted? Every condition as a gate with its reason (JUDGE section 3).

A ring's bake counts from the first tick that called it wholly admitted; later comers do not reset it. What is
unknown, missing or late keeps a gate shut.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from policies.document import Policy, Ring
from policies.early_life import smallest_n
from rollout.evidence.rows import Guard, TickRow
from rollout.judge.guards import reached
from rollout.judge.promotion import PROMOTE_AT
from rollout.judge.reach import information

CALM: Final = 5.0
"""E-bar below which a ring may be promoted."""

MOST_HOSTS: Final = 1e12
NEVER_HOURS: Final = 1e6
"""What would take a century is not timed."""


@dataclass(frozen=True, slots=True)
class Gate:
    """One condition: whether it holds, and the sentence with its numbers.

    `hours`: until it holds at the present rate, if the release is harmless; None where that cannot be said.
    """

    name: str
    passed: bool
    sentence: str
    hours: float | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """What the gates are asked about, all as of the newest tick.

    `admitted` is the first tick that called the ring wholly admitted; `stopped` is why adoption stopped, if it did.
    `safety` is P by guard against the ring's margin, `ordinary` control's first failures by guard; `n` and `x` are the
    prefix of all adoptions, `early_life` U_p.
    """

    tick: TickRow
    admitted: TickRow | None
    stopped: str | None
    safety: Mapping[Guard, float]
    ordinary: Mapping[Guard, int]
    n: int
    x: int
    early_life: float
    at_once: int
    allowed_at_once: float
    e: float


def gates(policy: Policy, ring: Ring, standing: Standing, *, last: bool) -> list[Gate]:
    """Return every gate of the ring; `last`: no control is left to compare with, so it has no hazard gate."""
    found = [_stop(standing), _sight(standing.tick), _admission(ring, standing)]
    if ring.promote.margin is not None and not last:
        found.append(_hazard(ring.promote.margin, standing))
    if ring.promote.early_life is not None:
        found.append(_early_life(ring.promote.early_life, standing))
    found.extend(_bake(policy, ring, standing))
    found.append(_coverage(policy.coverage.at_least, standing.tick))
    found.append(_overdue(standing))
    found.append(Gate("calm", standing.e < CALM, f"evidence of harm is {standing.e:.3g}, below {CALM:g} is calm"))
    return found


def _stop(standing: Standing) -> Gate:
    return Gate("stop", standing.stopped is None, standing.stopped or "the evidence stops nothing")


def _sight(tick: TickRow) -> Gate:
    return Gate("sight", tick.blind is None, f"the judge is blind: {tick.blind}" if tick.blind else "the judge sees")


def _admission(ring: Ring, standing: Standing) -> Gate:
    admitted = standing.admitted is not None
    return Gate("admission", admitted, f"ring {ring.name} is {'' if admitted else 'not yet '}wholly admitted")


def _hazard(margin: float, standing: Standing) -> Gate:
    safety = standing.safety
    shown = ", ".join(f"{p:.3g} on {guard}" for guard, p in safety.items())
    passed = bool(safety) and all(reached(p, PROMOTE_AT) for p in safety.values())
    said = f"evidence against a hazard ratio of {margin:g} is {shown}; each must reach 20"
    left = [_hours_to_exclude(margin, guard, p, standing) for guard, p in safety.items()]
    return Gate("hazard", passed, said, max(each for each in left if each is not None) if all_known(left) else None)


def all_known(hours: Sequence[float | None]) -> bool:
    """Say whether there are any, and none is unknown."""
    return bool(hours) and None not in hours


def _hours_to_exclude(margin: float, guard: Guard, p: float, standing: Standing) -> float | None:
    """Return the hours until P of a harmless release reaches 20, at control's own rate of failures."""
    tick = standing.tick
    if reached(p, PROMOTE_AT):
        return 0.0
    if not (tick.control_host_hours > 0 and tick.clock > 0):
        return None
    control = int(min(tick.control_host_hours / (tick.clock / 3600), MOST_HOSTS))
    rate = standing.ordinary.get(guard, 0) / tick.control_host_hours
    gain = rate * information(1.0, margin, tick.exposed_confirmed, control)
    hours = math.log(PROMOTE_AT / max(p, 1e-300)) / gain if gain > 0 else math.inf
    return hours if hours < NEVER_HOURS else None


def _early_life(limit: float, standing: Standing) -> Gate:
    passed = standing.early_life <= limit
    said = (
        f"at most {standing.early_life:.2%} of adoptions fail ({standing.x} of the first {standing.n} did or are "
        f"overdue); the limit is {limit:.2%}"
    )
    if not passed and limit > 0:
        said += f", which {smallest_n(limit, standing.x) - standing.n} more that survive would show"
    return Gate("early-life", passed, said)


def _bake(policy: Policy, ring: Ring, standing: Standing) -> list[Gate]:
    """Return the minimum bake in time, in host-hours and, where a confirmation asks for them, in reboots."""
    begun = standing.admitted
    seconds = standing.tick.clock - begun.clock if begun else 0.0
    hours = standing.tick.host_hours - begun.host_hours if begun else 0.0
    least = ring.bake.min.total_seconds()
    found = [
        Gate(
            "bake",
            begun is not None and seconds >= least,
            f"baked {span(seconds)} of {span(least)}",
            None if begun is None else max(0.0, least - seconds) / 3600,
        ),
        Gate(
            "host-hours",
            begun is not None and hours >= ring.bake.host_hours,
            f"observed {hours:.1f} of {ring.bake.host_hours:g} host-hours since the ring was admitted",
            max(0.0, ring.bake.host_hours - hours) * seconds / 3600 / hours if hours > 0 else None,
        ),
    ]
    if policy.confirm.reboots:
        least_reboots = policy.confirm.reboots * max(standing.tick.exposed_confirmed, 1)
        seen = standing.tick.reboots
        found.append(Gate("reboots", seen >= least_reboots, f"exposed hosts restarted {seen} of {least_reboots} times"))
    return found


def span(seconds: float) -> str:
    """Write a length of time in the unit that people would use."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _coverage(floor: float, tick: TickRow) -> Gate:
    least = min(tick.reporting_bp, tick.control_reporting_bp) / 10_000
    return Gate(
        "coverage",
        least >= floor,
        f"{tick.reporting_bp / 100:g} % of exposed and {tick.control_reporting_bp / 100:g} % of control hosts report; "
        f"{floor:.0%} of both is asked",
    )


def _overdue(standing: Standing) -> Gate:
    return Gate(
        "overdue",
        standing.at_once <= standing.allowed_at_once,
        f"{standing.at_once} adoptions are overdue or dark, {standing.allowed_at_once:.3g} are allowed",
    )
