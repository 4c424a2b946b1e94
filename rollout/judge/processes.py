"""Halting e-processes side by side: the rows of all guards and strata are folded in one pass.

Most chunks are small, and what they cost is how many array operations they take; so only the sums of log M are each
process's own. They run over its rows one after another: the same bits in any chunks. Many rollouts are the same call
as one.

Boosting (Fischer & Ramdas, arXiv 2410.16076) spends what an E-process that jumps past its target L would waste: where
an exposed failure would reach L the value becomes exactly L, and a control failure then keeps (E - q0 L) / (1 - q0).
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rollout.judge.eprocess import Draws, Floats, Integers, log_mean
from rollout.judge.guards import HARM, LARGEST_GAIN, SLACK


class _Paths(NamedTuple):
    """Log M (steps, grid) of the processes `who`: where each was, then after each of its rows, one behind the other.

    `begin` is the step where each was; `at` (processes, looks): the step where it stands at each look.
    """

    who: Integers
    begin: Integers
    at: Integers
    log_m: Floats


class Processes:
    """Boosted processes, at E = 1 when they start; `log_e` (processes,) is ln E of each.

    Those of several `sets` stand one set behind the other, and so do the rows of each in `take`.
    """

    def __init__(self, caps: Sequence[float]) -> None:
        """`caps`: L of each, at which it stays; infinity leaves it unboosted."""
        self.sets = 1
        self._log_cap = np.log(np.asarray(caps, np.float64))
        self._log_m = HARM.start(len(caps))
        self._boost = np.zeros(len(caps))  # by how much ln E is beyond the unboosted mean; infinite at the cap
        self.log_e = np.zeros(len(caps))

    def part(self, shares: Sequence[float]) -> "Processes":
        """Return a set of these processes as they are for each share, to go on as guards with that of their weights.

        The target of each is as much higher, but for those that reached theirs.
        """
        found, size = Processes([math.inf] * (self.log_e.size * len(shares))), len(shares)
        boost, log_cap = np.tile(self._boost, size), np.tile(self._log_cap, size)
        log_share = np.repeat([math.log(share) for share in shares], self.log_e.size)
        found._log_cap = np.where(np.isposinf(boost), log_cap, log_cap - log_share)
        found._log_m, found._boost, found.log_e = np.tile(self._log_m, (size, 1)), boost, np.tile(self.log_e, size)
        found.sets = size
        return found

    def take(self, process: Integers, row: Integers, rows: Draws, looks: Integers) -> Floats:
        """Fold rows (sets x rows,) and return the processes' ln E after some of them, (processes, looks).

        `process` and `row` (entries,): which process takes which row, each its own in ascending order. `looks`,
        ascending, ends with a set's last row; E may be higher at no row without a look, so an exposed one has one.
        """
        seen = self.log_e[:, None].repeat(looks.size, axis=1)
        moves = self._boost[process] < math.inf  # at its cap a process stays
        if not moves.any():
            return seen
        process, row = process[moves], row[moves]
        paths = self._paths(process, row, rows, looks)
        seen[paths.who] = self._without_boost(paths)
        for number in self._near(paths, seen, rows).tolist():
            which = paths.who[number]
            self._with_boost(paths, number, row[process == which], rows, seen[which])
        self._log_m[paths.who] = paths.log_m[paths.at[:, -1]]
        self.log_e = seen[:, -1].copy()
        return seen

    def _paths(self, process: Integers, row: Integers, rows: Draws, looks: Integers) -> _Paths:
        """Sum the rows up."""
        order = process.argsort(kind="stable")
        rows_of = np.bincount(process)
        who = rows_of.nonzero()[0]
        number, rows_of = np.arange(who.size), rows_of[who]
        begin = rows_of.cumsum() - rows_of + number
        log_m = np.empty((row.size + who.size, HARM.ratio.size))
        log_m[begin] = self._log_m[who]
        log_m[np.arange(row.size) + (number + 1).repeat(rows_of)] = HARM.gains(rows)[row[order]]
        for start, end in zip(begin.tolist(), [*begin[1:].tolist(), len(log_m)], strict=True):
            np.add.accumulate(log_m[start:end], axis=0, out=log_m[start:end])
        size = rows.share.size // self.sets
        places = process[order] * size + row[order] % size
        until = places.searchsorted(who[:, None] * size + looks, side="right")
        return _Paths(who, begin, until + number[:, None], log_m)

    def _without_boost(self, paths: _Paths) -> Floats:
        """Return ln E (who, looks) as it is unless a row is within reach of the cap."""
        looked = np.zeros(len(paths.log_m), np.bool_)
        looked[paths.at] = True
        log_mean_e = log_mean(paths.log_m[looked])[(looked.cumsum() - 1)[paths.at]]
        boost, cap = self._boost[paths.who, None], self._log_cap[paths.who, None]
        found: Floats = np.minimum(log_mean_e + boost, cap)
        return found

    def _near(self, paths: _Paths, seen: Floats, rows: Draws) -> Integers:
        """Return which of `who` an exposed failure may have been able to take to its cap."""
        most = LARGEST_GAIN - math.log1p((HARM.ratio[-1] - 1.0) * rows.share.min())
        highest = np.maximum(seen[paths.who].max(axis=1), self.log_e[paths.who])
        found: Integers = (highest + most >= self._log_cap[paths.who] - SLACK).nonzero()[0]
        return found

    def _with_boost(self, paths: _Paths, number: int, row: Integers, rows: Draws, seen: Floats) -> None:
        """Boost one of `who` with its own rows, one by one from the first within reach on; change `seen` (looks,)."""
        which, begin = paths.who[number], paths.begin[number]
        boost, log_cap = float(self._boost[which]), float(self._log_cap[which])
        path, own = paths.log_m[begin : begin + row.size + 1], Draws(rows.exposed[row], rows.share[row])
        unboosted, if_exposed = log_mean(path), HARM.if_exposed(path, own)
        within_reach = if_exposed + boost >= log_cap - SLACK
        if not within_reach.any():
            return
        first = int(within_reach.argmax())
        steps = _Steps(unboosted[:-1], unboosted[1:], if_exposed, own.exposed, own.share)
        walked, self._boost[which] = _walk(_Steps(*(column[first:] for column in steps)), boost, log_cap)
        seen[:] = np.append(unboosted[: first + 1] + boost, walked)[paths.at[number] - begin]


class _Steps(NamedTuple):
    """One process's rows (rows,): unboosted ln E before and after each, and after it had it been exposed."""

    before: Floats
    after: Floats
    if_exposed: Floats
    exposed: Floats
    share: Floats


def _walk(steps: _Steps, boost: float, log_cap: float) -> tuple[list[float], float]:
    """Return boosted ln E after each row, and by how much it then is beyond the unboosted."""
    path = []
    for before, after, if_exposed, exposed, share in zip(*(column.tolist() for column in steps), strict=True):
        if if_exposed + boost >= log_cap - SLACK:
            if exposed:
                boost = math.inf  # which nothing below lowers
            elif 0.0 < share < 1.0:
                left = (math.exp(before + boost - log_cap) - share) / (1.0 - share)
                boost = log_cap + math.log(left) - after if left > 0.0 else -math.inf
            else:  # at 0 and at 1 a control failure says nothing
                boost += before - after
        path.append(min(after + boost, log_cap))
    return path, boost
