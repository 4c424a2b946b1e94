"""The promises of DESIGN section 1, each tried where it is easiest to break: a death, a sleep, a restart, a stall."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from policies.load import load
from policies.profiles import profile
from rollout.operation import back, roster, stop
from rollout.operation.admit import Granted
from tests.scenarios.promise_world import NEW, OLD, R, World, world

pytestmark = pytest.mark.slow  # minutes of a rollout, in seconds each


@pytest.fixture
def here(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as found:
        yield found


def fleet_of(here: World) -> object:
    return here.watched.fold.fleet


def test_p1_a_control_host_that_went_dark_is_still_dark_for_the_next_owner(here: World) -> None:
    """Were it only silent again, the control arm would look blind, and a blind judge marks nobody dark: for ever."""
    here.pass_time(2)
    for host in range(55, 59):  # 4 of 60: not blindness
        here.bodies[host].silent = True
    here.pass_time(15)
    assert sorted({e.host for e in here.events("dark")}) == [55, 56, 57, 58]
    before = fleet_of(here).dark.copy()
    here.start_worker()
    here.pass_time(8)
    assert np.array_equal(fleet_of(here).dark, before)
    assert len(here.events("dark")) == 4, "nobody goes dark twice without having spoken"


def test_p1_a_takeover_in_a_long_blindness_sees_nothing_and_marks_nobody(here: World) -> None:
    here.pass_time(3)
    for body in here.bodies.values():
        body.silent = True
    here.pass_time(6)
    assert here.judgement.verdict == "blind"
    here.write(lambda tx: tx.events.forget_heard(tx.at - 1))  # what an hour does
    here.start_worker()
    for _ in range(160):
        here.step()
        assert here.judgement.verdict == "blind"
    for key in range(1, 58):
        here.bodies[key].silent = False
    here.pass_time(3)
    assert here.judgement.verdict != "blind"
    assert here.events("dark") == []


def test_p1_beats_that_waited_for_a_dead_worker_are_as_old_as_they_are(here: World) -> None:
    here.pass_time(3)
    here.watch = None
    here.pass_time(2)
    for body in here.bodies.values():
        body.silent = True
    here.pass_time(60)
    here.start_worker()
    for _ in range(60):
        here.step()
        assert not any(isinstance(one, Granted) for one in here.ask([1]))


def test_p1_a_worker_that_starts_long_after_the_rollout_presumes_nobody_alive(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.watch = None
        for _ in range(240):
            here.step()
        here.start_worker()
        here.step()
        for _ in range(30):
            here.step()
            assert here.judgement.verdict == "blind"


def test_p1_a_host_that_crashed_before_the_rollout_goes_dark_once(tmp_path: Path) -> None:
    """It makes no row, but it is dark: else it goes dark at every tick, and coverage waits for it for ever."""
    with world(tmp_path) as here:
        here.crash(58)
        here.clock.move(1)
        here.write(lambda tx: tx.connection.exec_driver_sql("UPDATE rollout SET started_at = ?", (tx.at,)))
        here.pass_time(2)
        assert fleet_of(here).excluded[58]
        here.bodies[58].silent = True
        here.pass_time(20)
        assert [e.host for e in here.events("dark")] == [58]


def test_p2_a_sleeper_keeps_its_deadline_through_a_change_of_owner(here: World) -> None:
    here.pass_time(3)
    here.ask([2])
    here.apply(2)
    here.bodies[2].running = OLD  # it never proves itself
    here.pass_time(20)
    here.sleep(2)
    here.pass_time(5)
    (before,) = here.watched.fold.courses.values()
    assert 3 <= before.slept <= 6
    here.start_worker()
    here.pass_time(6)
    (after,) = here.watched.fold.courses.values()
    assert after.slept <= before.slept + 7
    assert after.granted == pytest.approx(before.granted, abs=0.3)


def test_p2_a_retired_sleeper_gives_its_slot_back_after_its_deadline(here: World) -> None:
    here.pass_time(3)
    here.ask([2])
    here.apply(2)
    here.sleep(2)
    here.write(lambda tx: roster.retire(tx, "h-2", "ann", "sold"))
    here.pass_time(45)
    assert here.adoption(2).outcome == "deadline"
    here.pass_time(45)
    assert not here.adoption(2).holding


def test_p4_a_host_that_applies_slowly_is_not_back_before_it_says_how_it_ended(tmp_path: Path) -> None:
    document = profile("demo").document()
    patient = load(document | {"confirm": {**document["confirm"], "deadline": "10m"}})
    with world(tmp_path, policy=patient) as here:
        slow_host_is_waited_for(here)


def slow_host_is_waited_for(here: World) -> None:
    here.pass_time(3)
    assert isinstance(here.ask([2])[0], Granted)
    here.bodies[2].phase = "applying"
    here.beat([2])
    here.write(lambda tx: stop.roll_back(tx, R, "ann", "bad"))
    here.pass_time(65)
    assert here.read(lambda tx: back.survey(tx, R)).on_their_way == 1
    assert not here.write(lambda tx: back.finish(tx, R))
    here.apply(2)
    assert here.read(lambda tx: back.survey(tx, R)).on_their_way == 1
    here.bodies[2].running, here.bodies[2].phase = OLD, "idle"
    here.beat([2])
    assert here.write(lambda tx: back.finish(tx, R))


def test_p4_a_host_that_was_dark_with_a_live_go_is_waited_for_until_the_go_ran_out(here: World) -> None:
    here.pass_time(3)
    assert isinstance(here.ask([2])[0], Granted)
    here.bodies[2].silent = True
    here.pass_time(12)
    assert here.adoption(2).outcome == "dark"
    here.ask([2])
    here.write(lambda tx: stop.roll_back(tx, R, "ann", "bad"))
    here.bodies[2].silent = False
    here.pass_time(2)
    assert here.read(lambda tx: back.survey(tx, R)).on_their_way == 1, "it may begin within its go"
    here.pass_time(45)
    assert here.read(lambda tx: back.survey(tx, R)).back == 1


def test_p4_a_host_that_was_marked_back_and_runs_the_candidate_again_is_not_back(here: World) -> None:
    here.pass_time(3)
    here.ask([2])
    here.write(lambda tx: stop.roll_back(tx, R, "ann", "bad"))
    here.pass_time(60)
    way = here.read(lambda tx: back.survey(tx, R))
    assert way.done
    here.write(lambda tx: back.mark(tx, way.arrived))
    here.apply(2)
    assert here.bodies[2].running == NEW
    assert not here.write(lambda tx: back.finish(tx, R))


def test_p4_a_host_that_was_dark_and_speaks_again_is_waited_for_although_the_clock_was_set_back(here: World) -> None:
    here.pass_time(3)
    assert isinstance(here.ask([2])[0], Granted)
    here.apply(2)
    here.clock.wall -= 7_200
    here.bodies[2].silent = True
    here.pass_time(12)
    assert here.adoption(2).outcome == "dark"
    here.write(lambda tx: stop.roll_back(tx, R, "ann", "bad"))
    here.bodies[2].silent = False
    here.beat([2])
    assert here.read(lambda tx: back.survey(tx, R)).on_their_way == 1
    assert not here.write(lambda tx: back.finish(tx, R))


def test_p3_the_log_of_who_was_heard_does_not_grow_while_nothing_is_rolled_out(here: World) -> None:
    here.write(lambda tx: tx.rollouts.end(R))
    here.beat([1])
    here.clock.move(4_000)
    here.beat([2])
    here.step()
    assert [hosts.tolist() for _, _, hosts in here.read(lambda tx: tx.events.heard_after(0))] == [[2]]


def test_p1_a_late_beat_of_a_host_that_died_is_not_its_return(here: World) -> None:
    """A collector's batch may be on its way while the host loads the candidate, reports its crash and dies."""
    here.pass_time(3)
    assert isinstance(here.ask([2])[0], Granted)
    here.crash(2)
    here.write(lambda tx: stop.roll_back(tx, R, "ann", "bad"))
    here.bodies[2].boot -= 1  # said before it loaded
    here.clock.move(0.2)
    here.beat([2])
    here.bodies[2].silent = True
    assert here.read(lambda tx: back.survey(tx, R)).on_their_way == 1
    here.pass_time(20)
    way = here.read(lambda tx: back.survey(tx, R))
    assert (way.back, way.dark) == (0, 1)


