"""The way back: which touched hosts report their baseline again, and when a rollback is done.

A host is back when a beat after the stop shows that it runs its baseline. Dark ones, absent ones and those
without a known baseline stay listed for hands-on work, and nobody waits for them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from rollout.admission import LONGEST_VALIDITY_SECONDS
from rollout.decision import RingState, State, Step
from rollout.operation.transition import take
from rollout.ports.adoption import Adoption, Returning
from rollout.ports.rollout import RolloutRecord
from rollout.ports.store import Transaction


@dataclass(frozen=True, slots=True)
class Way:
    """How far a rollback is: touched hosts by where they stand. `arrived`: back, and not marked so yet.

    `asleep`: those that announced sleep or shutdown, and retired ones.
    """

    back: int
    on_their_way: int
    dark: int
    asleep: int
    without_baseline: int
    arrived: Sequence[Adoption] = ()

    @property
    def done(self) -> bool:
        """Whether nobody is on their way any more."""
        return self.on_their_way == 0


def survey(tx: Transaction, rollout: str) -> Way:
    """Count the touched hosts by where they stand; only reads."""
    record = tx.rollouts.get(rollout)
    counts: dict[str, int] = {"on_their_way": 0, "dark": 0, "asleep": 0, "without_baseline": 0}
    if record is None:
        return Way(0, 0, 0, 0, 0)
    stopped_at = _stopped_at(tx, record)
    valid = min(LONGEST_VALIDITY_SECONDS, record.policy.confirm.deadline.total_seconds())
    arrived: list[Adoption] = []
    for one in tx.adoptions.returning(rollout):
        if _is_back(one, stopped_at, valid):
            arrived.append(one.adoption)
        else:
            counts[_standing(one)] += 1
    return Way(back=tx.adoptions.touched(rollout) - sum(counts.values()), arrived=arrived, **counts)


def mark(tx: Transaction, arrived: Sequence[Adoption]) -> None:
    """Mark hosts that were found back; the beat that showed it stays true."""
    for adoption in arrived:
        tx.adoptions.mark_rolled_back(adoption)


def finish(tx: Transaction, rollout: str) -> bool:
    """Everybody who can be is back: the rollout is rolled back; whether nothing is left to do here."""
    record = tx.rollouts.get(rollout)
    if record is None or record.state != State.ROLLING_BACK:
        return True
    way = survey(tx, rollout)
    mark(tx, way.arrived)
    if not way.done or not take(tx, rollout, Step.FINISH):
        return False
    left = {"back": way.back, "dark": way.dark, "asleep": way.asleep, "without_baseline": way.without_baseline}
    tx.people.record("rollout.rolled-back", rollout=rollout, detail=left)
    return True


def _stopped_at(tx: Transaction, record: RolloutRecord) -> float:
    """When the last go was possible, unix seconds: a stop halts the rings in its own transaction.

    A halt may lie long before the rollback; where every ring was promoted, only the rollback itself is known.
    """
    halted = [ring.state_since for ring in tx.rollouts.rings(record.id) if ring.state == RingState.HALTED]
    return min(halted, default=record.state_since)


def _is_back(one: Returning, stopped_at: float, valid: float) -> bool:
    """A beat after the stop shows the baseline; of who was never seen to begin, one after its last go ran out.

    A go may have been given again up to the stop, and what was begun on it shows the baseline until it is applied:
    who says that it is applying is waited for, until its adoption fails.
    """
    if one.baseline is None or one.running != one.baseline or one.applying:
        return False
    return one.heard_at > stopped_at + (0.0 if one.began else valid)


def _standing(one: Returning) -> str:
    if one.dark:
        return "dark"
    if one.baseline is None:
        return "without_baseline"
    return "asleep" if one.absent else "on_their_way"
