"""The way back: which touched hosts report their baseline again, and when a rollback is done.

A host is back when a beat after the stop shows that it runs its baseline. Dark ones, sleeping ones and those
without a known baseline stay listed for hands-on work, and nobody waits for them.
"""

from dataclasses import dataclass

from rollout.decision import State, Step, sources, target
from rollout.ports.adoption import Returning
from rollout.ports.store import Transaction

GO_SECONDS = 60.0  # a go that was never begun cannot be begun later than this: admission's longest validity


@dataclass(frozen=True, slots=True)
class Way:
    """How far a rollback is: touched hosts by where they stand."""

    back: int
    on_their_way: int
    dark: int
    asleep: int
    without_baseline: int

    @property
    def done(self) -> bool:
        """Whether nobody is on their way any more."""
        return self.on_their_way == 0


def look_back(tx: Transaction, rollout: str) -> Way:
    """Mark the hosts that are back, and count the others."""
    record = tx.rollouts.get(rollout)
    counts = {"back": 0, "on_their_way": 0, "dark": 0, "asleep": 0, "without_baseline": 0}
    stopped_at = record.state_since if record is not None else tx.at
    for one in tx.adoptions.returning(rollout):
        if one.rolled_back or _is_back(one, stopped_at, tx.at):
            counts["back"] += 1
            if not one.rolled_back:
                tx.adoptions.mark_rolled_back(one.adoption)
        else:
            counts[_standing(one)] += 1
    return Way(**counts)


def finish(tx: Transaction, rollout: str) -> bool:
    """Everybody who can be is back: the rollout is rolled back; whether it is so now."""
    way = look_back(tx, rollout)
    record = tx.rollouts.get(rollout)
    if record is None or not way.done:
        return False
    if record.state == State.ROLLING_BACK and tx.rollouts.move(rollout, target(Step.FINISH), sources(Step.FINISH)):
        left = {"back": way.back, "dark": way.dark, "asleep": way.asleep, "without_baseline": way.without_baseline}
        tx.people.record("rollout.rolled-back", rollout=rollout, detail=left)
        return True
    return record.state == State.ROLLED_BACK


def _is_back(one: Returning, stopped_at: float, now: float) -> bool:
    """A beat after the stop shows the baseline, and a go never begun has run out."""
    if one.baseline is None or one.running != one.baseline or one.heard_at <= stopped_at:
        return False
    return one.began or now - one.granted_at > GO_SECONDS or one.heard_at - stopped_at > GO_SECONDS


def _standing(one: Returning) -> str:
    if one.dark:
        return "dark"
    if one.baseline is None:
        return "without_baseline"
    return "asleep" if one.absent else "on_their_way"
