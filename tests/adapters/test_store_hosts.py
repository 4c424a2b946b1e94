from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policies.load import load
from rollout.adapters.clock import SystemClock
from rollout.adapters.store.migrate import migrate, open_store
from rollout.ports.adoption import Adoption
from rollout.ports.event import Event, EventKind, Happened
from rollout.ports.host import HostRecord, Presence, StoredCrash
from rollout.ports.rollout import RolloutRecord, Tally
from rollout.telemetry import RETIRED

POLICY = load({"schema": "rollout.policy/1", "name": "p", "kind": "driver"})


@pytest.fixture(scope="module")
def store(make_database):
    url = make_database()
    migrate(url)
    opened = open_store(url, SystemClock())
    yield opened
    opened.close()


@pytest.fixture
def tx(store):
    """One transaction that is undone at the end."""
    connection = store._writer_engine.connect()
    from rollout.adapters.store.transaction import Transaction

    with connection.begin() as begun:
        yield Transaction(connection, 1000.0, 1000.0)
        begun.rollback()
    connection.close()


def host(name, key=b"k"):
    return HostRecord(0, name, "ed25519", key, {"tags": ["t"]}, "s", 1.0, token="t")


def presence(key, **change):
    return Presence(key, 1, "b", 1.0, "idle", 0, '{"p":1}', None, 1.0)._replace(**change)


def test_a_host_is_found_by_id_and_key(tx):
    key = tx.hosts.enrol(host("a"))
    assert (
        tx.hosts.find("a")
        == tx.hosts.by_key(key)
        == HostRecord(key, "a", "ed25519", b"k", {"tags": ["t"]}, "s", 1.0, token="t")
    )
    assert (tx.hosts.keys(["a", "b"]), tx.hosts.names([key, 99])) == ({"a": key}, {key: "a"})


def test_what_a_host_was_told_is_kept_before_and_through_its_beats(tx):
    key = tx.hosts.enrol(host("a"))
    tx.hosts.tell({key: '{"p":"canary"}'})
    assert tx.hosts.presence([key]) == {}
    assert tx.hosts.all()[0][1] is None
    tx.hosts.save_presence([presence(key)])
    tx.hosts.touch([(7, 9.0, None, 11.0, key)])
    assert tx.hosts.presence([key]) == {key: presence(key, seq=7, uptime=9.0, at=11.0)}
    assert tx.hosts.told([key]) == {key: '{"p":"canary"}'}


def test_what_a_host_measured_is_what_its_latest_beat_said(tx):
    one, two, three = (tx.hosts.enrol(host(name)) for name in "abc")
    tx.hosts.save_presence(
        [presence(one, measures='{"cpu":0.5}'), presence(two, measures='{"cpu":1}'), presence(three)]
    )
    assert tx.hosts.measures([one, two, three]) == {one: {"cpu": 0.5}, two: {"cpu": 1}}
    tx.hosts.touch([(2, 9.0, None, 11.0, one), (2, 9.0, '{"boot.seconds":30.5}', 11.0, two)])
    assert tx.hosts.measures([one, two, three]) == {two: {"boot.seconds": 30.5}}


def test_a_retired_host_is_gone_and_says_so(tx):
    key = tx.hosts.enrol(host("a"))
    tx.hosts.save_presence([presence(key)])
    tx.hosts.retire(key)
    assert (tx.hosts.keys(["a"]), tx.hosts.credentials([key])) == ({}, {})
    assert tx.hosts.presence([key])[key].absent == RETIRED
    assert tx.hosts.by_key(key).retired_at == 1000.0


def test_a_rekey_forgets_the_key_and_starts_seq_again(tx):
    key = tx.hosts.enrol(host("a"))
    tx.hosts.save_presence([presence(key, seq=99)])
    tx.hosts.rekey(key)
    assert (tx.hosts.credentials([key]), tx.hosts.presence([key])[key].seq) == ({key: b""}, -1)
    tx.hosts.set_key(key, "ecdsa-p256-sha256", b"new", "u")
    assert tx.hosts.credentials([key]) == {key: b"new"}


