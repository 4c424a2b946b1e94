"""Guard rows as arrays: who failed, and who could have, as each process counts them."""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rollout.evidence.rows import FailureRow
from rollout.judge.eprocess import Bools, Draws, Floats, draws
from rollout.judge.guards import BAND_NULL_RATIO, GUARDS
from rollout.judge.overlap import weights

Integers: TypeAlias = NDArray[np.int64]
NUMBER: Final = {guard: number for number, guard in enumerate(GUARDS)}


@dataclass(frozen=True, slots=True)
class Columns:
    """Guard rows of one rollout in order; every array is of shape (rows,).

    `guard` indexes GUARDS. `widened`: the row's band has fewer control than exposed hosts, so `confirmed` and `control`
    count the whole stratum and the row is judged against BAND_NULL_RATIO; `weight` is what it counts in promoting.
    """

    guard: Integers
    exposed: Bools
    exposed_at_risk: Floats
    confirmed: Floats
    control: Floats
    widened: Bools
    weight: Floats

    def of(self, guard: int) -> "Columns":
        """Return the rows of one guard."""
        return self.where(self.guard == guard)

    def where(self, chosen: Bools) -> "Columns":
        """Return the chosen rows."""
        return Columns(
            self.guard[chosen],
            self.exposed[chosen],
            self.exposed_at_risk[chosen],
            self.confirmed[chosen],
            self.control[chosen],
            self.widened[chosen],
            self.weight[chosen],
        )

    def harm(self, null_ratio: Floats) -> Draws:
        """Return the draws that halt, each at its own null ratio (rows,)."""
        null = np.where(self.widened, np.maximum(null_ratio, BAND_NULL_RATIO), null_ratio)
        return draws(self.exposed, self.exposed_at_risk, self.control, null)

    def safety(self, margin: Floats) -> Draws:
        """Return the draws that promote, (margins, rows): confirmed hosts only, but every exposed failure."""
        return draws(self.exposed, self.confirmed, self.control, margin[:, None])

    def matched(self) -> Draws:
        """Return the draws at ratio 1 of rows whose band is matched in control: for the interval."""
        return draws(self.exposed, self.exposed_at_risk, np.where(self.widened, 0.0, self.control), 1.0)


def columns(rows: Sequence[FailureRow]) -> Columns:
    """Return the rows' columns."""
    size = len(rows)

    def column(name: str) -> Floats:
        return np.fromiter(map(attrgetter(name), rows), np.float64, size)

    control, exposed_at_risk = column("control_at_risk"), column("exposed_at_risk")
    confirmed = np.minimum(column("exposed_confirmed"), exposed_at_risk)
    exposed = np.fromiter(map("exposed".__eq__, map(attrgetter("arm"), rows)), np.bool_, size)
    weight = np.ones(size)
    whole = list(map(attrgetter("control_in_stratum"), rows))
    if whole.count(None) < size:
        in_stratum = np.array(whole, np.float64)  # None is NaN
        banded = np.fromiter((row.band is not None for row in rows), np.bool_, size)
        widened = banded & ~np.isnan(in_stratum) & (control < exposed_at_risk)
        proven = np.array([row.confirmed_in_stratum for row in rows], np.float64)
        weighed = widened & ~np.isnan(proven)
        proven = np.where(weighed, np.fmax(proven, confirmed), confirmed)
        weight = np.where(weighed, weights(exposed, confirmed, control, proven, in_stratum), ~widened | exposed)
        confirmed, control = proven, np.where(widened, in_stratum, control)
    else:
        widened = np.zeros(size, np.bool_)
    return Columns(
        np.fromiter(map(NUMBER.__getitem__, map(attrgetter("guard"), rows)), np.int64, size),
        exposed,
        exposed_at_risk,
        confirmed,
        control,
        widened,
        weight,
    )
