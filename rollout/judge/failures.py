"""The guard rows of one rollout, in arrays: at once where an exposed host failed, else when somebody asks.

A control host's failure lowers every E, so it stops nothing; many small chunks cost more than one large.
"""

from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias, cast

import numpy as np

from policies.document import Policy
from rollout.evidence.rows import EvidenceError, FailureRow, Header, MeasureRow, is_named
from rollout.judge.batches import of_one_kind
from rollout.judge.columns import columns
from rollout.judge.hand_picked import HandPicked
from rollout.judge.harm import Harm
from rollout.judge.observed import Observed
from rollout.judge.strata import Strata
from rollout.judge.verdict import Reason

CHUNK: Final = 4096
"""Guard rows folded at once: a megabyte or two of grid, which stays in cache."""
Weighed: TypeAlias = FailureRow | MeasureRow


class Failures:
    """The processes of all guard rows and measures; whoever asks for them has every row folded.

    `halt`, and `last_exposed`: the seq of the last failure of an exposed host. `picked`: the hand-picked rings.
    """

    def __init__(self, policy: Policy, header: Header) -> None:
        self._strata = Strata(header.strata)
        self._harm = Harm(policy.judge, self._strata)
        margins = [ring.promote.margin for ring in policy.rings if ring.promote.margin is not None]
        self._observed = Observed(margins, len(header.strata))
        self._waiting: list[FailureRow] = []
        self._header = header
        self.picked = HandPicked([ring.name for ring in policy.rings if ring.select is not None])
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

    def weigh(self, rows: Sequence[Weighed]) -> Reason | None:
        """Fold guard and measure rows in their order; return the first crossing into pause."""
        pause: Reason | None = None
        for run in of_one_kind(rows):
            if run and isinstance(run[0], MeasureRow):
                paused = self._measure(cast("Sequence[MeasureRow]", run))
            else:
                paused = self._take(cast("Sequence[FailureRow]", run))
            pause = pause or paused
        return pause

    def _measure(self, rows: Sequence[MeasureRow]) -> Reason | None:
        """Fold pairs, at the E-bar of every row before them; return the first crossing into pause."""
        strange = next((row for row in rows if not is_named(self._header, row)), None)
        if strange is not None:
            raise EvidenceError(f"rollout {strange.rollout}, seq {strange.seq}: no measure {strange.measure} is named")
        seen = self.observed.seen
        crossed = self._harm.measure(
            rows, self.picked.exposed([row.seq for row in rows]), self.picked.theirs(rows), seen
        )
        self.halt = crossed.halt if self.halt is None else self.halt
        return crossed.pause

    def _take(self, rows: Sequence[FailureRow]) -> Reason | None:
        """Fold guard rows; return the first crossing into pause."""
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
        for part in self._parts(rows):
            of = columns(part, self._strata.places(part))
            picked = self.picked.exposed(np.array([row.seq for row in part]))
            crossed = self._harm.take(part, of, picked, self._observed)
            self.halt = self.halt or crossed.halt
            pause = pause or crossed.pause
            self._observed.add(of)
        return pause

    def _parts(self, rows: Sequence[FailureRow]) -> Iterator[Sequence[FailureRow]]:
        """Yield rows that are folded at once; from the first that has bands without a match on in two comparisons."""
        step = self._strata.rows_at_once(CHUNK)
        for start in range(0, len(rows), step):
            part = rows[start : start + step]
            apart = next((number for number, row in enumerate(part) if row.exposed_unmatched is not None), None)
            if apart is None or self._harm.is_parted:
                yield part
                continue
            if apart:
                yield part[:apart]
            self._harm.part()
            yield part[apart:]
