"""The next step of a rollout's forward movement, and taking it: each step is guarded and idempotent.

The workflow asks what is next and does it; whatever it believes, every step reads the store again in its own
transaction and does nothing that the store does not allow now. Every step needs a judgement that sees, that this
process has lately seen move, and that has folded every failure: a dead watch promotes nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from rollout.admission import JUDGEMENT_LIMIT_SECONDS, SEEING
from rollout.decision import FORWARD, RingState, RingStep, State, Step
from rollout.operation.freshness import Freshness
from rollout.operation.hours import in_hours
from rollout.operation.transition import take, take_ring
from rollout.ports.rollout import RingRecord, RolloutRecord
from rollout.ports.store import Transaction

NOT_FRESH: Final = "no fresh judgement"


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


@dataclass(frozen=True, slots=True)
class Eyes:
    """What this process has seen move. `elapsed`: its own clock, seconds, never jumps."""

    elapsed: Callable[[], float]
    freshness: Freshness = field(default_factory=Freshness)

    def blindness(self, tx: Transaction, record: RolloutRecord) -> str | None:
        """Why nothing may go forward on the judgement in force, None if it may."""
        now, judgement = self.elapsed(), tx.judging.judgement(record.id)
        if judgement is None or judgement.verdict not in SEEING:
            return "not judged yet" if judgement is None else judgement.verdict
        self.freshness.observe(record.id, judgement.counter, now)
        age = self.freshness.age(record.id, now)
        if age is None or not age <= max(5 * record.policy.judge.every.total_seconds(), JUDGEMENT_LIMIT_SECONDS):
            return NOT_FRESH
        return "a failure is not judged yet" if tx.events.unfolded_failure(judgement.event, record.id) else None


def next_move(tx: Transaction, rollout: str, eyes: Eyes) -> Move:
    """What the store says is next; waiting is the answer to every doubt."""
    record = tx.rollouts.get(rollout)
    if record is None or record.state not in FORWARD:
        return Move(Next.END)
    # Looked at in every state: an approval may come at any moment, and must find that it moved all the time.
    unseen = eyes.blindness(tx, record)
    rings = tx.rollouts.rings(rollout)
    ring = next((ring for ring in rings if ring.state != RingState.PROMOTED), None)
    name = "" if ring is None else ring.name
    if record.state != State.RUNNING or not rings:
        return Move(Next.WAIT, name, record.state)
    why = "frozen" if tx.rollouts.frozen() is not None else unseen
    if why is not None:
        return Move(Next.WAIT, name, why)
    if ring is None:
        return Move(Next.COMPLETE)
    return _opening(tx, record, ring) if ring.state == RingState.WAITING else _promotion(tx, record, ring)


def open_ring(tx: Transaction, rollout: str, ring: str, eyes: Eyes) -> bool:
    """Begin a ring's admission; whether it is open now."""
    if next_move(tx, rollout, eyes) == Move(Next.OPEN, ring):
        take_ring(tx, rollout, ring, RingStep.OPEN)
        tx.people.record("ring.opened", rollout=rollout, detail={"ring": ring})
    return any(one.name == ring and one.state != RingState.WAITING for one in tx.rollouts.rings(rollout))


def promote(tx: Transaction, rollout: str, ring: str, eyes: Eyes) -> bool:
    """Promote a ring whose gates hold now, or ask for the approval that guards it; whether anything changed."""
    record = tx.rollouts.get(rollout)
    if record is None or next_move(tx, rollout, eyes) != Move(Next.PROMOTE, ring):
        return False
    asks = record.policy.ring(ring).approval is not None
    to = RingState.AWAITING_APPROVAL if asks else RingState.PROMOTED
    if not (take(tx, rollout, Step.ASK, ring=ring) if asks else take_ring(tx, rollout, ring, RingStep.PROMOTE)):
        return False
    tx.people.record(f"ring.{to}", rollout=rollout, detail={"ring": ring})
    return True


def complete(tx: Transaction, rollout: str, eyes: Eyes) -> bool:
    """Every ring is promoted: the rollout is completed, and judged on until its watch ends; whether it changed."""
    if next_move(tx, rollout, eyes).next is not Next.COMPLETE:
        return False
    tx.people.record("rollout.completed", rollout=rollout)
    return take(tx, rollout, Step.COMPLETE)


def _opening(tx: Transaction, record: RolloutRecord, ring: RingRecord) -> Move:
    """A ring opens inside its hours, when every adoption of earlier rings is confirmed, failed or overdue."""
    opens = record.policy.ring(ring.name).opens
    if opens is not None and not in_hours(opens, tx):
        return Move(Next.WAIT, ring.name, "outside the ring's opening hours")
    tallies = tx.adoptions.tallies(record.id).values()
    unsettled = sum(tally.granted - tally.confirmed - tally.failed - tally.overdue for tally in tallies)
    if unsettled:
        return Move(Next.WAIT, ring.name, f"{unsettled} adoptions of earlier rings have no outcome yet")
    return Move(Next.OPEN, ring.name)


def _promotion(tx: Transaction, record: RolloutRecord, ring: RingRecord) -> Move:
    """A ring is promoted out of its bake alone, by a judgement of this very ring."""
    judgement = tx.judging.judgement(record.id)
    if ring.state != RingState.BAKING:
        return Move(Next.WAIT, ring.name, ring.state)
    if judgement is None or judgement.document.get("ring") != ring.name:
        return Move(Next.WAIT, ring.name, "not judged yet")
    if not judgement.promotable or judgement.verdict != "healthy":
        return Move(Next.WAIT, ring.name, "gates")
    return Move(Next.PROMOTE, ring.name)
