"""Who is at risk beside a host that fails: drawn from those of its stratum that are awake, by time since boot."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rollout.evidence.band import BANDS
from rollout.evidence.matching import AtRisk, beside
from rollout.simulation.fleet import GRANTED, Fleet
from rollout.simulation.habits import Ages, Habits

SURELY: Final = 30.0
"""Hosts by which a band's control outnumbers twice its exposed hosts where chance does not turn it round."""
MANY: Final = 400
CLEARLY: Final = 1.4
"""By how much a band's odds are above half of its stratum's, with so many of control, where chance does not either."""


class Neighbours:
    """Draws of one run; `ages`: by stratum, how long ago its exposed hosts adopted."""

    def __init__(self, habits: Habits, fleet: Fleet, rng: np.random.Generator) -> None:
        self._habits, self._fleet, self._rng = habits, fleet, rng
        self.ages = [Ages(habits) for _ in fleet.strata]
        self._ordinary = np.array(_whole(habits.ordinary_bands))
        self._last: object = None  # guards of one failure with the same hosts at risk share one draw
        self._found = AtRisk(0, 0, 0)

    def of(self, guard: int, host: int, stratum: int, hours: float, band: int) -> AtRisk:
        """Return who is at risk of a guard, awake and in the band of a host that fails at `hours`, itself included."""
        at_risk = self._fleet.counts(guard, host, stratum)
        if self._last != (hours, host, band, at_risk):
            self._last = (hours, host, band, at_risk)
            mine = bool(self._fleet.state[host] & GRANTED)
            self._found = self._draw(at_risk, self.ages[stratum].shares(hours), band, mine=mine)
        return self._found

    def _draw(self, at_risk: tuple[int, int, int], shares: Sequence[float], band: int, *, mine: bool) -> AtRisk:
        exposed, control, confirmed = at_risk
        habits = self._habits
        if habits.plain and not habits.sleepers:
            return AtRisk(exposed, control, confirmed)
        awake = self._some(control, habits.awake, with_one=not mine)
        if habits.plain:
            seen = self._some(exposed, sum(shares), with_one=mine)
            return AtRisk(seen, awake, round(seen * confirmed / max(exposed, 1)))
        if _all_match(exposed, shares, awake, habits.ordinary_bands):
            seen = self._some(exposed, shares[band], with_one=mine)
            matched = self._some(awake, habits.ordinary_bands[band], with_one=not mine)
            proven = round(seen * self._proven(band, exposed, confirmed, shares[band]))
            return AtRisk(seen, matched, proven, BANDS[band])
        young = self._dealt(exposed, _whole(shares), band if mine else None)
        old = self._dealt(awake, self._ordinary, None if mine else band)
        proven_by_band = [round(n * self._proven(b, exposed, confirmed, shares[b])) for b, n in enumerate(young)]
        return beside(band, young, old, proven_by_band)

    def _dealt(self, hosts: int, shares: Sequence[float] | NDArray[np.float64], band: int | None) -> list[int]:
        """Draw how many of these hosts are in each band, with the share in none last; `band`: where one is."""
        others = max(0, hosts - (band is not None))
        found: list[int] = self._rng.multinomial(others, shares)[:-1].tolist()
        if band is not None:
            found[band] += 1
        return found

    def _proven(self, band: int, exposed: int, confirmed: int, share: float) -> float:
        """Return the share of a band's exposed that confirmed: where they restart, the open ones are the youngest."""
        if not exposed:
            return 0.0
        if not self._habits.restarts:
            return confirmed / exposed
        if band:
            return 1.0
        young = max(share * exposed, 1.0)
        return min(1.0, max(0.0, 1.0 - (exposed - confirmed) / young))

    def _some(self, hosts: int, share: float, *, with_one: bool) -> int:
        """Draw how many of these hosts are of a share of them; `with_one`: one of them is known to be."""
        others = hosts - with_one
        if others <= 0 or share <= 0.0:
            return int(with_one)
        return int(with_one) + int(self._rng.binomial(others, min(share, 1.0)))


def _whole(shares: Sequence[float]) -> list[float]:
    """Return the shares and that of those who are in none of them."""
    return [*shares, max(0.0, 1.0 - sum(shares))]


def _all_match(exposed: int, shares: Sequence[float], control: int, ordinary: Sequence[float]) -> bool:
    """Say whether no draw can leave a band without its match: then one band is drawn, not all."""
    awake = sum(shares)
    for share, own in zip(shares, ordinary, strict=True):
        there = control * own
        if there >= 2.0 * exposed * share + SURELY:
            continue
        if there < MANY or 2.0 * own * awake < CLEARLY * share:
            return False
    return True