def test_what_hosts_run_is_replaced_whole(tx):
    a, b = tx.hosts.enrol(host("a")), tx.hosts.enrol(host("b"))
    tx.hosts.set_running({a: {"p": 1, "q": 2}, b: {"p": 3}})
    tx.hosts.set_running({a: {"q": 5}})
    assert (tx.hosts.running("p"), tx.hosts.running("q")) == ({b: 3}, {a: 5})


def test_a_report_is_kept_once_and_only_bugchecks_count(tx):
    a, b = tx.hosts.enrol(host("a")), tx.hosts.enrol(host("b"))
    assert tx.hosts.keep_crash(StoredCrash(a, "r", "bugcheck", 500.0, {"x": 1}))
    assert not tx.hosts.keep_crash(StoredCrash(a, "r", "bugcheck", 999.0, {}))
    assert tx.hosts.keep_crash(StoredCrash(b, "r", "live", 500.0, {}))
    assert set(tx.hosts.crashed_between(500.0, 501.0)) == {a}
    assert set(tx.hosts.crashed_between(501.0, 999.0)) == set()


def adoption(number, stratum):
    return Adoption(
        f"a{number}", "r", number, "p", 2, "canary", stratum, 0, "open", None, False, True, 1000.0, "b", 3
    )  # fmt: skip


ACTS = st.tuples(st.sampled_from(["confirm", "fail", "overdue", "release"]), st.integers(0, 5))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from("xy"), min_size=1, max_size=6), st.lists(ACTS, max_size=20))
def test_tallies_are_what_a_recount_gives(tx, strata, acts):
    tx.connection.exec_driver_sql("SAVEPOINT example")
    record = RolloutRecord(
        "r", 1, "p", 2, POLICY, "0" * 64, "running", 0.0, False, "p", "", 0.0, 1, "x", (), 0, 0, 0, None, None, False
    )  # fmt: skip
    tx.rollouts.create(record, [])
    adoptions = [adoption(number, stratum) for number, stratum in enumerate(strata)]
    assert [tx.adoptions.grant(each) for each in adoptions] == list(range(len(adoptions)))
    for act, number in acts:
        each = adoptions[number % len(adoptions)]
        {
            "confirm": tx.adoptions.confirm, "fail": lambda it: tx.adoptions.fail(it, "crash"),
            "overdue": tx.adoptions.mark_overdue, "release": tx.adoptions.release_slot,
        }[act](each)  # fmt: skip
    counted = {}
    for stratum in set(strata):
        mine = [each for each in tx.adoptions.of_rollout("r") if each.stratum == stratum]
        states = Counter(each.state for each in mine)
        counted["canary", stratum] = Tally(
            len(mine),
            states["confirmed"],
            states["failed"],
            0,
            sum(each.overdue for each in mine),
            sum(each.holding for each in mine),
        )
        assert all(each.holding for each in mine if each.state == "open")
        assert not any(each.holding for each in mine if each.state == "confirmed")
        assert not any(each.overdue for each in mine if each.state != "open")
    assert tx.adoptions.tallies("r") == counted
    assert set(tx.adoptions.open_of(range(10))) == {each.host for each in tx.adoptions.of_rollout("r", "open")}
    tx.connection.exec_driver_sql("ROLLBACK TO SAVEPOINT example")


def started(tx, *rollouts):
    for number, name in enumerate(rollouts, start=1):
        record = RolloutRecord(
            name, number, "p", 2, POLICY, "0" * 64, "running", 0.0, False, "p", "", 0.0, 1, "x", (), 0, 0, 0, None,
            None, False,
        )  # fmt: skip
        tx.rollouts.create(record, [])


