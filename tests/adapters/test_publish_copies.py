"""Copies of what is signed, while another publisher stands still with a repository's lock."""

import asyncio
import fcntl
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest
from temporalio.testing import ActivityEnvironment

from rollout.errors import BusyError
from tests.adapters.publish_world import CANARY, RINGS, HandClock, World
from workflows.activities import Back

EARLY = RINGS[1]
LOG = "rollout.operation.copier"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, HandClock())
    for counter in (4, 5):
        made.release(counter)
    made.start("r1", 5)
    made.open("r1")
    made.open("r1", EARLY)
    yield made
    made.close()


@contextmanager
def kept(world: World, name: str) -> Iterator[None]:
    """Hold a repository's lock, as a publisher does that was stopped while it copied."""
    with (world.data / "metadata" / name / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def ends(work) -> bool:
    """Whether it returned within the patience of a busy machine."""
    running = Thread(target=work, daemon=True)
    running.start()
    running.join(60)
    return not running.is_alive()


def actions(world: World) -> list[str]:
    return [world.told(ring=ring)[0][0] for ring in (CANARY, EARLY)]


@pytest.fixture
def publisher(world):
    made = world.publisher()
    made.round()
    assert actions(world) == ["install", "install"]
    return made


def test_a_repository_that_somebody_keeps_locked_holds_up_no_other(world, publisher):
    with kept(world, f"director/{CANARY}"):
        world.move("r1", "halted")
        assert ends(publisher.round)
        assert actions(world) == ["install", "hold"]
    publisher.round()
    assert actions(world) == ["hold", "hold"]


def test_a_locked_image_keeps_no_stop_from_the_rings(world, publisher):
    with kept(world, "image"):
        world.release(6)
        world.move("r1", "halted")
        assert ends(publisher.round)
        assert actions(world) == ["hold", "hold"]
    publisher.round()
    assert world.files("image")["timestamp.json"] == world.store.read(
        lambda tx: tx.publications.file("image", "timestamp.json")
    )


def test_leases_go_on_while_one_repository_is_locked(world, publisher):
    with kept(world, f"director/{CANARY}"):
        signed = world.record(EARLY).versions["timestamp"]
        for _ in range(4):
            world.clock.at += 4
            world.see("r1")
            assert ends(publisher.round)
        assert sorted(publisher.owned) == sorted(RINGS)
        assert world.record(EARLY).versions["timestamp"] > signed
        assert world.check(ring=EARLY, later=50).refused is None


def test_who_publishes_once_is_told_that_hosts_cannot_read_it_yet(world, publisher):
    world.move("r1", "halted")
    with kept(world, f"director/{CANARY}"):
        with pytest.raises(BusyError, match=f"director/{CANARY}.*lock"):
            publisher.publish_now(CANARY)
        publisher.publish_now(EARLY)
    publisher.publish_now(CANARY)
    assert actions(world) == ["hold", "hold"]


def test_a_way_back_is_published_in_every_ring_but_the_locked_one_and_then_there(world, publisher):
    for ring in (CANARY, EARLY):
        world.adopt("r1", 5, world.host(ring), 4)
    world.move("r1", "rolling-back")
    step = Back(world.store, publisher, lambda *_: None).publish_back
    with kept(world, f"director/{CANARY}"), pytest.raises(BusyError, match=f"director/{CANARY}"):
        asyncio.run(ActivityEnvironment().run(step, "r1"))
    assert actions(world) == ["install", "rollback"]
    asyncio.run(ActivityEnvironment().run(step, "r1"))
    assert actions(world) == ["rollback", "rollback"]


def test_a_copy_that_is_behind_is_logged_once_and_its_age_shown_until_it_is_made(world, publisher, caplog):
    caplog.set_level(logging.INFO, LOG)
    assert publisher.copier.behind() == {}
    with kept(world, f"director/{CANARY}"):
        world.move("r1", "halted")
        for _ in range(3):
            publisher.round()
            world.clock.at += 2
        assert publisher.copier.behind() == {f"director/{CANARY}": 6.0}
    publisher.round()
    assert publisher.copier.behind() == {}
    assert [record.levelname for record in caplog.records if record.name == LOG] == ["WARNING", "INFO"]
