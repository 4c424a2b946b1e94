"""The whole judge: rows in, judgement out."""

import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.load import load
from policies.profiles import profile
from rollout.evidence.rows import ActRow, AdoptionRow, EvidenceError, FailureRow, Header, TickRow, dump, read
from rollout.judge import Fold
from rollout.judge.reach import reach
from rollout.judge.replay import replay

POLICY = profile("driver")
CONTENT = load({"schema": "rollout.policy/1", "name": "c", "kind": "content"})


class Story:
    """Rows of one rollout, numbered as they are told."""

    def __init__(self, policy=POLICY, strata=("a",), rings=None):
        self.policy = policy
        header = Header(rollout="r", strata=list(strata), policy_digest="0", policy=policy.document(), rings=rings)
        self.rows = [header]

    def add(self, kind, **fields):
        self.rows.append(kind(**{"rollout": "r", "seq": len(self.rows), "at": float(len(self.rows)), **fields}))
        return self

    def failure(self, guard, arm="exposed", y1=5, y0=99_995, **fields):
        fields = {"ring": "canary", "stratum": "a", **fields}
        return self.add(FailureRow, guard=guard, arm=arm, exposed_at_risk=y1, control_at_risk=y0, **fields)

    def adopt(self, adoption, order, count=1, **fields):
        fields = {"ring": "canary", "stratum": "a", **fields}
        return self.add(AdoptionRow, adoption=adoption, order=order, count=count, **fields)

    def tick(self, clock, **fields):
        sound = {"reporting_bp": 10_000, "control_reporting_bp": 10_000, "ring": "canary"}
        return self.add(TickRow, clock=float(clock), **{**sound, **fields})

    def act(self, act, **fields):
        return self.add(ActRow, act=act, **fields)

    def fold(self):
        made = Fold(self.policy, self.rows[0])
        made.take(self.rows[1:])
        return made

    def judge(self):
        return self.fold().judgement()


def deaths(story, guard, hosts, fleet=None):
    for dead in range(hosts):
        for each in (guard, "crash_or_dark"):
            story.failure(each, y1=hosts - dead, y0=(fleet or 20_000) - hosts)
    return story


def safe(story=None, confirmed=100, controls=2000):
    """A canary that survived: wholly admitted, baked, with a control that crashes as a fleet does."""
    story = (story or Story()).tick(0).adopt("granted", 0, 100).adopt("confirmed", 0, confirmed)
    story.tick(1000, admitted=True, exposed=100, exposed_confirmed=100)
    for _ in range(controls):
        for guard in ("crash", "crash_or_dark"):
            story.failure(guard, "control", 100, 99_900, exposed_confirmed=100)
    return story


def baked(story, **fields):
    return story.tick(30_000, **{"admitted": True, "host_hours": 600.0, "exposed": 100, **fields})


def test_one_exposed_crash_among_the_first_five_of_a_large_fleet_pauses():
    judged = Story().failure("crash").failure("crash_or_dark").judge()
    assert judged.e == pytest.approx(31.5, abs=0.1)  # 37 once the strata's guards fold their rows too
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
    story = deaths(Story(), "crash", 5).act("resume", person="ann")
    for _ in range(3000):
        story.failure("crash", "control", 1000, 1000)
    judged = story.judge()
    assert judged.halt is not None
    assert judged.verdict == "unhealthy"


def test_after_a_resume_the_next_pause_takes_twice_the_evidence():
    story = Story().failure("crash").failure("crash_or_dark").act("resume", person="ann")
    assert story.judge().pause is None
    story.failure("own")
    assert story.judge().e == pytest.approx(39.8, abs=0.1)
    assert story.judge().pause is None, "39.8 is below twice 31.5"
    story.failure("crash", y1=4)
    assert story.judge().pause is not None


def test_a_hand_picked_ring_is_judged_against_a_higher_null():
    picked = json.loads(json.dumps(POLICY.document()))
    picked["rings"][0]["select"] = {"tags": ["internal"]}
    told = [Story(policy).failure("crash", y1=50, y0=500).tick(0) for policy in (load(picked), POLICY)]
    later = [story.failure("crash", y1=50, y0=500).judge().e for story in told]
    assert later[0] < later[1]


def test_a_row_without_a_match_in_its_band_is_judged_against_ten():
    plain = Story().failure("crash", y1=50, y0=500)
    banded = Story().failure("crash", y1=50, y0=10, band="<30m", control_in_stratum=500)
    matched = Story().failure("crash", y1=50, y0=500, band="<30m", control_in_stratum=900)
    assert banded.judge().e < plain.judge().e == matched.judge().e


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


def test_blindness_is_a_verdict_and_a_stop_outlasts_it():
    assert Story().tick(0, blind="coverage").judge().verdict == "blind"
    assert deaths(Story(), "dark", 5).tick(0, blind="coverage").judge().verdict == "unhealthy"
    assert Story().tick(0, blind="coverage").tick(1).judge().verdict == "inconclusive"


def test_nothing_known_is_inconclusive():
    judged = Story().judge()
    assert (judged.verdict, judged.promotable, judged.promotion) == ("inconclusive", False, [])


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


ANY = st.one_of(
    st.tuples(st.just("failure"), st.sampled_from(["crash", "crash_or_dark", "dark", "own"]),
              st.sampled_from(["exposed", "control"]), st.integers(0, 50), st.integers(0, 200)),
    st.tuples(st.just("tick"), st.integers(0, 10**6), st.integers(0, 10_000), st.booleans(),
              st.sampled_from(["canary", "early"])),
    st.tuples(st.just("adopt")), st.tuples(st.just("act"), st.sampled_from(["resume", "approve"])),
)  # fmt: skip


def told(steps):
    story, granted = Story(), 0
    for step in steps:
        match step:
            case ("failure", guard, arm, y1, y0):
                story.failure(guard, arm, y1, y0, exposed_confirmed=y1 // 2)
            case ("tick", clock, bp, admitted, ring):
                story.tick(clock, reporting_bp=bp, admitted=admitted, ring=ring, host_hours=float(clock))
            case ("adopt",):
                story.adopt("granted", granted).adopt("failed" if granted % 3 else "confirmed", granted)
                granted += 1
            case ("act", act):
                story.act(act, ring="canary", person="ann")
    return story


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


def test_missing_rows_and_unknown_rings_are_refused():
    made = Fold(POLICY, Story().rows[0])
    with pytest.raises(EvidenceError, match="seq 2 where 1 is due"):
        made.take(Story().tick(0).tick(1).rows[2:])
    with pytest.raises(EvidenceError, match="no ring moon"):
        Story().tick(0, ring="moon").judge()


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
