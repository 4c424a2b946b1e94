"""Hosts at risk by guard and stratum: counted over the fleet once, then kept while single hosts change.

Counting a fleet anew for each of its failures costs their product: when a site falls silent, that is minutes.
"""

import numpy as np
from numpy.typing import NDArray

from rollout.evidence.fleet import Fleet


class Risk:
    """Counts for as long as hosts change one at a time, each between its `leave` and its `enter`."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._counts: dict[str, NDArray[np.int64]] = {}  # by guard: exposed, control, exposed confirmed of each stratum

    def counts(self, guard: str, host: int) -> tuple[int, int, int]:
        """(exposed, control, exposed and confirmed) at risk in the stratum of `host`, which left, just before it fails.

        The failing host itself is counted although it may have been dark or asleep until this report.
        """
        if guard not in self._counts:
            self._counts[guard] = self._count(guard, host)
        exposed, control, confirmed = self._counts[guard][:, self._fleet.stratum[host]].tolist()
        mine = bool(self._fleet.granted[host])
        return exposed + mine, control + (not mine), confirmed + (mine and bool(self._fleet.confirmed[host]))

    def leave(self, host: int) -> None:
        """Something happens to this host: it counts no more."""
        self._add(host, -1)

    def enter(self, host: int) -> None:
        """It happened: the host counts as what it is now."""
        self._add(host, 1)

    def _add(self, host: int, by: int) -> None:
        fleet = self._fleet
        for guard, counts in self._counts.items():
            if fleet.at_risk(guard, slice(host, host + 1))[0]:
                arm = 0 if fleet.granted[host] else 1
                counts[arm, fleet.stratum[host]] += by
                counts[2, fleet.stratum[host]] += by * (arm == 0 and bool(fleet.confirmed[host]))

    def _count(self, guard: str, but: int) -> NDArray[np.int64]:
        fleet = self._fleet
        risk = fleet.at_risk(guard)
        risk[but] = False
        exposed = risk & fleet.granted
        arms = (exposed, risk & ~fleet.granted, exposed & fleet.confirmed)
        return np.stack([np.bincount(fleet.stratum[arm], minlength=max(1, fleet.strata)) for arm in arms])
