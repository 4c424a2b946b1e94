"""The simulated host: what it may do, when it asks, and that it never does what it was not told."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollout.simulation.swarm.fleet import fleet
from rollout.simulation.swarm.host import MOVES, Event, SimulatedHost, Stage
from rollout.simulation.swarm.timeline import Timeline


def host(running=1):
    return SimulatedHost("h-1", "sensor", running, booted_at=0.0)


def adopted():
    subject = host()
    subject.direct(3)
    subject.ask()
    subject.go("a-1")
    subject.load()
    return subject


ACTS = {
    "direct": lambda h: h.direct(3),
    "withdraw": lambda h: h.withdraw(),
    "ask": lambda h: h.ask(),
    "go": lambda h: h.go("a-1"),
    "wait": lambda h: h.wait(),
    "no": lambda h: h.no("halted"),
    "load": lambda h: h.load(),
    "crash": lambda h: h.crash(),
    "die": lambda h: h.die(),
    "restart": lambda h: h.restart(9.0),
    "sleep": lambda h: h.sleep(),
    "wake": lambda h: h.wake(),
    "self_revert": lambda h: h.self_revert(9.0),
    "roll_back": lambda h: h.roll_back(1),
}


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(sorted(ACTS)), max_size=40))
def test_whatever_happens_a_host_runs_its_candidate_only_after_go_and_seq_only_rises(acts):
    subject, went, last = host(), False, 0
    for name in acts:
        before = (subject.stage, subject.running)
        try:
            ACTS[name](subject)
        except ValueError:
            assert (subject.stage, subject.running) == before
            continue
        went = went or name == "go"
        assert subject.running == 1 or went
        assert before[0] is not Stage.DEAD
        if subject.up:
            beat = subject.beat(10.0)
            assert beat["seq"] > last
            last = beat["seq"]
            assert (beat["phase"] == "applied") == (beat["running"] == {"sensor": 3})


def test_death_has_no_way_out_and_every_other_stage_has():
    ways_out = {stage for stage, _ in MOVES}
    assert ways_out == set(Stage) - {Stage.DEAD}


def test_a_crashed_host_restarts_in_a_new_boot_and_keeps_the_candidate():
    subject = adopted()
    boot = subject.boot_id
    subject.crash()
    assert not subject.up
    subject.restart(100.0)
    beat = subject.beat(101.5)
    assert beat["boot"] != boot
    assert (beat["uptime"], beat["running"], beat["phase"]) == (1.5, {"sensor": 3}, "applied")
    assert beat["adoption"] == "a-1"


def test_a_rolled_back_host_runs_its_recorded_baseline_and_asks_for_the_candidate_no_more():
    subject = adopted()
    subject.roll_back(1)
    beat = subject.beat(5.0)
    assert (beat["running"], beat["phase"], beat["adoption"]) == ({"sensor": 1}, "idle", None)
    assert 3 in subject.settled


def test_a_self_reverted_host_says_so_with_its_adoption():
    subject = adopted()
    subject.crash()
    subject.self_revert(8.0)
    beat = subject.beat(9.0)
    assert (beat["phase"], beat["adoption"], beat["running"]) == ("reverted", "a-1", {"sensor": 1})


def test_an_announced_sleep_says_so_and_the_host_wakes_where_it_was():
    subject = adopted()
    assert subject.beat(3.0, sleeping=True)["sleeping"]
    subject.sleep()
    assert not subject.up
    subject.wake()
    assert subject.stage is Stage.APPLIED
    assert subject.boot == 1


@pytest.mark.parametrize("stage", [Stage.DIRECTED, Stage.ASKED, Stage.APPLYING])
def test_a_host_on_its_way_to_adopt_announces_no_sleep(stage):
    assert (stage, Event.SLEEP) not in MOVES


def test_refused_for_good_is_settled_and_refused_for_now_is_not():
    for reason, settled in (("already", {3}), ("held-out", {3}), ("frozen", set()), ("halted", set())):
        subject = host()
        subject.direct(3)
        subject.ask()
        subject.no(reason)
        assert subject.settled == settled


def test_the_same_seed_is_the_same_fleet_and_both_baselines_are_there():
    one, two = (fleet(200, 7, "sensor", (1, 2), 0.0) for _ in range(2))
    assert [(m.host, m.attributes, m.key.private_bytes_raw()) for m in one] == [
        (m.host, m.attributes, m.key.private_bytes_raw()) for m in two
    ]
    assert 60 < sum(m.host.running == 1 for m in one) < 140
    assert len({m.key.private_bytes_raw() for m in one}) == 200


def test_the_timeline_runs_what_is_due_in_order_also_what_that_adds():
    ran, line = [], Timeline()
    line.at(2.0, lambda _: ran.append("two"))
    line.at(1.0, lambda now: (ran.append("one"), line.at(now, lambda _: ran.append("added"))))
    line.at(9.0, lambda _: ran.append("never"))
    line.run(1.5)
    assert ran == ["one", "added"]
    line.run(5.0)
    assert ran == ["one", "added", "two"]
