"""Three bad ones among the first five adoptions stop, whatever the judge says (docs/adr/0014)."""

import math
from collections.abc import Sequence
from typing import TypeAlias

from rollout.evidence.rows import AdoptionRow
from rollout.judge.lane import Lane

Scope: TypeAlias = tuple[str, str]
"""Of what the first five are: `rollout` and nothing, `ring` or `stratum` and its name."""


class FirstFive:
    """The first five adoptions of the rollout, a ring or a stratum; three bad ones stop, once.

    First in order of grant, and in order of outcome as well while few were granted: a failure is known at once and a
    confirmation after the uptime, so of thousands granted together the first outcomes are failures, whatever they run.
    An overdue adoption takes its place by outcome when it becomes overdue, and is bad until it confirms.
    """

    __slots__ = ("_bad", "_by_grant", "_by_outcome", "_highest", "fired", "in_force")

    def __init__(self) -> None:
        self._by_grant: list[int] = []
        self._by_outcome: list[int] = []
        self._highest = -1
        self._bad: set[int] = set()
        self.fired = False
        self.in_force = False

    @property
    def is_granted(self) -> bool:
        """Say whether five were granted."""
        return len(self._by_grant) == 5

    @property
    def concerns(self) -> float:
        """Return the highest grant order that still concerns the rule, infinity while its places are not all taken."""
        if self.fired:
            return -1
        return self._highest if len(self._by_grant) == len(self._by_outcome) == 5 else math.inf

    def grant(self, first: int, count: int) -> None:
        """Note a run of grant orders that begin."""
        if len(self._by_grant) < 5:
            self._by_grant += range(first, first + min(count, 5 - len(self._by_grant)))
            self._highest = max(self._highest, self._by_grant[-1])

    def note(self, first: int, count: int, *, bad: bool, few: bool) -> bool:
        """Note a run of grant orders that confirmed (or not); return True where the rule fires now.

        `few`: whether so few were granted until now that the first by outcome count.
        """
        if self.fired or (len(self._by_outcome) == 5 and (first > self._highest or not self._touches(first, count))):
            return False
        for order in range(first, first + min(count, 10)):  # at most five of ten have their place
            if len(self._by_outcome) < 5 and order not in self._by_outcome:
                self._by_outcome.append(order)
                self._highest = max(self._highest, order)
        own = {order for order in (*self._by_grant, *self._by_outcome) if first <= order < first + count}
        self._bad = self._bad | own if bad else self._bad - own
        by_outcome = few and self._are_bad(self._by_outcome)
        self.fired = self.in_force = by_outcome or self._are_bad(self._by_grant)
        return self.fired

    def _touches(self, first: int, count: int) -> bool:
        return any(first <= order < first + count for order in (*self._by_grant, *self._by_outcome))

    def _are_bad(self, five: list[int]) -> bool:
        return sum(order in self._bad for order in five) >= 3


class Scoped:
    """The rules that an adoption of one ring and stratum is under: of the rollout, the ring and the stratum.

    `number` and `lane`: the stratum's. `concerns`: the highest grant order whose outcome may concern a rule of five.
    """

    __slots__ = ("concerns", "fives", "lane", "number", "open", "ring")

    def __init__(self, ring: str, number: int, lane: Lane, fives: Sequence[tuple[Scope, FirstFive]]) -> None:
        self.ring, self.number, self.lane, self.fives = ring, number, lane, fives
        self.open = True  # not yet granted five in each scope
        self.concerns = math.inf

    def grant(self, first: int, count: int) -> None:
        """Tell the rules of a run of grant orders that begin."""
        self.open = False
        for _, five in self.fives:
            five.grant(first, count)
            self.open = self.open or not five.is_granted

    def note(self, row: AdoptionRow, few: Sequence[bool]) -> list[Scope]:
        """Tell the rules of an outcome; return the scopes whose rule fires now."""
        bad = row.adoption != "confirmed"
        fired = [
            scope
            for (scope, five), early in zip(self.fives, few, strict=True)
            if five.note(row.order, row.count, bad=bad, few=early)
        ]
        self.concerns = max(five.concerns for _, five in self.fives)
        return fired
