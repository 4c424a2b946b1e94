"""Simulated rollouts: the production judge inside, the same run for the same seed, and evidence that refolds."""

from xml.etree import ElementTree as ET

import numpy as np
import pytest

from policies.load import load
from rollout.evidence.rows import AdoptionRow, FailureRow, MeasureRow, TickRow, dump, read
from rollout.judge import Fold
from rollout.judge.guards import GUARDS
from rollout.judge.replay import replay
from rollout.simulation.answer import answer, spread, wilson
from rollout.simulation.course import play, run
from rollout.simulation.fleet import CONFIRMED, CRASHED, DARK, DARKENED, EXCLUDED, FAILED, GRANTED, OWN, PLACES, Fleet
from rollout.simulation.picture.draw import draw
from rollout.simulation.scenario import Scenario, policy_of

QUICK = {
    "name": "quick",
    "kind": "driver",
    "confirm": {"uptime": "1m", "deadline": "10m"},
    "watch": "2h",
    "rings": [
        {"name": "canary", "size": {"hosts": 100}, "bake": {"min": "10m", "host_hours": 0, "max": "60h"}},
        {"name": "half", "size": {"share": "40%"}, "bake": {"min": "10m", "host_hours": 0, "max": "60h"}},
        {"name": "rest", "size": {"rest": True}, "bake": {"min": "10m", "host_hours": 0, "max": "4h"}},
    ],
}
ORDINARY = {"crash_per_host_hour": 0.000208}


def scenario(fleet=None, **parts):
    fields = {"policy": QUICK, "fleet": {"hosts": 3000, "crash_per_host_hour": 0.002, **(fleet or {})}, **parts}
    return Scenario.model_validate(fields)


def played(seed=1, keep=False, number=0, **parts):
    told = scenario(**parts)
    return play(told, policy_of(told), seed, number, keep=keep)


def test_the_same_seed_and_number_give_the_same_run_and_another_number_another():
    faulty = {"fault": {"ratio": 4.0}}
    assert played(**faulty) == played(**faulty)
    assert played(**faulty) != played(number=1, **faulty)


def test_a_good_release_completes_and_harms_nobody():
    outcome = played(seed=3)
    assert (outcome.state, outcome.harmed, outcome.halt_hours) == ("completed", 0, None)
    assert list(outcome.promoted) == ["canary", "half", "rest"]
    assert outcome.grant_hours <= outcome.complete_hours


@pytest.mark.parametrize("hosts", [30, 1000])
@pytest.mark.parametrize("reports", [True, False])
def test_a_lethal_release_harms_its_first_batch_and_nobody_else(hosts, reports):
    fault = {"lethal": 1.0, "lethal_reports": reports}
    for number in range(5):
        outcome = played(number=number, policy="content", fleet={"hosts": hosts, **ORDINARY}, fault=fault)
        assert (outcome.harmed, outcome.exposed) == (5, 5)
        assert outcome.state == "halted"


@pytest.mark.parametrize(("hold_out", "hosts", "end"), [("0%", 300, "completed"), ("5%", 2, "held")])
def test_a_rollout_in_which_nobody_is_held_out_is_played(hold_out, hosts, end):
    """By the policy's choice those who confirmed are the sight; where the fleet is too small for control, nobody is."""
    ring = {"size": {"hosts": 100}, "promote": {"early_life": "100%"}}
    policy = {"name": "all", "kind": "content", "hold_out": hold_out, "rings": [ring, {"size": {"rest": True}}]}
    policy["rings"] = [{"name": f"ring-{n}", **each} for n, each in enumerate(policy["rings"])]
    outcome = played(policy=policy, fleet={"hosts": hosts, **ORDINARY})
    assert (outcome.state, outcome.exposed) == (end, hosts)


@pytest.mark.parametrize("restarts", [0.0, 0.033])
def test_a_fleet_that_seldom_restarts_does_not_halt_a_harmless_driver(restarts):
    """All that adopt are young and control is not: failures of both arms must count all the same (docs/adr/0017)."""
    fleet = {"hosts": 10_000, "reboots_per_day": restarts}
    outcomes = [played(number=number, policy="driver", fleet=fleet) for number in range(4)]
    assert [(one.state, one.paused) for one in outcomes] == [("completed", False)] * 4


WITH_CPU = {
    **QUICK,
    "judge": {
        "weights": {"crash": 0.2, "crash_or_dark": 0.25, "dark": 0.2, "own": 0.15, "strata": 0.1},
        "measures": [{"name": "cpu", "lowest": 0, "highest": 1, "margin": 0.02, "weight": 0.1}],
    },
}
CPU = {"cpu": {"mean": 0.1, "deviation": 0.1}}


