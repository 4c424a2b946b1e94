"""Batches of adoptions: hosts that were granted together, and which batch a host is of."""

from bisect import bisect_right
from dataclasses import dataclass, field

import numpy as np

from rollout.simulation.fleet import Cell


@dataclass(slots=True)
class Batch:
    """Hosts `start` to below `end` of one cell, granted at one moment; `order`: of the first. `left`: in trouble."""

    start: int
    end: int
    order: int
    at: float
    cell: Cell
    left: list[int] = field(default_factory=list)

    def chosen(self, rng: np.random.Generator, count: int) -> list[int]:
        """Draw so many of its hosts."""
        if not count:
            return []
        return sorted((rng.choice(self.end - self.start, count, replace=False) + self.start).tolist())


class Batches:
    """All batches of one run, by their hosts."""

    def __init__(self) -> None:
        self._all: list[Batch] = []
        self._starts: list[int] = []

    def add(self, batch: Batch) -> None:
        """Add a batch; no host is of two."""
        number = bisect_right(self._starts, batch.start)
        self._starts.insert(number, batch.start)
        self._all.insert(number, batch)

    def of(self, host: int) -> Batch | None:
        """Return the batch of a host, None where it was not granted."""
        number = bisect_right(self._starts, host)
        batch = self._all[number - 1] if number else None
        return batch if batch is not None and host < batch.end else None
