"""The model: people, judge edges, hosts, faults and time in any order; after every step the auditor looks.

One rule is one step. Most are one small act; `the_fleet_goes_on` and `all_goes_well` are everybody doing what they
should for a while, so that the depths of a rollout are reached at all.
"""

from tests.scenarios.model_faults import FaultSteps
from tests.scenarios.model_hosts import HostSteps
from tests.scenarios.model_people import PeopleSteps


class Model(HostSteps, PeopleSteps, FaultSteps):
    """Everybody who can do something, doing it at any moment."""
