"""The model: people, judge edges, hosts, faults and time in any order; after every step the auditor looks.

One rule is one step. Most are one small act; `the_fleet_goes_on` and `all_goes_well` are everybody doing what they
should for a while, so that the depths of a rollout are reached at all.
"""

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.scenarios.model_faults import FaultSteps
from tests.scenarios.model_hosts import HostSteps


class Model(HostSteps, FaultSteps):
    """Everybody who can do something, doing it at any moment."""


def run(number: int, worlds: int, steps: int) -> None:
    """So many worlds of so many steps, the same ones for the same seed; raises what was found, with the way there."""
    chosen = settings(
        max_examples=worlds,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(seed(number)(Model), settings=chosen)
