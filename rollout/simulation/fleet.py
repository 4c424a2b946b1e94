"""The fleet of one run: hosts are numbers, their states one byte each, and only hosts with events are ever touched.

Hosts of a ring and a stratum (a cell) are consecutive numbers in the order in which they would ask; those held out
come last. At-risk counts are kept while hosts change, with the rules of `rollout.evidence.fleet`.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rollout.evidence.rows import Guard
from rollout.judge.guards import GUARDS

GRANTED: Final = 1
CONFIRMED: Final = 2
FAILED: Final = 4
CRASHED: Final = 8
OWN: Final = 16
DARKENED: Final = 32
DARK: Final = 64
EXCLUDED: Final = 128

FEW: Final = 8
"""Hosts below which arrays are not worth their while."""

NOWHERE, EXPOSED, CONTROL, PROVEN = -1, 0, 1, 2
"""Where a host counts for a guard; PROVEN: exposed and confirmed."""

_OUT: Final[dict[Guard, int]] = {
    "crash": CRASHED | DARK,
    "crash_or_dark": CRASHED | DARKENED,
    "dark": DARKENED,
    "own": OWN | DARK,
}


def _place(guard: Guard, state: int) -> int:
    if state & EXCLUDED or state & _OUT[guard]:
        return NOWHERE
    if not state & GRANTED:
        return CONTROL
    return PROVEN if state & CONFIRMED else EXPOSED


PLACES: Final = [[_place(guard, state) for state in range(256)] for guard in GUARDS]
"""Where a host of each state counts, by guard."""


class _Change(NamedTuple):
    """What a host that changes its state changes: (guard, from, to) where it counts elsewhere, and the fleet's sums."""

    moves: Sequence[tuple[int, int, int]]
    granted: int
    confirmed: int
    dark_exposed: int
    dark_control: int


@cache
def _change(before: int, state: int) -> _Change:
    def more(bits: int, found: int) -> int:
        return (state & bits == found) - (before & bits == found)

    places = ((guard, own[before], own[state]) for guard, own in enumerate(PLACES))
    return _Change(
        [(guard, old, new) for guard, old, new in places if old != new],
        more(GRANTED, GRANTED),
        more(CONFIRMED, CONFIRMED),
        more(GRANTED | DARK, GRANTED | DARK),
        more(GRANTED | DARK, DARK),
    )


_GRANT: Final = bytes(state | GRANTED for state in range(256))
_CONFIRM: Final = bytes(state | CONFIRMED for state in range(256))


@dataclass(slots=True)
class Cell:
    """Hosts `start` to `end` of a ring (None: held out) and a stratum; those below `cursor` were offered a grant.

    `late`: hosts passed over while they were silent, to be granted when they are back.
    """

    ring: str | None
    stratum: int
    start: int
    end: int
    cursor: int
    late: list[int]


class Fleet:
    """Hosts of one run. `rings` with their sizes in order, `held_out` hosts, and the share of each stratum."""

    def __init__(
        self, sizes: Sequence[Sequence[int]], held_out: Sequence[int], rings: Sequence[str], strata: Sequence[str]
    ) -> None:
        self.strata = tuple(strata)
        self.cells: list[Cell] = []
        start = 0
        for ring, parts in [*zip(rings, sizes, strict=True), (None, held_out)]:
            for stratum, size in enumerate(parts):
                self.cells.append(Cell(ring, stratum, start, start + size, start, []))
                start += size
        self.hosts = start
        self.state = bytearray(start)
        self.view = np.frombuffer(self.state, np.uint8)
        self._starts = [cell.start for cell in self.cells]
        self.at_risk = [[[0, 0, 0] for _ in strata] for _ in GUARDS]  # guard, stratum: exposed, control, proven
        for cell in self.cells:
            for guard in self.at_risk:
                guard[cell.stratum][CONTROL] += cell.end - cell.start
        self.granted = self.confirmed = self.dark_exposed = self.dark_control = 0

    def cell(self, host: int) -> Cell:
        """Return the cell of a host; empty cells share their start with the next one."""
        return self.cells[bisect_right(self._starts, host) - 1]

    def move(self, host: int, state: int) -> None:
        """Give a host another state."""
        before = self.state[host]
        self.state[host] = state
        stratum = self.cell(host).stratum
        moves, granted, confirmed, dark_exposed, dark_control = _change(before, state)
        for guard, old, new in moves:
            own = self.at_risk[guard][stratum]
            if old >= 0:
                own[old] -= 1
            if new >= 0:
                own[new] += 1
        self.granted += granted
        self.confirmed += confirmed
        self.dark_exposed += dark_exposed
        self.dark_control += dark_control

    def exclude(self, hosts: NDArray[np.int64]) -> None:
        """Take hosts out of both arms for good; before anything else happens."""
        self.view[hosts] = EXCLUDED
        for cell in self.cells:
            gone = int(np.searchsorted(hosts, cell.end) - np.searchsorted(hosts, cell.start))
            for guard in self.at_risk:
                guard[cell.stratum][CONTROL] -= gone

    def grant(self, start: int, end: int) -> None:
        """Grant consecutive hosts of one cell."""
        self._sweep(start, end, GRANTED, _GRANT)

    def confirm(self, start: int, end: int) -> None:
        """Confirm consecutive hosts of one cell, all of them open."""
        self._sweep(start, end, CONFIRMED, _CONFIRM)

    def counts(self, guard: int, host: int, stratum: int) -> tuple[int, int, int]:
        """Return (exposed, control, exposed and confirmed) at risk of a guard in a host's `stratum`, the host included.

        It may have been dark until this report; it is at risk just before it all the same.
        """
        exposed, control, proven = self.at_risk[guard][stratum]
        state = self.state[host]
        if PLACES[guard][state] == NOWHERE:
            if not state & GRANTED:
                control += 1
            elif state & CONFIRMED:
                proven += 1
            else:
                exposed += 1
        return exposed + proven, control, proven

    def _sweep(self, start: int, end: int, bit: int, table: bytes) -> None:
        """Set a bit of consecutive hosts of one cell; few, and those to whom something happened, are moved singly."""
        if end - start <= FEW:
            for host in range(start, end):
                self.move(host, self.state[host] | bit)
            return
        rest = self.view[start:end] & ~np.uint8(GRANTED if bit == CONFIRMED else 0)
        clean, unjudged = int((rest == 0).sum()), int((rest == EXCLUDED).sum())
        touched = (np.flatnonzero((rest != 0) & (rest != EXCLUDED)) + start).tolist()
        states = {host: self.state[host] for host in touched}
        stratum = self.cell(start).stratum
        source, to = (CONTROL, EXPOSED) if bit == GRANTED else (EXPOSED, PROVEN)
        for counts in self.at_risk:
            counts[stratum][source] -= clean
            counts[stratum][to] += clean
        self.state[start:end] = self.state[start:end].translate(table)
        if bit == GRANTED:
            self.granted += clean + unjudged
        else:
            self.confirmed += clean + unjudged
        for host, state in states.items():
            self.state[host] = state
            self.move(host, state | bit)
