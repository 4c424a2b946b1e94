"""The pacer: how many hosts may be unconfirmed at once (JUDGE section 4).

Like congestion control: confirmations are the acknowledgements, and what is unacknowledged for too long counts as
lost. The same rule holds for the whole rollout and in each stratum by itself; both must admit. The signed exposure
ceiling and `max_per_minute` bind where adoptions are granted.
"""

from array import array
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from policies.document import Policy, Ring
from rollout.evidence.rows import AdoptionRow, EvidenceError, TickRow
from rollout.judge.first_five import FirstFive, Scope, Scoped
from rollout.judge.lane import CONFIRMED, FAILED, OVERDUE, Lane
from rollout.plan import OTHER

ROLLOUT: Final[Scope] = ("rollout", "")
HOUR: Final = 3600.0
FEW_BATCHES: Final = 20
"""First batches that a rollout, ring or stratum may have granted for its first five outcomes to be its first five."""
STATUS: Final = {"confirmed": CONFIRMED, "failed": FAILED, "overdue": OVERDUE}


@dataclass(frozen=True, slots=True)
class Alarm:
    """Why the pacer pauses: which rule, and the sentence with its numbers."""

    kind: Literal["first-five", "max-dark"]
    sentence: str


class Pacer:
    """Windows of one rollout, folded from adoption and tick rows."""

    def __init__(self, policy: Policy, strata: Sequence[str]) -> None:
        self._ring = policy.rings[0]
        self._uptime_hours = policy.confirm.uptime.total_seconds() / HOUR
        self._counted = 2.0 * (policy.confirm.deadline + policy.heartbeat).total_seconds()
        self._strata = {name: number for number, name in enumerate(dict.fromkeys([*strata, OTHER]))}
        self._named = frozenset(strata)
        self.whole = self._lane()
        self._lanes = [self._lane() for _ in self._strata]
        self._first_order: int | None = None
        self._stratum_of = array("i")
        self._rank_of = array("q")
        self._five: dict[Scope, FirstFive] = {}
        self._scoped_of: dict[tuple[str, str], Scoped] = {}  # by ring and stratum of a row
        self._granted_in: Counter[str] = Counter()  # by ring
        self._recent: deque[tuple[float, int]] = deque()
        self._recent_count = 0
        self._fresh = 0  # granted since the last tick
        self._resolved = 0
        self._dark_floor = 0.0
        self.at_once = 0
        self.allowed_at_once = float(self._ring.max_dark)

    @property
    def window(self) -> int:
        """Return the window of the whole rollout."""
        return 0 if any(five.in_force for five in self._five.values()) else self.whole.window()

    @property
    def windows(self) -> dict[str, int]:
        """Return the window in each stratum of the header, and in `other` once it was granted."""
        return {
            name: 0 if self._in_force("stratum", name) else self._lanes[number].window()
            for name, number in self._strata.items()
            if name in self._named or self._lanes[number].granted
        }

    def open_ring(self, ring: Ring) -> None:
        """Take the pace of a ring that opens now."""
        self._ring = ring
        self.allowed_at_once = float(ring.max_dark)
        self._set_anew()

    def resume(self) -> None:
        """Clear the first-five rules in force, set every window anew, and ask twice the dark hosts before the next."""
        for (scope, name), five in self._five.items():
            if five.in_force:
                five.in_force = False
                (self._lane_of(name) if scope == "stratum" else self.whole).begin_again()
        if self.at_once > self.allowed_at_once:
            self._dark_floor = 2.0 * self.at_once
        self._set_anew()

    def take(self, row: AdoptionRow) -> Alarm | None:
        """Fold an adoption row; raises EvidenceError where it contradicts earlier ones."""
        scoped = self._scoped_of.get((row.ring, row.stratum)) or self._scope(row)
        if row.adoption == "granted":
            self._grant(row, scoped)
            return None
        index = self._index(row, scoped.number)
        lane = scoped.lane
        if row.adoption == "resolved":
            self._resolve(row, lane)
            return None
        status = STATUS[row.adoption]
        if not self.whole.settle(index, row.count, status):
            raise _contradiction(row, "already had their outcome")
        lane.settle(self._rank_of[index], row.count, status)
        return self._note(row, scoped) if row.order <= scoped.concerns else None

    def look(self, tick: TickRow, control_dark: int) -> Alarm | None:
        """Count what is overdue or dark at once at a tick that sees; `control_dark`: control failures of `dark`.

        Dark hosts count while their failed adoptions hold a slot; the more pessimistic of tick and rows is taken.
        What is late by an announced sleep counts as failed in U_p, not here.
        """
        expected = self._ordinary_silence(tick, control_dark)
        holding = self.whole.failed - self._resolved
        overdue = max(self.whole.overdue, tick.overdue) - min(tick.overdue_asleep, tick.overdue)
        self.at_once = overdue + min(tick.dark, holding)
        self.allowed_at_once = self._ring.max_dark + 3.0 * expected
        allowed = max(self.allowed_at_once, self._dark_floor)
        if self.at_once <= allowed:
            return None
        return Alarm(
            "max-dark",
            f"{self.at_once} adoptions are overdue or dark at once; {allowed:.4g} "
            f"are allowed (max_dark {self._ring.max_dark}, ordinary silence {expected:.2g})",
        )

    def _ordinary_silence(self, tick: TickRow, control_dark: int) -> float:
        """Return how many of the adoptions that can be counted now are silent as control is.

        An adoption can be from its grant until the slot of a failed one is given back: two deadlines, each noted up
        to a heartbeat late. The rows of a tick are of its clock.
        """
        if self._fresh:
            self._recent.append((tick.clock, self._fresh))
            self._recent_count += self._fresh
            self._fresh = 0
        while self._recent and self._recent[0][0] <= tick.clock - self._counted:
            self._recent_count -= self._recent.popleft()[1]
        hours = tick.control_host_hours
        rate = control_dark / hours if hours > 0 else 0.0
        return rate * self._uptime_hours * self._recent_count

    def _grant(self, row: AdoptionRow, scoped: Scoped) -> None:
        if self._first_order is None:
            self._first_order = row.order
        elif row.order != len(self._rank_of) + self._first_order:
            due = len(self._rank_of) + self._first_order
            raise _contradiction(row, f"are granted where order {due} is due")
        lane, count = scoped.lane, row.count
        if count == 1:  # most of them, and arrays cost more than one number does
            self._rank_of.append(lane.granted)
            self._stratum_of.append(scoped.number)
        else:
            self._rank_of.frombytes(np.arange(lane.granted, lane.granted + count, dtype=np.int64).tobytes())
            self._stratum_of.extend(array("i", [scoped.number]) * count)
        lane.grant(count)
        self.whole.grant(count)
        self._fresh += count
        self._granted_in[scoped.ring] += count
        if scoped.open:
            scoped.grant(row.order, count)

    def _index(self, row: AdoptionRow, number: int) -> int:
        """Return the rank of the row's first adoption; the run was granted, in one stratum."""
        index, count = row.order - (self._first_order or 0), row.count
        if index < 0 or index + count > len(self._rank_of):
            raise _contradiction(row, "were never granted")
        of = self._stratum_of
        if of[index] != number or (count > 1 and of[index : index + count].count(number) != count):
            raise _contradiction(row, "were granted in another stratum")
        return index

    def _resolve(self, row: AdoptionRow, lane: Lane) -> None:
        self._resolved += row.count
        if self._resolved > self.whole.failed:
            raise _contradiction(row, "give back more slots than failed adoptions hold")
        self.whole.resolve(row.count)
        lane.resolve(row.count)

    def _note(self, row: AdoptionRow, scoped: Scoped) -> Alarm | None:
        """Tell the first-five rules of an outcome."""
        most = FEW_BATCHES * self._ring.first_batch
        granted = self.whole.granted, self._granted_in[scoped.ring], scoped.lane.granted
        fired = [" ".join(scope).strip() for scope in scoped.note(row, [number <= most for number in granted])]
        if not fired:
            return None
        return Alarm("first-five", f"3 of the first 5 adoptions of the {' and the '.join(fired)} failed or are overdue")

    def _scope(self, row: AdoptionRow) -> Scoped:
        """Return what an adoption of the row's ring and stratum is under."""
        stratum = row.stratum if row.stratum in self._strata else OTHER
        scopes = ROLLOUT, ("ring", row.ring), ("stratum", stratum)
        fives = [(scope, self._five.setdefault(scope, FirstFive())) for scope in scopes]
        number = self._strata[stratum]
        found = self._scoped_of[row.ring, row.stratum] = Scoped(row.ring, number, self._lanes[number], fives)
        return found

    def _set_anew(self) -> None:
        for lane in (self.whole, *self._lanes):
            lane.set_anew(self._ring.first_batch, self._ring.budget)

    def _lane(self) -> Lane:
        return Lane(self._ring.first_batch, self._ring.budget)

    def _lane_of(self, stratum: str) -> Lane:
        return self._lanes[self._strata[stratum]]

    def _in_force(self, scope: str, name: str) -> bool:
        five = self._five.get((scope, name))
        return five is not None and five.in_force


def _contradiction(row: AdoptionRow, what: str) -> EvidenceError:
    last = row.order + row.count - 1
    return EvidenceError(f"rollout {row.rollout}, seq {row.seq}: adoptions {row.order} to {last} {what}")
