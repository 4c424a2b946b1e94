"""Real engine, store, watch, publisher, reconciler and Temporal workers; hosts are a loop over the store's own door."""

import asyncio
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client
from temporalio.service import RPCError

from policies.document import Policy
from policies.load import load
from rollout.adapters.clock import SystemClock
from rollout.adapters.engine.pin import cache_home
from rollout.adapters.engine.port import Reservation
from rollout.adapters.engine.resolve import find
from rollout.adapters.engine.server import Engine
from rollout.adapters.settings import Endpoint, Settings
from rollout.adapters.store.migrate import migrate, open_store
from rollout.adapters.trust.copies import FolderCopies
from rollout.adapters.trust.development import ensure_development_keys
from rollout.adapters.trust.signer import FolderSigner
from rollout.operation.advance import Eyes
from rollout.operation.draft import Wish
from rollout.operation.publisher import Publisher
from rollout.operation.reconcile import Reconciler
from rollout.operation.start import start
from rollout.operation.watch import Watch
from rollout.ports.person import TokenRecord
from rollout.ports.release import ReleaseRecord
from rollout.release.target import NO_POLICY, TargetFacts
from rollout.service.up.role import commands
from tests.service.workflow_fleet import BEAT, OLD, PRODUCT, Fleet, until
from workflows.activities import Back, Forward
from workflows.executor import Executor
from workflows.worker import serve_workflows

HOSTS = 48
PROMOTE = {"margin": None, "early_life": "50%"}  # 7 clean survivors show it
RING = {"first_batch": 5, "budget": 20, "bake": {"min": "300ms", "host_hours": 0, "max": "5m"}, "promote": PROMOTE}
LAST = {"promote": {"margin": None, "early_life": None}, "bake": {"min": "1500ms", "host_hours": 0, "max": "5m"}}
APPROVAL = {"role": "approver", "persons": 1, "timeout": "1h"}


def policy(approval: dict[str, Any] | None = None, **change: Any) -> Policy:
    """Three rings within seconds; `approval` guards the first one's promotion."""
    rings = [
        {"name": "canary", "size": {"hosts": 9}, "approval": approval, **RING},
        {"name": "early", "size": {"share": "30%"}, "approval": None, **RING},
        {"name": "everyone", "size": {"rest": True}, "approval": None, **RING, **LAST},
    ]
    told = {
        "schema": "rollout.policy/1", "name": "quick", "kind": "content", "heartbeat": "300ms", "hold_out": "15%",
        "confirm": {"uptime": "600ms", "reboots": 0, "deadline": "6s", "overdue": "5s", "dark_after": "2500ms"},
        "judge": {"every": "200ms"}, "watch": "2s", "lease": "60s", "rings": rings, "on_unhealthy": "rollback",
        "coverage": {"at_least": "80%", "stale_after": "3s", "blind_limit": "60s"},
    }  # fmt: skip
    return load(told | change)


class EngineProcess:
    """A Temporal server that can be killed, restarted on its file, or restarted without it."""

    def __init__(self, folder: Path) -> None:
        found = find({**os.environ, "TEMPORAL_ADDRESS": ""}, cache_home())
        if found is None or found.binary is None:
            pytest.skip("no engine is installed: `rollout engine install`")
        self._ports = [Reservation.of("127.0.0.1", 0, "engine"), Reservation.of("127.0.0.1", 0, "page")]
        self.engine = Engine(found.binary, folder, self._ports[0].port, self._ports[1].port)
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        self.engine.clear()
        with (self.engine.folder / "temporal.log").open("ab") as sink:
            self._process = subprocess.Popen(self.engine.argv(), stdin=subprocess.DEVNULL, stdout=sink, stderr=sink)
        assert self.engine.settle(), "the engine does not start"

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def lose(self) -> None:
        """Its database is gone, as after a change of version."""
        self.kill()
        self.engine.database.unlink()

    @property
    def running(self) -> bool:
        return self._process is not None

    def close(self) -> None:
        self.kill()
        for port in self._ports:
            port.close()


