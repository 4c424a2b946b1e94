"""Oracles of the e-processes that do not share their code (JUDGE section 7)."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollout.judge.eprocess import HARM_RATIOS, SAFETY_RATIOS, Draws, EProcess, draws, log_mean
from rollout.judge.guards import HARM
from rollout.judge.interval import RATIOS, IntervalState
from rollout.judge.processes import Processes
from rollout.judge.reach import hours_to_promote, information, smallest_fault

AT_RISK = st.integers(0, 100_000)
ROW = st.tuples(st.booleans(), AT_RISK, AT_RISK)
ROWS = st.lists(ROW, min_size=1, max_size=12)


def as_draws(rows, null_ratio=1.0):
    exposed, y1, y0 = np.array(rows, dtype=float).T
    return draws(exposed, y1, y0, null_ratio)


def fold(processes, rows):
    """Fold the same number of rows (processes, rows) into each; return ln E after each row, looking everywhere."""
    count, size = rows.share.shape
    flat = Draws(rows.exposed.reshape(-1), rows.share.reshape(-1))
    everywhere = np.arange(count * size)
    seen = processes.take(np.repeat(np.arange(count), size), everywhere, flat, everywhere)
    return seen.reshape(count, count, size)[np.arange(count), np.arange(count)]


def one(rows):
    return Draws(rows.exposed[None], rows.share[None])


def log_e(rows, process=HARM, null_ratio=1.0):
    return float(log_mean(process.advance(process.start(), as_draws(rows, null_ratio))))


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 40), st.integers(1, 40), st.integers(1, 5000), st.integers(1, 5000))
def test_at_a_constant_share_the_closed_form_holds(x, n, y1, y0):
    x = min(x, n)
    state = HARM.advance(HARM.start(), as_draws([(i < x, y1, y0) for i in range(n)]))
    q0 = y1 / (y1 + y0)
    q = HARM_RATIOS * y1 / (HARM_RATIOS * y1 + y0)
    assert state == pytest.approx(x * np.log(q / q0) + (n - x) * np.log((1 - q) / (1 - q0)), rel=1e-9, abs=1e-9)


@settings(max_examples=100, deadline=None)
@given(st.lists(ROW, max_size=6), st.integers(1, 10_000), st.integers(1, 10_000), st.sampled_from([1.0, 1.25, 10.0]))
def test_the_one_step_mean_is_exactly_one_under_the_null_and_less_below_it(past, y1, y0, null):
    for process, better in ((HARM, 0.5), (EProcess(SAFETY_RATIOS), 2.0)):
        state = process.advance(process.start(), as_draws(past, null)) if past else process.start()
        after = [math.exp(log_mean(process.advance(state, as_draws([(x, y1, y0)], null)))) for x in (0, 1)]
        before = math.exp(log_mean(state))
        q = null * y1 / (null * y1 + y0)
        assert q * after[1] + (1 - q) * after[0] == pytest.approx(before, rel=1e-12)
        safer = better * null * y1 / (better * null * y1 + y0)
        assert safer * after[1] + (1 - safer) * after[0] <= before * (1 + 1e-12)


@settings(max_examples=100, deadline=None)
@given(st.lists(ROW, max_size=8), st.integers(1, 10_000), st.integers(1, 10_000), st.floats(1.5, 2000))
def test_boosting_keeps_the_one_step_mean_and_never_passes_the_cap(past, y1, y0, cap):
    before, *after = (Processes([cap]) for _ in range(3))
    for processes in (before, *after):
        if past:
            assert fold(processes, one(as_draws(past))).max() <= math.log(cap)
    after = [math.exp(fold(processes, one(as_draws([(x, y1, y0)])))[0, -1]) for x, processes in enumerate(after)]
    q = y1 / (y1 + y0)
    before = math.exp(before.log_e[0])
    capped = before >= cap * (1 - 1e-12)
    assert max(after) <= cap * (1 + 1e-12)
    assert capped or q * after[1] + (1 - q) * after[0] == pytest.approx(before, rel=1e-9)
    safer = 0.5 * y1 / (0.5 * y1 + y0)
    assert safer * after[1] + (1 - safer) * after[0] <= before * (1 + 1e-9)


def test_enumerating_all_outcomes_the_mean_stays_one():
    at_risk = [(5, 20), (4, 20), (4, 19), (3, 3), (2, 1), (9, 1)]
    for cap in (math.inf, 8.0):
        total = 0.0
        for outcome in range(2 ** len(at_risk)):
            xs = [outcome >> i & 1 for i in range(len(at_risk))]
            chance = math.prod(y1 / (y1 + y0) if x else y0 / (y1 + y0) for x, (y1, y0) in zip(xs, at_risk, strict=True))
            rows = as_draws([(x, *pair) for x, pair in zip(xs, at_risk, strict=True)])
            total += chance * math.exp(fold(Processes([cap]), one(rows))[0, -1])
        assert total == pytest.approx(1.0, abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(ROWS, ROW)
def test_one_more_exposed_failure_never_lowers_e_and_a_control_failure_never_raises_it(rows, more):
    _, y1, y0 = more
    assert log_e([*rows, (True, y1, y0)]) >= log_e(rows) - 1e-12
    assert log_e([*rows, (False, y1, y0)]) <= log_e(rows) + 1e-12


@settings(max_examples=60, deadline=None)
@given(ROWS, st.randoms(use_true_random=False))
def test_the_order_of_rows_with_their_own_risk_sets_does_not_matter(rows, random):
    shuffled = random.sample(rows, len(rows))
    assert log_e(shuffled) == pytest.approx(log_e(rows), abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(1, 1000), st.integers(1, 1000)), min_size=1, max_size=12))
def test_relabelling_the_arms_and_inverting_the_ratio_gives_the_same_process(rows):
    mirrored = [(not x, y0, y1) for x, y1, y0 in rows]
    inverse = EProcess(1.0 / HARM_RATIOS)
    assert log_e(mirrored, inverse, 1.0 / 1.25) == pytest.approx(log_e(rows, HARM, 1.25), abs=1e-9)


def test_without_control_nothing_changes_and_without_exposed_only_an_exposed_failure_speaks():
    assert log_e([(True, 5, 0), (False, 0, 0), (True, 0, 0)]) == 0.0
    assert log_e([(False, 0, 9)]) == 0.0
    assert log_e([(True, 0, 9)]) == pytest.approx(math.log(HARM_RATIOS.mean()))


@settings(max_examples=40, deadline=None)
@given(st.lists(ROW, min_size=2, max_size=40), st.integers(1, 39))
def test_folding_in_any_chunks_gives_the_same_bits(rows, cut):
    cut = min(cut, len(rows) - 1)
    for cap in (math.inf, 20.0):
        whole, parts = Processes([cap]), Processes([cap])
        fold(whole, one(as_draws(rows)))
        for part in (rows[:cut], rows[cut:]):
            fold(parts, one(as_draws(part)))
        assert parts.log_e[0] == whole.log_e[0]
    ratios = EProcess(SAFETY_RATIOS)
    later = ratios.advance(ratios.advance(ratios.start(), as_draws(rows[:cut])), as_draws(rows[cut:]))
    assert (later == ratios.advance(ratios.start(), as_draws(rows))).all()


def test_many_rollouts_are_the_same_call_as_one():
    rng = np.random.default_rng(3)
    exposed = (rng.random((50, 30)) < 0.4).astype(float)
    share = rng.random((50, 30)) * 0.3
    batch = fold(Processes([300.0] * 50), Draws(exposed, share))
    single = [fold(Processes([300.0]), Draws(exposed[i : i + 1], share[i : i + 1]))[0] for i in range(50)]
    assert (batch == np.array(single)).all()
    assert batch.max() == math.log(300.0), "the example reaches the cap"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 50), st.integers(0, 400)), min_size=1, max_size=40))
def test_where_nobody_looks_no_e_was_higher(rows):
    drawn, cap = as_draws(rows), 200.0
    everywhere = fold(Processes([cap]), one(drawn))[0]
    looks = np.array(sorted({i for i, (exposed, *_) in enumerate(rows) if exposed} | {len(rows) - 1}))
    size = len(rows)
    seen = Processes([cap]).take(np.zeros(size, np.int64), np.arange(size), drawn, looks)[0]
    assert (seen == everywhere[looks]).all()
    assert np.maximum(seen.max(), 0.0) == pytest.approx(max(everywhere.max(), 0.0), abs=1e-12)


def test_the_interval_holds_the_truth_at_every_look_in_nineteen_of_twenty_runs():
    rng = np.random.default_rng(5)
    missed = 0
    for _ in range(200):
        exposed = (rng.random(300) < 2 * 0.3 / (2 * 0.3 + 0.7)).astype(float)
        low, high = IntervalState.start().fold(Draws(exposed, np.full(300, 0.3))).limits()
        missed += not low <= 2.0 <= (high or math.inf)
    assert missed <= 20


@pytest.mark.parametrize("size", [1, 64, 255, 300])
def test_the_interval_in_any_chunks_has_the_same_bits_and_those_of_a_cumulative_sum(size):
    rng = np.random.default_rng(8)
    rows = Draws((rng.random(700) < 0.4).astype(float), rng.random(700))
    whole, parts = IntervalState.start().fold(rows), IntervalState.start()
    for start in range(0, 700, size):
        parts = parts.fold(Draws(rows.exposed[start : start + size], rows.share[start : start + size]))
    assert (whole.low, whole.high, whole.rows) == (parts.low, parts.high, parts.rows)
    assert (whole.log_m == parts.log_m).all()
    assert (whole.log_m == RATIOS.path(RATIOS.start(), rows)[-1]).all()


def test_what_a_ring_can_see_agrees_with_the_oracles():
    many = 10**9
    for ratio, crashes in ((1.5, 63.8), (2, 23.8), (3, 10.7), (5, 5.7), (10, 3.3), (50, 1.6)):
        needed = math.log(100) / information(ratio, 1.0, 1, many)
        assert ratio * needed == pytest.approx(crashes, abs=0.06)
        assert smallest_fault(1, many, needed, 100) == pytest.approx(ratio, rel=1e-3)
    for margin, baseline in ((10, 0.45), (5, 1.25), (3, 3.3), (2, 9.8)):
        assert hours_to_promote(margin, 1, many, 1.0) == pytest.approx(baseline, rel=0.02)
    assert smallest_fault(0, 100, 1.0, 100) is None
    assert hours_to_promote(10, 5, 0, 1.0) is None
