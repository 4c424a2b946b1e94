"""A policy tried on a fleet: what is told of good releases, of lethal ones, and of each ring."""

import pytest

from policies.load import load
from policies.profiles import profile
from rollout.judge.reach import smallest_fault
from rollout.simulation.course import play
from rollout.simulation.scenario import Fault
from rollout.simulation.trial import FEWEST_RUNS, MOST_RUNS, RELEASES, Ground, enough, played, told

QUICK = load(
    {
        "name": "quick",
        "kind": "content",
        "watch": "1h",
        "rings": [
            {"name": "canary", "size": {"hosts": 64}},
            {"name": "unfilled", "size": {"hosts": 9000}},
            {"name": "rest", "size": {"rest": True}},
        ],
    }
)
SLOW = load(
    {
        "name": "slow",
        "kind": "driver",
        "watch": "1h",
        "rings": [
            {"name": "canary", "size": {"hosts": 100}, "bake": {"min": "10m", "host_hours": 0, "max": "3h"}},
            {"name": "rest", "size": {"rest": True}, "bake": {"min": "10m", "host_hours": 0, "max": "3h"}},
        ],
    }
)


def tried(policy, ground, runs=2):
    return told(policy, ground, list(played(policy, ground, 1, runs, 1)))


def test_lethal_releases_harm_the_first_batch_and_good_ones_nobody():
    found = tried(QUICK, Ground(400, 2.08e-4))
    assert (found["runs"], set(found["releases"])) == (2, set(RELEASES))
    assert found["releases"]["lethal"]["harmed"] == {"mean": 5.0, "p50": 5.0, "p95": 5.0, "max": 5.0}
    assert found["releases"]["lethal"]["halted"] == 2
    assert found["releases"]["good"]["harmed"]["max"] == 0
    assert found["releases"]["good"]["completed"] == 2
    assert found["false_halts"]["share"] == 0 < found["false_halts"]["high"]
    assert found["warnings"] == []


def test_rings_without_hosts_are_not_told_and_hours_of_the_others_sum_to_the_whole():
    found = tried(QUICK, Ground(400, 2.08e-4))
    assert [ring["ring"] for ring in found["rings"]] == ["canary", "unfilled"]
    assert sum(ring["hosts"] for ring in found["rings"]) == 400 - 20
    hours = sum(ring["hours"]["mean"] for ring in found["rings"])
    assert hours == pytest.approx(found["releases"]["good"]["hours_to_complete"]["mean"])
    assert {ring["waits_for"] for ring in found["rings"]} <= {"bake", "early-life"}


@pytest.mark.parametrize(
    ("policy", "restarts", "warned"),
    [("driver", 1.0, None), ("driver", 0.3, "in ring wide find"),
     ("driver", 0.0, "in rings canary, early, broad, wide find"), ("content", 0.0, None)],
)  # fmt: skip
def test_where_hosts_seldom_restart_it_says_that_control_is_older(policy, restarts, warned):
    found = told(profile(policy), Ground(10_000, 2.08e-4, restarts=restarts), [])
    said = [each["detail"] for each in found["warnings"] if each["code"] == "unlike"]
    assert len(said) == (warned is not None)
    assert not warned or warned in said[0]


def test_a_ring_that_cannot_show_its_margin_is_held_and_warned_of():
    few = tried(SLOW, Ground(1000, 2.08e-4))
    assert (few["releases"]["good"]["held"], few["held"]["share"]) == (2, 1.0)
    canary, rest = few["rings"]
    assert (canary["reached"], canary["held"], canary["hours"], canary["waits_for"]) == (2, 2, None, "hazard")
    assert (rest["reached"], rest["waits_for"]) == (0, None)
    assert canary["smallest_fault"] is None
    assert canary["smallest_fault_in_time"] == canary["smallest_fault_by_max"] > 10
    assert [each["detail"].split(":")[0] for each in few["warnings"]] == ["Ring canary may be held"]
    many = tried(SLOW, Ground(1000, 2.08e-4), runs=10)
    assert many["warnings"][0]["detail"].startswith("Ring canary holds 100% (72% to 100%)")


def test_a_limit_that_the_fleet_cannot_prove_is_warned_of_first():
    few = tried(QUICK, Ground(60, 2.08e-4), runs=1)
    assert few["warnings"][0]["code"] == "early-life"
    assert few["releases"]["good"]["completed"] == 0


@pytest.mark.slow
def test_what_a_ring_is_said_to_see_half_of_the_rollouts_or_more_are_halted_for():
    """A thousand of ten thousand hosts for eight hours: 21 of 40 such rollouts were halted when this was written."""
    bake = {"bake": {"min": "8h", "host_hours": 0, "max": "8h"}, "promote": {"margin": 1.01, "early_life": "100%"}}
    rings = [{"name": "canary", "size": {"hosts": 1000}, "max_per_minute": None, **bake}, {"name": "rest"}]
    policy = load({"name": "p", "kind": "driver", "watch": "0s", "judge": {"pause_at": 99.9}, "rings": rings})
    ratio = smallest_fault(1000, 9000, 8 * 2.08e-4, 100.0)
    scenario = Ground(10_000, 2.08e-4).scenario(Fault(ratio=ratio), policy)
    halted = sum(play(scenario, policy, 1, number).halt_hours is not None for number in range(40))
    assert halted >= 16


def test_larger_fleets_are_played_less_often():
    assert enough(Ground(100, 2.08e-4)) == enough(Ground(10_000, 5.1e-5)) == MOST_RUNS
    assert enough(Ground(8_500_000, 2.08e-4)) == FEWEST_RUNS
    assert FEWEST_RUNS < enough(Ground(20_000, 2.08e-4)) < MOST_RUNS
