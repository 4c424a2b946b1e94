"""Whatever stands in `custom`, a host refuses or decides; it never breaks, and never acts on a bool for a number."""

import copy
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from rollout.directive.refusal import RefusedError
from tests.core.directive_world import HOST, RING, directed, director, image, release, ring_map, run

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
FOUR, FIVE, MAP = release(4), release(5), ring_map(1, [[RING, 0, 10**9]])


def broken(custom, key, value):
    changed = copy.deepcopy(custom)
    if value == "drop":
        del changed[key]
    else:
        changed[key] = value
    return changed


def answer(told, signed):
    try:
        return run(director(*told), image(*signed), HOST)
    except RefusedError:
        return None


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_mutated_custom_is_refused_or_decided_and_nothing_else(data):
    told = [directed(FIVE), directed(release(3), "rollback")]
    signed = [FIVE, FOUR, release(3), MAP]
    where, position = data.draw(
        st.sampled_from([(told, i) for i in range(len(told))] + [(signed, i) for i in range(len(signed))])
    )
    custom = where[position].custom
    key = data.draw(st.sampled_from(sorted(custom)))
    where[position] = replace(where[position], custom=broken(custom, key, data.draw(JSON | st.just("drop"))))
    answer(told, signed)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(sorted(directed(FIVE).custom)), JSON)
def test_a_directive_field_of_a_wrong_type_is_never_selected(key, value):
    right = directed(FIVE).custom[key]
    if type(value) is type(right) and not isinstance(value, list):
        return
    if value == right:
        return
    told = replace(directed(FIVE), custom=broken(directed(FIVE).custom, key, value))
    assert answer([told], [FIVE, FOUR, MAP]) is None


@settings(max_examples=100, deadline=None)
@given(JSON)
def test_a_custom_that_is_no_object_is_refused(value):
    assert answer([replace(directed(FIVE), custom=value)], [FIVE]) is None
    assert answer([directed(FIVE)], [replace(FIVE, custom=value)]) is None
