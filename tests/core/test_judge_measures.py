"""Measures: numbers beside crashes are judged by pairs, by bets that nobody can win under the null."""

import itertools
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp

from policies.document import Measure
from policies.load import load
from rollout.evidence.rows import EvidenceError, Header, MeasureRow, dump, read
from rollout.judge import Fold
from rollout.judge.explain import terms
from rollout.judge.measures import STAKES, Measures
from rollout.judge.replay import replay
from tests.core.judge_story import POLICY, Story

CPU = Measure(name="cpu", lowest=0.0, highest=1.0, margin=0.02, weight=0.2)
BOOT = Measure(name="boot.seconds", lowest=10.0, highest=310.0, margin=15.0, weight=0.1)
VALUES = st.floats(-1e15, 1e15) | st.floats(-0.5, 1.5)
PAIRS = st.lists(st.tuples(st.sampled_from(["cpu", "boot.seconds"]), VALUES, VALUES), max_size=25)


def policy_of(*measures, select=None, **judge):
    told = json.loads(json.dumps(POLICY.document()))
    judge["weights"] = {"crash": round(0.3 - sum(measure.weight for measure in measures), 9)} | judge.get("weights", {})
    told["judge"] |= judge | {"measures": [measure.model_dump(mode="json") for measure in measures]}
    told["judge"]["weights"] = POLICY.document()["judge"]["weights"] | judge["weights"]
    told["rings"][0]["select"] = select
    return load(told)


class Measured(Story):
    """A story whose policy measures."""

    def __init__(self, *measures, strata=("a",), **policy):
        super().__init__(policy_of(*measures, **policy), strata)
        named = {measure.name: measure.weight for measure in measures}
        self.rows[0] = Header(rollout="r", strata=list(strata), policy_digest="0", policy=self.policy.document(),
                              measures=named)  # fmt: skip

    def pair(self, exposed, control, measure="cpu", ring="canary"):
        return self.add(MeasureRow, ring=ring, stratum="a", measure=measure, exposed=exposed, control=control)


def reference(measure, pairs, doubled=False):
    """ln E from the formula alone: the mean over stakes of the product of 1 + l (d - m)."""
    width = measure.highest - measure.lowest
    margin = measure.margin / width * (2 if doubled else 1)
    logs = []
    for share in np.geomspace(0.01, 0.95, 24):
        stake, total = share / (1 + margin), 0.0
        for exposed, control in pairs:
            x, y = (min(max(value, measure.lowest), measure.highest) for value in (exposed, control))
            total += math.log(1 + stake * ((x - y) / width - margin))
        logs.append(total)
    return float(logsumexp(logs) - math.log(len(logs)))


def folded(pairs, measure=CPU, doubled=False):
    rows = Measured(measure)
    for exposed, control in pairs:
        rows.pair(exposed, control, measure.name)
    size = len(pairs)
    state, _ = Measures.start([measure]).fold(rows.rows[1:], np.full(size, doubled), np.zeros(size, bool))
    return state


@settings(max_examples=25, deadline=None)
@given(PAIRS)
def test_every_measure_and_their_sum_agree_with_the_reference(pairs):
    story = Measured(CPU, BOOT)
    for name, exposed, control in pairs:
        story.pair(exposed, control, name)
    judged = story.judge()
    total = 0.7
    for measure in (CPU, BOOT):
        log_e = reference(measure, [(x, y) for name, x, y in pairs if name == measure.name])
        assert math.log(judged.guards[f"measure:{measure.name}"]) == pytest.approx(log_e, abs=1e-9)
        total += measure.weight * math.exp(log_e)
    assert math.log(judged.e) == pytest.approx(math.log(total), abs=1e-9)


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=6),
    st.floats(0, 0.9), st.lists(st.floats(0, 1), min_size=2, max_size=4), st.randoms(use_true_random=False),
)  # fmt: skip
def test_the_one_step_mean_is_at_most_one_whatever_the_distribution_under_the_null(past, margin, support, random):
    measure = CPU.model_copy(update={"margin": margin})
    before = measure_e(folded(past, measure))
    chances = np.array([random.random() + 1e-9 for _ in support])
    chances /= chances.sum()
    mean = float(chances @ support)
    shifted = [min(1.0, value + margin) for value in support]  # exposed: the mean is at most `margin` above control's
    expected = sum(
        p * q * measure_e(folded([*past, (x, y)], measure))
        for (p, x), (q, y) in itertools.product(zip(chances, shifted, strict=True), zip(chances, support, strict=True))
    )
    assert float(chances @ shifted) - mean <= margin + 1e-12
    assert expected <= before * (1 + 1e-12)


