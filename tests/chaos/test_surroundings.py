"""A rollout goes on, and keeps its promises, through a full disk, a clock that jumps, a cut-off store."""

import asyncio
import contextlib
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from rollout.adapters.clock import SystemClock
from rollout.adapters.engine.pin import cache_home
from rollout.adapters.engine.resolve import find
from rollout.adapters.store.core import Store
from rollout.event import EventKind
from rollout.service.demo import scenarios
from rollout.service.demo.local import Places
from rollout.service.demo.operator import Operator, crash_module
from rollout.simulation.swarm.faults import Fault, Kind
from rollout.simulation.swarm.swarm import Settings, Swarm
from tests.chaos.faults import clock_jump, cut_store, disk_full

pytestmark = pytest.mark.slow
HOSTS = 40
BAD = {EventKind.DARK, EventKind.EXPIRED, EventKind.CRASHED, EventKind.REVERTED}


class Stage:
    """`rollout up` on a folder, with a fleet that lives with it."""

    def __init__(self, data, seed=1):
        self.data, self.random, self.environ = data, random.Random(seed), {}
        self.swarm = self._life = self._stopped = None

    def start(self):
        ours = {name: value for name, value in os.environ.items() if not name.startswith(("ROLLOUT_", "TEMPORAL_"))}
        doors = ["--api", "127.0.0.1:0", "--gateway", "127.0.0.1:0", "--heartbeat", "1s"]
        line = [sys.executable, "-P", "-m", "rollout.service.cli", "up", "--json", "--data", str(self.data), *doors]
        with self.data.with_name("up.log").open("ab") as words:
            self.process = subprocess.Popen(
                line, env=ours | self.environ, stdout=subprocess.PIPE, stderr=words, text=True
            )
        found = json.loads(self.process.stdout.readline())
        self.api, self.gateway = found["api"], found["gateway"]
        token = Path(found["admin_token_file"]).read_text().strip()
        self.operator = Operator(Places(self.api, self.gateway, found["console"], token))
        self.database = self.environ.get("ROLLOUT_DATABASE", f"sqlite:///{self.data / 'store.sqlite3'}")

    def pid(self, role):
        return int((self.data / "run" / f"{role}.pid").read_text())

    def wait(self, condition, seconds):
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < deadline, f"{condition} never held"
            time.sleep(0.05)
        return found

    def live(self):
        """Let a fleet enrol and beat, in a thread of its own."""
        tokens = {role: asyncio.run(self.operator.token(role)) for role in ("enrol", "collector")}
        for counter in (*scenarios.BASELINES, scenarios.CANDIDATE):
            asyncio.run(self.operator.add_release(scenarios.PRODUCT, counter, self.data.parent))
        told = Settings(
            self.gateway, tokens["enrol"], tokens["collector"], scenarios.PRODUCT, scenarios.BASELINES, crash_module()
        )
        self.swarm = Swarm(told, HOSTS, 1, Fault(Kind.GOOD), 1.0)
        self._loop = asyncio.new_event_loop()
        self._stopped = asyncio.Event()
        self._life = threading.Thread(target=self._loop.run_until_complete, args=(self.swarm.run(self._stopped),))
        self._life.start()
        self.wait(self.swarm.ready.is_set, 60)

    def begin(self):
        policy = scenarios.policy(HOSTS, fast=True)
        return asyncio.run(
            self.operator.start(f"{scenarios.PRODUCT}/{scenarios.CANDIDATE}", policy, "through bad weather")
        )

    def look(self, rollout):
        return asyncio.run(self.operator.look(rollout))

    def close(self):
        if self._life is not None:
            self._loop.call_soon_threadsafe(self._stopped.set)
            self._life.join(30)
            self._loop.close()
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(15)
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def stage(tmp_path):
    if find({**os.environ, "TEMPORAL_ADDRESS": ""}, cache_home()) is None:
        pytest.skip("no engine is installed: `rollout engine install`")
    return Stage(tmp_path / "data")


@contextlib.contextmanager
def playing(stage, faults):
    """Start a service for these faults, and end it; what they made is cleared away."""
    made = []
    try:
        for fault in faults:
            if hasattr(fault, "environment"):
                stage.environ |= fault.environment(stage)
                made.append(fault)
        stage.start()
        try:
            stage.live()
            yield
        finally:
            stage.close()
    finally:
        for fault in made:
            if hasattr(fault, "clear"):
                fault.clear(stage)


@pytest.mark.parametrize("faults", [[clock_jump, disk_full], [cut_store]], ids=["sqlite", "postgresql"])
def test_a_good_rollout_completes_through_it_and_nobody_is_lost_doubled_or_called_dark(stage, faults):
    with playing(stage, faults):
        rollout = stage.begin()
        stage.wait(lambda: stage.swarm.truth.went > 0, 60)
        for fault in faults:
            print(fault.NAME, fault.inject(stage))
        stage.wait(lambda: stage.look(rollout)["state"] not in {"running", "awaiting-approval"}, 120)
        assert stage.look(rollout)["state"] == "completed"
        stage.wait(lambda: sum(ring["outstanding"] for ring in stage.look(rollout)["rings"]) == 0, 60)
        store = Store(stage.database, SystemClock())
        events, adoptions = store.read(lambda tx: (tx.events.after(0), tx.adoptions.of_rollout(rollout)))
        store.close()
        assert not [event for event in events if event.kind in BAD]
        assert set(Counter(each.host for each in adoptions).values()) == {1}
        assert {each.state for each in adoptions} == {"confirmed"}
        assert sum(ring["confirmed"] for ring in stage.look(rollout)["rings"]) == len(adoptions)
