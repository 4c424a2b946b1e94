"""The halting side of one rollout: guards, E-bar, and where it crossed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from policies.document import Judge
from rollout.evidence.rows import FailureRow, Guard
from rollout.judge.columns import Columns, Integers
from rollout.judge.eprocess import Floats
from rollout.judge.guards import GUARDS, HAND_PICKED_NULL_RATIO, SLACK, Bar, GuardState, fold
from rollout.judge.verdict import Reason


@dataclass(frozen=True, slots=True)
class Crossings:
    """The first row of a chunk at which E-bar reached each threshold, if it did."""

    pause: Reason | None
    halt: Reason | None


class Harm:
    """E-processes of the guards of one rollout; `e` is E-bar now."""

    def __init__(self, judge: Judge) -> None:
        weights = judge.weights
        self._bar = Bar(
            {
                "crash": weights.crash,
                "crash_or_dark": weights.crash_or_dark,
                "dark": weights.dark,
                "own": weights.own,
            },
            weights.strata,
            judge.halt_at,
            judge.boost,
        )
        self._states: dict[Guard, GuardState] = {guard: GuardState.start() for guard in GUARDS}
        self._halt_at = judge.halt_at
        self._pause_at = judge.pause_at
        self.pause_at = judge.pause_at
        self.e = float(self._bar.mean({guard: state.log_e for guard, state in self._states.items()}))

    @property
    def guards(self) -> dict[Guard, float]:
        """Return the boosted E of each guard."""
        return {guard: float(np.exp(min(float(state.log_e), 700.0))) for guard, state in self._states.items()}

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
        e = self._bar.mean(log_e)
        self.e = float(e[-1])
        return Crossings(
            self._crossed(rows, e, log_e, self.pause_at, "pauses"),
            self._crossed(rows, e, log_e, self._halt_at, "halts"),
        )

    def _crossed(
        self, rows: Sequence[FailureRow], e: Floats, log_e: dict[Guard, Floats], threshold: float, does: str
    ) -> Reason | None:
        """Return the reason of the first row at which E-bar reached the threshold."""
        over = e >= threshold * (1.0 - SLACK)
        if not over.any():
            return None
        first = int(over.argmax())
        row = rows[first]
        values = {name: float(np.exp(min(log_e[name][first], 700.0))) for name in GUARDS}
        guard = max(GUARDS, key=lambda name: self._bar.weight[name] * values[name])
        return Reason(
            "e-value",
            f"evidence of harm reached {float(e[first]):.4g} ({threshold:g} {does}) at {row.at:g} s, "
            f"most of it from {guard} ({values[guard]:.4g})",
            row.at,
            row.seq,
        )
