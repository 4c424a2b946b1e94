"""Scenario files: what is shipped loads, what is wrong is named, and what both arms share is reckoned rightly."""

import json

import numpy as np
import pytest

from rollout.errors import InvalidError, NotFoundError
from rollout.simulation.scenario import Disturbance, find, parse, policy_of, shipped
from rollout.simulation.weather import Gateway, Weather


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_scenario_is_whole_and_its_policy_loads(name):
    scenario = find(name)
    assert scenario.name == name
    assert policy_of(scenario).rings


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({}, "fleet: Field required"),
        ({"fleet": {"hosts": 0}}, "fleet.hosts: Input should be greater than or equal to 1"),
        ({"fleet": {"hosts": True}}, "fleet.hosts: Input should be a valid integer"),
        ({"fleet": {"hosts": 10}, "falt": {}}, "falt: Extra inputs are not permitted"),
        ({"fleet": {"hosts": 10, "strata": {"a": 0.4}}}, "the shares of strata together are 0.4, not 1"),
        ({"fleet": {"hosts": 10, "forms": {"tablet": 1.0}}}, "laptop"),
        ({"fleet": {"hosts": 10}, "fault": {"stratum": "b"}}, "fault.stratum 'b' is none of fleet.strata (all)"),
        ({"fleet": {"hosts": 10}, "fault": {"lethal": 1.5}}, "fault.lethal: Input should be less than or equal to 1"),
        ({"fleet": {"hosts": 10}, "schema": "rollout.scenario/2"}, "schema: Input should be 'rollout.scenario/1'"),
        ({"fleet": {"hosts": 10}, "fault": {"measures": {"cpu": 1}}}, "fault.measures 'cpu' is none of fleet.measures"),
        ({"fleet": {"hosts": 10, "measures": {"C PU": {"mean": 0, "deviation": 1}}}}, "fleet.measures.C PU"),
        ({"fleet": {"hosts": 10, "measures": {"cpu": {"mean": 0, "deviation": -1}}}}, "fleet.measures.cpu.deviation"),
        ({"fleet": {"hosts": 10}, "runs": "many"}, "runs: Input should be a valid integer"),
    ],
)
def test_what_is_wrong_in_a_scenario_is_said_by_field(document, said):
    with pytest.raises(InvalidError) as refused:
        parse(json.dumps(document).encode(), "try.json")
    assert "try.json" in refused.value.detail
    assert said in " ".join(problem.detail for problem in refused.value.problems)


@pytest.mark.parametrize("text", [b"", b"{", b"[1]", b'{"fleet": {"hosts": 1, "hosts": 2}}', b"\xff", b"[" * 100_000])
def test_what_is_no_scenario_at_all_is_refused(text):
    with pytest.raises(InvalidError):
        parse(text, "try.json")


def test_nan_is_no_number_of_a_scenario():
    with pytest.raises(InvalidError):
        parse(b'{"fleet": {"hosts": 9, "crash_per_host_hour": NaN}}', "try.json")


def test_an_unknown_scenario_or_policy_names_those_there_are():
    with pytest.raises(NotFoundError, match="july-2024"):
        find("august-2024")
    with pytest.raises(NotFoundError, match="driver"):
        policy_of(find("null"), "drivers")


def test_a_refused_policy_of_a_scenario_says_why():
    scenario = parse(b'{"fleet": {"hosts": 9}, "policy": {"kind": "driver", "heartbeat": 3}}', "try.json")
    with pytest.raises(InvalidError) as refused:
        policy_of(scenario)
    assert "heartbeat" in refused.value.problems[0].detail or "name" in refused.value.problems[0].detail


DISTURBED = Disturbance.model_validate(
    {
        "diurnal": 0.5,
        "drift_per_day": 0.2,
        "surge": {"at_hours": 30.0, "for_hours": 24.0, "factor": 2.5},
        "gateway_outage": {"at_hours": 3.0, "for_minutes": 20.0},
    }
)


def test_the_bound_of_the_hazard_is_never_passed_and_its_mean_is_the_mean():
    weather = Weather(DISTURBED, 0.3)
    hours = np.linspace(0, 80, 4001)
    assert weather.hazard(hours).max() <= weather.highest(0, 80)
    fine = np.linspace(2, 29, 200_001)
    assert weather.mean(2, 29) == pytest.approx(weather.hazard(fine).mean(), rel=1e-4)


def test_nothing_arrives_through_an_outage_and_the_rollout_clock_stands_still():
    gateway = Gateway(DISTURBED)
    assert gateway.arrival(3 * 3600 + 60) == 3 * 3600 + 1200
    assert gateway.arrival(60) == 60
    assert gateway.clock(3 * 3600 + 1200) == 3 * 3600 + 5
    for clock in (0, 10_000, 10_805, 10_806, 50_000):
        assert gateway.clock(gateway.when(clock)) == pytest.approx(clock)
