"""A store that does not move: whoever waits is told in time that nothing was written, and nothing is done late."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from rollout.adapters.clock import SystemClock
from rollout.adapters.store.connection import open_engine, turnstile_for
from rollout.adapters.store.core import Store
from rollout.adapters.store.failure import failed
from rollout.adapters.store.migrate import migrate, open_store
from rollout.errors import BusyError
from rollout.event import EventKind
from rollout.ports.store import Transaction
from tests.adapters.conftest import run


@pytest.fixture
def url(tmp_path: Path) -> str:
    found = f"sqlite:///{tmp_path / 'store.db'}"
    migrate(found)
    return found


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = open_store(url, SystemClock(), patience=0.3)
    yield opened
    opened.close()


def add_event(tx: Transaction) -> int:
    return tx.events.append(EventKind.JOINED, 1)


@pytest.fixture
def turn(url: str) -> Iterator[Callable[[], None]]:
    """Another process's turn at the store, taken; call it to end it."""
    other = turnstile_for(url)
    other.__enter__()
    taken = [True]

    def give_back() -> None:
        if taken:
            taken.clear()
            other.__exit__(None, None, None)

    yield give_back
    give_back()
    other.close()


def test_who_waits_too_long_for_a_turn_is_told_so_and_nothing_is_written_later(store, turn):
    late = [store.write(add_event) for _ in range(3)]
    for future in late:
        with pytest.raises(BusyError, match="nothing was written"):
            future.result(10)
    turn()
    assert store.write(add_event).result(10) == 1
    assert store.read(lambda tx: [event.seq for event in tx.events.after(0)]) == [1]


def test_what_has_begun_is_not_sent_away(store):
    begun, go_on = threading.Event(), threading.Event()

    def work(tx: Transaction) -> int:
        begun.set()
        go_on.wait(10)
        return add_event(tx)

    slow, late = store.write(work), None
    assert begun.wait(10)
    late = store.write(add_event)
    with pytest.raises(BusyError):
        late.result(10)
    go_on.set()
    assert slow.result(10) == 1


def test_a_lock_that_is_held_is_no_failure_of_the_store(store, url):
    holder = sqlite3.connect(make_url(url).database or "", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        future = store.write(add_event)
        with pytest.raises(BusyError):
            future.result(10)
        with pytest.raises(sqlite3.OperationalError) as locked:
            sqlite3.connect(make_url(url).database or "", timeout=0).execute("BEGIN IMMEDIATE")
        assert isinstance(failed(locked.value), BusyError)
    finally:
        holder.rollback()
        holder.close()
    assert store.write(add_event).result(10) == 1


@pytest.mark.slow
def test_who_is_patient_outlasts_a_lock_that_is_held_longer_than_the_database_waits(url):
    held, let_go = threading.Event(), threading.Event()

    def hold() -> None:
        holder = sqlite3.connect(make_url(url).database or "", isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        held.set()
        let_go.wait(30)
        holder.rollback()
        holder.close()

    patient = open_store(url, SystemClock(), patience=60)
    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(10)
    halt = patient.write(add_event)
    with pytest.raises(TimeoutError):
        halt.result(6)  # the database gives up after 5 s
    let_go.set()
    assert halt.result(20) == 1
    thread.join()
    patient.close()


@pytest.mark.slow
def test_on_postgresql_a_writer_that_stands_still_with_the_turn_in_its_hand_loses_it(postgres):
    found = make_url(postgres).set(database="stands_still")
    run(postgres, "CREATE DATABASE stands_still")
    url = found.render_as_string(hide_password=False)
    migrate(url)
    patient, holder = open_store(url, SystemClock(), patience=60), open_engine(url, writer=True)
    with suppress(DBAPIError), holder.connect() as connection, connection.begin():
        assert patient.write(add_event).result(60) == 1
    holder.dispose()
    patient.close()
