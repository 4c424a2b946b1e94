"""Decision: verdict x state → next step, as tables. A move that is not in a table is illegal.

Stopping wins every race: from any open state a stop is one guarded change, and nothing leads from a stopped
state back to forward movement. `halted` leads only to `rolling-back`.
"""

from collections.abc import Collection
from enum import StrEnum

from rollout.errors import ConflictError


class State(StrEnum):
    """A rollout's state."""

    AWAITING_APPROVAL = "awaiting-approval"
    RUNNING = "running"
    PAUSED = "paused"
    HELD = "held"
    HALTED = "halted"
    ROLLING_BACK = "rolling-back"
    ROLLED_BACK = "rolled-back"
    COMPLETED = "completed"
    REJECTED = "rejected"


class Step(StrEnum):
    """What moves a rollout: an act of a person, an edge of the judge, or the executor's progress."""

    PAUSE = "pause"
    RESUME = "resume"
    HOLD = "hold"
    ASK = "ask"
    APPROVE = "approve"
    REJECT = "reject"
    HALT = "halt"
    TRIP = "trip"  # the judge's crossing under `on_unhealthy: rollback`
    ROLL_BACK = "rollback"
    FINISH = "finish"  # every touched host that is not dark reports its baseline
    COMPLETE = "complete"


FORWARD = (State.AWAITING_APPROVAL, State.RUNNING, State.PAUSED, State.HELD)

MOVES: dict[tuple[State, Step], State] = {
    (State.RUNNING, Step.PAUSE): State.PAUSED,
    (State.RUNNING, Step.HOLD): State.HELD,
    (State.RUNNING, Step.ASK): State.AWAITING_APPROVAL,
    (State.RUNNING, Step.COMPLETE): State.COMPLETED,
    (State.AWAITING_APPROVAL, Step.APPROVE): State.RUNNING,
    (State.AWAITING_APPROVAL, Step.PAUSE): State.PAUSED,
    (State.AWAITING_APPROVAL, Step.HOLD): State.HELD,  # nobody answered within the approval's timeout
    (State.PAUSED, Step.RESUME): State.RUNNING,
    (State.HELD, Step.RESUME): State.RUNNING,
    (State.HELD, Step.PAUSE): State.PAUSED,
    **{(state, Step.REJECT): State.REJECTED for state in FORWARD},
    **{(state, Step.HALT): State.HALTED for state in (*FORWARD, State.COMPLETED)},
    **{(state, Step.TRIP): State.ROLLING_BACK for state in (*FORWARD, State.COMPLETED)},
    **{
        (state, Step.ROLL_BACK): State.ROLLING_BACK
        for state in (*FORWARD, State.COMPLETED, State.HALTED, State.REJECTED)
    },
    (State.ROLLING_BACK, Step.FINISH): State.ROLLED_BACK,
}

# Asking for what is already so is answered 200 and changes nothing.
DONE: frozenset[tuple[State, Step]] = frozenset(
    {
        (State.PAUSED, Step.PAUSE),
        (State.HALTED, Step.HALT),
        (State.ROLLING_BACK, Step.HALT),
        (State.ROLLED_BACK, Step.HALT),
        (State.REJECTED, Step.HALT),
        (State.REJECTED, Step.REJECT),
        (State.ROLLING_BACK, Step.ROLL_BACK),
        (State.ROLLING_BACK, Step.TRIP),
        (State.HALTED, Step.TRIP),
        (State.ROLLED_BACK, Step.FINISH),
        (State.COMPLETED, Step.COMPLETE),
        (State.AWAITING_APPROVAL, Step.ASK),
        (State.HELD, Step.HOLD),
    }
)


class RingState(StrEnum):
    """A ring's state, in order."""

    WAITING = "waiting"
    ADMITTING = "admitting"
    BAKING = "baking"
    AWAITING_APPROVAL = "awaiting-approval"
    PROMOTED = "promoted"
    HALTED = "halted"


# Where a ring may come from. Baking never goes back: later comers do not reset it.
RING_FROM: dict[RingState, tuple[RingState, ...]] = {
    RingState.ADMITTING: (RingState.WAITING,),
    RingState.BAKING: (RingState.ADMITTING, RingState.AWAITING_APPROVAL),
    RingState.AWAITING_APPROVAL: (RingState.BAKING,),
    RingState.PROMOTED: (RingState.BAKING, RingState.AWAITING_APPROVAL),
    RingState.HALTED: (RingState.WAITING, RingState.ADMITTING, RingState.BAKING, RingState.AWAITING_APPROVAL),
}


def sources(step: Step) -> Collection[State]:
    """The states from which a step may be taken: the guard of its UPDATE."""
    return tuple(state for state, taken in MOVES if taken is step)


def target(step: Step) -> State:
    """Where a step leads; every step leads to one state."""
    (found,) = {to for (_, taken), to in MOVES.items() if taken is step}
    return found


def already(state: str, step: Step) -> bool:
    """Whether the step asks for what is already so."""
    return (State(state), step) in DONE


def refuse(rollout: str, state: str, step: Step) -> ConflictError:
    """The sentence for a step that the state does not allow."""
    allowed = ", ".join(sources(step))
    return ConflictError(f"{rollout} is {state}; {step} is possible from: {allowed}", slug="wrong-state")
