"""Events, as stored."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from rollout.event import Event, EventKind

__all__ = ["Event", "EventKind", "Events", "Happened"]


class Happened(NamedTuple):
    """An event to be written; `rollout` and `adoption` where it concerns one."""

    kind: EventKind
    host: int
    detail: Mapping[str, Any] = {}
    rollout: str | None = None
    adoption: str | None = None


class Events(Protocol):
    """The event table and the log of who was heard."""

    def append(
        self,
        kind: EventKind,
        host: int,
        *,
        rollout: str | None = None,
        adoption: str | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> int:
        """Write one event; its `seq`."""
        ...

    def extend(self, events: Sequence[Happened]) -> None:
        """Write many, in order."""
        ...

    def after(self, seq: int, limit: int = 100_000) -> Sequence[Event]:
        """Events after `seq`, in order."""
        ...

    def last(self) -> int:
        """The newest event's `seq`, 0 if there is none."""
        ...

    def unfolded_failure(self, folded: int, rollout: str) -> bool:
        """Whether a crash, revert or dark event of this rollout, or of none, is newer than `folded`."""
        ...

    def darkened(self, rollouts: Collection[str], since: float) -> Collection[int]:
        """Hosts that were marked dark in any of these rollouts since `since`, unix seconds."""
        ...

    def heard(self, hosts: NDArray[np.int32]) -> None:
        """Log that these hosts spoke in this commit."""
        ...

    def heard_after(self, beat: int) -> Sequence[tuple[int, float, NDArray[np.int32]]]:
        """The log after row `beat`: (row, at, host keys)."""
        ...

    def last_heard(self) -> int:
        """The newest row of the log, 0 if there is none."""
        ...

    def forget_heard(self, before: float) -> None:
        """Drop log rows older than `before`, unix seconds."""
        ...
