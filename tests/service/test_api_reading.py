"""What people read over HTTP: events, evidence, hosts."""

import json
from itertools import pairwise

import numpy as np
import pytest

from rollout.adapters.store.schema import host as host_table
from rollout.adapters.store.schema import presence
from rollout.adapters.store.schema import rollout as rollout_table
from rollout.ports.event import EventKind
from rollout.ports.host import StoredCrash
from rollout.service.api import events
from tests.service.api_world import PRODUCT, world


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with world(tmp_path_factory.mktemp("api")) as made:
        yield made


@pytest.fixture
def here(served):
    served.forget()
    return served


def test_events_are_followed_to_the_end_and_resumed_without_a_gap(here):
    here.fleet(30, running=7)
    here.add(7, 8)
    rollout = here.start(8)
    here.post(f"/rollouts/{rollout}/pause")
    here.post(f"/rollouts/{rollout}/halt")
    told = here.call("GET", f"/rollouts/{rollout}/events")
    assert told.headers["content-type"].startswith("text/event-stream")
    kinds = [line.removeprefix("event: ") for line in told.text.splitlines() if line.startswith("event: ")]
    assert kinds == ["rollout.started", "act.pause", "act.halt"]
    first = next(line for line in told.text.splitlines() if line.startswith("id: ")).removeprefix("id: ")
    rest = here.call("GET", f"/rollouts/{rollout}/events", headers={"last-event-id": first})
    assert rest.text.count("event: ") == 2


def test_an_event_stream_shows_that_it_lives_also_while_things_happen(here, monkeypatch):
    monkeypatch.setattr(events, "COMMENT_SECONDS", 0.0)
    here.add(7, 8)
    here.fleet(20, running=7)
    rollout = here.start(8)
    lines = []
    with here.http.stream(
        "GET", f"/rollouts/{rollout}/events", headers={"authorization": f"Bearer {here.token('admin')}"}
    ) as stream:
        for line in stream.iter_lines():
            lines.append(line)
            if lines.count(": still here") == 2:
                break
    assert "event: rollout.started" in lines


def test_evidence_streams_every_row_in_order(here):
    here.fleet(30, running=7)
    here.add(7, 8)
    rollout = here.start(8)
    rows = [(seq, json.dumps({"rollout": rollout, "seq": seq})) for seq in range(12_000)]
    here.write(lambda tx: tx.judging.add_evidence(rollout, rows))
    answer = here.call("GET", f"/rollouts/{rollout}/evidence")
    read = [json.loads(line)["seq"] for line in answer.text.splitlines()]
    assert len(read) == 12_000
    assert all(b - a == 1 for a, b in pairwise(read))


def test_hosts_are_listed_by_ring_state_and_product(here):
    here.fleet(30, running=7)
    here.add(7, 8)
    here.start(8)
    assert len(here.get(f"/hosts?ring=canary&product={PRODUCT}")["hosts"]) == 10
    assert here.get("/hosts?product=other") == {"hosts": []}
    one = here.get("/hosts/h-00003")
    assert (one["state"], one["running"], one["seq"], one["adoptions"]) == ("active", {PRODUCT: 7}, 1, [])
    assert here.post("/hosts/h-00003/retire", {"reason": "sold"}, by="otto/operator").json()["state"] == "retired"
    assert [each["host"] for each in here.get("/hosts?state=retired")["hosts"]] == ["h-00003"]
    assert here.call("GET", "/hosts/nobody").status_code == 404


def test_the_fleet_is_told_with_what_was_measured_of_it(here):
    nobody = here.get("/fleet")
    assert (nobody["hosts"], nobody["strata"]) == ({"active": 0, "asleep": 0, "dark": 0}, {})
    assert (nobody["crashes"]["per_host_hour"], nobody["crashes"]["assumed"]) == (2.08e-4, True)
    here.fleet(30, running=7)
    fleet = here.get("/fleet", by="vera/viewer")
    assert (fleet["hosts"]["active"], fleet["strata"]) == (30, {"desktop-22631-model-x": 30})
    assert (fleet["days"], fleet["silences"]["host_hours"]) == (7, 0)
    assert fleet["restarts"] == {"per_day": 1.0, "assumed": True, "hosts": 30, "up_for_a_day": 0}
    here.write(lambda tx: tx.connection.execute(presence.update().values(uptime=90_000.0)))
    assert here.get("/fleet")["restarts"] == {"per_day": 0.0, "assumed": False, "hosts": 30, "up_for_a_day": 30}


