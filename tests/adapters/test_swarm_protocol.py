"""The swarm against a small gateway that obeys INTERFACES section 1 and counts what it is told."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from rollout.directive.refusal import RefusedError
from rollout.errors import ForbiddenError, UnreachableError
from rollout.simulation.swarm.client import Client
from rollout.simulation.swarm.directives import Directed
from rollout.simulation.swarm.faults import Background, Blinding, Fault, Kind
from rollout.simulation.swarm.swarm import Settings, Swarm
from tests.adapters.small_gateway import CLOCK, PACKAGE, SHA256, Gateway


class OneRing:
    """A Directives port whose metadata is a variable."""

    def __init__(self):
        self.action, self.changed, self.refused = None, False, None

    def say(self, action):
        self.action, self.changed = action, True

    async def poll(self):
        changed, self.changed = self.changed, False
        return frozenset({"canary"}) if changed else frozenset()

    def ring_of(self, member):
        return "canary"

    def directed(self, member):
        if self.refused:
            raise RefusedError(self.refused, "as the test says")
        counter = {"install": 3, "rollback": member.host.baseline}.get(self.action)
        if counter is None or (self.action == "rollback") != (member.host.running == 3):
            return None
        path = f"sensor/{counter}/{SHA256}.zip"
        return Directed(self.action, counter, path, len(PACKAGE), SHA256, 1, CLOCK.now() + 60)


async def until(condition, seconds=90.0):
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - the swarm's counters are no events
            await asyncio.sleep(0.01)


@asynccontextmanager
async def running(hosts, fault, gateway, *, heartbeat=0.1, **more):
    server = await asyncio.start_server(gateway.handle, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    ring, stopped = OneRing(), asyncio.Event()
    settings = Settings(address, "enrol", "collect", "sensor", questions_per_second=2000.0, poll_seconds=0.1)
    swarm = Swarm(settings, hosts, 7, fault, heartbeat, directives=ring, **({"background": Background(0.0)} | more))
    task = asyncio.create_task(swarm.run(stopped))
    await until(lambda: swarm.ready.is_set() or task.done())
    try:
        yield swarm, ring
    finally:
        stopped.set()
        try:
            await task
        finally:
            server.close()
            await server.wait_closed()
    assert gateway.bad == []


async def _crashing_fleet_comes_back():
    gateway = Gateway()
    async with running(60, Fault(Kind.CRASHING, mean_seconds=0.2, downtime_seconds=0.2), gateway) as (swarm, ring):
        assert len(gateway.beats) == 60
        ring.say("install")
        await until(lambda: len(gateway.reports) == 60 and swarm.truth.harmed == 60)
        gateway.halted = True
        ring.say("rollback")
        await until(lambda: swarm.truth.back == 60)
        baselines = {name: {"sensor": m.host.baseline} for name, m in swarm.members.items()}
        await until(lambda: {name: beat["running"] for name, beat in gateway.beats.items()} == baselines)
    truth = swarm.truth
    assert (truth.touched, truth.dead, truth.running[3], truth.running.total()) == (60, 0, 0, 60)
    assert truth.first_go <= truth.last_go <= truth.last_back
    assert truth.first_failure <= truth.last_failure


@pytest.mark.slow
def test_a_crashing_fleet_reports_beats_on_and_goes_back_to_what_each_host_ran():
    asyncio.run(_crashing_fleet_comes_back())


async def _lethal_dies(kind, reports):
    gateway = Gateway(window=5)
    async with running(40, Fault(kind), gateway) as (swarm, ring):
        ring.say("install")
        await until(lambda: swarm.truth.dead == 5 and len(gateway.reports) == reports and swarm.truth.answers["wait"])
        dead = {name for name, member in swarm.members.items() if not member.host.up}
        seen = {name: gateway.seqs[name] for name in dead}
        beaten = swarm.truth.beats
        await until(lambda: swarm.truth.beats > beaten + 60)
        assert seen == {name: gateway.seqs[name] for name in dead}
    assert swarm.truth.touched == swarm.truth.harmed == 5


@pytest.mark.parametrize(("kind", "reports"), [(Kind.LETHAL, 5), (Kind.BOOT_LOOP, 0)])
def test_a_host_that_dies_is_never_heard_again_and_only_the_window_is_harmed(kind, reports):
    asyncio.run(_lethal_dies(kind, reports))


async def _refused_metadata():
    gateway = Gateway()
    async with running(20, Fault(), gateway) as (swarm, ring):
        ring.refused = "lease-over"
        ring.say("install")
        await until(lambda: swarm.truth.refusals["lease-over"] >= 20)
    assert swarm.truth.asked == swarm.truth.touched == 0


def test_a_host_that_refuses_its_metadata_does_not_even_ask():
    asyncio.run(_refused_metadata())


async def _late_go(valid):
    gateway = Gateway()
    gateway.valid = valid
    async with running(5, Fault(), gateway) as (swarm, ring):
        ring.say("install")
        await until(lambda: swarm.truth.answers["go"] >= 10)
    assert (swarm.truth.touched, swarm.truth.went > 0) == (0, valid > 0)


@pytest.mark.slow
@pytest.mark.parametrize("valid", [0, 0.09])
def test_a_go_that_ends_before_the_moment_of_activation_is_no_go(valid):
    asyncio.run(_late_go(valid))


async def _other_bytes():
    gateway = Gateway()
    gateway.package = PACKAGE[:-1] + b"!"
    async with running(5, Fault(), gateway) as (swarm, ring):
        ring.say("install")
        await until(lambda: swarm.truth.troubles["package unreachable"] >= 5)
    assert swarm.truth.asked == 0


def test_a_package_of_other_bytes_is_never_asked_for():
    asyncio.run(_other_bytes())


async def _lost_batches():
    gateway = Gateway()
    async with running(30, Fault(), gateway) as (swarm, _):
        gateway.refuse_beats = 3
        await until(lambda: gateway.refuse_beats == 0)
        before = dict(gateway.seqs)
        await until(lambda: all(gateway.seqs[name] > seq for name, seq in before.items()))
    assert swarm.truth.troubles["beats 503"] == 3


def test_after_503_the_hosts_of_a_lost_batch_beat_anew():
    asyncio.run(_lost_batches())


async def _blind():
    gateway = Gateway(window=10)
    async with running(40, Fault(), gateway, blinding=Blinding(0.5, 0.1)) as (swarm, ring):
        ring.say("install")
        await until(lambda: swarm.truth.blinded is not None and swarm.truth.touched == 10)
        before = dict(gateway.seqs)
        beaten = swarm.truth.beats
        await until(lambda: swarm.truth.beats >= beaten + 60)
        silent = {name for name, seq in before.items() if gateway.seqs[name] == seq}
    assert len(silent) == 15, "half of the thirty that do not have it"
    assert not silent & set(gateway.open)


def test_a_blind_collector_forwards_only_a_share_of_the_control_hosts():
    asyncio.run(_blind())


async def _background():
    gateway = Gateway()
    busy = Background(crashes_per_host_hour=300.0, sleeps_per_host_hour=600.0, sleep_seconds=0.3)
    async with running(60, Fault(), gateway, background=busy) as (swarm, _):
        await until(lambda: len(gateway.reports) >= 3 and swarm.truth.crashes_accepted >= 3)
        await until(lambda: any(m.host.boot > 1 and m.host.up for m in swarm.members.values()))
    assert swarm.truth.harmed == 0


@pytest.mark.slow
def test_natural_crashes_and_sleep_happen_without_any_candidate_and_harm_is_not_booked():
    asyncio.run(_background())


async def _refused_enrolment():
    gateway = Gateway()
    gateway.answer = lambda *_: (409, {})
    with pytest.raises(ExceptionGroup) as caught:
        async with running(3, Fault(), gateway):
            pass
    assert caught.group_contains(ForbiddenError)


def test_a_refused_enrolment_ends_the_swarm_with_the_reason():
    asyncio.run(_refused_enrolment())


async def _client_faces(answer):
    async def handle(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server, Client(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}") as client:
        return await client.get("/x")


@pytest.mark.parametrize(
    "answer", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n"]
)
def test_whatever_is_no_whole_answer_is_unreachable(answer):
    with pytest.raises(UnreachableError):
        asyncio.run(_client_faces(answer))


def test_an_answer_that_closes_the_connection_is_still_an_answer():
    whole = b"HTTP/1.1 503 No\r\nConnection: close\r\nRetry-After: 7\r\nContent-Length: 2\r\n\r\nno"
    answer = asyncio.run(_client_faces(whole))
    assert (answer.status, answer.body, answer.retry_after) == (503, b"no", 7.0)
