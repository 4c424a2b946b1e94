"""One simulated host: a state machine without clock, network or chance.

A host does only what its table allows, as a real agent would: it asks after it recorded its intent,
loads only after `go`, keeps what it runs while it is down, and comes back by itself from everything
but death. What happens to it, and when, is said by `life.py`.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from typing import Any

from rollout.host import messages
from rollout.simulation.swarm.faults import Measured


class Stage(StrEnum):
    """Where a host stands."""

    IDLE = "idle"
    DIRECTED = "directed"  # its metadata says install, its intent is recorded
    ASKED = "asked"
    APPLYING = "applying"
    APPLIED = "applied"
    DOWN = "down"  # crashed, will restart
    ASLEEP = "asleep"
    REVERTED = "reverted"  # went back by itself
    DEAD = "dead"


class Event(StrEnum):
    """What can happen to a host."""

    DIRECT = "direct"
    WITHDRAW = "withdraw"  # its metadata no longer says install
    ASK = "ask"
    GO = "go"
    WAIT = "wait"  # also: no answer, or a go that came too late
    NO = "no"
    LOAD = "load"
    CRASH = "crash"
    DIE = "die"
    RESTART = "restart"  # up again with the baseline
    RESUME = "resume"  # up again with the candidate
    SELF_REVERT = "self-revert"
    ROLL_BACK = "roll-back"
    SLEEP = "sleep"


_UP = (Stage.IDLE, Stage.DIRECTED, Stage.ASKED, Stage.APPLYING, Stage.APPLIED, Stage.REVERTED)
_AWAY = (Stage.DOWN, Stage.ASLEEP)

MOVES: dict[tuple[Stage, Event], Stage] = {
    (Stage.IDLE, Event.DIRECT): Stage.DIRECTED,
    (Stage.DIRECTED, Event.WITHDRAW): Stage.IDLE,
    (Stage.DIRECTED, Event.ASK): Stage.ASKED,
    (Stage.ASKED, Event.GO): Stage.APPLYING,
    (Stage.ASKED, Event.WAIT): Stage.DIRECTED,
    (Stage.ASKED, Event.NO): Stage.IDLE,
    (Stage.APPLYING, Event.LOAD): Stage.APPLIED,
    (Stage.APPLYING, Event.WITHDRAW): Stage.IDLE,  # halted between go and activation
    (Stage.APPLIED, Event.ROLL_BACK): Stage.IDLE,
    (Stage.IDLE, Event.ROLL_BACK): Stage.IDLE,
    **{(stage, Event.CRASH): Stage.DOWN for stage in _UP},
    **{(stage, Event.DIE): Stage.DEAD for stage in (*_UP, *_AWAY)},
    **{(stage, Event.RESTART): Stage.IDLE for stage in _AWAY},
    **{(stage, Event.RESUME): Stage.APPLIED for stage in _AWAY},
    (Stage.DOWN, Event.SELF_REVERT): Stage.REVERTED,
    (Stage.IDLE, Event.SLEEP): Stage.ASLEEP,
    (Stage.APPLIED, Event.SLEEP): Stage.ASLEEP,
}
"""Every legal move; an illegal one is a missing key."""

_PHASES = {Stage.APPLYING: "applying", Stage.APPLIED: "applied", Stage.REVERTED: "reverted"}


@dataclass(slots=True)
class SimulatedHost:
    """One host; times in seconds of the swarm's own steady clock."""

    name: str
    product: str
    running: int
    """The release counter it runs."""
    booted_at: float
    ring: str | None = None
    stage: Stage = Stage.IDLE
    boot: int = 1
    seq: int = 0
    adoption: str | None = None
    baseline: int | None = None
    """What it ran when it recorded its intent."""
    candidate: int | None = None
    floor_mark: int = 0
    settled: set[int] = field(default_factory=set)
    """Candidates it was finally refused, or that it left by itself: it asks for them no more."""
    measured: Measured | None = None
    lives: int = 0
    """Rises with each load and each way back: what was planned for an earlier life is void."""

    @property
    def up(self) -> bool:
        """Whether it can speak."""
        return self.stage in _UP

    @property
    def boot_id(self) -> str:
        """The opaque id of this boot."""
        return f"{self.name}-{self.boot}"

    def uptime(self, now: float) -> float:
        """Seconds since this boot."""
        return max(0.0, now - self.booted_at)

    def can(self, event: Event) -> bool:
        """Whether the table has this move."""
        return (self.stage, event) in MOVES

    def beat(self, now: float, *, sleeping: bool = False) -> dict[str, Any]:
        """The next beat (INTERFACES 1.3); `seq` rises with it."""
        self.seq += 1
        phase = _PHASES.get(self.stage, "applied" if self.on_candidate else "idle")
        return messages.beat(
            self.name,
            self.boot_id,
            self.seq,
            self.uptime(now),
            {self.product: self.running},
            adoption=self.adoption,
            phase=phase,
            sleeping=sleeping,
            measures=self._measures(),
        )

    def _measures(self) -> dict[str, float]:
        """What it measures: its own usual number, and more while it runs a candidate."""
        if self.measured is None:
            return {}
        own = 0.9 + 0.2 * int.from_bytes(sha256(self.name.encode()).digest()[:4], "big") / 2**32
        raised = self.measured.raised if self.on_candidate else 0.0
        return {self.measured.name: round(own * self.measured.usual + raised, 9)}

    @property
    def on_candidate(self) -> bool:
        """Whether it runs what it adopted last."""
        return self.adoption is not None and self.running == self.candidate

    def direct(self, candidate: int) -> None:
        """Take up an install directive: the intent, with the way back, is recorded before anything else."""
        self._move(Event.DIRECT)
        self.baseline, self.candidate = self.running, candidate

    def withdraw(self) -> None:
        """Drop the intent: the metadata no longer says install."""
        self._move(Event.WITHDRAW)
        self.adoption = None

    def ask(self) -> None:
        """Put the question."""
        self._move(Event.ASK)

    def go(self, adoption: str) -> None:
        """Begin to apply."""
        self._move(Event.GO)
        self.adoption = adoption

    def wait(self) -> None:
        """Ask again some time."""
        self._move(Event.WAIT)

    def no(self, reason: str) -> None:
        """Do not adopt; `already` and `held-out` are for good."""
        self._move(Event.NO)
        if reason in {"already", "held-out", "unknown-host"} and self.candidate is not None:
            self.settled.add(self.candidate)

    def load(self) -> None:
        """Activate the candidate."""
        if self.candidate is None:
            raise ValueError("nothing to load: no intent is recorded")
        self._move(Event.LOAD)
        self.running, self.lives = self.candidate, self.lives + 1

    def crash(self) -> None:
        """Go down, to restart."""
        self._move(Event.CRASH)

    def die(self) -> None:
        """Go down for ever."""
        self._move(Event.DIE)

    def restart(self, now: float) -> None:
        """Come up in a new boot with whatever is installed."""
        self._move(Event.RESUME if self.on_candidate else Event.RESTART)
        self.boot, self.booted_at = self.boot + 1, now

    def sleep(self) -> None:
        """Suspend, after the beat that announced it."""
        self._move(Event.SLEEP)

    def wake(self) -> None:
        """Resume in the same boot."""
        self._move(Event.RESUME if self.on_candidate else Event.RESTART)

    def self_revert(self, now: float) -> None:
        """Restart with the recorded baseline, by the boot counter's rule, without asking anybody."""
        self._move(Event.SELF_REVERT)
        self._leave_candidate(self.running if self.baseline is None else self.baseline)
        self.boot, self.booted_at = self.boot + 1, now

    def roll_back(self, counter: int) -> None:
        """Obey a rollback directive."""
        self._move(Event.ROLL_BACK)
        self._leave_candidate(counter)
        self.adoption = None

    def _leave_candidate(self, counter: int) -> None:
        self.settled.add(self.running)
        self.running, self.lives = counter, self.lives + 1

    def _move(self, event: Event) -> None:
        to = MOVES.get((self.stage, event))
        if to is None:
            raise ValueError(f"{self.name}: {event} cannot happen while {self.stage}")
        self.stage = to
