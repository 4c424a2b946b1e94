"""The strata of the header, each with a guard of its own: one halting e-process on its rows of `crash_or_dark` alone.

A fault of one model hides in the four guards behind everything that is well; here it stands alone. The strata and
so their weights are fixed in the evidence header: weights that depend on what was seen would not be valid.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from rollout.evidence.rows import FailureRow
from rollout.judge.columns import NOWHERE, Columns
from rollout.judge.eprocess import Floats, Integers
from rollout.judge.guards import GUARDS
from rollout.plan import OTHER

CRASH_OR_DARK: Final = GUARDS.index("crash_or_dark")
MOST_CELLS: Final = 2**22
"""Values of E held at once, strata times rows: a few tens of megabytes."""


class Strata:
    """The names of the header in their order, and which rows count for which."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self._index = {name: number for number, name in enumerate(names)}
        self._other = self._index.get(OTHER, NOWHERE)

    def rows_at_once(self, most: int) -> int:
        """Return how many rows to take at once, at most `most`: many strata make every row dear."""
        return max(64, min(most, MOST_CELLS // max(1, len(self.names))))

    def places(self, rows: Sequence[FailureRow]) -> Integers:
        """Return the rows' strata as positions; one that the header does not name is `other`, or nowhere."""
        find, other = self._index.get, self._other
        return np.array([find(row.stratum, other) for row in rows], np.int64)

    def counted(self, of: Columns) -> Integers:
        """Return which rows the guards of strata fold."""
        return np.flatnonzero((of.guard == CRASH_OR_DARK) & (of.place != NOWHERE))


def mean_of(e: Floats) -> Floats:
    """Return the mean over strata of (strata, looks); without strata it is 1.

    Summed in the order of the header, one after another: the same rows in any chunks give the same bits.
    """
    if not e.shape[0]:
        return np.ones(e.shape[1])
    mean: Floats = np.cumsum(e, axis=0)[-1] / e.shape[0]
    return mean
