"""What befalls hosts of one run, and the evidence that it leaves: crashes, silence, death, and coming back."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Protocol

from rollout.judge.guards import GUARDS
from rollout.simulation.fleet import CONTROL, CRASHED, DARK, DARKENED, EXCLUDED, EXPOSED, GRANTED, OWN, PROVEN
from rollout.simulation.information import CONTROL_ARM, CrashSeen, Report
from rollout.simulation.nature import Crash
from rollout.simulation.world import CRASH, HOUR, World

LONGEST_BLOCK_HOURS: Final = 12.0
BLOCK_CRASHES: Final = 2000.0
"""Nature is drawn ahead in blocks of about so many crashes."""
NEVER: Final = float("inf")


def _first(**failed: int) -> list[tuple[int, ...]]:
    """Return by state of which guards a host's failure is its first, given the marks of one that failed before."""
    marks = [(GUARDS.index(guard), mark | EXCLUDED) for guard, mark in failed.items()]
    return [tuple(guard for guard, mark in marks if not state & mark) for state in range(256)]


_CRASHES: Final = (
    _first(crash=CRASHED, crash_or_dark=CRASHED | DARKENED),
    _first(crash=CRASHED, crash_or_dark=CRASHED | DARKENED, own=OWN),  # of a crash whose culprit is the release
)
_DARKENS: Final = _first(crash_or_dark=CRASHED | DARKENED, dark=DARKENED)


class Ledger(Protocol):
    """What mishaps need of adoptions."""

    def granted_at(self, host: int) -> float | None:
        """Return when a host was granted."""

    def fail(self, host: int, at: float) -> None:
        """Fail a host's open adoption."""

    def back(self, host: int, at: float) -> None:
        """Take a host's word that it is back."""


@dataclass(slots=True)
class Toll:
    """What the fault did: when each host's first failure came from it, and when from elsewhere (seconds)."""

    fault: dict[int, float] = field(default_factory=dict)
    other: dict[int, float] = field(default_factory=dict)

    def note(self, host: int, at: float, *, fault: bool) -> None:
        """Remember a failure, if it is its host's first of that origin."""
        book = self.fault if fault else self.other
        book[host] = min(at, book.get(host, NEVER))

    def harmed(self, until: float) -> int:
        """Return how many hosts failed first by the fault, up to a moment."""
        return sum(at <= until and at <= self.other.get(host, NEVER) for host, at in self.fault.items())


