"""Freshness: how long ago a stored counter last moved, timed on our own clock.

No age is a difference of wall clocks. A counter seen only once is old: it may have stood still for years.
A change that shows up between two looks may have come right after the first one, so for trust it is as old
as that (`age`); for taking over it is as young as our first look at its present value (`still`).
"""

from dataclasses import dataclass


@dataclass(slots=True)
class _Seen:
    """A counter's value, when we looked last, first at this value, and last at the value before."""

    counter: int
    looked: float
    since: float
    moved: float | None = None


class Freshness:
    """Ages of named counters, in seconds of the clock that the caller hands in (never jumps, counts suspend)."""

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}

    def observe(self, name: str, counter: int, elapsed: float) -> None:
        """Note a counter's value; `elapsed` was taken before it was read."""
        before = self._seen.get(name)
        if before is None:
            self._seen[name] = _Seen(counter, elapsed, elapsed)
        elif before.counter == counter:
            before.looked = elapsed
        elif counter > before.counter:  # a lower one was read before the one we know
            self._seen[name] = _Seen(counter, elapsed, elapsed, moved=before.looked)

    def age(self, name: str, elapsed: float) -> float | None:
        """Seconds since it last moved, never too few; None when it was never seen to move."""
        seen = self._seen.get(name)
        return None if seen is None or seen.moved is None else elapsed - seen.moved

    def still(self, name: str, elapsed: float) -> float:
        """Seconds for which we have watched it stand still, never too many; 0 when it was never seen."""
        seen = self._seen.get(name)
        return 0.0 if seen is None else elapsed - seen.since

    def forget(self, kept: set[str], elapsed: float) -> None:
        """Drop every name but these and those that somebody looked at since `elapsed`, when `kept` began to be read."""
        self._seen = {name: seen for name, seen in self._seen.items() if name in kept or seen.looked >= elapsed}
