"""What a failure proves in a band of time since boot that has no match in control."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollout.judge.columns import columns
from rollout.judge.eprocess import log_mean
from rollout.judge.guards import HARM
from rollout.judge.promotion import SAFETY, SafetyState
from tests.core.judge_story import Story

HOSTS = st.integers(1, 50_000)


def factors(margin, y1, y0, confirmed, in_stratum, **fields):
    """The factors (grid,) of a row whose host is exposed, and whose is control."""
    found = []
    for arm in ("exposed", "control"):
        story = Story().failure(
            "crash", arm, y1, y0, band="<30m", exposed_confirmed=confirmed, control_in_stratum=in_stratum, **fields
        )
        of = columns(story.rows[1:], np.zeros(1, np.int64))
        found.append(np.exp(SAFETY.advance(SAFETY.start(1), of.safety(np.array([margin])), of.weight))[0])
    return found


@settings(max_examples=200, deadline=None)
@given(HOSTS, HOSTS, st.integers(0, 50_000), HOSTS, st.integers(0, 50_000), st.sampled_from([1.7, 3.0, 10.0]))
def test_in_each_band_a_weighed_row_is_fair_at_the_margin(y1, y0, confirmed, others, proven, margin):
    """Whatever the band's own hazard: its mean is at most 1 where exposed hosts fail at the margin or more often."""
    confirmed = min(confirmed, y1)
    f1, f0 = factors(margin, y1, y0, confirmed, y0 + others, confirmed_in_stratum=confirmed + proven)
    for ratio in (margin, 2 * margin):
        share = ratio * y1 / (ratio * y1 + y0)
        assert (share * f1 + (1 - share) * f0).max() <= 1 + 1e-9


def test_without_the_stratum_s_confirmed_hosts_such_a_row_proves_nothing_and_is_held_against_it_whole():
    f1, f0 = factors(1.7, 40_000, 1000, 40_000, 50_000)
    assert (f0 == 1.0).all()
    light, proof = factors(1.7, 40_000, 1000, 40_000, 50_000, confirmed_in_stratum=50_000)
    assert (f1 < light).all()
    assert (light < 1.0).all()
    assert (proof > 1.0).all()


def test_where_control_has_nobody_an_exposed_failure_still_counts_against_it():
    f1, _ = factors(1.7, 20, 0, 20, 10, confirmed_in_stratum=20)
    assert (f1 < 1.0).all()


@settings(max_examples=100, deadline=None)
@given(HOSTS, HOSTS, HOSTS, st.floats(1.0, 10.0))
def test_bands_without_a_match_are_a_fair_game_in_a_fleet_that_never_restarts(young, old, y0, restarted):
    """Some exposed hosts are young and all of control is old: a restart may make a host ten times as likely to fail."""
    beside = {"exposed_unmatched": young, "control_in_stratum": y0}
    failures = {
        "young": ("exposed", "<30m", (young, 0), {**beside, "confirmed_in_stratum": 0}),
        "old": ("exposed", "more", (old, y0), beside),
        "control": ("control", "more", (old, y0), beside),
    }
    own, wide = {}, {}
    for name, (arm, band, at_risk, fields) in failures.items():
        rows = columns(Story().failure("crash", arm, *at_risk, band=band, **fields).rows[1:], np.zeros(1, np.int64))
        drawn = rows.harm(np.ones(1))
        own[name], wide[name] = (np.exp(HARM.gains(each))[0] for each in (drawn, rows.wide(np.ones(1), drawn)))
    hazards = {"young": restarted * young, "old": float(old), "control": float(y0)}
    for factors in (own, wide):
        mean = sum(hazards[name] * factors[name] for name in failures) / sum(hazards.values())
        assert mean.max() <= 1 + 1e-9
    assert (own["young"] == 1).all(), "nobody of control is as young"
    assert (wide["old"] == 1).all(), "they have their own match"
    assert (wide["young"] > 1).all()


def test_where_bands_without_a_match_begin_nothing_is_lost_but_a_quarter():
    """An average of two: however quiet the young are, what the old say counts for three quarters at least."""
    apart = {"exposed_unmatched": 40_000, "control_in_stratum": 50_000}
    story, plain = Story().failure("crash", y1=50, y0=500), Story().failure("crash", y1=50, y0=500)
    for _ in range(30):
        story.failure("crash", "control", 0, 50_000, band="more", **apart)
    story.failure("crash", y1=50, y0=500, band="more", **apart)
    plain.failure("crash", y1=50, y0=500)
    assert 0.75 * plain.judge().guards["crash"] == pytest.approx(story.judge().guards["crash"], rel=1e-4)


def proof_of(young, hours, seed):
    """The highest P against 1.7 of a driver that crashes so many times as often within half an hour of each boot.

    40 000 hosts adopt beside 10 000 that have it and 50 000 control; 2 % of a settled fleet booted lately.
    """
    rng, rate = np.random.default_rng(seed), 2.08e-4
    state, highest = SafetyState.start([1.7]), 0.0
    for at in np.arange(0.0, hours, 0.5).tolist():
        fresh = 40_800 if at == 0.0 else 1000
        bands = [("<30m", fresh, 1000, young), ("more", 50_000 - fresh, 49_000, 1.0)]
        story = Story()
        for band, exposed, control, times in bands:
            whole = {"control_in_stratum": 50_000, "confirmed_in_stratum": 50_000} if control < exposed / 2 else {}
            for arm, hosts in (("exposed", exposed * times), ("control", control)):
                for _ in range(rng.poisson(hosts * rate * 0.5)):
                    story.failure("crash", arm, exposed, control, band=band, exposed_confirmed=exposed, **whole)
        if len(story.rows) > 1:
            rows = [story.rows[1 + n] for n in rng.permutation(len(story.rows) - 1)]
            state = state.fold(columns(rows, np.zeros(len(rows), np.int64)))
        highest = max(highest, float(log_mean(state.log_m["crash"])[0]))
    return math.exp(min(highest, 700.0))


@pytest.mark.parametrize("young", [36.0, 60.0])  # on average 1.7 and 2.2 times as often
def test_a_driver_that_is_worst_after_boots_is_not_promoted_on_its_good_hours(young):
    promoted = sum(proof_of(young, 48.0, seed) >= 20.0 for seed in range(20))
    assert promoted <= 2, "5 % of runs are allowed"


def test_a_good_driver_is_promoted_within_a_day():
    assert sum(proof_of(1.0, 24.0, seed) >= 20.0 for seed in range(10)) >= 9
