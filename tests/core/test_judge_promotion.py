"""What promotes a ring, what keeps it waiting, and what a replay of the evidence answers."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from policies.load import load
from rollout.evidence.rows import EvidenceError, FailureRow, Header, TickRow, dump, read
from rollout.judge.reach import Span, excludes, likely_margin, reach, slow_rings, unlucky_tenth
from rollout.judge.replay import replay
from tests.core.judge_story import ANY, POLICY, Story, baked, deaths, safe, told

CONTENT = load({"schema": "rollout.policy/1", "name": "c", "kind": "content"})


def test_a_safe_canary_is_promoted_and_says_why():
    judged = baked(safe()).judge()
    assert [gate.sentence for gate in judged.promotion if not gate.passed] == []
    assert (judged.verdict, judged.promotable, judged.approved) == ("healthy", True, True)
    assert {gate.name for gate in judged.promotion} >= {"hazard", "early-life", "bake", "coverage", "overdue", "calm"}


@pytest.mark.parametrize(
    ("gate", "story"),
    [
        ("hazard", lambda: baked(safe(controls=50))),
        ("early-life", lambda: baked(safe(confirmed=50))),
        ("bake", lambda: safe().tick(2000, admitted=True, host_hours=600.0)),
        ("host-hours", lambda: baked(safe(), host_hours=499.0)),
        ("coverage", lambda: baked(safe(), reporting_bp=8999)),
        ("coverage", lambda: baked(safe(), control_reporting_bp=8999)),
        ("overdue", lambda: baked(safe(), overdue=6)),
        ("calm", lambda: baked(safe().failure("own"))),
        ("sight", lambda: baked(safe(), blind="gateway")),
        ("stop", lambda: baked(safe().adopt("granted", 100, 3, stratum="b").adopt("failed", 100, 3, stratum="b"))),
        ("admission", lambda: safe().tick(30_000, host_hours=600.0, ring="early")),
    ],
)
def test_each_condition_alone_holds_the_promotion(gate, story):
    judged = story().judge()
    assert not judged.promotable
    assert gate in {found.name for found in judged.promotion if not found.passed}
    assert judged.verdict != "healthy"


@pytest.mark.parametrize("dead", [2, 5, 30])
def test_a_driver_that_kills_hosts_in_their_announced_sleep_is_never_promoted(dead):
    """They never wake: nothing pauses, since their silence was announced, but they stay overdue."""
    story = safe(confirmed=100 - dead).adopt("overdue", 100 - dead, dead)
    for hours in range(2, 122, 20):
        baked(story, overdue=dead, overdue_asleep=dead)
        story.tick(hours * 3600, admitted=True, host_hours=100.0 * hours, overdue=dead, overdue_asleep=dead)
    judged = story.judge()
    assert (judged.pause, judged.promotable) == (None, False)
    assert "early-life" in {gate.name for gate in judged.promotion if not gate.passed}
    assert story.tick(130 * 3600, overdue=dead, overdue_asleep=dead).judge().exceeded_max_bake, "held for a person"


def test_unconfirmed_hosts_prove_nothing():
    story = Story().tick(0).adopt("granted", 0, 100).adopt("confirmed", 0, 100).tick(1000, admitted=True)
    for _ in range(2000):
        story.failure("crash", "control", 100, 99_900).failure("crash_or_dark", "control", 100, 99_900)
    assert not baked(story).judge().promotable


def test_silence_alone_does_not_carry_a_promotion():
    story = Story().tick(0).adopt("granted", 0, 100).adopt("confirmed", 0, 100).tick(1000, admitted=True)
    for _ in range(4000):
        story.failure("crash_or_dark", "control", 100, 99_900, exposed_confirmed=100)
    assert not baked(story).judge().promotable


def test_the_last_ring_needs_no_margin_but_calm_and_its_bake():
    story = baked(safe(controls=0).tick(2000, ring="everyone", admitted=True), ring="everyone")
    assert story.judge().promotable
    canary_only = Story(rings={"canary": 100, "early": 0, "broad": 0, "wide": 0, "everyone": 0})
    judged = baked(safe(canary_only, controls=0)).judge()
    assert judged.promotable, "the last ring with hosts is the last ring"


def test_an_approval_is_bound_to_its_evidence():
    asked = POLICY.document()
    asked["rings"][0]["approval"] = {"role": "approver", "persons": 2, "timeout": "24h"}
    story = baked(safe(Story(load(asked)))).act("approve", ring="canary", person="ann")
    story.act("approve", ring="canary", person="ann")
    assert (story.judge().promotable, story.judge().approved) == (True, False), "one person is one vote"
    story.act("approve", ring="canary", person="bob")
    assert story.judge().approved
    story.failure("dark")
    assert not story.judge().approved, "an exposed host failed since"


def test_maximum_bake_is_told_and_a_resume_grants_one_more():
    story = safe(controls=0).tick(1000 + 120 * 3600, admitted=True, host_hours=9.9e9)
    assert story.judge().exceeded_max_bake
    story.act("resume", person="ann").tick(2000 + 120 * 3600)
    assert not story.judge().exceeded_max_bake
    assert story.tick(1000 + 240 * 3600).judge().exceeded_max_bake


@settings(max_examples=40, deadline=None)
@given(st.lists(ANY, max_size=40))
def test_garbage_never_promotes(steps):
    assert not told(steps).judge().promotable


@settings(max_examples=15, deadline=None)
@given(st.sets(st.integers(0, 2000), max_size=60), st.sampled_from(["row", "confirmed", "coverage"]))
def test_more_missing_data_never_promotes_sooner(lost, how):
    whole, thinned = baked(safe(controls=600)), Story()
    for number, row in enumerate(whole.rows[1:]):
        fields = {name: getattr(row, name) for name in row.__struct_fields__ if name not in {"seq", "at", "rollout"}}
        if number in lost and isinstance(row, FailureRow):
            if how == "row":
                continue
            fields["exposed_confirmed"] = 0
        if how == "coverage" and isinstance(row, TickRow) and lost:
            fields["reporting_bp"] = 0
        thinned.add(type(row), **fields)
    full = {gate.name: gate.passed for gate in whole.judge().promotion}
    less = {gate.name: gate.passed for gate in thinned.judge().promotion}
    assert all(full[name] or not less[name] for name in less)


def test_replay_answers_from_the_file_alone():
    story = baked(safe()).tick(30_001, ring="early")
    story.adopt("granted", 100, 5, ring="early").adopt("failed", 100, 5, ring="early")
    answer = replay(read([dump(row) for row in story.rows])["r"])
    assert json.loads(json.dumps(answer)) == answer
    assert answer["promote_at"] == {
        "canary": story.rows[-4].at, "early": None, "broad": None, "wide": None, "everyone": None,
    }  # fmt: skip
    assert (answer["pause_at"], answer["halt_at"], answer["window"]) == (story.rows[-1].at, None, 0)
    assert (answer["verdict"], answer["rows"]) == ("unhealthy", len(story.rows))
    assert set(answer) >= {"rollout", "e", "window", "ratio"}


def test_replay_tells_when_the_evidence_first_paused_and_halted():
    answer = replay(deaths(Story(), "dark", 5).rows)
    assert (answer["pause_at"], answer["halt_at"]) == (2.0, 3.0)


def test_replay_may_judge_by_another_policy_and_needs_one():
    story = baked(safe(controls=0))
    assert replay(story.rows)["promote_at"]["canary"] is None
    strict = Header(rollout="r", strata=["a"], policy_digest="0")
    with pytest.raises(EvidenceError, match="no policy"):
        replay([strict, *story.rows[1:]])
    assert replay([strict, *story.rows[1:]], POLICY)["verdict"] == "inconclusive"


def test_content_is_promoted_on_survival_alone():
    ring = CONTENT.rings[0].name
    story = Story(CONTENT).tick(0, ring=ring).adopt("granted", 0, 2000, ring=ring)
    story.adopt("confirmed", 0, 2000, ring=ring).tick(0, ring=ring, admitted=True)
    story.tick(10**5, ring=ring, admitted=True, host_hours=1e6)
    assert story.judge().promotable


def test_what_the_reference_rings_can_reach():
    sizes = {"canary": 100, "early": 900, "broad": 9000, "wide": 40_000, "everyone": 45_000}
    found = reach(POLICY, sizes, 100_000, 2.08e-4)
    assert [ring.clean_n for ring in found] == [60, 116, 320, 680, None]
    assert all(ring.reachable for ring in found)
    assert not reach(POLICY, {"canary": 59}, 1000, 1e-4)[0].reachable
    seen = [ring.smallest_fault for ring in found]
    assert seen[1] is not None
    assert seen[2] is not None
    assert seen[1] > seen[2] > 1


def test_a_canary_among_few_crashes_is_told_that_its_margin_is_too_narrow():
    """At 5.1e-5 crashes per host-hour 100 hosts can show a ratio of 20, not 10, within 120 h."""
    sizes = {"canary": 100, "early": 900, "broad": 9000, "wide": 40_000, "everyone": 45_000}
    longest = [Span(100, 99_900, 120 * 5.1e-5)]
    assert excludes(20.0, longest)
    assert not excludes(10.0, longest)
    found = reach(POLICY, sizes, 100_000, 5.1e-5)
    assert [each.ring for each in slow_rings(POLICY, found, sizes)] == ["canary"]
    assert slow_rings(POLICY, reach(POLICY, sizes, 100_000, 2.08e-4), sizes) == []


def test_more_hazard_shows_a_narrower_margin_and_none_shows_nothing():
    margins = [likely_margin([Span(1000, 99_000, 2.08e-4 * hours)]) for hours in (8, 16, 32, 64)]
    assert None not in margins
    assert margins == sorted(margins, reverse=True)
    assert margins[-1] > 1
    halves = [Span(1000, 99_000, 2.08e-4 * 32)] * 2
    assert likely_margin(halves) == pytest.approx(margins[-1])
    assert likely_margin([Span(1000, 99_000, 0.0)]) is None
    assert likely_margin([Span(1000, 0, 1.0)]) is None


@pytest.mark.parametrize(("crashes", "share"), [(10, 0.3), (600, 0.001), (100, 0.5), (3000, 0.1)])
def test_the_unlucky_tenth_is_a_quantile_of_the_binomial_law(crashes, share):
    found = unlucky_tenth(float(crashes), share)
    assert abs(found - binom.ppf(0.9, crashes, share)) <= (1 if crashes * share > 50 else 0)
