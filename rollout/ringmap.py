"""The ring map: which ring a host belongs to, computed by the host itself.

A host's point is a hash of the map's salt and its name; each ring is an interval of points. The map is signed by
offline keys, so no server can move a host into the canary. Standard library only: hosts carry this file too.
"""

import hashlib
import itertools
import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeGuard

SCHEMA = "rollout.rings/1"
POINTS = 10**9
BUCKETS = 10_000  # basis points
HELD_OUT = "held-out"  # control to the end; it has no Director

IDENTIFIER = re.compile(r"[a-z0-9][a-z0-9-]{0,62}", re.ASCII)

Interval = tuple[str, int, int]


class RingMapError(ValueError):
    """The document is no ring map of this schema; the map that was there before stays in force."""


class BoundaryError(ValueError):
    """With this salt two hosts share a point where a boundary has to go; take another salt."""


def _hash(salt: str, host: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{salt}|{host}".encode()).digest()[:8], "big")


def point(salt: str, host: str) -> int:
    """Return the host's point, 0 up to but not including POINTS."""
    return _hash(salt, host) % POINTS


def bucket(salt: str, host: str) -> int:
    """Return the host's bucket, 0..9999; it is selected where this is below the exposure in basis points."""
    return _hash(salt, host) % BUCKETS


@dataclass(frozen=True)
class RingMap:
    """One signed map of one product. `rings` are `(name, lo, hi)` in policy order, disjoint, `hi` excluded."""

    product: str
    n: int
    salt: str
    rings: tuple[Interval, ...]
    tags: dict[str, str]

    @classmethod
    def from_custom(cls, custom: object) -> "RingMap":
        """Read the map from a target's `custom`; raises RingMapError for a missing, ill-typed or overlapping field."""
        fields = custom if isinstance(custom, dict) else {}
        if fields.get("schema") != SCHEMA:
            raise RingMapError(f"not a map of schema {SCHEMA}")
        rings, tags = fields.get("rings"), fields.get("tags")
        if not isinstance(rings, list) or not isinstance(tags, dict):
            raise RingMapError("rings must be a list and tags a map")
        intervals = tuple(_interval(entry) for entry in rings)
        _refuse_overlap(intervals)
        if not all(isinstance(tag, str) and _is_identifier(ring) for tag, ring in tags.items()):
            raise RingMapError("tags must name rings")
        n, salt, product = fields.get("n"), fields.get("salt"), fields.get("product")
        if not _is_integer(n) or n < 0 or not isinstance(salt, str) or not _is_identifier(product):
            raise RingMapError("product, n or salt is missing or of the wrong type")
        return cls(product, n, salt, intervals, dict(tags))

    def to_custom(self) -> dict[str, Any]:
        """Return the map as it is signed; `from_custom` reads it back."""
        rings = [list(interval) for interval in self.rings]
        named = {"product": self.product, "n": self.n, "salt": self.salt}
        return {"schema": SCHEMA, **named, "rings": rings, "tags": dict(self.tags)}

    def ring_of(self, host: str, tags: Iterable[str] = ()) -> str | None:
        """Return the ring of a host with these tags of its own; None where no ring holds its point.

        A tag goes before any interval; of several the earliest ring counts.
        """
        selecting = [self.tags[tag] for tag in tags if tag in self.tags]
        if selecting:
            return min(selecting, key=lambda ring: (self._rank.get(ring, len(self.rings)), ring))
        lows, intervals = self._ascending
        place = point(self.salt, host)
        index = bisect_right(lows, place) - 1
        return intervals[index][0] if index >= 0 and place < intervals[index][2] else None

    @cached_property
    def _rank(self) -> dict[str, int]:
        """Return each ring's place in policy order."""
        return {name: i for i, (name, _, _) in reversed(list(enumerate(self.rings)))}

    @cached_property
    def _ascending(self) -> tuple[list[int], list[Interval]]:
        """Return the intervals by their lower ends, and those ends."""
        intervals = sorted(self.rings, key=lambda interval: interval[1])
        return [lo for _, lo, _ in intervals], intervals


def boundaries(points: Sequence[int], counts: Sequence[int]) -> list[tuple[int, int]]:
    """Return disjoint intervals that cover all points, the i-th with exactly `counts[i]` of the ascending `points`.

    A count of 0 gets an interval without a host (its ring's hosts come by tag). Raises BoundaryError where two equal
    points would have to be parted.
    """
    if sum(counts) != len(points):
        raise ValueError(f"{len(points)} points cannot be parted into {sum(counts)}")
    cuts = [0]
    done = i = 0
    while i < len(counts) - 1:
        done += counts[i]
        run = 1  # boundaries between the same two points: one, and one more for each count of 0 that follows
        while i + run < len(counts) - 1 and counts[i + run] == 0:
            run += 1
        cuts += _between(points, done, run)
        i += run
    return list(zip(cuts, [*cuts[1:], POINTS], strict=True))


def _between(points: Sequence[int], done: int, run: int) -> list[int]:
    """Return `run` distinct cuts above the first `done` points and not above the next one."""
    lowest = points[done - 1] + 1 if done else 1
    highest = points[done] if done < len(points) else POINTS - 1
    width = highest - lowest + 1
    if width < run:
        raise BoundaryError(f"no room for a boundary after host {done}")
    return [lowest + width * (j + 1) // (run + 1) for j in range(run)]


def _interval(entry: object) -> Interval:
    if not isinstance(entry, list | tuple) or len(entry) != 3:
        raise RingMapError("a ring is [name, lo, hi]")
    name, lo, hi = entry
    if not (_is_identifier(name) and _is_integer(lo) and _is_integer(hi) and 0 <= lo < hi <= POINTS):
        raise RingMapError(f"a ring is [name, lo, hi] with 0 <= lo < hi <= {POINTS}")
    return name, lo, hi


def _refuse_overlap(intervals: tuple[Interval, ...]) -> None:
    ascending = sorted((lo, hi) for _, lo, hi in intervals)
    if any(before[1] > after[0] for before, after in itertools.pairwise(ascending)):
        raise RingMapError("rings overlap")


def _is_integer(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_identifier(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and IDENTIFIER.fullmatch(value) is not None