def test_at_the_edge_of_the_null_the_one_step_mean_is_exactly_one():
    measure = CPU.model_copy(update={"margin": 0.5})
    state = [folded([pair], measure) for pair in ((1.0, 0.0), (0.0, 0.0))]  # difference 1 or 0: its mean is the margin
    assert 0.5 * measure_e(state[0]) + 0.5 * measure_e(state[1]) == pytest.approx(1.0, abs=1e-12)
    assert measure_e(folded([(0.5, 0.0)], measure)) == 1.0


def measure_e(state):
    return next(iter(state.e.values()))


def paths(exposed, control, measure=CPU):
    """E after each pair of many rollouts, (runs, pairs), by the formula."""
    width = measure.highest - measure.lowest
    margin = measure.margin / width
    x, y = (np.clip(values, measure.lowest, measure.highest) for values in (exposed, control))
    steps = np.log1p(STAKES / (1 + margin) * ((x - y) / width - margin)[..., None])
    return np.exp(np.cumsum(steps, axis=1)).mean(axis=-1)


@pytest.mark.parametrize("draw", ["flat", "rare", "heavy"])
def test_under_the_null_evidence_of_twenty_is_reached_in_at_most_one_of_twenty_rollouts(draw):
    rng = np.random.default_rng(3)

    def drawn(shift):
        match draw:
            case "flat":
                return rng.random((600, 250)) * 0.5 + shift
            case "rare":
                return (rng.random((600, 250)) < 0.03 + shift).astype(float)
            case _:
                return rng.pareto(1.1, (600, 250)) * 0.1  # no mean to speak of: winsorising makes one

    runs = paths(drawn(CPU.margin), drawn(0.0))
    assert (runs.max(axis=1) >= 20).mean() <= 0.05


def test_a_measure_that_rises_by_a_tenth_is_found_within_some_hundred_pairs():
    rng = np.random.default_rng(4)
    noise = rng.normal(0.2, 0.1, (2, 300, 400))
    runs = paths(noise[0] + 0.1, noise[1])
    found = (runs >= 1 / (CPU.weight * 0.01)).argmax(axis=1)  # where it halts alone
    assert (runs.max(axis=1) >= 1 / (CPU.weight * 0.01)).mean() >= 0.99
    assert np.quantile(found, 0.9) <= 250


def story_of(pairs, **policy):
    story = Measured(CPU, **policy)
    for exposed, control in pairs:
        story.pair(exposed, control)
    return story


def test_a_worse_measure_pauses_then_halts_and_the_sentence_names_it_with_both_means():
    story = story_of([(0.5, 0.1)] * 60)
    fold = story.fold()
    judged = fold.judgement()
    assert fold.first_pause.seq < judged.halt.seq
    assert judged.verdict == "unhealthy"
    assert "most of it from measure cpu" in judged.halt.sentence
    assert "exposed hosts report 0.5 on average and control hosts 0.1, where 0.02 more is tolerated" in judged.sentence
    said = next(term for term in terms(judged) if term.name == "measure:cpu")
    assert said.value == judged.guards["measure:cpu"]
    assert "in 60 pairs" in said.sentence


def test_the_first_row_that_crosses_is_the_same_in_any_chunks_and_so_are_the_bits():
    rng = np.random.default_rng(6)
    story = Measured(CPU, BOOT, strata=("a", "b"))
    for number in range(120):
        exposed, control = rng.random(2)
        story.pair(exposed + 0.3, control).pair(*rng.random(2) * 400, "boot.seconds")
        if number % 7 == 0:
            story.failure("crash_or_dark", "exposed" if number % 3 else "control", 100, 5000)
    whole = story.fold().judgement()
    for size in (1, 2, 17, 100):
        fold = Fold(story.policy, story.rows[0])
        for start in range(1, len(story.rows), size):
            fold.take(story.rows[start : start + size])
        assert fold.judgement() == whole
        assert fold.judgement().measures.e == whole.measures.e
        assert (fold.judgement().measures.sums == whole.measures.sums).all()
    assert whole.halt is not None


def test_evidence_with_measures_survives_its_file_bit_for_bit():
    rng = np.random.default_rng(7)
    story = story_of(rng.random((50, 2)).tolist())
    again = read(dump(row) for row in story.rows)["r"]
    assert again == story.rows
    assert replay(again)["e"]["halt"] == story.judge().e


