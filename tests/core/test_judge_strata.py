"""The strata's guards: a fault of one model stands alone, and weighs what the header fixed."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.load import load
from rollout.judge import Fold
from tests.core.judge_story import POLICY, Story

NAMES = ("a", "b", "c", "other")


def guard(judged, stratum):
    return judged.guards[f"stratum:{stratum}"]


def dead(story, stratum, y0, guards=("crash", "crash_or_dark")):
    for each in guards:
        story.failure(each, y1=1, y0=y0, stratum=stratum)
    return story


def test_a_stratum_guard_folds_its_own_rows_of_crash_or_dark_and_nothing_else():
    story = Story(strata=NAMES)
    for each in ("crash", "dark", "own"):
        story.failure(each, stratum="a")
    assert guard(story.judge(), "a") == 1.0
    story.failure("crash_or_dark", stratum="a").failure("crash_or_dark", "control", stratum="b")
    judged = story.judge()
    assert guard(judged, "a") == judged.guards["own"] > 50
    assert guard(judged, "b") < 1.0
    assert guard(judged, "c") == 1.0


def test_the_share_of_the_strata_is_divided_among_those_of_the_header():
    e = []
    for strata in (("a",), NAMES):
        judged = Story(strata=strata).failure("crash_or_dark", stratum="a").judge()
        e.append(judged.e - 0.25 * judged.guards["crash_or_dark"] - 0.65)
    assert e[0] == pytest.approx(0.1 * 56.42, abs=0.01)
    assert e[1] == pytest.approx(0.1 * (56.42 + 3) / 4, abs=0.01)


def test_five_dead_each_alone_in_its_stratum_pause_with_two_controls_and_halt_with_three():
    for controls, low, high in ((2, 58, 72), (3, 100, 1000)):
        for silent in (("crash", "crash_or_dark"), ("dark", "crash_or_dark")):
            story = Story(strata=[f"s{n}" for n in range(5)])
            for n in range(5):
                dead(story, f"s{n}", controls, silent)
            judged = story.judge()
            assert low <= judged.e <= high
            assert (judged.halt is not None) is (controls == 3)


def test_a_stratum_born_later_judges_as_other_and_has_no_weight_of_its_own():
    late = Story(strata=NAMES).failure("crash_or_dark", stratum="new").judge()
    assert late == Story(strata=NAMES).failure("crash_or_dark", stratum="other").judge()
    unnamed = Story(strata=("a",)).failure("crash_or_dark", stratum="new").judge()
    assert unnamed.guards == {
        "crash": 1.0, "crash_or_dark": pytest.approx(56.42, abs=0.01), "dark": 1.0, "own": 1.0, "stratum:a": 1.0,
    }  # fmt: skip


def test_a_guard_at_its_cap_stays_there_and_halts_by_itself():
    told = POLICY.document()
    told["judge"]["weights"] = {"crash": 0.0, "crash_or_dark": 0.0, "dark": 0.0, "own": 0.0, "strata": 1.0}
    story = Story(load(told), strata=("a", "b"))
    for left in range(5, 0, -1):
        story.failure("crash_or_dark", y1=left, stratum="a")
    for _ in range(50):
        story.failure("crash_or_dark", "control", 1000, 1000, stratum="a")
    judged = story.judge()
    assert guard(judged, "a") == pytest.approx(200.0, rel=1e-12)
    assert judged.halt is not None
    assert "most of it from stratum a" in judged.halt.sentence


def test_a_lethal_model_is_named():
    story = Story(strata=NAMES)
    for stratum in ("a", "b", "c") * 100:
        story.failure("crash_or_dark", "control", 40, 60, stratum=stratum)
    for left in range(40, 20, -1):
        story.failure("crash_or_dark", y1=left, y0=60, stratum="other")
    judged = story.judge()
    assert judged.guards["crash_or_dark"] < 1.0, "in the whole fleet it drowns"
    assert judged.halt is not None
    assert "most of it from stratum other" in judged.sentence


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([*NAMES, "new"]), st.booleans(), st.integers(0, 30), st.integers(0, 90),
                       st.sampled_from([None, None, None, 0, 40])), min_size=1, max_size=60),
    st.integers(1, 7),
)  # fmt: skip
def test_folding_many_strata_in_any_chunks_gives_the_same_bits(rows, size):
    story = Story(strata=NAMES)
    for stratum, exposed, y1, y0, unmatched in rows:
        apart = {} if unmatched is None else {"exposed_unmatched": unmatched, "control_in_stratum": y0, "band": "more"}
        story.failure("crash_or_dark", "exposed" if exposed else "control", y1, y0, stratum=stratum, **apart)
    made = Fold(POLICY, story.rows[0])
    for start in range(1, len(story.rows), size):
        made.take(story.rows[start : start + size])
    assert made.judgement() == story.judge()
