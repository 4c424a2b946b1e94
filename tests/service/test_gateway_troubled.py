"""A gateway whose store does not move, whose disk is full, whose clock was set back: it says so, and lets nobody go."""

import time

import pytest

from rollout.adapters.store.connection import turnstile_for
from tests.service.gateway_world import PRODUCT, until, world
from tests.small_disk import fill, small_disk

HOUR = 3600.0
CONFIRM = {"confirm": {"uptime": "60s", "reboots": 0, "deadline": "30m"}}


def begin(found, **policy):
    found.empty()
    found.hosts = found.fleet(20)
    found.start(policy=CONFIRM | policy)
    found.knows()
    return found


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    with world(tmp_path_factory.mktemp("gateway") / "data", patience=0.3) as found:
        yield found


@pytest.fixture
def small(tmp_path):
    """A world on a disk of 32 MiB."""
    with small_disk(tmp_path / "disk", 32) as disk, world(disk / "data") as found:
        yield begin(found)


def requests(found, host):
    return (
        ("/v1/beats", found.beat(host)),
        ("/v1/adoptions", found.question(host)),
        ("/v1/crashes", {"host": host, "report": "x", "kind": "bugcheck"}),
    )


def test_while_the_store_does_not_move_everybody_is_told_to_come_back_and_nothing_is_kept(shared):
    begin(shared)
    before = len(shared.events())
    turn = turnstile_for(shared.store.url)
    with turn:
        for path, message in requests(shared, shared.hosts[0]):
            answer = shared.send(path, message)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
            assert answer.json()["type"] == "urn:rollout:problem:busy"
    turn.close()
    assert shared.ask(shared.hosts[1])["answer"] == "go"
    assert [event.kind.value for event in shared.events()][before:] == ["granted"]


@pytest.mark.slow
def test_on_a_full_disk_nobody_goes_and_nothing_acknowledged_is_lost(small):
    host, other = small.hosts[:2]
    first = small.ask(host)
    data = small.desk.settings.data
    fill(data)
    for path, message in requests(small, other):
        answer = small.send(path, message)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert answer.json()["type"] == "urn:rollout:problem:disk-full"
    assert small.adoption(first["adoption"]).state == "open"
    until(lambda: small.http.get("/readyz").status_code == 503)
    assert "are free" in small.http.get("/readyz").json()["warnings"][0]
    assert "\nrollout_disk_free_bytes " in small.http.get("/metrics").text
    (data / "filling").unlink()
    assert small.ask(other)["answer"] == "go"
    assert small.tally().granted == 2


@pytest.fixture
def behind(shared):
    """The clock an hour behind the store's time, which stands still."""
    begin(shared, rings=[{"name": "canary", "size": {"rest": True}, "max_per_minute": 3}])
    shared.write(lambda tx: setattr(tx, "at", tx.at + HOUR))
    yield shared
    shared.write(lambda tx: setattr(tx, "at", time.time()))


def test_while_the_stores_time_stands_still_a_crash_is_never_taken_for_one_before_the_adoption(behind):
    host = behind.hosts[0]
    granted = behind.ask(host)["adoption"]
    crashed = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 60))
    message = {"host": host, "report": "slow", "kind": "bugcheck", "crashed_at": crashed}
    assert behind.signed(host, "/v1/crashes", message).status_code == 202
    (event,) = behind.events("crashed")
    assert event.detail["before"] == []
    assert behind.adoption(granted).state == "failed"


def test_while_the_stores_time_stands_still_the_rate_goes_by_the_clock(behind):
    answers = [behind.ask(host)["answer"] for host in behind.hosts[:5]]
    assert answers == ["go"] * 3 + ["wait"] * 2
    behind.write(lambda tx: tx.connection.exec_driver_sql("UPDATE adoption SET granted_at = granted_at - 61"))
    assert behind.ask(behind.hosts[5])["answer"] == "go"
    assert PRODUCT in behind.presence(behind.hosts[5]).running
