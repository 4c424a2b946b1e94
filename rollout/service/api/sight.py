"""How old each rollout's judgement is, timed on our own clock since its counter was last seen to change."""

from rollout.operation.view import Sight
from rollout.ports.rollout import RolloutRecord
from rollout.ports.store import Transaction

LEAST_SECONDS = 5.0  # a judgement is old after max(5 x judge.every, this), as for admission (DESIGN section 3)
INTERVALS = 5


class SightBook:
    """What was seen of the judgements' counters. A counter seen once is given the time it may stand still."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[int, float]] = {}

    def look(self, tx: Transaction, record: RolloutRecord, elapsed: float) -> Sight:
        """Return the sight of one rollout; `elapsed` is our clock, in seconds."""
        judgement = tx.judging.judgement(record.id)
        if judgement is None:
            return Sight(None, fresh=False)
        known = self._seen.get(record.id)
        if known is None or known[0] != judgement.counter:
            known = (judgement.counter, elapsed)
            self._seen[record.id] = known
        age = max(0.0, elapsed - known[1])
        limit = max(INTERVALS * record.policy.judge.every.total_seconds(), LEAST_SECONDS)
        return Sight(age, fresh=age <= limit)

    def look_at_all(self, tx: Transaction, elapsed: float) -> dict[str, Sight]:
        """Return the sight of everything that is judged; what is over is forgotten."""
        judged = {record.id: self.look(tx, record, elapsed) for record in tx.rollouts.judged()}
        self._seen = {name: seen for name, seen in self._seen.items() if name in judged}
        return judged
