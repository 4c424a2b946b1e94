"""Guards: one halting e-process each, boosted, and their weighted mean that stops a rollout.

E-bar = sum of w_j E_j is an e-process under any dependence between the guards. Each is boosted to its own target
L_j = halt_at / w_j (`judge.processes`).

Beside the four guards below each stratum has one (`judge.strata`); they share `strata_weight` evenly.
"""

import math
from dataclasses import dataclass
from typing import Final, get_args

from rollout.evidence.rows import Guard
from rollout.judge.eprocess import HARM_RATIOS, EProcess, Floats

GUARDS: Final[tuple[Guard, ...]] = get_args(Guard)
HARM: Final = EProcess(HARM_RATIOS)
LARGEST_GAIN: Final = math.log(HARM_RATIOS[-1])
"""No row raises ln E by more."""
SLACK: Final = 1e-12
"""Relative slack of every comparison with a threshold: a sum of rounded terms may fall short of it."""
BAND_NULL_RATIO: Final = 10.0
"""Null ratio of a row whose band has fewer control than exposed hosts (JUDGE, time since boot)."""
HAND_PICKED_NULL_RATIO: Final = 1.25


def reached(value: float, threshold: float) -> bool:
    """Say whether an E-value reaches its threshold, up to rounding."""
    return value >= threshold * (1.0 - SLACK)


@dataclass(frozen=True, slots=True)
class Bar:
    """E-bar of the guards: `weight` by guard, `strata_weight` of all strata together, halting at `halt_at`."""

    weight: dict[Guard, float]
    strata_weight: float
    halt_at: float
    boost: bool

    def cap(self, guard: Guard) -> float:
        """Return L_j, the value at which this guard alone halts; infinity where it is not boosted."""
        return self._cap(self.weight[guard])

    def stratum_cap(self, strata: int) -> float:
        """Return the value at which the guard of one among so many strata alone halts."""
        return self._cap(self.strata_weight / max(1, strata))

    def _cap(self, weight: float) -> float:
        return self.halt_at / weight if self.boost and weight > 0 else math.inf

    def mean(self, e: Floats, strata: Floats) -> Floats:
        """Return E-bar (looks,) of the guards' E (guards, looks) and of the strata's mean E (looks,)."""
        total = self.strata_weight * strata
        for guard, own in zip(GUARDS, e, strict=True):
            total = total + self.weight[guard] * own
        return total
