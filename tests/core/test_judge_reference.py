"""The judge agrees with a reference written from the formulas alone, on random evidence."""

import json
import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.early_life import early_life_bound, early_life_bounds
from policies.load import load
from rollout.judge.eprocess import Draws, log_mean
from rollout.judge.promotion import SAFETY, SafetyState
from tests.core.judge_reference import Reference, early_life, interval
from tests.core.judge_story import POLICY, Story

GUARDS = ("crash", "crash_or_dark", "dark", "own")
NAMES = ("a", "b", "c", "other")
MARGINS = sorted({ring.promote.margin for ring in POLICY.rings if ring.promote.margin is not None})
FAILURE = st.tuples(
    st.sampled_from(GUARDS), st.sampled_from([*NAMES, "new"]), st.booleans(), st.integers(0, 400),
    st.one_of(st.integers(0, 400), st.integers(0, 3000)), st.floats(0, 1),
    st.sampled_from([None, None, "<30m", "more"]), st.integers(0, 5000), st.one_of(st.none(), st.integers(0, 2000)),
    st.one_of(st.none(), st.integers(0, 3000)),
)  # fmt: skip


def policy_of(**judge):
    told = json.loads(json.dumps(POLICY.document()))
    told["judge"] |= judge
    return load(told)


def story_of(failures, strata, policy=POLICY):
    story = Story(policy, strata=strata)
    for guard, stratum, exposed, y1, y0, confirmed, band, whole, proven, others in failures:
        story.failure(
            guard, "exposed" if exposed else "control", y1, y0, stratum=stratum, band=band,
            exposed_confirmed=round(confirmed * y1), control_in_stratum=None if band is None else y0 + whole,
            confirmed_in_stratum=None if band is None else proven,
            exposed_unmatched=None if band is None or others is None else others,
        )  # fmt: skip
    return story


def agree(story, strata, *, boost=True, picked=False):
    reference = Reference(strata, MARGINS, boost=boost)
    for row in story.rows[1:]:
        reference.row(row, picked)
    fold = story.fold()
    judged = fold.judgement()
    expected = {name: guard.value for name, guard in reference.guards.items()}
    expected |= {f"stratum:{name}": guard.value for name, guard in reference.strata.items()}
    assert judged.guards.keys() == expected.keys()
    for name, value in expected.items():
        assert log(judged.guards[name]) == pytest.approx(log(value), abs=1e-9), name
    assert math.log(judged.e) == pytest.approx(math.log(reference.e), abs=1e-9)
    assert (judged.halt.seq if judged.halt else None) == reference.crossed.get(100.0)
    assert (fold.first_pause.seq if fold.first_pause else None) == reference.crossed.get(20.0)
    for (guard, margin), process in reference.safety.items():
        assert log(fold._failures.observed.safety.evidence(margin)[guard]) == pytest.approx(process.log_e, abs=1e-9)


def log(value):
    return math.log(value) if value > 1e-300 else -math.inf


@settings(max_examples=30, deadline=None)
@given(st.lists(FAILURE, max_size=40), st.sampled_from([("a",), ("a", "b"), NAMES, ()]), st.booleans())
def test_every_process_agrees_with_the_reference_on_random_evidence(failures, strata, boost):
    agree(story_of(failures, strata, policy_of(boost=boost)), strata, boost=boost)


@settings(max_examples=8, deadline=None)
@given(st.lists(FAILURE, min_size=1, max_size=30))
def test_hand_picked_rings_agree_with_the_reference(failures):
    told = json.loads(json.dumps(POLICY.document()))
    told["rings"][0]["select"] = {"tags": ["internal"]}
    story = Story(load(told), strata=NAMES).tick(0)
    rows = story_of(failures, NAMES).rows[1:]
    for row in rows:
        story.failure(row.guard, row.arm, row.exposed_at_risk, row.control_at_risk, stratum=row.stratum, band=row.band,
                      control_in_stratum=row.control_in_stratum, exposed_confirmed=row.exposed_confirmed,
                      exposed_unmatched=row.exposed_unmatched)  # fmt: skip
    reference = Reference(NAMES, MARGINS)
    for row in story.rows[2:]:
        reference.row(row, picked=True)
    assert math.log(story.judge().e) == pytest.approx(math.log(reference.e), abs=1e-9)


@pytest.mark.parametrize(
    "ratio", [3.0, pytest.param(1.0, marks=pytest.mark.slow), pytest.param(20.0, marks=pytest.mark.slow)]
)
def test_a_long_rollout_agrees_with_the_reference(ratio):
    rng = np.random.default_rng(11)
    story = Story(strata=NAMES)
    for number in range(600):
        y1, y0 = int(rng.integers(1, 2000)), int(rng.integers(500, 5000))
        exposed = rng.random() < ratio * y1 / (ratio * y1 + y0)
        story.failure(GUARDS[number % 4], "exposed" if exposed else "control", y1, y0,
                      stratum=NAMES[int(rng.integers(4))], exposed_confirmed=y1 // 2)  # fmt: skip
    agree(story, NAMES)


@settings(max_examples=5, deadline=None)
@given(st.lists(FAILURE.map(lambda each: ("crash", *each[1:])), min_size=1, max_size=25))
def test_the_interval_agrees_with_a_process_for_each_null(failures):
    story = story_of(failures, ("a",))
    assert story.judge().ratio == interval(story.rows[1:])


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 100_000), st.floats(0, 1))
def test_the_early_life_bound_is_the_root_of_its_definition(n, share):
    x = min(n, int(share * n))
    assert early_life_bound(n, x) == pytest.approx(early_life(n, x), rel=1e-9)


def test_the_bound_of_nobody_is_one_and_falls_with_every_clean_confirmation():
    bounds = [early_life_bound(n, 0) for n in range(200)]
    assert bounds[0] == 1.0
    assert all(after < before for before, after in pairwise(bounds))


def test_the_bound_covers_the_truth_at_all_times_together():
    rng = np.random.default_rng(2)
    for p in (0.02, 0.3):
        failures = np.cumsum(rng.random((1000, 150)) < p, axis=1)
        outcomes = np.broadcast_to(np.arange(1, 151), failures.shape)
        assert (early_life_bounds(outcomes, failures) < p).any(axis=1).mean() <= 0.05


def test_the_promoting_process_rarely_excludes_a_margin_that_is_true():
    rng = np.random.default_rng(4)
    margin, y1, y0 = 3.0, 50, 950
    share = margin * y1 / (margin * y1 + y0)
    exposed = (rng.random((1000, 150)) < share).astype(float)
    path = SAFETY.path(SAFETY.start(1000), Draws(exposed, np.full((1000, 150), share)))
    assert (log_mean(path) >= math.log(20)).any(axis=-1).mean() <= 0.05
    assert SafetyState.start([margin]).evidence(margin) == {"crash": 1.0, "crash_or_dark": 1.0}
