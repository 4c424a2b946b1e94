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

    `guard` indexes GUARDS, `place` the header's strata (NOWHERE: it names no such stratum). `matched`: the row's own
    band has its match in control, so that `exposed_at_risk` and `own_control` there are compared. `unmatched` (NaN:
    none): exposed hosts in bands of the stratum without a match, to be compared with `in_stratum` at BAND_NULL_RATIO.
    To promote, `confirmed` is compared with `control`, and counts with `weight`. `given`: the row is of before there
    was such a comparison, and is judged by `in_stratum` at BAND_NULL_RATIO where it stands.
    """

    guard: Integers
    place: Integers
    exposed: Bools
    exposed_at_risk: Floats
    own_control: Floats
    matched: Bools
    given: Bools
    unmatched: Floats
    in_stratum: Floats
    confirmed: Floats
    control: Floats
    weight: Floats

    def of(self, guard: int) -> "Columns":
        """Return the rows of one guard."""
        return self.where(self.guard == guard)

    def where(self, chosen: Bools | slice) -> "Columns":
        """Return the chosen rows."""
        return Columns._make(column[chosen] for column in self)

    def harm(self, null_ratio: Floats) -> Draws:
        """Return the draws that halt, in each row's own band, at its own null ratio (rows,)."""
        null = np.where(self.given, np.maximum(null_ratio, BAND_NULL_RATIO), null_ratio)
        control = np.where(self.given, self.in_stratum, np.where(self.matched, self.own_control, 0.0))
        return draws(self.exposed, self.exposed_at_risk, control, null)

    def wide(self, null_ratio: Floats, own: Draws) -> Draws:
        """Return the draws that halt where bands without a match are compared with the whole stratum.

        While there are any, each of their exposed hosts and every control host says something, and no other. Where
        there are none, the draws are `own`: those of `harm`.
        """
        apart = ~np.isnan(self.unmatched)
        null = np.maximum(null_ratio, BAND_NULL_RATIO)
        control = np.where(self.exposed & self.matched, 0.0, self.in_stratum)
        them = draws(self.exposed, self.unmatched, control, null)
        return Draws(np.where(apart, them.exposed, own.exposed), np.where(apart, them.share, own.share))

    def expected(self) -> Floats:
        """Return the chance (rows,) that the failing host is an exposed one if both arms fail alike."""
        control = np.where(self.matched, self.own_control, self.in_stratum)
        return draws(self.exposed, self.exposed_at_risk, control, 1.0).share

    def safety(self, margin: Floats) -> Draws:
        """Return the draws that promote, (margins, rows): confirmed hosts only, but every exposed failure."""
        return draws(self.exposed, self.confirmed, self.control, margin[:, None])

    def interval(self) -> Draws:
        """Return the draws at ratio 1 of rows whose band is matched in control."""
        return draws(self.exposed, self.exposed_at_risk, np.where(self.matched, self.own_control, 0.0), 1.0)


def columns(rows: Sequence[FailureRow], place: Integers) -> Columns:
    """Return the rows' columns; `place` (rows,) of each is known."""
    exposed = _small([row.arm == "exposed" for row in rows]).astype(np.bool_)
    here = np.array([row.exposed_at_risk for row in rows], np.float64)
    confirmed = np.minimum(np.array([row.exposed_confirmed for row in rows], np.float64), here)
    control = own_control = np.array([row.control_at_risk for row in rows], np.float64)
    matched, weight = np.ones(len(rows), np.bool_), np.ones(len(rows))
    given, unmatched, in_stratum = np.zeros(len(rows), np.bool_), np.full(len(rows), np.nan), control
    whole = [row.control_in_stratum for row in rows]
    if whole.count(None) < len(rows):
        in_stratum = np.array(whole, np.float64)  # None is NaN
        unmatched = np.array([row.exposed_unmatched for row in rows], np.float64)
        proven = np.array([row.confirmed_in_stratum for row in rows], np.float64)
        banded = np.array([row.band is not None for row in rows])
        before = banded & np.isnan(unmatched) & ~np.isnan(in_stratum) & (own_control < here)
        weighed = banded & ~np.isnan(in_stratum) & ~np.isnan(proven) & (before | ~np.isnan(unmatched))
        matched, given = ~(before | weighed), before
        proven = np.where(weighed, np.fmax(proven, confirmed), confirmed)
        weight = np.where(weighed, weights(exposed, confirmed, own_control, proven, in_stratum), matched | exposed)
        confirmed, control = proven, np.where(matched, own_control, in_stratum)
    return Columns(
        _small([NUMBER[row.guard] for row in rows]).astype(np.int64),
        place,
        exposed,
        here,
        own_control,
        matched,
        given,
        unmatched,
        in_stratum,
        confirmed,
        control,
        weight,
    )


def _small(numbers: Sequence[int]) -> NDArray[np.uint8]:
    """Return numbers below 256 as an array, by way of bytes: in half the time."""
    return np.frombuffer(bytes(numbers), np.uint8)


def joined(parts: Sequence[Columns]) -> Columns:
    """Return the rows of several, one behind the other."""
    return parts[0] if len(parts) == 1 else Columns._make(map(np.concatenate, zip(*parts, strict=True)))
