"""The model in the suite: the same steps in every run, so that what is red here is red everywhere."""

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.scenarios.model_machine import DONE, SEEN, Model

EXAMPLES, STEPS = 45, 50

suite = settings(
    max_examples=EXAMPLES,
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
    print(DONE, SEEN)
