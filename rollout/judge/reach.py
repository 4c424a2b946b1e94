"""What a ring can reach and see: known before anything is exposed, so that a policy can be judged by it.

Information is the expected gain of ln E: at true ratio t against null n, with Y1 exposed and Y0 control hosts of
baseline hazard h, it grows by h (t Y1 + Y0) KL(q(t) || q(n)) an hour. A process needs ln(1 / alpha) of it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from policies.document import Policy
from policies.duration import format_duration
from policies.early_life import smallest_clean_n
from rollout.judge.eprocess import HARM_RATIOS, SAFETY_RATIOS, log_mean
from rollout.judge.promotion import PROMOTE_AT

LARGEST_RATIO: Final = float(HARM_RATIOS[-1])
HALVINGS: Final = 60
BAD_LUCK: Final = 1.2815515655446004
"""Standard deviations above the mean that one in ten exceeds."""
NINE_IN_TEN: Final = 0.9
EXACT_BELOW: Final = 50.0
"""Expected crashes below which chances are summed; above it a normal law tells them to a crash or two."""


@dataclass(frozen=True, slots=True)
class RingReach:
    """What one ring can show.

    `hosts_through` counts it and earlier rings, `clean_n` the survivors its early-life limit needs (None: no limit),
    `reachable` whether there are that many. `smallest_fault` is the smallest hazard ratio its minimum bake can halt,
    `smallest_fault_by_max` that of its maximum bake, `hours_to_promote` what excluding its margin takes at best (None:
    not at all, or no margin), `likely_margin` the smallest that nine of ten good releases have excluded by the end of
    its maximum bake, where earlier rings took no longer than they had to.
    """

    ring: str
    hosts_through: int
    clean_n: int | None
    reachable: bool
    smallest_fault: float | None
    smallest_fault_by_max: float | None
    hours_to_promote: float | None
    likely_margin: float | None


class Span(NamedTuple):
    """A time of so many hosts in each arm; `hazard`: crashes expected of one host in it."""

    exposed: int
    control: int
    hazard: float


def reach(policy: Policy, sizes: Mapping[str, int], fleet: int, crashes_per_host_hour: float) -> list[RingReach]:
    """Return each ring's reach on a fleet of so many hosts; `sizes` by ring name, absent: none."""
    found: list[RingReach] = []
    spans: list[Span] = []
    through = 0
    for ring in policy.rings:
        through += sizes.get(ring.name, 0)
        arms = through, max(0, fleet - through)
        limit, margin = ring.promote.early_life, ring.promote.margin
        clean = smallest_clean_n(limit) if limit is not None and limit > 0 else None
        least, most = (bake.total_seconds() / 3600 * crashes_per_host_hour for bake in (ring.bake.min, ring.bake.max))
        hours = None if margin is None else hours_to_promote(margin, *arms, crashes_per_host_hour)
        found.append(
            RingReach(
                ring.name,
                through,
                clean,
                limit is None or (clean is not None and through >= clean),
                smallest_fault(*arms, least, policy.judge.halt_at),
                smallest_fault(*arms, most, policy.judge.halt_at),
                hours,
                likely_margin([*spans, Span(*arms, most)]),
            )
        )
        if sizes.get(ring.name):
            spans.append(Span(*arms, min(most, max(least, (hours or 0.0) * crashes_per_host_hour))))
    return found


def slow_rings(policy: Policy, seen: Sequence[RingReach], sizes: Mapping[str, int]) -> list[RingReach]:
    """Return the rings that may bake to their maximum with a good release; the last one that has hosts may not."""
    with_margin = [each for each in [each for each in seen if sizes.get(each.ring)][:-1] if _margin(policy, each)]
    return [each for each in with_margin if each.likely_margin is None or each.likely_margin > _margin(policy, each)]


