"""What happens to each host, and when: the only place that joins host, fault, chance and time."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from random import Random

from rollout.adapters.clock import SystemClock
from rollout.simulation.swarm.faults import Background, Blow, Fault, blow
from rollout.simulation.swarm.host import Event, SimulatedHost, Stage
from rollout.simulation.swarm.timeline import Timeline
from rollout.simulation.swarm.truth import Truth

LAST_WORD_SECONDS = (2.0, 3.0)  # from a lethal crash to its report: a restart; by then a first batch has loaded


@dataclass(frozen=True, slots=True)
class Crash:
    """One crash as its host will report it."""

    host: SimulatedHost
    boot: str
    at: float
    """Unix seconds."""
    uptime: float
    by_fault: bool


@dataclass(frozen=True, slots=True)
class Reactions:
    """What the swarm does when something happened to a host."""

    changed: Callable[[SimulatedHost], None]
    """Its next beat should go with the next batch."""
    announce: Callable[[SimulatedHost, float], None]
    """Beat `sleeping` now."""
    report: Callable[[Crash], None]
    """Send this crash report."""
    recheck: Callable[[SimulatedHost], None]
    """It is up again: look at its directives."""


class Life:
    """Plans and runs what befalls the hosts; times are those of the clock's `elapsed`."""

    def __init__(self, timeline: Timeline, fault: Fault, chance: Random, truth: Truth, reactions: Reactions) -> None:
        self._timeline = timeline
        self._fault = fault
        self._chance = chance
        self._truth = truth
        self._reactions = reactions
        self._clock = SystemClock()
        self._touched: set[str] = set()
        self._failed: set[str] = set()

    def apply(self, host: SimulatedHost, may_load: Callable[[SimulatedHost], bool]) -> None:
        """After `go`: load within half a second, if the metadata still says so at that moment."""
        self._reactions.changed(host)
        due = self._clock.elapsed() + self._chance.uniform(0.1, 0.5)
        self._timeline.at(due, partial(self._load, host, may_load))

    def roll_back(self, host: SimulatedHost, counter: int) -> None:
        """The host obeys a rollback directive."""
        self._count(host, -1)
        host.roll_back(counter)
        self._count(host, +1)
        self._truth.back += 1
        self._truth.last_back = self._clock.now()
        self._reactions.changed(host)

    def begin_background(self, hosts: list[SimulatedHost], background: Background) -> None:
        """Let hosts crash and sleep by chance from now on."""
        rates = (
            (background.crashes_per_host_hour, self._natural_crash),
            (background.sleeps_per_host_hour, partial(self._sleep, background.sleep_seconds)),
        )
        for rate, act in rates:
            per_second = rate * len(hosts) / 3600.0
            if per_second > 0.0:
                self._repeat(per_second, partial(self._pick, hosts, act), self._clock.elapsed())

    def _repeat(self, per_second: float, act: Callable[[float], None], now: float) -> None:
        def again(at: float) -> None:
            act(at)
            self._repeat(per_second, act, at)

        self._timeline.at(now + self._chance.expovariate(per_second), again)

    def _pick(self, hosts: list[SimulatedHost], act: Callable[[SimulatedHost, float], None], now: float) -> None:
        act(self._chance.choice(hosts), now)

    def _load(self, host: SimulatedHost, may_load: Callable[[SimulatedHost], bool], now: float) -> None:
        if host.stage is not Stage.APPLYING:
            return
        if not may_load(host):
            host.withdraw()
            self._up_again(host)
            return
        self._count(host, -1)
        host.load()
        self._count(host, +1)
        self._touched.add(host.name)
        self._truth.touched = len(self._touched)
        self._reactions.changed(host)
        coming = blow(self._fault, self._chance)
        if coming is not None:
            self._timeline.at(now + coming.after_seconds, partial(self._strike, host, host.lives, coming))

    def _strike(self, host: SimulatedHost, life: int, coming: Blow, now: float) -> None:
        if host.lives != life or not host.can(Event.CRASH):
            return
        self._fail(host, by_fault=True)
        if coming.dies:
            if coming.reports:
                last = self._crash_of(host, now, by_fault=True)
                self._timeline.at(now + self._chance.uniform(*LAST_WORD_SECONDS), partial(self._speak, last))
            self._count(host, -1)
            host.die()
            self._truth.dead += 1
            return
        crash = self._crash(host, now, by_fault=True)
        act = self._self_revert if coming.reverts else partial(self._restart, crash if coming.reports else None)
        self._timeline.at(now + coming.downtime_seconds, partial(act, host))

    def _natural_crash(self, host: SimulatedHost, now: float) -> None:
        if not host.can(Event.CRASH):
            return
        self._fail(host, by_fault=False)
        crash = self._crash(host, now, by_fault=False)
        self._timeline.at(now + self._chance.uniform(1.0, 2.0), partial(self._restart, crash, host))

    def _speak(self, last: Crash, _now: float) -> None:
        """Its last word: a host that comes up once more reports the crash that will kill it again."""
        self._reactions.report(last)

    def _fail(self, host: SimulatedHost, *, by_fault: bool) -> None:
        """Book a failure."""
        if by_fault:
            self._truth.last_failure = self._clock.now()
            self._truth.first_failure = self._truth.first_failure or self._truth.last_failure
            self._truth.harmed += host.name not in self._failed
        self._failed.add(host.name)

    def _crash(self, host: SimulatedHost, now: float, *, by_fault: bool) -> Crash:
        crash = self._crash_of(host, now, by_fault=by_fault)
        host.crash()
        self._truth.crashed += 1
        return crash

    def _crash_of(self, host: SimulatedHost, now: float, *, by_fault: bool) -> Crash:
        return Crash(host, host.boot_id, self._clock.now(), host.uptime(now), by_fault)

    def _restart(self, crash: Crash | None, host: SimulatedHost, now: float) -> None:
        if host.stage is not Stage.DOWN:
            return
        host.restart(now)
        if crash is not None:
            self._reactions.report(crash)
        self._up_again(host)

    def _self_revert(self, host: SimulatedHost, now: float) -> None:
        if host.stage is not Stage.DOWN:
            return
        self._count(host, -1)
        host.self_revert(now)
        self._count(host, +1)
        self._truth.reverted += 1
        self._up_again(host)

    def _sleep(self, seconds: float, host: SimulatedHost, now: float) -> None:
        if not host.can(Event.SLEEP):
            return
        self._reactions.announce(host, now)
        host.sleep()
        self._truth.asleep += 1
        self._timeline.at(now + self._chance.expovariate(1.0 / seconds), partial(self._wake, host))

    def _wake(self, host: SimulatedHost, _now: float) -> None:
        if host.stage is Stage.ASLEEP:
            host.wake()
            self._truth.asleep -= 1
            self._up_again(host)

    def _up_again(self, host: SimulatedHost) -> None:
        self._reactions.changed(host)
        self._reactions.recheck(host)

    def _count(self, host: SimulatedHost, step: int) -> None:
        self._truth.running[host.running] += step
