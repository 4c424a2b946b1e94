"""Pairs of hosts that measured: like with like, each once, and none chosen by what it reports."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollout.event import Event, EventKind
from rollout.evidence.fold import EvidenceFold
from rollout.evidence.pairing import MOST_EXPOSED, pairs
from rollout.evidence.rows import MeasureRow

CLOCK, ELAPSED = 90_000.0, 500.0


def fleet_of(hosts=40, exposed=10, strata=("a",), boot=lambda _: 100.0):
    """The first hosts are exposed and confirmed, the others control; strata in turn."""
    fold = EvidenceFold("r", "p", ["canary", "all"], list(strata), 60.0)
    for key in range(1, hosts + 1):
        place = fold.place(key, "canary" if key <= exposed else "held-out", strata[key % len(strata)],
                           directed=True, active=True)  # fmt: skip
        fold.fleet.place([place], CLOCK, ELAPSED)
        fold.fleet.booted[key] = CLOCK - boot(key)
        fold.fleet.granted[key] = fold.fleet.confirmed[key] = key <= exposed
    return fold


def paired(fold, reported=None, turn=0):
    cells = fold.pairing.cells("cpu", CLOCK, ELAPSED, turn)
    everybody = {key: key / 100 for key in range(1, fold.fleet.ring.size)}
    return pairs(cells, everybody if reported is None else reported)


def measured(fold, pair, seq=1):
    exposed, control = pair.values
    detail = {"measure": "cpu", "exposed": exposed, "control": control, "other": pair.control}
    return fold.take([Event(seq, 1.0, EventKind.MEASURED, pair.exposed, "r", None, detail)], 7.0, CLOCK)


def test_an_exposed_host_meets_a_control_host_and_their_row_says_both_numbers():
    fold = fleet_of()
    found = paired(fold)
    assert len(found) == 10
    assert {pair.exposed for pair in found} == set(range(1, 11))
    assert all(pair.control > 10 for pair in found)
    before = fold.exposed_rows
    (row,) = measured(fold, found[0])
    exposed, control = found[0].values
    assert row == MeasureRow(rollout="r", seq=1, at=7.0, ring="canary", stratum="a", measure="cpu", exposed=exposed,
                             control=control)  # fmt: skip
    assert fold.exposed_rows == before, "what everybody is expected to report makes no approval stale"


def test_a_host_stands_in_one_pair_at_most_also_after_another_owner_took_over():
    fold, again = fleet_of(hosts=16, exposed=10), fleet_of(hosts=16, exposed=10)
    seen = []
    for turn in range(5):
        for pair in paired(fold, turn=turn):
            measured(fold, pair)
            measured(again, pair)
            seen += [pair.exposed, pair.control]
    assert len(set(seen)) == len(seen) == 12, "all control hosts, and as many exposed ones"
    assert paired(fold) == paired(again) == []
    assert len(paired_of(fold, "disk")) == 6, "another measure has its own pairs"


def paired_of(fold, measure):
    return pairs(fold.pairing.cells(measure, CLOCK, ELAPSED, 0), dict.fromkeys(range(1, 21), 1.0))


def test_an_exposed_host_becomes_no_control_and_a_control_host_that_was_paired_no_exposed_one():
    fold = fleet_of(hosts=4, exposed=1)
    (pair,) = paired(fold)
    measured(fold, pair)
    fold.fleet.granted[pair.control] = fold.fleet.confirmed[pair.control] = True
    assert paired(fold) == []


def test_like_meets_like_in_stratum_and_time_since_boot():
    fold = fleet_of(hosts=70, exposed=29, strata=("a", "b", "c"), boot=lambda key: (100.0, 5_000.0)[key % 2])
    found = paired(fold)
    assert len(found) == 29
    for pair in found:
        assert pair.exposed % 3 == pair.control % 3
        assert pair.exposed % 2 == pair.control % 2


def test_without_a_like_control_host_an_exposed_one_waits():
    fold = fleet_of(boot=lambda key: 100.0 if key <= 10 else 100_000.0)
    assert paired(fold) == []
    fold.fleet.booted[:11] = CLOCK - 100_000.0
    assert len(paired(fold)) == 10


@pytest.mark.parametrize(
    "change",
    ["absent", "retired", "excluded", "reverted", "crashed", "darkened"],
)
def test_who_failed_sleeps_or_left_is_in_no_pair(change):
    fold = fleet_of(hosts=20, exposed=10)
    for key in (3, 15):
        getattr(fold.fleet, change)[key] = True
    assert {host for pair in paired(fold) for host in pair[:2]}.isdisjoint({3, 15})


def test_who_is_not_confirmed_or_was_not_heard_lately_is_in_no_pair():
    fold = fleet_of(hosts=20, exposed=10)
    fold.fleet.confirmed[3] = False
    fold.fleet.heard_elapsed[[4, 15]] = ELAPSED - 121.0
    assert {host for pair in paired(fold) for host in pair[:2]}.isdisjoint({3, 4, 15})


def test_those_who_did_not_report_wait_and_others_are_drawn_in_their_place():
    fold = fleet_of(hosts=400, exposed=300)
    silent = dict.fromkeys((7, 399), 1.0)
    seen = set()
    for turn in range(60):
        seen |= {(pair.exposed, pair.control) for pair in paired(fold, silent, turn)}
    assert seen == {(7, 399)}


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.lists(st.floats(0, 1), min_size=40, max_size=40))
def test_who_is_paired_does_not_depend_on_what_is_reported(turn, values):
    fold = fleet_of()
    one = paired(fold, dict(enumerate(values, 1)), turn)
    other = paired(fold, dict.fromkeys(range(1, 41), 0.0), turn)
    assert [pair[:2] for pair in one] == [pair[:2] for pair in other]


def test_a_tick_looks_at_a_bounded_number_of_hosts_and_comes_to_all_of_them():
    fold = fleet_of(hosts=3000, exposed=1500)
    for turn in range(200):
        found = paired(fold, turn=turn)
        assert len(found) <= MOST_EXPOSED
        for pair in found:
            measured(fold, pair)
        if not found:
            break
    assert fold.pairing._used["cpu"].sum() >= 2 * 1490


def test_under_random_membership_the_mean_difference_of_pairs_is_none():
    rng = np.random.default_rng(1)
    differences = []
    for _ in range(40):
        values = dict(enumerate(rng.random(200).tolist(), 1))
        order = rng.permutation(200) + 1
        fold = fleet_of(hosts=200, exposed=0)
        fold.fleet.granted[order[:60]] = fold.fleet.confirmed[order[:60]] = True
        differences += [pair.values[0] - pair.values[1] for pair in paired(fold, values)]
    assert len(differences) == 40 * 60
    assert abs(float(np.mean(differences))) < 4 * float(np.std(differences)) / np.sqrt(len(differences))
