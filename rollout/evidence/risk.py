"""Hosts at risk by guard, stratum and band: counted over the fleet once, then kept while single hosts change.

Counting a fleet anew for each of its failures costs their product: when a site falls silent, that is minutes.
"""

import math
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from rollout.evidence.band import BANDS, band_of, bands_of
from rollout.evidence.fleet import ENDS, Fleet
from rollout.evidence.matching import AtRisk, beside

EXPOSED, CONTROL, CONFIRMED = range(3)


class Risk:
    """Counts at one moment of the rollout clock, for as long as hosts change one at a time.

    Each changes between its `leave` and its `enter`.
    """

    def __init__(self, fleet: Fleet, clock: float) -> None:
        self._fleet = fleet
        self._clock = clock
        self._counts: dict[str, NDArray[np.int64]] = {}  # by guard: (exposed, control, confirmed; stratum; band)

    def counts(self, guard: str, host: int, *, exposed: bool, uptime: float | None = None) -> AtRisk:
        """Return who is at risk with `host`, which left, just before it fails after `uptime` (None: what is known).

        The failing host itself is counted, in its arm, although it may have been dark or asleep until this report.
        """
        if not self._counts:
            self._counts = self._count(but=host)
        fleet = self._fleet
        band = self._band(host) if uptime is None else band_of(uptime)
        mine = np.array([exposed, not exposed, exposed and fleet.confirmed[host]], np.int64)
        stratum = self._counts[guard][:, fleet.stratum[host]].copy()
        stratum[:, band] += mine
        return beside(band, *stratum.tolist())

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
                arm, stratum, band = EXPOSED if fleet.granted[host] else CONTROL, fleet.stratum[host], self._band(host)
                counts[arm, stratum, band] += by
                counts[CONFIRMED, stratum, band] += by * (arm == EXPOSED and bool(fleet.confirmed[host]))

    def _band(self, host: int) -> int:
        return band_of(self._clock - float(self._fleet.booted[host]))

    def _count(self, but: int) -> dict[str, NDArray[np.int64]]:
        """Count the fleet for every guard at once: it is read once, by place and by what ends a risk."""
        fleet, flags = self._fleet, sorted(set(chain.from_iterable(ENDS.values())))
        digits = [(max(1, fleet.strata), fleet.stratum), (len(BANDS), bands_of(self._clock - fleet.booted))]
        digits += [(2, getattr(fleet, flag)) for flag in flags]
        cell = fleet.granted + (fleet.granted & fleet.confirmed).astype(np.int64)  # control, open, confirmed
        for size, digit in digits:
            cell *= size
            cell += digit
        alive = fleet.alive()
        alive[but] = False
        shape = (3, *(size for size, _ in digits))
        counted = np.bincount(cell[alive], minlength=math.prod(shape)).reshape(shape)
        found = {}
        for guard, ends in ENDS.items():
            free = tuple(slice(1 if flag in ends else 2) for flag in flags)
            at_risk = counted[(slice(None),) * 3 + free]
            control, unconfirmed, confirmed = at_risk.reshape(*shape[:3], -1).sum(axis=-1)
            found[guard] = np.stack([unconfirmed + confirmed, control, confirmed])
        return found
