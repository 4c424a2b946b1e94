"""How hosts live: awake or asleep by form, restarts, and how recently each arm was last touched.

Nobody's lid is followed by itself: what counts is how many of an arm are awake in each band of time since boot, and
for that hosts are exchangeable. A host that adopts is awake and, for a driver, restarts; both wear off with its age.
"""

import math
from bisect import bisect_right
from collections import deque
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rollout.evidence.band import BANDS
from rollout.simulation.scenario import Disturbance, Fleet, Form

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Presence:
    """Mean hours that a host of a form stays awake, and asleep (0: never)."""

    awake: float
    asleep: float

    @property
    def share(self) -> float:
        """Return the share of time awake."""
        return self.awake / (self.awake + self.asleep)

    @property
    def memory(self) -> float:
        """Return the hours in which a host forgets that it was awake."""
        return self.awake * self.asleep / (self.awake + self.asleep)


PRESENCE: Final[dict[Form, Presence]] = {
    "laptop": Presence(4.0, 4.0),  # lids closed several times a day and through the night
    "desktop": Presence(60.0, 12.0),  # most stay on overnight
    "server": Presence(1.0, 0.0),
}

BAND_HOURS: Final = (0.5, 4.0, 24.0)


class Habits:
    """The habits of a fleet; `restarts`: whether adopting restarts a host."""

    def __init__(self, fleet: Fleet, disturbance: Disturbance, *, restarts: bool) -> None:
        self.forms = [(share, PRESENCE[form]) for form, share in fleet.forms.items() if share > 0]
        self.sleepers = [(share, how) for share, how in self.forms if how.asleep > 0]
        self.awake = sum(share * how.share for share, how in self.forms)
        self.restarts = restarts
        self._rate = fleet.reboots_per_day / 24.0
        self._factor = disturbance.reboot_factor
        self._fragile_hours = disturbance.reboot_hours
        below = [1.0 - math.exp(-self._rate * hours) for hours in BAND_HOURS]
        self.ordinary_bands = tuple(high - low for low, high in pairwise([0.0, *below, 1.0]))
        self.aged_bands = [_aged(self.ordinary_bands, kind) for kind in range(len(BANDS))]
        self._fragile = 1.0 - math.exp(-self._rate * self._fragile_hours)
        self._settled = 1.0 + (self._factor - 1.0) * self._fragile
        self.ordinary = self.awake * self._settled
        self._bands_of_crash = [self._weighed(bands) for bands in (self.ordinary_bands, *self.aged_bands)]
        self.plain = self._rate == 0 and not restarts
        """No host is ever young: bands say nothing."""

    def exposure(self, age: Floats) -> Floats:
        """Return how much hazard a host of these hours since adopting meets, where a settled awake one meets 1."""
        fragile = self._factor if self.restarts else self._settled
        return self.awake_after(age) * np.where(age < self._fragile_hours, fragile, self._settled)

    @property
    def highest(self) -> float:
        """Return a bound of `exposure`."""
        return self._factor if self.restarts else self._settled

    def awake_after(self, age: Floats) -> Floats:
        """Return the chance that a host is awake these hours after it adopted."""
        found = np.full_like(age, self.awake)
        for share, how in self.sleepers:
            found += share * (1.0 - how.share) * np.exp(-age / how.memory)
        return found

    def band_of_crash(self, age: float | None, rng: np.random.Generator) -> int:
        """Draw the band in which a host crashes; `age`: hours since it adopted, None: it did not."""
        kind = 0 if age is None or not self.restarts else 1 + bisect_right(BAND_HOURS, age)
        weights, total = self._bands_of_crash[kind]
        left = rng.random() * total
        for band, weight in enumerate(weights):
            left -= weight
            if left < 0:
                return band
        return len(weights) - 1

    def _weighed(self, bands: tuple[float, ...]) -> tuple[list[float], float]:
        """Return how much of all crashes falls into each band of hosts spread so over them, and the sum."""
        weights = list(bands)
        if weights[0] < 1.0 and self.ordinary_bands[0] > 0:
            weights[0] *= 1.0 + (self._factor - 1.0) * self._fragile / self.ordinary_bands[0]
        return weights, sum(weights)

    def bands(self, age: float | None) -> tuple[float, ...]:
        """Return the chances of each band of time since boot."""
        if age is None or not self.restarts:
            return self.ordinary_bands
        return self.aged_bands[bisect_right(BAND_HOURS, age)]


class Ages:
    """Exposed hosts by how long ago they adopted, of one stratum: how many, and how many of each form still awake."""

    def __init__(self, habits: Habits) -> None:
        self._habits = habits
        self._at = 0.0
        self.count = [0, 0, 0, 0]
        self._awake = [[0.0] * 4 for _ in habits.sleepers]
        self._kinds: list[deque[tuple[float, int]]] = [deque() for _ in BAND_HOURS]
        self._shares: list[float] | None = None  # known while nobody adopts or ages, if nobody sleeps

    def grant(self, hours: float, count: int) -> None:
        """Add hosts that adopt now."""
        self.advance(hours)
        self._shares = None
        self.count[0] += count
        for awake in self._awake:
            awake[0] += count
        self._kinds[0].append((hours, count))

    def advance(self, hours: float) -> None:
        """Let time pass."""
        for awake, (_, how) in zip(self._awake, self._habits.sleepers, strict=True):
            left = math.exp((self._at - hours) / how.memory)
            awake[:] = [count * left for count in awake]
        self._at = hours
        for kind, limit in enumerate(BAND_HOURS):
            waiting = self._kinds[kind]
            while waiting and hours - waiting[0][0] >= limit:
                self._age(kind, *waiting.popleft())

    def _age(self, kind: int, granted: float, count: int) -> None:
        """Move hosts that were granted together into the next band of age."""
        self._shares = None
        self.count[kind] -= count
        self.count[kind + 1] += count
        for awake, (_, how) in zip(self._awake, self._habits.sleepers, strict=True):
            still = count * math.exp((granted - self._at) / how.memory)
            awake[kind] -= still
            awake[kind + 1] += still
        if kind + 1 < len(self._kinds):
            self._kinds[kind + 1].append((granted, count))

    def shares(self, hours: float) -> list[float]:
        """Return the share of the exposed that is awake in each band."""
        self.advance(hours)
        if self._shares is None or self._awake:
            self._shares = self._count()
        return self._shares

    def _count(self) -> list[float]:
        habits, total = self._habits, sum(self.count)
        found = [0.0] * 4
        for kind, count in enumerate(self.count):
            if count:
                awake = count * habits.awake
                for own, (share, how) in zip(self._awake, habits.sleepers, strict=True):
                    awake += share * (1.0 - how.share) * own[kind]
                bands = habits.aged_bands[kind] if habits.restarts else habits.ordinary_bands
                for band, chance in enumerate(bands):
                    found[band] += awake * chance / total
        return found


def _aged(ordinary: tuple[float, ...], kind: int) -> tuple[float, ...]:
    """Return the chances of each band of hosts that restarted when they adopted, within band `kind` of age."""
    return (*ordinary[:kind], sum(ordinary[kind:]), *[0.0] * (len(ordinary) - kind - 1))
