"""A full disk: nothing goes forward, stops are written, and everything goes on when room returns."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rollout.adapters.clock import SystemClock
from rollout.adapters.store.core import Store
from rollout.adapters.store.migrate import migrate, open_store
from rollout.adapters.store.reserve import BALLAST_BYTES, LEAST_FREE_BYTES, Reserve
from rollout.errors import DiskFullError
from rollout.event import EventKind
from rollout.ports.event import Happened
from rollout.ports.store import Transaction
from tests.small_disk import fill, small_disk

MIB = 1 << 20


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", 24) as found:
        yield found


@pytest.fixture
def store(disk: Path) -> Iterator[Store]:
    url = f"sqlite:///{disk / 'store.sqlite3'}"
    migrate(url)
    opened = open_store(url, SystemClock())
    opened.write(add_event).result(5)
    yield opened
    opened.close()


def add_event(tx: Transaction) -> int:
    return tx.events.append(EventKind.JOINED, 1)


def add_much(tx: Transaction) -> None:
    tx.events.extend([Happened(EventKind.JOINED, 1, {"text": "x" * MIB})] * 30)


def ballast(disk: Path) -> int:
    return (disk / "ballast").stat().st_size if (disk / "ballast").exists() else 0


def test_the_first_commit_leaves_a_ballast(store: Store, disk: Path) -> None:
    assert ballast(disk) == BALLAST_BYTES
    assert Reserve(disk).whole


def test_on_a_full_disk_work_is_refused_before_it_begins_and_reading_goes_on(store: Store, disk: Path) -> None:
    fill(disk)
    begun = []
    with pytest.raises(DiskFullError, match="make room"):
        store.write(begun.append).result(5)
    assert not begun
    assert store.read(lambda tx: tx.events.last()) == 1
    assert ballast(disk) == BALLAST_BYTES


def test_a_stop_is_written_on_a_full_disk_and_the_room_it_frees_is_nobody_elses(store: Store, disk: Path) -> None:
    fill(disk)
    for _ in range(50):
        store.write(add_event, stopping=True).result(5)
        with pytest.raises(DiskFullError):
            store.write(add_event).result(5)
    assert store.read(lambda tx: tx.events.last()) == 51
    assert ballast(disk) == 0


def test_when_room_returns_work_goes_on_and_the_ballast_is_made_again(store: Store, disk: Path) -> None:
    fill(disk)
    store.write(add_event, stopping=True).result(5)
    (disk / "filling").unlink()
    assert store.write(add_event).result(5) == 3
    assert ballast(disk) == BALLAST_BYTES


def test_a_commit_that_fills_the_disk_keeps_nothing_and_the_store_lives_on(store: Store, disk: Path) -> None:
    fill(disk, leave=LEAST_FREE_BYTES + MIB)
    with pytest.raises(DiskFullError):
        store.write(add_much).result(5)
    assert store.read(lambda tx: tx.events.last()) == 1
    assert store.write(add_event, stopping=True).result(5) == 2
    (disk / "filling").unlink()
    assert store.write(add_event).result(5) == 3
