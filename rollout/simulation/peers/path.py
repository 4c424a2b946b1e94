"""One path for all rules: a rollout by a fixed schedule, whatever anybody thinks of it.

Rings open by the clock, so a rule decides nothing but when it would have halted.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from policies.document import Policy
from rollout.simulation.course import run
from rollout.simulation.information import CONTROL_ARM
from rollout.simulation.scenario import Scenario
from rollout.simulation.world import HOUR

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
BAKE_HOURS: Final = 24.0
MOST_CRASHES: Final = 3000
"""Reported crashes of exposed hosts after which a path ends: a rule that has not halted by then does not."""


@dataclass(frozen=True, slots=True)
class Path:
    """Crash reports in order, hours since the rollout began, and who was exposed when.

    `ring` (reports,) of an exposed host, or CONTROL_ARM; `first` (reports,): the host's first; `exposed`, `control`
    (reports,): at risk just before it. `opened`, `sizes` (rings,): when each ring opened and how many hosts it took.
    `harm`: hours of each host that failed first by the fault, ascending. `halt`: the judge's own, None: never.
    """

    at: Floats
    ring: Integers
    first: NDArray[np.bool_]
    exposed: Floats
    control: Floats
    opened: Floats
    sizes: Floats
    end: float
    harm: Floats
    halt: float | None
    ratio: float

    def is_exposed(self) -> NDArray[np.bool_]:
        """Return which reports are of exposed hosts."""
        exposed: NDArray[np.bool_] = self.ring != CONTROL_ARM
        return exposed

    def hosts(self, hours: Floats) -> Floats:
        """Return how many hosts were granted by these hours."""
        granted = np.concatenate([[0.0], np.cumsum(self.sizes)])
        return granted[np.searchsorted(self.opened, hours, side="right")]


def record(scenario: Scenario, policy: Policy, seed: int, number: int) -> Path:
    """Play one path; the same seed and number give the same path."""
    fixed = scenario.model_copy(update={"fixed_bake_hours": scenario.fixed_bake_hours or BAKE_HOURS})
    world, passage, mishaps, _ = run(fixed, policy, seed, number, most_crashes=MOST_CRASHES)
    columns = np.array(mishaps.reports or [], np.float64).reshape(-1, 5)
    sizes = [sum(c.end - c.start for c in world.fleet.cells if c.ring == ring) for ring in world.rings]
    end = (passage.ended if passage.ended is not None else world.now) / HOUR
    opened: Floats = np.arange(len(sizes), dtype=np.float64) * (fixed.fixed_bake_hours or BAKE_HOURS)
    toll, halt = mishaps.toll, world.pen.fold.halt
    harm = sorted(at / HOUR for host, at in toll.fault.items() if at <= toll.other.get(host, np.inf))
    return Path(
        at=columns[:, 0] / HOUR,
        ring=columns[:, 1].astype(np.int64),
        first=columns[:, 2] > 0,
        exposed=columns[:, 3],
        control=columns[:, 4],
        opened=opened,
        sizes=np.array(sizes, np.float64),
        end=end,
        harm=np.array(harm),
        halt=None if halt is None else halt.at / HOUR,
        ratio=scenario.fault.ratio,
    )
