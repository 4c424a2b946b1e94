"""Sight: for how long each rollout has been blind, timed on the publisher's own clock.

Blind is what the judge calls blind, and a judgement that does not come: absence is never health.
"""

from dataclasses import dataclass, field

from rollout.admission import JUDGEMENT_LIMIT_SECONDS
from rollout.operation.freshness import Freshness
from rollout.ports.rollout import RolloutRecord
from rollout.ports.store import Transaction


@dataclass(slots=True)
class Sights:
    """When each rollout that is judged was last seen to see."""

    fresh: Freshness = field(default_factory=Freshness)
    saw: dict[str, float] = field(default_factory=dict)

    def look(self, tx: Transaction, elapsed: float) -> dict[str, float]:
        """Seconds since each judged rollout last saw, 0 where it sees now. `elapsed` was taken before `tx` began.

        A rollout that was never seen to see is as if it had seen when we first looked: a new owner waits as
        long as the policy says before it turns anything blind, and it resumes nothing meanwhile.
        """
        judged = tx.rollouts.judged()
        self.saw = {record.id: self.saw.get(record.id, elapsed) for record in judged}
        ages = {}
        for record in judged:
            if self._sees(tx, record, elapsed):
                self.saw[record.id] = elapsed
                ages[record.id] = 0.0
            else:
                # Never exactly 0, which would say that it sees.
                ages[record.id] = max(elapsed - self.saw[record.id], 1e-9)
        return ages

    def _sees(self, tx: Transaction, record: RolloutRecord, elapsed: float) -> bool:
        judgement = tx.judging.judgement(record.id)
        if judgement is None:
            return False
        self.fresh.observe(record.id, judgement.counter, elapsed)
        age = self.fresh.age(record.id, elapsed)
        limit = max(5 * record.policy.judge.every.total_seconds(), JUDGEMENT_LIMIT_SECONDS)
        return judgement.verdict != "blind" and age is not None and age <= limit
