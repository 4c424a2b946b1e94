"""What befalls hosts, block by block of time: crashes, silence, and what adopting adds to them.

Crashes are a Poisson process over the fleet whose hosts are drawn alike or, clustered, by gamma weights, so that one
host may crash again. What an exposed host suffers beyond that (a fault, its restart, being awake) is a second process
over those exposed, thinned to its own hazard.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rollout.simulation.habits import Habits
from rollout.simulation.scenario import Scenario
from rollout.simulation.weather import Weather

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
ORDINARY_OWN_BLAME: Final = 0.05
"""Share of ordinary crashes whose culprit is found to be this product: an assumption, in both arms alike."""
SILENT_HOURS: Final = 2.0
"""Mean of how long a silent host stays away after it counts as dark: an assumption."""
_NEVER: Final = np.zeros(0)
_NOBODY: Final = np.zeros(0, np.int64)


class Crash(NamedTuple):
    """One crash; hours since the rollout began. `fault`: it came from the release."""

    host: int
    hours: float
    reported: float
    own: bool
    fault: bool


@dataclass(frozen=True, slots=True)
class Exposed:
    """Consecutive hosts that adopted together. `faulty`: the fault's stratum."""

    start: int
    end: int
    hours: float
    faulty: bool


class Nature:
    """The processes of one run over `hosts` hosts."""

    def __init__(
        self, scenario: Scenario, habits: Habits, weather: Weather, hosts: int, rng: np.random.Generator
    ) -> None:
        self._scenario, self._habits, self._weather, self._rng = scenario, habits, weather, rng
        self._hosts = hosts
        k = scenario.fleet.clustering_k
        self._weights: Floats | None = None if k is None else np.cumsum(rng.gamma(k, 1.0 / k, hosts))
        fault = scenario.fault
        self._excess = max(fault.ratio, 1.0) * habits.highest - habits.ordinary
        self._changes = fault.ratio > 1.0 or habits.highest > habits.ordinary * (1 + 1e-12)

    def crashes(self, start: float, end: float) -> list[Crash]:
        """Return the ordinary crashes of both arms between two hours."""
        rate = self._scenario.fleet.crash_per_host_hour * self._habits.ordinary
        at, hosts = self._draw(0, self._hosts, rate, start, end)
        return self._told(hosts, at, np.zeros(at.size, np.bool_))

    def crashed_before(self, hours: float) -> Integers:
        """Return the hosts that crashed in so many hours before the rollout."""
        rate = self._scenario.fleet.crash_per_host_hour * self._habits.ordinary
        _, hosts = self._draw(0, self._hosts, rate, -hours, 0.0)
        return np.unique(hosts)

    def added(self, exposed: list[Exposed], start: float, end: float) -> list[Crash]:
        """Return the crashes that exposed hosts have between two hours beyond those of their neighbours."""
        if not self._changes:
            return []
        return [crash for one in exposed for crash in self._added(one, max(start, one.hours), end)]

    def silences(self, start: float, end: float) -> list[tuple[int, float, float]]:
        """Return (host, from, how long beyond counting as dark) of every silence that begins between two hours."""
        rate = self._scenario.fleet.dark_per_host_hour
        number = self._rng.poisson(rate * self._hosts * (end - start)) if rate > 0 else 0
        at = np.sort(self._rng.uniform(start, end, number))
        away = self._rng.exponential(SILENT_HOURS, number)
        hosts = self._rng.integers(0, self._hosts, number)
        return list(zip(hosts.tolist(), at.tolist(), away.tolist(), strict=True))

    def delay_hours(self, number: int) -> Floats:
        """Return how long reports take."""
        told = self._scenario.report_delay_seconds
        drawn: Floats = told.median * np.exp(told.sigma * self._rng.standard_normal(number)) / 3600.0
        return drawn

    def _added(self, one: Exposed, start: float, end: float) -> list[Crash]:
        fault, habits = self._scenario.fault, self._habits
        top = (max(fault.ratio, 1.0) if one.faulty else 1.0) * habits.highest - habits.ordinary
        if top <= 0 or start >= end:
            return []
        at, hosts = self._draw(one.start, one.end, self._scenario.fleet.crash_per_host_hour * top, start, end)
        if not at.size:
            return []
        suffered = habits.exposure(at - one.hours)
        theta = np.where((at >= fault.onset_hours) & one.faulty, max(fault.ratio, 1.0), 1.0)
        beyond = theta * suffered - habits.ordinary
        kept = self._rng.random(at.size) * top < beyond
        share = np.where(beyond > 0, (theta - 1.0) * suffered / np.maximum(beyond, 1e-300), 0.0)
        return self._told(hosts[kept], at[kept], self._rng.random(int(kept.sum())) < share[kept])

    def _draw(self, first: int, last: int, rate: float, start: float, end: float) -> tuple[Floats, Integers]:
        """Return when, in order, and which of the hosts from `first` to `last` crash at this ordinary rate."""
        before, total = 0.0, float(last - first)
        if self._weights is not None:
            before = float(self._weights[first - 1]) if first else 0.0
            total = float(self._weights[last - 1]) - before
        top = self._weather.highest(start, end)
        number = self._rng.poisson(total * rate * top * (end - start))
        if not number:
            return _NEVER, _NOBODY
        at = np.sort(self._rng.uniform(start, end, number))
        at = at[self._rng.random(number) * top < self._weather.hazard(at)]
        if self._weights is None:
            return at, self._rng.integers(first, last, at.size)
        chosen = np.searchsorted(self._weights, before + self._rng.random(at.size) * total, side="right")
        return at, np.clip(chosen, first, last - 1)

    def _told(self, hosts: Integers, at: Floats, fault: NDArray[np.bool_]) -> list[Crash]:
        reported = at + self.delay_hours(at.size)
        blame = np.where(fault, self._scenario.fault.own_blame, ORDINARY_OWN_BLAME)
        own = self._rng.random(at.size) < blame
        columns = (hosts.tolist(), at.tolist(), reported.tolist(), own.tolist(), fault.tolist())
        return [Crash(*one) for one in zip(*columns, strict=True)]
