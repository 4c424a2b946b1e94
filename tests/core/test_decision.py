"""The state tables: stopping wins, nothing leads from a stop back to forward movement, and nothing goes past them."""

import ast
import runpy
from pathlib import Path

import pytest

from rollout import admission
from rollout.decision import (
    ALL_RINGS,
    BEGINS,
    BEGUN,
    DONE,
    ENDED,
    FORWARD,
    MOVES,
    ONE_RING,
    OPEN,
    RING_BEGINS,
    RING_MOVES,
    RingState,
    RingStep,
    State,
    Step,
    allows,
    already,
    ring_sources,
    ring_target,
    sources,
    target,
)

CODE = [
    path for folder in ("rollout", "workflows") for path in Path(__file__).parents[2].joinpath(folder).rglob("*.py")
]
DOOR = "transition.py"


def reached(begin: set[State]) -> set[State]:
    found = set(begin)
    for _ in State:
        found |= {to for (state, _), to in MOVES.items() if state in found}
    return found


@pytest.mark.parametrize("step", list(Step))
def test_every_step_leads_to_one_state(step: Step) -> None:
    assert target(step) in State
    assert sources(step)


@pytest.mark.parametrize("step", list(RingStep))
def test_every_ring_step_leads_to_one_state(step: RingStep) -> None:
    assert ring_target(step) in RingState
    assert ring_sources(step)


def test_from_halted_only_rolling_back_is_reachable() -> None:
    assert {to for (state, _), to in MOVES.items() if state is State.HALTED} == {State.ROLLING_BACK}


def test_nothing_leads_from_a_stop_to_forward_movement() -> None:
    found = reached({State.HALTED, State.REJECTED, State.ROLLING_BACK, State.ROLLED_BACK})
    assert not found & set(FORWARD)
    assert State.COMPLETED not in found


def test_every_state_is_reached_from_the_first_and_every_ring_state_too() -> None:
    assert reached({BEGINS}) == set(State)
    rings = {RING_BEGINS}
    for _ in RingState:
        rings |= {to for (state, _), to in RING_MOVES.items() if state in rings}
    assert rings == set(RingState)


@pytest.mark.parametrize("step", [Step.HALT, Step.TRIP, Step.REJECT, Step.ROLL_BACK])
def test_every_forward_state_can_be_stopped(step: Step) -> None:
    assert set(FORWARD) <= set(sources(step))


def test_a_completed_rollout_is_still_stopped_but_no_longer_rejected() -> None:
    assert {step for step in Step if allows("completed", step)} == {Step.HALT, Step.TRIP, Step.ROLL_BACK}


def test_resume_leaves_paused_and_held_alone() -> None:
    assert set(sources(Step.RESUME)) == {State.PAUSED, State.HELD}


def test_a_rollback_is_possible_from_every_state_but_the_one_it_ends_in() -> None:
    possible = {state for state in State if allows(state, Step.ROLL_BACK) or already(state, Step.ROLL_BACK)}
    assert possible == set(State) - {State.ROLLED_BACK}


def test_a_halt_is_idempotent_in_every_state() -> None:
    for state in State:
        assert (state, Step.HALT) in MOVES or already(state, Step.HALT)


def test_a_move_is_never_both_possible_and_done() -> None:
    assert not set(MOVES) & DONE


def test_a_promoted_or_halted_ring_stays_so() -> None:
    assert not {state for state, _ in RING_MOVES} & {RingState.PROMOTED, RingState.HALTED}


def test_baking_never_goes_back_to_admitting() -> None:
    assert ring_sources(RingStep.OPEN) == (RingState.WAITING,)


def test_whatever_stops_a_rollout_stops_every_ring_with_it() -> None:
    stopping = {step for step in Step if target(step) not in reached({BEGINS}) & {*FORWARD, State.COMPLETED}}
    assert set(ALL_RINGS) == stopping - {Step.FINISH}
    assert set(ring_sources(RingStep.STOP)) == {state for state, _ in RING_MOVES}
    assert not set(ALL_RINGS) & set(ONE_RING)


def test_open_ended_and_completed_are_all_states_but_none_twice() -> None:
    assert sorted([*OPEN, *ENDED, State.COMPLETED]) == sorted(State)


def test_admission_knows_the_same_states() -> None:
    """Admission stands below the tables, so it names states itself: they must be these."""
    assert {state for state in State if not reached({state}) & {*FORWARD, State.COMPLETED}} == admission.STOPPED
    assert not admission.GOING & {State.PAUSED, State.HELD, *admission.STOPPED}
    assert set(State) >= admission.GOING
    assert set(BEGUN) == admission.ADMITTING


def test_every_change_of_a_stored_state_goes_through_the_one_door() -> None:
    """`move` and `move_ring` of the store are called there alone, so an illegal change has no key to go by."""
    called = {path.name for path in CODE for name in calls(path) if name in {"rollouts.move", "rollouts.move_ring"}}
    assert called == {DOOR}


def test_no_statement_of_the_program_writes_a_state_but_the_two_guarded_updates() -> None:
    """Whoever writes `.values(state=…)` or `{"state": …}` to these tables is found: the adapter, in two functions."""
    writing = {
        function.name
        for path in CODE
        if path.name == "rollouts.py" and path.parent.name == "store"
        for function in ast.walk(ast.parse(path.read_text()))
        if isinstance(function, ast.FunctionDef) and "state" in written(function)
    }
    elsewhere = [
        path.name for path in CODE if "update(rollout)" in path.read_text() or "update(ring)" in path.read_text()
    ]
    assert writing == {"move", "move_ring"}
    assert sorted(elsewhere) == ["adoptions.py", "rollouts.py"]  # adoptions count their orders


def calls(path: Path) -> set[str]:
    """Names of attributes of attributes that are called: `tx.rollouts.move(…)` is `rollouts.move`."""
    found = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    return {
        f"{each.value.attr}.{each.attr}"
        for each in found
        if isinstance(each, ast.Attribute) and isinstance(each.value, ast.Attribute)
    }


def written(function: ast.FunctionDef) -> set[str]:
    """Keys that a function gives a statement: keyword arguments of `values`, and keys of dictionaries."""
    found: set[str] = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "values":
            found |= {word.arg for word in node.keywords if word.arg}
        if isinstance(node, ast.Dict):
            found |= {key.value for key in node.keys if isinstance(key, ast.Constant) and isinstance(key.value, str)}
    return found


def test_the_page_of_states_is_what_the_code_would_draw() -> None:
    """Where this fails: `python tests/core/draw_states.py`."""
    drawing = Path(__file__).with_name("draw_states.py")
    found = runpy.run_path(str(drawing))
    text = found["PAGE"].read_text()
    assert found["page"](text) == text
