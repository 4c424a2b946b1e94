"""What is due when: one heap instead of twenty thousand tasks."""

import heapq
from collections.abc import Callable

Act = Callable[[float], None]
"""Called with the time at which it runs (at or after the time it was due)."""


class Timeline:
    """Acts in order of their time, first come first among equals; times in seconds of one steady clock."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Act]] = []
        self._count = 0

    def at(self, due: float, act: Act) -> None:
        """Run `act` once `due` is reached."""
        self._count += 1
        heapq.heappush(self._heap, (due, self._count, act))

    def run(self, now: float) -> None:
        """Run everything due by `now`, also what that adds."""
        while self._heap and self._heap[0][0] <= now:
            heapq.heappop(self._heap)[2](now)
