"""The swarm's hosts obey real signed metadata: own ring, own baseline, and no lease, no adoption."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from rollout.adapters.trust import director, image
from rollout.adapters.trust.keys import development_director_keys, development_image_keys
from rollout.directive.facts import Directive
from rollout.release.target import Step, TargetFacts
from rollout.ringmap import HELD_OUT, RingMap
from rollout.simulation.swarm.faults import Background, Fault
from rollout.simulation.swarm.swarm import Settings, Swarm
from tests.adapters.small_gateway import CLOCK, PACKAGE, SHA256, Gateway

RINGS = ("canary", "rest")
MAP = RingMap("sensor", 1, "salt", ((HELD_OUT, 0, 10**8), ("canary", 10**8, 4 * 10**8), ("rest", 4 * 10**8, 10**9)), {})
LEASE = timedelta(minutes=5)
POLICY = "ab" * 32


def now():
    return datetime.fromtimestamp(CLOCK.now(), UTC)


def release(counter):
    begun = now() - timedelta(hours=1)
    return TargetFacts(
        "sensor", f"{counter}.0", counter, 0, "content", ("*",), (0, 2**32 - 1), False, POLICY, None,
        {ring: (Step(begun, 10_000),) for ring in RINGS}, now() + timedelta(days=1),
    )  # fmt: skip


def order(counter, action, **more):
    directive = Directive("r1", action, 10_000, "s", 1, counter, ("*",), POLICY, **more)
    return image.Target(f"sensor/{counter}/{SHA256}.zip", len(PACKAGE), {"sha256": SHA256}, directive.to_custom())


class World:
    """An Image repository, two Directors, and a gateway that serves them."""

    def __init__(self, folder, age=timedelta(0)):
        self.gateway = Gateway()
        begun = now() - age
        keys = development_image_keys(folder / "image")
        self.keys = {ring: development_director_keys(folder / "director", ring) for ring in RINGS}
        firsts = {ring: director.first(ring, (), LEASE, self.keys[ring], begun, development=True) for ring in RINGS}
        self.stored = {ring: dict(first.files) for ring, first in firsts.items()}
        ring_map, data = image.ring_map_target(MAP)
        roots = [image.director_root_target(ring, self.stored[ring]["1.root.json"]) for ring in RINGS]
        releases = [image.release_target(release(counter), SHA256, len(PACKAGE)) for counter in (1, 2, 3)]
        files = dict(image.first(keys, now(), development=True).files)
        files |= image.publish(files, [*releases, *roots, ring_map], keys, now()).files
        self.serve("image", files)
        self.gateway.files[f"/targets/{ring_map.path}"] = data
        for ring, root in zip(RINGS, roots, strict=True):
            self.gateway.files[f"/targets/{root.path}"] = self.stored[ring]["1.root.json"]
            self.serve(f"director/{ring}", self.stored[ring])

    def serve(self, where, files):
        self.gateway.files |= {f"/metadata/{where}/{name}": data for name, data in files.items()}

    def publish(self, ring, *orders, lease=LEASE, at=None):
        new = director.publish(self.stored[ring], ring, orders, lease, self.keys[ring], at or now())
        self.stored[ring] |= new.files
        self.serve(f"director/{ring}", self.stored[ring])


async def until(condition):
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - the swarm's counters are no events
            await asyncio.sleep(0.01)


async def scene(world, act):
    server = await asyncio.start_server(world.gateway.handle, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    settings = Settings(address, "enrol", "collect", "sensor", poll_seconds=0.1)
    swarm, stopped = Swarm(settings, 40, 7, Fault(), 0.2, background=Background(0.0)), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(swarm.run(stopped))
        await swarm.ready.wait()
        try:
            await act(swarm)
        finally:
            stopped.set()
    server.close()
    await server.wait_closed()


def in_ring(swarm, ring):
    return {name for name in swarm.members if MAP.ring_of(name) == ring}


def test_only_the_hosts_of_the_directed_ring_adopt_and_each_goes_back_to_what_it_ran(tmp_path):
    world = World(tmp_path)

    async def act(swarm):
        canary = in_ring(swarm, "canary")
        world.publish("canary", order(3, "install"))
        await until(lambda: swarm.truth.touched == len(canary))
        assert set(world.gateway.open) == canary
        before = {name: swarm.members[name].host.baseline for name in canary}
        assert set(before.values()) == {1, 2}
        back = (order(1, "rollback", withdraws=3), order(2, "rollback", withdraws=3))
        world.publish("canary", *back)
        await until(lambda: swarm.truth.back == len(canary))
        assert {name: swarm.members[name].host.running for name in canary} == before
        assert not swarm.truth.refusals

    asyncio.run(scene(world, act))


def test_the_last_ring_adopts_and_the_held_out_never_do(tmp_path):
    world = World(tmp_path)

    async def act(swarm):
        for ring in RINGS:
            world.publish(ring, order(3, "install"))
        held_out = in_ring(swarm, HELD_OUT)
        assert held_out
        await until(lambda: swarm.truth.touched == 40 - len(held_out))
        assert not held_out & set(world.gateway.open)

    asyncio.run(scene(world, act))


@pytest.mark.parametrize(
    ("ring", "lease", "age", "code"),
    [
        ("canary", LEASE, timedelta(minutes=6), "lease-over"),
        ("canary", timedelta(minutes=40), timedelta(0), "lease-too-long"),
        ("rest", LEASE, timedelta(0), "metadata"),
    ],
)
def test_without_a_good_lease_of_its_own_ring_no_host_asks(tmp_path, ring, lease, age, code):
    world = World(tmp_path, age)

    async def act(swarm):
        world.publish("canary", order(3, "install"), lease=lease, at=now() - age)
        if ring != "canary":  # a server that serves another ring's Director: signed, but by other keys
            served = {name: data for name, data in world.stored["canary"].items() if "root" not in name}
            world.serve(f"director/{ring}", served)
        hosts = [member for name, member in swarm.members.items() if name in in_ring(swarm, ring)]
        await until(lambda: _refusal(swarm, hosts[0]) == code)
        assert swarm.truth.asked == 0 or ring == "rest"

    asyncio.run(scene(world, act))
    assert all(MAP.ring_of(name) == "canary" for name in world.gateway.open)


def _refusal(swarm, member):
    try:
        swarm._directives.directed(member)
    except Exception as error:
        return error.code
    return None
