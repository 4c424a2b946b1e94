"""Admission: may this host adopt now?

In: everything that the store says of the rollout, the host's place in it, and what was seen to move.
Out: go, wait or no, with a reason.
Rule 1: no answer here is ever "go" by default: an unknown state, a missing window, an age that nobody knows waits.
Rule 2: the caller grants in the same transaction that reads the case, or not at all.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

ENGINE_LIMIT_SECONDS: Final = 15.0
JUDGEMENT_LIMIT_SECONDS: Final = 5.0
"""Or five times `judge.every`, if that is longer (DESIGN section 3)."""
LONGEST_VALIDITY_SECONDS: Final = 60.0
LONGEST_RETRY_SECONDS: Final = 15.0

STOPPED: Final = frozenset({"halted", "rejected", "rolling-back", "rolled-back"})
GOING: Final = frozenset({"running", "awaiting-approval", "completed"})
ADMITTING: Final = frozenset({"admitting", "baking", "awaiting-approval", "promoted"})
SEEING: Final = frozenset({"healthy", "inconclusive"})


class Reason(StrEnum):
    """Why the answer is no (INTERFACES section 1.4), in the order in which they are tried."""

    UNKNOWN_HOST = "unknown-host"
    FROZEN = "frozen"
    HALTED = "halted"
    SUPERSEDED = "superseded"
    NOT_DIRECTED = "not-directed"
    HELD_OUT = "held-out"
    NOT_EXPOSED = "not-exposed"
    ALREADY = "already"


@dataclass(frozen=True, slots=True)
class Place:
    """The host's place in the rollout. `adoption`: state of its adoption there, None before any.

    `eligible`: the plan directs this host. `selected`: its bucket is below the exposure. `limited_to`: the ring that
    has to open before a limit lets it adopt. `partner`: another host of its redundancy group is unconfirmed.
    """

    held_out: bool
    eligible: bool
    selected: bool
    adoption: str | None = None
    adopting_elsewhere: bool = False
    limited_to: str | None = None
    partner: bool = False


@dataclass(frozen=True, slots=True)
class Ring:
    """The host's ring. `action`: what its Director says now, None: nothing of this rollout."""

    state: str
    directive_version: int | None
    action: str | None
    in_hours: bool = True


@dataclass(frozen=True, slots=True)
class Pace:
    """Slots of the whole rollout and of the host's stratum; None where no window is stored."""

    window: int | None
    outstanding: int
    stratum_window: int | None
    stratum_outstanding: int
    first_batch: int
    granted_last_minute: int = 0
    max_per_minute: int | None = None


@dataclass(frozen=True, slots=True)
class Sight:
    """How fresh what we know is; ages in seconds on our own clock, None: never seen to move."""

    verdict: str | None
    judgement_age: float | None
    judge_every: float
    engine_age: float | None
    unfolded_failure: bool


@dataclass(frozen=True, slots=True)
class Course:
    """The rollout that the question names. `newest`: no later one of its product took its place.

    `matches`: the question names this rollout's release. `heartbeat`, `deadline`: the policy's, in seconds.
    """

    state: str
    newest: bool
    matches: bool
    heartbeat: float
    deadline: float


@dataclass(frozen=True, slots=True)
class Case:
    """One question and all that decides it; None where there is no such thing."""

    known: bool
    frozen: bool
    director_version: int
    course: Course | None = None
    place: Place | None = None
    ring: Ring | None = None
    pace: Pace | None = None
    sight: Sight | None = None


@dataclass(frozen=True, slots=True)
class Go:
    """Begin within `valid` seconds, or ask again."""

    valid: float


@dataclass(frozen=True, slots=True)
class Wait:
    """Ask again after `retry_after` seconds; `why` is for people."""

    retry_after: float
    why: str


@dataclass(frozen=True, slots=True)
class No:
    """Do not adopt."""

    reason: Reason


Answer = Go | Wait | No


