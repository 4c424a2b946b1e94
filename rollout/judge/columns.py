"""Guard rows as arrays: who failed, and who could have, as each process counts them."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rollout.evidence.rows import FailureRow
from rollout.judge.eprocess import Bools, Draws, Floats, Integers, draws
from rollout.judge.guards import BAND_NULL_RATIO, GUARDS
from rollout.judge.overlap import weights

NOWHERE: Final = -1
"""The place of a stratum that the header does not name, and that is not `other` there."""
NUMBER: Final = {guard: number for number, guard in enumerate(GUARDS)}


class Columns(NamedTuple):
    """Guard rows of one rollout in order; every array is of shape (rows,).

    `guard` indexes GUARDS, `place` the header's strata (NOWHERE: it names no such stratum). To halt, `exposed_at_risk`
    is compared with `control_at_risk`, of the row's band or, where it is `merged` with others, of all of them at
    BAND_NULL_RATIO. To promote, `confirmed` is compared with `control`, and counts with `weight`. The interval compares
    `exposed_here` with `control` where the row's own band is `matched`.
    """

    guard: Integers
    place: Integers
    exposed: Bools
    exposed_at_risk: Floats
    control_at_risk: Floats
    merged: Bools
    confirmed: Floats
    control: Floats
    weight: Floats
    exposed_here: Floats
    matched: Bools

    def of(self, guard: int) -> "Columns":
        """Return the rows of one guard."""
        return self.where(self.guard == guard)

    def where(self, chosen: Bools | slice) -> "Columns":
        """Return the chosen rows."""
        return Columns._make(column[chosen] for column in self)

    def harm(self, null_ratio: Floats) -> Draws:
        """Return the draws that halt, each at its own null ratio (rows,)."""
        null = np.where(self.merged, np.maximum(null_ratio, BAND_NULL_RATIO), null_ratio)
        return draws(self.exposed, self.exposed_at_risk, self.control_at_risk, null)

    def expected(self) -> Floats:
        """Return the chance (rows,) that the failing host is an exposed one if both arms fail alike."""
        return draws(self.exposed, self.exposed_at_risk, self.control_at_risk, 1.0).share

    def safety(self, margin: Floats) -> Draws:
        """Return the draws that promote, (margins, rows): confirmed hosts only, but every exposed failure."""
        return draws(self.exposed, self.confirmed, self.control, margin[:, None])

    def interval(self) -> Draws:
        """Return the draws at ratio 1 of rows whose band is matched in control."""
        return draws(self.exposed, self.exposed_here, np.where(self.matched, self.control, 0.0), 1.0)


def columns(rows: Sequence[FailureRow], place: Integers) -> Columns:
    """Return the rows' columns; `place` (rows,) of each is known."""
    exposed = _small([row.arm == "exposed" for row in rows]).astype(np.bool_)
    here = np.array([row.exposed_at_risk for row in rows], np.float64)
    confirmed = np.minimum(np.array([row.exposed_confirmed for row in rows], np.float64), here)
    control = np.array([row.control_at_risk for row in rows], np.float64)
    exposed_at_risk, control_at_risk = here, control
    merged, matched, weight = np.zeros(len(rows), np.bool_), np.ones(len(rows), np.bool_), np.ones(len(rows))
    whole = [row.control_in_stratum for row in rows]
    if whole.count(None) < len(rows):
        in_stratum = np.array(whole, np.float64)  # None is NaN
        banded = np.array([row.band is not None for row in rows])
        merged = banded & ~np.isnan(in_stratum) & (control < here)
        matched = ~merged
        control_at_risk = np.where(merged, in_stratum, control)
        proven = np.array([row.confirmed_in_stratum for row in rows], np.float64)
        weighed = merged & ~np.isnan(proven)
        proven = np.where(weighed, np.fmax(proven, confirmed), confirmed)
        weight = np.where(weighed, weights(exposed, confirmed, control, proven, in_stratum), matched | exposed)
        confirmed, control = proven, control_at_risk
    bands = [row.control_in_bands for row in rows]
    if bands.count(None) < len(rows):
        together = np.array([row.exposed_in_bands for row in rows], np.float64)
        merged = merged | ~np.isnan(together)
        exposed_at_risk = np.where(np.isnan(together), here, together)
        control_at_risk = np.where(np.isnan(together), control_at_risk, np.array(bands, np.float64))
    return Columns(
        _small([NUMBER[row.guard] for row in rows]).astype(np.int64),
        place,
        exposed,
        exposed_at_risk,
        control_at_risk,
        merged,
        confirmed,
        control,
        weight,
        here,
        matched,
    )


def _small(numbers: Sequence[int]) -> NDArray[np.uint8]:
    """Return numbers below 256 as an array, by way of bytes: in half the time."""
    return np.frombuffer(bytes(numbers), np.uint8)


def joined(parts: Sequence[Columns]) -> Columns:
    """Return the rows of several, one behind the other."""
    return parts[0] if len(parts) == 1 else Columns._make(map(np.concatenate, zip(*parts, strict=True)))