def test_without_pairs_a_measure_says_nothing_and_explain_says_so():
    judged = Measured(CPU).judge()
    assert (judged.e, judged.guards["measure:cpu"]) == (pytest.approx(1.0), 1.0)
    said = next(term.sentence for term in terms(judged) if term.name == "measure:cpu")
    assert said == "Measure cpu is 1: no pair of an exposed and a control host has reported it."


def test_a_better_measure_never_raises_the_evidence_of_harm():
    assert story_of([(0.1, 0.5)] * 40).judge().guards["measure:cpu"] < 1.0


def test_a_value_beyond_the_range_counts_as_its_end():
    assert folded([(1e12, -1e12)]).e == folded([(1.0, 0.0)]).e
    assert folded([(5.0, 300.0)], BOOT).e == folded([(10.0, 300.0)], BOOT).e


def test_pairs_of_a_hand_picked_ring_say_nothing_and_later_ones_twice_the_margin():
    picked = {"tags": ["internal"]}
    story = Measured(CPU, select=picked)
    for _ in range(60):
        story.pair(0.9, 0.1)
    judged = story.judge()
    assert (judged.guards["measure:cpu"], judged.measures.seen("cpu").silent) == (1.0, 60)
    assert "60 pairs (60 of a hand-picked ring, which say nothing)" in judged.measures.seen("cpu").sentence()
    for _ in range(20):
        story.pair(0.4, 0.1, ring="early")
    expected = reference(CPU, [(0.4, 0.1)] * 20, doubled=True)
    assert math.log(story.judge().guards["measure:cpu"]) == pytest.approx(expected, abs=1e-9)


def test_the_weights_of_other_guards_are_not_touched_by_a_measure():
    story = Measured(CPU).failure("crash").failure("crash_or_dark")
    plain = Story(policy_of(weights={"crash": 0.3})).failure("crash").failure("crash_or_dark")
    for name, e in plain.judge().guards.items():
        assert story.judge().guards[name] == e
    assert POLICY.document()["judge"].keys() == {"every", "halt_at", "pause_at", "boost", "weights"}


ROW = {
    "rollout": "r",
    "seq": 1,
    "at": 1,
    "ring": "canary",
    "stratum": "a",
    "measure": "cpu",
    "exposed": 1,
    "control": 0,
}


@pytest.mark.parametrize(
    "change",
    [
        {"exposed": "NaN"}, {"exposed": True}, {"exposed": None}, {"control": 1e16}, {"control": [1]},
        {"measure": "CPU"}, {"measure": ""}, {"measure": 5}, {"measure": "c" * 64}, {"arm": "exposed"}, {"seq": 2},
        {"guard": "crash"}, {"control": -1e16},
    ],
)  # fmt: skip
def test_a_malformed_pair_is_an_error_that_names_its_line(change):
    header = dump(Measured(CPU).rows[0])
    with pytest.raises(EvidenceError, match="line 2"):
        read([header, json.dumps(ROW | change)])


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e400"])
def test_a_number_that_is_none_is_an_error_that_names_its_line(number):
    header = dump(Measured(CPU).rows[0])
    with pytest.raises(EvidenceError, match="line 2"):
        read([header, json.dumps(ROW).replace('"exposed": 1', f'"exposed": {number}')])


def test_a_measure_that_the_header_does_not_name_is_an_error_in_the_file_and_in_the_fold():
    header, unnamed = dump(Story().rows[0]), json.dumps(ROW)
    with pytest.raises(EvidenceError, match="line 2: the header of rollout r names no measure cpu"):
        read([header, unnamed])
    story = Measured(CPU).pair(1.0, 0.0, "disk")
    with pytest.raises(EvidenceError, match="seq 1: no measure disk is named"):
        story.fold()


def test_a_header_with_a_weight_that_is_none_is_an_error_that_names_its_line():
    header = json.loads(dump(Measured(CPU).rows[0]))
    for weight in (2, -0.1, "x", None, True):
        with pytest.raises(EvidenceError, match="line 1"):
            read([json.dumps(header | {"measures": {"cpu": weight}})])


def test_a_policy_that_weighs_no_measures_folds_the_evidence_of_one_that_does():
    story = story_of([(0.9, 0.1)] * 60)
    assert replay(story.rows, POLICY)["halt_at"] is None
    assert replay(story.rows)["halt_at"] is not None
