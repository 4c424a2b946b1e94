"""The evidence of one run: rows numbered as they come, folded by the production judge when somebody asks it."""

from typing import Any

from policies.digest import digest
from policies.document import Policy
from rollout.evidence.matching import AtRisk
from rollout.evidence.rows import ActRow, AdoptionRow, Arm, FailureRow, Guard, Header, MeasureRow, Row, TickRow
from rollout.judge import Fold, Judgement
from rollout.simulation.fleet import Cell

ENOUGH = 4096
"""Rows after which the judge folds whether asked or not."""


class Pen:
    """Writes rows of one rollout; `keep`: for a file as well."""

    def __init__(self, rollout: str, policy: Policy, strata: list[str], rings: dict[str, int], *, keep: bool) -> None:
        self.header = Header(
            rollout=rollout,
            strata=strata,
            policy_digest=digest(policy),
            policy=policy.document(),
            rings=rings,
            measures={each.name: each.weight for each in policy.judge.measures} or None,
        )
        self.fold = Fold(policy, self.header)
        self.kept: list[Row] | None = [self.header] if keep else None
        self.rows = 0
        self._rollout = rollout
        self._waiting: list[Row] = []

    def failure(self, guard: Guard, at: float, cell: Cell, arm: Arm, found: AtRisk) -> None:
        """Write a host's first failure of a guard, with who was at risk beside it."""
        self._add(
            FailureRow(
                rollout=self._rollout,
                seq=self.rows + 1,
                at=at,
                ring=cell.ring or "held-out",
                guard=guard,
                stratum=self.header.strata[cell.stratum],
                arm=arm,
                exposed_at_risk=found.exposed,
                control_at_risk=found.control,
                exposed_confirmed=found.confirmed,
                band=found.band,
                exposed_unmatched=found.exposed_unmatched,
                control_in_stratum=found.control_in_stratum,
                confirmed_in_stratum=found.confirmed_in_stratum,
            )
        )

    def measure(self, at: float, ring: str, stratum: int, name: str, exposed: float, control: float) -> None:
        """Write what a pair of hosts reported."""
        self._add(
            MeasureRow(
                rollout=self._rollout,
                seq=self.rows + 1,
                at=at,
                ring=ring,
                stratum=self.header.strata[stratum],
                measure=name,
                exposed=exposed,
                control=control,
            )
        )

    def adoption(self, outcome: str, at: float, ring: str, stratum: int, order: int, count: int = 1) -> None:
        """Write what became of adoptions of consecutive orders."""
        self._add(
            AdoptionRow(
                rollout=self._rollout,
                seq=self.rows + 1,
                at=at,
                ring=ring,
                stratum=self.header.strata[stratum],
                adoption=outcome,  # type: ignore[arg-type]  # literals of the callers
                order=order,
                count=count,
            )
        )

    def tick(self, at: float, **fields: Any) -> None:
        """Write the state of both arms."""
        self._add(TickRow(rollout=self._rollout, seq=self.rows + 1, at=at, **fields))

    def approve(self, at: float, ring: str, person: str) -> None:
        """Write a person's approval."""
        self._add(ActRow(rollout=self._rollout, seq=self.rows + 1, at=at, act="approve", ring=ring, person=person))

    def flush(self) -> None:
        """Let the judge fold what was written."""
        if self._waiting:
            self.fold.take(self._waiting)
            if self.kept is not None:
                self.kept += self._waiting
            self._waiting = []

    def judge(self) -> Judgement:
        """Return the judgement of everything written so far."""
        self.flush()
        return self.fold.judgement()

    def _add(self, row: Row) -> None:
        self.rows += 1
        self._waiting.append(row)
        if len(self._waiting) >= ENOUGH:
            self.flush()
