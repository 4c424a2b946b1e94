"""Base rates: how often hosts of this fleet crash, and fall silent, without any fault of a release.

Rule 1: hosts that a stopped rollout let go are left out, whatever became of them: its release may be why. Rule 2: a
host counts once. Rule 3: silence is noticed while a rollout is watched, so only those hours count for it.
"""

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from rollout.decision import State
from rollout.ports.host import HostRecord
from rollout.ports.rollout import RolloutRecord
from rollout.ports.store import Transaction

LOOK_BACK_SECONDS: Final = 7 * 86_400.0
REFERENCE_RATE: Final = 2.08e-4
"""Crashes per host-hour of the reference fleet (JUDGE section 8): where none was seen yet."""
REFERENCE_RESTARTS: Final = 1.0
"""Restarts per host and day of the reference fleet."""
DAY: Final = 86_400.0
ENOUGH: Final = 5
"""Failures from which on a rate is taken as measured; with fewer its interval is wider than 1 to 4."""
Z_95: Final = 1.959963984540054
NOT_STOPPED: Final = frozenset({State.RUNNING, State.AWAITING_APPROVAL, State.COMPLETED})


@dataclass(frozen=True, slots=True)
class Rate:
    """Hosts that failed within so many host-hours."""

    failures: int
    host_hours: float

    @property
    def per_host_hour(self) -> float | None:
        """Return the rate; None where nobody was looked at."""
        return self.failures / self.host_hours if self.host_hours > 0 else None

    @property
    def interval(self) -> tuple[float, float | None]:
        """Return the 95 % interval of a Poisson rate (Byar's approximation); None: no upper limit."""
        if self.host_hours <= 0:
            return 0.0, None
        low, above = float(self.failures), self.failures + 1.0
        if low:
            low *= (1.0 - 1.0 / (9.0 * low) - Z_95 / (3.0 * math.sqrt(low))) ** 3
        high = above * (1.0 - 1.0 / (9.0 * above) + Z_95 / (3.0 * math.sqrt(above))) ** 3
        return max(0.0, low) / self.host_hours, high / self.host_hours

    @property
    def is_thin(self) -> bool:
        """Say whether too few failed for the rate to be taken as it is."""
        return self.failures < ENOUGH

    def believed(self, reference: float) -> float:
        """Return the rate; where too few failed, what lies nearest to the reference within the interval."""
        if self.per_host_hour is not None and not self.is_thin:
            return self.per_host_hour
        low, high = self.interval
        return max(low, reference if high is None else min(reference, high))


@dataclass(frozen=True, slots=True)
class Restarts:
    """Hosts that are awake, and how many of them have been up for a day or more: all that bands of boot time ask."""

    hosts: int
    up_for_a_day: int

    @property
    def is_thin(self) -> bool:
        """Say whether so few have been up for a day that the rate is taken from the reference fleet."""
        return self.up_for_a_day < ENOUGH

    @property
    def per_day(self) -> float:
        """Return restarts per host and day, if they come at random."""
        return REFERENCE_RESTARTS if self.is_thin else math.log(self.hosts / self.up_for_a_day)


@dataclass(frozen=True, slots=True)
class BaseRates:
    """What was measured in the last seven days."""

    crashes: Rate
    silences: Rate


@dataclass(frozen=True, slots=True)
class Record:
    """What the store keeps of the last seven days before `at`: host keys, and when anybody watched for silence.

    `touched`: let go by a rollout that was stopped.
    """

    at: float
    crashed: Collection[int]
    dark: Collection[int]
    touched: Collection[int]
    watched: Sequence[tuple[float, float]]

    def rates(self, hosts: Iterable[HostRecord]) -> BaseRates:
        """Return the rates of these hosts."""
        ours = [host for host in hosts if host.retired_at is None and host.key not in self.touched]
        keys = {host.key for host in ours}
        whole = [(self.at - LOOK_BACK_SECONDS, self.at)]
        return BaseRates(
            Rate(len(keys.intersection(self.crashed)), _hours(ours, whole)),
            Rate(len(keys.intersection(self.dark)), _hours(ours, self.watched)),
        )


def look_back(tx: Transaction) -> Record:
    """Read what was recorded."""
    since = tx.at - LOOK_BACK_SECONDS
    recent = [record for record in tx.rollouts.all() if _end(record, tx.at) > since]
    spans = ((max(since, record.started_at), _end(record, tx.at)) for record in recent)
    return Record(
        tx.at,
        tx.hosts.crashed_between(since, tx.at),
        tx.events.darkened([record.id for record in recent], since),
        _touched_by_stopped(tx, recent),
        merged(spans),
    )


def merged(spans: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the same time without counting any of it twice."""
    found: list[tuple[float, float]] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        elif end > start:
            found.append((start, end))
    return found


def _end(record: RolloutRecord, now: float) -> float:
    """Return until when a rollout was watched, unix seconds."""
    if not record.over:
        return now
    watch = record.policy.watch.total_seconds() if record.state == State.COMPLETED else 0.0
    return min(now, record.state_since + watch)


def _touched_by_stopped(tx: Transaction, recent: Sequence[RolloutRecord]) -> Collection[int]:
    stopped = [record.id for record in recent if record.state not in NOT_STOPPED]
    return {adoption.host for rollout in stopped for adoption in tx.adoptions.of_rollout(rollout)}


def _hours(hosts: Sequence[HostRecord], spans: Sequence[tuple[float, float]]) -> float:
    """Return the host-hours of these spans since each host enrolled."""
    seconds = sum(max(0.0, end - max(start, host.enrolled_at)) for host in hosts for start, end in spans)
    return seconds / 3600.0
