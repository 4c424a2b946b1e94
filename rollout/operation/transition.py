"""Transition: the one door through which a stored state changes. Each step is guarded by what its table allows.

What a step does to the rings is done in its transaction: a stop that left a ring open would be no stop.
"""

from rollout.decision import ALL_RINGS, ONE_RING, RingStep, Step, ring_sources, ring_target, sources, target
from rollout.ports.store import Transaction


def take(tx: Transaction, rollout: str, step: Step, *, ring: str | None = None, why: str | None = None) -> bool:
    """Take a step if the rollout's state allows it now; whether it was taken. Nothing changes otherwise.

    Args:
        tx: the write transaction in which what the step rests on was read.
        rollout: its id.
        step: what moves it.
        ring: the ring that the step is about, where it is about one.
        why: for people, of a step that stops.
    """
    if not tx.rollouts.move(rollout, target(step), sources(step), stop_reason=why):
        return False
    if (stop := ALL_RINGS.get(step)) is not None:
        for one in tx.rollouts.rings(rollout):
            take_ring(tx, rollout, one.name, stop)
    elif ring is not None and (along := ONE_RING.get(step)) is not None:
        take_ring(tx, rollout, ring, along)
    return True


def take_ring(tx: Transaction, rollout: str, ring: str, step: RingStep) -> bool:
    """Take a ring's step if its state allows it now; whether it was taken."""
    return tx.rollouts.move_ring(rollout, ring, ring_target(step), ring_sources(step))
