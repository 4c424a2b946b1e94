"""The world of the model test: real operations over a real store, many rollouts one after another, no processes.

Grown from the promise world: rollouts are started by `start`, go forward by the workflows' own activities, are
published by real publishers with real keys; workers may stall and come back, and any transaction may be undone.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from policies.document import Policy
from rollout.adapters.store.core import Store
from rollout.adapters.trust.copies import FolderCopies
from rollout.errors import RolloutError, SurroundingsError
from rollout.operation import advance
from rollout.operation.admit import Answered, Granted
from rollout.operation.draft import Wish
from rollout.operation.publisher import Publisher
from rollout.operation.start import start
from rollout.operation.watch import Watch
from rollout.ports.store import Transaction
from tests.scenarios.model_house import HOSTS, house
from tests.scenarios.model_promises import GAP
from tests.scenarios.promise_world import PRODUCT, Body, World
from workflows.activities import Forward
from workflows.messages import Act, InRing, Outcome

PUBLISH_EVERY = 8  # turns of the watch
GO = 60.0  # seconds for which a go is worth something
ONE_LOOK = 1  # of an act: the model's time stands still meanwhile, whoever looks again sees the same
TIME = 4.0  # seconds of one step of time: within every limit of freshness


class Undoing:
    """A worker's way to the store; its next `doomed` writes are done and undone, and their callers hear of it."""

    def __init__(self, store: Store) -> None:
        self._store, self.doomed = store, 0

    def write(self, work: Callable[[Transaction], Any], *, stopping: bool = False) -> "Future[Any]":
        if not self.doomed:
            return self._store.write(work, stopping=stopping)
        self.doomed -= 1
        return self._store.write(partial(undone, work=work))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def undone(tx: Transaction, work: Callable[[Transaction], Any]) -> None:
    work(tx)
    raise SurroundingsError("the disk was full at the end of this transaction", slug="store")


@dataclass(slots=True)
class Worker:
    """One worker process: a watch, a publisher, activities, each with eyes of its own."""

    store: Undoing
    watch: Watch
    publisher: Publisher
    forward: Forward

    rounds: int = 0
    turned: float | None = None  # when the watch turned last, on the world's own clock
    gap_at: float = float("-inf")  # when it turned for the first time after a gap
    standing: object = None

    def judge(self, now: float) -> None:
        """One turn of the watch; like the loop, an error costs a round and nothing else."""
        self.rounds += 1
        if self.turned is not None and now - self.turned > GAP:
            self.gap_at = now
        self.turned = now
        with suppress(RolloutError):
            self.watch.round()

    def publish(self, standing: object) -> None:
        """One turn of the publisher, where states changed or nothing was looked at for a while."""
        if standing == self.standing and self.rounds % PUBLISH_EVERY:
            return
        with suppress(RolloutError):
            self.publisher.round()
            self.standing = standing


