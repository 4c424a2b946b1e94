"""Bands of time since boot: a host is compared with those that booted about when it did."""

import numpy as np
import pytest

from rollout.event import Event, EventKind
from rollout.evidence.band import BANDS, band_of, bands_of
from rollout.evidence.fold import EvidenceFold

HOSTS = 100


def fold_of(booted: float = -1e6) -> EvidenceFold:
    fold = EvidenceFold("r1", "edr", ("all",), ("a",), 60.0)
    places = [fold.place(host, "all", "a", directed=True, active=True) for host in range(1, HOSTS + 1)]
    fold.fleet.place(places, 0.0, 0.0)
    fold.fleet.booted[:] = booted
    return fold


def event(kind, host, **detail):
    adoption = f"a{host}" if kind is EventKind.GRANTED else None
    return Event(1, 0.0, kind, host, "r1" if adoption else None, adoption, detail)


def grants(hosts):
    return [event(EventKind.GRANTED, host, ring="all", stratum="a", order=n) for n, host in enumerate(hosts)]


def reboots(hosts, uptime=0.0):
    return [event(EventKind.REBOOTED, host, boot="b2", uptime=uptime) for host in hosts]


def crash(fold, host, clock=0.0, **detail):
    (row, *_) = fold.take([event(EventKind.CRASHED, host, own=[], before=[], **detail)], 0.0, clock)
    return row


def test_the_edges_of_the_bands():
    seconds = [0, 1799, 1800, 14_399, 14_400, 86_399, 86_400, np.inf]
    assert [BANDS[band_of(s)] for s in seconds] == ["<30m", "<30m", "<4h", "<4h", "<24h", "<24h", "more", "more"]
    assert bands_of(np.array(seconds)).tolist() == [band_of(s) for s in seconds]


def test_a_host_that_rebooted_is_compared_with_those_that_rebooted():
    fold = fold_of()
    fold.take([*grants(range(1, 6)), *reboots(range(1, 21))], 0.0, 0.0)
    row = crash(fold, 1)
    assert (row.band, row.exposed_at_risk, row.control_at_risk, row.control_in_stratum) == ("<30m", 5, 15, None)
    row = crash(fold, 50)
    assert (row.band, row.exposed_at_risk, row.control_at_risk) == ("more", 0, 80)


def test_a_band_grows_old_with_the_rollout_clock():
    fold = fold_of()
    fold.take([*grants(range(1, 6)), *reboots(range(1, 21))], 0.0, 0.0)
    row = crash(fold, 1, clock=1800.0)
    assert (row.band, row.exposed_at_risk, row.control_at_risk) == ("<4h", 5, 15)


def test_where_control_is_too_few_in_the_band_the_row_says_how_many_the_stratum_has():
    fold = fold_of()
    fold.take([*grants(range(1, 8)), *reboots(range(1, 6)), *reboots(range(8, 11))], 0.0, 0.0)
    fold.take([Event(100 + host, 0.0, EventKind.CONFIRMED, host, "r1", f"a{host}") for host in (2, 3, 7)], 0.0, 0.0)
    row = crash(fold, 1)
    assert (row.exposed_at_risk, row.control_at_risk, row.exposed_confirmed) == (5, 3, 2)
    assert (row.control_in_stratum, row.confirmed_in_stratum) == (93, 3)
    assert row.exposed_unmatched == 5
    old = crash(fold, 50)
    assert (old.band, old.exposed_at_risk, old.control_at_risk, old.confirmed_in_stratum) == ("more", 2, 90, None)
    assert (old.exposed_unmatched, old.control_in_stratum) == (4, 93), "control of any age answers for the young"


def test_where_control_is_the_smaller_arm_anyhow_its_own_band_is_the_match():
    fold = fold_of()
    fold.take(grants(range(1, 81)), 0.0, 0.0)
    row = crash(fold, 1)
    assert (row.exposed_at_risk, row.control_at_risk, row.control_in_stratum) == (80, 20, None)
    assert row.confirmed_in_stratum is None


def test_a_crash_belongs_to_the_band_of_its_own_uptime_however_late_it_is_told():
    fold = fold_of()
    fold.take([*grants(range(1, 6)), *reboots([1, 2])], 0.0, 0.0)
    row = crash(fold, 1, uptime=90_000.0)
    assert (row.band, row.exposed_at_risk, row.control_at_risk) == ("more", 4, 95), "the host itself, and three others"


def test_confirmed_hosts_are_counted_in_their_band():
    fold = fold_of()
    fold.take([*grants(range(1, 6)), *reboots([1, 2, *range(50, 60)])], 0.0, 0.0)
    fold.take([Event(2, 0.0, EventKind.CONFIRMED, host, "r1", f"a{host}") for host in (1, 3)], 0.0, 0.0)
    assert crash(fold, 50).exposed_confirmed == 1


@pytest.mark.parametrize("detail", [{"boot": "b"}, {"boot": "b", "uptime": 10.0}])
def test_a_host_that_only_asked_has_not_said_for_how_long_it_is_up(detail):
    fold = fold_of(booted=0.0)
    fold.take([event(EventKind.JOINED, 7, **detail)], 0.0, 5.0)
    assert crash(fold, 7).band == ("<30m" if "uptime" in detail else "more")


def test_a_crash_before_the_adoption_counts_its_host_as_control():
    fold = fold_of()
    fold.take(grants(range(1, 6)), 0.0, 0.0)
    (row, *_) = fold.take([event(EventKind.CRASHED, 1, own=[], before=["r1"])], 0.0, 0.0)
    assert (row.arm, row.exposed_at_risk, row.control_at_risk, row.exposed_confirmed) == ("control", 4, 96, 0)


def test_several_that_fall_dark_at_once_are_taken_one_by_one_in_an_order_that_knows_no_arm():
    fold = fold_of()
    fold.take(grants(range(1, 51)), 0.0, 0.0)
    due = [each.host for each in fold.due(1e4, overdue=1e9, deadline=1e9, dark_after=60.0)]
    assert sorted(due) == list(range(1, HOSTS + 1))
    ranks = [due.index(host) for host in range(1, 51)]
    assert 30 < sum(ranks) / 50 < 70, "by host key the exposed ones would all come first"
    rows = fold.take([Event(1, 0.0, EventKind.DARK, host, "r1") for host in due], 0.0, 1e4)
    dark = [row for row in rows if getattr(row, "guard", "") == "dark"]
    left = [(row.exposed_at_risk, row.control_at_risk) for row in dark]
    exposed = [row.arm == "exposed" for row in dark]
    assert left == [(50 - sum(exposed[:n]), 50 - (n - sum(exposed[:n]))) for n in range(HOSTS)]


def test_a_late_report_of_a_crash_before_the_rollout_takes_its_host_out_of_both_arms():
    fold = fold_of()
    fold.take(grants(range(1, 6)), 0.0, 0.0)
    early = {"own": [], "before": ["r1"], "earlier": ["r1"]}
    assert fold.take([event(EventKind.CRASHED, host, **early) for host in (1, 50)], 0.0, 0.0) == []
    row = crash(fold, 60)
    assert (row.exposed_at_risk, row.control_at_risk) == (4, 94)
    assert fold.take([event(EventKind.DARK, 50)], 0.0, 0.0) == []


def test_a_boot_known_to_be_later_outweighs_a_date_before_the_rollout():
    fold = fold_of()
    fold.take(grants(range(1, 6)), 0.0, 0.0)
    row = crash(fold, 1, earlier=["r1"])
    assert row.arm == "exposed"
