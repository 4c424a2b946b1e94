"""What a course does next, given what really runs: a table, read after every start and in every round.

A host may die anywhere, and people may change what it runs. What the journal says and what the installer sees are
compared here; where they cannot both be right the candidate goes, never the baseline.
"""

from collections.abc import Mapping
from enum import StrEnum

from rollout.host.course import Course, Step


class Sight(StrEnum):
    """What runs, seen from a course."""

    CANDIDATE = "candidate"
    BASELINE = "baseline"
    OTHER = "other"
    UNKNOWN = "unknown"


class Next(StrEnum):
    """What to do."""

    STAY = "stay"
    WITHDRAW = "withdraw"
    LOADED = "loaded"
    LAPSE = "lapse"
    END = "end"
    REVERT = "revert"
    RETURN = "return"


_C, _B, _O, _U = Sight.CANDIDATE, Sight.BASELINE, Sight.OTHER, Sight.UNKNOWN

TABLE: Mapping[Step, Mapping[Sight, Next]] = {
    Step.INTENT: {_C: Next.REVERT, _B: Next.STAY, _O: Next.WITHDRAW, _U: Next.STAY},  # it runs without a go
    Step.APPLYING: {_C: Next.LOADED, _B: Next.LAPSE, _O: Next.REVERT, _U: Next.REVERT},
    Step.SCHEDULED: {_C: Next.LOADED, _B: Next.STAY, _O: Next.REVERT, _U: Next.STAY},
    Step.APPLIED: {_C: Next.STAY, _B: Next.REVERT, _O: Next.REVERT, _U: Next.STAY},
    Step.SETTLED: {_C: Next.STAY, _B: Next.END, _O: Next.END, _U: Next.STAY},
    Step.REVERTING: dict.fromkeys(Sight, Next.REVERT),
    Step.REVERTED: {_C: Next.REVERT, _B: Next.STAY, _O: Next.STAY, _U: Next.STAY},
    Step.RETURNING: dict.fromkeys(Sight, Next.RETURN),
}

AFTER_RESTART: Mapping[tuple[Step, Sight], Next] = {
    (Step.APPLYING, Sight.BASELINE): Next.REVERT,  # the host went down in the middle of its load
    (Step.SCHEDULED, Sight.BASELINE): Next.REVERT,  # the restart that should have brought it did not
}
"""What a restart since the candidate was loaded changes."""


def seen(course: Course, running: Mapping[str, int | None]) -> Sight:
    """What runs; a product that `running` does not name is not known."""
    if course.product not in running:
        return Sight.UNKNOWN
    counter = running[course.product]
    if counter == course.candidate:
        return Sight.CANDIDATE
    return Sight.BASELINE if counter == course.baseline else Sight.OTHER


def resume(course: Course, sight: Sight, *, restarted: bool) -> Next:
    """What this course does next. `restarted`: the host began another boot since the trial was armed."""
    if restarted and (course.step, sight) in AFTER_RESTART:
        return AFTER_RESTART[course.step, sight]
    return TABLE[course.step][sight]
