"""Other rules for halting: what each counts, on paths made by hand and on simulated ones."""

import math

import numpy as np
import pytest

from rollout.simulation.peers.compare import compare
from rollout.simulation.peers.path import Path, record
from rollout.simulation.peers.rules import (
    RULES,
    canary_score,
    clairvoyant,
    fixed_threshold,
    fixed_threshold_per_ring,
    group_error_share,
    hourly_z,
    job_failure_share,
    max_sprt,
    obrien_fleming,
)
from rollout.simulation.scenario import Scenario, policy_of


def path(reports, sizes=(100, 900), step=24.0, ratio=10.0, control=10_000.0):
    """Reports are (hour, ring or -1 for control)."""
    at, ring = (np.array(column) for column in zip(*reports, strict=True))
    opened = np.arange(len(sizes)) * step
    granted = np.concatenate([[0.0], np.cumsum(sizes)])
    return Path(
        at=at.astype(float),
        ring=ring.astype(int),
        first=np.ones(at.size, bool),
        exposed=granted[np.searchsorted(opened, at, side="right")],
        control=np.full(at.size, control),
        opened=opened,
        sizes=np.array(sizes, float),
        end=step * len(sizes),
        harm=np.zeros(0),
        halt=None,
        ratio=ratio,
    )


def reached(course, threshold):
    over = course.value >= threshold
    return float(course.at[over.argmax()]) if over.any() else None


def test_a_fixed_threshold_halts_at_the_fourth_bad_hour():
    bad = path([(hour + 0.5, 0) for hour in (1, 3, 5, 8, 11)])
    assert reached(fixed_threshold(bad), 0.01) == 9.0
    assert reached(fixed_threshold(bad), 0.02) is None


def test_an_analysis_for_each_ring_forgets_the_ring_before():
    spread = path([(1.5, 0), (2.5, 0), (26.5, 1), (27.5, 1)])
    assert reached(fixed_threshold(spread), 0.001) == 28.0
    assert reached(fixed_threshold_per_ring(spread), 0.001) is None


def test_error_shares_count_hosts_of_a_group_or_of_all_that_executed():
    crashes = path([(1.0, 0), (2.0, 0), (25.0, 1), (26.0, 1)])
    assert group_error_share(crashes).value.tolist() == [0.01, 0.02, 1 / 900, 2 / 900]
    assert job_failure_share(crashes).value.tolist() == [0.01, 0.02, 0.003, 0.004]
    assert job_failure_share(path([(1.0, 0)], sizes=(50, 950))).value.tolist() == [0.0]


def test_the_z_test_is_the_log_rank_of_the_crashes_so_far():
    share = 100 / 10_100
    crashes = path([(0.5, 0), (0.7, -1), (0.9, -1)])
    expected = (1 - 3 * share) / math.sqrt(3 * share * (1 - share))
    assert hourly_z(crashes).value[0] == pytest.approx(expected)


def test_obrien_fleming_looks_at_the_end_of_each_bake_only():
    looks = obrien_fleming(path([(0.5, 0), (30.0, -1)]))
    assert looks.at.tolist() == [24.0, 48.0]
    share = 100 / 10_100
    assert looks.value[0] == pytest.approx((1 - share) / math.sqrt(share * (1 - share)) * math.sqrt(1 / 2))


def test_the_canary_score_needs_ten_hours_and_sees_an_arm_that_crashes_each_hour():
    every_hour = path([(hour + 0.5, 0) for hour in range(24)])
    course = canary_score(every_hour)
    assert (course.value[:9] == 0.0).all()
    assert course.value[20] > 2.326
    quiet = path([(hour + 0.5, -1) for hour in range(24)])
    assert canary_score(quiet).value.max() <= 0.0


def test_the_best_ratio_is_never_less_likely_than_the_one_that_is_known():
    crashes = path([(float(hour), ring) for hour, ring in enumerate((0, -1, 0, -1, 0, -1, -1, 0), start=1)])
    assert (max_sprt(crashes).value >= clairvoyant(crashes).value - 0.05).all()
    assert reached(clairvoyant(crashes), math.log(100)) == 5.0


def test_every_rule_answers_for_a_path_without_a_crash():
    nothing = path([(1.0, -1)])
    empty = Path(
        **{name: getattr(nothing, name) for name in nothing.__slots__}
        | {name: getattr(nothing, name)[:0] for name in ("at", "ring", "first", "exposed", "control")}
    )
    for rule in RULES:
        assert reached(rule.statistic(empty), 0.01) is None, rule.name


@pytest.mark.slow
def test_a_comparison_is_on_the_same_paths_and_tells_every_rule():
    told = Scenario.model_validate(
        {"fleet": {"hosts": 800, "crash_per_host_hour": 0.002}, "fault": {"ratio": 20.0}, "fixed_bake_hours": 4.0}
    )
    rows = compare(told, policy_of(told), 1, 3, 1, lambda paths: paths)
    assert {row["rule"] for row in rows} == {"this judge", *(rule.name for rule in RULES)}
    assert all(0.0 <= row["halted"] <= 1.0 and row["harmed"]["mean"] >= 0 for row in rows)
    assert rows[0]["halted"] == 1.0
    again = record(told, policy_of(told), 1, 7)
    assert again.halt == record(told, policy_of(told), 1, 7).halt