class Mishaps:
    """Draws nature block by block and turns it into evidence."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._dark_seconds = world.policy.dark_after.total_seconds()
        fleet = world.scenario.fleet
        often = max(fleet.hosts * (fleet.crash_per_host_hour + fleet.dark_per_host_hour), 1e-9)
        self._block_hours = min(LONGEST_BLOCK_HOURS, BLOCK_CRASHES / often)
        self._dead: set[int] = set()
        self.ledger: Ledger | None = None
        self.toll = Toll()
        self.rows = dict.fromkeys(GUARDS, 0)
        self.crashes: list[CrashSeen] = []
        self.reports: list[Report] | None = None  # of every crash, where other rules are to look at them

    def begin(self) -> None:
        """Set apart who crashed lately, and draw the first block."""
        world = self._world
        world.fleet.exclude(world.nature.crashed_before(168.0))
        self._block(0.0)

    def _block(self, at: float) -> None:
        world = self._world
        start = at / HOUR
        world.block_end = start + self._block_hours
        self.suffer(world.nature.crashes(start, world.block_end))
        self.suffer(world.nature.added(world.exposed, start, world.block_end))
        for host, hours, away in world.nature.silences(start, world.block_end):
            world.queue.put(hours * HOUR, partial(self._fall_silent, host, away * HOUR))
        world.queue.put(world.block_end * HOUR, self._block)

    def suffer(self, crashes: Sequence[Crash]) -> None:
        """Let crashes happen."""
        world = self._world
        for crash in crashes:
            world.troubled.add(crash.host, crash.hours * HOUR)
            self.toll.note(crash.host, crash.hours * HOUR, fault=crash.fault)
            world.queue.put(world.gateway.arrival(crash.reported * HOUR), partial(self._report, crash))

    def kill(self, host: int, at: float) -> None:
        """A lethal release ends a host: it never beats again, and reports its crash only where the fault lets it."""
        world = self._world
        self._dead.add(host)
        world.troubled.add(host, at)
        world.silent.add(host, at)
        world.counts.mute_exposed += 1
        self.toll.note(host, at, fault=True)
        world.queue.put(self._dark_at(at), partial(self._go_dark, host))
        if world.scenario.fault.lethal_reports:
            reported = at + float(world.nature.delay_hours(1)[0]) * HOUR
            own = bool(world.rng.random() < world.scenario.fault.own_blame)
            crash = Crash(host, at / HOUR, reported / HOUR, own, fault=True)
            world.queue.put(world.gateway.arrival(reported), partial(self._report, crash))

    def _report(self, crash: Crash, at: float) -> None:
        """A crash report arrives: guard rows for the host's first of each kind, and its open adoption fails."""
        world, host = self._world, crash.host
        state = world.fleet.state[host]
        if host in self._dead and not crash.fault:
            return
        happened = crash.hours * HOUR
        ledger = self._ledger()
        granted = ledger.granted_at(host)
        exposed = granted is not None and happened >= granted
        ratio = world.scenario.fault.ratio
        if exposed and not crash.fault and ratio < 1.0 and world.rng.random() >= ratio:
            return  # a release that spares hosts
        if self.reports is not None:
            self.reports.append(self._seen(host, at, exposed=exposed))
        age = (happened - granted) / HOUR if exposed and granted is not None else None
        self._write(_CRASHES[crash.own][state], host, at, exposed=exposed, age=age)
        after = (state | CRASHED | (OWN if crash.own else 0)) & ~(DARK if host not in self._dead else 0)
        world.fleet.move(host, after)
        if exposed:
            ledger.fail(host, at)
        world.row_came(at)

    def _seen(self, host: int, at: float, *, exposed: bool) -> Report:
        """Return what a rule that only counts crashes sees of a report."""
        fleet = self._world.fleet
        ring = self._world.rings.index(fleet.cell(host).ring or "") if exposed else CONTROL_ARM
        risk = fleet.at_risk[CRASH]
        treated = sum(own[EXPOSED] + own[PROVEN] for own in risk)
        first = not fleet.state[host] & (CRASHED | EXCLUDED)
        return Report(at, ring, first, treated, sum(own[CONTROL] for own in risk))

    def _fall_silent(self, host: int, away: float, at: float) -> None:
        """A host stops speaking without a word, for long enough to be taken for dark."""
        world = self._world
        if host in world.silent.at:
            return
        world.silent.add(host, at)
        world.troubled.add(host, at)
        self._mute(host, 1)
        dark = self._dark_at(at)
        world.queue.put(dark, partial(self._go_dark, host))
        world.queue.put(world.gateway.arrival(dark + away), partial(self._return, host))

    def _go_dark(self, host: int, at: float) -> None:
        world = self._world
        state = world.fleet.state[host]
        if host not in world.silent.at or state & DARK:
            return
        self._mute(host, -1)
        granted = self._ledger().granted_at(host)
        age = None if granted is None else (at - granted) / HOUR
        self._write(_DARKENS[state], host, at, exposed=granted is not None, age=age)
        world.advance(at)
        world.fleet.move(host, state | DARKENED | DARK)
        if granted is not None:
            self._ledger().fail(host, at)
            world.tick(at)
        world.row_came(at)

    def _return(self, host: int, at: float) -> None:
        world = self._world
        if host in self._dead:
            return
        world.silent.remove(host)
        world.advance(at)
        state = world.fleet.state[host]
        if state & DARK:
            world.fleet.move(host, state & ~DARK)
        else:
            self._mute(host, -1)
        self._ledger().back(host, at)

    def _write(self, guards: Sequence[int], host: int, at: float, *, exposed: bool, age: float | None) -> None:
        """Write the rows of a failure that is its host's first of these guards."""
        if not guards:
            return
        world = self._world
        band = world.habits.band_of_crash(age, world.rng)
        for guard, found in zip(guards, world.failures(guards, host, at, exposed=exposed, band=band), strict=True):
            self.rows[GUARDS[guard]] += 1
            if guard == CRASH:
                self.crashes.append(CrashSeen(at, exposed, found.exposed, found.control))

    def _mute(self, host: int, by: int) -> None:
        counts = self._world.counts
        if self._world.fleet.state[host] & GRANTED:
            counts.mute_exposed += by
        else:
            counts.mute_control += by

    def _dark_at(self, silent_since: float) -> float:
        gateway = self._world.gateway
        return gateway.when(gateway.clock(silent_since) + self._dark_seconds)

    def _ledger(self) -> Ledger:
        if self.ledger is None:
            raise AssertionError("mishaps begin after the adoptions are known")
        return self.ledger