def shows(policy: Policy, each: RingReach) -> str:
    """Say what a ring can exclude within its maximum bake, and what it is asked to."""
    shown = "no ratio at all" if each.likely_margin is None else f"a ratio of {each.likely_margin:.3g}"
    longest = format_duration(policy.ring(each.ring).bake.max)
    asked = f"the margin of {_margin(policy, each):g}"
    return f"within {longest} {each.hosts_through:,} hosts exclude {shown} for nine of ten good releases, not {asked}"


def _margin(policy: Policy, each: RingReach) -> float:
    """Return a ring's margin, 0 for none."""
    return policy.ring(each.ring).promote.margin or 0.0


def information(truth: float, null: float, exposed: int, control: int) -> float:
    """Return the expected gain of ln E per unit of baseline hazard."""
    if not (exposed > 0 and control > 0):
        return 0.0
    true_share = truth * exposed / (truth * exposed + control)
    null_share = null * exposed / (null * exposed + control)
    divergence = true_share * math.log(true_share / null_share)
    divergence += (1 - true_share) * (math.log1p(-true_share) - math.log1p(-null_share))
    return (truth * exposed + control) * divergence


def smallest_fault(exposed: int, control: int, hazard: float, halt_at: float) -> float | None:
    """Return the smallest ratio that `hazard` (crashes expected per host) lets the halt see, None above 300."""
    needed = math.log(halt_at)
    if hazard * information(LARGEST_RATIO, 1.0, exposed, control) < needed:
        return None
    low, high = 1.0, LARGEST_RATIO
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        enough = hazard * information(middle, 1.0, exposed, control) >= needed
        low, high = (low, middle) if enough else (middle, high)
    return high


def hours_to_promote(margin: float, exposed: int, control: int, crashes_per_host_hour: float) -> float | None:
    """Return the hours that excluding a margin takes a harmless release at best; None: it cannot."""
    rate = crashes_per_host_hour * information(1.0, margin, exposed, control)
    return math.log(PROMOTE_AT) / rate if rate > 0 else None


def likely_margin(spans: Sequence[Span]) -> float | None:
    """Return the smallest margin that nine of ten good releases exclude within all spans; None above 300."""
    if not excludes(LARGEST_RATIO, spans):
        return None
    low, high = 1.0, LARGEST_RATIO
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if excludes(middle, spans) else (middle, high)
    return high


def excludes(margin: float, spans: Sequence[Span]) -> bool:
    """Say whether P reaches 20 against a margin also where a good release has the bad luck of one in ten.

    Of the crashes that both arms expect together as many are exposed hosts' as only one of ten draws exceeds.
    """
    compared = [span for span in spans if span.exposed > 0 and span.control > 0 and span.hazard > 0]
    if not compared:
        return False
    crashes = np.array([span.hazard * (span.exposed + span.control) for span in compared])
    share = np.array([span.exposed / (span.exposed + span.control) for span in compared])
    null = np.array([margin * span.exposed / (margin * span.exposed + span.control) for span in compared])
    unlucky = unlucky_tenth(float(crashes.sum()), float((crashes * share).sum() / crashes.sum()))
    lost = (crashes[:, None] * np.log1p((SAFETY_RATIOS - 1.0) * null[:, None])).sum(axis=0)
    return bool(log_mean(unlucky * np.log(SAFETY_RATIOS) - lost) >= math.log(PROMOTE_AT))


def unlucky_tenth(crashes: float, share: float) -> int:
    """Return how many crashes fall on hosts of this share where only one of ten times more do."""
    mean = crashes * share
    if mean > EXACT_BELOW:
        return math.ceil(mean + BAD_LUCK * math.sqrt(mean * (1.0 - share)))
    count, chance = 0, math.exp(crashes * math.log1p(-share))
    below = chance
    while below < NINE_IN_TEN:
        chance *= max(0.0, crashes - count) / (count + 1) * share / (1.0 - share)
        count, below = count + 1, below + chance
        if chance <= 0.0:
            break
    return count
