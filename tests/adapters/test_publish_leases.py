"""Leases: renewed in every state by one owner at a time; blindness holds and sight returns."""

import asyncio
import json
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from rollout.adapters.clock import SystemClock
from rollout.adapters.settings import Settings
from rollout.adapters.trust.development import refuse_development
from rollout.errors import InvalidError
from tests.adapters.publish_world import CANARY, RINGS, HandClock, World

STEP = 4
OPEN = {"running", "paused", "rolling-back"}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, HandClock())
    for counter in (4, 5):
        made.release(counter)
    yield made
    made.close()


def begun(world: World, lease: float = 60.0):
    publisher = world.publisher()
    world.start("r1", 5, lease=lease)
    world.open("r1")
    publisher.round()
    return publisher


def pass_time(world: World, publisher, seconds: float, verdict: str | None = "healthy") -> None:
    """In steps that no freshness minds; None: nobody judges."""
    left = seconds
    while left > 0:
        world.clock.at += min(left, STEP)
        left -= STEP
        if verdict is not None:
            world.see("r1", verdict)
        publisher.round()


def versions(world: World) -> dict[str, int]:
    return dict(world.record().versions)


def test_the_lease_is_renewed_in_every_state_and_the_targets_stay(world):
    publisher = begun(world)
    world.adopt("r1", 5, world.host(), 4)
    for state in ("paused", "running", "halted", "rejected", "rolling-back", "rolled-back"):
        world.move("r1", state)
        publisher.round()
        before = versions(world)
        pass_time(world, publisher, 64)
        after = versions(world)
        renewed = after["timestamp"] - before["timestamp"]
        assert after == {**before, "timestamp": after["timestamp"]}
        # 60 s: every 12 s while the rollout is open; 10 min otherwise: every minute.
        assert renewed in ((5, 6) if state in OPEN else (1, 2)), state
        assert world.check(installed=5).refused is None


def test_a_rollout_that_ends_leaves_no_gap_in_its_short_lease(world):
    """What is signed stays short for a while after the rollout that asked for it; its ways back must be readable."""
    publisher = begun(world, lease=5.0)
    world.adopt("r1", 5, world.host(), 4)
    world.move("r1", "rolling-back")
    for _ in range(4):
        world.clock.at += 1
        publisher.round()
    world.move("r1", "rolled-back")
    for _ in range(10):
        world.clock.at += 1
        publisher.round()
        timestamp = json.loads(world.files(f"director/{CANARY}")["timestamp.json"])["signed"]
        assert datetime.fromisoformat(timestamp["expires"]) > world.now


def test_a_ring_without_a_publisher_loses_its_lease(world):
    begun(world)
    assert world.check(later=59).refused is None
    assert world.check(later=61).refused == "lease-over"


def test_a_clock_set_back_issues_nothing_older_than_before(world):
    publisher = begun(world)
    issued = world.record().issued
    world.clock.jumped = -90.0
    pass_time(world, publisher, 13)
    assert world.record().issued >= issued
    assert world.check().refused is None


def test_blind_for_too_long_holds_and_sight_brings_the_install_back(world):
    publisher = begun(world)
    pass_time(world, publisher, 3)
    pass_time(world, publisher, 60, "blind")
    assert world.told() == [("install", 5, True)]
    pass_time(world, publisher, 2, "blind")
    assert world.told() == [("hold", 5, False)]
    assert world.store.read(lambda tx: tx.rollouts.get("r1")).state == "running"
    pass_time(world, publisher, 2)
    assert world.told() == [("install", 5, True)]


def test_a_judgement_that_does_not_come_is_blindness(world):
    publisher = begun(world)
    pass_time(world, publisher, 3)
    pass_time(world, publisher, 70, None)
    assert world.told() == [("hold", 5, False)]


def test_a_new_owner_does_not_resume_what_the_old_one_held_while_nobody_sees(world):
    publisher = begun(world)
    pass_time(world, publisher, 63, "blind")
    assert world.told() == [("hold", 5, False)]
    second = world.publisher("w2")
    pass_time(world, second, 12, "blind")
    assert CANARY in second.owned
    second.publish_now(CANARY)
    assert world.told() == [("hold", 5, False)]


def test_another_takes_over_only_a_lease_that_stands_still(world):
    first = begun(world)
    second = world.publisher("w2")
    for _ in range(8):
        world.clock.at += 1
        first.round()
        second.round()
    assert not second.owned
    pass_time(world, second, 4)
    assert not second.owned
    pass_time(world, second, 2)
    assert sorted(second.owned) == sorted(RINGS)


def test_a_stalled_publisher_cannot_undo_a_halt(world):
    stalled = begun(world)
    old = {name: dict(world.files(name)) for name in ("image", f"director/{CANARY}")}
    second = world.publisher("w2")
    pass_time(world, second, 12)
    world.move("r1", "halted")
    second.round()
    assert world.told() == [("hold", 5, False)]
    for name, files in old.items():
        assert not stalled.copies.repository(name, files) or name == "image"
    assert world.told() == [("hold", 5, False)]
    stalled.round()
    assert not stalled.owned, "its epoch is over"
    assert world.told() == [("hold", 5, False)]


def test_a_key_that_is_gone_keeps_no_other_ring_from_being_stopped(world):
    begun(world)
    world.move("r1", "halted")
    (world.data / "keys" / "director" / RINGS[1] / "online.pem").write_bytes(b"")
    second = world.publisher("w2")
    pass_time(world, second, 12)
    assert world.told() == [("hold", 5, False)]


def test_a_stop_is_in_the_files_within_300_milliseconds(tmp_path):
    clock = SystemClock()
    world = World(tmp_path, clock)
    try:
        asyncio.run(_stopped_in_time(world))
    finally:
        world.close()


async def _stopped_in_time(world: World) -> None:
    for counter in (4, 5):
        world.release(counter)
    world.start("r1", 5)
    world.open("r1")
    stop = asyncio.Event()
    running = asyncio.create_task(world.publisher().run(stop))
    folder = world.data / "metadata" / "director" / CANARY
    await _until((folder / "2.targets.json").exists)
    took = []
    for version, state in enumerate(("halted", "rolling-back", "halted"), 3):
        began = time.monotonic()
        world.move("r1", state)
        await _until((folder / f"{version}.targets.json").exists)
        took.append(time.monotonic() - began)
    stop.set()
    await running
    assert min(took) < 2, took  # at once, not at the next renewal; the others may have waited for a busy machine


async def _until(condition) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - files and rows are no events
            await asyncio.sleep(0.005)


def test_a_service_that_up_did_not_start_refuses_development_keys(world, tmp_path):
    refuse_development(Settings(world.data, supervised=True))
    refuse_development(Settings(tmp_path / "elsewhere"))
    with pytest.raises(InvalidError, match="development keys"):
        refuse_development(Settings(world.data))
