"""One lane of the pacer: the adoptions of the whole rollout, or of one stratum, in grant order.

U_p counts the longest prefix in grant order of adoptions that are confirmed, failed or overdue: fast survivors must
not hide slow deaths. The window is lowered by any event and raised only by a confirmation, by the opening of a ring
or by a resume. Orders here are ranks within the lane, from 0.
"""

from typing import Final

from rollout.judge.promotion import bound

OPEN: Final = 0
OVERDUE: Final = 1
CONFIRMED: Final = 2
FAILED: Final = 3


class Lane:
    """Adoptions of one lane and its window.

    `n` and `x` are the prefix and its failed or overdue; `outstanding` counts slots still held.
    """

    __slots__ = (
        "_budget",
        "_confirm_until",
        "_first_batch",
        "_raise_due",
        "_status",
        "_window",
        "confirmed",
        "failed",
        "n",
        "outstanding",
        "overdue",
        "x",
    )

    def __init__(self, first_batch: int, budget: float) -> None:
        self._first_batch = first_batch
        self._budget = budget
        self._status = bytearray()
        self._confirm_until = 0
        self._raise_due = False
        self._window = first_batch
        self.confirmed = self.failed = self.overdue = self.outstanding = self.n = self.x = 0

    @property
    def granted(self) -> int:
        """How many adoptions this lane granted."""
        return len(self._status)

    @property
    def unsettled(self) -> int:
        """How many are neither confirmed, failed nor overdue."""
        return self.granted - self.confirmed - self.failed - self.overdue

    def window(self) -> int:
        """Return the window in force: how many may be outstanding."""
        if self._raise_due:
            self._raise_due = False
            self._window = self._formula()
        return self._window

    def set_anew(self, first_batch: int, budget: float) -> None:
        """Take a ring's pace and set the window by the formula, up or down."""
        self._first_batch, self._budget, self._raise_due = first_batch, budget, True

    def begin_again(self) -> None:
        """Hold the window at the first batch until as many more have confirmed."""
        self._confirm_until = self.confirmed + self._first_batch

    def grant(self, count: int) -> None:
        """Append `count` open adoptions."""
        self._status.extend(bytes(count))
        self.outstanding += count

    def resolve(self, count: int) -> None:
        """Give back the slots of failed adoptions."""
        self.outstanding -= count

    def settle(self, first: int, count: int, status: int) -> bool:
        """Set `count` adoptions from rank `first` to OVERDUE, CONFIRMED or FAILED.

        Returns False, with nothing changed, where one of them already has its outcome (or is overdue twice).
        """
        run = self._status[first : first + count]
        overdue = run.count(OVERDUE)
        if run.count(OPEN) + (overdue if status != OVERDUE else 0) != count:
            return False
        if status != CONFIRMED:
            self.window()  # a raise that is due belongs to the moment before this event
        self._status[first : first + count] = bytes([status]) * count
        self._count(first, run, overdue, status)
        self._extend_prefix()
        if status == CONFIRMED:
            self._raise_due = True
        else:
            self._window = min(self._window, self._formula())
        return True

    def _count(self, first: int, run: bytearray, overdue: int, status: int) -> None:
        """Move the counts; adoptions inside the prefix were overdue, since it holds no open one."""
        self.overdue -= overdue
        if status == OVERDUE:
            self.overdue += len(run)
        elif status == FAILED:
            self.failed += len(run)
        else:
            self.confirmed += len(run)
            self.outstanding -= len(run)
            self.x -= max(0, min(self.n - first, len(run)))

    def _extend_prefix(self) -> None:
        end = self._status.find(OPEN, self.n)
        end = self.granted if end < 0 else end
        if end > self.n:
            self.x += self._status.count(FAILED, self.n, end) + self._status.count(OVERDUE, self.n, end)
            self.n = end

    def _formula(self) -> int:
        """Return the window that the outcomes so far justify (JUDGE section 4)."""
        if self.confirmed < self._confirm_until or self.confirmed + self.failed < self._first_batch:
            return self._first_batch
        window = int(self._budget / bound(self.n, self.x))
        return window if self.failed or self.overdue else max(window, self._first_batch)


class FirstFive:
    """The first five adoptions of the rollout, a ring or a stratum; three bad ones stop, once.

    First in order of grant, and in order of outcome as well while few were granted: a failure is known at once and a
    confirmation after the uptime, so of thousands granted together the first outcomes are failures, whatever they run.
    An overdue adoption takes its place by outcome when it becomes overdue, and is bad until it confirms.
    """

    __slots__ = ("_bad", "_by_grant", "_by_outcome", "_granted", "_highest", "fired", "in_force")

    def __init__(self) -> None:
        self._by_grant: list[int] = []
        self._by_outcome: list[int] = []
        self._granted = 0
        self._highest = -1
        self._bad: set[int] = set()
        self.fired = False
        self.in_force = False

    def grant(self, first: int, count: int) -> None:
        """Note a run of grant orders that begin."""
        self._granted += count
        if len(self._by_grant) < 5:
            self._by_grant += range(first, first + min(count, 5 - len(self._by_grant)))
            self._highest = max(self._highest, self._by_grant[-1])

    def note(self, first: int, count: int, few: int, *, bad: bool) -> bool:
        """Note a run of grant orders that confirmed (or not); return True where the rule fires now.

        `few`: how many may have been granted until now for the first by outcome to count.
        """
        if self.fired or (len(self._by_outcome) == 5 and (first > self._highest or not self._touches(first, count))):
            return False
        for order in range(first, first + min(count, 10)):  # at most five of ten have their place
            if len(self._by_outcome) < 5 and order not in self._by_outcome:
                self._by_outcome.append(order)
                self._highest = max(self._highest, order)
        own = {order for order in (*self._by_grant, *self._by_outcome) if first <= order < first + count}
        self._bad = self._bad | own if bad else self._bad - own
        by_outcome = self._granted <= few and self._are_bad(self._by_outcome)
        self.fired = self.in_force = by_outcome or self._are_bad(self._by_grant)
        return self.fired

    def _touches(self, first: int, count: int) -> bool:
        return any(first <= order < first + count for order in (*self._by_grant, *self._by_outcome))

    def _are_bad(self, five: list[int]) -> bool:
        return sum(order in self._bad for order in five) >= 3
