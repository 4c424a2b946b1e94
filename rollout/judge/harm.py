"""The halting side of one rollout: guards, E-bar, and where it crossed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from policies.document import Judge
from rollout.evidence.rows import FailureRow, Guard, MeasureRow
from rollout.judge.columns import Columns, Integers
from rollout.judge.eprocess import Bools, Floats
from rollout.judge.guards import GUARDS, HAND_PICKED_NULL_RATIO, SLACK, Bar, GuardState, fold
from rollout.judge.measures import OF_MEASURE, LoudMeasure, Measures
from rollout.judge.seen import Loud, Seen
from rollout.judge.strata import Strata, mean_of
from rollout.judge.verdict import Reason

OF_STRATUM: Final = "stratum:"
"""Before a stratum's name, the name of its guard."""


@dataclass(frozen=True, slots=True)
class Crossings:
    """The first row of a chunk at which E-bar reached each threshold, if it did."""

    pause: Reason | None
    halt: Reason | None


@dataclass(frozen=True, slots=True)
class _Paths:
    """After each row of a chunk: E-bar and the four guards' ln E (rows,), the strata's E (strata, rows)."""

    e: Floats
    log_e: dict[Guard, Floats]
    strata: Floats


class Harm:
    """E-processes of the guards of one rollout, those of the header's strata among them; `e` is E-bar now."""

    def __init__(self, judge: Judge, strata: Sequence[str] = ()) -> None:
        weights = judge.weights
        four: dict[Guard, float] = {"crash": weights.crash, "crash_or_dark": weights.crash_or_dark}
        four |= {"dark": weights.dark, "own": weights.own}
        self._bar = Bar(four, weights.strata, judge.halt_at, judge.boost)
        self._states: dict[Guard, GuardState] = {guard: GuardState.start() for guard in GUARDS}
        self._strata = Strata(strata, self._bar)
        self.measures = Measures.start(judge.measures)
        self.seen = Seen.start(len(strata))
        self._halt_at = judge.halt_at
        self._pause_at = judge.pause_at
        self.pause_at = judge.pause_at
        self._of_guards = float(self._bar.mean({guard: state.log_e for guard, state in self._states.items()}))
        self.e = self._of_guards + self.measures.share

    @property
    def guards(self) -> dict[str, float]:
        """Return the boosted E of each guard; of strata and measures under `stratum:`, `measure:` and their name."""
        found: dict[str, float] = {guard: _value(state.log_e) for guard, state in self._states.items()}
        found |= {OF_STRATUM + name: e for name, e in self._strata.e.items()}
        return found | {OF_MEASURE + name: e for name, e in self.measures.e.items()}

    def rows_at_once(self, most: int) -> int:
        """Return how many rows to take at once, at most `most`."""
        return self._strata.rows_at_once(most)

    def resume(self) -> None:
        """Ask twice the present evidence before the next pause; the halt is unchanged."""
        self.pause_at = max(self._pause_at, 2.0 * self.e)

    def take(self, rows: Sequence[FailureRow], of: Columns, hand_picked: Integers) -> Crossings:
        """Fold rows with their columns; `hand_picked` (rows,) is 1 from the moment an exposed ring is."""
        null = np.where(hand_picked > 0, HAND_PICKED_NULL_RATIO, 1.0)
        log_e: dict[Guard, Floats] = {}
        for index, guard in enumerate(GUARDS):
            own = of.guard == index
            state = self._states[guard]
            path = state.log_e[None]
            if own.any():
                self._states[guard], later = fold(state, of.of(index).harm(null[own]), self._bar.cap(guard))
                path = np.concatenate([path, later])
            log_e[guard] = path[np.cumsum(own)]
        place = self._strata.places(rows)
        strata = self._strata.take(place, of, null)
        of_guards = self._bar.mean(log_e, mean_of(strata))
        paths = _Paths(of_guards + self.measures.share, log_e, strata)
        self._of_guards, self.e = float(of_guards[-1]), float(paths.e[-1])
        found = Crossings(
            self._crossed(rows, (of, place), paths, self.pause_at, "pauses"),
            self._crossed(rows, (of, place), paths, self._halt_at, "halts"),
        )
        self.seen = self.seen.with_rows(of, place)
        return found

    def measure(self, rows: Sequence[MeasureRow], doubled: Bools, mute: Bools) -> Crossings:
        """Fold pairs that measures were reported of; `doubled` and `mute` (rows,) as in `Measures.fold`."""
        before = self.measures
        self.measures, share = before.fold(rows, doubled, mute)
        e = self._of_guards + share
        self.e = float(e[-1])

        def crossed(threshold: float, does: str) -> Reason | None:
            over = e >= threshold * (1.0 - SLACK)
            if not over.any():
                return None
            first = int(over.argmax())
            then, _ = before.fold(rows[: first + 1], doubled[: first + 1], mute[: first + 1])
            return _reason(float(e[first]), (threshold, does), rows[first], self._louder(self._loudest_guard(), then))

        return Crossings(crossed(self.pause_at, "pauses"), crossed(self._halt_at, "halts"))

    def loudest(self) -> Loud | LoudMeasure:
        """Return the guard or measure that weighs most in E-bar now."""
        return self._louder(self._loudest_guard(), self.measures)

    def _loudest_guard(self) -> Loud:
        log_e = {guard: state.log_e[None] for guard, state in self._states.items()}
        return self._loudest(_Paths(np.array([self.e]), log_e, self._strata.path(1)), 0, self.seen)

    def _louder(self, guard: Loud, measures: Measures) -> Loud | LoudMeasure:
        """Return the louder of the loudest guard and the loudest measure."""
        weight = (
            self._bar.weight[guard.guard]
            if guard.stratum is None
            else self._bar.strata_weight / len(self._strata.names)
        )
        loudest = measures.loudest()
        return loudest if loudest is not None and loudest.pairs.n and loudest.share > weight * guard.e else guard

    def _crossed(
        self,
        rows: Sequence[FailureRow],
        placed: tuple[Columns, Integers],
        paths: _Paths,
        threshold: float,
        does: str,
    ) -> Reason | None:
        """Return the reason of the first row at which E-bar reached the threshold."""
        over = paths.e >= threshold * (1.0 - SLACK)
        if not over.any():
            return None
        first = int(over.argmax())
        row, (of, place) = rows[first], placed
        until = np.arange(place.size) <= first
        loud = self._loudest(paths, first, self.seen.with_rows(of.where(until), place[until]))
        return _reason(float(paths.e[first]), (threshold, does), row, self._louder(loud, self.measures))

    def _loudest(self, paths: _Paths, at: int, seen: Seen) -> Loud:
        """Return the guard that weighs most in E-bar after a row."""
        shares = {name: (self._bar.weight[name], _value(paths.log_e[name][at])) for name in GUARDS}
        found = max(shares, key=lambda name: shares[name][0] * shares[name][1])
        weight, value = shares[found]
        if self._strata.names:
            number = int(paths.strata[:, at].argmax())
            alone = float(paths.strata[number, at])
            if alone * self._bar.strata_weight / len(self._strata.names) > weight * value:
                return Loud("crash_or_dark", self._strata.names[number], alone, seen.arms("crash_or_dark", number))
        return Loud(found, None, value, seen.arms(found))


def _reason(e: float, threshold: tuple[float, str], row: FailureRow | MeasureRow, loud: Loud | LoudMeasure) -> Reason:
    """Say that E-bar reached a threshold, what that does, and which guard or measure says most."""
    return Reason(
        "e-value",
        f"evidence of harm reached {e:.4g} ({threshold[0]:g} {threshold[1]}) at {row.at:g} s, "
        f"most of it from {loud.sentence()}",
        row.at,
        row.seq,
    )


def _value(log_e: Floats | np.float64) -> float:
    return float(np.exp(min(float(log_e), 700.0)))