class Worker:
    """All of a worker process but its HTTP, in a thread of its own; `pieces` names what of it runs."""

    def __init__(self, world: "World", owner: str, *, workflows: bool = True, watch: bool = True) -> None:
        self._world, self._owner, self._workflows, self._watch = world, owner, workflows, watch
        self.alarms: list[tuple[str, int]] = []
        self._stop: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._main, name=owner)
        self._thread.start()
        until(lambda: self._stop is not None or self._failure is not None, 10, "the worker's start")

    def close(self) -> None:
        if self._loop is not None and self._stop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(15)
        assert not self._thread.is_alive(), "the worker does not end"
        if self._failure is not None:
            raise self._failure

    def _main(self) -> None:
        try:
            asyncio.run(self._run())
        except BaseException as error:  # reported by `close`
            self._failure = error

    async def _run(self) -> None:
        world, stop = self._world, asyncio.Event()
        self._loop, self._stop = asyncio.get_running_loop(), stop
        store, clock = world.store, world.clock
        signer, copies = FolderSigner(world.data / "keys"), FolderCopies(world.data)
        publisher = Publisher(store, clock, signer, copies, self._owner)
        executor = Executor(world.engine.engine.address, world.engine.engine.namespace)
        forward = Forward(store, publisher, Eyes(clock.elapsed))
        back = Back(store, publisher, lambda rollout, attempt: self.alarms.append((rollout, attempt)))
        loops = [publisher.run(stop), Reconciler(store, clock, executor, self._owner).run(stop)]
        loops += [Watch(store, clock, self._owner, heartbeat=BEAT).run(stop)] if self._watch else []
        loops += [serve_workflows(executor, forward, back, stop)] if self._workflows else []
        await asyncio.gather(*loops)


