"""Decision: state x step → state, as tables. A move that is not in a table is illegal.

Stopping wins every race: from any open state a stop is one guarded change, and nothing leads from a stopped
state back to forward movement. `halted` leads only to `rolling-back`. Every change of a stored state is one of these
moves (`operation/transition.py` makes them); docs/states.md is drawn from here.
"""

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Final, TypeVar

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


BEGINS: Final = State.RUNNING
FORWARD: Final = (State.AWAITING_APPROVAL, State.RUNNING, State.PAUSED, State.HELD)
OPEN: Final = (*FORWARD, State.ROLLING_BACK)  # a product has one of these at most
ENDED: Final = (State.HALTED, State.REJECTED, State.ROLLED_BACK)  # over at once; a completed one when its watch ends

MOVES: Final[Mapping[tuple[State, Step], State]] = {
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
DONE: Final = frozenset(
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


class RingStep(StrEnum):
    """What moves a ring."""

    OPEN = "open"
    BAKE = "bake"  # wholly admitted
    ASK = "ask"
    PROMOTE = "promote"  # no approval guards it
    APPROVE = "approve"
    ASK_AGAIN = "ask-again"  # its rollout was resumed: an approval would be for other evidence
    STOP = "stop"


# A ring without a host that may adopt is `promoted` from the start. Baking never goes back to admitting: later comers
# do not reset it.
RING_BEGINS: Final = RingState.WAITING
RING_MOVES: Final[Mapping[tuple[RingState, RingStep], RingState]] = {
    (RingState.WAITING, RingStep.OPEN): RingState.ADMITTING,
    (RingState.ADMITTING, RingStep.BAKE): RingState.BAKING,
    (RingState.BAKING, RingStep.ASK): RingState.AWAITING_APPROVAL,
    (RingState.BAKING, RingStep.PROMOTE): RingState.PROMOTED,
    (RingState.AWAITING_APPROVAL, RingStep.APPROVE): RingState.PROMOTED,
    (RingState.AWAITING_APPROVAL, RingStep.ASK_AGAIN): RingState.BAKING,
    **{
        (state, RingStep.STOP): RingState.HALTED
        for state in (RingState.WAITING, RingState.ADMITTING, RingState.BAKING, RingState.AWAITING_APPROVAL)
    },
}
BEGUN: Final = (RingState.ADMITTING, RingState.BAKING, RingState.AWAITING_APPROVAL, RingState.PROMOTED)

# What a step does to rings, in its own transaction: to every ring, or (ONE) to the one that it is about.
ALL_RINGS: Final[Mapping[Step, RingStep]] = dict.fromkeys(
    (Step.HALT, Step.REJECT, Step.TRIP, Step.ROLL_BACK), RingStep.STOP
)
ONE_RING: Final[Mapping[Step, RingStep]] = {
    Step.ASK: RingStep.ASK,
    Step.APPROVE: RingStep.APPROVE,
    Step.RESUME: RingStep.ASK_AGAIN,
}

S = TypeVar("S", State, RingState)
T = TypeVar("T", Step, RingStep)


def sources(step: Step) -> Collection[State]:
    """The states from which a step may be taken: the guard of its UPDATE."""
    return _sources(MOVES, step)


def target(step: Step) -> State:
    """Where a step leads; every step leads to one state."""
    return _target(MOVES, step)


def ring_sources(step: RingStep) -> Collection[RingState]:
    """The states from which a ring may take a step."""
    return _sources(RING_MOVES, step)


def ring_target(step: RingStep) -> RingState:
    """Where a ring's step leads."""
    return _target(RING_MOVES, step)


def _sources(moves: Mapping[tuple[S, T], S], step: T) -> Collection[S]:
    return tuple(state for state, taken in moves if taken is step)


def _target(moves: Mapping[tuple[S, T], S], step: T) -> S:
    (found,) = {to for (_, taken), to in moves.items() if taken is step}
    return found


def allows(state: str, step: Step) -> bool:
    """Whether a rollout in this state may take the step."""
    return (State(state), step) in MOVES


def already(state: str, step: Step) -> bool:
    """Whether the step asks for what is already so."""
    return (State(state), step) in DONE


def refuse(rollout: str, state: str, step: Step) -> ConflictError:
    """The sentence for a step that the state does not allow."""
    allowed = ", ".join(sources(step))
    return ConflictError(f"{rollout} is {state}; {step} is possible from: {allowed}", slug="wrong-state")
