"""A whole rollout without processes: the real store, the real operations, and a clock that moves when told."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from policies.document import Policy
from policies.profiles import profile
from rollout.adapters.store.core import Store
from rollout.adapters.store.migrate import migrate, open_store
from rollout.operation import admit, crashed, record
from rollout.operation.advance import Eyes
from rollout.operation.freshness import Freshness
from rollout.operation.newcomer import enlist
from rollout.operation.standing import ENGINE, Watching
from rollout.operation.watch import Watch
from rollout.operation.watching import Watched
from rollout.ports.adoption import Adoption
from rollout.ports.host import HostRecord
from rollout.ports.judging import StoredJudgement
from rollout.ports.publication import RepositoryRecord
from rollout.ports.release import ReleaseRecord
from rollout.ports.rollout import Member, RingRecord, RolloutRecord
from rollout.ports.store import Transaction
from rollout.ringmap import POINTS, RingMap
from rollout.telemetry import Beat, CrashReport

T = TypeVar("T")
PRODUCT, OLD, NEW = "edr", 1, 2
ATTRIBUTES = {"os_build": 22631, "hardware": "m", "form": "laptop"}
MANIFEST = {"hardware": ["*"], "os_builds": [0, 2**32 - 1], "rollback_to": None, "builds": []}
STRATA = ("s0", "s1")
R = "r1"
STEP = 0.5


def digest_of(counter: int) -> str:
    """The digest of a release's package."""
    return f"{counter:064x}"


class HandClock:
    """A clock that moves when told; wall time and elapsed time apart."""

    def __init__(self) -> None:
        self.wall, self.boot = 1_800_000_000.0, 100_000.0

    def now(self) -> float:
        return self.wall

    def elapsed(self) -> float:
        return self.boot

    def move(self, seconds: float) -> None:
        self.wall += seconds
        self.boot += seconds


@dataclass(slots=True)
class Body:
    """A simulated host."""

    name: str
    seq: int = 0
    boot: int = 1
    booted: float = 0.0
    running: int = OLD
    phase: str = "idle"
    adoption: str | None = None
    silent: bool = False
    sleeping: bool = False


@dataclass
class World:
    """The store and those who use it."""

    store: Store
    clock: HandClock
    bodies: dict[int, Body]
    memory: record.Memory = field(default_factory=record.Memory)
    fresh: Freshness = field(default_factory=Freshness)
    watch: Watch | None = None
    gateway: bool = True
    engine: bool = True
    name: str = R  # the rollout in hand
    counter: int = NEW
    names: Iterator[int] = field(default_factory=count)

    def write(self, work: Callable[[Transaction], T]) -> T:
        return self.store.write(work).result(10)

    def read(self, work: Callable[[Transaction], T]) -> T:
        return self.store.read(work)

    @property
    def eyes(self) -> Eyes:
        return Eyes(self.clock.elapsed, self.fresh)

    @property
    def rollout(self) -> RolloutRecord:
        found = self.read(lambda tx: tx.rollouts.get(self.name))
        assert found is not None
        return found

    @property
    def judgement(self) -> StoredJudgement:
        found = self.read(lambda tx: tx.judging.judgement(self.name))
        assert found is not None
        return found

    @property
    def watched(self) -> Watched:
        assert self.watch is not None
        return self.watch.owned[self.name]

    def adoption(self, host: int) -> Adoption | None:
        return next(iter(self.read(lambda tx: tx.adoptions.of_host(host))), None)

    def events(self, *kinds: str) -> list[Any]:
        return [e for e in self.read(lambda tx: tx.events.after(0)) if not kinds or e.kind.value in kinds]

    def start_worker(self) -> None:
        """Another worker process; whoever was there before is dead, or stalled where the caller kept it."""
        self.watch = Watch(self.store, self.clock, f"w{next(self.names)}", heartbeat=1.0)

    def beat(self, hosts: Iterable[int], **change: Any) -> None:
        rows = [row for key in hosts if (row := self._beat(key, change)) is not None]
        self.write(lambda tx: record.remember(self.memory, record.beats(tx, rows, self.memory, 1.0)))

    def _beat(self, key: int, change: dict[str, Any]) -> record.Row | None:
        body = self.bodies[key]
        if body.silent:
            return None
        body.seq += 1
        uptime = self.clock.boot - body.booted
        said = {"sleeping": body.sleeping} | change
        running = {PRODUCT: body.running}
        return record.Row(Beat(body.name, str(body.boot), body.seq, uptime, running, body.phase, body.adoption, **said))

    def sleep(self, host: int) -> None:
        self.beat([host], sleeping=True)
        self.bodies[host].sleeping = True

    def wake(self, host: int) -> None:
        self.bodies[host].sleeping = False
        self.beat([host])

    def ask(self, hosts: Iterable[int], version: int = 3) -> list[admit.Answered]:
        sha256 = digest_of(self.counter)
        rows = [
            admit.Row(admit.Question(body.name, PRODUCT, self.counter, sha256, str(body.boot), version))
            for body in (self.bodies[key] for key in hosts)
        ]
        names = self.names
        watching = Watching(self.fresh, self.clock.elapsed, lambda: f"a{next(names)}")
        answers = self.write(lambda tx: admit.admit(tx, rows, self.memory, watching))
        for row, answer in zip(rows, answers, strict=True):
            if isinstance(answer, admit.Granted):
                body = next(body for body in self.bodies.values() if body.name == row.question.host)
                body.adoption = answer.adoption
        return answers

    def apply(self, host: int) -> None:
        """It begins what it was let begin, and says so."""
        body = self.bodies[host]
        body.running, body.phase = self.counter, "applied"
        self.beat([host])

    def crash(self, host: int) -> None:
        body = self.bodies[host]
        report = CrashReport(body.name, f"x{next(self.names)}", "bugcheck", boot=str(body.boot))
        body.boot, body.booted = body.boot + 1, self.clock.boot
        self.write(lambda tx: crashed.crashes(tx, [crashed.Row(report)], self.memory))

    def look(self) -> None:
        """What the gateway's lookout does."""

        def counters(tx: Transaction) -> dict[str, int]:
            judged = tx.judging.judgement(self.name)
            found = {name: counter for name, (_, _, counter) in tx.beacons.all().items()}
            return found | ({} if judged is None else {f"judgement/{self.name}": judged.counter})

        now = self.clock.elapsed()
        for name, counter in self.read(counters).items():
            self.fresh.observe(name, counter, now)

    def step(self, seconds: float = STEP, beating: Iterable[int] | None = None) -> None:
        """One step of time: whoever lives moves."""
        self.clock.move(seconds)
        lively = [name for name, lives in (("gateway/g", self.gateway), (ENGINE, self.engine)) if lives]
        self.write(lambda tx: [tx.beacons.move(name, "w") for name in lively])
        if beating is not None:
            self.beat(beating)
        if self.watch is not None:
            self.watch.round()
        self.look()

    def pass_time(self, seconds: float, beating: Iterable[int] | None = None) -> None:
        """Let seconds pass; everybody who is awake (or these) beats each second."""
        for number in range(int(seconds / STEP)):
            awake = [key for key, body in self.bodies.items() if not body.sleeping] if beating is None else beating
            self.step(STEP, awake if number % round(1 / STEP) == 0 else None)


