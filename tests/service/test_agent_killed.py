"""SIGKILL at every durable write and around every act of the installer: what a host is afterwards, and what it says.

The invariant: it runs its baseline and says so, or the candidate with its adoption named; nothing was ever loaded
without a go, and no host ever has two adoptions.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.service.agent_world import agents
from tests.service.gateway_world import NEW, OLD, PRODUCT

pytestmark = pytest.mark.slow  # a hundred lives of agents

INSTALLER_DEATHS = ("kill-install", "killed-install", "kill-load", "killed-load", "kill-running", "killed-running")
WAY_BACK_WRITES = range(5, 16)  # the first four are of what any round writes; the last is one more than there are
MOST_WRITES = 60  # far more than a round has; the test finds the last one itself


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with agents(tmp_path_factory.mktemp("agents")) as made, made.moving():
        yield made


@pytest.fixture(scope="module")
def lives():
    program = [sys.executable, "-m", "tests.service.agent_lives"]
    with subprocess.Popen(
        program, cwd=Path(__file__).parents[2], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:

        def live(host, die_at=0, *, start_is_boot=False):
            host.world.gateway.knows()  # what failed in the life before is judged: one round asks but once
            order = {"state": str(host.state), "installer": f"{host.world.installer} {host.root}"}
            process.stdin.write(json.dumps(order | {"die_at": die_at, "start_is_boot": start_is_boot}) + "\n")
            process.stdin.flush()
            told = json.loads(process.stdout.readline())
            assert told["killed"] or told["code"] == 0
            return told["killed"]

        yield live
        process.stdin.close()


def spoken(world, host):
    """What the gateway last heard of this host."""
    said = world.gateway.presence(host.name)
    return json.loads(said.running).get(PRODUCT), said.phase, said.adoption


def assert_sound(world, host):
    adoptions = world.adoptions(host.name)
    assert len(adoptions) <= 1, "never two adoptions"
    if f"load {NEW}" in host.log:
        assert adoptions, "nothing is loaded without a go"
    running, phase, adoption = spoken(world, host)
    assert running == host.runs, "it says what it really runs"
    if running == NEW:
        assert (phase, adoption) == ("applied", adoptions[0].id), "the candidate runs with its adoption named"
    else:
        assert (running, phase in {"idle", "reverted"}) == (OLD, True)
        assert (phase == "reverted") == (adoption is not None)


@pytest.mark.parametrize("start_is_boot", [False, True], ids=["the agent dies", "the machine dies"])
def test_killed_at_every_durable_write_of_an_adoption(world, lives, start_is_boot):
    for die_at in range(1, MOST_WRITES, 2 if start_is_boot else 1):
        host = world.host(f"w{die_at}-{start_is_boot}")
        killed = lives(host, die_at, start_is_boot=start_is_boot)
        assert host.runs == OLD or world.adoptions(host.name)
        lives(host, start_is_boot=start_is_boot)
        assert_sound(world, host)
        if not killed:
            break
        if not start_is_boot:
            assert host.runs == NEW, f"death {die_at} cost more than time"
    assert 10 < die_at < MOST_WRITES - 1


@pytest.mark.parametrize("death", INSTALLER_DEATHS)
@pytest.mark.parametrize("start_is_boot", [False, True], ids=["the agent dies", "the machine dies"])
def test_killed_before_and_after_each_act_of_the_installer(world, lives, death, start_is_boot):
    host = world.host(f"{death}-{start_is_boot}")
    (host.root / death).touch()
    assert lives(host, start_is_boot=start_is_boot)
    lives(host, start_is_boot=start_is_boot)
    assert_sound(world, host)
    if death == "kill-load" and start_is_boot:
        assert spoken(world, host)[:2] == (OLD, "reverted"), "what fells the machine while it loads is not tried again"
    else:
        assert host.runs == NEW


def test_killed_at_every_durable_write_of_a_way_back(world, lives):
    deaths = [*WAY_BACK_WRITES, "kill-revert", "killed-revert"]
    hosts = [world.host(f"b{death}") for death in deaths]
    for host in hosts:
        lives(host)
        assert host.runs == NEW
    world.direct(world.order(OLD, "rollback", withdraws=NEW))
    try:
        for host, death in zip(hosts, deaths, strict=True):
            if isinstance(death, str):
                (host.root / death).touch()
            killed = lives(host, death if isinstance(death, int) else 0)
            assert killed == (death != WAY_BACK_WRITES[-1]), death
            lives(host)
            assert host.runs == OLD
            assert spoken(world, host) == (OLD, "idle", None)
    finally:
        world.direct(world.order(NEW, "install"))
