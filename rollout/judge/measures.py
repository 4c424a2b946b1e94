"""Measures: a per-host number of exposed hosts against that of control, as a betting e-process each.

One pair a row: an exposed host and a control host like it, each reporting once. Winsorised to the policy's range and
scaled to 0..1, their difference d lies in -1..1, and under "the exposed mean exceeds control's by at most the margin
m" its mean, given every pair before, is at most m. A stake l in [0, 1/(1 + m)) then multiplies by 1 + l (d - m) > 0,
whose mean is at most 1; the stakes are a fixed grid and E is the mean over it, so E is a test supermartingale
whatever the numbers' distribution is (Waudby-Smith & Ramdas 2023, with pairs for the two samples; ADR 16).

Pairs of a hand-picked ring say nothing; in rings exposed after one the margin is doubled.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Final

import numpy as np

from policies.document import Measure
from rollout.evidence.rows import MeasureRow
from rollout.judge.eprocess import Bools, Floats, log_mean
from rollout.judge.seen import Hosts

OF_MEASURE: Final = "measure:"
"""Before a measure's name, the name of its guard."""
STAKES: Final[Floats] = np.geomspace(0.01, 0.95, 24)
"""Stakes as shares of 1 / (1 + m), the largest that no pair can lose twice over."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """What was seen of one measure: how many pairs, how many of them say nothing, and both winsorised means."""

    n: int
    silent: int
    exposed: float
    control: float
    margin: float

    def sentence(self) -> str:
        """Say it."""
        if not self.n:
            return "no pair of an exposed and a control host has reported it"
        mute = f" ({self.silent} of a hand-picked ring, which say nothing)" if self.silent else ""
        return (
            f"in {self.n} pairs{mute} exposed hosts report {self.exposed:.4g} on average and control hosts "
            f"{self.control:.4g}, where {self.margin:.4g} more is tolerated"
        )


@dataclass(frozen=True, slots=True)
class LoudMeasure:
    """The measure that says most of harm: its name, E, share of E-bar and pairs."""

    name: str
    e: float
    share: float
    pairs: Pairs
    stratum: None = None

    def sentence(self, _of: Hosts | None = None) -> str:
        """Name it with its numbers."""
        return f"measure {self.name} ({self.e:.4g}): {self.pairs.sentence()}"


@dataclass(frozen=True, slots=True)
class Measures:
    """State of all measures of a policy: `log_m` (measures, grid); `pairs` counts, `sums` by arm (measures, 2)."""

    of: tuple[Measure, ...]
    log_m: Floats
    pairs: tuple[int, ...]
    silent: tuple[int, ...]
    sums: Floats

    @classmethod
    def start(cls, of: Sequence[Measure]) -> "Measures":
        """Return E = 1 of each."""
        none = (0,) * len(of)
        return cls(tuple(of), np.zeros((len(of), STAKES.size)), none, none, np.zeros((len(of), 2)))

    @property
    def e(self) -> dict[str, float]:
        """Return E of each measure."""
        return dict(zip((measure.name for measure in self.of), _e(self.log_m).tolist(), strict=True))

    @property
    def share(self) -> float:
        """Return what they add to E-bar; 0 without any."""
        if not self.of:
            return 0.0
        return float(_weighted(self.of, _e(self.log_m)[:, None])[0])

    def seen(self, name: str) -> Pairs:
        """Return what was seen of a measure."""
        number = [measure.name for measure in self.of].index(name)
        n = self.pairs[number]
        exposed, control = (self.sums[number] / max(1, n)).tolist()
        return Pairs(n, self.silent[number], exposed, control, self.of[number].margin)

    def loudest(self) -> LoudMeasure | None:
        """Return the measure that weighs most in E-bar, if there is any."""
        if not self.of:
            return None
        shares = {measure.name: measure.weight * self.e[measure.name] for measure in self.of}
        name = max(shares, key=shares.__getitem__)
        return LoudMeasure(name, self.e[name], shares[name], self.seen(name))

    def fold(self, rows: Sequence[MeasureRow], doubled: Bools, mute: Bools) -> tuple["Measures", Floats]:
        """Fold pairs; return the state and, after each, what the measures add to E-bar (rows,).

        `doubled` (rows,): a hand-picked ring was exposed before; `mute`: the pair is of one. Pairs of a measure that
        the policy does not name say nothing.
        """
        log_m, sums = self.log_m.copy(), self.sums.copy()
        pairs, silent = list(self.pairs), list(self.silent)
        e = np.repeat(_e(self.log_m)[:, None], len(rows), axis=1)
        names = np.array([row.measure for row in rows], object)
        for number, measure in enumerate(self.of):
            own = names == measure.name
            if not own.any():
                continue
            values = _values(measure, [row for row, mine in zip(rows, own.tolist(), strict=True) if mine])
            path = np.cumsum(
                np.concatenate([log_m[number : number + 1], _steps(measure, values, doubled[own], mute[own])]), 0
            )
            e[number] = _e(path)[np.cumsum(own)]
            log_m[number] = path[-1]
            sums[number] = np.cumsum(np.concatenate([sums[number : number + 1], values]), 0)[-1]
            pairs[number] += int(own.sum())
            silent[number] += int(mute[own].sum())
        after = replace(self, log_m=log_m, pairs=tuple(pairs), silent=tuple(silent), sums=sums)
        return after, _weighted(self.of, e)


def _values(measure: Measure, rows: Sequence[MeasureRow]) -> Floats:
    """Return the winsorised numbers, (rows, 2): exposed, control."""
    told = np.array(list(map(attrgetter("exposed", "control"), rows)), np.float64).reshape(-1, 2)
    return np.clip(told, measure.lowest, measure.highest)


def _steps(measure: Measure, values: Floats, doubled: Bools, mute: Bools) -> Floats:
    """Return what each pair adds to log M of each stake, (rows, grid)."""
    difference = (values[:, 0] - values[:, 1]) / (measure.highest - measure.lowest)
    margin = measure.tolerated * np.where(doubled, 2.0, 1.0)
    stakes = STAKES / (1.0 + margin)[:, None]
    steps: Floats = np.log1p(stakes * (difference - margin)[:, None])
    steps[mute] = 0.0
    return steps


def _e(log_m: Floats) -> Floats:
    """Return E of states (..., grid)."""
    e: Floats = np.exp(np.minimum(log_mean(log_m), 700.0))
    return e


def _weighted(of: Sequence[Measure], e: Floats) -> Floats:
    """Return the weighted sum (rows,) of E (measures, rows), one after another: the same bits in any chunks."""
    total = np.zeros(e.shape[1])
    for measure, own in zip(of, e, strict=True):
        total = total + measure.weight * own
    return total
