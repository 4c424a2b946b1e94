"""What the watch stores: who owns it, the newest judgement, evidence, ticks; and moving counters."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class StoredJudgement:
    """The newest judgement of a rollout; a reader times the change of `counter` on its own clock."""

    rollout: str
    counter: int
    clock: float
    event: int
    beat: int
    evidence: int
    verdict: str
    window: int
    windows: Mapping[str, int]
    promotable: bool
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TickMark:
    """The rollout clock when these cursors were folded."""

    event: int
    beat: int
    clock: float


class Judging(Protocol):
    """The watch, judgement, tick and evidence tables."""

    def watches(self) -> Mapping[str, tuple[str, int, int]]:
        """By rollout: owner, epoch, counter."""
        ...

    def take_watch(self, rollout: str, owner: str, expected_epoch: int) -> int | None:
        """Become the owner: the new epoch, or None when somebody else was first. `expected_epoch` 0: no row yet."""
        ...

    def hold_watch(self, rollout: str, epoch: int) -> None:
        """Move the counter; StaleOwnerError when another epoch owns it."""
        ...

    def judgement(self, rollout: str) -> StoredJudgement | None:
        """The newest judgement."""
        ...

    def save(self, judgement_: StoredJudgement) -> None:
        """Replace the newest judgement."""
        ...

    def mark(self, rollout: str, mark: TickMark) -> None:
        """Note the clock of these cursors."""
        ...

    def marks(self, rollout: str) -> Sequence[TickMark]:
        """All marks, in order."""
        ...

    def forget_marks(self, rollout: str, before_clock: float) -> None:
        """Drop marks before a rollout clock, in its seconds."""
        ...

    def add_evidence(self, rollout: str, rows: Sequence[tuple[int, str]]) -> None:
        """Append rows (seq, JSON line)."""
        ...

    def evidence(self, rollout: str, after: int = -1, limit: int = 10_000) -> Iterator[str]:
        """JSON lines after a row's `seq`, in order."""
        ...

    def last_evidence(self, rollout: str) -> int:
        """The newest row's `seq`, -1 if there is none."""
        ...


class Beacons(Protocol):
    """Rows whose counter moves while somebody lives: engine, gateway/<id>, lease/<ring>, worker/<id>."""

    def move(self, name: str, owner: str) -> None:
        """Move a beacon of our own (no epochs): create it or raise its counter."""
        ...

    def take(self, name: str, owner: str, expected_epoch: int) -> int | None:
        """Become the owner of a row: the new epoch, or None when somebody else was first."""
        ...

    def hold(self, name: str, epoch: int) -> None:
        """Move the counter; StaleOwnerError when another epoch owns it."""
        ...

    def all(self, prefix: str = "") -> Mapping[str, tuple[str, int, int]]:
        """By name: owner, epoch, counter."""
        ...
