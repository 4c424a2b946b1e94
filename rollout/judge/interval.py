"""The 95 % interval of the hazard ratio that people see: valid at every look, so it may be drawn live.

With S(theta) = sum over rows of x ln theta - ln(1 + (theta - 1) q), q at ratio 1, the process of an alternative
against any null is exp(S(alternative) - S(null)). One grid of S therefore tests every null on it from below
(alternatives up to 300 times the null) and from above (down to a tenth), each at 2.5 %. What any look rejected
stays rejected (running intersection).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from rollout.judge.eprocess import Bools, Draws, EProcess, Floats, log_mean
from rollout.judge.guards import SLACK

STEPS_PER_DOUBLING: Final = 4
WORSE: Final = 33  # steps up: alternatives 1.19 to 304 times the null
BETTER: Final = 13  # steps down: 0.84 to 0.105 times the null
_NULL_STEPS: Final = np.arange(-24, 25)  # nulls from 1/64 to 64
_STEPS: Final = np.arange(_NULL_STEPS[0] - BETTER, _NULL_STEPS[-1] + WORSE + 1)
NULLS: Final[Floats] = 2.0 ** (_NULL_STEPS / STEPS_PER_DOUBLING)
RATIOS: Final = EProcess(2.0 ** (_STEPS / STEPS_PER_DOUBLING))
LOG_REJECT: Final = float(np.log(40.0)) - SLACK
EVERY_ROW_UP_TO: Final = 256
THEN_EVERY: Final = 64


@dataclass(frozen=True, slots=True)
class IntervalState:
    """S on the grid, how many rows it holds, and the limits so far (0 and infinity: none)."""

    log_m: Floats
    rows: int
    low: float
    high: float

    @classmethod
    def start(cls) -> "IntervalState":
        """Return the state that excludes nothing."""
        return cls(RATIOS.start(), 0, 0.0, float("inf"))

    def fold(self, rows: Draws) -> "IntervalState":
        """Return the state after rows (rows,); looks are taken at fixed row numbers, whatever the chunks."""
        size = rows.exposed.shape[-1]
        number = self.rows + np.arange(1, size + 1)
        looks = np.flatnonzero((number <= EVERY_ROW_UP_TO) | (number % THEN_EVERY == 0)) + 1
        log_m, seen = _sums(RATIOS.steps(self.log_m, rows), looks.tolist())
        low, high = _limits(seen, self.low, self.high)
        return IntervalState(log_m, self.rows + size, low, high)

    def limits(self) -> tuple[float, float | None]:
        """Return the limits now; where looks contradict each other (1 run in 20) they change places: low <= high.

        The upper one is None while no ratio is too large.
        """
        low, high = _limits(self.log_m[None, :], self.low, self.high)
        return min(low, high), None if high == float("inf") else max(low, high)


def _sums(steps: Floats, looks: Sequence[int]) -> tuple[Floats, Floats]:
    """Return the sum of all steps (rows + 1, grid), and the sums up to each look (looks, grid).

    Added one after another, as a cumulative sum would, but without keeping what nobody looks at.
    """
    seen = np.empty((len(looks), steps.shape[-1]))
    for number, (before, look) in enumerate(pairwise([0, *looks])):
        steps[look] = seen[number] = np.add.reduce(steps[before : look + 1], axis=0)
    last = looks[-1] if looks else 0
    return np.add.reduce(steps[last:], axis=0), seen


def _limits(log_m: Floats, low: float, high: float) -> tuple[float, float]:
    """Return the largest null ever rejected from below and the smallest from above, with looks (looks, grid) more."""
    null = log_m[:, BETTER : BETTER + NULLS.size]
    low = _rejected(log_m[:, BETTER + 1 :], WORSE, null, low < NULLS).max(initial=low)
    high = _rejected(log_m[:, : BETTER + NULLS.size - 1], BETTER, null, high > NULLS).min(initial=high)
    return float(low), float(high)


def _rejected(alternatives: Floats, width: int, null: Floats, asked: Bools) -> Floats:
    """Return which of the nulls that are asked about any look (looks, nulls) rejects.

    Each null's alternatives are the next `width`. Their mean is no larger than the largest: few are worth a mean.
    """
    look, at = np.nonzero((_largest(alternatives, width) - null >= LOG_REJECT) & asked)
    means = log_mean(sliding_window_view(alternatives, width, axis=-1)[look, at])
    return NULLS[at[means - null[look, at] >= LOG_REJECT]]


def _largest(values: Floats, width: int) -> Floats:
    """Return the maximum of every so many neighbours (looks, grid)."""
    seen = 1
    while seen < width:
        step = min(seen, width - seen)
        values = np.maximum(values[:, :-step], values[:, step:])
        seen += step
    return values
