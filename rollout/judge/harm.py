"""The halting side of one rollout: guards, E-bar, and where it crossed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from policies.document import Judge
from rollout.evidence.rows import FailureRow, Guard, MeasureRow
from rollout.judge.columns import Columns
from rollout.judge.eprocess import Bools, Draws, Floats, Integers
from rollout.judge.guards import GUARDS, HAND_PICKED_NULL_RATIO, SLACK, Bar
from rollout.judge.measures import OF_MEASURE, LoudMeasure, Measures
from rollout.judge.observed import Observed
from rollout.judge.processes import Processes
from rollout.judge.seen import Loud, Seen
from rollout.judge.strata import Strata, mean_of
from rollout.judge.verdict import Reason

WIDE: Final = 0.25
"""Share of a guard's weight on the comparison of bands without a match with the whole stratum (docs/adr/0017)."""
OF_STRATUM: Final = "stratum:"
"""Before a stratum's name, the name of its guard."""


@dataclass(frozen=True, slots=True)
class Crossings:
    """The first row of a chunk at which E-bar reached each threshold, if it did."""

    pause: Reason | None
    halt: Reason | None


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Rows with their columns, those after which E was looked at, and then E-bar (looks,) and E (processes, looks)."""

    rows: Sequence[FailureRow]
    of: Columns
    looks: Integers
    mean: Floats
    e: Floats


class Harm:
    """E-processes of the guards of one rollout, then those of the header's strata; `e` is E-bar now."""

    def __init__(self, judge: Judge, strata: Strata) -> None:
        weights = judge.weights
        four: dict[Guard, float] = {"crash": weights.crash, "crash_or_dark": weights.crash_or_dark}
        four |= {"dark": weights.dark, "own": weights.own}
        self._bar = Bar(four, weights.strata, judge.halt_at, judge.boost)
        self._strata = strata
        of_strata = [self._bar.stratum_cap(len(strata.names))] * len(strata.names)
        self._processes = Processes([*map(self._bar.cap, GUARDS), *of_strata])
        self._halt_at = judge.halt_at
        self._pause_at = judge.pause_at
        self.pause_at = judge.pause_at
        self.measures = Measures.start(judge.measures)
        self._of_guards = float(self._mean(self._now)[0])
        self.e = self._of_guards + self.measures.share

    @property
    def guards(self) -> dict[str, float]:
        """Return the boosted E of each guard; of strata and measures under `stratum:`, `measure:` and their name."""
        names = [*GUARDS, *(OF_STRATUM + name for name in self._strata.names)]
        found = dict(zip(names, self._now[:, 0].tolist(), strict=True))
        return found | {OF_MEASURE + name: e for name, e in self.measures.e.items()}

    @property
    def _now(self) -> Floats:
        """Return E of every process as it is: (processes, 1)."""
        return self._weighed(self._processes.log_e[:, None])

    def resume(self) -> None:
        """Ask twice the present evidence before the next pause; the halt is unchanged."""
        self.pause_at = max(self._pause_at, 2.0 * self.e)

    def take(self, rows: Sequence[FailureRow], of: Columns, hand_picked: Bools, before: Observed) -> Crossings:
        """Fold rows with their columns; `hand_picked` (rows,) is true from the moment an exposed ring is.

        `before`: what was observed before them.
        """
        null = np.where(hand_picked, HAND_PICKED_NULL_RATIO, 1.0)
        twice, last = self._strata.counted(of), len(rows) - 1
        process = np.concatenate([of.guard, len(GUARDS) + of.place[twice]])
        row = np.concatenate([np.arange(len(rows)), twice])
        exposed = of.exposed.nonzero()[0]  # E rises at no other
        looks = exposed if exposed.size and exposed[-1] == last else np.append(exposed, last)
        e = self._take(process, row, of, null, looks)
        of_guards = self._mean(e)
        chunk = _Chunk(rows, of, looks, of_guards + self.measures.share, e)
        self._of_guards, self.e = float(of_guards[-1]), float(chunk.mean[-1])
        return Crossings(
            self._crossed(chunk, before, self.pause_at, "pauses"), self._crossed(chunk, before, self._halt_at, "halts")
        )

    @property
    def is_parted(self) -> bool:
        """Say whether there are two comparisons: from the first row on that has bands without a match beside it."""
        return self._processes.sets > 1

    def part(self) -> None:
        """Judge on by two comparisons, each with its share of every guard's weight.

        The average of e-processes is one, whatever they have in common.
        """
        self._processes = self._processes.part([1.0 - WIDE, WIDE])

    def _take(self, process: Integers, row: Integers, of: Columns, null: Floats, looks: Integers) -> Floats:
        """Fold rows in one comparison or two and return E (processes, looks)."""
        drawn = of.harm(null)
        if self.is_parted:
            drawn = Draws(*map(np.concatenate, zip(drawn, of.wide(null, drawn), strict=True)))
            process = np.concatenate([process, process + self._processes.log_e.size // 2])
            row = np.concatenate([row, row + len(null)])
        return self._weighed(self._processes.take(process, row, drawn, looks))

    def _weighed(self, log_e: Floats) -> Floats:
        """Return E (guards and strata, looks) of ln E (processes, looks): of both comparisons, once there are two."""
        e: Floats = np.exp(np.minimum(log_e, 700.0))
        if not self.is_parted:
            return e
        own, wide = np.split(e, 2)
        both: Floats = (1.0 - WIDE) * own + WIDE * wide
        return both

    def measure(self, rows: Sequence[MeasureRow], doubled: Bools, mute: Bools, seen: Seen) -> Crossings:
        """Fold pairs that measures were reported of; `doubled` and `mute` (rows,) as in `Measures.fold`.

        `seen`: what the guards saw before them.
        """
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
            loud = self._louder(self._loudest(self._now[:, 0], seen), then)
            return _reason(float(e[first]), (threshold, does), rows[first], loud)

        return Crossings(crossed(self.pause_at, "pauses"), crossed(self._halt_at, "halts"))

    def loudest(self, seen: Seen) -> Loud | LoudMeasure:
        """Return the guard or measure that weighs most in E-bar now."""
        return self._louder(self._loudest(self._now[:, 0], seen), self.measures)

    def _louder(self, guard: Loud, measures: Measures) -> Loud | LoudMeasure:
        """Return the louder of the loudest guard and the loudest measure."""
        strata = len(self._strata.names)
        weight = self._bar.weight[guard.guard] if guard.stratum is None else self._bar.strata_weight / strata
        loudest = measures.loudest()
        return loudest if loudest is not None and loudest.pairs.n and loudest.share > weight * guard.e else guard

    def _mean(self, e: Floats) -> Floats:
        """Return E-bar (looks,) of E (processes, looks)."""
        return self._bar.mean(e[: len(GUARDS)], mean_of(e[len(GUARDS) :]))

    def _crossed(self, chunk: _Chunk, before: Observed, threshold: float, does: str) -> Reason | None:
        """Return the reason of the first row at which E-bar reached the threshold."""
        over = chunk.mean >= threshold * (1.0 - SLACK)
        if not over.any():
            return None
        look = int(over.argmax())
        first = int(chunk.looks[look])
        loud = self._loudest(chunk.e[:, look], before.seen.with_rows(chunk.of.where(slice(first + 1))))
        louder = self._louder(loud, self.measures)
        return _reason(float(chunk.mean[look]), (threshold, does), chunk.rows[first], louder)

    def _loudest(self, e: Floats, seen: Seen) -> Loud:
        """Return the guard that weighs most, of E (processes,)."""
        shares = {name: (self._bar.weight[name], value) for name, value in zip(GUARDS, e.tolist(), strict=False)}
        found = max(shares, key=lambda name: shares[name][0] * shares[name][1])
        weight, value = shares[found]
        if self._strata.names:
            number = int(e[len(GUARDS) :].argmax())
            alone = float(e[len(GUARDS) + number])
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