def test_p4_a_host_that_crashed_unseen_is_back_with_its_first_beat_of_a_new_boot(here: World) -> None:
    here.pass_time(3)
    assert isinstance(here.ask([2])[0], Granted)
    here.crash(2)
    here.write(lambda tx: stop.roll_back(tx, R, "ann", "bad"))
    here.bodies[2].boot += 1
    here.clock.move(0.2)
    here.beat([2])
    assert here.read(lambda tx: back.survey(tx, R)).back == 1


def all_confirmed(here: World, hosts: range) -> None:
    for key in hosts:
        while not isinstance(here.ask([key])[0], Granted):
            here.pass_time(1)
        here.apply(key)
    here.pass_time(6)
    assert {here.adoption(key).state for key in hosts} == {"confirmed"}


def test_p1_a_fleet_without_hold_out_ends_in_the_sight_of_those_who_confirmed(tmp_path: Path) -> None:
    """Nobody is left as control, by the policy's own choice: were that blindness, no such rollout would ever end."""
    with world(tmp_path, hosts=20, in_ring=20) as here:
        here.pass_time(2)
        all_confirmed(here, range(1, 21))
        assert here.judgement.verdict != "blind"
        assert here.judgement.document["coverage"]["control"] == 1.0
        here.pass_time(6, beating=[])
        assert here.judgement.verdict == "blind"


def test_p1_with_a_hold_out_nobody_else_speaks_for_control(tmp_path: Path) -> None:
    with world(tmp_path, hosts=22, in_ring=20) as here:
        here.pass_time(2)
        all_confirmed(here, range(1, 21))
        here.pass_time(6, beating=range(1, 21))
        assert (here.judgement.verdict, here.judgement.document["blind"]) == ("blind", "coverage")
