"""Simulated hosts for the workflow tests: a loop over the store's own door."""

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rollout.adapters.clock import SystemClock
from rollout.adapters.store.core import Store
from rollout.directive.facts import split
from rollout.operation import admit, crashed, record
from rollout.operation.freshness import Freshness
from rollout.operation.record import Memory
from rollout.operation.standing import Watching
from rollout.ports.host import HostRecord
from rollout.telemetry import Beat, CrashReport

PRODUCT, OLD = "sensor", 7
TICK = 0.2
BEAT = 0.3  # seconds: also what hosts are told while nothing is open, or the first silence would last for minutes


def until(holds: Callable[[], Any], seconds: float = 120, what: str = "the condition") -> Any:
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, f"{what} never held"
        time.sleep(0.02)
    return found


@dataclass
class Host:
    """A simulated host."""

    name: str
    key: int = 0
    boot: str = "b1"
    seq: int = 0
    born: float = field(default_factory=time.monotonic)
    running: int = OLD
    adoption: str | None = None
    phase: str = "idle"
    silent: bool = False


class Fleet:
    """Hosts that beat, ask, adopt, crash, die and go back, through the operations the gateway calls."""

    def __init__(self, store: Store, clock: SystemClock) -> None:
        self.store, self.memory = store, Memory()
        self.freshness, self.clock = Freshness(), clock
        self.watching = Watching(self.freshness, clock.elapsed, lambda: secrets.token_hex(8))
        self.hosts: list[Host] = []
        self.fate: Callable[[Host], str] = lambda _: "well"
        self.asking = self.gateway = True
        self.returning = True
        self.granted: list[tuple[float, str]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fleet")
        self.failure: BaseException | None = None

    def enrol(self, count: int) -> None:
        def work(tx: Any) -> None:
            told = {"form": "laptop", "os_build": 22631, "hardware": "model-x"}
            for number in range(count):
                one = HostRecord(0, f"h-{number:03}", "ed25519", b"k" * 32, told, "laptop-22631-model-x", tx.at)
                self.hosts.append(Host(one.id, tx.hosts.enrol(one)))

        self.store.write(work).result(10)
        self._tick()
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(10)
        if self.failure is not None:
            raise self.failure

    def _run(self) -> None:
        try:
            while not self._stop.wait(TICK):
                self._tick()
        except BaseException as error:  # reported by `close`
            self.failure = error

    def _tick(self) -> None:
        if self.gateway:
            self.store.write(lambda tx: tx.beacons.move("gateway/g", "g"))
        self.store.write(lambda tx: record.beats(tx, self._beats(), self.memory, BEAT)).result(10)
        now = self.clock.elapsed()
        beacons, orders = self.store.read(lambda tx: (tx.beacons.all("engine"), self._orders(tx)))
        for name, (_, _, counter) in beacons.items():
            self.freshness.observe(name, counter, now)
        asked = []
        for host in self.hosts:
            asked += [] if host.silent else self._obey(host, orders.get(host.key, []))
        if asked:
            rows = [admit.Row(question) for _, question in asked]
            answers = self.store.write(lambda tx: admit.admit(tx, rows, self.memory, self.watching)).result(10)
            for (host, question), answer in zip(asked, answers, strict=True):
                if isinstance(answer, admit.Granted):
                    self._adopt(host, question.release_counter, answer.adoption)

    def _beats(self) -> list[record.Row]:
        rows = []
        for host in self.hosts:
            if not host.silent:
                host.seq += 1
                uptime = 1000 + time.monotonic() - host.born
                rows.append(
                    record.Row(
                        Beat(host.name, host.boot, host.seq, uptime, {PRODUCT: host.running}, host.phase, host.adoption)
                    )  # type: ignore[arg-type]
                )
        return rows

    def _orders(self, tx: Any) -> dict[int, list[tuple[Any, dict[str, Any], int]]]:
        """Directives by host key, from what is signed in its ring."""
        newest = tx.rollouts.newest(PRODUCT)
        if newest is None:
            return {}
        rings = {}
        for ring in tx.rollouts.rings(newest.id):
            found = tx.publications.repository(f"director/{ring.name}")
            if found is not None:
                version = found.versions["targets"]
                rings[ring.name] = [(split(path), dict(custom), version) for path, custom in found.directives.items()]
        return {member.host: rings.get(member.ring, []) for member in tx.rollouts.members(newest.id)}

    def _obey(self, host: Host, orders: list[tuple[Any, dict[str, Any], int]]) -> list[tuple[Host, admit.Question]]:
        """Go back where told; what to ask before going forward."""
        asked = []
        for target, custom, version in orders:
            if custom["action"] == "rollback":
                if host.running == custom["withdraws"] and self.returning:
                    host.running, host.phase = target.release_counter, "idle"
            elif custom["action"] == "install" and self.asking and host.running < target.release_counter:
                counter, sha256 = target.release_counter, target.sha256
                asked.append((host, admit.Question(host.name, PRODUCT, counter, sha256, host.boot, version)))
        return asked

    def _adopt(self, host: Host, counter: int, adoption: str) -> None:
        self.granted.append((time.monotonic(), host.name))
        host.adoption, host.running, host.phase = adoption, counter, "applied"
        fate = self.fate(host)
        if fate == "crash":
            host.boot, host.born = f"b{host.seq}", time.monotonic()
            report = CrashReport(host.name, secrets.token_hex(8), "bugcheck")
            self.store.write(lambda tx: crashed.crashes(tx, [crashed.Row(report)], self.memory)).result(10)
        host.silent = fate == "dark"
