"""What gates and people are told beside E-bar: the promoting processes, the interval, and who failed.

Guard rows wait here until somebody asks or they are many: nothing of this stops a rollout, and many small chunks
cost more than one large. The same rows in any chunks give the same bits.
"""

from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar

from rollout.judge.columns import Columns, joined
from rollout.judge.guards import GUARDS
from rollout.judge.interval import IntervalState
from rollout.judge.promotion import SafetyState
from rollout.judge.seen import Seen

CRASH: Final = GUARDS.index("crash")
MOST_WAITING: Final = 4096
State = TypeVar("State")


class _Later(Generic[State]):
    """A fold whose rows wait until its state is asked for, or there are many."""

    def __init__(self, state: State, fold: Callable[[State, Columns], State]) -> None:
        self._state, self._fold = state, fold
        self._waiting: list[Columns] = []
        self._rows = 0

    def add(self, rows: Columns) -> None:
        self._waiting.append(rows)
        self._rows += rows.guard.size
        if self._rows >= MOST_WAITING:
            self.state()

    def state(self) -> State:
        if self._waiting:
            self._state = self._fold(self._state, joined(self._waiting))
            self._waiting, self._rows = [], 0
        return self._state


class Observed:
    """Three folds over the guard rows of one rollout, with its rings' margins and so many strata."""

    def __init__(self, margins: Sequence[float], strata: int) -> None:
        self._safety = _Later(SafetyState.start(margins), SafetyState.fold)
        self._interval = _Later(IntervalState.start(), _crashes)
        self._seen = _Later(Seen.start(strata), Seen.with_rows)

    def add(self, rows: Columns) -> None:
        """Fold rows."""
        for each in (self._safety, self._interval, self._seen):
            each.add(rows)

    @property
    def safety(self) -> SafetyState:
        """The promoting processes."""
        return self._safety.state()

    @property
    def interval(self) -> IntervalState:
        """The interval of the hazard ratio of crashes."""
        return self._interval.state()

    @property
    def seen(self) -> Seen:
        """First failures by guard, stratum and arm."""
        return self._seen.state()


def _crashes(state: IntervalState, rows: Columns) -> IntervalState:
    crashes = rows.of(CRASH)
    return state.fold(crashes.interval()) if crashes.exposed.size else state
