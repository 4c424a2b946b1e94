"""Early life: how likely may adopting kill a host, given that x of n did not survive it?

The bound U_p is the largest p that the anytime-valid Beta mixture has not rejected at 5 %: the largest p with
lnB(x+1/2, n-x+1/2) - lnB(1/2, 1/2) - x ln p - (n-x) ln(1-p) <= ln 20. It covers the true p at all times
together (Ville's inequality), so it may be read after every confirmation.

Solved in z = -ln(1-p), where the left side is convex. Dropping the term of x gives a start right of the root,
from which Newton's steps fall towards it and never pass it.
"""

import math
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]

LN_20 = math.log(20.0)
LN_BETA_HALF_HALF = math.log(math.pi)
NEWTON_STEPS = 60  # five to eight are needed; a scalar stops when a step no longer falls
TABLE_UP_TO = 16.0  # above it Stirling's series with four terms is exact to the last digits of a double
_TABLE = np.array([math.inf] + [math.lgamma(twice / 2) for twice in range(1, int(2 * TABLE_UP_TO) + 1)])


def early_life_bound(n: int, x: int) -> float:
    """Return U_p in 0..1 after n outcomes of which x are failures; no outcome gives 1.

    Raises ValueError where x is not within 0..n.
    """
    if not 0 <= x <= n:
        raise ValueError(f"{x} failures of {n} outcomes")
    if x == n:
        return 1.0
    mixture = math.lgamma(x + 0.5) + math.lgamma(n - x + 0.5) - math.lgamma(n + 1) - LN_BETA_HALF_HALF
    z = (LN_20 - mixture) / (n - x)
    for _ in range(NEWTON_STEPS if x else 0):
        p = -math.expm1(-z)
        excess = mixture - x * math.log(p) + (n - x) * z - LN_20
        lower = z - excess / ((n - x) - x * (1.0 - p) / p)
        if lower >= z:
            break
        z = lower
    return -math.expm1(-z)


def early_life_bounds(n: NDArray[np.int64], x: NDArray[np.int64]) -> Floats:
    """Return U_p for every pair of n outcomes and x failures, 0 <= x <= n, of shapes that broadcast."""
    outcomes, failures = np.broadcast_arrays(np.asarray(n, dtype=np.float64), np.asarray(x, dtype=np.float64))
    survivors = np.maximum(outcomes - failures, 0.5)  # 0.5 stands where nobody survived; that answer is 1 below
    mixture = (
        _log_gamma(failures + 0.5)
        + _log_gamma(outcomes - failures + 0.5)
        - _log_gamma(outcomes + 1)
        - LN_BETA_HALF_HALF
    )
    z = (LN_20 - mixture) / survivors
    for _ in range(NEWTON_STEPS if failures.any() else 0):
        p = -np.expm1(-z)
        excess = mixture - failures * np.log(p) + survivors * z - LN_20
        lower = np.minimum(z, z - excess / (survivors - failures * (1.0 - p) / p))
        settled = bool(np.all(z - lower <= 1e-14 * z))
        z = lower
        if settled:
            break
    bounds: Floats = np.where(outcomes == failures, 1.0, -np.expm1(-z))
    return bounds


def smallest_clean_n(limit: float) -> int:
    """Return the smallest n whose U_p without a failure is at most `limit` (0 < limit, a share)."""
    return smallest_n(limit, 0)


def smallest_n(limit: float, failures: int) -> int:
    """Return the smallest n whose U_p with so many failures is at most `limit` (0 < limit, a share)."""
    if not limit > 0:
        raise ValueError("no number of survivors proves a share of 0")
    high = failures + 1
    while early_life_bound(high, failures) > limit:
        high *= 2
    low = failures - 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if early_life_bound(middle, failures) <= limit else (middle, high)
    return high


def _log_gamma(z: Floats) -> Floats:
    """Return ln gamma of positive multiples of 1/2: a table below TABLE_UP_TO, Stirling's series above."""
    index = np.rint(2 * np.minimum(z, TABLE_UP_TO)).astype(np.int64)
    large = np.maximum(z, TABLE_UP_TO)
    inverse = 1.0 / large
    square = inverse * inverse
    tail = inverse * (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square / 1680)))
    stirling = (large - 0.5) * np.log(large) - large + 0.5 * math.log(2 * math.pi) + tail
    result: Floats = np.where(z <= TABLE_UP_TO, _TABLE[index], stirling)
    return result
