"""Hand-picked rings: from when on one is exposed, and which rows are of one."""

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import ArrayLike

from rollout.evidence.rows import AdoptionRow, FailureRow, MeasureRow, Row, TickRow
from rollout.judge.eprocess import Bools


class HandPicked:
    """The rings whose members were chosen, and the first row by which one is exposed."""

    def __init__(self, rings: Collection[str]) -> None:
        self._rings = frozenset(rings)
        self._since: int | None = None

    def find(self, rows: Sequence[Row]) -> None:
        """Remember the first row by which a hand-picked ring is exposed."""
        if self._since is None and self._rings:
            self._since = next((row.seq for row in rows if _exposes(row) in self._rings), None)

    def exposed(self, seqs: ArrayLike) -> Bools:
        """Say of each row, by its `seq`, whether a hand-picked ring was exposed by then."""
        found: Bools = np.asarray(seqs) >= (np.inf if self._since is None else self._since)
        return found

    def theirs(self, rows: Sequence[MeasureRow]) -> Bools:
        """Say of each pair whether its exposed host is of a hand-picked ring."""
        return np.fromiter((row.ring in self._rings for row in rows), np.bool_, len(rows))


def _exposes(row: Row) -> str | None:
    """Return the ring that a row shows to be exposed."""
    match row:
        case TickRow() | AdoptionRow() | MeasureRow():
            return row.ring
        case FailureRow(arm="exposed"):
            return row.ring
        case _:
            return None