@contextmanager
def world(folder: Path, hosts: int = 60, in_ring: int = 30, policy: Policy | None = None) -> Iterator[World]:
    """A rollout whose first ring admits; hosts beyond `in_ring` are held out. Odd and even hosts: two strata."""
    clock = HandClock()
    url = f"sqlite:///{folder / 'store.db'}"
    migrate(url)
    store = open_store(url, clock)
    bodies = {key: Body(f"h-{key}") for key in range(1, hosts + 1)}
    found = World(store, clock, bodies)
    try:
        found.write(lambda tx: [tx.hosts.enrol(_host(body, tx.at)) for body in bodies.values()])
        found.beat(bodies)
        found.write(lambda tx: begin(tx, bodies, in_ring, policy or profile("demo")))
        found.start_worker()
        yield found
    finally:
        store.close()


def _host(body: Body, at: float) -> HostRecord:
    return HostRecord(0, body.name, "ed25519", b"k" * 32, ATTRIBUTES, "laptop", at)


def begin(tx: Transaction, hosts: Iterable[int], in_ring: int, policy: Policy) -> None:
    """Store what a start and the first publication would have stored."""
    for counter in (OLD, NEW):
        tx.releases.add(
            ReleaseRecord(PRODUCT, counter, digest_of(counter), 1, "1", "content", 0, MANIFEST, {}, tx.at, "p")
        )
    tx.publications.add_ring_map(RingMap(PRODUCT, 1, "salt", ((policy.rings[0].name, 0, POINTS),), {}))
    names = [ring.name for ring in policy.rings]
    rollout = RolloutRecord(
        R, 1, PRODUCT, NEW, policy, "d", "running", tx.at, False, "ann", "try", tx.at, 1, "x", STRATA,
        tx.events.last(), tx.events.last_heard(), 0, None, None, False,
    )  # fmt: skip
    rings = [
        RingRecord(R, place, name, "admitting" if place == 0 else "waiting", tx.at, in_ring, 0, 3)
        for place, name in enumerate(names)
    ]
    tx.rollouts.create(rollout, rings)
    members = [
        Member(key, names[0] if key <= in_ring else "held-out", STRATA[key % 2], OLD, directed=True, active=True)
        for key in hosts
    ]
    tx.rollouts.enlist(R, members)
    enlist(tx, rollout, [], {})
    custom = {"rollout": R, "action": "install", "exposure_bp": 10_000, "salt": "x"}
    path = f"{PRODUCT}/{NEW}/{digest_of(NEW)}.zip"
    tx.publications.publish(RepositoryRecord(f"director/{names[0]}", 1, {}, tx.at, {}, {path: custom}), {}, 0)
