"""Rollouts and their rings, as stored."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from policies.document import Policy


@dataclass(frozen=True, slots=True)
class RolloutRecord:
    """One rollout. Times are unix seconds; `first_event` and `first_beat` are the cursors it began at."""

    id: str
    number: int
    product: str
    counter: int
    policy: Policy
    policy_digest: str
    state: str
    state_since: float
    over: bool
    started_by: str
    reason: str
    started_at: float
    map_n: int
    salt: str
    strata: tuple[str, ...]
    first_event: int
    first_beat: int
    revision: int
    stop_reason: str | None
    completed_clock: float | None
    superseded: bool


@dataclass(frozen=True, slots=True)
class RingRecord:
    """One ring of a rollout; `directive_version` is the targets version that first carried its directive."""

    rollout: str
    position: int
    name: str
    state: str
    state_since: float
    hosts: int
    held_out: int
    directive_version: int | None


@dataclass(frozen=True, slots=True)
class Member:
    """A host's place in a rollout: fixed when it starts, or when the host first appears.

    `turn`: the later ring with which a limit of the policy lets it adopt, None: its own.
    """

    host: int
    ring: str
    stratum: str
    baseline: int | None
    directed: bool
    active: bool = False  # heard shortly before the rollout began: expected to speak from the start
    turn: str | None = None


@dataclass(frozen=True, slots=True)
class Freeze:
    """Why nothing goes forward anywhere."""

    since: float
    person: str
    reason: str
    number: int


class Rollouts(Protocol):
    """The rollout, ring, member and freeze tables."""

    def get(self, rollout: str) -> RolloutRecord | None:
        """One rollout."""
        ...

    def newest(self, product: str) -> RolloutRecord | None:
        """The newest rollout of a product, in any state."""
        ...

    def all(self, state: str | None = None) -> Sequence[RolloutRecord]:
        """All rollouts, newest first."""
        ...

    def judged(self) -> Sequence[RolloutRecord]:
        """Those that are not over: open ones, halted ones until recorded over, completed ones under watch."""
        ...

    def opened(self, product: str | None = None) -> Sequence[RolloutRecord]:
        """Those in an open state (decision.OPEN), oldest first."""
        ...

    def create(self, record: RolloutRecord, rings: Sequence[RingRecord]) -> None:
        """Insert a rollout and its rings."""
        ...

    def enlist(self, rollout: str, members: Sequence[Member]) -> None:
        """Insert members; those already there stay as they are."""
        ...

    def member(self, rollout: str, host: int) -> Member | None:
        """A host's place in a rollout."""
        ...

    def members(self, rollout: str, hosts: Collection[int] | None = None) -> Sequence[Member]:
        """The places of these hosts (None: of everybody), by host key; hosts without a place are missing."""
        ...

    def move(self, rollout: str, to: str, allowed: Collection[str], stop_reason: str | None = None) -> bool:
        """Change the state if it is one of `allowed`; whether it changed. Raises `revision`."""
        ...

    def reopen(self, rollout: str) -> None:
        """Judge it again: a rollback after it was over."""
        ...

    def end(self, rollout: str, *, superseded: bool = False) -> None:
        """Nobody judges it any more."""
        ...

    def complete(self, rollout: str, clock: float) -> None:
        """Note the rollout clock at completion."""
        ...

    def raise_revision(self, rollout: str, by: int = 1) -> int:
        """The evidence revision after raising it."""
        ...

    def rings(self, rollout: str) -> Sequence[RingRecord]:
        """Its rings in order."""
        ...

    def move_ring(self, rollout: str, ring: str, to: str, allowed: Collection[str]) -> bool:
        """Change a ring's state if it is one of `allowed`; whether it changed. Raises `revision`."""
        ...

    def directed(self, rollout: str, ring: str, version: int) -> None:
        """Note the targets version that first carried the ring's directive, once."""
        ...

    def next_number(self) -> int:
        """The number of the next rollout."""
        ...

    def frozen(self) -> Freeze | None:
        """The freeze in force."""
        ...

    def freeze(self, person: str, reason: str) -> Freeze:
        """Freeze everything; the first freeze stays."""
        ...

    def unfreeze(self) -> None:
        """Lift it."""
        ...


Tallies = Mapping[tuple[str, str], "Tally"]


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts of adoptions in one ring and stratum; `dark`, `overdue`, `outstanding` are live."""

    granted: int = 0
    confirmed: int = 0
    failed: int = 0
    dark: int = 0
    overdue: int = 0
    outstanding: int = 0
