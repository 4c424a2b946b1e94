"""Who is at risk: one rollout's hosts as arrays by integer host key, stage `evidence`.

Exposed: granted, no failure yet, not asleep. Control: same fleet, not granted, active, not asleep. Hosts that
crashed in the 7 days before the rollout are in neither (JUDGE section 2). All times are rollout-clock seconds
but `heard_elapsed`, which is the watcher's own elapsed clock: coverage must see an age that grows while the
rollout clock stands still.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SEVEN_DAYS = 7 * 86_400.0  # crashes that far before the rollout take a host out of both arms (JUDGE section 2)
HELD_OUT = -1
NOBODY = -2  # no member
NEVER = -np.inf
EVERYBODY = slice(None)
ENDS = {
    "crash": ("crashed", "dark"),
    "crash_or_dark": ("crashed", "darkened"),
    "dark": ("darkened",),
    "own": ("own_crashed", "dark"),
}
"""What takes a host out of the risk set of a guard, beside what takes it out of all."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Place:
    """A host's place: `ring` is a position in the policy's order or HELD_OUT, `stratum` an index of the header's.

    `turn`: position of the ring with which it adopts, its own or a later one.
    """

    host: int
    ring: int
    stratum: int
    directed: bool
    active: bool
    turn: int


class Fleet:
    """Arrays of shape (highest host key + 1,), grown as hosts appear."""

    def __init__(self, strata: int, interval: float) -> None:
        self.strata = strata
        self._interval = interval
        self.ring = np.full(0, NOBODY, np.int16)
        self.turn = np.full(0, NOBODY, np.int16)
        self.stratum = np.zeros(0, np.int16)
        self.directed = np.zeros(0, bool)
        self.active = np.zeros(0, bool)
        self.absent = np.zeros(0, bool)
        self.retired = np.zeros(0, bool)
        self.excluded = np.zeros(0, bool)
        self.granted = np.zeros(0, bool)
        self.confirmed = np.zeros(0, bool)
        self.reverted = np.zeros(0, bool)
        self.crashed = np.zeros(0, bool)
        self.own_crashed = np.zeros(0, bool)
        self.darkened = np.zeros(0, bool)  # was dark once: the dark guard's first failure
        self.dark = np.zeros(0, bool)  # is dark now
        self.seen = np.full(0, NEVER)
        self.heard_elapsed = np.full(0, NEVER)
        self.booted = np.full(0, NEVER)  # where it is not known: long ago
        self.interval = np.full(0, interval)  # the beat interval last answered to it, seconds

    def grow(self, highest: int) -> None:
        """Make room for host keys up to `highest`; newcomers are nobody until placed."""
        if highest < self.ring.size:
            return
        size = max(highest + 1, 2 * self.ring.size, 1024)
        fills: dict[str, float] = dict.fromkeys(("seen", "heard_elapsed", "booted"), NEVER)
        fills |= {"ring": NOBODY, "turn": NOBODY, "interval": self._interval}
        for name, old in list(vars(self).items()):
            if isinstance(old, np.ndarray):
                new = np.full(size, fills.get(name, 0), old.dtype)
                new[: old.size] = old
                setattr(self, name, new)

    def place(self, places: Collection[Place], clock: float, elapsed: float) -> None:
        """Give hosts their place; those active at the start count as heard now."""
        for one in places:
            self.grow(one.host)
            self.ring[one.host] = one.ring
            self.turn[one.host] = one.turn
            self.stratum[one.host] = one.stratum
            self.directed[one.host] = one.directed
            if one.active:
                self.active[one.host] = True
                self.seen[one.host] = clock
                self.heard_elapsed[one.host] = elapsed

    def hear(self, hosts: NDArray[np.int32], clock: float, elapsed: float, interval: float) -> None:
        """These spoke: they are active, not dark any more, and were answered `interval`."""
        if not hosts.size:
            return
        self.grow(int(hosts.max()))
        self.active[hosts] = True
        self.dark[hosts] = False
        self.seen[hosts] = clock
        self.heard_elapsed[hosts] = elapsed
        self.interval[hosts] = interval

    @property
    def members(self) -> Mask:
        """Everybody with a place who speaks and was not retired."""
        return self._members(EVERYBODY)

    def _members(self, which: slice) -> Mask:
        members: Mask = (self.ring[which] != NOBODY) & self.active[which] & ~self.retired[which]
        return members

    @property
    def awake(self) -> Mask:
        """Members neither asleep nor dark now."""
        return self.members & ~self.absent & ~self.dark

    def at_risk(self, guard: str, which: slice = EVERYBODY) -> Mask:
        """The hosts of both arms that may still have their first failure of a guard, among a range of keys."""
        found = self.alive(which)
        for flag in ENDS[guard]:
            found &= ~getattr(self, flag)[which]
        return found

    def alive(self, which: slice = EVERYBODY) -> Mask:
        """The hosts of both arms that can be at risk of any guard, among a range of keys."""
        return self._members(which) & ~self.absent[which] & ~self.excluded[which] & ~self.reverted[which]

    @property
    def witnesses(self) -> Mask:
        """Whose beats show that we can see: control.

        Where nobody is held out and none of the others is left to be granted, those who confirmed: a policy without
        hold-out chose to end without control, not to end blind. Whoever still has to confirm never counts: its
        silence is evidence.
        """
        control = self.members & ~self.granted
        if (self.ring == HELD_OUT).any() or (control & self.awake).any():
            return control
        return self.members & self.confirmed

    def coverage(self, elapsed: float) -> tuple[float, float]:
        """Share of (exposed, control) hosts heard within 2 of their intervals; an empty arm is 1 and 0.

        Nobody exposed yet hides nothing; no control to be heard is blindness. See `witnesses` for a fleet without.
        """
        expected = self.awake
        heard = expected & (elapsed - self.heard_elapsed <= 2 * self.interval)
        witnesses = self.witnesses
        return (
            _share(heard & self.granted, expected & self.granted, 1.0),
            _share(heard & witnesses, expected & witnesses, 0.0),
        )

    def silent(self, clock: float, dark_after: float) -> NDArray[np.int64]:
        """Hosts whose deadline has passed unannounced and that are not marked dark yet, by the hash of their keys.

        Hosts of one arm have often enrolled together; by key they would fail together as well.
        """
        deadline = np.maximum(dark_after, 3 * self.interval)
        late = np.flatnonzero(self.members & ~self.absent & ~self.dark & (clock - self.seen > deadline))
        return late[np.argsort(mixed(late), kind="stable")]


def mixed(keys: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Mix host keys (the finalizer of SplitMix64), so that their order says nothing of them."""
    found = keys.astype(np.uint64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        found = (found ^ (found >> np.uint64(shift))) * np.uint64(factor)
    return found ^ (found >> np.uint64(31))


def _share(part: Mask, whole: Mask, empty: float) -> float:
    total = np.count_nonzero(whole)
    return float(np.count_nonzero(part) / total) if total else empty
