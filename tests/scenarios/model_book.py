"""The auditor's book of one rollout: its evidence read again, row by row, and folded by somebody else."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from policies.document import Policy
from rollout.evidence.rows import ActRow, AdoptionRow, Header, Row, TickRow
from rollout.judge import Fold
from tests.scenarios.model_promises import BUDGET, FIRST_BATCH, early_life, held

IN_THE_FLEET = re.compile(
    r"(?<=\d) of \d+(?= (exposed|control))"
)  # the sizes of the arms are the store's, not evidence


class Book:
    """What evidence says, and when the newest judgement came; times are the world's own clock."""

    def __init__(self, policy: Policy, header: Header) -> None:
        self.fold = Fold(policy, header)
        self.seq = self.counter = self.compared = 0
        self.judged_at = float("-inf")
        self.tick: TickRow | None = None
        self.admitted: dict[str, float] = {}  # by ring: rollout clock
        self.marks: list[str] = []  # deadlines marked since the newest judgement
        self._status: dict[int, str] = {}  # by grant order
        self._strata: dict[int, str] = {}
        self._confirmed: Counter[str] = Counter()  # by stratum; "" for all
        self._set_anew = 0  # resumes, and rings opened
        self._window: dict[str, int] = {}
        self._before: tuple[Counter[str], int] = (Counter(), 0)

    def read(self, rows: Sequence[Row]) -> None:
        """Take rows that follow."""
        for row in rows:
            if isinstance(row, AdoptionRow):
                self._adopt(row)
            elif isinstance(row, TickRow):
                self._set_anew += self.tick is None or self.tick.ring != row.ring
                self.tick = row
                if row.admitted:
                    self.admitted.setdefault(row.ring, row.clock)
            elif isinstance(row, ActRow):
                self._set_anew += row.act == "resume"
            self.seq = row.seq
        self.fold.take(rows)

    def _adopt(self, row: AdoptionRow) -> None:
        for order in range(row.order, row.order + row.count):
            self._strata[order] = row.stratum
            if row.adoption != "resolved":
                self._status[order] = row.adoption
        if row.adoption == "confirmed":
            self._confirmed.update({"": row.count, row.stratum: row.count})

    def prefix(self, stratum: str = "") -> tuple[int, int]:
        """Outcomes and failures of the longest settled prefix in grant order."""
        n = x = 0
        for order in sorted(self._status):
            if stratum and self._strata[order] != stratum:
                continue
            if self._status[order] == "granted":
                break
            n, x = n + 1, x + (self._status[order] != "confirmed")
        return n, x

    def compare(self, stored: Sequence[Any]) -> None:
        """P7, and why a window grew (P2). `stored`: verdict, window, windows, promotable, document of a judgement."""
        verdict, window, windows, promotable, document = stored
        found, told = self.fold.judgement(), json.loads(document)
        said = IN_THE_FLEET.sub("", told["sentence"])
        mine = [found.verdict, found.window, found.windows, found.promotable, found.e, found.ring, found.sentence]
        theirs = [verdict, window, json.loads(windows), bool(promotable), told["e"]["halt"], told["ring"]]
        held("P7 evidence folds to the stored judgement", mine == [*theirs, said], (mine, theirs, said))
        self._grew({"": window, **json.loads(windows)})

    def _grew(self, windows: dict[str, int]) -> None:
        confirmed, anew = self._before
        for scope, value in windows.items():
            if value <= self._window.get(scope, value):
                continue
            cause = self._set_anew > anew or self._confirmed[scope] > confirmed[scope]
            what = (scope, self._window[scope], value)
            held("P2 a window grows by a confirmation, a ring or a resume alone", cause, what)
            budget = BUDGET[self.tick.ring] if self.tick else 0
            most = max(FIRST_BATCH, int(budget / early_life(*self.prefix(scope)) + 1e-6))
            held("P2 a window never exceeds budget / U_p", value <= most, (*what, most))
        self._window = windows
        self._before = (Counter(self._confirmed), self._set_anew)
