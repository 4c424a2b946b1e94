"""Events: what happened to hosts, in the order of commit. The watch turns them into evidence."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class EventKind(StrEnum):
    """What happened. The gateway writes the first block, the watch the second."""

    JOINED = "joined"  # a host's first beat; detail {boot, uptime}, of one that asked first {boot}
    ASLEEP = "asleep"  # announced sleep or shutdown
    AWAKE = "awake"
    REBOOTED = "rebooted"  # detail {boot, uptime}
    RAN = "ran"  # runs another release than before; detail {product, counter}
    GRANTED = "granted"  # detail {ring, stratum, order}
    CONFIRMED = "confirmed"
    REVERTED = "reverted"  # the host put itself back
    # A bugcheck, once per report; detail {report, own: [products], uptime?, before: [rollouts whose adoption came
    # later], earlier: [rollouts that began later, within 7 days]}.
    CRASHED = "crashed"
    RETIRED = "retired"
    ACTED = "acted"  # a person: host 0; detail {act, ring, person}; a freeze concerns every rollout

    DARK = "dark"  # silent past its deadline, unannounced
    OVERDUE = "overdue"
    EXPIRED = "expired"  # confirm.deadline passed
    RESOLVED = "resolved"  # a failed adoption's slot is given back
    MEASURED = "measured"  # an exposed host was paired; detail {measure, exposed, control, other: its control host}


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
