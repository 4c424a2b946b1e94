"""Every term of a judgement carries a sentence: which guard, which stratum, how many of how many, and when."""

import math
import re

import pytest

from rollout.judge.explain import terms
from rollout.judge.seen import Hosts
from tests.core.judge_story import Story, baked, deaths, safe

NAMES = ("a", "b", "other")


def said(judged, name, hosts=lambda _: None):
    (term,) = [each for each in terms(judged, hosts) if each.name == name]
    return term.sentence


def test_a_stop_names_guard_and_stratum_and_counts_both_arms():
    story = Story(strata=NAMES)
    for stratum in ("a", "b") * 100:
        story.failure("crash_or_dark", "control", 40, 60, stratum=stratum)
    for left in range(40, 20, -1):
        story.failure("crash_or_dark", y1=left, y0=60, stratum="other")
    judged = story.judge()
    assert "stratum other" in judged.halt.sentence
    assert "exposed and 0 control hosts failed first, where" in judged.halt.sentence
    assert judged.loudest.stratum == "other"
    assert (judged.loudest.arms.exposed, judged.loudest.arms.control) == (20, 0)
    assert judged.loudest.arms.expected == pytest.approx(sum(left / (left + 60) for left in range(40, 20, -1)))
    sentence = said(judged, "crash_or_dark", lambda _: Hosts(100, 900))
    assert "20 of 100 exposed and 200 of 900 control hosts failed first, where" in sentence


def test_a_sentence_of_the_verdict_says_guard_arms_and_interval():
    judged = deaths(Story(), "crash", 1).judge()
    told = judged.told(Hosts(5, 19_995))
    assert "most of it from crash (" in told
    assert "1 of 5 exposed and 0 of 19995 control hosts failed first" in told
    assert told.endswith("as often as control (95 %).")
    assert "no host has failed yet" in Story().judge().sentence


@pytest.mark.parametrize(
    ("ratio", "words"),
    [("low", "at least"), ("both", " to "), ("high", "at most"), ("none", "any number of times")],
)
def test_the_interval_is_said_whatever_is_known(ratio, words):
    story = Story()
    if ratio in {"low", "both"}:
        deaths(story, "crash", 5)
    if ratio in {"high", "both"}:
        for _ in range(20_000 if ratio == "high" else 4000):
            story.failure("crash", "control", 100 if ratio == "high" else 5000, 99_900)
    assert words in story.judge().interval


def test_what_would_promote_is_timed_at_the_present_rate():
    story = safe(controls=300).tick(3600, admitted=True, exposed=100, exposed_confirmed=100, host_hours=100.0,
                                    control_host_hours=100_000.0)  # fmt: skip
    gates = {gate.name: gate for gate in story.judge().promotion}
    assert gates["bake"].hours == pytest.approx((7200 - 2600) / 3600)
    assert gates["host-hours"].hours == pytest.approx(4 * 2600 / 3600)
    reached = math.log(float(re.search(r"is ([\d.]+) on crash,", gates["hazard"].sentence)[1])) / math.log(20)
    assert 0 < reached < 1
    whole = 0.45 / (100 * 300 / 100_000)  # .45 expected crashes exclude ten; 100 hosts at 300 in 100 000 host-hours
    assert gates["hazard"].hours == pytest.approx(whole * (1 - reached), rel=0.05)
    assert "may be promoted in about 2.9 h" in story.judge().sentence


def test_what_cannot_be_timed_is_not_timed():
    judged = safe(controls=0).tick(2000, admitted=True).judge()
    assert next(gate.hours for gate in judged.promotion if gate.name == "hazard") is None
    assert "may be promoted in about" not in judged.sentence


def test_the_early_life_gate_says_how_many_more_would_do():
    judged = Story().tick(0).adopt("granted", 0, 50).adopt("confirmed", 0, 50).judge()
    assert "which 10 more that survive would show" in judged.sentence


def test_every_term_has_its_number_and_its_sentence():
    found = terms(baked(safe(Story(strata=NAMES))).judge())
    assert [term.name for term in found] == [
        "e", "crash", "crash_or_dark", "dark", "own", "ratio", "early-life", "window", "window-of-stratum", "overdue",
    ]  # fmt: skip
    assert all(term.value is not None and term.sentence.endswith(".") for term in found)
