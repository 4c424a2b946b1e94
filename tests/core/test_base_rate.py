"""How often the fleet's own hosts fail: the rate, its interval, and what is believed while little was seen."""

import pytest
from scipy.stats import chi2

from rollout.operation.base_rate import ENOUGH, REFERENCE_RATE, Rate, Restarts, merged


@pytest.mark.parametrize("failures", [0, 1, 5, 50, 2000])
def test_the_interval_is_that_of_a_poisson_rate(failures):
    low, high = Rate(failures, 1000.0).interval
    exact = (chi2.ppf(0.025, 2 * failures) / 2 if failures else 0.0, chi2.ppf(0.975, 2 * failures + 2) / 2)
    assert (1000 * low, 1000 * high) == pytest.approx(exact, rel=0.03, abs=0.06)


def test_a_fleet_that_nobody_watched_has_no_rate_and_the_reference_is_believed():
    nothing = Rate(0, 0.0)
    assert (nothing.per_host_hour, nothing.interval) == (None, (0.0, None))
    assert nothing.believed(REFERENCE_RATE) == REFERENCE_RATE


def test_few_failures_move_the_belief_no_further_from_the_reference_than_they_must():
    assert Rate(0, 100.0).believed(REFERENCE_RATE) == REFERENCE_RATE
    quiet, loud = Rate(0, 1e7), Rate(ENOUGH - 1, 10.0)
    assert quiet.believed(REFERENCE_RATE) == quiet.interval[1] < REFERENCE_RATE
    assert loud.believed(REFERENCE_RATE) == loud.interval[0] > REFERENCE_RATE
    assert Rate(ENOUGH, 10.0).believed(REFERENCE_RATE) == ENOUGH / 10.0


def test_time_under_two_watches_counts_once():
    assert merged(iter([(5.0, 9.0), (1.0, 3.0), (2.0, 4.0), (9.0, 10.0), (7.0, 7.0)])) == [(1.0, 4.0), (5.0, 10.0)]


def test_restarts_are_reckoned_from_who_has_been_up_for_a_day():
    assert Restarts(1000, 368).per_day == pytest.approx(1.0, abs=0.001)
    assert Restarts(1000, 1000).per_day == 0.0
    assert Restarts(1000, 970).per_day == pytest.approx(0.0305, abs=0.0001)
    assert (Restarts(1000, 4).per_day, Restarts(1000, 4).is_thin, Restarts(0, 0).per_day) == (1.0, True, 1.0)
