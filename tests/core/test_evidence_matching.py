"""Which bands of time since boot are compared by themselves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.evidence.matching import beside, is_match, merged

COUNTS = st.tuples(*[st.integers(0, 50)] * 4)


@pytest.mark.parametrize(
    ("exposed", "control", "all_exposed", "all_control", "why"),
    [
        (5, 2000, 5, 99_995, "more control than exposed hosts"),
        (9, 8, 50, 49, "chance alone made it smaller: the stratum is half exposed"),
        (19, 1, 950, 50, "the stratum itself is nearly all exposed"),
    ],
)
def test_a_band_is_compared_by_itself_where(exposed, control, all_exposed, all_control, why):
    assert is_match(exposed, control, all_exposed, all_control), why


def test_a_band_that_restarts_left_almost_without_control_takes_the_whole_stratum():
    assert not is_match(100, 2, 100, 900)
    assert not is_match(5, 0, 5, 30)
    assert not is_match(40_000, 1000, 50_000, 50_000), "a thousand, but few for each exposed host"


@pytest.mark.parametrize(
    ("exposed", "control", "groups"),
    [
        ((100, 0, 0, 0), (2000, 12_000, 48_000, 37_900), [(0, 1), (1, 2), (2, 3), (3, 4)]),
        ((9000, 0, 0, 1000), (1900, 11_000, 46_000, 31_100), [(0, 2), (0, 2), (2, 3), (3, 4)]),
        ((5, 0, 0, 0), (0, 0, 0, 900), [(0, 4)] * 4),
        ((5, 0, 0, 95), (0, 0, 0, 900), [(0, 4)] * 4),
        ((0, 0, 0, 100), (0, 0, 0, 900), [(0, 1), (1, 2), (2, 3), (3, 4)]),
        ((0, 10, 0, 100), (40, 860, 2, 0), [(0, 1), (1, 4), (1, 4), (1, 4)]),
    ],
)
def test_bands_are_merged_from_the_youngest_until_control_can_answer_for_them(exposed, control, groups):
    assert merged(exposed, control) == groups


@given(COUNTS, COUNTS)
def test_every_host_at_risk_is_in_exactly_one_group_and_each_group_is_a_match(exposed, control):
    groups = merged(exposed, control)
    assert [band for first, end in sorted(set(groups)) for band in range(first, end)] == [0, 1, 2, 3]
    for first, end in groups:
        assert is_match(sum(exposed[first:end]), sum(control[first:end]), sum(exposed), sum(control))


def test_a_control_failure_is_compared_with_those_that_are_compared_with_it():
    young = beside(0, (5, 0, 0, 0), (0, 0, 0, 900), (5, 0, 0, 0))
    old = beside(3, (5, 0, 0, 0), (0, 0, 0, 900), (5, 0, 0, 0))
    assert (young.exposed, young.control, young.exposed_in_bands, young.control_in_bands) == (5, 0, 5, 900)
    assert (old.exposed, old.control, old.exposed_in_bands, old.control_in_bands) == (0, 900, 5, 900)
    assert (young.control_in_stratum, young.confirmed_in_stratum, old.control_in_stratum) == (900, 5, None)
