"""The next step of a rollout's forward movement, and taking it: each step is guarded and idempotent.

The workflow asks what is next and does it; whatever it believes, every step reads the store again in its own
transaction and does nothing that the store does not allow now.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from rollout.decision import FORWARD, RING_FROM, RingState, State, Step, sources, target
from rollout.ports.rollout import RingRecord, RolloutRecord
from rollout.ports.store import Transaction


class Next(StrEnum):
    """What a rollout needs next."""

    OPEN = "open"  # the ring's directive, then its admission
    PROMOTE = "promote"  # every gate holds: promote, or ask those whom the policy names
    COMPLETE = "complete"
    WAIT = "wait"
    END = "end"  # nothing goes forward any more


@dataclass(frozen=True, slots=True)
class Move:
    """What is next, in which ring, and why it waits."""

    next: Next
    ring: str = ""
    why: str = ""


def next_move(tx: Transaction, rollout: str) -> Move:
    """What the store says is next; waiting is the answer to every doubt."""
    record = tx.rollouts.get(rollout)
    if record is None or record.state not in FORWARD:
        return Move(Next.END)
    ring = next((ring for ring in tx.rollouts.rings(rollout) if ring.state != RingState.PROMOTED), None)
    if ring is None:
        return Move(Next.COMPLETE) if record.state == State.RUNNING else Move(Next.WAIT, why=record.state)
    if record.state != State.RUNNING:
        return Move(Next.WAIT, ring.name, record.state)
    if tx.rollouts.frozen() is not None:
        return Move(Next.WAIT, ring.name, "frozen")
    if ring.state == RingState.WAITING:
        return _opening(tx, record, ring)
    return _promotion(tx, record, ring)


def open_ring(tx: Transaction, rollout: str, ring: str) -> bool:
    """Begin a ring's admission; whether it is open now."""
    if next_move(tx, rollout) == Move(Next.OPEN, ring):
        tx.rollouts.move_ring(rollout, ring, RingState.ADMITTING, RING_FROM[RingState.ADMITTING])
        tx.people.record("ring.opened", rollout=rollout, detail={"ring": ring})
    return any(one.name == ring and one.state != RingState.WAITING for one in tx.rollouts.rings(rollout))


def promote(tx: Transaction, rollout: str, ring: str) -> bool:
    """Promote a ring whose gates hold now, or ask for the approval that guards it; whether anything changed."""
    if next_move(tx, rollout) != Move(Next.PROMOTE, ring):
        return False
    record = tx.rollouts.get(rollout)
    if record is not None and record.policy.ring(ring).approval is not None:
        tx.rollouts.move_ring(rollout, ring, RingState.AWAITING_APPROVAL, RING_FROM[RingState.AWAITING_APPROVAL])
        tx.rollouts.move(rollout, target(Step.ASK), sources(Step.ASK))
        tx.people.record("ring.awaiting-approval", rollout=rollout, detail={"ring": ring})
        return True
    tx.rollouts.move_ring(rollout, ring, RingState.PROMOTED, RING_FROM[RingState.PROMOTED])
    tx.people.record("ring.promoted", rollout=rollout, detail={"ring": ring})
    return True


def complete(tx: Transaction, rollout: str) -> bool:
    """Every ring is promoted: the rollout is completed, and judged on until its watch ends."""
    if next_move(tx, rollout).next is not Next.COMPLETE:
        return False
    tx.people.record("rollout.completed", rollout=rollout)
    return tx.rollouts.move(rollout, target(Step.COMPLETE), sources(Step.COMPLETE))


def _opening(tx: Transaction, record: RolloutRecord, ring: RingRecord) -> Move:
    """A ring opens inside its hours, when every adoption of earlier rings is confirmed, failed or overdue."""
    opens = record.policy.ring(ring.name).opens
    if opens is not None and not opens.is_open(datetime.fromtimestamp(tx.at, UTC)):
        return Move(Next.WAIT, ring.name, "outside the ring's opening hours")
    judgement = tx.judging.judgement(record.id)
    if judgement is None or judgement.verdict not in {"healthy", "inconclusive"}:
        return Move(Next.WAIT, ring.name, "no judgement that sees" if judgement is None else judgement.verdict)
    tallies = tx.adoptions.tallies(record.id).values()
    unsettled = sum(tally.granted - tally.confirmed - tally.failed - tally.overdue for tally in tallies)
    if unsettled:
        return Move(Next.WAIT, ring.name, f"{unsettled} adoptions of earlier rings have no outcome yet")
    return Move(Next.OPEN, ring.name)


def _promotion(tx: Transaction, record: RolloutRecord, ring: RingRecord) -> Move:
    judgement = tx.judging.judgement(record.id)
    if judgement is None or not judgement.promotable or judgement.verdict != "healthy":
        return Move(Next.WAIT, ring.name, "gates")
    if judgement.document.get("ring") != ring.name:
        return Move(Next.WAIT, ring.name, "not judged yet")
    if ring.state == RingState.ADMITTING:
        return Move(Next.WAIT, ring.name, "admitting")
    return Move(Next.PROMOTE, ring.name)
