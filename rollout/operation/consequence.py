"""What follows from a judgement, in the transaction that stores it: stop, pause, hold, bake, end.

A halt comes first and is never delayed by anything else. Every change is one guarded update.
"""

from rollout.decision import ENDED, RingState, RingStep, State, Step, allows
from rollout.judge import Judgement
from rollout.operation.transition import take, take_ring
from rollout.operation.watching import Watched
from rollout.ports.store import Transaction

LEVELS = (5.0, 20.0, 100.0)  # crossings of E-bar that change what an approver reads


def consequences(tx: Transaction, watched: Watched) -> bool:
    """Do what the newest judgement asks; whether the rollout is still to be watched."""
    judged = watched.judge.judgement()
    _revise(tx, watched, judged)
    tx.adoptions.set_dark(watched.record.id, watched.fold.dark_by_ring())
    if judged.halt is not None:
        stop(tx, watched, judged.halt.sentence)
    elif judged.pause is not None:
        _take(tx, watched, Step.PAUSE, judged.pause.sentence)
    else:
        _pace(tx, watched, judged)
    return _still_judged(tx, watched)


def stop(tx: Transaction, watched: Watched, sentence: str) -> None:
    """The judge's own stop: rolling back at once where the policy says so, else halted."""
    step = Step.TRIP if watched.record.policy.on_unhealthy == "rollback" else Step.HALT
    _take(tx, watched, step, sentence)


def _take(tx: Transaction, watched: Watched, step: Step, sentence: str) -> None:
    """Take the judge's step, where the state allows it."""
    if allows(watched.record.state, step) and take(tx, watched.record.id, step, why=sentence):
        tx.people.record(f"judge.{step}", rollout=watched.record.id, detail={"sentence": sentence})


def _revise(tx: Transaction, watched: Watched, judged: Judgement) -> None:
    """Raise the evidence revision by what an approver would want to know."""
    by = watched.fold.exposed_rows - watched.counted_rows
    watched.counted_rows = watched.fold.exposed_rows
    if judged.verdict != watched.verdict:
        tx.people.record(
            "judge.verdict", rollout=watched.record.id, detail={"verdict": judged.verdict, "sentence": judged.sentence}
        )
        by += 1
    by += sum((judged.e >= level) != (watched.mean >= level) for level in LEVELS)
    watched.verdict, watched.mean = judged.verdict, judged.e
    if by:
        tx.rollouts.raise_revision(watched.record.id, by)


def _pace(tx: Transaction, watched: Watched, judged: Judgement) -> None:
    """Ring and rollout states that follow from time and counts alone."""
    record, last = watched.record, watched.last_tick
    if record.state == State.RUNNING and last is not None and last.admitted:
        take_ring(tx, record.id, last.ring, RingStep.BAKE)
    if judged.exceeded_max_bake and record.state == State.RUNNING and not judged.promotable and _bakes(tx, watched):
        _take(tx, watched, Step.HOLD, f"maximum bake passed without promotion; {judged.sentence}")
    if record.state == State.AWAITING_APPROVAL and _unanswered(tx, watched):
        _take(tx, watched, Step.HOLD, "nobody approved within the policy's timeout")


def _bakes(tx: Transaction, watched: Watched) -> bool:
    """Whether the ring that was judged still bakes: a promoted one that waits for the next one's hours does not."""
    judged = watched.last_tick
    rings = tx.rollouts.rings(watched.record.id)
    return judged is not None and any(r.name == judged.ring and r.state == RingState.BAKING for r in rings)


def _unanswered(tx: Transaction, watched: Watched) -> bool:
    for ring in tx.rollouts.rings(watched.record.id):
        approval = watched.record.policy.ring(ring.name).approval
        if ring.state == RingState.AWAITING_APPROVAL and approval is not None:
            return tx.at - ring.state_since > approval.timeout.total_seconds()
    return False


def _still_judged(tx: Transaction, watched: Watched) -> bool:
    record = tx.rollouts.get(watched.record.id)
    if record is None or record.over:
        return False
    over = record.state in ENDED
    if record.state == State.COMPLETED:
        if record.completed_clock is None:
            tx.rollouts.complete(record.id, watched.clock)
        else:
            over = watched.clock - record.completed_clock >= record.policy.watch.total_seconds()
    if over:
        tx.rollouts.end(record.id, superseded=record.superseded)
        tx.people.record("rollout.over", rollout=record.id, detail={"state": record.state})
    return not over
