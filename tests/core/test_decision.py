"""The state tables: stopping wins, nothing leads from a stop back to forward movement."""

import pytest

from rollout.decision import DONE, FORWARD, MOVES, RING_FROM, RingState, State, Step, already, sources, target


@pytest.mark.parametrize("step", list(Step))
def test_every_step_leads_to_one_state(step: Step) -> None:
    assert target(step) in State
    assert sources(step)


def test_from_halted_only_rolling_back_is_reachable() -> None:
    assert {to for (state, _), to in MOVES.items() if state is State.HALTED} == {State.ROLLING_BACK}


def test_nothing_leads_from_a_stop_to_forward_movement() -> None:
    stopped = {State.HALTED, State.REJECTED, State.ROLLING_BACK, State.ROLLED_BACK}
    reached = set(stopped)
    for _ in State:
        reached |= {to for (state, _), to in MOVES.items() if state in reached}
    assert not reached & set(FORWARD)
    assert State.COMPLETED not in reached


@pytest.mark.parametrize("step", [Step.HALT, Step.TRIP, Step.REJECT, Step.ROLL_BACK])
def test_every_forward_state_can_be_stopped(step: Step) -> None:
    assert set(FORWARD) <= set(sources(step))


def test_a_halt_is_idempotent_in_every_state() -> None:
    for state in State:
        assert (state, Step.HALT) in MOVES or already(state, Step.HALT)


def test_a_move_is_never_both_possible_and_done() -> None:
    assert not set(MOVES) & DONE


def test_a_promoted_or_halted_ring_stays_so() -> None:
    for state, before in RING_FROM.items():
        assert RingState.PROMOTED not in before, state
        assert RingState.HALTED not in before, state
