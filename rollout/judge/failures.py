"""The guard rows of one rollout, in arrays: at once where an exposed host failed, else when somebody asks.

A control host's failure lowers every E, so it stops nothing; many small chunks cost more than one large.
"""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from policies.document import Policy
from rollout.evidence.rows import FailureRow, Header
from rollout.judge.columns import columns
from rollout.judge.harm import Harm
from rollout.judge.observed import Observed
from rollout.judge.strata import Strata
from rollout.judge.verdict import Reason

CHUNK: Final = 4096
"""Guard rows folded at once: a megabyte or two of grid, which stays in cache."""


class Failures:
    """The processes of all guard rows; whoever asks for them has every row folded.

    `halt`, and `last_exposed`: the seq of the last failure of an exposed host. From seq `hand_picked_from` on a
    hand-picked ring is exposed.
    """

    def __init__(self, policy: Policy, header: Header) -> None:
        self._strata = Strata(header.strata)
        self._harm = Harm(policy.judge, self._strata)
        margins = [ring.promote.margin for ring in policy.rings if ring.promote.margin is not None]
        self._observed = Observed(margins, len(header.strata))
        self._waiting: list[FailureRow] = []
        self.hand_picked_from: float = math.inf
        self.halt: Reason | None = None
        self.last_exposed = -1

    @property
    def harm(self) -> Harm:
        """The halting processes."""
        self._settle()
        return self._harm

    @property
    def observed(self) -> Observed:
        """The promoting processes, the interval and who failed."""
        self._settle()
        return self._observed

    def take(self, rows: Sequence[FailureRow]) -> Reason | None:
        """Fold rows; return the first crossing into pause."""
        self._waiting += rows
        exposed = next((row for row in reversed(rows) if row.arm == "exposed"), None)
        if exposed is not None:
            self.last_exposed = exposed.seq
        elif len(self._waiting) < CHUNK:
            return None
        return self._settle()

    def _settle(self) -> Reason | None:
        """Fold what waits; return the first crossing into pause."""
        pause: Reason | None = None
        rows, self._waiting = self._waiting, []
        step = self._strata.rows_at_once(CHUNK)
        for start in range(0, len(rows), step):
            part = rows[start : start + step]
            of = columns(part, self._strata.places(part))
            picked = np.array([row.seq for row in part]) >= self.hand_picked_from
            crossed = self._harm.take(part, of, picked, self._observed)
            self.halt = self.halt or crossed.halt
            pause = pause or crossed.pause
            self._observed.add(of)
        return pause
