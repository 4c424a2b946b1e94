"""The model in the suite: the same steps in every run, so that what is red here is red everywhere."""

import runpy
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.scenarios.model_machine import Model
from tests.scenarios.model_steps import DONE, SEEN

WORLDS, STEPS = 40, 60

suite = settings(
    max_examples=WORLDS,
    stateful_step_count=STEPS,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.slow
def test_the_promises_hold_after_each_of_two_thousand_steps_in_any_order() -> None:
    run_state_machine_as_test(Model, settings=suite)
    assert DONE.total() >= 2_000
    reached = {"grants", "confirmed", "failed", "dark", "ring promoted", "to awaiting-approval", "to paused"}
    reached |= {"to halted", "to rolling-back", "to completed", "freezes", "unfreezes", "approve 200", "resume 200"}
    assert not reached - set(SEEN), "a model that never gets there shows nothing"


def test_every_promise_that_is_taken_out_on_trial_still_stands_in_the_code() -> None:
    """Else the trial would be of something else; it runs by hand: `python tests/scenarios/broken_promises.py`."""
    trial = runpy.run_path(str(Path(__file__).with_name("broken_promises.py")))
    for mutant in trial["mutants"]():
        for file, words, without in mutant.edits:
            assert (trial["ROOT"] / file).read_text().count(words) == 1, (mutant.promise, file)
            assert words != without
