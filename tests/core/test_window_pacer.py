"""The pacer, rule by rule (JUDGE section 4)."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.early_life import early_life_bound
from policies.profiles import profile
from rollout.evidence.rows import AdoptionRow, EvidenceError, TickRow
from rollout.judge.window import Pacer

POLICY = profile("driver")
CANARY, EARLY = POLICY.rings[0], POLICY.rings[1]


def row(adoption, order, count=1, stratum="a", ring="canary", at=0.0):
    return AdoptionRow(
        rollout="r", seq=1, at=at, ring=ring, stratum=stratum, adoption=adoption, order=order, count=count
    )


def tick(at=0.0, **counts):
    return TickRow(rollout="r", seq=1, at=at, clock=at, ring="canary", **counts)


def pacer(*rows, strata=("a", "b")):
    made = Pacer(POLICY, strata)
    for each in rows:
        made.take(each)
    return made


def test_the_first_batch_is_five_in_all_and_in_each_stratum():
    assert (pacer().window, pacer().windows) == (5, {"a": 5, "b": 5})


def test_the_window_is_the_budget_over_the_early_life_bound():
    made = pacer(row("granted", 0, 200), row("confirmed", 0, 200))
    assert made.window == math.floor(5 / early_life_bound(200, 0))
    assert made.windows == {"a": made.window, "b": 5}, "a model that nobody confirmed starts at the first batch"


def test_fast_survivors_do_not_hide_a_slow_death():
    made = pacer(row("granted", 0, 200), row("confirmed", 1, 199))
    assert (made.whole.n, made.window) == (0, 5), "the prefix stops at order 0"
    made.take(row("overdue", 0))
    assert (made.whole.n, made.whole.x) == (200, 1)
    made.take(row("confirmed", 0))
    assert (made.whole.n, made.whole.x, made.window) == (200, 0, math.floor(5 / early_life_bound(200, 0)))


def test_fewer_outcomes_than_the_first_batch_are_no_reason_to_grow():
    made = pacer(row("granted", 0, 5), row("confirmed", 0, 4))
    made.open_ring(POLICY.rings[-1])
    assert made.window == 5 < math.floor(100 / early_life_bound(4, 0))


def test_a_failed_adoption_keeps_its_slot_until_it_is_resolved():
    made = pacer(row("granted", 0, 5), row("failed", 0), row("confirmed", 1))
    assert made.whole.outstanding == 4
    made.take(row("resolved", 0))
    assert made.whole.outstanding == 3


def test_a_raise_waits_for_the_next_confirmation():
    made = pacer(row("granted", 0, 300), row("confirmed", 1, 298), row("failed", 0))
    formula = math.floor(5 / early_life_bound(299, 1))
    assert made.window == 5 < formula, "the failure opened the prefix, but raises nothing"
    made.take(row("confirmed", 299))
    assert made.window == math.floor(5 / early_life_bound(300, 1))


def test_a_ring_that_opens_sets_the_window_anew():
    made = pacer(row("granted", 0, 300), row("confirmed", 1, 299), row("failed", 0))
    made.open_ring(POLICY.rings[2])
    assert made.window == math.floor(20 / early_life_bound(300, 1))


@pytest.mark.parametrize("bad", ["failed", "overdue"])
def test_three_bad_ones_among_the_first_five_outcomes_stop_everything(bad):
    made = pacer(row("granted", 0, 5), row("confirmed", 4), row("confirmed", 2), row(bad, 0), row(bad, 3))
    assert made.window == 5
    alarm = made.take(row(bad, 1))
    assert alarm is not None
    assert alarm.kind == "first-five"
    assert (made.window, made.windows["a"]) == (0, 0)


def test_the_first_five_are_also_those_in_order_of_outcome_and_the_rule_fires_once():
    late = pacer(row("granted", 0, 9), row("confirmed", 2, 7))
    assert late.take(row("failed", 0, 2)) is None, "the first five outcomes were fine"
    made = pacer(row("granted", 0, 9), row("confirmed", 0, 1), row("confirmed", 5, 1), row("failed", 6, 2))
    assert made.take(row("overdue", 8)) is not None, "orders 0, 5, 6, 7 and 8 came first"
    assert made.window == 0
    made.resume()
    assert made.window == 5
    assert made.take(row("failed", 1, 3)) is None, "those granted first fired with them"


def test_the_first_outcomes_of_hundreds_granted_at_once_are_failures_and_stop_nothing():
    proven = [row("granted", 0, 100), row("confirmed", 0, 100), row("granted", 100, 101, ring="early")]
    many = pacer(*proven)
    assert [many.take(row("failed", order, ring="early")) for order in (150, 160, 170, 180, 190)] == [None] * 5
    few = pacer(*proven[:2], row("granted", 100, 100, ring="early"), row("failed", 150, 2, ring="early"))
    alarm = few.take(row("failed", 160, ring="early"))
    assert alarm is not None, "twenty first batches or less"
    assert "the ring early failed" in alarm.sentence


@pytest.mark.parametrize("bad", ["failed", "overdue"])
def test_three_bad_ones_among_the_first_five_granted_stop_however_many_were_granted(bad):
    made = pacer(row("granted", 0, 5), row("confirmed", 0, 5), row("granted", 5, 5000, ring="early"))
    made.take(row("confirmed", 500, 4000, ring="early"))
    assert [made.take(row(bad, order, ring="early")) for order in (10, 9, 7)] == [None] * 3, (
        "order 10 is not one of them"
    )
    alarm = made.take(row(bad, 5, ring="early"))
    assert alarm is not None
    assert alarm.sentence == "3 of the first 5 adoptions of the ring early failed or are overdue"


def test_an_overdue_one_of_the_first_five_granted_that_confirms_is_good():
    made = pacer(row("granted", 0, 500), row("confirmed", 100, 300), row("overdue", 0, 2), row("confirmed", 0))
    assert made.take(row("failed", 2)) is None
    assert made.take(row("failed", 3)) is not None


def test_a_small_stratum_among_thousands_has_its_first_five_by_outcome():
    made = pacer(row("granted", 0, 100), row("confirmed", 0, 100), row("granted", 100, 4000, ring="early"))
    made.take(row("granted", 4100, 50, "b", ring="early"))
    made.take(row("failed", 4120, 2, "b", ring="early"))
    alarm = made.take(row("failed", 4140, 1, "b", ring="early"))
    assert alarm is not None
    assert "the stratum b failed" in alarm.sentence


def test_outcomes_before_many_were_granted_keep_their_places():
    made = pacer(row("granted", 0, 100), row("failed", 50, 2), row("granted", 100, 1))
    assert made.take(row("failed", 60)) is None, "too many are granted by now"
    made.open_ring(EARLY.model_copy(update={"first_batch": 10}))
    assert made.take(row("confirmed", 70)) is not None, "ten times twenty: three of the first five had failed"


def test_after_a_resume_the_window_is_the_first_batch_until_as_many_more_confirmed():
    made = pacer(row("granted", 0, 205), row("failed", 0, 3))
    made.resume()
    made.take(row("confirmed", 3, 4))
    assert made.window == 5
    made.take(row("confirmed", 7, 198))
    assert made.window == math.floor(5 / early_life_bound(205, 3))


def test_each_ring_and_each_stratum_has_its_own_first_five():
    made = pacer(row("granted", 0, 50), row("confirmed", 0, 50), row("granted", 50, 3, "b"))
    alarm = made.take(row("failed", 50, 3, "b"))
    assert alarm is not None
    assert "stratum b" in alarm.sentence
    made = pacer(row("granted", 0, 50), row("confirmed", 0, 50), row("granted", 50, 3, ring="early"))
    alarm = made.take(row("failed", 50, 3, ring="early"))
    assert alarm is not None
    assert "ring early" in alarm.sentence


def test_more_overdue_at_once_than_ordinary_silence_explains_pauses():
    made = pacer(row("granted", 0, 100), row("confirmed", 0, 90), row("overdue", 90, 5))
    assert made.look(tick(), 0) is None
    made.take(row("overdue", 95))
    alarm = made.look(tick(at=1.0), 0)
    assert alarm is not None
    assert alarm.kind == "max-dark"
    # control goes dark .06 an hour: 3m = 3 x .06 x 1/6 h x 100 adoptions = 3 more
    assert made.look(tick(at=1.0, control_host_hours=1000.0), 60) is None
    assert made.allowed_at_once == pytest.approx(8.0)
    assert made.look(tick(at=4000.0, control_host_hours=1000.0), 60) is not None, "none that counts is still ordinary"
    made.resume()
    assert made.look(tick(at=4001.0), 0) is None, "the next is at twice the present count"


def test_ordinary_silence_is_allowed_for_as_long_as_it_is_counted():
    silent = {"control_host_hours": 1000.0, "dark": 8}  # 3m = 3 x .06 x 1/6 h x 100 adoptions = 3 beside max_dark
    made = pacer(row("granted", 0, 100))
    assert made.look(tick(**silent), 60) is None
    made.take(row("confirmed", 0, 92))
    made.take(row("failed", 92, 8))
    for at in (1801.0, 2 * 1800.0 + 3.0):  # failed at the deadline, its slot given back one deadline later
        assert made.look(tick(at=at, **silent), 60) is None
    made.take(row("resolved", 92, 8))
    assert made.look(tick(at=3604.0, **silent), 60) is None
    assert made.look(tick(at=3721.0, **silent), 60) is None
    assert made.allowed_at_once == pytest.approx(5.0), "and no longer than that"


def test_ordinary_silence_runs_on_the_rollout_clock_that_stands_still_while_blind():
    made = pacer(row("granted", 0, 100, at=10.0))
    ordinary = {"rollout": "r", "seq": 1, "ring": "canary", "control_host_hours": 1000.0}
    made.look(TickRow(at=10.0, clock=10.0, **ordinary), 60)
    made.look(TickRow(at=9000.0, clock=20.0, **ordinary), 60)
    assert made.allowed_at_once == pytest.approx(8.0)


def test_announced_sleep_does_not_pause_but_counts_as_failed():
    made = pacer(row("granted", 0, 100), row("confirmed", 0, 60), row("overdue", 60, 40))
    assert made.look(tick(overdue=40, overdue_asleep=35), 0) is None
    assert (made.whole.n, made.whole.x) == (100, 40)
    assert made.at_once == 5
    assert made.look(tick(overdue=40, overdue_asleep=34), 0) is not None, "six are late and have announced nothing"
    made.resume()
    assert made.look(tick(overdue=40, overdue_asleep=28), 0) is None, "the next is at twice those"
    assert made.look(tick(overdue=40, overdue_asleep=27), 0) is not None


def test_dark_hosts_count_while_their_failed_adoption_holds_its_slot():
    made = pacer(row("granted", 0, 100), row("confirmed", 0, 94), row("failed", 94, 6))
    assert made.look(tick(dark=50), 0) is not None
    assert made.at_once == 6, "hosts that went dark after they confirmed are the judge's, not the pacer's"
    made.take(row("resolved", 94, 2))
    assert made.look(tick(dark=50), 0) is None


def test_a_stratum_born_later_is_other():
    made = pacer(row("granted", 0, 5, "new"), row("failed", 0, 3, "new"))
    assert made.windows == {"a": 5, "b": 5, "other": 0}


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([row("confirmed", 0)], "never granted"),
        ([row("granted", 0), row("granted", 2)], "order 1 is due"),
        ([row("granted", 0), row("granted", 0)], "order 1 is due"),
        ([row("granted", 0), row("confirmed", 0), row("failed", 0)], "already had their outcome"),
        ([row("granted", 0), row("overdue", 0), row("overdue", 0)], "already had their outcome"),
        ([row("granted", 0), row("confirmed", 0, 2)], "never granted"),
        ([row("granted", 0), row("confirmed", 0, stratum="b")], "another stratum"),
        ([row("granted", 0), row("resolved", 0)], "more slots"),
    ],
)
def test_adoptions_that_contradict_each_other_are_refused(rows, said):
    with pytest.raises(EvidenceError, match=said):
        pacer(*rows)


class Fleet:
    """A model of a rollout: what each adoption is now, moved by arbitrary draws."""

    def __init__(self):
        self.made = Pacer(POLICY, ("a", "b"))
        self.state = {}

    def step(self, kind, pick):
        if kind == "granted":
            order = len(self.state)
            self.state[order] = ("open", "ab"[pick % 2])
        else:
            allowed = {"overdue": {"open"}, "resolved": {"failed"}}.get(kind, {"open", "overdue"})
            fitting = [order for order, (now, _) in self.state.items() if now in allowed]
            if not fitting:
                return None
            order = fitting[pick % len(fitting)]
            self.state[order] = (kind, self.state[order][1])
        self.made.take(row(kind, order, stratum=self.state[order][1]))
        return kind


STEPS = st.lists(
    st.tuples(st.sampled_from(["granted", "granted", "confirmed", "confirmed", "failed", "overdue", "resolved"]),
              st.integers(0, 1000)),
    max_size=150,
)  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(STEPS, st.booleans())
def test_the_window_never_grows_without_a_confirmation(steps, look):
    fleet = Fleet()
    last, confirmed = (5, {"a": 5, "b": 5}), False
    for kind, pick in steps:
        done = fleet.step(kind, pick)
        confirmed |= done == "confirmed"
        if look or pick % 3 == 0:
            now = (fleet.made.window, fleet.made.windows)
            assert confirmed or (now[0] <= last[0] and all(now[1][s] <= last[1][s] for s in "ab"))
            last, confirmed = now, False


@settings(max_examples=100, deadline=None)
@given(STEPS)
def test_the_counts_are_those_of_the_adoptions(steps):
    fleet = Fleet()
    for kind, pick in steps:
        fleet.step(kind, pick)
    for lane, stratum in ((fleet.made.whole, "ab"), (fleet.made._lanes[0], "a"), (fleet.made._lanes[1], "b")):
        states = [state for state, own in fleet.state.values() if own in stratum]
        prefix = states[: next((i for i, state in enumerate(states) if state == "open"), len(states))]
        assert lane.n == len(prefix)
        assert lane.x == sum(state != "confirmed" for state in prefix)
        assert lane.outstanding == sum(state in {"open", "overdue", "failed"} for state in states)
        assert lane.overdue == states.count("overdue")


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_when_it_is_looked_at_does_not_change_the_window(steps):
    seen, unseen = Fleet(), Fleet()
    for kind, pick in steps:
        seen.step(kind, pick)
        assert seen.made.window >= 0
        unseen.step(kind, pick)
    assert (seen.made.window, seen.made.windows) == (unseen.made.window, unseen.made.windows)
