"""What stops a rollout, when, and for how long; and that every refold says the same."""

import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.load import load
from rollout.evidence.rows import EvidenceError
from rollout.judge import Fold
from tests.core.judge_story import ANY, POLICY, Story, deaths, told


def test_one_exposed_crash_among_the_first_five_of_a_large_fleet_pauses():
    judged = Story().failure("crash").failure("crash_or_dark").judge()
    assert judged.e == pytest.approx(37.0, abs=0.1)
    assert judged.guards["crash"] == pytest.approx(56.4, abs=0.1)
    assert (judged.verdict, judged.halt) == ("unhealthy", None)
    assert judged.pause is not None
    assert judged.pause.kind == "e-value"
    assert "20 pauses" in judged.sentence


@pytest.mark.parametrize("fleet", [200, 20_000])
@pytest.mark.parametrize("guard", ["crash", "dark"])
def test_a_lethal_first_batch_halts_reporting_or_silent(fleet, guard):
    judged = deaths(Story(), guard, 5, fleet).judge()
    assert judged.halt is not None
    assert judged.e >= 100
    assert judged.verdict == "unhealthy"


def test_a_halt_is_for_good():
    story = Story()
    while story.judge().halt is None:
        for guard in ("crash", "crash_or_dark"):
            story.failure(guard, y1=1000, y0=1000)
    assert max(story.judge().guards.values()) < 333, "no guard is at its cap, where it would stay"
    story.act("resume", person="ann")
    for _ in range(40):
        for guard in ("crash", "crash_or_dark"):
            story.failure(guard, "control", 1000, 1000)
    judged = story.judge()
    assert judged.e < 1
    assert judged.halt is not None
    assert judged.verdict == "unhealthy"


def test_after_a_resume_the_next_pause_takes_twice_the_evidence():
    story = Story().failure("crash").failure("crash_or_dark").act("resume", person="ann")
    assert story.judge().pause is None
    story.failure("own")
    assert story.judge().e == pytest.approx(45.3, abs=0.1)
    assert story.judge().pause is None, "45.3 is below twice 37"
    story.failure("crash", y1=4)
    assert story.judge().pause is not None


def test_a_hand_picked_ring_is_judged_against_a_higher_null():
    picked = json.loads(json.dumps(POLICY.document()))
    picked["rings"][0]["select"] = {"tags": ["internal"]}
    stories = [Story(policy).failure("crash", y1=50, y0=500).tick(0) for policy in (load(picked), POLICY)]
    later = [story.failure("crash", y1=50, y0=500).judge().e for story in stories]
    assert later[0] < later[1]


def test_a_row_without_a_match_in_its_band_is_judged_against_ten():
    plain = Story().failure("crash", y1=50, y0=500)
    banded = Story().failure("crash", y1=50, y0=10, band="<30m", control_in_stratum=500)
    matched = Story().failure("crash", y1=50, y0=500, band="<30m", control_in_stratum=900)
    assert banded.judge().e < plain.judge().e == matched.judge().e


def test_blindness_is_a_verdict_and_a_stop_outlasts_it():
    assert Story().tick(0, blind="coverage").judge().verdict == "blind"
    assert deaths(Story(), "dark", 5).tick(0, blind="coverage").judge().verdict == "unhealthy"
    assert Story().tick(0, blind="coverage").tick(1).judge().verdict == "inconclusive"


def test_nothing_known_is_inconclusive():
    judged = Story().judge()
    assert (judged.verdict, judged.promotable, judged.promotion) == ("inconclusive", False, [])


def test_three_lost_of_the_first_five_pause_without_any_control():
    judged = Story().tick(0).adopt("granted", 0, 5).adopt("failed", 0, 3).judge()
    assert judged.pause is not None
    assert (judged.pause.kind, judged.window, judged.verdict) == ("first-five", 0, "unhealthy")


def test_when_both_fall_at_once_the_halt_is_recorded():
    judged = deaths(Story().tick(0).adopt("granted", 0, 5), "crash", 5).adopt("failed", 0, 5).judge()
    assert judged.halt is not None
    assert judged.sentence.startswith("Halted")


def test_the_earliest_reason_is_the_one_that_pauses():
    story = Story().tick(0).adopt("granted", 0, 5).adopt("overdue", 0, 3)
    judged = deaths(story, "crash", 1).judge()
    assert judged.pause is not None
    assert (judged.pause.kind, judged.pause.seq) == ("first-five", 3)


def test_ordinary_silence_is_what_control_had_shown_by_the_tick():
    lost = Story().tick(0).adopt("granted", 0, 100).adopt("confirmed", 0, 90).adopt("overdue", 90, 6)
    for _ in range(60):
        lost.failure("dark", "control", 0, 1000)
    assert lost.tick(1, control_host_hours=1000.0).judge().pause is None
    early = Story().tick(0).adopt("granted", 0, 100).adopt("confirmed", 0, 90).adopt("overdue", 90, 6)
    early.tick(1, control_host_hours=1000.0)
    for _ in range(60):
        early.failure("dark", "control", 0, 1000)
    assert early.judge().pause is not None, "what control shows later excuses nothing"


@settings(max_examples=60, deadline=None)
@given(st.lists(ANY, max_size=40), st.lists(st.integers(0, 60), max_size=4))
def test_refolding_in_any_chunks_gives_the_same_judgement(steps, cuts):
    story = told(steps)
    made = Fold(POLICY, story.rows[0])
    edges = [1, *sorted({min(cut, len(story.rows)) for cut in cuts if cut >= 1}), len(story.rows)]
    for start, end in pairwise(edges):
        made.take(story.rows[start:end])
    assert made.judgement() == story.judge()


@settings(max_examples=40, deadline=None)
@given(st.lists(ANY, max_size=30))
def test_whoever_asks_changes_nothing(steps):
    story = told(steps)
    made = Fold(POLICY, story.rows[0])
    for row in story.rows[1:]:
        made.take([row])
        for ask in (made.judgement, made.gates, made.may_promote, lambda: made.e, lambda: made.safety):
            ask()
    assert made.judgement() == story.judge()


def test_missing_rows_and_unknown_rings_are_refused():
    made = Fold(POLICY, Story().rows[0])
    with pytest.raises(EvidenceError, match="seq 2 where 1 is due"):
        made.take(Story().tick(0).tick(1).rows[2:])
    with pytest.raises(EvidenceError, match="no ring moon"):
        Story().tick(0, ring="moon").judge()
