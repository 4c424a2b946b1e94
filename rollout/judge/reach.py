"""What a ring can reach and see: known before anything is exposed, so that a policy can be judged by it.

Information is the expected gain of ln E: at true ratio t against null n, with Y1 exposed and Y0 control hosts of
baseline hazard h, it grows by h (t Y1 + Y0) KL(q(t) || q(n)) an hour. A process needs ln(1 / alpha) of it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from policies.document import Policy
from policies.early_life import smallest_clean_n
from rollout.judge.eprocess import HARM_RATIOS
from rollout.judge.promotion import PROMOTE_AT

LARGEST_RATIO: Final = float(HARM_RATIOS[-1])
HALVINGS: Final = 60


@dataclass(frozen=True, slots=True)
class RingReach:
    """What one ring can show.

    `hosts_through` counts it and earlier rings, `clean_n` the survivors its early-life limit needs (None: no limit),
    `reachable` whether there are that many. `smallest_fault` is the smallest hazard ratio its minimum bake can halt,
    `hours_to_promote` what excluding its margin takes at best (None: not at all, or no margin).
    """

    ring: str
    hosts_through: int
    clean_n: int | None
    reachable: bool
    smallest_fault: float | None
    hours_to_promote: float | None


def reach(policy: Policy, sizes: Mapping[str, int], fleet: int, crashes_per_host_hour: float) -> list[RingReach]:
    """Return each ring's reach on a fleet of so many hosts; `sizes` by ring name, absent: none."""
    found = []
    through = 0
    for ring in policy.rings:
        through += sizes.get(ring.name, 0)
        control = max(0, fleet - through)
        limit, margin = ring.promote.early_life, ring.promote.margin
        clean = smallest_clean_n(limit) if limit is not None and limit > 0 else None
        hours = ring.bake.min.total_seconds() / 3600
        found.append(
            RingReach(
                ring.name,
                through,
                clean,
                limit is None or (clean is not None and through >= clean),
                smallest_fault(through, control, hours * crashes_per_host_hour, policy.judge.halt_at),
                None if margin is None else hours_to_promote(margin, through, control, crashes_per_host_hour),
            )
        )
    return found


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