def test_a_release_that_costs_too_much_is_halted_by_its_measure_and_the_evidence_says_so():
    fault = {"measures": {"cpu": 0.5}}
    outcome = played(keep=True, policy=WITH_CPU, fleet={"measures": CPU, **ORDINARY}, fault=fault)
    pairs = [row for row in outcome.evidence if isinstance(row, MeasureRow)]
    assert (outcome.state, outcome.harmed) == ("halted", 0)
    assert 10 < len(pairs) <= outcome.exposed
    assert np.mean([row.exposed - row.control for row in pairs]) == pytest.approx(0.5, abs=0.1)
    found = replay(read(map(dump, outcome.evidence))["simulated"], load(WITH_CPU))
    assert found["e"]["guards"]["measure:cpu"] > 100
    assert found["halt_at"] / 3600 == pytest.approx(outcome.halt_hours)


@pytest.mark.parametrize(
    ("fleet", "fault"),
    [({"measures": CPU}, {"measures": {"cpu": 0.02}}), ({}, {}), ({"measures": {"io": CPU["cpu"]}}, {})],
)
def test_a_measure_within_its_margin_or_that_nobody_reports_stops_nothing(fleet, fault):
    outcome = played(keep=True, seed=3, policy=WITH_CPU, fleet={**fleet, **ORDINARY}, fault=fault)
    assert outcome.state == "completed"
    pairs = [row for row in outcome.evidence if isinstance(row, MeasureRow)]
    assert (len(pairs) > 900) == ("cpu" in fleet.get("measures", {}))


def test_no_host_stands_in_two_pairs_and_none_is_paired_with_another_age():
    fleet = {"measures": CPU, "reboots_per_day": 0.0, **ORDINARY}
    outcome = played(keep=True, seed=3, policy=WITH_CPU, fleet=fleet)
    began = [row.at for row in outcome.evidence if isinstance(row, MeasureRow)]
    assert outcome.state == "completed"
    assert min(began) >= 24 * 3600, "control has been up for more than a day"
    assert len(began) <= outcome.exposed


@pytest.mark.slow
def test_july_2024_harms_five_of_eight_and_a_half_million():
    fleet = {"hosts": 8_500_000, **ORDINARY, "asks_per_minute": 109_000.0}
    outcome = played(policy="content", fleet=fleet, fault={"lethal": 1.0, "lethal_reports": False})
    assert (outcome.state, outcome.harmed, outcome.exposed) == ("halted", 5, 5)


def test_a_model_that_the_canary_did_not_contain_meets_a_first_batch_of_its_own():
    fleet = {"strata": {"model-a": 0.96, "model-b": 0.04}}
    fault = {"lethal": 1.0, "lethal_reports": False, "stratum": "model-b", "absent_from": ["canary"]}
    outcome = played(policy="content", fleet=fleet, fault=fault)
    assert outcome.promoted.keys() >= {"canary"}
    assert outcome.harmed <= 5
    assert outcome.state in {"halted", "paused"}


def test_a_fault_that_begins_after_completion_is_still_halted_in_the_watch():
    outcome = played(seed=3, policy="content", fleet=ORDINARY, fault={"ratio": 50.0, "onset_hours": 2.0})
    assert outcome.state == "halted"
    assert outcome.halt_hours > 2.0 > outcome.complete_hours


def test_written_evidence_is_judged_again_to_the_same_decision():
    told = {"fault": {"ratio": 30.0}, "fleet": {"dark_per_host_hour": 0.005, "strata": {"a": 0.7, "b": 0.3}}}
    outcome = played(seed=5, keep=True, **told)
    (rows,) = read(map(dump, outcome.evidence)).values()
    assert rows == outcome.evidence
    found = replay(rows)
    assert found["halt_at"] == (None if outcome.halt_hours is None else outcome.halt_hours * 3600)
    assert {ring: at for ring, at in found["promote_at"].items() if at is not None}.keys() >= outcome.promoted.keys()


def test_no_grant_was_made_while_outstanding_had_reached_a_window():
    told = {"fault": {"lethal": 0.004}, "policy": "content", "fleet": {"strata": {"a": 0.8, "b": 0.2}}}
    rows = played(seed=2, keep=True, **told).evidence
    fold = Fold(load(rows[0].policy), rows[0])
    held = dict.fromkeys(rows[0].strata, 0)
    granted = 0
    for row in rows[1:]:
        if isinstance(row, AdoptionRow) and row.adoption == "granted":
            assert sum(held.values()) + row.count <= fold.window
            assert held[row.stratum] + row.count <= fold.windows[row.stratum]
            assert fold.halt is None
            assert fold.pause is None
            granted += row.count
        if isinstance(row, AdoptionRow):
            held[row.stratum] += {"granted": row.count, "confirmed": -row.count, "resolved": -1}.get(row.adoption, 0)
        fold.take([row])
        if isinstance(row, TickRow):
            assert row.outstanding == sum(held.values()) == fold.judgement().outstanding
    assert granted > 100


def test_crashes_come_as_often_as_the_scenario_says_in_both_arms():
    told = scenario(fixed_bake_hours=20.0, fleet={"hosts": 20_000})
    _, passage, mishaps, _ = run(told, policy_of(told), 4, 0)
    hours = passage.ended / 3600
    crashed_before = 1 - np.exp(-168 * 0.002)  # in neither arm
    expected = 20_000 * (1 - crashed_before) * (1 - np.exp(-0.002 * hours))
    assert len(mishaps.crashes) == pytest.approx(expected, abs=5 * expected**0.5)


