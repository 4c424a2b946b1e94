"""What a ring's hosts are told follows from the store alone: going, held, or the way back."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.adapters.publish_world import CANARY, RINGS, HandClock, World

NEXT = RINGS[1]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, HandClock())
    for counter in (3, 4, 5, 6):
        made.release(counter)
    yield made
    made.close()


def begun(world: World, counter: int = 5):
    """A rollout with its first ring open and published by a publisher that owns every lease."""
    publisher = world.publisher()
    world.start("r1", counter)
    world.open("r1")
    publisher.round()
    return publisher


def test_a_ring_is_told_to_install_when_it_begins_and_not_before(world):
    publisher = world.publisher()
    world.start("r1", 5)
    publisher.round()
    assert [world.told(ring=ring) for ring in RINGS] == [[]] * len(RINGS)
    world.open("r1")
    publisher.round()
    assert world.told() == [("install", 5, True)]
    assert world.told(ring=NEXT) == []
    assert (world.data / "targets" / "directors" / CANARY / "root.json").read_bytes()
    assert (world.data / "targets" / "rings" / "edr" / "1.json").read_bytes()


def test_admission_knows_the_targets_version_that_first_carried_the_directive(world):
    begun(world)
    first = world.record().versions["targets"]
    placed = world.store.read(lambda tx: tx.rollouts.rings("r1"))
    assert [ring.directive_version for ring in placed[:2]] == [first, None]


@pytest.mark.parametrize("state", ["paused", "held", "awaiting-approval", "completed"])
def test_states_that_may_go_on_keep_the_directive(world, state):
    publisher = begun(world)
    world.move("r1", state)
    publisher.round()
    assert world.told() == [("install", 5, True)]


@pytest.mark.parametrize("state", ["halted", "rejected"])
def test_a_stopped_rollout_is_held_with_a_higher_epoch(world, state):
    publisher = begun(world)
    (before,) = world.record().directives.values()
    assert world.told() == [("install", 5, True)]
    world.move("r1", state)
    publisher.round()
    assert world.told() == [("hold", 5, False)]
    (after,) = world.record().directives.values()
    assert after["epoch"] > before["epoch"]


def test_an_install_is_never_signed_for_a_rollout_that_was_stopped_meanwhile(world):
    publisher = world.publisher()
    world.start("r1", 5)
    publisher.round()
    world.open("r1")
    world.move("r1", "halted")
    world.publisher("other").publish_now(CANARY)
    assert not any(each["action"] == "install" for each in world.record().directives.values())


def test_each_baseline_has_its_own_way_back(world):
    publisher = begun(world)
    one, two = world.host(number=0), world.host(number=1)
    world.adopt("r1", 5, one, 3)
    world.adopt("r1", 5, two, 4)
    world.move("r1", "rolling-back")
    publisher.round()
    assert world.told(one, installed=5) == [("rollback", 3, False), ("rollback", 4, True)]
    assert all(each["withdraws"] == 5 for each in world.record().directives.values())
    assert world.told(world.host(number=2), installed=4) == [("rollback", 3, False), ("rollback", 4, False)]
    assert world.told(ring=NEXT) == [], "nobody was touched there"


def test_the_way_back_stays_through_later_rollouts_until_everybody_is_back(world):
    publisher = begun(world)
    prompt, late = world.host(number=0), world.host(number=1)
    adoption = world.adopt("r1", 5, prompt, 4)
    missing = world.adopt("r1", 5, late, 4)
    world.move("r1", "rolling-back")
    publisher.round()
    world.back(adoption)
    world.move("r1", "rolled-back")
    world.start("r2", 6, number=2)
    world.open("r2")
    publisher.round()
    assert world.told(late, installed=5) == [("rollback", 4, True), ("install", 6, True)]
    world.back(missing)
    world.clock.at += 11
    publisher.round()
    assert world.told(late, installed=4) == [("install", 6, True)]


def test_a_release_rolled_back_to_is_not_installed_in_a_ring_where_it_is_the_way_back(world):
    publisher = begun(world)
    world.adopt("r1", 5, world.host(), 4)
    world.move("r1", "rolled-back")
    world.start("r2", 4, number=2)
    world.open("r2")
    publisher.round()
    assert world.told(installed=5) == [("rollback", 4, True)]


def test_two_withdrawn_releases_share_one_way_back(world):
    publisher = begun(world)
    one, two = world.host(number=0), world.host(number=1)
    world.adopt("r1", 5, one, 4)
    world.move("r1", "rolled-back")
    world.start("r2", 6, number=2)
    world.open("r2")
    world.adopt("r2", 6, two, 4)
    publisher.round()
    world.move("r2", "rolling-back")
    publisher.round()
    assert world.told(one, installed=5) == [("rollback", 4, True)]
    assert world.told(two, installed=6) == [("rollback", 4, True)]


def test_no_more_is_exposed_than_the_warrant_allows_and_its_end_holds(world):
    publisher = world.publisher()
    world.start("r1", 5)
    world.warrant(5, ceiling=2_500, days=1)
    world.open("r1")
    publisher.round()
    (directive,) = world.record().directives.values()
    assert (directive["action"], directive["exposure_bp"]) == ("install", 2_500)
    for step, told in ((86_400 - 125, "hold"), (2, "install"), (4, "hold")):  # blind for a day; sees; 119 s left
        world.clock.at += step
        world.see("r1")
        publisher.round()
        assert world.told() == [(told, 5, told == "install")], "and the check itself is not refused"


def test_publishing_again_changes_nothing(world):
    publisher = begun(world)
    before = world.record()
    publisher.publish_now(CANARY)
    world.publisher("other").publish_now(CANARY)
    assert world.record() == before


def test_a_release_that_is_signed_again_is_signed_again_in_every_director(world):
    publisher = begun(world)
    world.adopt("r1", 5, world.host(), 4)
    world.move("r1", "rolling-back")
    publisher.round()
    world.warrant(4)
    world.publisher("other").publish_now(NEXT)
    publisher.copier.copy()
    assert world.told(installed=5) == [("rollback", 4, True)]
