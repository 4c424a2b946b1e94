"""A change of what a host runs, as a state machine over what its journal says: pure, one course for each product.

Rule 1: a candidate is loaded only from `applying`, and only a `go` leads there. Rule 2: every step is written down
before it is taken, so a host that died anywhere knows what it may have done. Rule 3: whatever is in doubt goes back.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from enum import StrEnum
from typing import Any

from rollout.directive.facts import LARGEST


class Step(StrEnum):
    """Where a course stands; a product without a course is `idle`."""

    IDLE = "idle"
    INTENT = "intent"  # wants the candidate and may ask
    APPLYING = "applying"  # has a go; from here on the candidate may be loaded
    SCHEDULED = "scheduled"  # the installer loads it at the next restart
    APPLIED = "applied"  # runs it, on trial: the boot counter is armed
    SETTLED = "settled"  # survived the trial
    REVERTING = "reverting"  # on its way back by its own decision
    REVERTED = "reverted"
    RETURNING = "returning"  # on its way back by a rollback directive


class Act(StrEnum):
    """What the journal records."""

    INTEND = "intend"
    WITHDRAW = "withdraw"  # the metadata, or the gateway, says no
    APPLY = "apply"
    LAPSE = "lapse"  # the go ran out before anything was loaded
    SCHEDULE = "schedule"
    LOADED = "loaded"
    SETTLE = "settle"
    END = "end"  # somebody else replaced what had settled
    REVERT = "revert"
    REVERTED = "reverted"
    RETURN = "return"
    RETURNED = "returned"


ON_TRIAL = frozenset({Step.APPLYING, Step.SCHEDULED, Step.APPLIED})
_REVERTIBLE = (Step.INTENT, Step.APPLYING, Step.SCHEDULED, Step.APPLIED, Step.REVERTED)

MOVES: Mapping[tuple[Step, Act], Step] = {
    **{(step, Act.INTEND): Step.INTENT for step in (Step.IDLE, Step.SETTLED, Step.REVERTED)},
    (Step.INTENT, Act.WITHDRAW): Step.IDLE,
    (Step.INTENT, Act.APPLY): Step.APPLYING,
    (Step.APPLYING, Act.LAPSE): Step.INTENT,
    (Step.APPLYING, Act.SCHEDULE): Step.SCHEDULED,
    (Step.APPLYING, Act.LOADED): Step.APPLIED,
    (Step.SCHEDULED, Act.LOADED): Step.APPLIED,
    (Step.APPLIED, Act.SETTLE): Step.SETTLED,
    (Step.SETTLED, Act.END): Step.IDLE,
    **{(step, Act.REVERT): Step.REVERTING for step in _REVERTIBLE},
    (Step.REVERTING, Act.REVERTED): Step.REVERTED,
    **{(step, Act.RETURN): Step.RETURNING for step in Step},
    (Step.RETURNING, Act.RETURNED): Step.IDLE,
}
"""Every legal move; an illegal one is a missing key."""

_PHASES = {
    Step.APPLYING: "applying",
    Step.SCHEDULED: "applying",
    Step.APPLIED: "applied",
    Step.SETTLED: "applied",
    Step.REVERTING: "applying",  # not there yet: nothing is confirmed, and nobody is called back
    Step.REVERTED: "reverted",
    Step.RETURNING: "applying",
}


class IllegalMoveError(ValueError):
    """A record that cannot follow what stands before it."""


@dataclass(frozen=True, slots=True)
class Course:
    """One product's change. Counters; `None` baseline: the product was not installed before.

    `sha256` and `baseline_sha256` name packages, the latter where this host still knows it. `to`, `to_sha256`: where
    a rollback directive leads. `order`: the number of the record that named its adoption.
    """

    product: str
    step: Step
    rollout: str
    candidate: int
    baseline: int | None
    sha256: str
    baseline_sha256: str | None = None
    adoption: str | None = None
    to: int | None = None
    to_sha256: str | None = None
    order: int = 0

    def to_json(self) -> dict[str, Any]:
        """Every field; `from_json` reads it back."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: object) -> "Course":
        """Read strictly; IllegalMoveError for anything else."""
        if not isinstance(document, dict) or set(document) != {each.name for each in fields(cls)}:
            raise IllegalMoveError("a course has other fields")
        texts = ("product", "rollout", "sha256", *_given(document, "baseline_sha256", "adoption", "to_sha256"))
        numbers = ("candidate", "order", *_given(document, "baseline", "to"))
        for name in texts:
            _text(document, name)
        for name in numbers:
            _counter(document, name)
        if document["step"] not in tuple(Step):
            raise IllegalMoveError(f"{document['step']!a:.40} is no step")
        return cls(**{**document, "step": Step(document["step"])})


