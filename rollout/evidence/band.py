"""Bands of time since boot: what adopting does to a host without any fault must be matched in control.

A reboot raises every host's hazard for a while, and exposed hosts reboot because they adopt. Compared across bands
that reads as the driver's fault (JUDGE section 2: 12 % false halts without bands, 0.2 % with).
"""

from bisect import bisect_right
from typing import Final

import numpy as np
from numpy.typing import NDArray

BANDS: Final = ("<30m", "<4h", "<24h", "more")
EDGES: Final = (1_800.0, 14_400.0, 86_400.0)


def band_of(uptime: float) -> int:
    """Return the band, as a position in BANDS, of a host up for so many seconds."""
    return bisect_right(EDGES, uptime)


def bands_of(uptimes: NDArray[np.float64]) -> NDArray[np.int8]:
    """Return the bands of many hosts."""
    bands = np.zeros(uptimes.shape, np.int8)
    for edge in EDGES:  # faster than a search in three
        bands += uptimes >= edge
    return bands
