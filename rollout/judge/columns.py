"""Guard rows as arrays: who failed, and who could have, as each process counts them."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rollout.evidence.rows import FailureRow
from rollout.judge.eprocess import Bools, Draws, Floats, Integers, draws
from rollout.judge.guards import BAND_NULL_RATIO, GUARDS

NOWHERE: Final = -1
"""The place of a stratum that the header does not name, and that is not `other` there."""
NUMBER: Final = {guard: number for number, guard in enumerate(GUARDS)}


class Columns(NamedTuple):
    """Guard rows of one rollout in order; every array is of shape (rows,).

    `guard` indexes GUARDS, `place` the header's strata (NOWHERE: it names no such stratum). `widened`: the row's band
    has fewer control than exposed hosts, so `control` counts the whole stratum and the row is judged against
    BAND_NULL_RATIO.
    """

    guard: Integers
    place: Integers
    exposed: Bools
    exposed_at_risk: Floats
    confirmed: Floats
    control: Floats
    widened: Bools

    def of(self, guard: int) -> "Columns":
        """Return the rows of one guard."""
        return self.where(self.guard == guard)

    def where(self, chosen: Bools | slice) -> "Columns":
        """Return the chosen rows."""
        return Columns._make(column[chosen] for column in self)

    def harm(self, null_ratio: Floats) -> Draws:
        """Return the draws that halt, each at its own null ratio (rows,)."""
        null = np.where(self.widened, np.maximum(null_ratio, BAND_NULL_RATIO), null_ratio)
        return draws(self.exposed, self.exposed_at_risk, self.control, null)

    def safety(self, margin: Floats) -> Draws:
        """Return the draws that promote, (margins, rows): confirmed hosts only, but every exposed failure.

        A control failure of a widened row proves nothing, since its band had no match in control.
        """
        margin = margin[:, None]
        proof = np.where(self.widened & ~self.exposed, 0.0, self.control)
        return draws(self.exposed, np.minimum(self.confirmed, self.exposed_at_risk), proof, margin)

    def matched(self) -> Draws:
        """Return the draws at ratio 1 of rows whose band is matched in control: for the interval."""
        return draws(self.exposed, self.exposed_at_risk, np.where(self.widened, 0.0, self.control), 1.0)


def columns(rows: Sequence[FailureRow], place: Integers) -> Columns:
    """Return the rows' columns; `place` (rows,) of each is known."""
    exposed_at_risk = np.array([row.exposed_at_risk for row in rows], np.float64)
    control = np.array([row.control_at_risk for row in rows], np.float64)
    whole = [row.control_in_stratum for row in rows]
    if whole.count(None) < len(rows):
        in_stratum = np.array(whole, np.float64)  # None is NaN
        banded = np.array([row.band is not None for row in rows])
        widened = banded & ~np.isnan(in_stratum) & (control < exposed_at_risk)
        control = np.where(widened, in_stratum, control)
    else:
        widened = np.zeros(len(rows), np.bool_)
    return Columns(
        _small([NUMBER[row.guard] for row in rows]).astype(np.int64),
        place,
        _small([row.arm == "exposed" for row in rows]).astype(np.bool_),
        exposed_at_risk,
        np.array([row.exposed_confirmed for row in rows], np.float64),
        control,
        widened,
    )


def _small(numbers: Sequence[int]) -> NDArray[np.uint8]:
    """Return numbers below 256 as an array, by way of bytes: in half the time."""
    return np.frombuffer(bytes(numbers), np.uint8)


def joined(parts: Sequence[Columns]) -> Columns:
    """Return the rows of several, one behind the other."""
    return parts[0] if len(parts) == 1 else Columns._make(map(np.concatenate, zip(*parts, strict=True)))
