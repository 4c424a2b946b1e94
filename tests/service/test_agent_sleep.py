"""A machine that goes to sleep says so, is silent until it is awake, and is asleep, not dark."""

import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest

from rollout.host import beater
from rollout.host.beater import Beater, Calls
from rollout.host.door import Door
from rollout.host.folder import Sequence, read_key
from rollout.host.presence import Presence
from rollout.host.spool import Spool
from rollout.telemetry import ASLEEP, GONE, HERE
from tests.adapters.host_world import Machine
from tests.service.agent_world import agents
from tests.service.gateway_world import NEW, OLD, PRODUCT, until

pytestmark = pytest.mark.slow  # a gateway


@pytest.fixture
def world(tmp_path):
    with agents(tmp_path) as made, made.moving():
        yield made


@pytest.fixture(autouse=True)
def _patient(monkeypatch):
    monkeypatch.setattr(beater, "STAYS_INTERVALS", 1e6)  # a busy machine is not one that stayed up


class Sleeper:
    """A host that beats, and its power manager."""

    def __init__(self, world):
        self.host, self.gateway, self.machine, self.calls = world.host("h-1"), world.gateway, Machine(), Calls()
        door = Door(world.url, "h-1", read_key(self.host.state))
        spool, idle = Spool(self.host.state, "h-1", door), Presence({PRODUCT: OLD}, None, "idle")
        told = (Sequence(self.host.state), self.machine, spool, 0.05, lambda: idle)
        self.beater = Beater("h-1", door, *told, self.host.said.append, self.calls)

    @property
    def seen(self):
        return self.gateway.presence("h-1")

    def is_seen(self, absent):
        return self.seen is not None and self.seen.absent == absent

    @contextmanager
    def asleep(self, absence="sleeping", seen=ASLEEP):
        with self.beater:
            until(lambda: self.is_seen(HERE))
            self.calls.put(absence)
            until(lambda: f"{absence} is announced" in self.host.said)
            assert self.is_seen(seen)
            yield self.seen.seq


def test_after_it_announced_its_sleep_a_host_is_silent_until_it_is_awake(world):
    sleeper = Sleeper(world)
    with sleeper.asleep():
        assert sleeper.beater.away == "sleeping"
        sleeper.machine.slept = 3600.0
        until(lambda: sleeper.is_seen(HERE))
        assert sleeper.beater.away is None


def test_the_announcement_is_the_last_word_before_the_sleep(world):
    sleeper = Sleeper(world)
    with sleeper.asleep() as last:
        sleeper.beater.soon()
        until(sleeper.calls.empty)
        assert sleeper.seen.seq == last


def test_a_machine_that_stayed_up_speaks_again(world, monkeypatch):
    monkeypatch.setattr(beater, "STAYS_INTERVALS", 0.0)
    sleeper = Sleeper(world)
    with sleeper.asleep():
        until(lambda: sleeper.is_seen(HERE))


def test_a_shutdown_for_long_is_announced_too_also_by_one_who_meant_to_sleep(world):
    sleeper = Sleeper(world)
    with sleeper.asleep():
        sleeper.calls.put("leaving")
        until(lambda: sleeper.is_seen(GONE))


def test_a_power_manager_tells_the_agent_by_signals(world, tmp_path):
    host = world.host("h-1")

    def absences():
        """As they were recorded: an agent whose machine stays up speaks again soon."""
        return [event.detail["absent"] for event in world.gateway.events() if event.kind.value == "asleep"]

    told = ["--state", str(host.state), "--installer", f"{world.installer} {host.root}", "--poll", "100ms"]
    with (
        (tmp_path / "words").open("w") as words,
        subprocess.Popen(
            [sys.executable, "-m", "rollout.service.cli", "host", "run", *told], stdout=subprocess.DEVNULL, stderr=words
        ) as agent,
    ):
        try:
            until(lambda: host.runs == NEW and world.adoptions("h-1")[0].state == "confirmed", 120)
            agent.send_signal(signal.SIGUSR1)
            until(lambda: absences() == [ASLEEP] and bool(world.gateway.events("awake")), 60)
            agent.send_signal(signal.SIGUSR2)
            until(lambda: absences() == [ASLEEP, GONE], 60)
            agent.send_signal(signal.SIGTERM)
            assert agent.wait(60) == 0
        finally:
            agent.kill()
