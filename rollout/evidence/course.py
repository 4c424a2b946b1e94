"""The course of one adoption on the rollout clock, and which deadline it has passed.

An announced sleep stops the clock of `confirm.deadline`, never that of `overdue` (JUDGE section 4).
"""

from dataclasses import dataclass
from typing import Literal

Deadline = Literal["overdue", "expired", "resolved"]


@dataclass(slots=True)
class Course:
    """One adoption. Times are rollout-clock seconds; `slept` is how long its host was asleep meanwhile."""

    adoption: str
    host: int
    ring: str
    stratum: str
    order: int
    granted: float
    state: Literal["open", "confirmed", "failed"] = "open"
    failed: float = 0.0
    slept: float = 0.0
    overdue: bool = False
    holding: bool = True

    @property
    def settled(self) -> bool:
        """Nothing more can come of it."""
        return not self.holding and self.state != "open"


def passed(course: Course, clock: float, overdue: float, deadline: float) -> Deadline | None:
    """The deadline that an adoption has passed and that was not noted yet, the latest first.

    Args:
        course: the adoption.
        clock: now.
        overdue: `confirm.overdue`, seconds.
        deadline: `confirm.deadline`, seconds.
    """
    if course.state == "open":
        if clock - course.granted - course.slept > deadline:
            return "expired"
        if not course.overdue and clock - course.granted > overdue:
            return "overdue"
        return None
    if course.state == "failed" and course.holding and clock - course.failed > deadline:
        return "resolved"
    return None


def is_late_by_sleep(course: Course, clock: float, overdue: float) -> bool:
    """Whether an overdue adoption is late only by announced sleep: awake, its host had no more than `overdue` yet."""
    return course.overdue and clock - course.granted - course.slept <= overdue
