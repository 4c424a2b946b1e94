"""Batches: where one kind of row has to wait for another."""

from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise

from rollout.evidence.rows import ActRow, FailureRow, MeasureRow, Row

WEIGHED = (FailureRow, MeasureRow)
"""Rows that move E-bar, in arrays; the others are folded one by one."""


def until_resume(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """Yield the rows in batches that end after each resume."""
    acts = ActRow in set(map(type, rows))
    cuts = [number + 1 for number, row in enumerate(rows) if resumes(row)] if acts else []
    for start, end in pairwise([0, *cuts, len(rows)]):
        if end > start:
            yield rows[start:end]


def of_one_kind(rows: Sequence[FailureRow | MeasureRow]) -> Iterator[Sequence[FailureRow] | Sequence[MeasureRow]]:
    """Yield guard rows and measure rows in runs, in order: each moves the E-bar at which the other finds it."""
    if MeasureRow not in set(map(type, rows)):
        yield rows  # type: ignore[misc]  # guard rows only
        return
    for _, run in groupby(rows, type):
        yield list(run)  # type: ignore[misc]  # all of one type


def resumes(row: Row) -> bool:
    """Say whether people let the rollout go on."""
    return isinstance(row, ActRow) and row.act == "resume"
