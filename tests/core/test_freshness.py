from hypothesis import given, settings
from hypothesis import strategies as st

from rollout.operation.freshness import Freshness


def test_a_counter_seen_once_is_old():
    freshness = Freshness()
    freshness.observe("x", 5, 0.0)
    freshness.observe("x", 5, 1.0)
    assert freshness.age("x", 2.0) is None
    assert freshness.age("never", 2.0) is None


def test_a_lower_counter_is_an_older_look_and_no_movement():
    freshness = Freshness()
    for counter, at in ((1, 0.0), (2, 1.0), (1, 2.0), (2, 3.0)):
        freshness.observe("x", counter, at)
    assert freshness.age("x", 4.0) == 4.0


def test_a_look_that_began_before_a_counter_was_born_does_not_forget_it():
    freshness = Freshness()
    freshness.observe("gone", 1, 0.0)
    freshness.observe("kept", 1, 0.0)
    freshness.observe("born", 1, 2.0)
    freshness.observe("born", 2, 2.0)
    freshness.forget({"kept"}, 1.0)
    assert freshness.age("born", 2.0) == 0.0
    assert freshness.still("gone", 5.0) == 0.0
    assert freshness.still("kept", 5.0) == 5.0


@settings(max_examples=200)
@given(st.lists(st.floats(0, 100), min_size=1), st.lists(st.floats(0, 100), min_size=2))
def test_an_age_is_never_too_young(moves, looks):
    freshness = Freshness()
    for look in sorted(looks):
        freshness.observe("x", sum(move <= look for move in moves), look)
    age = freshness.age("x", 200.0)
    seen = [move for move in moves if min(looks) < move <= max(looks)]
    if age is None:
        assert not seen
    else:
        assert age >= 200.0 - max(seen)
