"""The store's commits: shared, fair across processes, and answered only when durable."""

import multiprocessing
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import create_engine

from rollout.adapters.clock import SystemClock
from rollout.adapters.store.core import QUEUE_LENGTH, Store
from rollout.adapters.store.migrate import migrate, open_store
from rollout.errors import BusyError, ConflictError, DamagedError, SurroundingsError
from rollout.event import EventKind
from rollout.ports.host import Presence
from rollout.ports.store import Transaction


@pytest.fixture
def url(make_database: Callable[[], str]) -> str:
    found = make_database()
    migrate(found)
    return found


def ask(url: str, statement: str) -> list[tuple[Any, ...]]:
    """Ask on a connection that is not the store's."""
    engine = create_engine(url)
    with engine.begin() as other:
        answer = other.exec_driver_sql(statement)
        rows = [tuple(row) for row in answer] if answer.returns_rows else []
    engine.dispose()
    return rows


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = open_store(url, SystemClock())
    yield opened
    opened.close()


def add_event(tx: Transaction) -> int:
    return tx.events.append(EventKind.JOINED, 1)


def test_an_answer_comes_after_the_commit(store: Store) -> None:
    seq = store.write(add_event).result(5)
    assert ask(store.url, "SELECT seq FROM event") == [(seq,)]


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
    assert accepted[-1].result(90) > 0, "what was accepted is kept"


def test_time_in_the_store_only_rises_even_while_the_clock_is_behind(url: str) -> None:
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
    assert first < store.write(lambda tx: tx.at).result(5) < first + 0.001
    store.close()


def test_a_reader_cannot_write(store: Store) -> None:
    with pytest.raises(SurroundingsError):
        store.read(add_event)


def test_only_up_and_serve_migrate(make_database: Callable[[], str]) -> None:
    with pytest.raises(DamagedError, match="no tables yet"):
        open_store(make_database(), SystemClock())


def test_an_unknown_schema_version_is_refused_by_everybody(url: str) -> None:
    ask(url, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(DamagedError, match="9999"):
        open_store(url, SystemClock())
    with pytest.raises(DamagedError, match="9999"):
        migrate(url)


def _write_in_bulk(url: str, enough: Any) -> None:
    store = open_store(url, SystemClock())
    while not enough.is_set():
        for future in [store.write(lambda tx: [add_event(tx) for _ in range(200)]) for _ in range(5)]:
            future.result(30)
    store.close()


@pytest.mark.slow
def test_beside_a_bulk_writer_a_one_row_commit_gets_its_turn(url: str, store: Store) -> None:
    spawn = multiprocessing.get_context("spawn")
    enough = spawn.Event()
    bulk = spawn.Process(target=_write_in_bulk, args=(url, enough))
    bulk.start()
    base = store.version()
    while store.version() == base:
        assert bulk.is_alive()
        time.sleep(0.01)
    for _ in range(10):
        store.write(add_event).result(5)
    enough.set()
    bulk.join(60)
    assert bulk.exitcode == 0


@pytest.mark.parametrize("work", [add_event, lambda tx: None], ids=["an event", "nothing but the time"])
def test_any_commit_is_seen_by_everybody(url: str, store: Store, work: Callable[[Transaction], Any]) -> None:
    other = open_store(url, SystemClock())
    before = store.version(), other.version()
    assert (store.version(), other.version()) == before, "nobody committed"
    other.write(work).result(5)
    after = store.version(), other.version()
    assert all(new != old for new, old in zip(after, before, strict=True))
    store.write(work).result(5)
    assert all(new != old for new, old in zip((store.version(), other.version()), after, strict=True))
    other.close()


def test_text_that_a_database_cannot_keep_harms_nobody_else(store: Store) -> None:
    spoken = [Presence(key, 1, boot, 1.0, "idle", 0, "{}", "a" * 64, 1.0) for key, boot in enumerate(["b", "b\0c"], 1)]
    store.write(lambda tx: tx.hosts.save_presence(spoken)).result(5)
    store.write(lambda tx: tx.people.record("act", person="a\0nn", detail={"reason": "\0"})).result(5)
    kept = store.read(lambda tx: tx.hosts.presence([1, 2]))
    assert kept[1] == spoken[0]
    assert kept[2].boot in {"b\0c", "b\N{REPLACEMENT CHARACTER}c"}
    (row,) = store.read(lambda tx: tx.people.audit())
    assert row.detail == {"reason": "\0"}


def test_the_audit_chain_tells_of_every_change(store: Store) -> None:
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
