import hashlib
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.ringmap import POINTS, BoundaryError, RingMap, RingMapError, boundaries, bucket, point

GOOD = {
    "schema": "rollout.rings/1",
    "product": "filter",
    "n": 3,
    "salt": "s",
    "rings": [["held-out", 0, 50], ["canary", 50, 60], ["rest", 60, POINTS]],
    "tags": {"internal": "canary", "kiosk": "rest"},
}


def test_point_and_bucket_are_those_of_the_protocol():
    number = int.from_bytes(hashlib.sha256(b"salt|h-000001").digest()[:8], "big")
    assert point("salt", "h-000001") == number % 10**9
    assert bucket("salt", "h-000001") == number % 10_000


def test_a_map_reads_back_as_it_was_signed():
    assert RingMap.from_custom(GOOD).to_custom() == GOOD


def test_a_tag_of_the_host_goes_before_its_point_and_the_earliest_ring_before_later_ones():
    ring_map = RingMap.from_custom(GOOD)
    assert ring_map.ring_of("any", ["unknown", "kiosk", "internal"]) == "canary"
    assert ring_map.ring_of("any", ["kiosk"]) == "rest"
    assert ring_map.ring_of("any", ["unknown"]) == ring_map.ring_of("any") == "rest"


def test_a_host_whose_point_no_ring_holds_is_in_no_ring():
    assert RingMap("p", 1, "s", (("canary", 0, 1),), {}).ring_of("h") is None
    assert RingMap("p", 1, "s", (), {}).ring_of("h") is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"schema": "rollout.rings/2"},
        {"rings": [["a", 0, 10], ["b", 9, 20]]},
        {"rings": [["a", 10, 10]]},
        {"rings": [["a", -1, 10]]},
        {"rings": [["a", 0, POINTS + 1]]},
        {"rings": [["a", False, 10]]},
        {"rings": [["a", 0, 1.0]]},
        {"rings": [["A", 0, 1]]},
        {"rings": [["a", 0]]},
        {"rings": None},
        {"tags": None},
        {"tags": {"t": 1}},
        {"n": True},
        {"n": -1},
        {"n": "3"},
        {"salt": None},
        {"product": "../x"},
    ],
)
def test_what_is_no_map_is_refused(wrong):
    with pytest.raises(RingMapError):
        RingMap.from_custom(GOOD | wrong)


@pytest.mark.parametrize("field", sorted(GOOD))
def test_a_map_without_one_of_its_fields_is_refused(field):
    with pytest.raises(RingMapError):
        RingMap.from_custom({name: value for name, value in GOOD.items() if name != field})


@given(st.data())
def test_intervals_cover_everything_are_disjoint_and_hold_exactly_their_counts(data):
    points = sorted(data.draw(st.sets(st.integers(0, POINTS - 1), max_size=30)))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(points)), max_size=12)))
    counts = [b - a for a, b in itertools.pairwise([0, *cuts, len(points)])]
    try:
        intervals = boundaries(points, counts)
    except BoundaryError:
        gaps = [b - a for a, b in zip([-1, *points], [*points, POINTS], strict=True)]
        assert min(gaps) <= counts.count(0) + 1, "there was room everywhere"
        return
    assert intervals[0][0] == 0
    assert intervals[-1][1] == POINTS
    assert all(before[1] == after[0] for before, after in itertools.pairwise(intervals))
    assert [sum(lo <= p < hi for p in points) for lo, hi in intervals] == counts
    assert all(lo < hi for lo, hi in intervals)


def test_equal_points_are_never_parted():
    with pytest.raises(BoundaryError):
        boundaries([5, 5], [1, 1])
    assert boundaries([5, 5, 9], [2, 1])[0] == (0, 8)
