"""The store's commits: shared, fair across processes, and answered only when durable."""

import multiprocessing
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollout.adapters.clock import SystemClock
from rollout.adapters.store.core import QUEUE_LENGTH, Store
from rollout.adapters.store.migrate import migrate, open_store
from rollout.errors import BusyError, ConflictError, DamagedError, SurroundingsError
from rollout.event import EventKind
from rollout.ports.store import Transaction


@pytest.fixture
def url(tmp_path: Path) -> str:
    found = f"sqlite:///{tmp_path / 'store.db'}"
    migrate(found)
    return found


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = open_store(url, SystemClock())
    yield opened
    opened.close()


def add_event(tx: Transaction) -> int:
    return tx.events.append(EventKind.JOINED, 1)


def test_an_answer_comes_after_the_commit(store: Store, tmp_path: Path) -> None:
    seq = store.write(add_event).result(5)
    with sqlite3.connect(tmp_path / "store.db") as other:
        assert other.execute("SELECT seq FROM event").fetchall() == [(seq,)]


def test_work_that_fails_is_undone_alone(store: Store) -> None:
    def fail(tx: Transaction) -> None:
        add_event(tx)
        raise ConflictError("no")

    started = threading.Event()
    release = threading.Event()

    def block(tx: Transaction) -> None:
        started.set()
        release.wait(5)

    first = store.write(block)
    started.wait(5)
    futures = [store.write(add_event), store.write(fail), store.write(add_event)]
    release.set()
    first.result(5)
    assert isinstance(futures[0].result(5), int)
    with pytest.raises(ConflictError):
        futures[1].result(5)
    assert store.read(lambda tx: len(tx.events.after(0))) == 2
    assert futures[2].result(5) == store.read(lambda tx: tx.events.last())


def test_a_defect_undoes_the_whole_commit_and_everybody_hears_of_it(store: Store) -> None:
    def defect(tx: Transaction) -> None:
        raise KeyError("defect")

    with pytest.raises(SurroundingsError, match="nothing was written"):
        store.write(defect).result(5)
    assert isinstance(store.write(add_event).result(5), int), "the writer goes on"


def test_a_full_queue_says_so_at_once(store: Store) -> None:
    release = threading.Event()
    store.write(lambda tx: release.wait(10))
    accepted = [store.write(add_event) for _ in range(QUEUE_LENGTH - 1)]
    with pytest.raises(BusyError):
        [store.write(add_event) for _ in range(3)]
    release.set()
    assert accepted[-1].result(20) > 0, "what was accepted is kept"


def test_time_in_the_store_never_goes_back(url: str) -> None:
    class Jumping:
        at = 2_000.0

        def now(self) -> float:
            return self.at

        def elapsed(self) -> float:
            return time.monotonic()

    clock = Jumping()
    store = open_store(url, clock)
    first = store.write(lambda tx: tx.at).result(5)
    clock.at = 1_000.0
    assert store.write(lambda tx: tx.at).result(5) == first
    store.close()


def test_a_reader_cannot_write(store: Store) -> None:
    with pytest.raises(SurroundingsError):
        store.read(add_event)


def test_only_up_and_serve_migrate(tmp_path: Path) -> None:
    with pytest.raises(DamagedError, match="no tables yet"):
        open_store(f"sqlite:///{tmp_path / 'empty.db'}", SystemClock())


def test_an_unknown_schema_version_is_refused_by_everybody(url: str, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "store.db") as other:
        other.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(DamagedError, match="9999"):
        open_store(url, SystemClock())
    with pytest.raises(DamagedError, match="9999"):
        migrate(url)


def _write_in_bulk(url: str, until: float) -> None:
    store = open_store(url, SystemClock())
    while time.monotonic() < until:
        for future in [store.write(lambda tx: [add_event(tx) for _ in range(200)]) for _ in range(5)]:
            future.result(30)
    store.close()


@pytest.mark.slow
def test_beside_a_bulk_writer_a_one_row_commit_gets_its_turn(url: str, store: Store) -> None:
    until = time.monotonic() + 3
    bulk = multiprocessing.get_context("spawn").Process(target=_write_in_bulk, args=(url, until + 1.5))
    bulk.start()
    base = store.version()
    while store.version() == base:
        time.sleep(0.01)
    turns = 0
    while time.monotonic() < until:
        store.write(add_event).result(2)
        turns += 1
    bulk.join(30)
    assert bulk.exitcode == 0
    assert turns >= 10


def test_a_commit_of_another_process_is_seen(url: str, store: Store) -> None:
    base = store.version()
    other = open_store(url, SystemClock())
    other.write(add_event).result(5)
    other.close()
    assert store.version() != base


def test_the_audit_chain_tells_of_every_change(store: Store, tmp_path: Path) -> None:
    from dataclasses import asdict

    from rollout.audit import first_broken

    for number in range(3):
        store.write(lambda tx, n=number: tx.people.record("act", person="ann", detail={"n": n})).result(5)
    rows = [asdict(row) for row in store.read(lambda tx: tx.people.audit())]
    assert first_broken(rows) is None
    changed = [dict(row) for row in rows]
    changed[1]["person"] = "bob"
    assert first_broken(changed) == rows[1]["seq"]
    assert first_broken([rows[0], rows[2]]) == rows[2]["seq"]