@dataclass(frozen=True, slots=True)
class History:
    """What the journal adds up to. `left`: rollouts whose candidate this host has given up for good."""

    courses: Mapping[str, Course] = field(default_factory=dict)
    left: frozenset[str] = frozenset()
    records: int = 0

    def step(self, product: str) -> Step:
        """Where a product stands."""
        course = self.courses.get(product)
        return Step.IDLE if course is None else course.step

    @property
    def named(self) -> Course | None:
        """The course whose adoption a beat names: of those that have one, the youngest."""
        return max((c for c in self.courses.values() if c.adoption is not None), key=_order, default=None)

    @property
    def on_trial(self) -> Course | None:
        """The one course whose candidate may be running unproved."""
        return next((c for c in self.courses.values() if c.step in ON_TRIAL), None)


def phase(course: Course | None) -> str:
    """The `phase` of a beat that names this course's adoption (INTERFACES section 1.3)."""
    return "idle" if course is None else _PHASES.get(course.step, "idle")


def fold(history: History, record: Mapping[str, Any]) -> History:
    """Add one record; IllegalMoveError where it cannot follow."""
    product, act = _text(record, "product"), _act(record)
    before, step = history.courses.get(product), history.step(product)
    to = MOVES.get((step, act))
    if to is None:
        raise IllegalMoveError(f"{product}: {act} cannot follow {step}")
    if act is Act.APPLY and history.on_trial is not None:
        raise IllegalMoveError(f"{product}: {act} while {history.on_trial.product} is on trial")
    number = history.records + 1
    after = _moved(before, to, act, record, number)
    others = {name: course for name, course in history.courses.items() if name != product}
    courses = others if after is None else {**others, product: after}
    return History(courses, history.left | _given_up(before, act), number)


def _moved(before: Course | None, to: Step, act: Act, record: Mapping[str, Any], number: int) -> Course | None:
    """The course after the record; None where it is over."""
    if act is Act.INTEND:
        return _intended(record)
    if act is Act.RETURN:
        return _returning(before, record)
    if before is None:
        raise IllegalMoveError(f"{act} without a course")
    if to is Step.IDLE:
        return None
    if act is Act.APPLY:
        return replace(before, step=to, adoption=_text(record, "adoption"), order=number)
    if act is Act.LAPSE:
        return replace(before, step=to, adoption=None)
    return replace(before, step=to)


def _intended(record: Mapping[str, Any]) -> Course:
    return Course(
        product=_text(record, "product"),
        step=Step.INTENT,
        rollout=_text(record, "rollout"),
        candidate=_counter(record, "candidate"),
        baseline=_counter(record, "baseline") if _given(record, "baseline") else None,
        sha256=_text(record, "sha256"),
        baseline_sha256=_text(record, "baseline_sha256") if _given(record, "baseline_sha256") else None,
    )


def _returning(before: Course | None, record: Mapping[str, Any]) -> Course:
    to, sha256 = _counter(record, "to"), _text(record, "to_sha256")
    if before is not None:
        return replace(before, step=Step.RETURNING, to=to, to_sha256=sha256)
    leaving = _counter(record, "from")
    return Course(_text(record, "product"), Step.RETURNING, "", leaving, to, "", to=to, to_sha256=sha256)


def _given_up(before: Course | None, act: Act) -> frozenset[str]:
    leaves = before is not None and before.rollout and act in {Act.REVERT, Act.RETURN} and before.step != Step.INTENT
    return frozenset({before.rollout}) if before is not None and leaves else frozenset()


def _order(course: Course) -> int:
    return course.order


def _act(record: Mapping[str, Any]) -> Act:
    found = record.get("act")
    if found not in tuple(Act):
        raise IllegalMoveError(f"{found!a:.40} is no act")
    return Act(found)


def _given(record: Mapping[str, Any], *names: str) -> tuple[str, ...]:
    return tuple(name for name in names if record.get(name) is not None)


def _text(record: Mapping[str, Any], name: str) -> str:
    value = record.get(name)
    if not isinstance(value, str) or not value.isprintable():
        raise IllegalMoveError(f"{name} is not a text")
    return value


def _counter(record: Mapping[str, Any], name: str) -> int:
    value = record.get(name)
    if type(value) is not int or not 0 <= value <= LARGEST:
        raise IllegalMoveError(f"{name} is not a counter")
    return value
