"""Log-rank e-processes on a grid of hazard ratios.

At a first failure with Y1 exposed and Y0 control hosts at risk, the failing host is an exposed one (x = 1) with
probability q(theta) = theta Y1 / (theta Y1 + Y0). Against the null ratio theta0 an alternative r * theta0 gains

    x ln(q(r theta0) / q(theta0)) + (1 - x) ln((1 - q(r theta0)) / (1 - q(theta0)))
  = x ln r - ln(1 + (r - 1) q),   q = q(theta0)

so a row enters as (x, q) only. E = the mean over the grid of exp(log M) is a test martingale at theta0.
Sources: ter Schure, Gruenwald et al. (arXiv 2011.06931); Ville's inequality: P(ever E >= 1/alpha) <= alpha.

Arrays carry any leading batch axes: state (..., grid), rows (..., rows). Every sum over rows is sequential
(`cumsum`, or `add.reduce` across the grid), so the same rows in any chunking give the same bits.
"""

from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]
Integers: TypeAlias = NDArray[np.int64]

HARM_RATIOS: Final[Floats] = np.geomspace(1.15, 300.0, 32)
"""Alternatives of the halting processes, as multiples of the null ratio."""
SAFETY_RATIOS: Final[Floats] = np.geomspace(0.1, 0.999, 24)
"""Alternatives of the reversed (promoting) processes, as multiples of the ring's margin."""


class Draws(NamedTuple):
    """Rows as the processes see them: `exposed` (..., rows) in {0, 1} and `share` q (..., rows) in 0..1."""

    exposed: Floats
    share: Floats


def draws(exposed: ArrayLike, exposed_at_risk: ArrayLike, control_at_risk: ArrayLike, null_ratio: ArrayLike) -> Draws:
    """Return the rows' draws at a null ratio; shapes broadcast. Without control at risk a row says nothing."""
    exposed_weight = np.asarray(null_ratio, np.float64) * np.asarray(exposed_at_risk, np.float64)
    control = np.asarray(control_at_risk, np.float64)
    compared = control > 0
    share = np.where(compared, exposed_weight / np.maximum(exposed_weight + control, 1.0), 0.0)
    return Draws(np.where(compared, np.asarray(exposed, np.float64), 0.0), share)


class EProcess:
    """The mixture over alternatives `ratio` (grid,), relative to the null."""

    def __init__(self, ratio: Floats) -> None:
        self.ratio = ratio
        self._excess, self._log = ratio - 1.0, np.log(ratio)

    def start(self, *batch: int) -> Floats:
        """Return the state before any row: log M = 0, shape (*batch, grid)."""
        return np.zeros((*batch, self.ratio.size))

    def advance(self, log_m: Floats, rows: Draws, weight: Floats | None = None) -> Floats:
        """Return log M (..., grid) after all rows, without the path; `weight` (rows,): how much of a factor counts."""
        steps = self.steps(log_m, rows)
        if weight is not None:
            part = (weight != 1.0).nonzero()[0]
            steps[..., 1 + part, :] = np.log1p(weight[part, None] * np.expm1(steps[..., 1 + part, :]))
        after: Floats = np.add.reduce(steps, axis=-2)
        return after

    def path(self, log_m: Floats, rows: Draws) -> Floats:
        """Return log M before the rows and after each: (..., rows + 1, grid)."""
        return np.cumsum(self.steps(log_m, rows), axis=-2)

    def if_exposed(self, path: Floats, rows: Draws) -> Floats:
        """Return ln E (..., rows) had each row, after those before it on the path, been an exposed host's."""
        exposed = Draws(np.ones_like(rows.exposed), rows.share)
        return log_mean(path[..., :-1, :] + self.gains(exposed))

    def steps(self, log_m: Floats, rows: Draws) -> Floats:
        """Return log M before the rows, and what each adds: (..., rows + 1, grid)."""
        *batch, size = rows.share.shape
        steps = np.empty((*batch, size + 1, self.ratio.size))
        steps[..., 0, :] = log_m
        self.gains(rows, out=steps[..., 1:, :])
        return steps

    def gains(self, rows: Draws, out: Floats | None = None) -> Floats:
        """Return what each row adds to log M: (..., rows, grid)."""
        gains: Floats = np.multiply(rows.share[..., None], self._excess, out=out)
        gains += 1.0  # in place: these arrays are what a fold's time goes into
        np.log(gains, out=gains)
        np.negative(gains, out=gains)
        return np.add(gains, self._log, out=gains, where=rows.exposed[..., None] > 0)


def log_mean(log_m: Floats) -> Floats:
    """Return ln E (...), the mean over the grid of exp(log M), of states (..., grid)."""
    peak = np.maximum.reduce(log_m, axis=-1, keepdims=True)
    relative = log_m - peak
    np.exp(relative, out=relative)
    mean: Floats = np.log(np.add.reduce(relative, axis=-1) / log_m.shape[-1]) + peak[..., 0]
    return mean
