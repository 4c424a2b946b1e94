"""Who asks to adopt: hosts of open rings that are awake, speak, and were not granted yet."""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from rollout.simulation.fleet import Cell
from rollout.simulation.world import HOUR, World


class Askers:
    """Hosts of the rings that were opened, by cell; within a cell they ask in the order of their numbers."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._cells: list[Cell] = []
        self._opened: dict[str, float] = {}
        self._whole: set[str] = set()
        self._awake: dict[int, NDArray[np.float64]] = {}  # by cell: when each host first is, after its ring opened

    def open_ring(self, ring: str, at: float) -> None:
        """Let the hosts of a ring ask."""
        world = self._world
        cells = [cell for cell in world.fleet.cells if cell.ring == ring]
        self._cells += cells
        self._opened[ring] = at
        if world.habits.sleepers:
            for cell in cells:
                self._awake[cell.start] = _wake(world, cell.end - cell.start)

    def asking(self, at: float) -> list[tuple[Cell, int]]:
        """Return how many ask now, by cell."""
        return [(cell, self._count(cell, at)) for cell in self._cells]

    def may_ask(self, host: int) -> bool:
        """Say whether the host's ring was opened."""
        return self._world.fleet.cell(host).ring in self._opened

    def are_left(self) -> bool:
        """Say whether anybody of the opened rings was not granted yet."""
        return any(cell.cursor < cell.end or cell.late for cell in self._cells)

    def is_whole(self) -> bool:
        """Say whether the newest ring is wholly admitted (INTERFACES 1.8)."""
        world = self._world
        if world.ring in self._whole:
            return True
        cells = [cell for cell in self._cells if cell.ring == world.ring]
        hosts = sum(cell.end - cell.start for cell in cells)
        left = sum(cell.end - cell.cursor + len(cell.late) for cell in cells)
        if hosts > 0 and left <= 0.1 * hosts and not any(self._count(cell, world.now) for cell in cells):
            self._whole.add(world.ring)
        return world.ring in self._whole

    def take(self, cell: Cell, count: int) -> Iterator[tuple[int, int]]:
        """Yield ranges of hosts of a cell to be granted, the late ones first; the silent ones are passed over."""
        silent = self._world.silent
        for host in [host for host in cell.late if host not in silent.at][: max(0, count)]:
            cell.late.remove(host)
            count -= 1
            yield host, host + 1
        while count > 0 and cell.cursor < cell.end:
            start, end = cell.cursor, min(cell.end, cell.cursor + count)
            quiet = silent.within(start, end)
            end = quiet[0] if quiet else end
            cell.cursor = end
            if quiet:
                cell.late.append(end)
                cell.cursor += 1
            if end > start:
                count -= end - start
                yield start, end

    def _count(self, cell: Cell, at: float) -> int:
        """Return how many hosts of a cell ask now."""
        world, reached = self._world, cell.end
        since = at - self._opened[cell.ring or ""]
        if cell.start in self._awake:
            reached = cell.start + int(self._awake[cell.start].searchsorted(since, side="right"))
        asks = world.scenario.fleet.asks_per_minute
        if asks is not None:
            share = (cell.end - cell.start) / world.fleet.hosts
            reached = min(reached, cell.start + math.ceil(asks * share * (since / 60 + 1)))
        fresh = max(0, reached - cell.cursor)
        silent = len(world.silent.within(cell.cursor, reached)) if fresh else 0
        late = len(cell.late) - sum(map(world.silent.at.__contains__, cell.late)) if cell.late else 0
        return fresh - silent + late


def allot(rng: np.random.Generator, asked: list[int], room: int, rooms: list[int]) -> list[int]:
    """Answer hosts of several strata that ask in random order: how many of each are granted."""
    most = [max(0, min(there, own)) for there, own in zip(asked, rooms, strict=True)]
    room = min(max(0, room), sum(most))
    if len(asked) == 1:
        return [room]
    granted = [0 for _ in asked]
    while room > 0:
        open_now = [own - done for own, done in zip(most, granted, strict=True)]
        weights = np.array([there if left > 0 else 0 for there, left in zip(asked, open_now, strict=True)], np.float64)
        drawn = rng.multinomial(room, weights / weights.sum())
        for stratum, count in enumerate(drawn.tolist()):
            given = min(count, open_now[stratum])
            granted[stratum] += given
            room -= given
    return granted


def _wake(world: World, hosts: int) -> NDArray[np.float64]:
    """Return when each host of a cell first is awake, in seconds after its ring opened, ascending."""
    rng, found = world.rng, np.zeros(hosts)
    form = rng.random(hosts)
    below = 0.0
    for share, how in world.habits.forms:
        mine = (form >= below) & (form < below + share) & (rng.random(hosts) > how.share)
        found[mine] = rng.exponential(how.asleep, int(mine.sum())) * HOUR
        below += share
    found.sort()
    return found
