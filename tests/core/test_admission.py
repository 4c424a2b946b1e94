import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollout.admission import Case, Course, Go, No, Pace, Place, Reason, Ring, Sight, Wait, answer

GOING = Case(
    known=True,
    frozen=False,
    director_version=3,
    course=Course("running", newest=True, matches=True, heartbeat=60.0, deadline=1800.0),
    place=Place(held_out=False, eligible=True, selected=True),
    ring=Ring("admitting", 3, "install"),
    pace=Pace(5, 4, 5, 4, 5),
    sight=Sight("healthy", 1.0, 1.0, 1.0, unfolded_failure=False),
)


def but(part, **change):
    return replace(GOING, **{part: replace(getattr(GOING, part), **change)})


# The order of INTERFACES 1.4: each entry makes one rule apply.
RULES = [
    (Reason.UNKNOWN_HOST, {"known": False}, {}),
    (Reason.FROZEN, {"frozen": True}, {}),
    (Reason.HALTED, {}, {"course": {"state": "halted"}}),
    (Reason.SUPERSEDED, {"director_version": 2}, {}),
    (Reason.NOT_DIRECTED, {}, {"course": {"matches": False}}),
    (Reason.HELD_OUT, {}, {"place": {"held_out": True}}),
    (Reason.NOT_EXPOSED, {}, {"place": {"selected": False}}),
    (Reason.ALREADY, {}, {"place": {"adoption": "failed"}}),
    (None, {}, {"course": {"state": "paused"}}),
]


def apply(case, rule):
    _, top, parts = rule
    for part, change in parts.items():
        case = replace(case, **{part: replace(getattr(case, part), **change)})
    return replace(case, **top)


def test_the_case_of_these_tests_is_a_go():
    assert answer(GOING) == Go(60)


@settings(max_examples=200)
@given(st.sets(st.integers(0, len(RULES) - 1), min_size=1))
def test_the_first_rule_in_order_wins(which):
    case = GOING
    for index in sorted(which, reverse=True):
        case = apply(case, RULES[index])
    first = RULES[min(which)][0]
    got = answer(case)
    assert got == No(first) if first is not None else isinstance(got, Wait)


@pytest.mark.parametrize("state", ["halted", "rejected", "rolling-back", "rolled-back"])
def test_every_stopped_state_is_halted(state):
    assert answer(but("course", state=state)) == No(Reason.HALTED)


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("course", {"state": "held"}), ("course", {"state": "never-heard-of"}), ("ring", {"state": "never-heard-of"}),
        ("ring", {"action": "hold"}), ("ring", {"in_hours": False}), ("place", {"adopting_elsewhere": True}),
        ("place", {"limited_to": "early"}), ("place", {"partner": True}),
        ("pace", {"window": None}), ("pace", {"outstanding": 5}), ("pace", {"window": 0}),
        ("pace", {"stratum_window": 4}), ("pace", {"stratum_window": None, "stratum_outstanding": 5}),
        ("pace", {"max_per_minute": 3, "granted_last_minute": 3}),
        ("sight", {"verdict": None}), ("sight", {"verdict": "blind"}), ("sight", {"verdict": "unhealthy"}),
        ("sight", {"judgement_age": None}), ("sight", {"judgement_age": 5.1}), ("sight", {"judgement_age": math.nan}),
        ("sight", {"engine_age": None}), ("sight", {"engine_age": 15.1}), ("sight", {"unfolded_failure": True}),
    ],
)  # fmt: skip
def test_each_of_these_waits(part, change):
    got = answer(but(part, **change))
    assert isinstance(got, Wait)
    assert 0 < got.retry_after <= 60


@pytest.mark.parametrize("part", ["course", "place", "ring", "pace", "sight"])
def test_what_is_not_known_is_never_a_go(part):
    assert not isinstance(answer(replace(GOING, **{part: None})), Go)


def test_asking_again_passes_all_but_the_window():
    open_ = but("place", adoption="open")
    full = replace(open_, pace=Pace(0, 9, 0, 9, 5), place=replace(open_.place, partner=True, limited_to="early"))
    assert answer(full) == Go(60)
    assert isinstance(answer(replace(full, sight=replace(GOING.sight, engine_age=None))), Wait)
    assert answer(replace(full, frozen=True)) == No(Reason.FROZEN)


cases = st.builds(
    Case,
    known=st.booleans(),
    frozen=st.booleans(),
    director_version=st.integers(0, 5),
    course=st.none() | st.builds(
        Course, st.sampled_from(["running", "paused", "halted", "completed", "?"]), st.booleans(), st.booleans(),
        st.just(60.0), st.just(60.0)),
    place=st.none() | st.builds(
        Place, st.booleans(), st.booleans(), st.booleans(), st.sampled_from([None, "open", "confirmed", "failed"]),
        st.booleans()),
    ring=st.none() | st.builds(
        Ring, st.sampled_from(["waiting", "admitting", "halted"]), st.none() | st.integers(0, 5),
        st.sampled_from([None, "install", "hold", "rollback"]), st.booleans()),
    pace=st.none() | st.builds(Pace, st.none() | st.integers(0, 9), st.integers(0, 9), st.none() | st.integers(0, 9),
                               st.integers(0, 9), st.integers(1, 5)),
    sight=st.none() | st.builds(
        Sight, st.sampled_from([None, "healthy", "blind"]), st.none() | st.floats(), st.floats(0, 2),
        st.none() | st.floats(), st.booleans()),
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(cases)
def test_a_go_means_that_everything_needed_was_seen(case):
    if isinstance(answer(case), Go):
        assert case.known
        assert not case.frozen
        assert case.course.state in {"running", "completed"}
        assert case.course.newest
        assert case.course.matches
        assert case.place.eligible
        assert case.place.selected
        assert not case.place.held_out
        assert case.ring.action == "install"
        assert case.director_version >= case.ring.directive_version
        assert case.sight.judgement_age <= 10
        assert case.sight.engine_age <= 15
        assert case.place.adoption == "open" or case.pace.outstanding < case.pace.window