@dataclass
class ModelWorld(World):
    """`settle` is called after everything that was done, before time goes on: the moment to look at the store."""

    folder: Path = Path()
    settle: Callable[[], None] = lambda: None
    standing: Callable[[], object] = lambda: None
    worker: Worker | None = None
    judging: Worker | None = None  # whose turn of the watch was the last
    stalled: list[Worker] = field(default_factory=list)
    seen_engine: float = float("-inf")  # when the engine's beacon last moved, on the world's own clock
    proved: set[str] = field(default_factory=set)  # adoptions whose host truly ran the candidate for long enough
    slept: set[str] = field(default_factory=set)  # adoptions whose host announced a sleep
    release_of: dict[str, int] = field(default_factory=dict)  # by adoption
    went: dict[int, float] = field(default_factory=dict)  # when a host was last told go, on the world's own clock
    _first: dict[str, tuple[int, float]] = field(default_factory=dict)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)

    def start_worker(self) -> None:
        """A new worker process; the one before is stalled, and may come back."""
        if self.worker is not None:
            self.stalled = [*self.stalled[-1:], self.worker]
        self.worker = self._worker(f"w{next(self.names)}")

    def _worker(self, owner: str) -> Worker:
        store = Undoing(self.store)
        watch = Watch(store, self.clock, owner, heartbeat=TIME)
        publisher = Publisher(store, self.clock, house().signer, FolderCopies(self.folder), owner)
        eyes = advance.Eyes(self.clock.elapsed)
        return Worker(store, watch, publisher, Forward(store, publisher, eyes, looks=ONE_LOOK))

    def start(self, counter: int, person: str, rules: Policy) -> bool:
        """Start a rollout of a release; whether it was started. Hosts and watch turn to it."""
        number = next(self.names)
        wish = Wish(PRODUCT, counter, rules, "try", person, (f"map{number}", f"salt{number}"))
        try:
            self.name = start(self.store, wish)
        except RolloutError:
            return False
        finally:
            self.settle()
        self.counter = counter
        return True

    def step(self, seconds: float = TIME, beating: Iterable[int] | None = None) -> None:
        """Time goes on: who lives moves, then the worker, then the gateway looks."""
        self.settle()
        self.clock.move(seconds)
        lively = [name for name, lives in (("gateway/g", self.gateway), ("engine", self.engine)) if lives]
        self.write(lambda tx: [tx.beacons.move(name, "w") for name in lively])
        if self.engine:
            self.seen_engine = self.clock.boot
        if beating is not None:
            self.beat(beating)
        self.work()
        self.look()

    def work(self, worker: Worker | None = None) -> None:
        """The loops of a worker turn once."""
        worker = worker or self.worker
        if worker is not None:
            self.judging = worker
            worker.judge(self.clock.boot)
            self.settle()
            worker.publish(self.standing())
        self.settle()

    def awake(self) -> list[int]:
        return [key for key, body in self.bodies.items() if not body.sleeping]

    def _beat(self, key: int, change: dict[str, Any]) -> Any:
        row, body = super()._beat(key, change), self.bodies[key]
        if row is None or body.adoption is None:
            return row
        if row.beat.sleeping:
            self.slept.add(body.adoption)
        if body.phase == "applied" and body.running == self.release_of[body.adoption]:
            boot, uptime = self._first.setdefault(body.adoption, (body.boot, row.beat.uptime))
            if row.beat.uptime - (uptime if boot == body.boot else 0.0) >= 8.0:
                self.proved.add(body.adoption)
        return row

    def ask(self, hosts: Iterable[int], version: int = 3) -> list[Answered]:
        """Who is told go for the first time begins anew; a go is worth a minute."""
        listed = list(hosts)
        before = {key: self.bodies[key].adoption for key in listed}
        answers = super().ask(listed, version)
        for key, answer in zip(listed, answers, strict=True):
            if isinstance(answer, Granted):
                self.went[key] = self.clock.boot
                if answer.adoption != before[key]:
                    self.release_of[answer.adoption], self.bodies[key].phase = self.counter, "idle"
        return answers

    def load(self, hosts: Iterable[int]) -> list[int]:
        """Those whose go still holds begin to run the candidate; their next beat says so."""
        begun = []
        for key in hosts:
            body, fresh = self.bodies[key], self.clock.boot - self.went.get(key, float("-inf")) < GO
            if fresh and not body.silent and self.release_of.get(body.adoption or "", 0) > body.running:
                body.running, body.phase = self.release_of[body.adoption or ""], "applied"
                begun.append(key)
        return begun

    def forward(self, by: Worker) -> None:
        """One step of the forward workflow, by the activities of this worker: what is due, then doing it."""
        with suppress(RolloutError):
            due = self.store.read(lambda tx: advance.next_move(tx, self.name, by.forward.eyes))
            step = InRing(self.name, due.ring)
            act = {"open": by.forward.open_ring, "promote": by.forward.promote, "complete": by.forward.complete}
            if due.next in act:
                self._loop.run_until_complete(act[due.next](step))
        self.settle()

    def push(self, by: Worker, kind: str, ring: str) -> None:
        """A workflow that believes something else: an activity run again, or late."""
        act = {"open": by.forward.open_ring, "promote": by.forward.promote, "complete": by.forward.complete}[kind]
        with suppress(RolloutError):
            self._loop.run_until_complete(act(InRing(self.name, ring)))
        self.settle()

    def agree(self, by: Worker, act: Act) -> Outcome | None:
        """A person's approve or resume through the worker; None where the store failed."""
        with suppress(RolloutError):
            return self._loop.run_until_complete(by.forward.act(act))
        return None

    def policy_of(self, rollout: str) -> Policy:
        found = self.read(lambda tx: tx.rollouts.get(rollout))
        assert found is not None
        return found.policy

    def close(self) -> None:
        self._loop.close()


@contextmanager
def model_world() -> Iterator[ModelWorld]:
    """48 hosts that run release 1, people with their roles, twelve releases; nothing is rolled out yet."""
    shared = house()
    shared.tidy()
    bodies = {key: Body(f"h-{key}") for key in range(1, HOSTS + 1)}
    found = ModelWorld(shared.store, shared.clock, bodies, folder=shared.folder)
    try:
        found.beat(bodies)
        found.start_worker()
        yield found
    finally:
        found.close()
