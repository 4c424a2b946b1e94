"""The strata's guards: one halting e-process for each stratum of the header, on its rows of `crash_or_dark` alone.

A fault of one model hides in the four guards behind everything that is well; here it stands alone. The strata and
so their weights are fixed in the evidence header: weights that depend on what was seen would not be valid.
"""

from collections.abc import Sequence
from itertools import repeat
from operator import attrgetter
from typing import Final

import numpy as np

from rollout.evidence.rows import FailureRow
from rollout.judge.columns import Columns, Integers
from rollout.judge.eprocess import Floats
from rollout.judge.guards import GUARDS, Bar, GuardState, fold
from rollout.plan import OTHER

NOWHERE: Final = -1
CRASH_OR_DARK: Final = GUARDS.index("crash_or_dark")
MOST_CELLS: Final = 2**22
"""Values of E held at once, strata times rows: a few tens of megabytes."""


class Strata:
    """E of each stratum's guard, in the order of the header."""

    def __init__(self, names: Sequence[str], bar: Bar) -> None:
        self.names = tuple(names)
        self._index = {name: number for number, name in enumerate(names)}
        self._other = self._index.get(OTHER, NOWHERE)
        self._cap = bar.stratum_cap(len(self.names))
        self._states = [GuardState.start() for _ in self.names]
        self._e = np.ones(len(self.names))

    @property
    def e(self) -> dict[str, float]:
        """Return the boosted E of each stratum's guard."""
        return dict(zip(self.names, self._e.tolist(), strict=True))

    def path(self, rows: int) -> Floats:
        """Return every stratum's E as it is, for so many rows: (strata, rows)."""
        return np.repeat(self._e[:, None], rows, axis=1)

    def rows_at_once(self, most: int) -> int:
        """Return how many rows to take at once, at most `most`: many strata make every row dear."""
        return max(64, min(most, MOST_CELLS // max(1, len(self.names))))

    def places(self, rows: Sequence[FailureRow]) -> Integers:
        """Return the rows' strata as positions; one that the header does not name is `other`, or nowhere."""
        names = map(attrgetter("stratum"), rows)
        return np.fromiter(map(self._index.get, names, repeat(self._other)), np.int64, len(rows))

    def take(self, place: Integers, of: Columns, null: Floats) -> Floats:
        """Fold rows with their places and null ratios (rows,); return E of every stratum after each: (strata, rows)."""
        path = self.path(place.size)
        counts = np.where(of.guard == CRASH_OR_DARK, place, NOWHERE)
        for number in np.unique(counts[counts >= 0]).tolist():
            own = counts == number
            state, log_e = fold(self._states[number], of.where(own).harm(null[own]), self._cap)
            e = np.exp(np.minimum(np.concatenate([self._states[number].log_e[None], log_e]), 700.0))
            self._states[number] = state
            path[number] = e[np.cumsum(own)]
            self._e[number] = e[-1]
        return path


def mean_of(path: Floats) -> Floats:
    """Return the strata's mean E after each row, of (strata, rows); without strata it is 1.

    Summed in the order of the header, one after another: the same rows in any chunks give the same bits.
    """
    if not path.shape[0]:
        return np.ones(path.shape[1])
    mean: Floats = np.cumsum(path, axis=0)[-1] / path.shape[0]
    return mean
