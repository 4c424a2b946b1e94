"""What was seen of first failures: how many in each arm, by guard and stratum, and how many were to be expected.

Expected are those that exposed hosts would have had at control's rate: the sum over rows of Y1 / (Y1 + Y0).
"""

from dataclasses import dataclass

import numpy as np

from rollout.evidence.rows import Guard
from rollout.judge.columns import Columns
from rollout.judge.eprocess import Floats, Integers
from rollout.judge.guards import GUARDS


@dataclass(frozen=True, slots=True)
class Arms:
    """First failures of exposed and of control hosts, and how many of exposed ones were to be expected."""

    exposed: int
    control: int
    expected: float

    def sentence(self, of: "Hosts | None" = None) -> str:
        """Say how many failed, of how many hosts where that is known, and how many were to be expected."""
        exposed, control = ("", "") if of is None else (f" of {of.exposed}", f" of {of.control}")
        return (
            f"{self.exposed}{exposed} exposed and {self.control}{control} control hosts failed first, where "
            f"{self.expected:.2g} exposed ones were to be expected"
        )


@dataclass(frozen=True, slots=True)
class Hosts:
    """How many hosts are in each arm."""

    exposed: int
    control: int


@dataclass(frozen=True, slots=True)
class Seen:
    """Counts (guards, strata + 1, arms) with control first, and expectations (guards, strata + 1).

    The last stratum (NOWHERE) is that of hosts whose own the header does not name.
    """

    failures: Integers
    expected: Floats

    @classmethod
    def start(cls, strata: int) -> "Seen":
        """Return that nothing was seen."""
        shape = (len(GUARDS), strata + 1)
        return cls(np.zeros((*shape, 2), np.int64), np.zeros(shape))

    def with_rows(self, of: Columns) -> "Seen":
        """Return what was seen after rows."""
        failures, expected = self.failures.copy(), self.expected.copy()
        np.add.at(failures, (of.guard, of.place, of.exposed.astype(np.int64)), 1)
        np.add.at(expected, (of.guard, of.place), of.expected())  # one by one: the same in any chunks
        return Seen(failures, expected)

    def control(self, guard: Guard) -> int:
        """Return the first failures of control hosts of a guard."""
        return int(self.failures[GUARDS.index(guard), :, 0].sum())

    def arms(self, guard: Guard, stratum: int | None = None) -> Arms:
        """Return the arms of a guard, in one stratum or in all."""
        number, where = GUARDS.index(guard), slice(None) if stratum is None else slice(stratum, stratum + 1)
        control, exposed = self.failures[number, where].sum(axis=0).tolist()
        return Arms(exposed, control, float(self.expected[number, where].sum()))


@dataclass(frozen=True, slots=True)
class Loud:
    """The guard that says most of harm: which, of one stratum or (None) of all, its E, and what it saw."""

    guard: Guard
    stratum: str | None
    e: float
    arms: Arms

    def sentence(self, of: Hosts | None = None) -> str:
        """Name it with its numbers."""
        name = self.guard if self.stratum is None else f"stratum {self.stratum}"
        return f"{name} ({self.e:.4g}): {self.arms.sentence(of)}"
