import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.early_life import early_life_bound, early_life_bounds, smallest_clean_n


@pytest.mark.parametrize(
    ("limit", "n"), [(1.0, 0), (0.09, 60), (0.05, 116), (0.02, 320), (0.01, 680), (0.005, 1438), (0.001, 8062)]
)
def test_the_smallest_clean_ring_is_the_published_one(limit, n):
    assert smallest_clean_n(limit) == n


def test_nothing_seen_proves_nothing():
    assert early_life_bound(0, 0) == 1.0
    assert early_life_bound(7, 7) == 1.0


def test_no_ring_proves_a_share_of_nothing():
    with pytest.raises(ValueError, match="share of 0"):
        smallest_clean_n(0.0)


@given(st.integers(1, 20_000_000), st.floats(0, 0.99))
@settings(max_examples=200)
def test_the_bound_solves_the_mixture_equation_to_the_right_of_the_observed_share(n, share):
    x = min(int(n * share), n - 1)
    p = early_life_bound(n, x)
    assert x / n < p < 1
    left = math.lgamma(x + 0.5) + math.lgamma(n - x + 0.5) - math.lgamma(n + 1) - math.log(math.pi)
    left -= x * math.log(p) + (n - x) * math.log1p(-p)
    assert left == pytest.approx(math.log(20), abs=1e-6 + 1e-8 * n)
    assert early_life_bound(n + 1, x) < p < early_life_bound(n + 1, x + 1)


@given(st.lists(st.tuples(st.integers(0, 9_000_000), st.integers(0, 60)), min_size=1, max_size=40))
@settings(max_examples=100)
def test_the_vectorised_bound_is_the_scalar_one(pairs):
    n = np.array([pair[0] for pair in pairs])
    x = np.minimum(n, [pair[1] for pair in pairs])
    expected = [early_life_bound(int(a), int(b)) for a, b in zip(n, x, strict=True)]
    np.testing.assert_allclose(early_life_bounds(n, x), expected, rtol=1e-6)
