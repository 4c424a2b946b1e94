"""The agent's state machine: what may follow what, what is never lost, and what a host does that was cut off."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.host.course import MOVES, ON_TRIAL, Act, Course, History, IllegalMoveError, Step, fold, phase
from rollout.host.resume import AFTER_RESTART, TABLE, Next, Sight, resume, seen

FACTS = {
    Act.INTEND: {"rollout": "r1", "candidate": 2, "baseline": 1, "sha256": "ab"},
    Act.APPLY: {"adoption": "a1"},
    Act.RETURN: {"from": 2, "to": 1, "to_sha256": "cd"},
}
ADOPTED = (Act.INTEND, Act.APPLY, Act.LOADED)


def told(*acts, product="sensor", history=None):
    found = history or History()
    for act in acts:
        found = fold(found, {"act": act.value, "product": product, **FACTS.get(act, {})})
    return found


def course(step, **change):
    return Course("sensor", step, "r1", 2, 1, "ab", **change)


def test_nothing_is_loaded_that_had_no_go():
    """`applying` is the only door to a load, and only a record that names an adoption opens it."""
    before_load = {step for (step, act) in MOVES if act in {Act.LOADED, Act.SCHEDULE}}
    assert before_load == {Step.APPLYING, Step.SCHEDULED}
    assert {step for (step, act), to in MOVES.items() if to is Step.APPLYING} == {Step.INTENT}
    with pytest.raises(IllegalMoveError, match="adoption"):
        fold(told(Act.INTEND), {"act": "apply", "product": "sensor"})


def test_there_is_never_a_second_candidate_on_trial():
    history = told(*ADOPTED)
    other = told(Act.INTEND, product="other", history=history)
    with pytest.raises(IllegalMoveError, match="on trial"):
        told(Act.APPLY, product="other", history=other)
    assert told(Act.APPLY, product="other", history=told(Act.SETTLE, history=other)).on_trial.product == "other"


def test_the_way_back_is_open_from_everywhere():
    assert all((step, Act.RETURN) in MOVES for step in Step)
    assert all((step, Act.REVERT) in MOVES for step in (*ON_TRIAL, Step.INTENT, Step.REVERTED))


def test_a_beat_names_the_adoption_until_the_host_is_back():
    history = told(*ADOPTED)
    assert (history.named.adoption, phase(history.named)) == ("a1", "applied")
    history = told(Act.SETTLE, history=history)
    assert (history.named.adoption, phase(history.named)) == ("a1", "applied")
    history = told(Act.RETURN, history=history)
    assert (history.named.adoption, phase(history.named)) == ("a1", "applying")
    history = told(Act.RETURNED, history=history)
    assert history.named is None
    assert phase(history.named) == "idle"


def test_a_host_that_reverted_says_so_and_gives_up_that_rollout_for_good():
    history = told(*ADOPTED, Act.REVERT)
    assert phase(history.named) == "applying", "on its way back it confirms nothing"
    history = told(Act.REVERTED, history=history)
    assert (history.named.adoption, phase(history.named)) == ("a1", "reverted")
    assert history.left == {"r1"}


def test_a_go_that_ran_out_leaves_the_intent_and_no_adoption_to_speak_of():
    history = told(Act.INTEND, Act.APPLY, Act.LAPSE)
    assert (history.step("sensor"), history.named) == (Step.INTENT, None)
    assert history.left == frozenset()


def test_a_host_that_never_adopted_can_be_directed_back():
    history = told(Act.RETURN)
    back = history.courses["sensor"]
    assert (back.step, back.candidate, back.to, history.named) == (Step.RETURNING, 2, 1, None)
    assert told(Act.RETURNED, history=history).courses == {}


@given(st.lists(st.sampled_from(Act), max_size=12))
def test_whatever_is_recorded_the_baseline_stays_known_and_a_trial_has_an_adoption(acts):
    history = History()
    for act in acts:
        try:
            history = told(act, history=history)
        except IllegalMoveError:
            continue
        for one in history.courses.values():
            assert one.baseline == 1
            assert Course.from_json(one.to_json()) == one
            if one.step in ON_TRIAL:
                assert one.adoption == "a1"


@pytest.mark.parametrize("step", [step for step in Step if step is not Step.IDLE])
@pytest.mark.parametrize("sight", list(Sight))
@pytest.mark.parametrize("restarted", [False, True])
def test_whatever_was_cut_off_goes_on_and_only_a_trial_keeps_a_candidate(step, sight, restarted):
    does = resume(course(step), sight, restarted=restarted)
    legal = {
        Next.STAY: True,
        Next.WITHDRAW: (step, Act.WITHDRAW) in MOVES,
        Next.LOADED: (step, Act.LOADED) in MOVES,
        Next.LAPSE: (step, Act.LAPSE) in MOVES,
        Next.END: (step, Act.END) in MOVES,
        Next.REVERT: step is Step.REVERTING or (step, Act.REVERT) in MOVES,
        Next.RETURN: step is Step.RETURNING,
    }
    assert legal[does]
    if sight is Sight.CANDIDATE and does in {Next.STAY, Next.LOADED}:
        assert step in {Step.APPLYING, Step.SCHEDULED, Step.APPLIED, Step.SETTLED}, "each of these had a go"


def test_the_tables_leave_no_case_out():
    assert set(TABLE) == {step for step in Step if step is not Step.IDLE}
    assert all(set(row) == set(Sight) for row in TABLE.values())
    assert set(AFTER_RESTART.values()) == {Next.REVERT}, "a restart in the middle is never a reason to go on"


def test_what_is_not_known_is_no_baseline():
    assert seen(course(Step.APPLIED), {}) is Sight.UNKNOWN
    assert seen(course(Step.APPLIED), {"sensor": None}) is Sight.OTHER
    assert seen(course(Step.APPLIED), {"sensor": 1}) is Sight.BASELINE
    assert seen(course(Step.APPLIED), {"sensor": 2}) is Sight.CANDIDATE
    assert seen(course(Step.APPLIED), {"sensor": 3}) is Sight.OTHER
