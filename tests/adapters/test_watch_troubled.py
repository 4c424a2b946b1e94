"""The watch over a store that answers late or has no room: it does not take old sight for new, and it still stops."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rollout.adapters.store.core import Store
from rollout.adapters.store.migrate import migrate, open_store
from rollout.errors import DiskFullError
from rollout.operation.watch import Watch
from rollout.ports.store import Transaction
from tests.adapters.test_watch import HandClock, R, begin_rollout, crash, everyone, grant, pass_time, state, watch_of
from tests.small_disk import fill, small_disk

HELD_SECONDS = 60.0


class LateStore:
    """The store, which lets us write only after a while."""

    def __init__(self, store: Store, clock: HandClock) -> None:
        self.store, self.clock, self.late = store, clock, False

    def write(self, work: Callable[[Transaction], Any], *, stopping: bool = False) -> Any:
        if self.late:
            self.clock.at += HELD_SECONDS
        return self.store.write(work, stopping=stopping)

    def read(self, work: Callable[[Transaction], Any]) -> Any:
        return self.store.read(work)

    def version(self) -> int:
        return self.store.version()


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", 32) as found:
        yield found


@pytest.fixture
def store(disk: Path, clock: HandClock) -> Iterator[Store]:
    url = f"sqlite:///{disk / 'store.db'}"
    migrate(url)
    opened = open_store(url, clock)
    opened.write(begin_rollout).result(5)
    yield opened
    opened.close()


def test_a_judgement_that_waited_for_the_store_does_not_take_old_sight_for_new(store: Store, clock: HandClock) -> None:
    late = LateStore(store, clock)
    watch = Watch(late, clock, "w1", heartbeat=1.0)
    pass_time(store, watch, clock, 8, everyone(store))
    assert judged(store).document["blind"] is None
    late.late = True
    clock.at += 1
    watch.round()
    assert judged(store).document["blind"] == "gateway"


def test_on_a_full_disk_the_judge_stops_on_what_was_acknowledged_before(
    store: Store, clock: HandClock, disk: Path
) -> None:
    watch = watch_of(store, clock)
    pass_time(store, watch, clock, 8, everyone(store))
    for host in range(1, 6):
        grant(store, host)
    pass_time(store, watch, clock, 2, everyone(store))
    for host in range(1, 6):
        crash(store, host)
    assert state(store) == "running"
    fill(disk)
    clock.at += 0.25
    watch.round()
    assert state(store) == "rolling-back"
    clock.at += 2
    with pytest.raises(DiskFullError):
        watch.round()
    (disk / "filling").unlink()
    pass_time(store, watch, clock, 2, everyone(store))
    assert judged(store).verdict == "unhealthy"


def judged(store: Store) -> Any:
    return store.read(lambda tx: tx.judging.judgement(R))
