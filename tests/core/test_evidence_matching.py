"""Which bands of time since boot are compared by themselves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.evidence.matching import beside, is_match

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
    ("exposed", "control", "unmatched"),
    [
        ((100, 0, 0, 0), (2000, 12_000, 48_000, 37_900), None),
        ((9000, 0, 0, 1000), (1900, 11_000, 46_000, 31_100), 9000),
        ((5, 0, 0, 0), (0, 0, 0, 900), 5),
        ((5, 3, 0, 95), (0, 0, 0, 900), 8),
        ((0, 0, 0, 100), (0, 0, 0, 900), None),
    ],
)
def test_exposed_hosts_of_bands_without_a_match_stand_together_against_all_of_control(exposed, control, unmatched):
    for band in range(4):
        found = beside(band, exposed, control, exposed)
        assert (found.exposed, found.control) == (exposed[band], control[band])
        assert found.exposed_unmatched == unmatched
        assert found.control_in_stratum == (None if unmatched is None else sum(control))


@given(COUNTS, COUNTS, st.integers(0, 3))
def test_a_row_says_of_its_own_band_whether_it_has_its_match(exposed, control, band):
    found = beside(band, exposed, control, exposed)
    alone = is_match(exposed[band], control[band], sum(exposed), sum(control))
    assert (found.confirmed_in_stratum is None) == alone
    assert found.exposed_unmatched is not None or alone
    assert alone or found.exposed_unmatched >= exposed[band]