def test_an_exposed_host_crashes_as_much_more_often_as_the_fault_says():
    told = scenario(fixed_bake_hours=20.0, fleet={"hosts": 20_000}, fault={"ratio": 1.5})
    world, passage, mishaps, _ = run(told, policy_of(told), 4, 0, most_crashes=100_000)
    assert passage.ended is not None
    last = [one for one in mishaps.crashes if one.at > 40 * 3600]
    exposed = sum(one.exposed for one in last)
    expected = sum(
        1.5 * one.exposed_at_risk / (1.5 * one.exposed_at_risk + max(one.control_at_risk, 1)) for one in last
    )
    assert len(last) > 300
    assert exposed == pytest.approx(expected, abs=5 * len(last) ** 0.5)
    assert world.fleet.granted == 20_000 - 1000


def test_silent_hosts_are_not_granted_and_dark_ones_leave_the_risk_sets():
    rows = played(seed=6, keep=True, fleet={"hosts": 400, "dark_per_host_hour": 0.02}).evidence
    dark = [row for row in rows if isinstance(row, FailureRow) and row.guard == "dark"]
    assert {row.arm for row in dark} == {"exposed", "control"}
    assert all(row.exposed_at_risk + row.control_at_risk > 0 for row in dark)


def test_a_gateway_outage_blinds_the_judge_and_nothing_is_granted_through_it():
    told = {"disturbance": {"gateway_outage": {"at_hours": 0.05, "for_minutes": 20.0}}}
    rows = played(seed=3, keep=True, **told).evidence
    blind = [row.at for row in rows if isinstance(row, TickRow) and row.blind == "gateway"]
    assert blind == [180.0]
    assert not [row for row in rows if 180.0 < row.at < 1380.0]
    assert [row for row in rows if isinstance(row, AdoptionRow) and row.at >= 1380.0]


def test_at_risk_counts_are_those_of_the_states_whatever_happened():
    rng = np.random.default_rng(1)
    fleet = Fleet([[40, 25], [0, 30]], [9, 6], ["canary", "rest"], ["a", "b"])
    fleet.exclude(np.array([3, 50, 70]))
    bits = [CONFIRMED, FAILED, CRASHED, OWN, DARKENED, DARK]
    fleet.grant(0, 40)
    fleet.grant(40, 60)
    for host in rng.integers(0, fleet.hosts, 300).tolist():
        fleet.move(host, fleet.state[host] | int(rng.choice(bits)) if host < 60 else fleet.state[host] | CRASHED)
    fleet.grant(65, 80)
    for number in range(len(GUARDS)):
        for stratum in (0, 1):
            counted = [0, 0, 0]
            for host in range(fleet.hosts):
                place = PLACES[number][fleet.state[host]]
                if fleet.cell(host).stratum == stratum and place >= 0:
                    counted[place] += 1
            assert fleet.at_risk[number][stratum] == counted
    assert fleet.granted == sum(bool(state & GRANTED) for state in fleet.state)
    assert fleet.confirmed == sum(bool(state & CONFIRMED) for state in fleet.state)
    assert fleet.dark_exposed == sum(state & DARK > 0 and state & GRANTED > 0 for state in fleet.state)
    assert sum(bool(state & EXCLUDED) for state in fleet.state) == 3


def test_the_answer_has_what_the_contract_says():
    outcomes = [played(number=number, fault={"ratio": 30.0}) for number in range(4)]
    found = answer(outcomes, 1.0)
    assert found["runs"] == 4
    assert found["halted"] + found["paused"] + found["completed"] + found["held"] + found["running"] == 4
    assert found["halted"] > 0
    assert found["harmed"].keys() == {"mean", "p50", "p95", "max"}
    assert found["information_ratio"] > 0
    assert found["sprt_ratio"] > 0


def test_wilson_intervals_and_spreads():
    assert wilson(0, 100) == (0.0, pytest.approx(0.037, abs=5e-4))
    assert wilson(50, 100) == (pytest.approx(0.4038, abs=1e-4), pytest.approx(0.5962, abs=1e-4))
    assert wilson(100, 100)[1] == 1.0
    assert spread([1.0, None, 3.0]) == {"mean": 2.0, "p50": 1.0, "p95": 3.0, "max": 3.0}
    assert spread([None]) is None


def test_a_picture_is_well_formed_and_tells_rings_stops_and_harm():
    told = scenario(fault={"ratio": 30.0})
    outcomes = [play(told, policy_of(told), 1, number, keep=number == 0) for number in range(3)]
    drawn = draw("A <title> & more", policy_of(told), outcomes[0].evidence, outcomes)
    picture = ET.fromstring(drawn)  # noqa: S314 - our own text
    words = [text.text for text in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert "A <title> & more" in words
    assert {"canary", "halted", "halt 100", "pause 20", "runs by hosts harmed (3 runs)"} <= set(words)
