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
_BYTES: Final = tuple(bytes([status]) for status in (OPEN, OVERDUE, CONFIRMED, FAILED))


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
        if count == 1:  # most of them: without slices
            was = self._status[first]
            if was > OVERDUE or was == status:
                return False
            overdue = was
        else:
            run = self._status[first : first + count]
            overdue = run.count(OVERDUE)
            if run.count(OPEN) + (overdue if status != OVERDUE else 0) != count:
                return False
        if status != CONFIRMED:
            self.window()  # a raise that is due belongs to the moment before this event
        self._status[first : first + count] = _BYTES[status] * count
        self.overdue -= overdue
        if status == CONFIRMED:
            self.confirmed += count
            self.outstanding -= count
            if first < self.n:  # inside the prefix they were overdue, since it holds no open one
                self.x -= min(self.n - first, count)
        elif status == FAILED:
            self.failed += count
        else:
            self.overdue += count
        if first <= self.n < first + count:
            self._extend_prefix()
        if status == CONFIRMED:
            self._raise_due = True
        else:
            self._window = min(self._window, self._formula())
        return True

    def _extend_prefix(self) -> None:
        end = self._status.find(OPEN, self.n)
        end = self.granted if end < 0 else end
        if self.failed or self.overdue:
            self.x += self._status.count(FAILED, self.n, end) + self._status.count(OVERDUE, self.n, end)
        self.n = end

    def _formula(self) -> int:
        """Return the window that the outcomes so far justify (JUDGE section 4)."""
        if self.confirmed < self._confirm_until or self.confirmed + self.failed < self._first_batch:
            return self._first_batch
        window = int(self._budget / bound(self.n, self.x))
        return window if self.failed or self.overdue else max(window, self._first_batch)
