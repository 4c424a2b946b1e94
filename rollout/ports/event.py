"""Events: what happened to hosts, in the order of commit. The watch turns them into evidence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class EventKind(StrEnum):
    """What happened. The gateway writes the first block, the watch the second."""

    JOINED = "joined"  # a host's first beat
    ASLEEP = "asleep"  # announced sleep or shutdown
    AWAKE = "awake"
    REBOOTED = "rebooted"
    RAN = "ran"  # runs another release than before; detail {product, counter}
    GRANTED = "granted"  # detail {ring, stratum, order}
    CONFIRMED = "confirmed"
    REVERTED = "reverted"  # the host put itself back
    CRASHED = "crashed"  # a bugcheck, once per report; detail {report, own: [products], before: [rollouts]}
    RETIRED = "retired"

    DARK = "dark"  # silent past its deadline, unannounced
    OVERDUE = "overdue"
    EXPIRED = "expired"  # confirm.deadline passed
    RESOLVED = "resolved"  # a failed adoption's slot is given back


@dataclass(frozen=True, slots=True)
class Event:
    """One event; `rollout` and `adoption` are set where it concerns one."""

    seq: int
    at: float
    kind: EventKind
    host: int
    rollout: str | None = None
    adoption: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)


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

    def after(self, seq: int, limit: int = 100_000) -> Sequence[Event]:
        """Events after `seq`, in order."""
        ...

    def last(self) -> int:
        """The newest event's `seq`, 0 if there is none."""
        ...

    def unfolded_failure(self, folded: int, rollout: str) -> bool:
        """Whether a crash, revert or dark event of this rollout, or of none, is newer than `folded`."""
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