def test_many_are_granted_in_the_order_given_each_rollout_with_ranks_of_its_own(tx):
    started(tx, "r", "q")
    tx.adoptions.grant(adoption(9, "x"))
    many = [replace(adoption(number, "x"), rollout="rq"[number % 2]) for number in range(6)]
    assert tx.adoptions.grant_all(many) == [1, 0, 2, 1, 3, 2]
    assert [one.id for one in tx.adoptions.of_rollout("r")] == ["a9", "a0", "a2", "a4"]
    assert [tx.adoptions.touched(name) for name in "rq"] == [4, 3]
    assert tx.adoptions.tallies("q") == {("canary", "x"): Tally(granted=3, outstanding=3)}
    assert tx.adoptions.of_hosts([1, 9, 77]) == {1: tx.adoptions.of_host(1), 9: tx.adoptions.of_host(9)}
    assert tx.adoptions.some(["a1", "a77"]) == {"a1": tx.adoptions.get("a1")}


def test_many_settle_together_each_once_and_only_those_that_were_open(tx):
    started(tx, "r")
    many = [adoption(number, "xy"[number % 2]) for number in range(8)]
    tx.adoptions.grant_all(many)
    tx.adoptions.mark_overdue(*many[:3], many[0])
    assert set(tx.adoptions.fail_all([many[0], many[1], many[1]], "crash")) == {"a0", "a1"}
    assert set(tx.adoptions.confirm_all(many[:5])) == {"a2", "a3", "a4"}
    assert set(tx.adoptions.fail_all(many[:5], "dark")) == set()
    tx.adoptions.release_slot(*many[:3], many[0])
    tx.adoptions.progress([replace(each, applied_boot="b", boots=("b", "c"), uptime=1.5) for each in many[5:]])
    states = [(one.state, one.outcome, one.overdue, one.holding) for one in tx.adoptions.of_rollout("r")]
    failed, confirmed, open_ = (
        ("failed", "crash", False, False), ("confirmed", None, False, False), ("open", None, False, True)
    )  # fmt: skip
    assert states == [failed] * 2 + [confirmed] * 3 + [open_] * 3
    assert [one.boots for one in tx.adoptions.of_rollout("r")][-3:] == [("b", "c")] * 3
    assert tx.adoptions.tallies("r") == {
        ("canary", "x"): Tally(granted=4, confirmed=2, failed=1, outstanding=1),
        ("canary", "y"): Tally(granted=4, confirmed=1, failed=1, outstanding=2),
    }
    for nothing in (tx.adoptions.grant_all, tx.adoptions.confirm_all, tx.adoptions.progress):
        assert not nothing([])


def test_many_events_are_written_in_the_order_given(tx):
    last = tx.events.append(EventKind.JOINED, 1)
    tx.events.extend([Happened(EventKind.AWAKE, 2), Happened(EventKind.GRANTED, 3, {"order": 1}, "r", "a1")])
    assert tx.events.after(last) == [
        Event(last + 1, 1000.0, EventKind.AWAKE, 2),
        Event(last + 2, 1000.0, EventKind.GRANTED, 3, "r", "a1", {"order": 1}),
    ]


def test_who_went_dark_is_found_by_rollout_and_time(tx):
    for kind, key, rollout in (("dark", 1, "r1"), ("dark", 1, "r1"), ("crashed", 2, "r1"), ("dark", 3, "r2")):
        tx.events.append(EventKind(kind), key, rollout=rollout)
    assert tx.events.darkened(["r1"], 1000.0) == {1}
    assert tx.events.darkened(["r1", "r2"], 0.0) == {1, 3}
    assert tx.events.darkened(["r1", "r2"], 1000.5) == tx.events.darkened([], 0.0) == set()


def test_when_a_host_booted_is_known_of_those_that_said_so(tx):
    keys = [tx.hosts.enrol(host(name)) for name in "abc"]
    tx.hosts.save_presence([presence(keys[0], uptime=30.0, at=100.0), presence(keys[1], seq=-1, uptime=0.0, at=100.0)])
    tx.hosts.tell({keys[2]: "{}"})
    assert tx.hosts.booted() == [(keys[0], 70.0)], "who only asked, or was only told, has not said"
