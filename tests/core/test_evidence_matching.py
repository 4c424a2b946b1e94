"""Which bands of time since boot are compared by themselves."""

import pytest

from rollout.evidence.matching import is_match


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
