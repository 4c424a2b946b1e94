"""Keyed requests in the store: claimed once, given up by the dead, forgotten after a day. Both databases."""

from collections.abc import Callable, Iterator

import pytest

from rollout.adapters.seal import Seal
from rollout.adapters.store.core import Store
from rollout.adapters.store.migrate import migrate, open_store
from rollout.adapters.store.transaction import Transaction
from rollout.adapters.token import TokenKey
from rollout.errors import ConflictError, DamagedError, InvalidError
from rollout.operation import repeat
from rollout.operation.repeat import DEAD_SECONDS, KEPT_SECONDS, Lives, Request
from tests.scenarios.promise_world import HandClock

ASKED = Request("n" * 64, "b" * 64)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def store(make_database: Callable[[], str], clock: HandClock) -> Iterator[Store]:
    url = make_database()
    migrate(url)
    opened = open_store(url, clock)
    yield opened
    opened.close()


class Process:
    """One `serve`."""

    def __init__(self, store: Store, clock: HandClock, owner: str) -> None:
        self.store, self.clock, self.owner, self.lives = store, clock, owner, Lives()

    def claim(self, asked: Request = ASKED) -> bytes | None:
        def work(tx: Transaction) -> bytes | None:
            known = repeat.claim(tx, asked, self.owner, self.lives, self.clock.elapsed())
            return None if known is None else known.answer

        return self.store.write(work).result(10)

    def keep(self, answer: bytes) -> None:
        self.store.write(lambda tx: tx.repeats.keep(ASKED.name, self.owner, 201, "k", answer)).result(10)

    def move(self) -> None:
        self.store.write(lambda tx: tx.repeats.move([ASKED.name], self.owner)).result(10)


def test_a_request_is_claimed_once_and_answered_as_it_was(store: Store, clock: HandClock) -> None:
    one, two = (Process(store, clock, name) for name in ("one", "two"))
    assert one.claim() is None
    for process in (one, two):
        with pytest.raises(ConflictError, match="still runs"):
            process.claim()
    one.keep(b"made")
    assert (one.claim(), two.claim()) == (b"made", b"made")
    with pytest.raises(InvalidError, match="another body"):
        two.claim(Request(ASKED.name, "c" * 64))


def test_what_a_dead_process_left_is_taken_over_and_what_a_slow_one_runs_is_not(store: Store, clock: HandClock) -> None:
    one, two = (Process(store, clock, name) for name in ("one", "two"))
    assert one.claim() is None
    for _ in range(5):
        with pytest.raises(ConflictError):
            two.claim()
        clock.move(DEAD_SECONDS)
        one.move()
    with pytest.raises(ConflictError):
        two.claim()
    clock.wall += 7_200  # a wall clock that jumps makes nobody dead
    with pytest.raises(ConflictError):
        two.claim()
    clock.move(DEAD_SECONDS + 1)
    assert two.claim() is None
    one.keep(b"too late")
    with pytest.raises(ConflictError):
        one.claim()
    two.keep(b"two's")
    assert one.claim() == b"two's"


def test_a_released_request_may_be_tried_again(store: Store, clock: HandClock) -> None:
    one = Process(store, clock, "one")
    assert one.claim() is None
    store.write(lambda tx: tx.repeats.release(ASKED.name, "another")).result(10)
    with pytest.raises(ConflictError):
        one.claim()
    store.write(lambda tx: tx.repeats.release(ASKED.name, "one")).result(10)
    assert one.claim(Request(ASKED.name, "c" * 64)) is None


def test_after_a_day_a_key_is_new_again(store: Store, clock: HandClock) -> None:
    one = Process(store, clock, "one")
    one.claim()
    one.keep(b"made")
    clock.move(KEPT_SECONDS - 1)
    assert one.claim() == b"made"
    clock.move(2)
    assert one.claim() is None


def test_of_too_many_answers_the_oldest_go(store: Store, clock: HandClock) -> None:
    one = Process(store, clock, "one")
    for number in range(5):
        asked = Request(f"{number:064}", "b" * 64)
        one.claim(asked)
        if number < 4:  # the last one still runs
            store.write(lambda tx, name=asked.name: tx.repeats.keep(name, "one", 201, "k", b"a")).result(10)
        clock.move(1)
    store.write(lambda tx: tx.repeats.forget(0, 2)).result(10)
    left = [store.read(lambda tx, n=n: tx.repeats.get(f"{n:064}")) is not None for n in range(5)]
    assert left == [False, False, True, True, True]


def test_a_sealed_answer_opens_for_its_asker_alone() -> None:
    key = TokenKey(b"k" * 32)
    seal = Seal(key, ("ann", "/tokens", "1"))
    sealed = seal.close(b"secret")
    assert seal.open(sealed) == b"secret"
    assert b"secret" not in sealed
    others = (Seal(key, ("ann", "/tokens", "2")), Seal(TokenKey(b"l" * 32), seal.parts))
    assert len({seal.name, *(other.name for other in others)}) == 3
    for other, text in [*((other, sealed) for other in others), (seal, sealed[:-1]), (seal, b"")]:
        with pytest.raises(DamagedError, match="cannot be opened"):
            other.open(text)
