"""How much evidence a run held, beside how much its judge asked for.

Any rule with false-halt chance alpha and power 1 needs ln(1/alpha) of information, the expected log likelihood ratio
of the true ratio against none, the integral of lambda0 [theta Y1 ln theta - (theta Y1 + Y0) ln((theta Y1 + Y0) /
(Y1 + Y0))].
The clairvoyant test (Wald's SPRT that is told theta) stands on the same crashes for the least that can be had.
"""

import itertools
import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from rollout.simulation.world import HOUR, World

LOG_ALPHA: Final = math.log(100.0)
CONTROL_ARM: Final = -1


class CrashSeen(NamedTuple):
    """A first crash as it was reported: `at` seconds, and who was at risk beside it."""

    at: float
    exposed: bool
    exposed_at_risk: int
    control_at_risk: int


class Report(NamedTuple):
    """Any crash report, a host's later ones too: `ring` of an exposed host or CONTROL_ARM, and who was at risk."""

    at: float
    ring: int
    first: bool
    exposed_at_risk: int
    control_at_risk: int


def expected(world: World, end: float) -> float:
    """Return the information up to `end` seconds, in units of ln(1/alpha)."""
    fault, fleet = world.scenario.fault, world.scenario.fleet
    theta = fault.ratio
    total = 0.0
    segments = [*world.counts.segments, (end, 0, 0)]
    for (start, exposed, control), (until, _, _) in itertools.pairwise(segments):
        since, till = max(start / HOUR, fault.onset_hours), min(until, end) / HOUR
        if exposed and till > since:
            both, tilted = exposed + control, theta * exposed + control
            gain = theta * exposed * math.log(theta) - tilted * math.log(tilted / both)
            total += gain * world.weather.mean(since, till) * (till - since)
    return total * fleet.crash_per_host_hour * world.habits.ordinary / LOG_ALPHA


def sprt_crashes(crashes: Sequence[CrashSeen], theta: float) -> int:
    """Return the exposed crashes at which the test that knows theta halts, or all there were."""
    if not crashes:
        return 0
    exposed = np.array([one.exposed for one in crashes], np.float64)
    at_risk = np.array([(one.exposed_at_risk, one.control_at_risk) for one in crashes], np.float64)
    share = at_risk[:, 0] / np.maximum(at_risk.sum(axis=1), 1.0)
    path = np.cumsum(exposed * math.log(theta) - np.log1p((theta - 1.0) * share))
    over = path >= LOG_ALPHA
    end = int(over.argmax()) + 1 if over.any() else len(crashes)
    return int(exposed[:end].sum())
