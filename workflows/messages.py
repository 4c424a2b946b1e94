"""What workflows, activities and callers say to each other: small, ids and digests only."""

from dataclasses import dataclass, field
from typing import Any

FORWARD_QUEUE = "rollout-forward"
ROLLBACK_QUEUE = "rollout-back"  # own slots: the way back never waits behind forward work


def forward_id(product: str) -> str:
    """The id that locks a product: one forward workflow at a time."""
    return f"rollout-{product}"


def rollback_id(rollout: str) -> str:
    """The id of a rollout's way back."""
    return f"rollback-{rollout}"


@dataclass(frozen=True)
class Task:
    """Which rollout a workflow works for."""

    rollout: str
    product: str


@dataclass(frozen=True)
class Due:
    """What is next (operation.advance.Next) and in which ring."""

    next: str
    ring: str = ""


@dataclass(frozen=True)
class InRing:
    """A step in one ring."""

    rollout: str
    ring: str


@dataclass(frozen=True)
class Act:
    """A person's forward act: `kind` is approve or resume."""

    kind: str
    rollout: str
    ring: str
    revision: int
    person: str
    reason: str


@dataclass(frozen=True)
class Outcome:
    """The answer to an act: an HTTP status, the quorum, and what was wrong, if anything."""

    status: int
    have: int = 0
    need: int = 0
    problem: dict[str, Any] | None = field(default=None)