class World:
    """One product on one machine; made by `world`."""

    def __init__(self, folder: Path, engine: EngineProcess | None = None) -> None:
        self.data, self.clock = folder / "data", SystemClock()
        self.data.mkdir(parents=True)
        ensure_development_keys(self.data / "keys")
        self.settings = Settings(data=self.data, supervised=True)
        migrate(self.settings.database)
        self.store = open_store(self.settings.database, self.clock)
        self.engine = engine or EngineProcess(folder / "engine")
        self.fleet = Fleet(self.store, self.clock)
        self.workers: list[Worker] = []
        for name, role in (("ann", "releaser"), ("bob", "approver"), ("eve", "approver"), ("oscar", "operator")):
            self.person(name, role)
        self.release(OLD)
        self.release(OLD + 1)
        self.fleet.enrol(HOSTS)

    def worker(self, owner: str = "w1", **pieces: bool) -> Worker:
        self.workers.append(Worker(self, owner, **pieces))
        return self.workers[-1]

    def process(self, port: int = 0) -> "subprocess.Popen[bytes]":
        """The real worker as a process of its own."""
        settings = Settings(
            data=self.data,
            worker=Endpoint("127.0.0.1", port),
            temporal=self.engine.engine.address,
            heartbeat_seconds=BEAT,
            supervised=True,
        )
        told = {**os.environ, **settings.to_environment(), "PYTHONPATH": str(Path(__file__).parents[2])}
        with (self.data / "worker.log").open("ab") as sink:
            return subprocess.Popen([sys.executable, *commands()["worker"][1:]], env=told, stdout=sink, stderr=sink)

    def write(self, work: Callable[[Any], Any]) -> Any:
        return self.store.write(work).result(10)

    def read(self, work: Callable[[Any], Any]) -> Any:
        return self.store.read(work)

    def person(self, name: str, role: str) -> None:
        token = TokenRecord(secrets.token_hex(8), name, role, secrets.token_bytes(32), None, 0, "root", 4e9)
        self.write(lambda tx: tx.people.add_token(token))

    def release(self, counter: int) -> None:
        now = datetime.fromtimestamp(self.clock.now(), UTC)
        facts = TargetFacts(
            PRODUCT, f"1.{counter}", counter, 0, "content", ("*",), (0, 2**32 - 1), False, NO_POLICY, None, {}, now
        )
        manifest = {"hardware": ["*"], "os_builds": [0, 2**32 - 1], "rollback_to": None}
        made = ReleaseRecord(
            PRODUCT, counter, f"{counter:064x}", 1000, "1", "content", 0, manifest, facts.to_custom(), 1.0, "ann"
        )
        self.write(lambda tx: tx.releases.add(made))

    def start(self, under: Policy | None = None, counter: int = OLD + 1) -> str:
        salts = (secrets.token_hex(8), secrets.token_hex(8))
        return start(self.store, Wish(PRODUCT, counter, under or policy(), "try", "ann", salts))

    def record(self, rollout: str) -> Any:
        return self.read(lambda tx: tx.rollouts.get(rollout))

    def state(self, rollout: str) -> str:
        return self.record(rollout).state

    def rings(self, rollout: str) -> dict[str, str]:
        return {ring.name: ring.state for ring in self.read(lambda tx: tx.rollouts.rings(rollout))}

    def audit(self, rollout: str) -> list[str]:
        return [row.kind for row in self.read(lambda tx: tx.people.audit(rollout))]

    def adoptions(self, rollout: str) -> list[Any]:
        return list(self.read(lambda tx: tx.adoptions.of_rollout(rollout)))

    def until_state(self, rollout: str, state: str, seconds: float = 120) -> None:
        try:
            until(lambda: self.state(rollout) == state, seconds)
        except AssertionError:
            judged = self.read(lambda tx: tx.judging.judgement(rollout))
            said = None if judged is None else judged.document["sentence"]
            raise AssertionError(f"not {state} but {self.state(rollout)}, {self.rings(rollout)}: {said}") from None

    def act(self, kind: str, person: str, ring: str = "canary", revision: int | None = None) -> dict[str, Any]:
        """A forward act, sent as the API sends it: an update of the product's workflow."""

        async def send() -> Any:
            client = await Client.connect(self.engine.engine.address, namespace=self.engine.engine.namespace)
            told = {
                "kind": kind,
                "rollout": newest.id,
                "ring": ring,
                "revision": seen,
                "person": person,
                "reason": "ok",
            }
            return await client.get_workflow_handle(f"rollout-{PRODUCT}").execute_update("act", told)

        newest = self.read(lambda tx: tx.rollouts.newest(PRODUCT))
        seen = newest.revision if revision is None else revision
        return asyncio.run(send())

    def agree(self, kind: str, person: str, ring: str = "canary") -> None:
        """Act at the evidence as it stands, again where it moved meanwhile."""
        until(lambda: self.act(kind, person, ring)["status"] == 200, 20, f"{kind} by {person}")

    def workflow(self, identity: str) -> str:
        """Status of the newest run of a workflow."""

        async def describe() -> str:
            client = await Client.connect(self.engine.engine.address, namespace=self.engine.engine.namespace)
            try:
                found = await client.get_workflow_handle(identity).describe()
            except RPCError:  # not started yet
                return ""
            return "" if found.status is None else found.status.name

        return asyncio.run(describe())

    def engine_seen(self) -> None:
        """Wait until the engine's beacon moves."""
        before = self.read(lambda tx: tx.beacons.all("engine"))
        until(lambda: self.read(lambda tx: tx.beacons.all("engine")) != before, 20, "the engine's beacon")

    def close(self) -> None:
        try:
            if self.workers and not self.engine.running:
                self.engine.start()  # the SDK tells a dead engine how its activities ended for longer than we wait
            for worker in self.workers:
                worker.close()
            self.fleet.close()
        finally:
            self.engine.close()
            self.store.close()


@contextmanager
def world(folder: Path) -> Iterator[World]:
    made = World(folder)
    try:
        yield made
    finally:
        made.close()


def terminate(process: "subprocess.Popen[bytes]", how: signal.Signals = signal.SIGTERM) -> float:
    """End a process; how long it took, seconds."""
    began = time.monotonic()
    process.send_signal(how)
    process.wait(15)
    return time.monotonic() - began