def answer(case: Case) -> Answer:
    """Answer one host; the first rule that applies wins, from stop to go."""
    if not case.known:
        return No(Reason.UNKNOWN_HOST)
    if case.frozen:
        return No(Reason.FROZEN)
    if case.course is None:
        return No(Reason.NOT_DIRECTED)
    reason = _stopped(case, case.course) or _not_for(case)
    if reason is not None:
        return No(reason)
    why = hindrance(case, case.course)
    if why is not None:
        return Wait(_retry(case.course), why)
    return Go(valid=_validity(case.course))


def _stopped(case: Case, course: Course) -> Reason | None:
    """The rollout is over, or a newer one or a newer directive took its place."""
    if course.state in STOPPED or (case.ring is not None and case.ring.state == "halted"):
        return Reason.HALTED
    if not course.newest:
        return Reason.SUPERSEDED
    if case.ring is not None and case.director_version < (case.ring.directive_version or 0):
        return Reason.SUPERSEDED
    return None


def _not_for(case: Case) -> Reason | None:
    """The directive is not this host's to follow."""
    place, ring, course = case.place, case.ring, case.course
    if course is None or not course.matches or place is None:
        return Reason.NOT_DIRECTED
    if place.held_out:
        return Reason.HELD_OUT
    if not place.eligible or ring is None or ring.directive_version is None or ring.action not in {"install", "hold"}:
        return Reason.NOT_DIRECTED
    if not place.selected:
        return Reason.NOT_EXPOSED
    return Reason.ALREADY if place.adoption in {"confirmed", "failed"} else None


def hindrance(case: Case, course: Course) -> str | None:
    """What stands in the way for now; None is the only way to a go."""
    place, ring, pace, sight = case.place, case.ring, case.pace, case.sight
    if place is None or ring is None or pace is None or sight is None:
        return "not everything is known that a go needs"
    if course.state not in GOING or ring.state not in ADMITTING or ring.action != "install":
        return f"the rollout is {course.state}, its ring {ring.state}, its directive {ring.action}"
    if not ring.in_hours:
        return "the ring's opening hours are over"
    if place.adopting_elsewhere:
        return "the host is adopting another product"
    return _blindness(sight) or (None if place.adoption == "open" else _company(place) or _fullness(pace))


def _company(place: Place) -> str | None:
    """What may be lost together is not put at risk together: a site, a role, a redundancy group."""
    if place.limited_to is not None:
        return f"the limit of its site or role leaves room when ring {place.limited_to} opens"
    return "another host of its redundancy group is unconfirmed" if place.partner else None


def _blindness(sight: Sight) -> str | None:
    """Absence is never health: each of these must have been seen, and lately."""
    limit = max(5 * sight.judge_every, JUDGEMENT_LIMIT_SECONDS)
    if sight.verdict not in SEEING:
        return f"the verdict is {sight.verdict}"
    if sight.judgement_age is None or not sight.judgement_age <= limit:
        return "no fresh judgement"
    if sight.engine_age is None or not sight.engine_age <= ENGINE_LIMIT_SECONDS:
        return "the engine was not seen lately"
    return "a failure is not judged yet" if sight.unfolded_failure else None


def _fullness(pace: Pace) -> str | None:
    """Outstanding must be below the window, of the whole rollout and of the stratum.

    A stratum without a window of its own had no adoption yet: the first batch (JUDGE section 4).
    """
    if pace.window is None or not pace.outstanding < pace.window:
        return f"{pace.outstanding} outstanding, window {pace.window}"
    stratum_window = pace.first_batch if pace.stratum_window is None else pace.stratum_window
    if not pace.stratum_outstanding < stratum_window:
        return f"{pace.stratum_outstanding} outstanding in the stratum, window {stratum_window}"
    if pace.max_per_minute is not None and not pace.granted_last_minute < pace.max_per_minute:
        return f"{pace.granted_last_minute} granted within a minute"
    return None


def _retry(course: Course) -> float:
    """At most the heartbeat; whole seconds where that is possible."""
    return _plain(min(LONGEST_RETRY_SECONDS, course.heartbeat))


def _validity(course: Course) -> float:
    """A go that outlives its own deadline would be no go."""
    return _plain(min(LONGEST_VALIDITY_SECONDS, course.deadline))


def _plain(seconds: float) -> float:
    return int(seconds) if seconds >= 1 else seconds
