"""What both arms share: how often hosts crash at a moment, and when anything reaches the gateway.

Hours since the rollout began, before which it is negative. The rollout clock stands still through an outage.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rollout.simulation.scenario import Disturbance

Floats = NDArray[np.float64]
DAY = 24.0
NOTICED_SECONDS = 5.0
"""How long no gateway moves before the judge calls itself blind (JUDGE section 6)."""


@dataclass(frozen=True, slots=True)
class Weather:
    """The disturbances of one run; `phase`: where in the day it began, 0..1."""

    disturbance: Disturbance
    phase: float

    def hazard(self, hours: Floats) -> Floats:
        """Return the hazard at these hours as a multiple of the fleet's ordinary one."""
        told = self.disturbance
        wave = 1.0 + told.diurnal * np.sin(2 * math.pi * (hours / DAY + self.phase))
        found: Floats = wave * np.exp(math.log1p(told.drift_per_day) * np.maximum(hours, 0.0) / DAY)
        if told.surge is not None:
            inside = (hours >= told.surge.at_hours) & (hours < told.surge.at_hours + told.surge.for_hours)
            found = np.where(inside, found * told.surge.factor, found)
        return found

    def highest(self, start: float, end: float) -> float:
        """Return a bound of the hazard between two hours."""
        told = self.disturbance
        growth = math.log1p(told.drift_per_day) / DAY
        drift = math.exp(max(growth * max(start, 0.0), growth * max(end, 0.0)))
        return (1.0 + told.diurnal) * drift * max(1.0, told.surge.factor if told.surge is not None else 1.0)

    def mean(self, start: float, end: float) -> float:
        """Return the mean hazard between two hours, by Simpson's rule on a fine grid."""
        if end <= start:
            return 1.0
        grid = np.linspace(start, end, 2 * max(4, math.ceil(end - start)) + 1)
        values = self.hazard(grid)
        return float((values[0] + values[-1] + 4 * values[1::2].sum() + 2 * values[2:-1:2].sum()) / 3 / (len(grid) - 1))


class Gateway:
    """When it can be reached. All times in seconds."""

    def __init__(self, disturbance: Disturbance) -> None:
        outage = disturbance.gateway_outage
        self.down = math.inf if outage is None else outage.at_hours * 3600.0
        self.up = math.inf if outage is None else self.down + outage.for_minutes * 60.0

    def arrival(self, at: float) -> float:
        """Return when something sent at `at` is received."""
        return self.up if self.down <= at < self.up else at

    def clock(self, at: float) -> float:
        """Return the rollout clock, which stands still once the judge is blind."""
        noticed = min(self.down + NOTICED_SECONDS, self.up)
        return at if at <= noticed else noticed + max(0.0, at - self.up)

    def when(self, clock: float) -> float:
        """Return when the rollout clock shows `clock`: the inverse of `clock`."""
        noticed = min(self.down + NOTICED_SECONDS, self.up)
        return clock if clock <= noticed else clock + (self.up - noticed)