def test_what_a_stopped_rollout_did_to_hosts_is_not_held_against_the_fleet(here):
    """30 hosts for ten hours, six of them crashed: three of these because of a rollout that was stopped."""
    here.add(7, 8)
    here.fleet(30, running=7)
    now = here.write(lambda tx: tx.at)
    here.write(lambda tx: tx.connection.execute(host_table.update().values(enrolled_at=now - 36_000)))
    rollout = here.start(8)
    here.let_go(rollout, 3)
    touched = here.write(lambda tx: [adoption.host for adoption in tx.adoptions.of_rollout(rollout)])
    others = [key for key in range(1, 31) if key not in touched][:3]

    def fail(tx):
        for key in (*touched, *others):
            tx.hosts.keep_crash(StoredCrash(key, f"r{key}", "bugcheck", now - 60, {}))
            tx.events.append(EventKind.DARK, key, rollout=rollout)

    here.write(fail)
    here.write(lambda tx: tx.connection.execute(rollout_table.update().values(started_at=now - 3600)))
    running = here.get("/fleet")
    assert [running[each]["failures"] for each in ("crashes", "silences")] == [6, 6]
    assert running["crashes"]["per_host_hour"] == pytest.approx(6 / 300, rel=0.05)
    assert running["silences"]["per_host_hour"] == pytest.approx(6 / 30, rel=0.05)
    here.post(f"/rollouts/{rollout}/halt")
    halted = here.get("/fleet")
    assert [halted[each]["failures"] for each in ("crashes", "silences")] == [3, 3]
    assert halted["crashes"]["host_hours"] == pytest.approx(270, rel=0.05)
    assert halted["crashes"]["assumed"]


def test_hands_on_work_is_told_where_a_host_stands_and_what_it_ran_before(here):
    here.add(7, 8)
    here.fleet(20, running=7)
    rollout = here.start(8)
    here.let_go(rollout, 2)
    plain = here.get(f"/rollouts/{rollout}/hosts")["hosts"]
    assert set(plain[0]) == {"host", "ring", "adoption", "state"}
    more = here.get(f"/rollouts/{rollout}/hosts?details=true&state=outstanding")["hosts"]
    assert [{name: row[name] for name in plain[0]} for row in more] == plain
    assert {(row["baseline"], row["running"]["sensor"], row["site"]) for row in more} == {(7, 7, None)}
    assert here.get(f"/rollouts/{rollout}/hosts?details=true&state=dark")["hosts"] == []


def test_a_host_that_was_told_to_come_back_in_a_minute_is_not_dark_because_a_rollout_asks_for_more(here):
    """The policy beats each second; before it began, hosts were answered the 60 s of a service without rollouts."""
    here.add(7, 8)
    here.fleet(20, running=7)
    rollout = here.start(8)
    here.let_go(rollout, 2)
    now = here.write(lambda tx: tx.at)

    def last_spoke(seconds_ago):
        here.write(lambda tx: tx.connection.execute(presence.update().values(at=now - seconds_ago)))
        here.write(lambda tx: tx.events.heard(np.array([1], dtype=np.int32)))
        here.write(lambda tx: tx.connection.execute(presence.update().where(presence.c.host == 20).values(at=now)))
        listed = [here.get(f"{path}?state=dark")["hosts"] for path in ("/hosts", f"/rollouts/{rollout}/hosts")]
        return [len(each) for each in listed], here.get("/hosts/h-00000")["state"]

    def began(seconds_ago):
        here.write(lambda tx: tx.connection.execute(rollout_table.update().values(started_at=now - seconds_ago)))

    began(10)
    assert last_spoke(40) == ([0, 0], "active")
    assert last_spoke(200) == ([19, 2], "dark")
    began(100)
    assert last_spoke(40) == ([19, 2], "dark")


def test_a_host_that_was_dark_is_dark_also_when_the_rollout_is_over_until_it_speaks(here):
    """It was told to come back in a second, so the minutes of a service without rollouts are not its time."""
    here.add(7, 8)
    here.fleet(20, running=7)
    rollout = here.start(8)
    now = here.write(lambda tx: tx.at)
    here.write(lambda tx: tx.connection.execute(rollout_table.update().values(started_at=now - 100)))
    here.write(lambda tx: tx.connection.execute(presence.update().values(at=now - 40)))
    here.write(lambda tx: tx.connection.execute(presence.update().where(presence.c.host == 20).values(at=now)))
    here.write(lambda tx: tx.events.heard(np.array([20], dtype=np.int32)))
    assert here.get("/hosts/h-00000")["state"] == "dark"
    assert here.post(f"/rollouts/{rollout}/halt", by="otto/operator").json()["state"] == "halted"
    assert here.get("/hosts/h-00000")["state"] == "dark"
    assert len(here.get("/hosts?state=active")["hosts"]) == 1
