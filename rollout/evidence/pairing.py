"""Pairing: which exposed host is compared with which control host in a measure.

Under random ring membership an exposed host and a control host of its stratum and band of time since boot are alike
but for the release, so their difference has the mean that the release gives it. For that to hold given every pair
before, a host stands in one pair of a measure at most, and nobody is chosen by what it reports: hosts are drawn by
hash, and those of them that reported in their latest beat are paired in the order of their keys.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rollout.evidence.band import BANDS, bands_of
from rollout.evidence.fleet import Fleet, Mask, mixed

MOST_EXPOSED: Final = 200
"""Exposed hosts looked at in one tick."""
MOST_CONTROL: Final = 16_384
"""Control hosts looked at in one tick; a small stratum of a large fleet may have to wait for its draw."""
MOST_CELLS: Final = 64
"""Strata and bands looked at in one tick."""
SPARE: Final = 8
"""Control hosts drawn beyond twice the exposed ones, since some did not report."""


class Cell(NamedTuple):
    """Hosts of one stratum and band, of both arms, that may be paired."""

    exposed: Sequence[int]
    control: Sequence[int]


class Pair(NamedTuple):
    """An exposed and a control host with what they reported."""

    exposed: int
    control: int
    values: tuple[float, float]


class Pairing:
    """Who may still be paired, by measure."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._used: dict[str, Mask] = {}

    def note(self, measure: str, *hosts: int) -> None:
        """These stand in a pair."""
        used = self._used.get(measure, np.zeros(0, np.bool_))
        if max(hosts) >= used.size:
            used = np.concatenate([used, np.zeros(max(hosts) + 1024, np.bool_)])
        used[list(hosts)] = True
        self._used[measure] = used

    def cells(self, measure: str, clock: float, elapsed: float, turn: int) -> list[Cell]:
        """Draw hosts that may be paired, others each `turn`; `elapsed` is the watcher's own clock, seconds."""
        fleet = self._fleet
        if not fleet.confirmed.any():
            return []
        free = self._free(measure, elapsed)
        exposed = _some(np.flatnonzero(free & fleet.granted & fleet.confirmed), MOST_EXPOSED, turn)
        control = _some(np.flatnonzero(free & ~fleet.granted), MOST_CONTROL, turn)
        place, places = self._place(exposed, clock), self._place(control, clock)
        found = []
        for cell in _some(np.unique(place), MOST_CELLS, turn).tolist():
            mine = exposed[place == cell].tolist()
            others = _some(control[places == cell], 2 * len(mine) + SPARE, turn).tolist()
            if others:
                found.append(Cell(mine, others))
        return found

    def _place(self, hosts: NDArray[np.int64], clock: float) -> NDArray[np.int64]:
        """Return each host's stratum and band as one number."""
        fleet = self._fleet
        return fleet.stratum[hosts] * np.int64(len(BANDS)) + bands_of(clock - fleet.booted[hosts])

    def _free(self, measure: str, elapsed: float) -> Mask:
        """Hosts of both arms that never failed, are awake, were heard lately and stand in no pair."""
        fleet = self._fleet
        free = fleet.at_risk("crash_or_dark") & (elapsed - fleet.heard_elapsed <= 2 * fleet.interval)
        used = self._used.get(measure, np.zeros(0, np.bool_))[: free.size]
        free[: used.size] &= ~used
        return free


def pairs(cells: Sequence[Cell], reported: Mapping[int, float]) -> list[Pair]:
    """Pair those who reported, in order; the others wait."""
    found = []
    for cell in cells:
        exposed, control = ([host for host in arm if host in reported] for arm in cell)
        found += [Pair(x, y, (reported[x], reported[y])) for x, y in zip(exposed, control, strict=False)]
    return found


def _some(keys: NDArray[np.int64], most: int, turn: int) -> NDArray[np.int64]:
    """Return at most so many of the keys, in order, others each turn."""
    if keys.size <= most:
        return keys
    drawn = mixed(np.arange(most, dtype=np.int64) + turn * most) % np.uint64(keys.size)
    return keys[np.unique(drawn.astype(np.int64))]
